//! The function `salvage`.

use crate::progress::with_progress;
use crate::records;
use pyo3::prelude::*;
use std::path::PathBuf;
use tidalite::Options;

/// Copies all that is sound of the store in the folder `damaged` to a new store in the folder `to`, which must be absent or empty.
///
/// Returns what the new store holds, and in `missing` what it lacks: file, run, series, steps and rows, as far as they can be
/// determined. The damaged store is only read. The answers of the new store do not say what is missing, so keep the list.
/// `progress` is called with the bytes done and the total.
///
/// >>> store.run("a").log({"loss": 0.5})
/// >>> salvaged = tidalite.salvage(store.path, str(store.path) + "-rescued")
/// >>> salvaged.points, salvaged.missing
/// (1, ())
#[pyfunction]
#[pyo3(signature = (damaged, to, progress=None, *, memory_bytes=None))]
pub fn salvage<'py>(
    py: Python<'py>,
    damaged: PathBuf,
    to: PathBuf,
    progress: Option<Py<PyAny>>,
    memory_bytes: Option<u64>,
) -> PyResult<Bound<'py, PyAny>> {
    let options = memory_bytes.map_or(Options::new(), |bytes| Options::new().memory_bytes(bytes));
    let salvaged =
        with_progress(py, progress, |call| options.salvage(&damaged, &to, &|done, all| call.two(done, all)))?;
    records::salvaged(py, &salvaged)
}
