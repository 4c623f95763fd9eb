//! Work on the store as a whole: flush, compaction, thinning, collection, backup, checks, and the thread that does the first
//! two by itself.
//!
//! May use: `select` (for patterns of names), `plan`, `view`, `parts`, `engine` and `files`.
//!
//! Invariants: only the holder of the store's lock publishes a version or deletes a file. A step that is killed leaves the
//! old version in force. What goes into new parts is checked against what came out of old ones, by counts and by sums of
//! bits, before a version names them.

mod backup;
mod collect;
pub(crate) mod compact;
mod deleted;
mod evidence;
pub(crate) mod flush;
pub(crate) mod maintain;
mod merge;
mod parts_source;
mod policy;
mod publish;
pub(crate) mod report;
mod tail_source;
pub(crate) mod thin;
