//! What `__reduce__` returns, by which `pickle` and `copy` make an object anew.

use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// A function of the compiled module, and its arguments, as `__reduce__` returns them.
pub(crate) type Reduced<'py> = (Bound<'py, PyAny>, Bound<'py, PyTuple>);

pub(crate) fn reduced<'py>(
    py: Python<'py>,
    function: &str,
    arguments: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
) -> PyResult<Reduced<'py>> {
    Ok((py.import("tidalite._tidalite")?.getattr(function)?, arguments.into_pyobject(py)?))
}
