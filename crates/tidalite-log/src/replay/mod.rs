//! SegmentReader logs: all at once ([`replay`]) or as they grow ([`TailReader`]). Nothing here writes.
//!
//! `tail.rs` goes from segment to segment, `reading.rs` through one, `window.rs` brings its bytes in, `names.rs`
//! knows what they say, `resync.rs` finds frames again behind damage, `finding.rs` says what was wrong.

mod finding;
mod names;
mod poll;
mod resync;
mod segment_reader;
mod tail;
#[cfg(test)]
mod tests;
mod window;

pub use finding::{LogFinding, LogFindingKind};
pub use tail::{Replayed, Resume, TailReader};

use crate::dir::WriterDir;
use crate::sink::LogSink;
use tidalite_model::Result;
use tidalite_vfs::Vfs;

/// Hands over all frames of a writer's log from `from_ordinal` on, and says what was wrong. `alive` says whether more
/// may come: what [`life`](crate::life) says, asked before this call.
///
/// # Errors
/// As [`TailReader::poll`].
pub fn replay(
    vfs: &dyn Vfs,
    dir: &WriterDir,
    from_ordinal: u64,
    alive: bool,
    sink: &mut dyn LogSink,
) -> Result<Replayed> {
    TailReader::new(dir.clone(), from_ordinal).poll(vfs, alive, sink)
}
