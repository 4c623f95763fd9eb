//! One writer's log as read so far, and the range of it that a snapshot sees.
//!
//! Invariant: a [`LogTail`] only grows. A [`TailView`] is a range of frames, so it always sees the same rows.

use super::cold::LogFiles;
use super::cooling::TailRoom;
use super::tail::TailData;
use super::tail_shape::{StepReach, TailRange, TailShape};
use super::threads::Pool;
use crate::files::staged::is_staged;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, Weak};
use tidalite_log::{Life, LogFinding, Progress, Resume, SeriesId, TailReader, WriterDir};
use tidalite_model::{ErrorKind, Result, Seq, SeriesKey, StepRange};
use tidalite_query::Points;
use tidalite_vfs::Vfs;
use uuid::Uuid;

/// The frames of one writer's log that a snapshot sees.
#[derive(Debug, Clone)]
pub(crate) struct TailView {
    pub(crate) writer: u32,
    pub(crate) alive: bool,
    /// Whether the writer is gone, so that no frame follows those of the snapshot.
    is_final: bool,
    /// The frames of the snapshot, [lo, hi), as sequence numbers.
    pub(crate) seqs: (i64, i64),
    tail: Arc<RwLock<LogTail>>,
}

/// How far a snapshot sees a writer's log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TailEnd {
    pub(crate) writer: u32,
    /// The first frame that it does not see.
    pub(crate) end: u64,
    /// Whether the writer is gone, so that there is no such frame.
    pub(crate) is_final: bool,
}

impl TailView {
    /// How far the view goes.
    pub(crate) fn end(&self) -> TailEnd {
        let end = Seq::from_i64(self.seqs.1).map_or(0, Seq::ordinal);
        TailEnd { writer: self.writer, end, is_final: self.is_final }
    }

    /// The writer's uuid.
    pub(crate) fn id(&self) -> Uuid {
        self.read().reader.dir().uuid()
    }

    /// The log, for looking whether it has more than this view; `None` if it never will.
    pub(crate) fn watched(&self) -> Option<WatchedTail> {
        let (end, tail) = (self.end().end, Arc::downgrade(&self.tail));
        (!self.is_final).then_some(WatchedTail { end, alive: self.alive, tail })
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, LogTail> {
        self.tail.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of frames that are missing although nothing that was read shows it: those before `accepted`, if this process
    /// wrote the log, and all if only what comes after them is there. `flushed` says whether the manifest lists the writer.
    ///
    /// # Errors
    /// Those of listing the writer's folder.
    pub(crate) fn note_missing(&self, vfs: &dyn Vfs, accepted: Option<u64>, flushed: bool) -> Result<()> {
        let held = self.read();
        let Some(end) = held.resume.filter(|_| held.findings.is_empty()) else { return Ok(()) };
        let dir = held.reader.dir();
        let missing = match accepted.and_then(|accepted| end.lacks(dir, accepted)) {
            None if end.segment == 0 && !flushed => tidalite_log::segments_gone(vfs, dir, is_staged)?,
            missing => missing,
        };
        drop(held);
        if let Some(missing) = missing {
            self.tail.write().unwrap_or_else(PoisonError::into_inner).findings.push(missing);
        }
        Ok(())
    }

    /// The points of series at these steps, one `Points` each: what was frozen first, then block by block, then those of
    /// batches. No lock is held while the log is read.
    ///
    /// # Errors
    /// `Corrupt` where the log has changed since it was read; `NotFound` where it is gone; `Io`.
    pub(crate) fn gather(&self, wanted: &[SeriesId], steps: StepRange, pool: &Pool) -> Result<Vec<Points>> {
        self.gather_within(wanted, TailRange { steps, seqs: self.seqs }, pool)
    }

    fn gather_within(&self, wanted: &[SeriesId], view: TailRange, pool: &Pool) -> Result<Vec<Points>> {
        let (cold, held) = self.read().data.gather_all(wanted, view)?;
        let Some(cold) = cold else { return Ok(held) };
        let mut found = cold.run(pool).inspect_err(|e| {
            // What is known of the log no longer holds. The next snapshot reads it anew, and finds what is damaged.
            let spoiled = e.kind() == ErrorKind::Corrupt;
            self.read().is_spoiled.fetch_or(spoiled, Ordering::Relaxed);
        })?;
        for (points, more) in found.iter_mut().zip(&held) {
            points.extend(more);
        }
        Ok(found)
    }

    /// The points of each wanted series in frames [lo, hi), in the order of [`gather`](Self::gather), which is not that
    /// of writing. Series without points are left out.
    ///
    /// # Errors
    /// As [`gather`](Self::gather).
    pub(crate) fn points_of(
        &self,
        seqs: (i64, i64),
        wanted: &dyn Fn(&SeriesKey) -> bool,
        pool: &Pool,
    ) -> Result<Vec<(SeriesKey, Points)>> {
        let held = self.read();
        let named = held.data.keys().filter(|(_, key)| wanted(key));
        let (ids, keys): (Vec<SeriesId>, Vec<SeriesKey>) = named.map(|(id, key)| (id, key.clone())).unzip();
        drop(held);
        let found = self.gather_within(&ids, TailRange { steps: StepRange::ALL, seqs }, pool)?;
        Ok(keys.into_iter().zip(found).filter(|(_, points)| !points.is_empty()).collect())
    }

    /// The steps of a series within these.
    ///
    /// # Errors
    /// Those of reading the log, where cold frames are partly in the view.
    pub(crate) fn step_reach(&self, id: SeriesId, steps: StepRange) -> Result<StepReach> {
        self.read().data.step_reach(id, TailRange { steps, seqs: self.seqs })
    }

    /// How the points of a series at these steps lie.
    ///
    /// # Errors
    /// As [`step_reach`](Self::step_reach).
    pub(crate) fn shape(&self, id: SeriesId, steps: StepRange) -> Result<TailShape> {
        self.read().data.shape(id, TailRange { steps, seqs: self.seqs })
    }
}

/// A log that may grow, and how far a snapshot sees it. It does not keep the rows.
#[derive(Debug)]
pub(crate) struct WatchedTail {
    end: u64,
    alive: bool,
    tail: Weak<RwLock<LogTail>>,
}

impl WatchedTail {
    /// Whether there is more than the snapshot sees, or the log was read anew since.
    pub(super) fn has_grown(&self, vfs: &dyn Vfs) -> Result<bool> {
        let Some(tail) = self.tail.upgrade() else { return Ok(true) };
        let held = tail.read().unwrap_or_else(PoisonError::into_inner);
        let seen = held.reader.progress();
        Ok(held.next > self.end || held.reader.look(vfs, seen)? != seen)
    }

    /// Whether its writer lived when the snapshot was taken, and is gone.
    pub(super) fn has_died(&self, vfs: &dyn Vfs) -> Result<bool> {
        let Some(tail) = self.tail.upgrade().filter(|_| self.alive) else { return Ok(false) };
        let held = tail.read().unwrap_or_else(PoisonError::into_inner);
        Ok(!tidalite_log::is_alive(vfs, held.reader.dir())?)
    }
}

/// One writer's log as read so far.
#[derive(Debug)]
pub(crate) struct LogTail {
    reader: TailReader,
    /// Where the reader is.
    resume: Option<Resume>,
    /// First ordinal that is in `data`.
    pub(super) from: u64,
    /// First ordinal that is not.
    pub(super) next: u64,
    pub(crate) data: TailData,
    pub(crate) findings: Vec<LogFinding>,
    /// Frames that were read are damaged now.
    is_spoiled: AtomicBool,
}

/// A tail while a snapshot is taken: how far its log has come, which may be further than the tail is read.
pub(super) struct GrowingTail {
    writer: u32,
    life: Life,
    from: u64,
    seen: Progress,
    tail: Arc<RwLock<LogTail>>,
}

impl GrowingTail {
    /// Reads all of a log that there is now.
    pub(super) fn read(
        vfs: &Arc<dyn Vfs>,
        dir: &WriterDir,
        from: u64,
        tail: Arc<RwLock<LogTail>>,
        row_bytes: usize,
    ) -> Result<Self> {
        let held = tail.read().unwrap_or_else(PoisonError::into_inner);
        let (is_finished, seen) = (held.reader.is_finished(), held.reader.progress());
        drop(held);
        if is_finished {
            return Ok(GrowingTail { writer: dir.writer, life: Life::Over, from, seen, tail });
        }
        let life = tidalite_log::life(&**vfs, dir)?;
        let mut held = tail.write().unwrap_or_else(PoisonError::into_inner);
        held.limit(vfs, life.may_append(), row_bytes)?;
        held.poll(&**vfs, life.may_append(), Progress::Further)?;
        let seen = held.reader.progress();
        drop(held);
        Ok(GrowingTail { writer: dir.writer, life, from, seen, tail })
    }

    /// The bytes of its rows in memory.
    pub(super) fn row_bytes(&self) -> usize {
        self.tail.read().unwrap_or_else(PoisonError::into_inner).data.row_bytes()
    }

    /// Whether the log has grown since the last look. Reads its frames only where they tell how far it has come.
    pub(super) fn has_grown(&mut self, vfs: &dyn Vfs) -> Result<bool> {
        if !self.life.may_append() {
            return Ok(false);
        }
        let held = self.tail.read().unwrap_or_else(PoisonError::into_inner);
        let now = held.reader.look(vfs, self.seen)?;
        drop(held);
        if now != Progress::Further {
            return Ok(std::mem::replace(&mut self.seen, now) != now);
        }
        let mut held = self.tail.write().unwrap_or_else(PoisonError::into_inner);
        let before = held.resume;
        held.poll(vfs, true, Progress::Further)?;
        self.seen = held.reader.progress();
        // A damaged segment that cannot be read may look as if there was more.
        Ok(held.resume != before)
    }

    /// Reads up to where the log had come at the last look.
    pub(super) fn view(self, vfs: &dyn Vfs) -> Result<TailView> {
        let mut held = self.tail.write().unwrap_or_else(PoisonError::into_inner);
        if self.seen != held.reader.progress() {
            held.poll(vfs, true, self.seen)?;
        }
        if self.life == Life::Living && held.findings.is_empty() {
            let short = held.resume.and_then(|end| end.short_of(held.reader.dir(), self.from));
            held.findings.extend(short);
        }
        let hi = held.next.max(self.from);
        drop(held);
        Ok(TailView {
            writer: self.writer,
            alive: self.life == Life::Living,
            is_final: self.life == Life::Over,
            seqs: (Seq::new(self.writer, self.from).as_i64(), Seq::new(self.writer, hi).as_i64()),
            tail: self.tail,
        })
    }
}

impl LogTail {
    pub(super) fn new(dir: &WriterDir, from: u64) -> Arc<RwLock<LogTail>> {
        Arc::new(RwLock::new(LogTail {
            reader: TailReader::new(dir.clone(), from),
            resume: None,
            from,
            next: from,
            data: TailData::default(),
            findings: Vec::new(),
            is_spoiled: AtomicBool::new(false),
        }))
    }

    /// Whether this is what the log in that folder holds. A store may be restored in place, with other writers of the same
    /// numbers.
    pub(super) fn is_of(&self, dir: &WriterDir) -> bool {
        self.reader.dir() == dir && !self.is_spoiled.load(Ordering::Relaxed)
    }

    /// Bounds the rows in memory. Where much more than that is to be read, its older rows do not get there at all.
    fn limit(&mut self, vfs: &Arc<dyn Vfs>, may_grow: bool, row_bytes: usize) -> Result<()> {
        let ahead = match self.resume {
            None => usize::try_from(self.reader.bytes_ahead(&**vfs)?).unwrap_or(usize::MAX),
            Some(_) => 0,
        };
        let dir = self.reader.dir().clone();
        let from = Seq::new(dir.writer, self.from).as_i64();
        let skip_bytes = if ahead > row_bytes { ahead - row_bytes / 2 } else { 0 };
        self.data.cool(
            LogFiles { vfs: vfs.clone(), dir, may_grow },
            from,
            TailRoom { row_bytes, skip_bytes },
        );
        Ok(())
    }

    /// Reads what is new up to `until`.
    fn poll(&mut self, vfs: &dyn Vfs, may_grow: bool, until: Progress) -> Result<()> {
        let replayed = self.reader.poll_until(vfs, may_grow, until, &mut self.data)?;
        self.next = self.next.max(replayed.next_ordinal);
        self.data.end_skipping(Seq::new(self.reader.dir().writer, self.next).as_i64());
        self.resume = Some(replayed.resume);
        for finding in replayed.findings {
            // Of damage at the end of what is published, each poll tells more.
            let same = |known: &&mut LogFinding| known.path == finding.path && known.offset == finding.offset;
            match self.findings.iter_mut().find(same).filter(|known| known.kind == finding.kind) {
                Some(known) => *known = finding,
                None => self.findings.push(finding),
            }
        }
        Ok(())
    }
}
