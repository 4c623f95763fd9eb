//! The Python class `SystemWatch`: a running sampling of this machine.

use crate::handles::SharedWatch;
use pyo3::prelude::*;
use pyo3::types::PyType;
use std::sync::{Mutex, PoisonError};

/// A sampling of this machine into a run. Made by `Run.watch_system`.
#[pyclass(frozen, module = "tidalite")]
pub struct SystemWatch {
    watch: SharedWatch,
    last_error: Mutex<Option<String>>,
}

impl SystemWatch {
    pub(crate) fn new(watch: SharedWatch) -> Self {
        SystemWatch { watch, last_error: Mutex::new(None) }
    }
}

#[pymethods]
impl SystemWatch {
    /// Why a sample could not be logged, the last time that happened; None if all samples were logged.
    #[getter]
    fn error(&self) -> Option<String> {
        let watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let current = watch.as_ref().and_then(|w| w.error()).map(|e| e.to_string());
        current.or_else(|| self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Stops sampling, and returns once it has stopped. A second call does nothing.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| {
            let watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(watch) = watch {
                let error = watch.error().map(|e| e.to_string());
                *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
                drop(watch);
            }
        });
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (exc_type=None, exc=None, traceback=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: Option<&Bound<'_, PyType>>,
        exc: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) {
        let _ = (exc_type, exc, traceback);
        self.stop(py);
    }
}
