//! The start of a run: it ends with its store, with the process, or when its last handle goes.

use crate::errors::raise;
use crate::exit;
use crate::handles::{RunHandle, StoreHandle};
use crate::outcome;
use crate::run::Run;
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tidalite::RunBuilder;

/// Starts a run of a store, and adds it to `runs`, which end when the store is closed.
pub(crate) fn begin(
    py: Python<'_>,
    builder: RunBuilder,
    store: &Arc<StoreHandle>,
    runs: &Mutex<Vec<Weak<RunHandle>>>,
) -> PyResult<Run> {
    let before = outcome::started(py, exit::close_all(py)?)?;
    let run = py.detach(|| builder.start()).map_err(raise)?;
    let handle = RunHandle::new(run, store.clone(), before);
    exit::add_run(&handle);
    let mut runs = runs.lock().unwrap_or_else(PoisonError::into_inner);
    runs.retain(|r| r.strong_count() > 0);
    runs.push(Arc::downgrade(&handle));
    Ok(Run::new(handle, store.arguments.waits()))
}
