//! What pickles of stores, runs and selections hold (`reopen.rs` opens them again).
//!
//! A pickled store is its path, its id and the arguments of `open`. A run is its store, its id and its labels. A selection
//! is its store, the arguments of `select`, and the methods called after it.

use crate::handles::StoreHandle;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::path::PathBuf;
use std::sync::Arc;

/// A function of the compiled module, and its arguments, as `__reduce__` returns them.
pub(crate) type Reduced<'py> = (Bound<'py, PyAny>, Bound<'py, PyTuple>);

/// A store's path, its id and the arguments of `open`.
pub(crate) type PickledStore<'py> = (PathBuf, String, Bound<'py, PyTuple>);

pub(crate) fn pickled_store<'py>(py: Python<'py>, handle: &StoreHandle) -> PyResult<PickledStore<'py>> {
    let arguments = handle.arguments.pickled(py)?.into_pyobject(py)?;
    Ok((handle.store.path().to_path_buf(), handle.store.id().to_string(), arguments))
}

pub(crate) fn reduced<'py>(
    py: Python<'py>,
    function: &str,
    arguments: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
) -> PyResult<Reduced<'py>> {
    Ok((py.import("tidalite._tidalite")?.getattr(function)?, arguments.into_pyobject(py)?))
}

/// How a selection was made.
pub(crate) struct Recipe {
    store: Arc<StoreHandle>,
    arguments: Py<PyDict>,
    then: Vec<Py<PyAny>>,
}

impl Recipe {
    /// From the arguments of `select`, which are copied, since the caller may change them. `None` if one cannot be copied,
    /// such as an iterator.
    pub(crate) fn new(
        py: Python<'_>,
        store: &Arc<StoreHandle>,
        given: &[(&str, Bound<'_, PyAny>)],
    ) -> PyResult<Option<Recipe>> {
        let arguments = PyDict::new(py);
        let copy = py.import("copy")?.getattr("deepcopy")?;
        for (name, value) in given {
            match copy.call1((value,)) {
                Ok(copied) => arguments.set_item(name, copied)?,
                Err(e) if e.is_instance_of::<PyException>(py) => return Ok(None),
                Err(e) => return Err(e),
            }
        }
        Ok(Some(Recipe { store: store.clone(), arguments: arguments.unbind(), then: Vec::new() }))
    }

    /// This and the call of a method of the selection.
    pub(crate) fn then<'py>(
        &self,
        method: &str,
        args: &Bound<'py, PyTuple>,
        keywords: &Bound<'py, PyDict>,
    ) -> PyResult<Recipe> {
        let py = args.py();
        let mut then: Vec<Py<PyAny>> = self.then.iter().map(|call| call.clone_ref(py)).collect();
        then.push((method, args, keywords).into_pyobject(py)?.into_any().unbind());
        Ok(Recipe { store: self.store.clone(), arguments: self.arguments.clone_ref(py), then })
    }

    pub(crate) fn reduced<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let then = PyTuple::new(py, &self.then)?;
        reduced(py, "_reselect", (pickled_store(py, &self.store)?, self.arguments.bind(py), then))
    }
}
