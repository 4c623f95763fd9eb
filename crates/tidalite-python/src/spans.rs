//! Half-open ranges: a pair (lo, hi), a slice, or, of steps, a `range`; `None` is no end.

use crate::errors::invalid;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyRange, PyRangeMethods, PySlice, PyTuple};
use std::ops::Bound as End;

/// Both ends, converted by `read`; `name` is the argument's.
pub(crate) fn span<'py, T>(
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
                format!("{name} {value} leaves steps out"),
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
                format!("{name} {value} leaves some out"),
                "give a slice without a stride, and filter the result",
            ));
        }
        return Ok((value.getattr("start")?, value.getattr("stop")?));
    }
    if (value.is_instance_of::<PyTuple>() || value.is_instance_of::<PyList>()) && value.len()? == 2 {
        return Ok((value.get_item(0)?, value.get_item(1)?));
    }
    Err(PyTypeError::new_err(format!(
        "select: {name} is {value:?}; give a pair (lo, hi), of which lo is in and hi is out, and None is no end"
    )))
}

/// As a range of the engine's.
pub(crate) fn half_open(span: (Option<i64>, Option<i64>)) -> (End<i64>, End<i64>) {
    (span.0.map_or(End::Unbounded, End::Included), span.1.map_or(End::Unbounded, End::Excluded))
}
