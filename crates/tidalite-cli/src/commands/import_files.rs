//! Which files an `import` means: the standard input, files, the files of a folder, and the names that a pattern matches.

use crate::error::{CliError, CliResult};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use tidalite::{Error, FileFormat};
use tidalite_trackers::holds_event_files;

/// The name of the standard input.
pub(super) const STANDARD_INPUT: &str = "-";

/// The files that the arguments mean, in order.
pub(super) fn expand(given: &[PathBuf]) -> CliResult<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in given {
        if path.join("TIDALITE").is_file() {
            return Err(refused(path, "it is a store", "copy a store into another by `tidalite merge`"));
        }
        // An exported folder is imported as a whole, and so is one of event files.
        if path.is_dir() && !path.join("runs.jsonl").is_file() && !holds_event_files(path) {
            let named = |name: &Path| {
                name.extension() == Some(OsStr::new("tsv")) || FileFormat::from_extension(name).is_ok()
            };
            files.extend(some(
                path,
                listed(path, named)?,
                "give a folder with .csv, .tsv, .jsonl, .parquet, .arrow or TensorBoard event files",
            )?);
            continue;
        }
        match (path.exists(), path.file_name().and_then(OsStr::to_str)) {
            (false, Some(pattern)) if pattern.contains(['*', '?']) => {
                let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
                let named = |name: &Path| {
                    let text = name.to_str().unwrap_or("");
                    matches(pattern.as_bytes(), text.as_bytes()) && !text.starts_with('.')
                };
                files.extend(some(path, listed(folder, named)?, "correct the pattern")?);
            }
            _ => files.push(path.clone()),
        }
    }
    Ok(files)
}

/// The files of a folder with such names, by name.
fn listed(folder: &Path, named: impl Fn(&Path) -> bool) -> CliResult<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io("import", folder, e))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| Error::io("import", folder, e))?.path();
        if path.is_file() && path.file_name().is_some_and(|name| named(Path::new(name))) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Refuses a folder or pattern without files.
fn some(path: &Path, files: Vec<PathBuf>, remedy: &str) -> CliResult<Vec<PathBuf>> {
    match files.is_empty() {
        true => Err(refused(path, "there are no files to import", remedy)),
        false => Ok(files),
    }
}

fn refused(path: &Path, wrong: &str, remedy: &str) -> CliError {
    CliError::from(Error::invalid("import", wrong, remedy).at(path))
}

/// Whether a name matches a pattern: `*` any text, `?` one byte.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where the last `*` is, and what it took so far.
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, n) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_names() {
        for (pattern, name) in
            [("*.csv", "a.csv"), ("*", ""), ("a*b*c", "axxbyyc"), ("?.csv", "a.csv"), ("**a", "aa")]
        {
            assert!(matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in [("*.csv", "a.csv.gz"), ("?.csv", ".csv"), ("a*b", "ab1"), ("", "a")] {
            assert!(!matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
    }
}
