//! What the tests share: a store, and what a refusal has to say.

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use std::path::PathBuf;
use std::sync::Arc;
use tidalite::{Error, ErrorKind, Options, Store};
use tidalite_testkit::sound;

pub(super) fn options() -> Options {
    Options::new().threads(1).background(false)
}

pub(super) fn new_store() -> (tempfile::TempDir, PathBuf, Store) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = options().open(&path).unwrap();
    (dir, path, store)
}

/// Checks that the error has this kind, and that its text holds all of these parts and a remedy.
#[track_caller]
pub(super) fn refused<T: std::fmt::Debug>(done: Result<T, Error>, kind: ErrorKind, parts: &[&str]) {
    let e = done.expect_err("this should be refused");
    assert_eq!(e.kind(), kind, "{e}");
    let text = e.to_string();
    parts.iter().for_each(|part| assert!(text.contains(part), "{part:?} is not in: {text}"));
    assert!(text.contains("; "), "no remedy in: {text}");
    assert!(text.len() < 1000, "a message is for reading: {} bytes", text.len());
}

/// Checks that the store takes rows and answers.
#[track_caller]
pub(super) fn still_works(store: &Store) {
    let before = store.stats().unwrap().points;
    let run = store.run("still works").start().unwrap();
    run.log(None, &[("x", 1.0)]).unwrap();
    assert_eq!(store.stats().unwrap().points, before + 1);
    sound(&store.recovery().unwrap()).unwrap();
}

pub(super) fn column<A: Array + 'static>(array: A) -> ArrayRef {
    Arc::new(array)
}

pub(super) fn of_columns(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.iter().map(|(n, c)| (*n, c.clone(), true))).unwrap()
}

pub(super) fn long_form(run: &str, metric: &str) -> RecordBatch {
    of_columns(&[
        ("run", column(StringArray::from(vec![run]))),
        ("metric", column(StringArray::from(vec![metric]))),
        ("step", column(Int64Array::from(vec![1]))),
        ("value", column(Float64Array::from(vec![1.0]))),
    ])
}

pub(super) fn one_row() -> RecordBatch {
    long_form("r", "m")
}
