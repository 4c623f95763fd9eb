//! Folders and crates depend on each other in one direction.
//!
//! - The children of a folder (files and folders) form no circle. A `mod.rs` or the crate's root is not counted as a child.
//! - The folders of the engine are used in the order of [`ENGINE_FOLDERS`], top to bottom.
//! - The crates of the workspace depend on each other in the order of the code map in `ARCHITECTURE.md`.

use std::collections::BTreeMap;

use super::super::sources::TextFile;
use super::graph::Graph;

const ENGINE: &str = "crates/tidalite/src/";
/// From the public face down to the files. A folder uses those below it.
const ENGINE_FOLDERS: [&str; 10] =
    ["exchange", "system", "write", "upkeep", "select", "plan", "view", "parts", "engine", "files"];
const CODE_MAP: &str = "ARCHITECTURE.md";
/// The crate at the disk's end of the code map: the list may be written from either end.
const LOWEST_CRATE: &str = "tidalite-model";

/// Circles among the children of a folder, for all folders of a crate.
pub(super) fn folder_circles(edges: &Graph, root: &str) -> Vec<String> {
    let source = &root[..root.rfind('/').map_or(0, |at| at + 1)];
    let mut by_folder: BTreeMap<String, Graph> = BTreeMap::new();
    for (from, to, names) in edges.edges() {
        let (Some(a), Some(b)) = (from.strip_prefix(source), to.strip_prefix(source)) else { continue };
        let (a, b): (Vec<&str>, Vec<&str>) = (a.split('/').collect(), b.split('/').collect());
        let shared = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
        let (Some(&from), Some(&to)) = (a.get(shared), b.get(shared)) else { continue };
        let is_face = |name: &str| matches!(name, "mod.rs" | "lib.rs" | "main.rs");
        let between_files = from.ends_with(".rs") && to.ends_with(".rs");
        if is_face(from) || is_face(to) {
            continue;
        }
        let graph = by_folder.entry(format!("{source}{}", a[..shared].join("/"))).or_default();
        for name in names {
            // Circles between files alone are found as such.
            graph.tie(from, to, if between_files { "a file" } else { name });
        }
    }
    let mut breaches = Vec::new();
    for (folder, graph) in by_folder {
        let circles = graph.circles();
        let with_folder = circles.iter().filter(|c| c.nodes().any(|node| !node.ends_with(".rs")));
        breaches
            .extend(with_folder.map(|c| format!("{folder}:1: circle between folders of {}", c.describe())));
    }
    breaches
}

/// Edges of the engine that point up its list of folders, and files that are in none of them.
pub(super) fn check_order(edges: &Graph) -> Vec<String> {
    let mut breaches = Vec::new();
    let folder =
        |file: &str| file.strip_prefix(ENGINE)?.split_once('/').map(|(folder, _)| folder.to_string());
    let place = |folder: &str| ENGINE_FOLDERS.iter().position(|f| *f == folder);
    let mut unknown: BTreeMap<String, String> = BTreeMap::new();
    for (from, to, names) in edges.edges() {
        for file in [from, to].into_iter().filter(|f| f.starts_with(ENGINE) && !f.ends_with("src/lib.rs")) {
            if folder(file).is_none_or(|f| place(&f).is_none()) {
                let shown = folder(file).unwrap_or_else(|| file.to_string());
                unknown.entry(shown).or_insert_with(|| file.to_string());
            }
        }
        let (Some(upper), Some(lower)) = (folder(from), folder(to)) else { continue };
        if let (Some(a), Some(b)) = (place(&upper), place(&lower))
            && a > b
        {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let uses = format!("uses {} of {to}", names.join(", "));
            breaches.push(format!(
                "{from}:1: {uses}: `{upper}` is below `{lower}` in the engine's list of folders"
            ));
        }
    }
    let message = "is not in the engine's list of folders; move it, or add it to `ENGINE_FOLDERS`";
    breaches.extend(unknown.iter().map(|(shown, file)| format!("{file}:1: {shown} {message}")));
    breaches
}

/// Dependencies between crates that the code map's order forbids.
pub(super) fn check_crates(texts: &[TextFile]) -> Vec<String> {
    let text = |name: &str| texts.iter().find(|f| f.name == name).map_or("", |f| f.text.as_str());
    let headings = text(CODE_MAP).lines().filter_map(|l| l.strip_prefix("### `crates/"));
    let mut map: Vec<&str> = headings.filter_map(|l| l.split('`').next()).collect();
    if map.last() == Some(&LOWEST_CRATE) {
        map.reverse();
    }
    if map.first() != Some(&LOWEST_CRATE) {
        return vec![format!("{CODE_MAP}:1: the code map should begin or end with `crates/{LOWEST_CRATE}`")];
    }
    let mut breaches = Vec::new();
    for (height, name) in map.iter().enumerate() {
        let manifest = format!("crates/{name}/Cargo.toml");
        for (line, dependency) in dependencies(text(&manifest)) {
            if !map[..height].contains(&dependency) {
                let message =
                    format!("`{name}` depends on `{dependency}`, which is not below it in {CODE_MAP}");
                breaches.push(format!("{manifest}:{line}: {message}"));
            }
        }
    }
    breaches
}

/// The crates of the workspace among a manifest's dependencies, without those for tests, and their lines.
fn dependencies(manifest: &str) -> Vec<(usize, &str)> {
    let mut section = "";
    let mut found = Vec::new();
    for (i, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            section = line.trim();
        } else if section.ends_with("dependencies]") && !section.contains("dev-") {
            let name = line.split([' ', '.', '=']).next().unwrap_or_default();
            if name == "tidalite" || name.starts_with("tidalite-") {
                found.push((i + 1, name));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_between_folders_without_one_between_files_is_found() {
        let mut edges = Graph::default();
        edges.tie("a/src/x/one.rs", "a/src/y/two.rs", "Two");
        edges.tie("a/src/y/three.rs", "a/src/x/four.rs", "Four");
        edges.tie("a/src/x/mod.rs", "a/src/y/two.rs", "Two");
        edges.tie("a/src/lib.rs", "a/src/x/one.rs", "One");
        let found = folder_circles(&edges, "a/src/lib.rs");
        assert_eq!(found, ["a/src/:1: circle between folders of 2: x → y (Two) → x (Four)"]);
    }

    #[test]
    fn a_circle_of_files_alone_is_not_reported_as_one_of_folders() {
        let mut edges = Graph::default();
        edges.tie("a/src/x.rs", "a/src/y.rs", "Y");
        edges.tie("a/src/y.rs", "a/src/x.rs", "X");
        assert!(folder_circles(&edges, "a/src/lib.rs").is_empty());
    }

    #[test]
    fn an_edge_up_the_engines_list_is_found_and_so_is_a_file_in_no_folder() {
        let file = |name: &str| format!("{ENGINE}{name}");
        let mut edges = Graph::default();
        edges.tie(&file("exchange/import.rs"), &file("files/paths.rs"), "Paths");
        edges.tie(&file("files/paths.rs"), &file("exchange/import.rs"), "Import");
        edges.tie(&file("lib.rs"), &file("loose.rs"), "Loose");
        let found = check_order(&edges);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].contains("uses Import") && found[0].contains("`files` is below `exchange`"),
            "{found:?}"
        );
        assert!(found[1].contains("loose.rs"), "{found:?}");
    }

    #[test]
    fn a_crate_that_depends_up_the_code_map_is_found_from_either_end() {
        let file =
            |name: &str, text: &str| TextFile { name: name.into(), path: name.into(), text: text.into() };
        let heading = |name: &str| format!("### `crates/{name}`: what?\n");
        let names = ["tidalite-model", "tidalite-vfs", "tidalite"];
        let vfs = "[dependencies]\ntidalite-model.workspace = true\ntidalite.workspace = true\n[dev-dependencies]\ntidalite-testkit = \"1\"\n";
        for map in [names.map(heading).concat(), names.iter().rev().map(|n| heading(n)).collect()] {
            let found = check_crates(&[file(CODE_MAP, &map), file("crates/tidalite-vfs/Cargo.toml", vfs)]);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(
                found[0]
                    .starts_with("crates/tidalite-vfs/Cargo.toml:3: `tidalite-vfs` depends on `tidalite`")
            );
        }
    }
}
