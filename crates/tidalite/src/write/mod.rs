//! Writing: runs, rows, batches, rewinds and deletions.
//!
//! May use: `upkeep` (its thread starts with the log), `select` (for the last step of a run), `view`, `parts`, `engine`
//! and `files`.
//!
//! Invariants: a write goes to this process's own log and is accepted whole or not at all. Every process sees it when
//! the call returns. A writer never waits for readers or other writers.

mod attach;
pub(crate) mod automatic;
pub(crate) mod batch_columns;
mod batch_rows;
pub(crate) mod builder;
pub(crate) mod edit;
pub(crate) mod environment;
pub(crate) mod exist;
pub(crate) mod handles;
pub(crate) mod ingest;
mod layout;
mod params;
mod retract;
pub(crate) mod row_at;
pub(crate) mod run;
#[cfg(feature = "system")]
pub(crate) mod side_log;
