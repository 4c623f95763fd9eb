//! Edges between the Rust files of a crate: each name is followed through re-exports to the file that defines it.

use std::collections::BTreeSet;

use super::super::sources::RustFile;
use super::graph::Graph;
use super::modules::{Module, ModulePath, Modules, of_crate};

/// What a path leads to.
enum Target<'a> {
    Module(ModulePath),
    /// A name, and the file that defines it.
    Item(&'a str, String),
}

/// The edges between the files of the crate with this root.
pub(super) fn edges(files: &[RustFile], root: &str) -> Graph {
    let modules = of_crate(files, root);
    let mut graph = Graph::default();
    for (path, module) in &modules {
        let imports = module.imports.iter().map(|i| (&i.path, i.binding == "*"));
        for (mentioned, all) in imports.chain(module.mentions.iter().map(|m| (m, false))) {
            match resolve(&modules, path, mentioned, &mut BTreeSet::new()) {
                Some(Target::Item(file, name)) => graph.tie(&module.file, file, &name),
                // A module alone is no edge: what is used of it is mentioned as well.
                Some(Target::Module(of)) if all => {
                    if !modules[&of].defined.is_empty() {
                        graph.tie(&module.file, &modules[&of].file, "*");
                    }
                }
                Some(Target::Module(_)) | None => {}
            }
        }
    }
    graph
}

/// Follows a path that stands in a module. `None` is another crate, a local name or a name of the language.
fn resolve<'a>(
    modules: &'a Modules,
    from: &[String],
    path: &[String],
    seen: &mut BTreeSet<(ModulePath, String)>,
) -> Option<Target<'a>> {
    let mut place = from.to_vec();
    for (i, segment) in path.iter().enumerate() {
        match segment.as_str() {
            "crate" => place.clear(),
            "self" => {}
            "super" => drop(place.pop()),
            name => {
                let last = i + 1 == path.len();
                match look_up(modules, &place, name, last, seen) {
                    Some(Target::Module(inner)) => place = inner,
                    Some(item) => return Some(item),
                    // A macro may have made it. What stands first is of another crate then.
                    None if i > 0 => return Some(Target::Item(&modules.get(&place)?.file, name.into())),
                    None => return None,
                }
            }
        }
    }
    Some(Target::Module(place))
}

/// Finds a name in a module: a child, a definition, an import, or a name of a module that is imported whole.
fn look_up<'a>(
    modules: &'a Modules,
    place: &[String],
    name: &str,
    last: bool,
    seen: &mut BTreeSet<(ModulePath, String)>,
) -> Option<Target<'a>> {
    let module: &Module = modules.get(place)?;
    let child = [place, &[name.to_string()]].concat();
    let defined = module.defined.contains(name);
    // A function may be called like a module: the last segment means the function.
    if modules.contains_key(&child) && !(last && defined) {
        return Some(Target::Module(child));
    }
    if defined {
        return Some(Target::Item(&module.file, name.into()));
    }
    if !seen.insert((place.to_vec(), name.into())) {
        return None;
    }
    if let Some(import) = module.imports.iter().find(|i| i.binding == name) {
        return resolve(modules, place, &import.path, seen);
    }
    module.imports.iter().filter(|i| i.binding == "*").find_map(|import| {
        match resolve(modules, place, &import.path, seen)? {
            Target::Module(of) => look_up(modules, &of, name, last, seen),
            Target::Item(..) => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::sources::planted;
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let graph = edges(&planted(files), files[0].0);
        graph.circles().iter().map(|c| c.describe()).collect()
    }

    const ROOT: (&str, &str) = ("a/src/lib.rs", "mod x; mod y; pub use x::X;");

    #[test]
    fn a_circle_of_imports_is_found_with_the_names_that_tie_it() {
        let found = circles(&[
            ROOT,
            ("a/src/x.rs", "use crate::y::{Y, Z}; struct X;"),
            ("a/src/y.rs", "struct Y; struct Z; fn f() { let x: super::x::X; }"),
        ]);
        assert_eq!(found, ["2: a/src/x.rs → a/src/y.rs (Y, Z) → a/src/x.rs (X)"]);
    }

    #[test]
    fn a_circle_in_macros_modules_and_names_of_the_root_is_found() {
        let found = circles(&[
            ROOT,
            ("a/src/x.rs", "use crate::y; struct X; fn f() { println!(\"{}\", y::g(1)); }"),
            ("a/src/y.rs", "fn g() {} type A = crate::X;"),
        ]);
        assert_eq!(found, ["2: a/src/x.rs → a/src/y.rs (g) → a/src/x.rs (X)"]);
    }

    #[test]
    fn a_child_that_uses_its_folders_own_definition_is_found() {
        let folder = ("a/src/x/mod.rs", "mod inner; pub(crate) use inner::Inner; struct Shared;");
        let child = |text| ("a/src/x/inner.rs", text);
        let found = circles(&[("a/src/lib.rs", "mod x;"), folder, child("use super::Shared; struct Inner;")]);
        assert_eq!(found, ["2: a/src/x/inner.rs → a/src/x/mod.rs (Shared) → a/src/x/inner.rs (Inner)"]);
        assert!(circles(&[("a/src/lib.rs", "mod x;"), folder, child("struct Inner;")]).is_empty());
    }

    #[test]
    fn names_are_followed_to_the_file_that_defines_them() {
        // The folder only hands on: `y` depends on `x/inner.rs`, and that on nothing.
        let found = circles(&[
            ("a/src/lib.rs", "mod x; mod y;"),
            ("a/src/x/mod.rs", "mod inner; mod other; pub use inner::*;"),
            ("a/src/x/inner.rs", "pub struct Inner;"),
            ("a/src/x/other.rs", "use crate::y::Y;"),
            ("a/src/y.rs", "use crate::x::Inner; pub struct Y;"),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn tests_are_left_out() {
        let found = circles(&[
            ROOT,
            ("a/src/x.rs", "use crate::y::Y; struct X;"),
            ("a/src/y.rs", "struct Y; #[cfg(test)] mod tests { use crate::x::X; }"),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }
}
