//! The columns of a list of runs: values of metrics, and what is known of a run.
//!
//! It uses aggregates, batches and filters.

mod column;
mod fields;

pub use column::{RunColumn, RunSort};
