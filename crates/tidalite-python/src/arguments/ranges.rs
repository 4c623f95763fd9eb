//! Half-open ranges: a pair (lo, hi), a slice, or, for steps, a `range`. `None` leaves an end open.

use crate::errors::invalid;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyRange, PyRangeMethods, PySlice, PyTuple};
use std::ops::Bound as End;

/// Both ends, converted by `read`; `name` is the argument's, for errors.
pub(crate) fn range<'py, T>(
    name: &str,
    value: &Bound<'py, PyAny>,
    read: impl Fn(&Bound<'py, PyAny>) -> PyResult<T>,
) -> PyResult<(Option<T>, Option<T>)> {
    let (lo, hi) = ends(name, value)?;
    let end = |end: Bound<'py, PyAny>| if end.is_none() { Ok(None) } else { read(&end).map(Some) };
    Ok((end(lo)?, end(hi)?))
}

fn ends<'py>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    if let Ok(range) = value.cast::<PyRange>() {
        if range.step()? != 1 {
            return Err(invalid(
                "select",
                format!("{name} {value} skips steps"),
                "give a range of step 1, and filter the result",
            ));
        }
        return Ok((value.getattr("start")?, value.getattr("stop")?));
    }
    if value.is_instance_of::<PySlice>() {
        let step = value.getattr("step")?;
        if !step.is_none() && !step.eq(1)? {
            return Err(invalid(
                "select",
                format!("{name} {value} has a stride"),
                "give a slice without one, and filter the result",
            ));
        }
        return Ok((value.getattr("start")?, value.getattr("stop")?));
    }
    if (value.is_instance_of::<PyTuple>() || value.is_instance_of::<PyList>()) && value.len()? == 2 {
        return Ok((value.get_item(0)?, value.get_item(1)?));
    }
    Err(PyTypeError::new_err(format!(
        "select: {name} is {value:?}; give a pair (lo, hi) with lo included and hi excluded; None leaves an end open"
    )))
}

/// The range as the engine takes it: lo included, hi excluded.
pub(crate) fn half_open(range: (Option<i64>, Option<i64>)) -> (End<i64>, End<i64>) {
    (range.0.map_or(End::Unbounded, End::Included), range.1.map_or(End::Unbounded, End::Excluded))
}

/// A number of rows: an offset or a limit.
pub(crate) fn row_number(doing: &str, name: &str, rows: i64) -> PyResult<usize> {
    usize::try_from(rows)
        .map_err(|_| invalid(doing, format!("{name} is {rows}"), "give a number of rows, 0 or more"))
}
