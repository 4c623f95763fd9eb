//! Warnings that point at the line of the caller, whatever methods of the package lie between.

use pyo3::exceptions::PyUserWarning;
use pyo3::prelude::*;
use std::ffi::CString;
use std::path::{Path, PathBuf};

/// The most frames of the package between a caller and the extension.
const FRAMES_MAX: i32 = 16;

/// Warns at the first frame outside of the package.
pub(crate) fn warn(py: Python<'_>, text: &str) -> PyResult<()> {
    let text = CString::new(text.replace('\0', " "))?;
    PyErr::warn(py, &py.get_type::<PyUserWarning>(), &text, callers_level(py).unwrap_or(1))
}

/// The level of the caller's frame; 1 is the innermost.
fn callers_level(py: Python<'_>) -> PyResult<i32> {
    let package: PathBuf = py.import("tidalite")?.getattr("__file__")?.extract()?;
    let folder = package.parent().unwrap_or(Path::new(""));
    let frame = py.import("sys")?.getattr("_getframe")?;
    for level in 1..FRAMES_MAX {
        let file: PathBuf =
            frame.call1((level - 1,))?.getattr("f_code")?.getattr("co_filename")?.extract()?;
        if !file.starts_with(folder) {
            return Ok(level);
        }
    }
    Ok(1)
}
