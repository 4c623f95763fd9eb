//! Names of tests in the pages about promises: each must be a test that exists, so that no promise names a test that was
//! renamed or removed.
//!
//! A name is code with `::` that begins with a small letter. What precedes the last `::` says where the test is: a file from
//! the root (`crates/tidalite-log/src/frame.rs::f`, `tests/python/test_interop.py::test_f`), or a module of `tests/suite`
//! (`kill::f` is in `kill.rs`, `damage::answers::f` in `damage/answers.rs`). Names of the library begin with a type.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};

use super::sources::{RustFile, TextFile};

/// The pages that are checked.
const PAGES: [&str; 2] = ["docs/durability.md", "docs/testing.md"];
/// Where a module without a file is.
const SUITE: &str = "tests/suite";

/// A line for each name that is not that of a test.
pub(super) fn check(texts: &[TextFile], files: &[RustFile]) -> Vec<String> {
    let mut breaches = Vec::new();
    for page in texts.iter().filter(|f| PAGES.contains(&f.name.as_str())) {
        for (number, line) in page.text.lines().enumerate() {
            for name in names(line) {
                if let Some(wrong) = missing(name, texts, files) {
                    breaches.push(format!("{}:{}: test `{name}`: {wrong}", page.name, number + 1));
                }
            }
        }
    }
    breaches
}

/// The names of tests in a line.
fn names(line: &str) -> impl Iterator<Item = &str> {
    let is_name = |code: &&str| {
        code.contains("::") && !code.contains(' ') && code.starts_with(|c: char| c.is_ascii_lowercase())
    };
    line.split('`').skip(1).step_by(2).filter(is_name)
}

/// What is missing, if anything.
fn missing(name: &str, texts: &[TextFile], files: &[RustFile]) -> Option<&'static str> {
    let (place, test) = name.rsplit_once("::")?;
    if place.ends_with(".py") {
        let Some(file) = texts.iter().find(|f| f.name == place) else { return Some("there is no such file") };
        let head = format!("def {test}(");
        let is_there = test.starts_with("test_") && file.text.lines().any(|line| line.starts_with(&head));
        return (!is_there).then_some("the file has no such test");
    }
    let places = if place.ends_with(".rs") {
        vec![place.to_string()]
    } else {
        let module = place.replace("::", "/");
        vec![format!("{SUITE}/{module}.rs"), format!("{SUITE}/{module}/mod.rs")]
    };
    let Some(file) = files.iter().find(|f| places.contains(&f.name)) else {
        return Some("there is no such file");
    };
    let mut found = RustTests::default();
    found.visit_file(&file.syntax);
    (!found.names.contains(test)).then_some("the file has no such test")
}

/// The functions of a file that are tests, in whatever module.
#[derive(Default)]
struct RustTests {
    names: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for RustTests {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if item.attrs.iter().any(|attribute| attribute.path().is_ident("test")) {
            self.names.insert(item.sig.ident.to_string());
        }
        visit::visit_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::sources::planted;
    use super::*;

    fn text(name: &str, text: &str) -> TextFile {
        TextFile { name: name.into(), path: name.into(), text: text.into() }
    }

    #[test]
    fn a_name_that_no_test_has_is_found_with_its_line() {
        let files = planted(&[
            ("tests/suite/kill.rs", "#[test] fn rows_stay() {} fn told() {}"),
            ("tests/suite/damage/mod.rs", "#[test] fn a_bit_is_found() {}"),
            ("tests/suite/damage/answers.rs", "#[test] fn an_answer_says_so() {}"),
            ("crates/a/src/frame.rs", "mod tests { #[test] fn inner() {} }"),
        ]);
        let sound = "`kill::rows_stay`, `damage::a_bit_is_found`, `damage::answers::an_answer_says_so`,\n\
                     `crates/a/src/frame.rs::inner`, `tests/python/test_a.py::test_b`\n";
        let wrong = "`kill::rows_go`\n`kill::told`, `answers::an_answer_says_so`\n\
                     `tests/python/test_a.py::test_c`, `tests/python/test_c.py::test_b`\n";
        let texts = [
            text("docs/testing.md", &format!("{sound}{wrong}")),
            text("docs/other.md", wrong),
            text("tests/python/test_a.py", "def test_b(path):\n    pass\n"),
        ];
        let found = check(&texts, &files);
        assert_eq!(found.len(), 5, "{found:?}");
        assert!(found[0].starts_with("docs/testing.md:3: test `kill::rows_go`: the file has no such test"));
        assert!(found[1].contains("`kill::told`"), "a function that is not a test: {found:?}");
        assert!(found[2].contains("there is no such file"), "{found:?}");
    }

    #[test]
    fn names_of_the_library_and_other_code_are_left_alone() {
        let line = "`Store::watermark`, `cargo test kill::rows`, `kill`, kill::rows and ``";
        assert_eq!(names(line).count(), 0, "{:?}", names(line).collect::<Vec<_>>());
    }

    #[test]
    fn the_pages_are_where_the_list_says() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        assert!(PAGES.iter().all(|page| root.join(page).is_file()));
    }
}
