//! The integration tests: one binary with one module per promise, over the public crate. Oracle, operations and crash
//! driver are in `tidalite-testkit`.
//!
//! `TIDALITE_LONG=1` multiplies what the crash, failure and equivalence tests try.

#![allow(clippy::disallowed_methods, reason = "tests prepare files and damage them")]
#![allow(clippy::unwrap_used, reason = "a test may panic, and says where")]

mod allocation;
mod appends;
mod attempts;
mod axes;
mod beginnings;
mod bounded;
mod cache;
mod cold_logs;
mod compacted;
mod concurrency;
mod cursors;
mod cut;
mod damage;
mod dead_ends;
mod descriptors;
mod durability;
mod early_clock;
mod ending;
mod equivalence;
mod export;
mod failures;
mod filters;
mod follow;
mod followers;
mod forks;
mod golden;
mod identity;
mod interleaved;
mod kill;
mod limits;
mod listings;
mod long_lines;
mod merge;
mod merge_faults;
mod merge_hidden;
mod merged_copies;
mod names;
mod order;
mod pages;
mod plain_series;
mod power_cut;
mod process;
mod process_fork;
mod retract;
mod roles;
mod rollups;
mod run_list;
mod shapes;
mod short_jobs;
mod sums;
mod thin;
mod thin_gain;
mod transforms;
mod truth;
mod watch;

use std::io::Write;

/// How much more a long run tries.
fn factor() -> usize {
    if std::env::var_os("TIDALITE_LONG").is_some_and(|v| v == "1") { 20 } else { 1 }
}

/// Prints a note that is shown also where tests pass: how much was tried, or what was left out.
fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "note: {text}");
}

/// Threads for tests that start their own.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, |n| n.get())
}
