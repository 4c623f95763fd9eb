//! Unpickling stores, runs and selections (`pickle.rs` says what pickles hold).
//!
//! A process opens a store once, however many pickles arrive, and keeps it open until it ends, since each opening makes a
//! log of its own. In a process that has the store open, unpickling gives that open store. An unpickled run is attached:
//! the process takes no part in it.

use crate::arguments::opening::OpenArguments;
use crate::errors::{invalid, raise};
use crate::exit;
use crate::handles::{RunHandle, StoreHandle};
use crate::pickle::PickledStore;
use crate::run::Run;
use crate::store::Store;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tidalite::{Error, Options};

/// The stores that this process opened from pickles. Its lock is only taken without the interpreter lock.
static REOPENED: Mutex<Vec<Arc<StoreHandle>>> = Mutex::new(Vec::new());

/// The store at a path, if it has this id: the one that is open in this process, or else opened now.
fn reopened(path: PathBuf, id: &str, arguments: OpenArguments) -> tidalite::Result<Arc<StoreHandle>> {
    let mut held = REOPENED.lock().unwrap_or_else(PoisonError::into_inner);
    let same = |handle: &StoreHandle| {
        handle.is_usable()
            && handle.store.path() == path
            && handle.store.id().to_string() == id
            && handle.arguments.read_only == arguments.read_only
    };
    if let Some(handle) = exit::find_store(same) {
        return Ok(handle);
    }
    // Opened for reading first, since opening a missing store for writing would create it.
    let there = Options::new().read_only(true).open(&path)?.id().to_string();
    if there != id {
        let wrong = format!("the folder now holds the store {there}, not {id}");
        return Err(
            Error::not_found("open store of pickled object", wrong, "pickle the object anew").at(&path)
        );
    }
    let handle = StoreHandle::new(arguments.options().open(&path)?, arguments);
    exit::add_store(&handle);
    held.retain(|h| h.is_usable());
    held.push(handle.clone());
    Ok(handle)
}

fn handle_of(py: Python<'_>, (path, id, arguments): PickledStore<'_>) -> PyResult<Arc<StoreHandle>> {
    let arguments = OpenArguments::unpickled(&arguments)?;
    py.detach(|| reopened(path, &id, arguments)).map_err(raise)
}

#[pyfunction]
pub(crate) fn _reopen_store(py: Python<'_>, store: PickledStore<'_>) -> PyResult<Store> {
    Ok(Store::of(handle_of(py, store)?))
}

#[pyfunction]
pub(crate) fn _attach_run(
    py: Python<'_>,
    store: PickledStore<'_>,
    id: &str,
    labels: &Bound<'_, PyAny>,
) -> PyResult<Run> {
    let labels = crate::arguments::params::labels(labels)?;
    let handle = handle_of(py, store)?;
    let run = py.detach(|| handle.store.attach(id, labels)).map_err(raise)?;
    let waits = handle.arguments.waits();
    let handle = RunHandle::new(run, handle, 0);
    exit::add_run(&handle);
    Ok(Run::new(handle, waits))
}

/// A selection from the arguments of `select`, and the methods called after it with their arguments.
#[pyfunction]
pub(crate) fn _reselect<'py>(
    py: Python<'py>,
    store: PickledStore<'py>,
    arguments: &Bound<'py, PyDict>,
    then: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    let store = Bound::new(py, Store::of(handle_of(py, store)?))?;
    let mut selection = store.call_method("select", (), Some(arguments))?;
    for call in then.iter() {
        let (method, args, keywords): (String, Bound<'py, PyTuple>, Bound<'py, PyDict>) = call.extract()?;
        if !["having", "transform"].contains(&method.as_str()) {
            return Err(invalid("unpickle selection", format!("{method:?} is unknown"), "pickle it anew"));
        }
        selection = selection.call_method(method.as_str(), args, Some(&keywords))?;
    }
    Ok(selection)
}
