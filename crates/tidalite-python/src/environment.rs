//! `capture`: what a run is run with is kept at its start.

use crate::arguments::params::{params, texts};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBool;
use tidalite::{Param, Params, RunBuilder, capture_environment};

/// The builder with what `capture` says: everything, nothing, or the fields named. Without it everything but the versions of
/// packages, which are most of its bytes; and nothing in a rank other than the first, since the environment of a run is that of its
/// last start.
pub(crate) fn captured(
    py: Python<'_>,
    builder: RunBuilder,
    capture: Option<&Bound<'_, PyAny>>,
) -> PyResult<RunBuilder> {
    let fields = match capture {
        None => None,
        Some(given) => match given.cast::<PyBool>() {
            Ok(flag) if flag.is_true() => None,
            Ok(_) => return Ok(builder),
            Err(_) => Some(texts("a field to capture", given).map_err(|_| wrong(given))?),
        },
    };
    let mut environment = capture_environment();
    if capture.is_none() && rank(&environment).is_some_and(|rank| rank > 0) {
        return Ok(builder);
    }
    // A run begins also where its environment cannot be told.
    environment.extend(of_python(py).unwrap_or_default());
    if capture.is_none() {
        environment.remove("packages");
    }
    if let Some(fields) = fields {
        environment.retain(|field, _| fields.contains(field));
    }
    Ok(builder.environment(environment))
}

fn of_python(py: Python<'_>) -> PyResult<Params> {
    params(&py.import("tidalite._capture")?.call_method0("python_environment")?)
}

fn rank(environment: &Params) -> Option<i64> {
    match environment.get("launcher")? {
        Param::Map(launcher) => match launcher.get("rank")? {
            Param::Int(rank) => Some(*rank),
            _ => None,
        },
        _ => None,
    }
}

fn wrong(given: &Bound<'_, PyAny>) -> PyErr {
    let kind = given.get_type().name().map_or_else(|_| "object".into(), |name| name.to_string());
    PyTypeError::new_err(format!(
        "capture is of type {kind}; give True, False, or a list of fields such as [\"git\", \"packages\"]"
    ))
}
