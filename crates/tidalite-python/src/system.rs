//! `SystemWatch`: the sampling of this machine, under way.

use pyo3::prelude::*;
use pyo3::types::PyType;
use std::sync::{Arc, Mutex, PoisonError};

/// The sampling of this machine into a run; begun by `Run.watch_system`.
#[pyclass(frozen, module = "tidalite")]
pub struct SystemWatch {
    watch: Shared,
    last_error: Mutex<Option<String>>,
}

/// Shared with the run, which stops it when it ends.
type Shared = Arc<Mutex<Option<tidalite::system::SystemWatch>>>;

impl SystemWatch {
    pub(crate) fn new(watch: Shared) -> Self {
        SystemWatch { watch, last_error: Mutex::new(None) }
    }
}

#[pymethods]
impl SystemWatch {
    /// Why a sample could not be logged, last time that happened; None where all went well.
    #[getter]
    fn error(&self) -> Option<String> {
        let watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let current = watch.as_ref().and_then(|w| w.error()).map(|e| e.to_string());
        current.or_else(|| self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Stops sampling; done when this returns. Stopping again does nothing.
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
