//! `Store.import_from`: what it is given, and which importer takes that.

use crate::progress::with_progress;
use crate::records;
use pyo3::prelude::*;
use std::path::PathBuf;
use tidalite::{Import, Store};
use tidalite_trackers::{EventFolder, holds_event_files};

pub(crate) fn import_from<'py>(
    py: Python<'py>,
    store: &Store,
    path: PathBuf,
    run: Option<String>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    if holds_event_files(&path) {
        let folder = EventFolder::new(path);
        let mut folder = run.into_iter().fold(folder, EventFolder::run);
        let stats =
            with_progress(py, progress, |call| folder.import(store, &|done, all| call.two(done, all)))?;
        return records::imported_events(py, &stats);
    }
    let how = run.into_iter().fold(Import::new(), Import::run);
    let stats =
        with_progress(py, progress, |call| store.import_with(&path, &how, &|done, all| call.two(done, all)))?;
    records::imported_table(py, &stats)
}
