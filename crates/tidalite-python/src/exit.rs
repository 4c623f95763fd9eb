//! The end of the interpreter: runs that were not finished get a status, and stores are closed.
//!
//! Nothing accepted depends on this; without it a script that simply ends would leave its runs *lost*. A run is *failed*
//! where the script ends by an exception that nobody caught. In a forked child the parent's runs are left alone.

use crate::run::Handle;
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tidalite::Store;

/// What is open in this process, weakly. Runs come before the stores that they belong to.
static OPEN: Mutex<Open> = Mutex::new(Open { runs: Vec::new(), stores: Vec::new() });

struct Open {
    runs: Vec<Weak<Handle>>,
    stores: Vec<Weak<OpenStore>>,
}

/// A store, and the process that opened it.
#[derive(Debug)]
pub(crate) struct OpenStore {
    pub(crate) store: Store,
    pub(crate) process: u32,
}

pub(crate) fn add_run(run: &Arc<Handle>) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.runs.retain(|r| r.strong_count() > 0);
    open.runs.push(Arc::downgrade(run));
}

pub(crate) fn add_store(store: &Arc<OpenStore>) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.stores.retain(|s| s.strong_count() > 0);
    open.stores.push(Arc::downgrade(store));
}

/// Ends what is open, once the interpreter does.
#[pyfunction]
fn _close_all(py: Python<'_>) {
    // `sys.last_value` is set where an exception reached the top.
    let failed = py.import("sys").is_ok_and(|sys| sys.hasattr("last_value").unwrap_or(false));
    let (runs, stores) = {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut open.runs), std::mem::take(&mut open.stores))
    };
    py.detach(|| {
        for run in runs.iter().filter_map(Weak::upgrade) {
            // Nobody is left who could be told of an error.
            let _ = run.end(failed);
        }
        for open in stores.iter().filter_map(Weak::upgrade).filter(|s| s.process == std::process::id()) {
            let _ = open.store.close();
        }
    });
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let close = wrap_pyfunction!(_close_all, module)?;
    module.py().import("atexit")?.call_method1("register", (close,))?;
    Ok(())
}
