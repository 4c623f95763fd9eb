//! Each type has a name of its own in the whole workspace, tests included, so that a name in a message, a search or a
//! review has one meaning.

use std::collections::BTreeMap;
use syn::visit::{self, Visit};

use super::sources::RustFile;

/// Names that several crates give to the same thing, with the reason.
const SAME_THING: [(&str, &str); 5] = [
    ("Follow", "Python's class of the engine's `Follow`"),
    ("Run", "Python's class of the engine's `Run`"),
    ("Selection", "Python's class of the engine's `Selection`"),
    ("Store", "Python's class of the engine's `Store`"),
    ("SystemWatch", "Python's class of the engine's `SystemWatch`"),
];
/// Files of this crate may use those names again.
const OTHER_FACE: &str = "crates/tidalite-python/";

/// A breach for each file that defines a type whose name is already used.
pub(super) fn check(files: &[RustFile]) -> Vec<String> {
    let mut types = Types::default();
    for file in files {
        types.file = file.name.clone();
        types.visit_file(&file.syntax);
    }
    let mut breaches = Vec::new();
    for (name, mut places) in types.places {
        if SAME_THING.iter().any(|(same, _)| *same == name) {
            places.retain(|place| !place.starts_with(OTHER_FACE));
        }
        places.dedup_by(|a, b| a.split(':').next() == b.split(':').next());
        if let [first, others @ ..] = &places[..] {
            let breach = |place| format!("{place}: type `{name}` is also defined in {first}; rename one");
            breaches.extend(others.iter().map(breach));
        }
    }
    breaches
}

/// Where each name is defined, as `file:line`.
#[derive(Default)]
struct Types {
    file: String,
    places: BTreeMap<String, Vec<String>>,
}

impl Types {
    fn add(&mut self, name: &syn::Ident) {
        let place = format!("{}:{}", self.file, name.span().start().line);
        self.places.entry(name.to_string()).or_default().push(place);
    }
}

impl<'ast> Visit<'ast> for Types {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        match item {
            syn::Item::Struct(item) => self.add(&item.ident),
            syn::Item::Enum(item) => self.add(&item.ident),
            syn::Item::Union(item) => self.add(&item.ident),
            syn::Item::Trait(item) => self.add(&item.ident),
            syn::Item::Type(item) => self.add(&item.ident),
            _ => {}
        }
        visit::visit_item(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::super::sources::planted;
    use super::*;

    #[test]
    fn a_name_of_two_types_is_found() {
        let found = check(&planted(&[
            ("a.rs", "struct Row; impl Iterator for Row { type Item = u8; }"),
            ("b.rs", "mod tests {\n fn f() { enum Row {} } impl Iterator for Other { type Item = u8; } }"),
        ]));
        assert_eq!(found, ["b.rs:2: type `Row` is also defined in a.rs:1; rename one"]);
    }

    #[test]
    fn the_same_thing_at_another_face_may_have_the_same_name() {
        let python = ("crates/tidalite-python/src/run.rs", "struct Run;");
        let engine = ("crates/tidalite/src/run.rs", "struct Run;");
        assert!(check(&planted(&[python, engine])).is_empty());
        assert_eq!(check(&planted(&[python, engine, ("crates/a/src/b.rs", "struct Run;")])).len(), 1);
    }
}
