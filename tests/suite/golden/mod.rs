//! A store of format version 1, checked in with its answers: what this version wrote stays readable, byte for byte.
//!
//! - A copy of the store opens read-only, `verify` finds it sound, and every answer is the one in `expected.json`.
//! - The same operations on a simulated disk write the same file names, logs and run tables again. Parquet files are
//!   compared by their answers alone: their bytes may change with the libraries that encode them.
//!
//! `tests/golden/README.md` says how the store is made. The generator refuses to overwrite one.

mod answers;
mod contents;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tidalite::{Options, Store};
use tidalite_testkit::sound;

const FOLDER: &str = "golden/v1";
/// The repository keeps every version of this store.
const BYTES_MAX: usize = 200_000;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER)
}

/// The files of a store with files of nearly every kind, made anew.
pub(crate) fn store_files() -> BTreeMap<PathBuf, Vec<u8>> {
    let mut made = contents::make();
    // It holds nothing.
    made.remove(Path::new("reserve"));
    made
}

/// All files below a folder, by their path from it.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_path_buf(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn write(root: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    for (name, bytes) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn reader(path: &Path) -> Store {
    Options::new().background(false).threads(1).read_only(true).open(path).unwrap()
}

fn expected() -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap()
}

#[test]
fn a_store_of_format_1_answers_as_it_did() {
    let dir = tempfile::tempdir().unwrap();
    let stored = files(&folder().join("store"));
    write(dir.path(), &stored);
    let store = reader(dir.path());
    sound(&store.verify().unwrap()).unwrap();
    sound(&store.recovery().unwrap()).unwrap();
    let (found, expected) = (answers::all(&store), expected());
    let (found, expected) = (found.as_object().unwrap(), expected.as_object().unwrap());
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (question, answer) in expected {
        assert_eq!(found[question], *answer, "{question}");
    }
    drop(store);
    assert!(files(dir.path()) == stored, "reading changes no file");
}

#[test]
fn a_store_of_format_1_goes_on_and_answers_the_same_after_a_compaction() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &files(&folder().join("store")));
    let store = contents::options().open(dir.path()).unwrap();
    store.compact().unwrap();
    let (found, expected) = (answers::all(&store), expected());
    // A compaction leaves out deleted points, which only the count of stored points shows.
    for (question, answer) in
        expected.as_object().unwrap().iter().filter(|(question, _)| *question != "stats")
    {
        assert_eq!(found[question], *answer, "{question}");
    }
    sound(&store.verify().unwrap()).unwrap();
}

#[test]
fn the_same_operations_write_the_same_logs_and_run_tables() {
    let (stored, made) = (files(&folder().join("store")), store_files());
    assert_eq!(stored.keys().collect::<Vec<_>>(), made.keys().collect::<Vec<_>>());
    let mut compared = 0;
    for (name, bytes) in &stored {
        let is_exact = name.starts_with("runs") || name.ends_with("TIDALITE");
        if is_exact || name.extension().is_some_and(|e| e == "seg") {
            assert!(*bytes == made[name], "{name:?} is written differently: a new format version is needed");
            compared += 1;
        }
    }
    assert!(compared >= 4, "{compared} files are compared");
}

#[test]
fn the_golden_store_holds_a_file_of_each_kind() {
    let stored = files(&folder().join("store"));
    let count = |has: &dyn Fn(&str) -> bool| stored.keys().filter(|p| has(p.to_str().unwrap())).count();
    let below = |folder: &'static str| count(&move |p| p.starts_with(folder));
    assert!(below("parts") >= 2 && below("series") >= 2 && below("rollups") >= 2, "{:?}", stored.keys());
    assert!(below("manifest") >= 1 && below("runs") >= 1);
    assert!(count(&|p| p.ends_with(".seg")) >= 2, "two writers' logs are not flushed");
    assert!(count(&|p| p.starts_with("log") && p.ends_with(".parquet")) >= 1, "a part is staged");
    let bytes: usize = files(&folder()).values().map(Vec::len).sum();
    assert!(bytes < BYTES_MAX, "{bytes} bytes");
}

/// The generator: writes the store and its answers, once.
#[test]
#[ignore = "writes tests/golden/v1, which is made once for each format version"]
fn makes_the_golden_store() {
    let store = folder().join("store");
    assert!(!store.exists(), "{store:?} is there; a golden store is never edited");
    write(&store, &store_files());
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &files(&store));
    let answers = serde_json::to_string_pretty(&answers::all(&reader(dir.path()))).unwrap();
    std::fs::write(folder().join("expected.json"), answers + "\n").unwrap();
}
