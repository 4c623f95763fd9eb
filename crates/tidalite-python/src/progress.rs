//! Long work that reports progress to a Python function.

use crate::errors::raise;
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};

/// A Python function that receives progress. An exception that it raises reaches the caller once the work is done: work
/// cannot stop half-way.
pub(crate) struct ProgressCallback {
    function: Option<Py<PyAny>>,
    raised: Mutex<Option<PyErr>>,
}

impl ProgressCallback {
    pub(crate) fn one(&self, done: u64) {
        self.call(|py, function| function.call1(py, (done,)));
    }

    pub(crate) fn two(&self, done: u64, all: u64) {
        self.call(|py, function| function.call1(py, (done, all)));
    }

    fn call(&self, call: impl FnOnce(Python<'_>, &Py<PyAny>) -> PyResult<Py<PyAny>>) {
        let Some(function) = &self.function else { return };
        if self.raised.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return;
        }
        if let Err(e) = Python::attach(|py| call(py, function)) {
            *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
        }
    }
}

/// Does work without the interpreter lock.
pub(crate) fn with_progress<T: Send>(
    py: Python<'_>,
    function: Option<Py<PyAny>>,
    work: impl FnOnce(&ProgressCallback) -> tidalite::Result<T> + Send,
) -> PyResult<T> {
    let progress = ProgressCallback { function, raised: Mutex::new(None) };
    let done = py.detach(|| work(&progress)).map_err(raise)?;
    match progress.raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(e) => Err(e),
        None => Ok(done),
    }
}
