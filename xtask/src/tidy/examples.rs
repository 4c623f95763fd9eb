//! Each public function of the engine's main types has an example in its documentation that runs and asserts.

use syn::visit::{self, Visit};

use super::sources::RustFile;

/// The types that users call most.
const TYPES: [&str; 5] = ["Store", "Run", "Selection", "Snapshot", "Follow"];
/// The folder that defines these types. Python's classes of the same names lie elsewhere.
const ENGINE: &str = "crates/tidalite/src/";
const FENCE: &str = "```";

/// A breach for each public function whose documentation has no such example.
pub(super) fn check(file: &RustFile) -> Vec<String> {
    let mut examples = Examples { file: &file.name, breaches: Vec::new() };
    if file.name.starts_with(ENGINE) {
        examples.visit_file(&file.syntax);
    }
    examples.breaches
}

struct Examples<'a> {
    file: &'a str,
    breaches: Vec<String>,
}

impl<'ast> Visit<'ast> for Examples<'_> {
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let syn::Type::Path(path) = &*item.self_ty else { return };
        let Some(of) = TYPES.iter().find(|name| path.path.is_ident(name)) else { return };
        for function in &item.items {
            if let syn::ImplItem::Fn(function) = function
                && matches!(function.vis, syn::Visibility::Public(_))
                && !has_example(&function.attrs)
            {
                let (name, line) = (&function.sig.ident, function.sig.fn_token.span.start().line);
                let file = self.file;
                self.breaches.push(format!(
                    "{file}:{line}: `{of}::{name}` has no example that runs and asserts; add one"
                ));
            }
        }
        visit::visit_item_impl(self, item);
    }
}

/// Whether the documentation has a code block that is run as a test and asserts something. A fence with words, such as
/// `ignore`, `no_run` or a language, opens a block that is not run.
fn has_example(attributes: &[syn::Attribute]) -> bool {
    let text: Vec<String> = attributes.iter().filter_map(documentation).collect();
    let mut fence = None;
    for line in text.iter().flat_map(|text| text.lines()).map(str::trim) {
        match (fence, line.strip_prefix(FENCE)) {
            (None, words) => fence = words,
            (Some(_), Some(_)) => fence = None,
            (Some(words), None) if words.is_empty() && line.contains("assert") => return true,
            (Some(_), None) => {}
        }
    }
    false
}

/// The text of an attribute that documents its item.
fn documentation(attribute: &syn::Attribute) -> Option<String> {
    let syn::Meta::NameValue(doc) = &attribute.meta else { return None };
    let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &doc.value else { return None };
    doc.path.is_ident("doc").then(|| text.value())
}

#[cfg(test)]
mod tests {
    use super::super::sources::planted;
    use super::*;

    const FILE: &str = "crates/tidalite/src/a.rs";

    fn found(name: &str, text: &str) -> Vec<String> {
        check(&planted(&[(name, text)])[0])
    }

    /// A public function of `Run` whose documentation has one code block.
    fn shown(fence: &str, code: &str) -> String {
        format!(
            "impl Run {{\n /// Logs.\n ///\n /// ```{fence}\n /// {code}\n /// ```\n pub fn log() {{}} }}"
        )
    }

    #[test]
    fn a_public_function_without_an_example_is_found() {
        let bare = "impl Store {\n /// Opens.\n pub fn open() {}\n fn near() {}\n pub(crate) fn far() {} }";
        let line = "crates/tidalite/src/a.rs:3: `Store::open` has no example that runs and asserts; add one";
        assert_eq!(found(FILE, bare), [line]);
        assert!(found(FILE, &shown("", "assert!(log());")).is_empty());
        assert!(found(FILE, "impl Cache {\n pub fn open() {} }").is_empty());
        assert!(found("crates/tidalite-python/src/a.rs", bare).is_empty());
    }

    #[test]
    fn an_example_that_does_not_run_or_asserts_nothing_is_found() {
        let line = "crates/tidalite/src/a.rs:7: `Run::log` has no example that runs and asserts; add one";
        for fence in ["ignore", "no_run", "text", "sh"] {
            assert_eq!(found(FILE, &shown(fence, "assert!(log());")), [line], "{fence}");
        }
        assert_eq!(found(FILE, &shown("", "log();")), [line]);
    }

    #[test]
    fn the_block_that_runs_may_follow_one_that_does_not() {
        let both = "impl Run {\n /// ```text\n /// a\n /// ```\n /// ```\n /// assert!(log());\n /// ```\n pub fn log() {} }";
        assert!(found(FILE, both).is_empty());
        let outside =
            "impl Run {\n /// ```\n /// log();\n /// ```\n /// It asserts nothing.\n pub fn log() {} }";
        assert_eq!(found(FILE, outside).len(), 1);
    }
}
