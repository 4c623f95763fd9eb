//! The text files of the project, and the syntax trees of those in Rust. Each file is read and parsed once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders that hold nothing of ours. Hidden ones are left out as well.
const FOREIGN: [&str; 5] = ["target", "corpus", "artifacts", "node_modules", "__pycache__"];
/// Folders of stored data, which is compared byte for byte and not read.
const DATA: [&str; 1] = ["tests/golden"];
const EXTENSIONS: [&str; 7] = ["rs", "md", "toml", "py", "pyi", "txt", "sh"];

/// A text file.
pub(super) struct TextFile {
    /// Relative to the root, with `/` between names.
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// A Rust file's syntax tree.
pub(super) struct RustFile {
    pub(super) name: String,
    pub(super) syntax: syn::File,
}

/// All text files below `root`, sorted by name.
pub(super) fn read(root: &Path) -> io::Result<Vec<TextFile>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if name.starts_with('.') || FOREIGN.contains(&name.as_str()) {
                continue;
            }
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            if entry.file_type()?.is_dir() {
                if !DATA.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| EXTENSIONS.iter().any(|t| e == *t)) {
                let text = fs::read_to_string(&path)
                    .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
                files.push(TextFile { name, path, text });
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// The syntax trees of the Rust files, and a breach for each file that does not parse.
pub(super) fn parse(files: &[TextFile]) -> (Vec<RustFile>, Vec<String>) {
    let (mut parsed, mut breaches) = (Vec::new(), Vec::new());
    for file in files.iter().filter(|f| f.name.ends_with(".rs")) {
        match syn::parse_file(&file.text) {
            Ok(syntax) => parsed.push(RustFile { name: file.name.clone(), syntax }),
            Err(e) => breaches.push(format!("{}:{}: does not parse: {e}", file.name, e.span().start().line)),
        }
    }
    (parsed, breaches)
}

/// Whether an item is compiled only for tests.
pub(super) fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        let condition = list.tokens.to_string();
        list.path.is_ident("cfg") && condition.contains("test") && !condition.contains("not")
    })
}

/// Files made of texts, for tests of the rules.
#[cfg(test)]
pub(super) fn planted(files: &[(&str, &str)]) -> Vec<RustFile> {
    let parsed = |(name, text): &(&str, &str)| RustFile {
        name: (*name).into(),
        syntax: syn::parse_file(text).unwrap(),
    };
    files.iter().map(parsed).collect()
}
