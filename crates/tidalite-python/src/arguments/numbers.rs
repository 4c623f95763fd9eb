//! Values to log: anything that is a single number.
//!
//! Floats, ints, bools, NumPy scalars and 0-d arrays, scalars of torch and jax: any object with `__float__` or `__index__`.
//! Anything else is a `TypeError` that names the key.

use pyo3::exceptions::{PyOverflowError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyComplex, PyFloat, PyInt, PyString};

/// The value of a plain float. Runs no Python code.
#[inline]
pub(crate) fn exact(value: &Bound<'_, PyAny>) -> Option<f64> {
    value.cast_exact::<PyFloat>().ok().map(|v| v.value())
}

/// The value given for `key`, as a number. May run Python code.
pub(crate) fn number(key: &str, value: &Bound<'_, PyAny>) -> PyResult<f64> {
    if let Some(value) = exact(value) {
        return Ok(value);
    }
    if let Ok(flag) = value.cast::<PyBool>() {
        return Ok(f64::from(u8::from(flag.is_true())));
    }
    let py = value.py();
    if value.is_none() {
        return Err(PyTypeError::new_err(format!(
            "log: metric {key:?} is None; leave it out, or log float('nan') to mark the gap"
        )));
    }
    // Refused even if a subclass of `str` has `__float__`: a number in text is most often a mistake.
    if value.is_instance_of::<PyString>() {
        return Err(not_a_number(key, value, None));
    }
    if value.is_instance_of::<PyComplex>() {
        return Err(not_a_number(key, value, None));
    }
    let number = value.extract::<f64>().map_err(|e| {
        if e.is_instance_of::<PyOverflowError>(py) {
            let remedy = "is beyond the range of a 64-bit float; scale it, or log its logarithm";
            return PyTypeError::new_err(format!("log: metric {key:?} {remedy}"));
        }
        // Arrays and other objects that are not one number raise these. An error of the value's own, such as a failing
        // device, and an interrupt reach the caller.
        let refused = e.is_instance_of::<PyTypeError>(py)
            || e.is_instance_of::<PyValueError>(py)
            || e.is_instance_of::<PyRuntimeError>(py);
        if refused { not_a_number(key, value, Some(e)) } else { e }
    })?;
    if number.abs() >= EXACT_MAX {
        check_exact(key, value, number)?;
    }
    Ok(number)
}

/// Whole numbers below this one are exact in a float64. The next one above it becomes it.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Refuses a whole number of which the float is not the same number, and a finite one that became infinite.
fn check_exact(key: &str, value: &Bound<'_, PyAny>, number: f64) -> PyResult<()> {
    let wide = value.get_type().name().is_ok_and(|name| name == "longdouble");
    if wide && number.is_infinite() && !value.eq(number)? {
        return Err(PyTypeError::new_err(format!(
            "log: metric {key:?} is beyond the range of a 64-bit float; scale it, or log its logarithm"
        )));
    }
    // Of what has `__index__`, NumPy's integers compare as floats, and Python's exactly.
    let Ok(whole) = value.call_method0("__index__") else { return Ok(()) };
    if whole.cast::<PyInt>().is_ok() && !whole.eq(number)? {
        return Err(PyTypeError::new_err(format!(
            "log: metric {key:?} is the whole number {whole}, which a 64-bit float cannot hold exactly; log float(x) to \
             store the nearest one"
        )));
    }
    Ok(())
}

fn not_a_number(key: &str, value: &Bound<'_, PyAny>, cause: Option<PyErr>) -> PyErr {
    let kind = value.get_type().fully_qualified_name().map_or_else(|_| "object".into(), |n| n.to_string());
    let shape = value
        .getattr("shape")
        .ok()
        .and_then(|s| s.str().ok())
        .map_or(String::new(), |s| format!(" of shape {s}"));
    let error = PyTypeError::new_err(format!(
        "log: metric {key:?} is of type {kind}{shape}, not a single number; reduce it, for instance with float() or .mean()"
    ));
    error.set_cause(value.py(), cause);
    error
}
