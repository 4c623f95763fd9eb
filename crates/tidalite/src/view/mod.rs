//! What a reader sees: a fixed set of rows, and the rules for which of its points are visible.
//!
//! May use: `parts`, `engine` and `files`.
//!
//! Invariants: a [`Snapshot`](snapshot::Snapshot) never changes, and no file that it needs is deleted while it lives.
//! Deleted points are never visible, rewound ones only on request ([`tombstones`]). A run inherits the points of its
//! ancestors up to the step of the fork ([`lineage`]).

pub(crate) mod damage;
pub(crate) mod encodings;
mod gone;
pub(crate) mod hidden;
pub(crate) mod last_steps;
pub(crate) mod lineage;
pub(crate) mod losses;
mod missing_run;
pub(crate) mod outdated;
mod own_log;
pub(crate) mod records;
pub(crate) mod run_targets;
mod sizes;
pub(crate) mod snapshot;
pub(crate) mod stats;
pub(crate) mod tombstones;
