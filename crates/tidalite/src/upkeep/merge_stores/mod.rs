//! Merging stores: brings into this store what another one holds and this one does not.
//!
//! ```text
//! snapshot of the other store → lock → flush → number its writers → which run is which → join the records
//!      → new points → parts, durable → run table, writer table → next version
//! ```
//!
//! What a store holds is, of each writer, the frames below some ordinal; a writer's uuid is the same in each copy of a
//! store. So the frames from this store's end on are what is new. Each comes once, and a second merge finds none.
//!
//! Invariants: the other store is only read. One version makes all changes, so a merge that is killed has changed nothing
//! but the numbers that it reserved. The caller holds the store's lock from the flush to that version.
//!
//! May use: its neighbours in `upkeep`, and what `upkeep` may use.
//!
//! See [decision 0028](https://github.com/tidalite/tidalite/blob/main/docs/decisions/0028-merging-stores.md).

mod numbers;
pub(crate) mod options;
mod outlines;
mod records;
mod source;
mod targets;

use crate::engine::cancel::go_on;
use crate::engine::log_tail::TailView;
use crate::engine::on_damage::DamageReport;
use crate::engine::options::Options;
use crate::engine::room::JobRoom;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::engine::store_lock;
use crate::engine::tail::TailData;
use crate::files::finding::Finding;
use crate::files::lost::{self, Lost};
use crate::files::manifest::{self, Manifest};
use crate::files::run_table::{self, RunTable};
use crate::parts::tiles::write_part;
use crate::upkeep::collect::{Grace, collect};
use crate::upkeep::flush::flush_by_hand;
use crate::upkeep::publish::{publish_version, sync_part_folders};
use crate::upkeep::writers;
use crate::view::losses::part_finding;
use crate::view::snapshot::Snapshot;
use numbers::{Numbers, check_room, count_new};
use options::{Merge, MergeStats};
use records::{Evidence, join_records};
use source::{NewPoints, NewTail};
use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use targets::{Targets, targets};
use tidalite_model::{Error, ErrorKind, Moment, Result, Seq};
use tidalite_parts::{Part, PartMeta};

impl Store {
    /// Brings everything into this store that the store in the folder `from` holds and this one does not: runs with all
    /// that is known of them, and points. Two copies of one store that were both written to become one, and so do stores
    /// that have nothing in common.
    ///
    /// What both have is not doubled. Of two writes, the later one wins, whichever store it was made in. If one store alone
    /// deletes the later write afterwards, a merge does not bring the earlier one back. A second merge changes nothing, unless
    /// the other store was written to meanwhile. Different runs of the same id are refused; see
    /// [`merge_with`](Self::merge_with).
    ///
    /// Flushes first. Others may go on writing to both stores: a snapshot of `from` is merged, and `from` is never changed.
    /// A run that is running in `from` is lost here, until a merge brings its end.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// let store = tidalite::Store::open(dir.path().join("here"))?;
    /// store.run("a").start()?.log(0, &[("loss", 1.0)])?;
    /// store.backup(dir.path().join("there"))?;
    /// let copy = tidalite::Store::open(dir.path().join("there"))?;
    /// copy.run("b").start()?.log(0, &[("loss", 0.5)])?;
    /// store.edit("a").tag("best").apply()?;
    /// let stats = store.merge(dir.path().join("there"))?;
    /// assert_eq!((stats.runs_new, stats.points), (1, 1));
    /// assert_eq!(store.select().points()?.collect()?.num_rows(), 2);
    /// assert_eq!(store.merge(dir.path().join("there"))?.points, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`merge_with`](Self::merge_with).
    pub fn merge(&self, from: impl AsRef<Path>) -> Result<MergeStats> {
        self.merge_with(from, &Merge::new(), &|_, _| ControlFlow::Continue(()))
    }

    /// As [`merge`](Self::merge), with options; calls `progress` with the points done and the total.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use tidalite::{Merge, OnConflict};
    /// # let dir = tempfile::tempdir()?;
    /// # let (here, there) = (dir.path().join("here"), dir.path().join("there"));
    /// for folder in [&here, &there] { tidalite::Store::open(folder)?.run("a").start()?.log(0, &[("loss", 1.0)])?; }
    /// let store = tidalite::Store::open(&here)?;
    /// assert!(store.merge(&there).is_err());
    /// let rename = Merge::new().on_conflict(OnConflict::Suffix("-laptop".into()));
    /// store.merge_with(&there, &rename, &|_, _| ControlFlow::Continue(()))?;
    /// let ids: Vec<String> = store.runs()?.into_iter().map(|run| run.id).collect();
    /// assert_eq!(ids, ["a", "a-laptop"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` if `from` is this store or no store, if both stores have different runs of one id and the options refuse
    /// them, or if a series was thinned there of which this store has only some points; `NotFound` if there is no such
    /// folder; `Unsupported` if it has a newer format; `Corrupt` if it is damaged; otherwise as [`flush`](Self::flush).
    /// This store is then as it was.
    pub fn merge_with(
        &self,
        from: impl AsRef<Path>,
        options: &Merge,
        progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Result<MergeStats> {
        options.check()?;
        self.upkeep(|state| {
            let other = open_other(state, from.as_ref())?;
            // Taken first: what a writer of this store wrote to a copied log is then among what the flush finds.
            let there = other.snapshot()?.with_all_hidden()?;
            let damage = damage(&there, options)?;
            let mut stats = MergeStats::default();
            let progress = |done, total| state.unless_closed(progress(done, total));
            state.seal()?;
            let _lock = store_lock::lock_waiting(state, "merge stores", &|| progress(0, 0))?;
            flush_by_hand(state, &|_| progress(0, 0))?;
            // Folders of writers that are gone are removed, so that their logs are not read from an ordinal beyond them.
            collect(state, Grace::All)?;
            let merged = merge_snapshot(state, &there, (options, &damage), &mut stats, &progress);
            stats.damage = damage.found();
            collect(state, Grace::All)?;
            merged.map(|_| stats)
        })
    }
}

/// Opens the other store for reading.
///
/// # Errors
/// `Invalid` if it is this store; those of opening a store.
fn open_other(state: &StoreState, from: &Path) -> Result<Store> {
    let options = Options::new().read_only(true).memory_bytes(state.options.memory_bytes);
    let other = options.threads(state.options.threads).vfs(state.options.vfs.clone()).open(from)?;
    if state.is_same_store(other.state()?)? {
        let wrong = "both paths are the same store";
        return Err(Error::invalid("merge stores", wrong, "give the folder of another store, or of a copy")
            .at(other.path()));
    }
    Ok(other)
}

/// What is damaged in the other store: an error, or the report of what is left out.
fn damage(there: &Snapshot, options: &Merge) -> Result<DamageReport> {
    let report = DamageReport::new(options.on_damage);
    there.view.meet_all_damage(there.state.paths.root(), "merge stores", &report)?;
    Ok(report)
}

/// Whether a part of the other store has frames that this store does not have.
fn has_new(meta: &PartMeta, numbers: &Numbers) -> bool {
    meta.seq.iter().any(|&(w, _, hi)| numbers.has_new(w, hi))
        || meta.seq_gone.iter().any(|&(first, last, hi)| numbers.has_new_among(first, last, hi))
}

/// The lost places of the other store that this one lists after the merge. Frames that this store has are not lost.
fn losses(there: &Snapshot, numbers: &Numbers, targets: &Targets, damage: &DamageReport) -> Vec<Lost> {
    let root = there.state.paths.root();
    let is_here = |lost: &Lost| {
        lost.frames.is_some_and(|(writer, _, end)| end.is_some_and(|end| end <= numbers.first_new(writer)))
    };
    let listed = there.view.losses.iter().filter(|lost| !is_here(lost)).cloned();
    let mut known: Vec<Finding> = there.view.losses.iter().map(|lost| lost.finding(root)).collect();
    known.extend(there.view.broken.iter().map(|(meta, e)| part_finding(meta, e)));
    let parts = there.view.broken.iter().filter(|(meta, _)| has_new(meta, numbers));
    let parts = parts.map(|(meta, _)| Lost::part(root, &there.state.paths.place(meta).points, meta));
    let found = damage.found();
    let others = found.iter().filter(|f| !known.contains(f)).map(|f| Lost::of_finding(root, f));
    let renamed = |run: &str| targets.get(run).cloned().unwrap_or_else(|| run.to_string());
    let number = |writer: u32| Some(numbers.seq(Seq::new(writer, 0)).writer());
    listed.chain(parts).chain(others).map(|lost| lost.of_other(root).renamed(renamed, number)).collect()
}

/// Merges what a snapshot of the other store sees. The caller must hold the store's lock, and have flushed.
fn merge_snapshot(
    state: &StoreState,
    there: &Snapshot,
    (options, damage): (&Merge, &DamageReport),
    stats: &mut MergeStats,
    progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
) -> Result<()> {
    let numbers = number_writers(state, there)?;
    let mut next = manifest::latest(&*state.vfs, &state.paths)?.manifest;
    let (mut runs, _) = run_table::load(&*state.vfs, &state.paths, &next)?;
    let evidence = Evidence { state, manifest: &next, there, numbers: &numbers };
    let targets = targets(&there.view.runs, &runs, &numbers, &evidence, &options.on_conflict)?;
    let known: RunTable = runs.clone();
    join_records(there, &numbers, &targets, &mut runs);
    stats.runs_new = runs.keys().filter(|id| !known.contains_key(*id)).count() as u64;
    let changed = known.iter().filter(|(id, record)| !run_table::is_same(record, &runs[*id])).count() as u64;
    stats.runs_changed = changed;
    stats.renamed = targets.iter().filter(|(a, b)| a != b).map(|(a, b)| (a.clone(), b.clone())).collect();
    let made = write_points(state, there, (&numbers, &targets, damage), progress)?;
    stats.points = made.iter().map(|part| part.thinned.unwrap_or(part.rows)).sum();
    let learned = numbers.learned();
    let is_changed = stats.runs_new + stats.runs_changed > 0;
    let before = next.lost.clone();
    losses(there, &numbers, &targets, damage).into_iter().for_each(|lost| lost::add(&mut next.lost, lost));
    if made.is_empty() && !is_changed && learned.is_empty() && next.lost == before {
        return Ok(());
    }
    if !made.is_empty() {
        sync_part_folders(state)?;
    }
    if is_changed {
        // A change that came from the other store may be older than a hidden part which does not know of it.
        for part in next.parts.iter_mut().filter(|part| part.is_hidden()) {
            *part = part.clone().hidden_at(&Moment::default());
        }
        run_table::store(&*state.vfs, &state.paths, &mut next, run_table::borrowed(&runs))?;
    }
    next.parts.extend(made);
    next.clock_us = next.clock_us.max(there.view.clock_us());
    state.observe(next.clock_us);
    writers::note(state, &mut next, &learned)?;
    publish_version(state, next)
}

/// Gives the other store's writers numbers in this one.
///
/// # Errors
/// `Corrupt` if the other store holds writes of a writer that it does not list; those of reading and publishing.
fn number_writers(state: &StoreState, there: &Snapshot) -> Result<Numbers> {
    let known_there = writers::of_snapshot(there)?;
    let known_here = writers::of_store(state)?;
    let count = count_new(&known_there, &known_here);
    let first = if count == 0 { 0 } else { reserve(state, count)? };
    let numbers = Numbers::new(&known_there, &known_here, first, writers::living(state)?);
    for part in &there.view.parts {
        part.meta().seq.iter().try_for_each(|(writer, ..)| numbers.check(*writer))?;
        let gone = part.meta().seq_gone.iter().flat_map(|(first, last, _)| [*first, *last]);
        gone.into_iter().try_for_each(|writer| numbers.check(writer))?;
    }
    for record in there.view.runs.values() {
        record.seqs().try_for_each(|seq| numbers.check(seq.writer()))?;
    }
    Ok(numbers)
}

/// Reserves numbers for writers, and returns the first. A process that opens a log meanwhile may have taken one of them
/// before it could see the reservation; then its folder is there, and others are reserved. One that looks later sees the
/// reservation (`StoreState::make_log`).
fn reserve(state: &StoreState, count: u32) -> Result<u32> {
    let taken = || tidalite_log::numbers_taken(&*state.vfs, &state.paths.log());
    loop {
        let mut next: Manifest = manifest::latest(&*state.vfs, &state.paths)?.manifest;
        let first = taken()?.into_iter().map(|n| n.saturating_add(1)).fold(next.writer_next, u32::max);
        check_room(first, count)?;
        let end = first + count;
        next.writer_next = end;
        publish_version(state, next)?;
        if !taken()?.iter().any(|n| (first..end).contains(n)) {
            return Ok(first);
        }
    }
}

/// Writes the points that are new here as parts. The contents of their files are synced; their names are not.
fn write_points(
    state: &StoreState,
    there: &Snapshot,
    (numbers, targets, damage): (&Numbers, &Targets, &DamageReport),
    progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
) -> Result<Vec<PartMeta>> {
    let is_new = |part: &&Arc<Part>| has_new(part.meta(), numbers);
    let (thinned, whole): (Vec<Arc<Part>>, Vec<Arc<Part>>) =
        there.view.parts.iter().filter(is_new).cloned().partition(|part| part.meta().is_thinned());
    let held: Vec<_> = there.view.tails.iter().map(|tail| (tail.read(), tail)).collect();
    let new = |tail: &TailView| {
        let first = Seq::new(tail.writer, numbers.first_new(tail.writer)).as_i64();
        (tail.seqs.0.max(first), tail.seqs.1)
    };
    let tails: Vec<NewTail<'_>> = held.iter().map(|(log, tail)| (&log.data, new(tail))).collect();
    let cold = tails.iter().flat_map(|(data, seqs)| data.cold_frames(*seqs).map(|f| (f.clone(), *seqs)));
    let cold: Vec<_> = cold.collect();
    let source = NewPoints::of(numbers, targets, &whole, &tails, damage)?;
    let total = source.points_max()
        + thinned.iter().map(|part| part.meta().rows).sum::<u64>()
        + cold.iter().map(|(frames, _)| frames.points()).sum::<u64>();
    let done = Cell::new(0);
    let more = |points: u64| {
        done.set(done.get() + points);
        progress(done.get().min(total), total)
    };
    let mut made: Vec<PartMeta> = write_source(state, &source, &more)?.into_iter().collect();
    drop(source);
    for (frames, seqs) in cold {
        let thawed = TailData::thawed(&frames, seqs.0)?;
        let source = NewPoints::of(numbers, targets, &[], &[(&thawed, seqs)], damage)?;
        made.extend(write_source(state, &source, &more)?);
    }
    made.extend(outlines::carry(state, numbers, targets, &thinned, &more)?);
    go_on(progress(total, total))?;
    Ok(made)
}

/// Writes the points of a source as a part, if there are any.
fn write_source(
    state: &StoreState,
    source: &NewPoints<'_>,
    progress: &dyn Fn(u64) -> ControlFlow<()>,
) -> Result<Option<PartMeta>> {
    let place = state.paths.part(state.vfs.uuid());
    let written = write_part(state, &place, source, &JobRoom::by_hand(state)?, progress)?;
    let out = written.as_ref().map_or((0, 0), |meta| (meta.rows, meta.value_bits_sum));
    if out != source.taken() {
        return Err(Error::new(
            ErrorKind::Corrupt,
            "merge stores",
            format!("{} points were read and {} written, or the checksums differ", source.taken().0, out.0),
            "nothing was changed; this is a bug in tidalite, please report it",
        ));
    }
    Ok(written)
}
