//! House rules that no other tool checks. Each breach is a line `file:line: what is wrong`.
//!
//! - each Rust file opens with `//!`, and none has more than 800 lines;
//! - no file or folder is called `utils` or the like;
//! - no plans left in the text, no words that only sell, no paths of one machine;
//! - each relative link in a Markdown file leads to a file, and to a heading in it;
//! - each dependency has a licence that `deny.toml` allows.

pub(crate) mod licence;
mod links;
mod words;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::steps::Outcome;

const LINES_MAX: usize = 800;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "common", "helpers", "helper", "misc"];
/// Folders that hold nothing of ours; hidden ones are left out as well.
const FOREIGN: [&str; 5] = ["target", "corpus", "artifacts", "node_modules", "__pycache__"];
const TEXTS: [&str; 6] = ["rs", "md", "toml", "py", "txt", "sh"];

/// A text file of the project.
struct File {
    /// Relative to the root, with `/` between names.
    name: String,
    path: PathBuf,
    text: String,
}

/// Checks all rules but the licences.
pub(crate) fn check(root: &Path) -> Outcome {
    let files = match texts(root) {
        Ok(files) => files,
        Err(e) => return Outcome::Failed(format!("cannot read the sources: {e}")),
    };
    let mut breaches: Vec<String> = files.iter().flat_map(shape).collect();
    breaches.extend(files.iter().flat_map(|f| words::check(&f.name, &f.text)));
    breaches.extend(links::check(&files));
    breaches.sort();
    breaches.iter().for_each(|b| println!("   {b}"));
    match breaches.len() {
        0 => Outcome::Passed,
        n => Outcome::Failed(format!("breaches of house rules: {n}, in {} files", files.len())),
    }
}

/// Header, size and name.
fn shape(file: &File) -> Vec<String> {
    let mut breaches = Vec::new();
    let stem =
        Path::new(&file.name).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let folders = file.name.split('/').map(str::to_owned);
    if folders.chain([stem]).any(|name| EMPTY_NAMES.contains(&name.as_str())) {
        breaches.push(format!("{}:1: a name that says nothing; call it by what it holds", file.name));
    }
    if file.name.ends_with(".rs") {
        if !file.text.starts_with("//!") {
            breaches
                .push(format!("{}:1: open with `//!`: what it is, its invariants, who calls it", file.name));
        }
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            breaches
                .push(format!("{}:{LINES_MAX}: {lines} lines; split it at a seam of the domain", file.name));
        }
    }
    breaches
}

/// All text files below `root`, in the order of their names.
fn texts(root: &Path) -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if name.starts_with('.') || FOREIGN.contains(&name.as_str()) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| TEXTS.iter().any(|t| e == *t)) {
                let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                let text = fs::read_to_string(&path)
                    .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
                files.push(File { name, path, text });
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> File {
        File { name: name.into(), path: name.into(), text: text.into() }
    }

    #[test]
    fn a_rust_file_without_header_or_with_too_many_lines_is_found() {
        assert!(shape(&file("src/a.rs", "//! A.\n")).is_empty());
        assert_eq!(shape(&file("src/a.rs", "fn a() {}\n")).len(), 1);
        let long = format!("//! A.\n{}", "\n".repeat(LINES_MAX));
        assert_eq!(shape(&file("src/a.rs", &long)).len(), 1);
        assert!(shape(&file("docs/a.md", &long)).is_empty());
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        assert_eq!(shape(&file("src/utils.rs", "//! A.\n")).len(), 1);
        assert_eq!(shape(&file("src/common/a.rs", "//! A.\n")).len(), 1);
        assert!(shape(&file("src/commonly.rs", "//! A.\n")).is_empty());
    }
}
