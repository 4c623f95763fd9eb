//! Snapshots: a fixed set of rows, whatever is written, flushed or compacted meanwhile.
//!
//! A snapshot is a pinned version (its parts) plus, of each writer's log, the frames from what that version has flushed up
//! to what was committed when the snapshot was made. The rows of logs are kept in memory between snapshots and only
//! what is new is read ([`TailCache`]).

use crate::hides::{Hidden, Hides};
use crate::manifest::{self, Version};
use crate::places::staged_part;
use crate::run_table::{self, RunTable};
use crate::scan::{RowRef, read_rows};
use crate::store::Inner;
use crate::tail::{TailData, View};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};
use tidalite_log::{Finding, FindingKind, Life, TailReader, WriterDir};
use tidalite_model::{Error, ErrorKind, Result, RunChange, RunInfo, Seq};
use tidalite_parts::{ColumnSet, Part, PartMeta, PartPaths};
use tidalite_query::{Grouping, NameMatcher, Points, RunFilter};

/// A fixed set of rows. Cheap to clone; while one lives, no file that it needs is deleted.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) inner: Arc<Inner>,
    pub(crate) view: Arc<SnapshotView>,
}

/// What a snapshot sees.
#[derive(Debug)]
pub(crate) struct SnapshotView {
    pub(crate) version: Arc<Version>,
    /// Live parts, then those staged in logs.
    pub(crate) parts: Vec<Arc<Part>>,
    /// Parts that cannot be opened: what asks for their runs gets the error, all else goes on.
    pub(crate) broken: Vec<(PartMeta, Error)>,
    pub(crate) tails: Vec<TailView>,
    pub(crate) runs: Arc<RunTable>,
    /// Runs that were deleted and have not been written to since; their records say what is hidden.
    gone: BTreeSet<String>,
    pub(crate) damage: Vec<Error>,
}

/// What a snapshot sees of one writer's log.
#[derive(Debug)]
pub(crate) struct TailView {
    pub(crate) writer: u32,
    pub(crate) alive: bool,
    /// Frames of the snapshot: [lo, hi) as sequence numbers.
    pub(crate) seqs: (i64, i64),
    tail: Arc<RwLock<Tail>>,
}

impl TailView {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Tail> {
        self.tail.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One writer's log as read so far.
#[derive(Debug)]
pub(crate) struct Tail {
    reader: TailReader,
    /// First ordinal that is in `data`.
    from: u64,
    /// First ordinal that is not.
    next: u64,
    pub(crate) data: TailData,
    pub(crate) findings: Vec<Finding>,
}

/// What a store keeps between snapshots.
#[derive(Debug, Default)]
pub(crate) struct TailCache {
    tails: Mutex<BTreeMap<u32, Arc<RwLock<Tail>>>>,
    version: Mutex<Weak<Version>>,
    /// By the path of the points file: a staged part has another one after it was flushed.
    parts: Mutex<BTreeMap<PathBuf, Arc<Part>>>,
    runs: Mutex<Option<(uuid::Uuid, Arc<RunTable>)>>,
}

/// Parts whose series tables have so many bytes together are opened side by side.
const SIDE_BY_SIDE_BYTES: u64 = 4 << 20;

/// How often a snapshot starts over because files went from under it; each time needs a whole flush in between.
const RETRIES_MAX: usize = 100;

impl Snapshot {
    pub(crate) fn take(inner: &Arc<Inner>) -> Result<Snapshot> {
        for _ in 0..RETRIES_MAX {
            match SnapshotView::take(inner) {
                Ok(view) => return Ok(Snapshot { inner: inner.clone(), view: Arc::new(view) }),
                // A segment or part went between the listing and the reading: a newer version exists.
                Err(e) if e.kind() == ErrorKind::NotFound => {
                    if !crate::store::is_store(&*inner.vfs, &inner.places)? {
                        return Err(e);
                    }
                    inner.cache.forget();
                }
                Err(e) => return Err(e),
            }
        }
        Err(Error::new(
            ErrorKind::Busy,
            "take snapshot",
            "files changed at each of 100 attempts",
            "try again",
        )
        .at(inner.places.root()))
    }

    /// The manifest version that this snapshot reads.
    pub fn version(&self) -> u64 {
        self.view.version.manifest.version
    }

    /// The runs, ascending by id.
    pub fn runs(&self) -> Vec<RunInfo> {
        let alive: BTreeSet<u32> = self.view.tails.iter().filter(|t| t.alive).map(|t| t.writer).collect();
        let there = self.view.runs.iter().filter(|(id, _)| !self.view.gone.contains(*id));
        there.map(|(id, r)| r.info(id, |w| alive.contains(&w))).collect()
    }

    /// The runs whose id matches a pattern (see [`Select::runs`](crate::Select::runs)), ascending by id; those without
    /// points too.
    ///
    /// # Errors
    /// `Invalid` for a wrong pattern.
    pub fn runs_matching(&self, pattern: &str) -> Result<Vec<RunInfo>> {
        let wanted = NameMatcher::new(&[pattern])?;
        Ok(self.runs().into_iter().filter(|r| wanted.is_match(&r.id)).collect())
    }

    /// The runs that a filter takes, ascending by id.
    pub fn runs_where(&self, filter: &RunFilter) -> Vec<RunInfo> {
        let mut runs = self.runs();
        runs.retain(|r| filter.matches(r));
        runs
    }

    /// A grouping with what it needs to know of the runs.
    pub(crate) fn with_params(&self, grouping: Grouping) -> Grouping {
        if !grouping.needs_params() {
            return grouping;
        }
        let runs = self.runs();
        grouping.with_params(runs.iter().map(|r| (r.id.as_str(), &r.params)))
    }

    /// One run.
    ///
    /// # Errors
    /// `NotFound` where the store has no such run.
    pub fn run(&self, id: &str) -> Result<RunInfo> {
        let alive = |w: u32| self.view.tails.iter().any(|t| t.writer == w && t.alive);
        let there = self.view.runs.get(id).filter(|_| !self.view.gone.contains(id));
        there.map(|r| r.info(id, alive)).ok_or_else(|| {
            Error::not_found(
                "look up run",
                format!("there is no run {id:?}"),
                "list the runs with `tidalite runs`",
            )
            .at(self.inner.places.root())
        })
    }

    /// The Parquet files of the parts that this snapshot reads: a consistent set for other tools, as long as the
    /// snapshot lives. Rows still in logs are not in them; flush first for all.
    pub fn parquet_files(&self) -> Vec<std::path::PathBuf> {
        self.view.version.manifest.parts.iter().map(|p| self.inner.places.part(p.id).points).collect()
    }
}

impl SnapshotView {
    fn take(inner: &Arc<Inner>) -> Result<SnapshotView> {
        let version = inner.cache.newest(inner)?;
        let mut tails = Vec::new();
        let mut staged = Vec::new();
        let mut damage: Vec<Error> = version.damage.iter().map(Error::duplicate).collect();
        for dir in tidalite_log::writers(&*inner.vfs, &inner.places.log())? {
            let from = version.manifest.flushed(dir.writer);
            let view = inner.cache.tail(inner, &dir, from)?;
            for (seq, id, about) in &view.read().data.staged {
                if (view.seqs.0..view.seqs.1).contains(&seq.as_i64()) {
                    staged.push((
                        staged_part(&dir.path, *id),
                        crate::flush::parse_meta(&dir.path, *seq, about)?,
                    ));
                }
            }
            tails.push(view);
        }
        // A segment that is not there was flushed and collected, where a newer version says so; else it is lost.
        let gap = |t: &TailView| t.read().findings.iter().any(|f| f.kind == FindingKind::MissingSegment);
        let newest = manifest::versions(&*inner.vfs, &inner.places)?.last().copied();
        if newest.is_some_and(|v| v > version.manifest.version) && tails.iter().any(gap) {
            return Err(Error::not_found("take snapshot", "a log was flushed meanwhile", "try again"));
        }
        inner.cache.forget_others(&tails);
        check_memory(inner, &tails)?;
        let live = version.manifest.parts.iter().map(|m| (inner.places.part(m.id), m.clone()));
        let places: Vec<_> = live.chain(staged).collect();
        let (parts, broken) = inner.cache.open_parts(inner, &version, &places)?;
        damage.extend(broken.iter().map(|(_, e): &(PartMeta, Error)| e.duplicate()));
        damage.extend(parts.iter().filter_map(|p| p.series_damage()).map(Error::duplicate));
        let table = inner.cache.run_table(inner, &version, &mut damage)?;
        let mut runs = table;
        let known = |runs: &RunTable, id: &str| runs.contains_key(id);
        // Copied, since whoever holds one tail must not wait for another.
        let mut changes = Vec::new();
        for view in &tails {
            let within = |c: &&(Seq, String, RunChange)| (view.seqs.0..view.seqs.1).contains(&c.0.as_i64());
            changes.extend(view.read().data.changes.iter().filter(within).cloned());
        }
        if !changes.is_empty() {
            run_table::apply(Arc::make_mut(&mut runs), changes.iter());
        }
        for view in &tails {
            let tail = view.read();
            for (id, key) in tail.data.keys() {
                if !known(&runs, &key.run) && tail.data.count_within(id, view.seqs) > 0 {
                    Arc::make_mut(&mut runs).insert(key.run.to_string(), Default::default());
                }
            }
        }
        let live: BTreeSet<_> = version.manifest.parts.iter().map(|m| m.id).collect();
        for part in parts.iter().filter(|p| !live.contains(&p.meta().id)) {
            for run in part.series().runs() {
                if !known(&runs, run) {
                    Arc::make_mut(&mut runs).insert(run.to_string(), Default::default());
                }
            }
        }
        let gone = gone(&runs, &parts, &tails)?;
        Ok(SnapshotView { version, parts, broken, tails, runs, gone, damage })
    }

    /// The parts that the version lists.
    pub(crate) fn live_parts(&self) -> u64 {
        self.version.manifest.parts.len() as u64
    }

    /// Points that no part of the version holds yet: rows of logs, and parts that are staged there.
    pub(crate) fn log_points(&self) -> u64 {
        let live: BTreeSet<_> = self.version.manifest.parts.iter().map(|m| m.id).collect();
        let metas = self.parts.iter().map(|p| p.meta()).chain(self.broken.iter().map(|(meta, _)| meta));
        let staged: u64 = metas.filter(|m| !live.contains(&m.id)).map(|m| m.rows).sum();
        let of_tail = |tail: &TailView| {
            let held = tail.read();
            held.data.keys().map(|(id, _)| held.data.count_within(id, tail.seqs)).sum::<u64>()
        };
        staged + self.tails.iter().map(of_tail).sum::<u64>()
    }

    /// What replaying the logs found wrong.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        self.tails.iter().flat_map(|t| t.read().findings.clone()).collect()
    }
}

/// Runs that were deleted, and of which nothing was written since.
fn gone(runs: &RunTable, parts: &[Arc<Part>], tails: &[TailView]) -> Result<BTreeSet<String>> {
    let deleted = runs.iter().filter(|(_, r)| r.is_only_deleted());
    let mut gone: BTreeMap<&str, Arc<Hides>> =
        deleted.filter_map(|(id, r)| Some((id.as_str(), Hides::of(r, true)?))).collect();
    if gone.is_empty() {
        return Ok(BTreeSet::new());
    }
    for tail in tails {
        let held = tail.read();
        for (id, key) in held.data.keys() {
            let Some(hides) = gone.get(&*key.run) else { continue };
            let mut points = Points::default();
            held.data.gather(id, View { steps: (None, None), seqs: tail.seqs }, &mut points);
            hides.apply(&mut points);
            if !points.is_empty() {
                gone.remove(&*key.run);
            }
        }
    }
    for (p, part) in parts.iter().enumerate() {
        let table = part.series();
        if !table.runs().iter().any(|run| gone.contains_key(&**run)) {
            continue;
        }
        let mut details = table.reader();
        for (r, row) in table.entries().iter().enumerate() {
            let run = table.run(row);
            let Some(hides) = gone.get(&**run) else { continue };
            let of_row = details.of(r)?;
            let seen = match hides.verdict(row.steps(), of_row.seqs()) {
                Hidden::All => false,
                Hidden::Nothing => true,
                Hidden::Some => {
                    let at = |n: usize| u32::try_from(n).expect("parts and their series are counted in u32");
                    let place = RowRef { part: at(p), row: at(r) };
                    let mut read = read_rows(parts, &[vec![place]], ColumnSet::ALL)?;
                    read.iter_mut().flatten().any(|points| {
                        hides.apply(points);
                        !points.is_empty()
                    })
                }
            };
            if seen {
                gone.remove(&**run);
            }
        }
    }
    Ok(gone.into_keys().map(str::to_string).collect())
}

impl TailCache {
    /// The newest version; the one in use where it is still that.
    fn newest(&self, inner: &Inner) -> Result<Arc<Version>> {
        let mut held = lock(&self.version);
        if let Some(version) = held.upgrade()
            && manifest::versions(&*inner.vfs, &inner.places)?.last() == Some(&version.manifest.version)
        {
            return Ok(version);
        }
        let version = Arc::new(manifest::latest(&*inner.vfs, &inner.places)?);
        *held = Arc::downgrade(&version);
        Ok(version)
    }

    fn tail(&self, inner: &Inner, dir: &WriterDir, from: u64) -> Result<TailView> {
        let mut tails = lock(&self.tails);
        let tail = tails.entry(dir.writer).or_insert_with(|| Tail::new(dir, from)).clone();
        drop(tails);
        let mut held = tail.write().unwrap_or_else(PoisonError::into_inner);
        // Started later than this version needs: another thread already reads a newer version.
        if held.from > from {
            return Err(
                Error::not_found("read log", "its tail was flushed meanwhile", "try again").at(&dir.path)
            );
        }
        // More than half of what is held is flushed: start afresh. Snapshots in use keep the old rows.
        let held_frames = held.next.saturating_sub(held.from);
        if from > held.from && (from - held.from) * 2 >= held_frames {
            drop(held);
            let fresh = Tail::new(dir, from);
            lock(&self.tails).insert(dir.writer, fresh.clone());
            let mut held = fresh.write().unwrap_or_else(PoisonError::into_inner);
            let (alive, hi) = held.poll(inner, dir)?;
            drop(held);
            return Ok(TailView::new(dir.writer, alive, from, hi, fresh));
        }
        let (alive, hi) = held.poll(inner, dir)?;
        drop(held);
        Ok(TailView::new(dir.writer, alive, from, hi, tail))
    }

    /// Opens parts, and gives those apart that cannot be opened.
    ///
    /// # Errors
    /// `NotFound` where a part's file is gone because a newer version came: then the snapshot has to start over.
    fn open_parts(
        &self,
        inner: &Inner,
        version: &Version,
        places: &[(PartPaths, PartMeta)],
    ) -> Result<Opened> {
        let held = |place: &PartPaths| lock(&self.parts).contains_key(&place.points);
        let absent: Vec<_> = places.iter().filter(|(place, _)| !held(place)).collect();
        let bytes: u64 = absent.iter().map(|(_, meta)| meta.series_bytes).sum();
        if absent.len() > 1 && bytes >= SIDE_BY_SIDE_BYTES {
            // What cannot be opened is met again below, in its turn.
            inner.pool()?.install(|| {
                absent.par_iter().for_each(|(place, meta)| {
                    let _ = self.part(inner, place, meta);
                });
            });
        }
        let (mut parts, mut broken) = (Vec::with_capacity(places.len()), Vec::new());
        for (place, meta) in places {
            match self.part(inner, place, meta) {
                Ok(part) => parts.push(part),
                Err(e) if e.kind() == ErrorKind::Corrupt => broken.push((meta.clone(), e)),
                Err(e) if e.kind() == ErrorKind::NotFound => {
                    if is_replaced(inner, version)? {
                        return Err(e);
                    }
                    let missing = Error::corrupt("open part", &place.points, 0, "the file is not there");
                    broken.push((meta.clone(), missing));
                }
                Err(e) => return Err(e),
            }
        }
        Ok((parts, broken))
    }

    fn part(&self, inner: &Inner, place: &PartPaths, meta: &PartMeta) -> Result<Arc<Part>> {
        if let Some(part) = lock(&self.parts).get(&place.points) {
            return Ok(part.clone());
        }
        let part = Part::open(inner.vfs.clone(), place, meta)?.kept_in(inner.pages.clone());
        let part = Arc::new(part);
        lock(&self.parts).insert(place.points.clone(), part.clone());
        Ok(part)
    }

    fn run_table(&self, inner: &Inner, version: &Version, damage: &mut Vec<Error>) -> Result<Arc<RunTable>> {
        let table = version.manifest.runs.as_ref();
        let mut held = lock(&self.runs);
        if let (Some((id, runs)), Some(wanted)) = (&*held, table)
            && *id == wanted.id
        {
            return Ok(runs.clone());
        }
        let (runs, damaged) = match run_table::load(&*inner.vfs, &inner.places, table) {
            Err(e) if e.kind() == ErrorKind::NotFound && !is_replaced(inner, version)? => {
                let path = table.map(|t| inner.places.run_table(t.id)).unwrap_or_default();
                return Err(Error::corrupt("read run table", &path, 0, "the file is not there"));
            }
            other => other?,
        };
        let sound = damaged.is_none();
        damage.extend(damaged);
        let runs = Arc::new(runs);
        // A damaged table is read again each time, so that each snapshot can say so.
        *held = table.filter(|_| sound).map(|t| (t.id, runs.clone()));
        Ok(runs)
    }

    /// Drops tails of writers that are gone and parts that nobody else holds and no version needs.
    fn forget_others(&self, tails: &[TailView]) {
        lock(&self.tails).retain(|w, _| tails.iter().any(|t| t.writer == *w));
    }

    /// Drops open parts that are not among those of the newest version.
    pub(crate) fn keep_parts(&self, live: &BTreeSet<uuid::Uuid>) {
        lock(&self.parts).retain(|_, part| live.contains(&part.meta().id));
    }

    fn forget(&self) {
        lock(&self.tails).clear();
        lock(&self.parts).clear();
        *lock(&self.version) = Weak::new();
    }
}

impl TailView {
    fn new(writer: u32, alive: bool, from: u64, hi: u64, tail: Arc<RwLock<Tail>>) -> Self {
        TailView {
            writer,
            alive,
            seqs: (Seq::new(writer, from).as_i64(), Seq::new(writer, hi).as_i64()),
            tail,
        }
    }
}

impl Tail {
    fn new(dir: &WriterDir, from: u64) -> Arc<RwLock<Tail>> {
        Arc::new(RwLock::new(Tail {
            reader: TailReader::new(dir.clone(), from),
            from,
            next: from,
            data: TailData::default(),
            findings: Vec::new(),
        }))
    }

    /// Reads what is new; says whether the writer lives, and up to which ordinal its frames are here.
    fn poll(&mut self, inner: &Inner, dir: &WriterDir) -> Result<(bool, u64)> {
        let life = tidalite_log::life(&*inner.vfs, dir)?;
        let replayed = self.reader.poll(&*inner.vfs, life.may_append(), &mut self.data)?;
        self.next = self.next.max(replayed.next_ordinal);
        for finding in replayed.findings {
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
        Ok((life == Life::Living, self.next))
    }
}

/// What could be opened, and what could not.
type Opened = (Vec<Arc<Part>>, Vec<(PartMeta, Error)>);

/// Refuses a log that has grown beyond the memory option: it is to be flushed before it is read.
fn check_memory(inner: &Inner, tails: &[TailView]) -> Result<()> {
    let bytes: usize = tails.iter().map(|t| t.read().data.bytes()).sum();
    let bytes_max = inner.options.memory_bytes;
    if bytes as u64 <= bytes_max {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Full,
        "read log",
        format!("{} MiB of rows are not flushed yet, and {} MiB are allowed", bytes >> 20, bytes_max >> 20),
        "flush the store (`tidalite flush`), or allow more memory",
    )
    .at(&inner.places.log()))
}

/// Whether a file of this version may be gone because a newer version came. Where none did, it is missing.
fn is_replaced(inner: &Inner, version: &Version) -> Result<bool> {
    let newest = manifest::versions(&*inner.vfs, &inner.places)?.last().copied();
    Ok(newest.is_some_and(|v| v > version.manifest.version))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
