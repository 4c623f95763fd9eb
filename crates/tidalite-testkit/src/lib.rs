//! What tests, fuzzers and benches share: deterministic random numbers, the standard workload, and the oracle.

#![forbid(unsafe_code)]

mod random;
mod workload;

pub use random::Random;
pub use workload::{WorkloadRun, metric_names, workload_run};
