//! The compiled part of the Python package: thin classes over the public crate, and nothing of the engine.
//!
//! Each file is one Python class, or one kind of conversion. Rules that hold throughout:
//! - Whatever waits for the disk or computes gives up the interpreter lock; `Run.log` at its default does neither, and
//!   keeps it (see `run.rs`).
//! - No class holds a lock of its own while Python code runs, since that code may call back.
//! - Arguments are checked and converted before anything is written.

#![deny(unsafe_code)]
// The macros of PyO3 make public items of what only Python can reach.
#![allow(unreachable_pub)]

mod append;
mod buckets;
mod errors;
mod exit;
mod follow;
mod names;
mod numbers;
mod params;
mod records;
mod run;
mod selection;
mod spans;
mod store;
mod system;
mod table;
mod time;

use pyo3::prelude::*;

/// An embedded columnar store for streams of metrics: the compiled part.
#[pymodule]
fn _tidalite(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    errors::add_to(module)?;
    module.add_class::<store::Store>()?;
    module.add_class::<run::Run>()?;
    module.add_class::<system::SystemWatch>()?;
    module.add_class::<selection::Selection>()?;
    module.add_class::<table::Table>()?;
    module.add_class::<follow::Follow>()?;
    module.add_class::<buckets::Bucket>()?;
    module.add_function(wrap_pyfunction!(store::open, module)?)?;
    module.add_function(wrap_pyfunction!(buckets::step_bucket, module)?)?;
    module.add_function(wrap_pyfunction!(buckets::time_bucket, module)?)?;
    module.add_function(wrap_pyfunction!(selection::escape, module)?)?;
    exit::register(module)
}
