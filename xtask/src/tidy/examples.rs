//! Each public function of the engine's main types has an example in its documentation.

use syn::visit::{self, Visit};

use super::sources::RustFile;

/// The types that users call most.
const TYPES: [&str; 5] = ["Store", "Run", "Selection", "Snapshot", "Follow"];
/// The folder that defines these types. Python's classes of the same names lie elsewhere.
const ENGINE: &str = "crates/tidalite/src/";

/// A breach for each public function whose documentation has no code block.
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
                && !function.attrs.iter().any(opens_code)
            {
                let (name, line) = (&function.sig.ident, function.sig.fn_token.span.start().line);
                self.breaches
                    .push(format!("{}:{line}: `{of}::{name}` has no example; add one that runs", self.file));
            }
        }
        visit::visit_item_impl(self, item);
    }
}

/// Whether an attribute is a line of documentation that opens a code block.
fn opens_code(attribute: &syn::Attribute) -> bool {
    let syn::Meta::NameValue(doc) = &attribute.meta else { return false };
    let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &doc.value else { return false };
    doc.path.is_ident("doc") && text.value().trim_start().starts_with("```")
}

#[cfg(test)]
mod tests {
    use super::super::sources::planted;
    use super::*;

    #[test]
    fn a_public_function_without_an_example_is_found() {
        let bare = "impl Store {\n /// Opens.\n pub fn open() {}\n fn near() {}\n pub(crate) fn far() {} }";
        let shown = "impl Run {\n /// Logs.\n ///\n /// ```\n /// log();\n /// ```\n pub fn log() {} }";
        let found = |name: &str, text: &str| check(&planted(&[(name, text)])[0]);
        let line = "crates/tidalite/src/a.rs:3: `Store::open` has no example; add one that runs";
        assert_eq!(found("crates/tidalite/src/a.rs", bare), [line]);
        assert!(found("crates/tidalite/src/a.rs", shown).is_empty());
        assert!(found("crates/tidalite/src/a.rs", "impl Cache {\n pub fn open() {} }").is_empty());
        assert!(found("crates/tidalite-python/src/a.rs", bare).is_empty());
    }
}
