//! Flush: turns frames of the log into parts.
//!
//! ```text
//! lock → newest version → for each writer: committed frames not yet flushed → tail in memory, up to a bound
//!      → part, durable → staged parts linked in → run table, durable → next version → again while anything is left
//! ```
//!
//! A flush killed at any moment leaves the old version live, and files that no version names; the next collection
//! removes them. Nothing is removed from a log before the version that replaces it is durable.

use super::collect;
use super::evidence::is_evidence;
use super::publish::{publish_version, sync_part_folders};
use super::tail_source::{EVERY_FRAME, TailSource};
use super::writers;
use crate::engine::room::JobRoom;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::engine::store_lock;
use crate::engine::tail::TailData;
use crate::files::manifest::{self, Manifest, Version};
use crate::files::paths::staged_part;
use crate::files::run_table;
use crate::files::staged::parse_meta;
use crate::files::writer_table::WriterTable;
use crate::parts::tiles::{PointSource, write_part};
use crate::view::last_steps;
use tidalite_log::{LogSink, SeriesId, WriterDir};
use tidalite_model::{Error, ErrorKind, Result, RunChange, Seq, SeriesKey, WriteOrder};
use tidalite_parts::PartMeta;
use uuid::Uuid;

/// The result of a flush.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlushStats {
    /// Points moved from logs to parts, including those of staged parts.
    pub points: u64,
    /// Parts added to the manifest: newly written or staged before.
    pub parts: u64,
}

impl Store {
    /// Moves every accepted row from the logs to parts, durably. Other processes may continue to log.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10 { run.log(step, &[("loss", 1.0)])?; }
    /// let stats = store.flush()?;
    /// assert_eq!((stats.points, stats.parts), (10, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Busy` if another process flushes or compacts for more than a minute; `Full`, `Io`.
    pub fn flush(&self) -> Result<FlushStats> {
        self.flush_with(&|_| {})
    }

    /// As [`flush`](Self::flush). `progress` gets the number of points of each tile written.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10 { run.log(step, &[("loss", 1.0)])?; }
    /// let written = AtomicU64::new(0);
    /// store.flush_with(&|points| { written.fetch_add(points, Relaxed); })?;
    /// assert_eq!(written.into_inner(), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn flush_with(&self, progress: &dyn Fn(u64)) -> Result<FlushStats> {
        self.upkeep(|state| {
            state.seal()?;
            let _lock = store_lock::lock_waiting(state)?;
            let stats = flush_all(state, &JobRoom::by_hand(state)?, progress)?;
            collect::collect(state, 0)?;
            Ok(stats)
        })
    }
}

/// Flushes every committed frame of every writer. The caller must hold the store's lock.
pub(crate) fn flush_all(
    state: &StoreState,
    room: &JobRoom<'_>,
    progress: &dyn Fn(u64),
) -> Result<FlushStats> {
    let mut stats = FlushStats::default();
    loop {
        let version = manifest::latest(&*state.vfs, &state.paths)?;
        let batch = FlushBatch::take(state, &version.manifest)?;
        if batch.is_empty() {
            return Ok(stats);
        }
        let more = batch.full;
        let done = publish(state, &version, batch, room, progress)?;
        stats.points += done.points;
        stats.parts += done.parts;
        if !more {
            return Ok(stats);
        }
    }
}

/// The frames that one round flushes.
#[derive(Default)]
struct FlushBatch {
    tails: Vec<WriterTail>,
    /// The memory bound was reached; frames are left for another round.
    full: bool,
}

struct WriterTail {
    dir: WriterDir,
    data: TailData,
    /// Frames below this ordinal are in `data`, or hold nothing to keep.
    flushed: u64,
    damaged: bool,
}

impl FlushBatch {
    fn take(state: &StoreState, manifest: &Manifest) -> Result<FlushBatch> {
        // Memory holds the rows as logged (8 bytes per value) and, tile by tile, again as points.
        let bytes_max = usize::try_from(state.options.memory_bytes / 4).unwrap_or(usize::MAX);
        let dirs = tidalite_log::writers(&*state.vfs, &state.paths.log())?;
        let batch = FlushBatch::take_of(state, manifest, &dirs, bytes_max)?;
        if !batch.full {
            return Ok(batch);
        }
        // A write that follows a deletion must not reach the run table before the deletion. So with more than one
        // round, logs that hold deletions come first. Everything in this batch precedes a deletion that is written from
        // now on.
        let mut first = Vec::new();
        for dir in dirs {
            let deletes = holds_deletion(state, manifest, &dir)?;
            first.push((!deletes, dir));
        }
        if first.iter().all(|(late, _)| *late) {
            return Ok(batch);
        }
        first.sort_by_key(|(late, dir)| (*late, dir.writer));
        let dirs: Vec<WriterDir> = first.into_iter().map(|(_, dir)| dir).collect();
        FlushBatch::take_of(state, manifest, &dirs, bytes_max)
    }

    /// As much of these logs as fits, in their order.
    fn take_of(
        state: &StoreState,
        manifest: &Manifest,
        dirs: &[WriterDir],
        bytes_max: usize,
    ) -> Result<FlushBatch> {
        let mut batch = FlushBatch::default();
        let mut bytes = 0;
        for dir in dirs {
            if bytes >= bytes_max {
                batch.full = true;
                break;
            }
            let from = manifest.flushed(dir.writer);
            let alive = tidalite_log::life(&*state.vfs, dir)?.may_append();
            let mut sink =
                Bounded { data: TailData::default(), bytes_max: bytes_max - bytes, next: from, full: false };
            let replayed = match tidalite_log::replay(&*state.vfs, dir, from, alive, &mut sink) {
                Ok(r) => Some(r),
                Err(_) if sink.full => None,
                Err(e) if is_gone(state, dir, alive, &e)? => continue,
                Err(e) => return Err(e),
            };
            batch.full |= sink.full;
            bytes += sink.data.bytes();
            let flushed = replayed.as_ref().map_or(sink.next, |r| r.next_ordinal);
            let damaged = replayed.is_some_and(|r| r.findings.iter().any(is_evidence));
            if flushed > from || damaged {
                batch.tails.push(WriterTail { dir: dir.clone(), data: sink.data, flushed, damaged });
            }
        }
        Ok(batch)
    }

    fn is_empty(&self) -> bool {
        self.tails.is_empty()
    }

    fn points(&self) -> u64 {
        self.tails.iter().map(|t| t.data.point_count()).sum()
    }
}

/// Whether the unflushed frames of a log delete a run.
fn holds_deletion(state: &StoreState, manifest: &Manifest, dir: &WriterDir) -> Result<bool> {
    let alive = tidalite_log::life(&*state.vfs, dir)?.may_append();
    let mut sink = Deletions(false);
    match tidalite_log::replay(&*state.vfs, dir, manifest.flushed(dir.writer), alive, &mut sink) {
        Err(e) if is_gone(state, dir, alive, &e)? => Ok(false),
        Err(e) => Err(e),
        Ok(_) => Ok(sink.0),
    }
}

/// Whether the error means that the log is gone. The folder of a dead writer whose log is flushed may be partly
/// removed, and a writer that wrote nothing removes its own folder.
fn is_gone(state: &StoreState, dir: &WriterDir, alive: bool, error: &Error) -> Result<bool> {
    Ok(error.kind() == ErrorKind::NotFound && (!alive || state.vfs.stat(&dir.path)?.is_none()))
}

/// Records whether a log holds a deletion, and ignores everything else.
struct Deletions(bool);

impl LogSink for Deletions {
    fn change(&mut self, _: WriteOrder, _: &str, change: RunChange) -> Result<()> {
        self.0 |= matches!(change, RunChange::Delete { .. });
        Ok(())
    }
}

fn publish(
    state: &StoreState,
    version: &Version,
    batch: FlushBatch,
    room: &JobRoom<'_>,
    progress: &dyn Fn(u64),
) -> Result<FlushStats> {
    let vfs = &state.vfs;
    let mut next = version.manifest.clone();
    let source = TailSource::of(batch.tails.iter().map(|t| (&t.data, EVERY_FRAME)));
    let place = state.paths.part(vfs.uuid());
    let mut parts = Vec::new();
    if let Some(meta) = write_part(state, &place, &source, room, progress)? {
        if meta.rows != batch.points() {
            return Err(Error::new(
                ErrorKind::Corrupt,
                "flush",
                format!("{} points were read and {} written", batch.points(), meta.rows),
                "nothing was changed; this is a bug in tidalite, please report it",
            ));
        }
        parts.push(meta);
    }
    for tail in &batch.tails {
        for (order, id, about) in &tail.data.staged {
            let meta = adopt(state, &tail.dir, *order, *id, about)?;
            progress(meta.rows);
            parts.push(meta);
        }
    }
    if !parts.is_empty() {
        sync_part_folders(state)?;
    }
    note_frames(state, &mut next, &batch, &source, &parts)?;
    writers::note(state, &mut next, &WriterTable::new())?;
    let done = FlushStats { points: parts.iter().map(|p| p.rows).sum(), parts: parts.len() as u64 };
    next.parts.extend(parts);
    publish_version(state, next)?;
    for tail in &batch.tails {
        for (_, id, _) in &tail.data.staged {
            let staged = staged_part(&tail.dir.path, *id);
            vfs.remove(&staged.points)?;
            vfs.remove(&staged.series)?;
            if vfs.stat(&staged.rollups)?.is_some() {
                vfs.remove(&staged.rollups)?;
            }
        }
    }
    Ok(done)
}

/// Notes in a manifest how far the logs of a batch are flushed, what their frames say of runs, and how far participants came.
fn note_frames(
    state: &StoreState,
    next: &mut Manifest,
    batch: &FlushBatch,
    source: &TailSource<'_>,
    parts: &[PartMeta],
) -> Result<()> {
    let (mut runs, _) = run_table::load(&*state.vfs, &state.paths, next.runs.as_ref())?;
    let mut known = runs.len() as u64;
    let changes = batch.tails.iter().flat_map(|t| &t.data.changes);
    let changed = changes.clone().next().is_some();
    run_table::apply(&mut runs, changes);
    for (key, _) in source.series() {
        if !runs.contains_key(&*key.run) {
            runs.insert(key.run.to_string(), Default::default());
        }
    }
    for meta in parts {
        note_runs(state, meta, &mut runs);
    }
    known = runs.len() as u64 - known;
    for tail in &batch.tails {
        next.set_flushed(tail.dir.writer, tail.dir.uuid(), tail.flushed, tail.damaged);
        next.clock_us = next.clock_us.max(tail.data.clock_us);
        last_steps::note(next, &runs, tail.dir.writer, &tail.data);
    }
    if changed || known > 0 || writers::any_noted_is_gone(state, next)? {
        last_steps::settle(next, &mut runs);
        next.runs = Some(run_table::store(&*state.vfs, &state.paths, &runs)?);
    }
    Ok(())
}

/// Adds runs that occur only in bulk data to the run table, by their id alone. A part that cannot be read adds none;
/// every operation that needs it reports it.
fn note_runs(state: &StoreState, meta: &PartMeta, runs: &mut run_table::RunTable) {
    let Ok(part) = tidalite_parts::Part::open(state.vfs.clone(), &state.paths.part(meta.id), meta) else {
        return;
    };
    for run in part.series().runs() {
        if !runs.contains_key(&**run) {
            runs.insert(run.to_string(), Default::default());
        }
    }
}

/// Links the files of a staged part into the part folders. The part was durable before the log referred to it. If it is
/// missing nevertheless, it is still listed, so that its loss is reported and does not block the flush.
fn adopt(state: &StoreState, dir: &WriterDir, order: WriteOrder, id: Uuid, about: &[u8]) -> Result<PartMeta> {
    let meta = parse_meta(&dir.path, order, about)?;
    let (from, to) = (staged_part(&dir.path, id), state.paths.part(id));
    for (from, to) in from.files().into_iter().zip(to.files()) {
        // The link exists if an earlier flush was killed before it published. A part may have no rollups.
        match state.vfs.link(from, to) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(meta)
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
    fn layout(&mut self, id: tidalite_log::LayoutId, series: &[SeriesId]) -> Result<()> {
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
