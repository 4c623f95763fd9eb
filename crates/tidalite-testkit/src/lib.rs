//! What tests, fuzzers and benches share: deterministic random numbers, the standard workload, and the one oracle, with
//! the operations, the checks and the crash driver around it.
//!
//! ```text
//! ops (drawn) ─► machine ─► store on a simulated disk        crash: the power goes at each step
//!                   └─────► oracle ◄── check: bit for bit ◄──────────┘
//! ```

#![forbid(unsafe_code)]

mod batch;
mod check;
mod crash;
mod machine;
mod ops;
mod oracle;
mod random;
mod workload;

pub use batch::draw_batch;
pub use check::{
    Checked, ask, bits, everything, points, points_of, same, same_runs, select, snapshot, sound, summaries,
    unexpected,
};
pub use crash::{
    Cut, Planted, Scenario, Tally, USED_EACH, VIOLATIONS_MAX, check_killed, check_read, check_state, cuts,
    survivors,
};
pub use machine::{Fault, Machine, STORE};
pub use ops::{
    LABELS, METRICS, Mix, Op, RUNS, draw_ops, labels_of, number_of, ops, step_of, time_of, value_bits,
};
pub use oracle::{Answer, Ask, Ledger, Naive, Name, Oracle, Unit, What, Written};
pub use random::Random;
pub use workload::{WorkloadRun, metric_names, workload_run};
