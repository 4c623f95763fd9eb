//! How a run ended that nobody finished. `tidalite/_outcome.py` and `_kept.py` read the traces of exceptions.

use crate::exit;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyModule;

/// How this process's part in a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Finished,
    /// With the reason, where it is known.
    Failed(Option<String>),
}

impl Outcome {
    fn of_reason(reason: Option<String>) -> Outcome {
        reason.map_or(Outcome::Finished, |reason| Outcome::Failed(Some(reason)))
    }

    /// The outcome by the exception that leaves a `with` block, if one does.
    pub(crate) fn of_block(py: Python<'_>, exc: Option<&Bound<'_, PyAny>>) -> PyResult<Outcome> {
        let Some(exc) = exc.filter(|e| !e.is_none()) else { return Ok(Outcome::Finished) };
        Ok(Outcome::of_reason(module(py)?.getattr("of")?.call1((exc,))?.extract()?))
    }
}

fn module(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || py.import("tidalite._outcome").map(Bound::unbind))?;
    Ok(module.bind(py))
}

/// Prepares for the end of a run that starts. Gives the id of the exception that is being handled, or 0.
pub(crate) fn started(py: Python<'_>) -> PyResult<usize> {
    module(py)?.getattr("started")?.call1((exit::close_all(py)?,))?.extract()
}

/// The outcome of a run whose last handle goes; `before` is from [`started`].
pub(crate) fn dropped(py: Python<'_>, before: usize) -> Outcome {
    // The exception that leaves a frame stays as it is, whatever happens here.
    let error = PyErr::take(py);
    let asked = module(py).and_then(|module| {
        let value = error.as_ref().map(|e| e.value(py));
        module.getattr("dropped")?.call1((before, value))?.extract()
    });
    if let Some(error) = error {
        error.restore(py);
    }
    Outcome::of_reason(asked.unwrap_or(None))
}

/// The outcome of runs that are open when the process ends, and the id of the exception that ends it, or 0. A run that
/// started while that exception was being handled is none of its victims.
pub(crate) fn at_end(py: Python<'_>) -> (usize, Outcome) {
    let asked = module(py).and_then(|m| m.getattr("at_end")?.call0()?.extract::<(usize, Option<String>)>());
    asked.map_or((0, Outcome::Finished), |(exc, reason)| (exc, Outcome::of_reason(reason)))
}

/// Fails the open runs that only frames hold that an exception ended.
pub(crate) fn fail_kept(py: Python<'_>) {
    // Without an answer they count as finished.
    let _ = py.import("tidalite._kept").and_then(|m| m.getattr("fail_kept")?.call0().map(|_| ()));
}
