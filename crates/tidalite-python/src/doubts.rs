//! Warnings of answers that are rarely meant: aggregates over several metrics, rates of values that are no counter.

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

/// Warns where the answers of this selection, as far as they were read, are rates of no counter.
pub(crate) fn warn_of_rate(py: Python<'_>, select: &Selection) -> PyResult<()> {
    select.rate_warning().map_or(Ok(()), |warning| warn(py, &warning))
}
