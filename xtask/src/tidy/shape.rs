//! The shape of files: what they are called, how they open, and how long they and their functions are.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::sources::{RustFile, TextFile};

const FILE_LINES_MAX: usize = 500;
/// From the line of `fn` to the line of the closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Names that say nothing about the content.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "common", "helpers", "helper", "misc"];

/// Name, header and length of a file.
pub(super) fn check_file(file: &TextFile) -> Vec<String> {
    let mut breaches = Vec::new();
    let (folders, base) = file.name.rsplit_once('/').unwrap_or(("", &file.name));
    let stem = base.split_once('.').map_or(base, |(stem, _)| stem);
    if folders.split('/').chain([base, stem]).any(|name| EMPTY_NAMES.contains(&name)) {
        breaches.push(format!("{}:1: the name says nothing; name the content", file.name));
    }
    if file.name.ends_with(".rs") {
        if !file.text.starts_with("//!") {
            breaches
                .push(format!("{}:1: open with `//!`: what the file is, its invariants or steps", file.name));
        }
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            let message = format!("{lines} lines, more than {FILE_LINES_MAX}; split at a seam of the domain");
            breaches.push(format!("{}:{FILE_LINES_MAX}: {message}", file.name));
        }
    }
    breaches
}

/// The length of each function.
pub(super) fn check_functions(file: &RustFile) -> Vec<String> {
    let mut functions = Functions { file: &file.name, breaches: Vec::new() };
    functions.visit_file(&file.syntax);
    functions.breaches
}

struct Functions<'a> {
    file: &'a str,
    breaches: Vec<String>,
}

impl Functions<'_> {
    fn measure(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = signature.fn_token.span().start().line;
        let lines = block.brace_token.span.close().end().line - first + 1;
        if lines > FUNCTION_LINES_MAX {
            let name = &signature.ident;
            let message = format!("`{name}` has {lines} lines, more than {FUNCTION_LINES_MAX}");
            self.breaches.push(format!("{}:{first}: {message}; split it", self.file));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.measure(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::super::sources::planted;
    use super::*;

    fn file(name: &str, text: &str) -> TextFile {
        TextFile { name: name.into(), path: name.into(), text: text.into() }
    }

    #[test]
    fn a_rust_file_without_header_or_with_too_many_lines_is_found() {
        assert!(check_file(&file("src/a.rs", "//! A.\n")).is_empty());
        assert_eq!(check_file(&file("src/a.rs", "fn a() {}\n")).len(), 1);
        let long = format!("//! A.\n{}", "\n".repeat(FILE_LINES_MAX));
        assert_eq!(check_file(&file("src/a.rs", &long)).len(), 1);
        assert!(check_file(&file("docs/a.md", &long)).is_empty());
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        assert_eq!(check_file(&file("src/utils.rs", "//! A.\n")).len(), 1);
        assert_eq!(check_file(&file("src/common/a.rs", "//! A.\n")).len(), 1);
        assert!(check_file(&file("src/commonly.rs", "//! A.\n")).is_empty());
    }

    #[test]
    fn a_function_that_is_too_long_is_found_wherever_it_is() {
        let body = |lines: usize| "\n".repeat(lines - 1);
        let text = format!(
            "fn fits() {{{}}}\nfn long() {{{}}}\nimpl A {{ fn method() {{{}}} }}\n",
            body(FUNCTION_LINES_MAX),
            body(FUNCTION_LINES_MAX + 1),
            body(FUNCTION_LINES_MAX + 1)
        );
        let found = check_functions(&planted(&[("a.rs", &text)])[0]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("a.rs:71: `long` has 71 lines"), "{found:?}");
        assert!(found[1].contains("`method`"));
    }
}
