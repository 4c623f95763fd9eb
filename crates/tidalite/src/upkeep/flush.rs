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
use super::flush_batch::{FlushBatch, LogReaders};
use super::publish::{publish_version, sync_part_folders};
use super::reserve;
use super::tail_source::{EVERY_FRAME, TailSource};
use super::writers;
use crate::engine::cancel::go_on;
use crate::engine::room::JobRoom;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::engine::store_lock;
use crate::files::lost;
use crate::files::manifest::{self, Manifest, Version, WriterState};
use crate::files::paths::staged_part;
use crate::files::run_table;
use crate::files::staged::parse_meta;
use crate::files::writer_table::WriterTable;
use crate::parts::tiles::{PointSource, write_part};
use crate::view::last_steps;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use tidalite_log::WriterDir;
use tidalite_model::{Error, ErrorKind, Result, WriteOrder};
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
        self.flush_with(&|_| ControlFlow::Continue(()))
    }

    /// As [`flush`](Self::flush). `progress` gets the number of points of each tile written, and 0 while another process
    /// holds the store's lock. If it returns `Break`, the flush ends; parts that were published before stay.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10 { run.log(step, &[("loss", 1.0)])?; }
    /// let written = AtomicU64::new(0);
    /// store.flush_with(&|points| {
    ///     written.fetch_add(points, Relaxed);
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!(written.into_inner(), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`flush`](Self::flush); `Cancelled` if `progress` ended it.
    pub fn flush_with(&self, progress: &dyn Fn(u64) -> ControlFlow<()>) -> Result<FlushStats> {
        self.upkeep(|state| {
            let progress = |points| state.unless_closed(progress(points));
            state.seal()?;
            let _lock = store_lock::lock_waiting(state, "flush", &|| progress(0))?;
            let flushed = flush_by_hand(state, &progress);
            // Rounds that were published before an error stay.
            let collected = collect::collect(state, collect::Grace::All);
            let stats = flushed?;
            collected?;
            reserve::make(state);
            Ok(stats)
        })
    }
}

/// The room and the progress of a flush.
#[derive(Clone, Copy)]
pub(crate) struct FlushMeans<'a> {
    pub(crate) room: JobRoom<'a>,
    pub(crate) progress: &'a dyn Fn(u64) -> ControlFlow<()>,
}

/// The rows of a round, as they were logged, take at most the room divided by this. Half of the room is for tiles.
const BATCH_SHARE: u64 = 3;

impl FlushMeans<'_> {
    fn batch_bytes(&self) -> usize {
        usize::try_from(self.room.memory_bytes / BATCH_SHARE).unwrap_or(usize::MAX)
    }
}

/// Flushes every committed frame of every writer, with what a job by hand may take. The caller must hold the store's lock.
pub(crate) fn flush_by_hand(
    state: &StoreState,
    progress: &dyn Fn(u64) -> ControlFlow<()>,
) -> Result<FlushStats> {
    flush_while(state, FlushMeans { room: JobRoom::by_hand(state)?, progress }, &|| true)
}

/// Flushes in rounds that fit the memory, and begins another one only while `goes_on` says so. The caller must hold the
/// store's lock.
pub(crate) fn flush_while(
    state: &StoreState,
    means: FlushMeans<'_>,
    goes_on: &dyn Fn() -> bool,
) -> Result<FlushStats> {
    let mut stats = FlushStats::default();
    let mut logs = LogReaders::new(state, means.batch_bytes());
    loop {
        let version = manifest::latest(&*state.vfs, &state.paths)?;
        let batch = logs.take(&version.manifest)?;
        if batch.is_empty() {
            return Ok(stats);
        }
        let more = batch.full;
        let done = publish(state, &version, batch, means)?;
        stats.points += done.points;
        stats.parts += done.parts;
        if !more || !goes_on() {
            return Ok(stats);
        }
    }
}

fn publish(
    state: &StoreState,
    version: &Version,
    batch: FlushBatch,
    means: FlushMeans<'_>,
) -> Result<FlushStats> {
    let vfs = &state.vfs;
    let mut next = version.manifest.clone();
    let tails = batch.tails.iter().map(|t| (&t.data, EVERY_FRAME));
    let source = TailSource::of(tails);
    let place = state.paths.part(vfs.uuid());
    let mut parts = Vec::new();
    if let Some(meta) = write_part(state, &place, &source, &means.room, means.progress)? {
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
            go_on((means.progress)(meta.rows))?;
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
    let (vfs, paths) = (&*state.vfs, &state.paths);
    let changes = batch.tails.iter().flat_map(|t| &t.data.changes);
    let mut changed: BTreeSet<String> = changes.clone().map(|(_, run, _)| run.clone()).collect();
    let mut named: BTreeSet<String> = BTreeSet::new();
    for (key, _) in source.series() {
        if !named.contains(&*key.run) {
            named.insert(key.run.to_string());
        }
    }
    for meta in parts {
        named.extend(runs_in(state, meta));
    }
    // If a writer is gone, the runs that it took part in are unknown here.
    let all = writers::any_noted_is_gone(state, next)?;
    let mut runs = match all {
        true => run_table::load(vfs, paths, next)?.0,
        false => run_table::records(vfs, paths, next, changed.iter().chain(&named).map(String::as_str))?,
    };
    changed.extend(named.into_iter().filter(|run| !runs.contains_key(run)));
    for run in &changed {
        runs.entry(run.clone()).or_default();
    }
    run_table::apply(&mut runs, changes);
    for tail in &batch.tails {
        next.set_flushed(WriterState {
            writer: tail.dir.writer,
            id: tail.dir.uuid(),
            flushed: tail.flushed,
            position: tail.position,
            damaged: tail.damaged,
            steps: Vec::new(),
        });
        tail.lost.iter().for_each(|lost| lost::add(&mut next.lost, lost.clone()));
        next.clock_us = next.clock_us.max(tail.data.clock_us);
        last_steps::note(next, &runs, tail.dir.writer, &tail.data)?;
    }
    if !all {
        runs.retain(|run, _| changed.contains(run));
    }
    changed.extend(last_steps::settle(next, &mut runs, all));
    runs.retain(|run, _| changed.contains(run));
    if !runs.is_empty() {
        run_table::add(vfs, paths, next, runs)?;
    }
    Ok(())
}

/// The runs of a part. Some may occur only there. A part that cannot be read gives none; every operation that needs it
/// reports it.
fn runs_in(state: &StoreState, meta: &PartMeta) -> Vec<String> {
    let part = tidalite_parts::Part::open(state.vfs.clone(), &state.paths.part(meta.id), meta);
    part.map_or(Vec::new(), |part| part.series().runs().iter().map(ToString::to_string).collect())
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
