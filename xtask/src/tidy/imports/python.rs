//! Edges between the Python files of the package, by their import statements, those in functions too. Imports for type
//! checkers alone (`if TYPE_CHECKING:`) do not run and are left out.

use std::collections::BTreeMap;

use super::super::sources::TextFile;
use super::graph::Graph;

const PACKAGE: &str = "crates/tidalite-python/python/";

/// The edges between the files of the package.
pub(super) fn edges(texts: &[TextFile]) -> Graph {
    let mut modules: BTreeMap<String, &TextFile> = BTreeMap::new();
    for file in texts.iter().filter(|f| f.name.ends_with(".py")) {
        if let Some(path) = file.name.strip_prefix(PACKAGE) {
            let path = path.trim_end_matches(".py").trim_end_matches("/__init__");
            modules.insert(path.replace('/', "."), file);
        }
    }
    let mut graph = Graph::default();
    for (module, file) in &modules {
        for import in imports(&file.text) {
            let Some(source) = absolute(module, file.name.ends_with("__init__.py"), &import.module) else {
                continue;
            };
            for name in &import.names {
                if let Some(target) = resolve(&modules, &source, name, 0) {
                    graph.tie(&file.name, target, if name.is_empty() { &source } else { name });
                }
            }
        }
    }
    graph
}

/// `from module import names`, or `import module` with one empty name.
struct ImportStatement {
    module: String,
    names: Vec<String>,
}

fn imports(text: &str) -> Vec<ImportStatement> {
    let mut found = Vec::new();
    let mut for_types = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let words = line.trim_start();
        let indent = line.len() - words.len();
        if for_types.is_some_and(|outer| !words.is_empty() && indent <= outer) {
            for_types = None;
        }
        if words.starts_with("if TYPE_CHECKING") {
            for_types = Some(indent);
        }
        if for_types.is_some() {
            continue;
        }
        if let Some((module, names)) = words.strip_prefix("from ").and_then(|w| w.split_once(" import ")) {
            let mut names = names.to_string();
            while names.contains('(') && !names.contains(')') {
                let Some(next) = lines.next() else { break };
                names.push_str(next);
            }
            let names = names.split('#').next().unwrap_or_default().replace(['(', ')'], "");
            let name = |n: &str| n.split_whitespace().next().map(str::to_string);
            found.push(ImportStatement {
                module: module.trim().into(),
                names: names.split(',').filter_map(name).collect(),
            });
        } else if let Some(modules) = words.strip_prefix("import ") {
            let module = |m: &str| m.split_whitespace().next().map(str::to_string);
            let one = |module| ImportStatement { module, names: vec![String::new()] };
            found.extend(modules.split(',').filter_map(module).map(one));
        }
    }
    found
}

/// A module by its full name, `None` where it is of another package.
fn absolute(from: &str, is_package: bool, module: &str) -> Option<String> {
    let relative = module.trim_start_matches('.');
    let dots = module.len() - relative.len();
    if dots == 0 {
        return Some(module.into());
    }
    let names: Vec<&str> = from.split('.').collect();
    let up = dots - usize::from(is_package);
    let mut base = names.get(..names.len().checked_sub(up)?)?.to_vec();
    base.extend(relative.split('.').filter(|n| !n.is_empty()));
    Some(base.join("."))
}

/// The file that a name of a module comes from: the module of that name, what the module imports it from, or the module.
fn resolve<'a>(
    modules: &BTreeMap<String, &'a TextFile>,
    module: &str,
    name: &str,
    depth: usize,
) -> Option<&'a str> {
    if let Some(file) = modules.get(&format!("{module}.{name}")) {
        return Some(&file.name);
    }
    let file = modules.get(module)?;
    let is_package = file.name.ends_with("__init__.py");
    if is_package && !name.is_empty() && depth < 8 {
        let imports = imports(&file.text);
        if let Some(import) = imports.iter().find(|i| i.names.iter().any(|n| n == name)) {
            // `None` for a name of the compiled module, which no file of the package defines.
            return resolve(modules, &absolute(module, is_package, &import.module)?, name, depth + 1);
        }
    }
    Some(&file.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let file = |(name, text): &(&str, &str)| {
            let name = format!("{PACKAGE}{name}");
            TextFile { path: (&name).into(), name, text: (*text).into() }
        };
        let texts: Vec<TextFile> = files.iter().map(file).collect();
        edges(&texts).circles().iter().map(|c| c.describe().replace(PACKAGE, "")).collect()
    }

    #[test]
    fn a_circle_of_import_statements_is_found() {
        let found = circles(&[
            ("p/__init__.py", "from .a import (\n    A,\n    B,\n)\n"),
            ("p/a.py", "def f():\n    from . import b\n"),
            ("p/b.py", "from p.a import A as X  # why\n"),
        ]);
        assert_eq!(found, ["2: p/a.py → p/b.py (b) → p/a.py (A)"]);
    }

    #[test]
    fn names_of_a_package_are_followed_and_imports_for_types_left_out() {
        let found = circles(&[
            ("p/__init__.py", "from .a import A\nfrom ._compiled import C\n"),
            ("p/a.py", "if TYPE_CHECKING:\n    from .b import B\n\nimport os\n"),
            ("p/b.py", "from p import A, C\nfrom .a import A\n"),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }
}
