//! The command `tidalite`, run by this process: `_command`, which `tidalite/__main__.py` calls.

use pyo3::prelude::*;
use std::ffi::OsString;
use std::path::Path;
use tidalite_cli::Program;

/// Runs the command with the arguments of this process, as in `sys.argv`, and returns its exit code. The process has left
/// Ctrl-C and its standard streams to it.
#[pyfunction]
pub fn _command(py: Python<'_>, argv: Vec<OsString>) -> PyResult<u8> {
    let executable: Option<OsString> = py.import("sys")?.getattr("executable")?.extract()?;
    let start = match executable.filter(|e| !e.is_empty()) {
        Some(python) => vec![python, "-m".into(), "tidalite".into()],
        None => Vec::new(),
    };
    let mut argv = argv.into_iter();
    let script = argv.next().unwrap_or_default();
    // The script that pip installs has the command's name. `python -m` gives the path of a file.
    let typed = match Path::new(&script).file_stem().is_some_and(|name| name == "tidalite") {
        true => "tidalite",
        false => "python -m tidalite",
    };
    let program = Program::new(start, typed);
    let argv: Vec<OsString> = argv.collect();
    Ok(py.detach(|| tidalite_cli::run(&program, argv)))
}
