//! When rows of a tail become cold: they leave memory, or never get there, and only what is known of them stays.
//!
//! Invariant: cold frames come before all rows in memory.

use super::cold::{ColdContents, ColdFrames, LogFiles};
use std::sync::Arc;

/// The cold frames of a log, and when more of its rows become cold.
#[derive(Debug)]
pub(super) struct Cooling {
    log: LogFiles,
    /// The most bytes of rows in memory.
    pub(super) row_bytes_max: usize,
    /// The first frame that is not cold, as a sequence number.
    pub(super) from: i64,
    /// Bytes of rows to come that do not get into memory at all, because there is much more to read than it may hold.
    skip_bytes: usize,
    /// The rows skipped from `from` on.
    skipped: ColdContents,
    /// Ascending.
    pub(super) frames: Vec<Arc<ColdFrames>>,
}

/// What a tail may hold in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct TailRoom {
    /// The most bytes of rows.
    pub(super) row_bytes: usize,
    /// Bytes of rows that are to be read first and not kept.
    pub(super) skip_bytes: usize,
}

/// Consecutive cold frames are one entry up to this many bytes: few enough entries to look through, and small enough to
/// read no more than is needed.
const ENTRY_BYTES_MAX: usize = 32 << 20;

impl Cooling {
    /// Of a log that is read from frame `from` on.
    pub(super) fn new(log: LogFiles, from: i64, room: TailRoom) -> Cooling {
        let (row_bytes_max, skip_bytes) = (room.row_bytes, room.skip_bytes);
        Cooling { log, row_bytes_max, from, skip_bytes, skipped: ColdContents::default(), frames: Vec::new() }
    }

    /// Changes the room from now on.
    pub(super) fn set(&mut self, log: LogFiles, room: TailRoom) {
        (self.row_bytes_max, self.skip_bytes) = (room.row_bytes, room.skip_bytes);
        self.log = log;
    }

    /// Where to count `bytes` of rows in frame `seq`, if these are not to be kept.
    pub(super) fn skip(&mut self, seq: i64, bytes: usize) -> Option<&mut ColdContents> {
        if self.skip_bytes == 0 || self.skipped.bytes() >= self.entry_bytes() {
            self.end_skipping(seq);
        }
        if self.skip_bytes == 0 {
            return None;
        }
        self.skip_bytes = self.skip_bytes.saturating_sub(bytes);
        Some(&mut self.skipped)
    }

    /// Makes an entry of the rows that were skipped up to frame `next`.
    pub(super) fn end_skipping(&mut self, next: i64) {
        if self.skipped.bytes() > 0 {
            let skipped = std::mem::take(&mut self.skipped);
            self.push(next, skipped);
        }
    }

    /// Adds what the frames up to `end` hold.
    pub(super) fn push(&mut self, end: i64, contents: ColdContents) {
        let seqs = (std::mem::replace(&mut self.from, end), end);
        let most = self.entry_bytes();
        let joined = self.frames.last().and_then(|last| last.joined(&self.log, seqs, &contents, most));
        if joined.is_some() {
            self.frames.pop();
        }
        let entry = joined.unwrap_or_else(|| ColdFrames::new(seqs, self.log.clone(), contents));
        self.frames.push(Arc::new(entry));
    }

    fn entry_bytes(&self) -> usize {
        ENTRY_BYTES_MAX.min(self.row_bytes_max.saturating_mul(2))
    }
}
