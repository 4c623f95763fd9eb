//! Which frames one round of a flush takes: as many as fit its memory, of all logs in their order.
//!
//! Invariant: a write that follows a deletion never reaches the run table before the deletion. So where a round does not
//! take everything, logs that hold deletions come first.

use super::evidence::is_evidence;
use crate::engine::state::StoreState;
use crate::engine::tail::TailData;
use crate::files::lost::Lost;
use crate::files::manifest::Manifest;
use crate::files::staged::is_staged;
use crate::view::losses::has_other_parts;
use std::collections::{BTreeSet, HashMap};
use tidalite_log::{LayoutId, LogFinding, LogSink, SeriesId, TailReader, WriterDir};
use tidalite_model::{Error, ErrorKind, Result, RunChange, Seq, SeriesKey, WriteOrder};
use uuid::Uuid;

/// The frames that one round flushes.
#[derive(Default)]
pub(super) struct FlushBatch {
    pub(super) tails: Vec<WriterTail>,
    /// The memory bound was reached; frames are left for another round.
    pub(super) full: bool,
}

pub(super) struct WriterTail {
    pub(super) dir: WriterDir,
    pub(super) data: TailData,
    /// Frames below this ordinal are in `data`, or hold nothing to keep.
    pub(super) flushed: u64,
    /// Where the next frame begins in the writer's stream.
    pub(super) position: u64,
    pub(super) damaged: bool,
    /// What these frames have lost, as far as the manifest does not list it.
    pub(super) lost: Vec<Lost>,
}

impl FlushBatch {
    pub(super) fn is_empty(&self) -> bool {
        self.tails.is_empty()
    }

    pub(super) fn points(&self) -> u64 {
        self.tails.iter().map(|t| t.data.point_count()).sum()
    }
}

/// The logs as far as a flush has read them, from round to round, so that each frame is read once.
pub(super) struct LogReaders<'a> {
    state: &'a StoreState,
    bytes_max: usize,
    readers: HashMap<Uuid, TailReader>,
    /// How far each log was searched for deletions; none while one round may take everything.
    deletions: Option<HashMap<Uuid, DeletionSearch>>,
}

impl<'a> LogReaders<'a> {
    pub(super) fn new(state: &'a StoreState, bytes_max: usize) -> Self {
        LogReaders { state, bytes_max, readers: HashMap::new(), deletions: None }
    }

    /// The frames of the next round. The manifest must be the one that the last round published.
    pub(super) fn take(&mut self, manifest: &Manifest) -> Result<FlushBatch> {
        let mut dirs = tidalite_log::writers(&*self.state.vfs, &self.state.paths.log())?;
        if self.deletions.is_none() {
            let batch = self.take_of(manifest, &dirs)?;
            if !batch.full {
                return Ok(batch);
            }
            // Everything in this batch precedes a deletion that is written from now on.
            self.deletions = Some(HashMap::new());
            if !self.deletions_first(manifest, &mut dirs)? {
                return Ok(batch);
            }
            // This round begins anew.
            self.readers.clear();
        } else {
            self.deletions_first(manifest, &mut dirs)?;
        }
        self.take_of(manifest, &dirs)
    }

    /// Sorts the logs that hold deletions to the front, and says whether there are any.
    fn deletions_first(&mut self, manifest: &Manifest, dirs: &mut [WriterDir]) -> Result<bool> {
        let searched = self.deletions.get_or_insert_default();
        let mut holding = HashMap::new();
        for dir in &*dirs {
            let from = manifest.flushed(dir.writer);
            let search = searched.entry(dir.uuid()).or_insert_with(|| DeletionSearch::new(dir, from));
            holding.insert(dir.writer, search.finds_from(self.state, from)?);
        }
        dirs.sort_by_key(|dir| (!holding[&dir.writer], dir.writer));
        Ok(holding.values().any(|holds| *holds))
    }

    /// As much of these logs as fits, in their order.
    fn take_of(&mut self, manifest: &Manifest, dirs: &[WriterDir]) -> Result<FlushBatch> {
        let mut batch = FlushBatch::default();
        let mut bytes = 0;
        for dir in dirs {
            if bytes >= self.bytes_max {
                batch.full = true;
                break;
            }
            let Some((tail, full)) = self.take_from(manifest, dir, self.bytes_max - bytes)? else { continue };
            batch.full |= full;
            bytes += tail.data.bytes();
            batch.tails.push(tail);
        }
        Ok(batch)
    }

    /// The next frames of one log, and whether more are left; `None` where there is nothing to flush.
    fn take_from(
        &mut self,
        manifest: &Manifest,
        dir: &WriterDir,
        bytes_max: usize,
    ) -> Result<Option<(WriterTail, bool)>> {
        let (vfs, from) = (&*self.state.vfs, manifest.flushed(dir.writer));
        let alive = tidalite_log::life(vfs, dir)?.may_append();
        let reader = self.readers.entry(dir.uuid()).or_insert_with(|| TailReader::new(dir.clone(), from));
        let mut sink = Bounded { data: TailData::default(), bytes_max, next: from, full: false };
        reader.declarations(&mut sink.data)?;
        sink.bytes_max += sink.data.bytes();
        let replayed = match reader.poll(vfs, alive, &mut sink) {
            Ok(r) => Some(r),
            Err(_) if sink.full => None,
            Err(e) if is_gone(self.state, dir, alive, &e)? => return Ok(None),
            Err(e) => return Err(e),
        };
        let flushed = replayed.as_ref().map_or(sink.next, |r| r.next_ordinal);
        // A full round notes the damage that it skipped, since no later round reads that place.
        let ended = replayed.as_ref().map(|r| r.resume);
        let mut findings = replayed.map_or_else(|| reader.take_findings(), |r| r.findings);
        if ended.is_some_and(|end| end.segment == 0) && !manifest.lists(dir.writer) {
            findings.extend(tidalite_log::segments_gone(vfs, dir, is_staged)?);
        }
        let damaged = findings.iter().any(is_evidence);
        let lost = lost_by(self.state, manifest, dir, &findings, &sink.data);
        let noted = manifest.writers.iter().any(|w| w.writer == dir.writer && w.damaged);
        let new_damage = !lost.is_empty() || (damaged && !noted);
        // Of a living writer, frames that only mark how far its log is durable are not worth a version.
        let holds =
            |data: &TailData| data.point_count() > 0 || !data.changes.is_empty() || !data.staged.is_empty();
        if !new_damage && (flushed == from || (alive && !holds(&sink.data))) {
            return Ok(None);
        }
        let position = reader.position().unwrap_or(0);
        let tail = WriterTail { dir: dir.clone(), data: sink.data, flushed, position, damaged, lost };
        Ok(Some((tail, sink.full)))
    }
}

/// What findings in a log say is lost, without what the manifest lists.
fn lost_by(
    state: &StoreState,
    manifest: &Manifest,
    dir: &WriterDir,
    findings: &[LogFinding],
    data: &TailData,
) -> Vec<Lost> {
    if findings.iter().all(|finding| finding.lost.is_none()) {
        return Vec::new();
    }
    let staged: BTreeSet<Uuid> = data.staged.iter().map(|(_, id, _)| *id).collect();
    let known = |id: &Uuid| staged.contains(id) || manifest.parts.iter().any(|meta| meta.id == *id);
    let (vfs, root) = (&*state.vfs, state.paths.root());
    let of_part = || has_other_parts(vfs, dir, known);
    let lost = findings.iter().filter_map(|finding| Lost::of_log(root, dir, finding, of_part));
    lost.filter(|lost| !manifest.lost.iter().any(|known| lost.is_within(known))).collect()
}

/// Whether the error means that the log is gone. The folder of a dead writer whose log is flushed may be partly
/// removed, and a writer that wrote nothing removes its own folder.
fn is_gone(state: &StoreState, dir: &WriterDir, alive: bool, error: &Error) -> Result<bool> {
    Ok(error.kind() == ErrorKind::NotFound && (!alive || state.vfs.stat(&dir.path)?.is_none()))
}

/// How far a log was searched for deletions of runs, and the last one found.
struct DeletionSearch {
    reader: TailReader,
    found: LastDeletion,
}

impl DeletionSearch {
    fn new(dir: &WriterDir, from: u64) -> Self {
        DeletionSearch { reader: TailReader::new(dir.clone(), from), found: LastDeletion(None) }
    }

    /// Whether a frame from this ordinal on deletes a run. Only new frames are read.
    fn finds_from(&mut self, state: &StoreState, from: u64) -> Result<bool> {
        let dir = self.reader.dir().clone();
        let alive = tidalite_log::life(&*state.vfs, &dir)?.may_append();
        match self.reader.poll(&*state.vfs, alive, &mut self.found) {
            Err(e) if is_gone(state, &dir, alive, &e)? => Ok(false),
            Err(e) => Err(e),
            Ok(_) => Ok(self.found.0.is_some_and(|ordinal| ordinal >= from)),
        }
    }
}

/// Records the last deletion in a log, and ignores everything else.
struct LastDeletion(Option<u64>);

impl LogSink for LastDeletion {
    fn change(&mut self, order: WriteOrder, _: &str, change: RunChange) -> Result<()> {
        if matches!(change, RunChange::Delete { .. }) {
            self.0 = Some(order.seq.ordinal());
        }
        Ok(())
    }
}

/// A tail that accepts frames up to a memory bound.
struct Bounded {
    data: TailData,
    bytes_max: usize,
    next: u64,
    full: bool,
}

impl Bounded {
    fn admit(&mut self, seq: Seq) -> Result<()> {
        if self.data.bytes() >= self.bytes_max {
            self.full = true;
            return Err(Error::new(ErrorKind::Full, "flush", "the memory bound of one round is reached", ""));
        }
        self.next = seq.ordinal() + 1;
        Ok(())
    }
}

impl LogSink for Bounded {
    fn series(&mut self, id: SeriesId, key: &SeriesKey) -> Result<()> {
        self.data.series(id, key)
    }
    fn layout(&mut self, id: LayoutId, series: &[SeriesId]) -> Result<()> {
        self.data.layout(id, series)
    }
    fn row(&mut self, row: tidalite_log::Row<'_>) -> Result<()> {
        self.admit(row.seq)?;
        self.data.row(row)
    }
    fn points(&mut self, p: tidalite_log::BatchRef<'_>) -> Result<()> {
        self.admit(p.seq())?;
        self.data.points(p)
    }
    fn change(&mut self, order: WriteOrder, run: &str, change: RunChange) -> Result<()> {
        self.admit(order.seq)?;
        self.data.change(order, run, change)
    }
    fn part(&mut self, order: WriteOrder, part: Uuid, meta: &[u8]) -> Result<()> {
        self.admit(order.seq)?;
        self.data.part(order, part, meta)
    }
}
