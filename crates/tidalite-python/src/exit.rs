//! The end of the interpreter: unfinished runs get a status, and stores are closed.
//!
//! No accepted row depends on this. Without it a script that ends without `finish` would leave its runs *lost*. How they
//! ended is in `outcome.rs`. A forked child leaves its parent's runs alone.

use crate::errors::raise;
use crate::handles::{RunHandle, StoreHandle};
use crate::outcome::{self, Outcome};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tidalite::{ErrorKind, Reopened};

/// The handles that are open in this process.
static OPEN: Mutex<OpenHandles> = Mutex::new(OpenHandles { runs: Vec::new(), stores: Vec::new() });

struct OpenHandles {
    runs: Vec<Weak<RunHandle>>,
    stores: Vec<Weak<StoreHandle>>,
}

pub(crate) fn add_run(run: &Arc<RunHandle>) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.runs.retain(|r| r.strong_count() > 0);
    open.runs.push(Arc::downgrade(run));
}

pub(crate) fn add_store(store: &Arc<StoreHandle>) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.stores.retain(|s| s.strong_count() > 0);
    open.stores.push(Arc::downgrade(store));
}

/// A store that is open in this process and fits.
pub(crate) fn find_store(fits: impl Fn(&StoreHandle) -> bool) -> Option<Arc<StoreHandle>> {
    let stores: Vec<Arc<StoreHandle>> = {
        let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.stores.iter().filter_map(Weak::upgrade).collect()
    };
    stores.into_iter().find(|store| fits(store))
}

/// Ends all open runs, then closes all open stores. Errors are dropped, since no caller is left to report them to.
#[pyfunction]
fn _close_all(py: Python<'_>) {
    let (runs, stores) = {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut open.runs), std::mem::take(&mut open.stores))
    };
    let (cause, outcome) = outcome::at_end(py);
    if runs.iter().filter_map(Weak::upgrade).any(|r| r.is_open()) && outcome == Outcome::Finished {
        outcome::fail_kept(py);
    }
    py.detach(|| {
        for run in runs.iter().filter_map(Weak::upgrade) {
            let is_cause = cause == 0 || cause != run.before;
            let _ = run.end(if is_cause { &outcome } else { &Outcome::Finished });
        }
        for open in stores.iter().filter_map(Weak::upgrade).filter(|s| s.is_own()) {
            let _ = open.store.close();
        }
    });
}

/// `_close_all` as a Python object.
pub(crate) fn close_all(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLOSE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let make = || Ok(pyo3::wrap_pyfunction!(_close_all)(py)?.into_any().unbind());
    CLOSE.get_or_try_init(py, make).map(|close| close.bind(py))
}

/// Has the interpreter call `_close_all` when it ends.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    py.import("atexit")?.call_method1("register", (close_all(py)?,))?;
    Ok(())
}

/// Opens a store again, whose runs are then written no more through the old objects.
pub(crate) fn reopen_store(
    handle: &StoreHandle,
    runs: &Mutex<Vec<Weak<RunHandle>>>,
) -> tidalite::Result<(Arc<StoreHandle>, Reopened)> {
    let runs = std::mem::take(&mut *runs.lock().unwrap_or_else(PoisonError::into_inner));
    runs.iter().filter_map(Weak::upgrade).for_each(|run| run.abandon());
    let reopened = handle.store.reopen()?;
    let opened = StoreHandle::new(reopened.store.clone(), handle.arguments);
    add_store(&opened);
    Ok((opened, reopened))
}

/// Ends the runs that a store's handle has begun, and closes the store.
pub(crate) fn close_store(
    py: Python<'_>,
    handle: &StoreHandle,
    runs: &Mutex<Vec<Weak<RunHandle>>>,
    outcome: &Outcome,
) -> PyResult<()> {
    let runs = std::mem::take(&mut *runs.lock().unwrap_or_else(PoisonError::into_inner));
    if *outcome == Outcome::Finished && runs.iter().filter_map(Weak::upgrade).any(|r| r.is_open()) {
        outcome::fail_kept(py);
    }
    py.detach(|| {
        let mut ended = Ok(());
        for run in runs.iter().filter_map(Weak::upgrade) {
            ended = ended.and(run.end(outcome));
        }
        match handle.store.close() {
            // The store is already closed.
            Err(e) if e.kind() == ErrorKind::Invalid => Ok(()),
            closed => ended.and(closed),
        }
    })
    .map_err(raise)
}
