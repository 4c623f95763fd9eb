//! The compiled part of the Python package: thin classes over the public crate `tidalite`.
//!
//! `arguments` converts from Python, `records` to Python; most other files are one Python class each. Rules:
//! - Calls that compute or wait for the disk release the interpreter lock. `Run.log` does neither at its default durability,
//!   and keeps the lock (see `run.rs`).
//! - No class holds a lock of its own while Python code runs, since that code may call back.
//! - Arguments are checked and converted before anything is written.

#![deny(unsafe_code)]
// PyO3's macros need public items, though only Python can reach them.
#![allow(unreachable_pub)]
#![allow(clippy::doc_lazy_continuation, reason = "docstrings hold Python examples, which begin with `>>>`")]

mod append;
mod append_options;
mod arguments;
mod array_columns;
mod begin;
mod command;
mod doubts;
mod edit_arguments;
mod environment;
mod errors;
mod exit;
mod follow;
mod handles;
mod importing;
mod open;
mod outcome;
mod pickle;
mod progress;
mod records;
mod reduce;
mod reopen;
mod run;
mod run_arguments;
mod run_table;
mod salvage;
mod select_arguments;
mod selection;
mod snapshot;
mod store;
mod system;
mod table;
mod warning;

use arguments::{groups, names};
use pyo3::prelude::*;

/// An embedded columnar store for streams of metrics: the compiled part.
#[pymodule]
fn _tidalite(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    errors::add_to(module)?;
    module.add_class::<store::Store>()?;
    module.add_class::<run::Run>()?;
    module.add_class::<system::SystemWatch>()?;
    module.add_class::<snapshot::StoreSnapshot>()?;
    module.add_class::<selection::Selection>()?;
    module.add_class::<table::AnswerTable>()?;
    module.add_class::<table::TableColumn>()?;
    module.add_class::<follow::Follow>()?;
    module.add_class::<groups::GroupBucket>()?;
    module.add_class::<names::NamePattern>()?;
    module.add_class::<arguments::params::Removal>()?;
    module.add("REMOVE", Py::new(module.py(), arguments::params::Removal)?)?;
    module.add_function(wrap_pyfunction!(open::open, module)?)?;
    module.add_function(wrap_pyfunction!(salvage::salvage, module)?)?;
    module.add_function(wrap_pyfunction!(groups::step_bucket, module)?)?;
    module.add_function(wrap_pyfunction!(groups::time_bucket, module)?)?;
    module.add_function(wrap_pyfunction!(selection::escape, module)?)?;
    module.add_function(wrap_pyfunction!(names::exact, module)?)?;
    module.add_function(wrap_pyfunction!(names::glob, module)?)?;
    module.setattr("_command", wrap_pyfunction!(command::_command, module)?)?;
    // Pickles name these. They are no part of `__all__`.
    module.setattr("_reopen_store", wrap_pyfunction!(reopen::_reopen_store, module)?)?;
    module.setattr("_attach_run", wrap_pyfunction!(reopen::_attach_run, module)?)?;
    module.setattr("_reselect", wrap_pyfunction!(reopen::_reselect, module)?)?;
    exit::register(module)
}
