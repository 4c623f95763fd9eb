//! The warning where aggregates mix the values of several metrics, which is rarely meant.

use crate::warning::warn;
use pyo3::prelude::*;
use tidalite::{Aggregate, By, Selection};

/// Warns where these aggregates mix metrics. An error of reading is that of the answer.
pub(crate) fn warn_of_mixture(
    py: Python<'_>,
    select: &Selection,
    aggregates: &[Aggregate],
    by: &[By],
) -> PyResult<()> {
    let Ok(Some(mixture)) = py.detach(|| select.mixture(aggregates, by)) else { return Ok(()) };
    warn(py, &format!("{mixture}; add by=\"metric\""))
}
