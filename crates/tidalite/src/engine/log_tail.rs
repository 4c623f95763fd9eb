//! One writer's log as read so far, and the range of it that a snapshot sees.
//!
//! Invariant: a [`LogTail`] only grows. A [`TailView`] is a range of frames, so it always sees the same rows.

use super::tail::TailData;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use tidalite_log::{Life, LogFinding, TailReader, WriterDir};
use tidalite_model::{Result, Seq};
use tidalite_vfs::Vfs;

/// The frames of one writer's log that a snapshot sees.
#[derive(Debug, Clone)]
pub(crate) struct TailView {
    pub(crate) writer: u32,
    pub(crate) alive: bool,
    /// The frames of the snapshot, [lo, hi), as sequence numbers.
    pub(crate) seqs: (i64, i64),
    tail: Arc<RwLock<LogTail>>,
}

impl TailView {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, LogTail> {
        self.tail.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One writer's log as read so far.
#[derive(Debug)]
pub(crate) struct LogTail {
    reader: TailReader,
    /// First ordinal that is in `data`.
    pub(super) from: u64,
    /// First ordinal that is not.
    pub(super) next: u64,
    pub(crate) data: TailData,
    pub(crate) findings: Vec<LogFinding>,
}

impl TailView {
    pub(super) fn new(writer: u32, alive: bool, from: u64, hi: u64, tail: Arc<RwLock<LogTail>>) -> Self {
        TailView {
            writer,
            alive,
            seqs: (Seq::new(writer, from).as_i64(), Seq::new(writer, hi).as_i64()),
            tail,
        }
    }
}

impl LogTail {
    pub(super) fn new(dir: &WriterDir, from: u64) -> Arc<RwLock<LogTail>> {
        Arc::new(RwLock::new(LogTail {
            reader: TailReader::new(dir.clone(), from),
            from,
            next: from,
            data: TailData::default(),
            findings: Vec::new(),
        }))
    }

    /// Reads what is new. Returns whether the writer is alive, and the first ordinal that is not read yet.
    pub(super) fn poll(&mut self, vfs: &dyn Vfs, dir: &WriterDir) -> Result<(bool, u64)> {
        let life = tidalite_log::life(vfs, dir)?;
        let replayed = self.reader.poll(vfs, life.may_append(), &mut self.data)?;
        self.next = self.next.max(replayed.next_ordinal);
        for finding in replayed.findings {
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
        Ok((life == Life::Living, self.next))
    }
}
