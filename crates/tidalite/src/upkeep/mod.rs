//! Work on the store as a whole: flush, compaction, thinning, collection, backup and checks. A background thread
//! flushes, compacts and collects.
//!
//! May use: `select` (for name patterns), `plan`, `view`, `parts`, `engine` and `files`.
//!
//! Invariants: only the holder of the store's lock publishes a version or deletes a file. A killed step leaves the old
//! version live. Before a version names new parts, their points are checked against those of the old parts, by counts
//! and sums of value bits.

mod backup;
mod clock;
mod collect;
pub(crate) mod compact;
mod copied_rows;
mod copy_store;
mod copy_target;
mod evidence;
pub(crate) mod flush;
mod flush_batch;
#[cfg(test)]
mod flush_batch_tests;
pub(crate) mod full_disk;
#[cfg(test)]
mod grace_tests;
mod hiding;
pub(crate) mod maintain;
#[cfg(test)]
mod maintain_tests;
mod merge;
pub(crate) mod merge_stores;
mod open;
pub(crate) mod parquet_files;
mod parts_source;
mod pending;
mod policy;
mod publish;
pub(crate) mod reopen;
pub(crate) mod report;
pub(crate) mod reserve;
pub(crate) mod salvage;
mod series_rows;
mod sorting;
mod sound_rows;
mod tail_source;
pub(crate) mod thin;
pub(crate) mod verify;
mod writers;
#[cfg(test)]
mod writers_tests;
