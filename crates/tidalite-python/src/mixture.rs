//! The warning where aggregates mix the values of several metrics, which is rarely meant.

use pyo3::exceptions::PyUserWarning;
use pyo3::prelude::*;
use std::ffi::CString;
use tidalite::{Aggregate, By, Selection};

/// Warns where these aggregates mix metrics. An error of reading is that of the answer.
pub(crate) fn warn_of_mixture(
    py: Python<'_>,
    select: &Selection,
    aggregates: &[Aggregate],
    by: &[By],
) -> PyResult<()> {
    let Ok(Some(mixture)) = py.detach(|| select.mixture(aggregates, by)) else { return Ok(()) };
    let text = CString::new(format!("{mixture}; add by=\"metric\"").replace('\0', " "))?;
    // The innermost frame is that of `_arguments.py`, which calls this; the next one is the caller's.
    PyErr::warn(py, &py.get_type::<PyUserWarning>(), &text, 2)
}
