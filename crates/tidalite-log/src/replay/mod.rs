//! Reading logs: all at once ([`replay`]) or as they grow ([`TailReader`]). Nothing here writes.
//!
//! `tail.rs` goes from segment to segment and `segment_reader.rs` through one segment. `window.rs` buffers its bytes,
//! `names.rs` decodes frames, `resync.rs` finds frames after damage, `finding.rs` reports what was wrong, `lost.rs` what
//! a lost frame could have held, `poll.rs` holds the state of one poll, and `progress.rs` sees how far a log has come
//! without reading its frames.
//!
//! May use: the files next to this folder, and not `writer` (its tests do).

mod finding;
mod lost;
mod names;
mod poll;
mod progress;
mod resync;
mod segment_reader;
mod tail;
#[cfg(test)]
mod tests;
mod window;

pub use finding::{LogFinding, LogFindingKind, LostFrames};
pub use poll::Progress;
pub use tail::{Replayed, Resume, TailReader, segments_gone};

use crate::dir::WriterDir;
use crate::sink::LogSink;
use std::ops::Range;
use tidalite_model::Result;
use tidalite_vfs::Vfs;

/// Delivers all frames of a writer's log from `from_ordinal` on, and reports what was wrong. `alive` says whether
/// more frames may be appended: [`life`](crate::life), called before this function.
///
/// # Errors
/// Those of [`TailReader::poll`].
pub fn replay(
    vfs: &dyn Vfs,
    dir: &WriterDir,
    from_ordinal: u64,
    alive: bool,
    sink: &mut dyn LogSink,
) -> Result<Replayed> {
    TailReader::new(dir.clone(), from_ordinal).poll(vfs, alive, sink)
}

/// As [`replay`], but delivers only the frames with these ordinals, and reads no segment beyond them.
///
/// # Errors
/// Those of [`TailReader::poll`].
pub fn replay_range(
    vfs: &dyn Vfs,
    dir: &WriterDir,
    ordinals: Range<u64>,
    alive: bool,
    sink: &mut dyn LogSink,
) -> Result<Replayed> {
    TailReader::within(dir.clone(), ordinals).poll(vfs, alive, sink)
}
