//! What tests, fuzzers and benches share: deterministic random numbers, the standard workload, the oracle, operations,
//! checks and the crash driver.
//!
//! ```text
//! ops (drawn) ─► machine ─► store on a simulated disk        crash: the power is cut at each step
//!                   └─────► oracle ◄── check: bit for bit ◄──────────┘
//! ```

#![forbid(unsafe_code)]

mod aggregates;
mod check;
mod copies;
mod crash;
mod difference;
mod draw;
mod exact;
mod expected_runs;
mod fault;
mod follower;
mod forge;
mod machine;
mod machine_runs;
mod ops;
mod oracle;
mod question;
mod random;
mod run_values;
mod survivors;
mod units;
mod workload;

pub use aggregates::Naive;
pub use check::{
    ask, bits, everything, points, points_of, same, same_runs, select, snapshot, sound, summaries,
};
pub use copies::TwoCopies;
pub use crash::{
    CutPoint, CutTally, Planted, Scenario, USED_EACH, VIOLATIONS_MAX, check_killed, check_read, check_state,
    cuts,
};
pub use difference::{CheckResult, unexpected};
pub use draw::draw_batch;
pub use expected_runs::{ExpectedParticipant, ExpectedRun, ExpectedTime};
pub use fault::MachineFault;
pub use forge::{FilePage, LogFrame, LogSegment, PagedFile, StoreFiles, name_again, seal, sealed_text};
pub use machine::{STORE, StoreMachine};
pub use ops::{
    LABELS, METRICS, Mix, Op, PLAIN_METRICS, RUNS, draw_ops, labels_of, number_of, ops, step_of, time_of,
    value_bits,
};
pub use oracle::{ExpectedPoints, Oracle};
pub use question::{NameTest, Question};
pub use random::Random;
pub use survivors::survivors;
pub use units::{Ledger, UnitContent, WriteUnit, WrittenPoint};
pub use workload::{WorkloadRun, metric_names, workload_run};
