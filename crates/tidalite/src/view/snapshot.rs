//! Snapshots: a fixed set of rows, whatever is written, flushed or compacted later.
//!
//! A snapshot is a pinned version (its parts) plus, of each writer's log, the frames that this version has not flushed
//! and that were committed at one instant while the snapshot was taken ([`cut`](crate::engine::cut)). The writers and the
//! newest version were the same before and after that instant. Rows of logs stay in memory between snapshots, so only new
//! ones are read ([`TailCache`](crate::engine::cache::TailCache)).

use super::gone::gone;
use super::losses::losses;
use super::missing_run::no_such_run;
use super::outdated::opened_for_deleted;
use super::own_log::{OwnLog, note_missing};
use crate::engine::cut::Agreement;
use crate::engine::log_tail::TailView;
use crate::engine::on_damage::OnDamage;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::files::current_runs::{CurrentRuns, VersionRuns};
use crate::files::lost::Lost;
use crate::files::manifest::{self, Version};
use crate::files::paths::staged_part;
use crate::files::run_table;
use crate::files::staged::parse_meta;
use std::collections::BTreeSet;
use std::sync::Arc;
use tidalite_log::{LogFinding, LogFindingKind, WriterDir};
use tidalite_model::{Error, ErrorKind, Result, RunChange, RunInfo, RunRecord, WriteOrder};
use tidalite_parts::{Part, PartMeta, PartPaths};
use tidalite_query::{Grouping, NameMatcher, Pattern, RunFilter};

/// A fixed set of rows. Cheap to clone; while one lives, no file that it needs is deleted.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) state: Arc<StoreState>,
    pub(crate) view: Arc<SnapshotView>,
}

/// What a snapshot sees.
#[derive(Debug)]
pub(crate) struct SnapshotView {
    pub(crate) version: Arc<Version>,
    /// Hidden parts if they were opened, then the other live parts, then staged parts.
    pub(crate) parts: Vec<Arc<Part>>,
    /// Parts that cannot be opened. Queries of their runs fail; all others work.
    pub(crate) broken: Vec<(PartMeta, Error)>,
    /// What answers do about damage.
    pub(crate) on_damage: OnDamage,
    /// Places in logs whose rows cannot be read, and those that were passed by before.
    pub(crate) losses: Arc<[Lost]>,
    pub(crate) tails: Vec<TailView>,
    pub(crate) runs: Arc<CurrentRuns>,
    /// Runs that were deleted and not written to since. They are not shown; their records say what is hidden.
    pub(super) gone: BTreeSet<String>,
    pub(crate) damage: Vec<Error>,
    pub(super) agreement: Agreement,
}

/// How often a snapshot starts over because writers appeared or a version was published while it read the logs.
const CUT_TRIES: usize = 8;

/// How often a snapshot starts over because files were deleted while it read them. Each time needs another flush.
const RETRIES_MAX: usize = 100;

impl Store {
    /// All runs, ascending by id.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for id in ["b", "a"] { store.run(id).start()?; }
    /// let ids: Vec<String> = store.runs()?.into_iter().map(|run| run.id).collect();
    /// assert_eq!(ids, ["a", "b"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot) and [`Snapshot::runs`].
    pub fn runs(&self) -> Result<Vec<RunInfo>> {
        self.snapshot()?.runs()
    }

    /// The runs that match a filter, ascending by id.
    ///
    /// ```
    /// use tidalite::RunFilter;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// store.run("a").tag("baseline").start()?;
    /// store.run("b").start()?;
    /// let found = store.where_runs(&RunFilter::parse("tags has \"baseline\"")?)?;
    /// assert_eq!(found[0].id, "a");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot) and [`Snapshot::runs`].
    pub fn where_runs(&self, filter: &RunFilter) -> Result<Vec<RunInfo>> {
        self.snapshot()?.where_runs(filter)
    }

    /// A fixed set of rows to read from. Never blocks a writer.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// let snapshot = store.snapshot()?;
    /// run.log(0, &[("loss", 1.0)])?;
    /// assert_eq!(snapshot.select().summaries()?.len(), 0);
    /// assert_eq!(store.select().summaries()?.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Corrupt` if the manifest, the run table or the metadata of a staged part is unreadable; `Busy` if files changed
    /// at each of 100 attempts; `Io`.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::take(self.state()?)
    }
}

impl Snapshot {
    pub(crate) fn take(state: &Arc<StoreState>) -> Result<Snapshot> {
        let view = retry(state, || SnapshotView::take(state))?;
        // What this process writes from now on is later than all that it has seen.
        state.observe(view.clock_us());
        Ok(Snapshot { state: state.clone(), view: Arc::new(view) })
    }

    /// The manifest version that this snapshot reads.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// run.log(0, &[("loss", 1.0)])?;
    /// let before = store.snapshot()?.version();
    /// store.flush()?;
    /// assert!(store.snapshot()?.version() > before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn version(&self) -> u64 {
        self.view.version.manifest.version
    }

    /// Whether the snapshot is a cut: for each row that it sees, it sees every row whose `log` returned before that
    /// row's `log` was called, in whichever process. False only if so much is logged by so many writers that their logs
    /// grew at every try. Then this holds for the rows that were logged before the snapshot was begun.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// assert!(store.snapshot()?.is_cut());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_cut(&self) -> bool {
        self.view.agreement.is_cut
    }

    /// The runs, ascending by id.
    ///
    /// ```
    /// use tidalite::Status;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// store.run("a").param("lr", 0.1).start()?.finish()?;
    /// let run = &store.snapshot()?.runs()?[0];
    /// assert_eq!((&*run.id, run.status, run.params["lr"].as_f64()), ("a", Status::Finished, Some(0.1)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Corrupt` for a log that has lost something which could be of a run, unless this snapshot [reports
    /// damage](Self::on_damage).
    pub fn runs(&self) -> Result<Vec<RunInfo>> {
        self.check_runs("list runs", &NameMatcher::all())?;
        Ok(self.known_runs())
    }

    /// The runs, with the facts that can be read. Damage is no error.
    pub(crate) fn known_runs(&self) -> Vec<RunInfo> {
        let mut runs = Vec::with_capacity(self.view.runs.len());
        runs.extend(self.each_run());
        runs
    }

    /// The ids of the runs that [`known_runs`](Self::known_runs) knows, ascending.
    pub(crate) fn run_ids(&self) -> impl Iterator<Item = &str> {
        self.view.runs.keys().filter(|id| !self.view.gone.contains(*id)).map(String::as_str)
    }

    /// As [`known_runs`](Self::known_runs), one after the other.
    pub(crate) fn each_run(&self) -> impl Iterator<Item = RunInfo> + '_ {
        let alive: BTreeSet<u32> = self.view.tails.iter().filter(|t| t.alive).map(|t| t.writer).collect();
        let there = self.view.runs.iter().filter(|(id, _)| !self.view.gone.contains(*id));
        there.map(move |(id, record)| {
            let mut info = record.info(id, |w| alive.contains(&w));
            self.view.complete(id, record, &mut info.participants);
            info
        })
    }

    /// The runs whose id matches a pattern, ascending by id; a text is the id of a run that exists, and otherwise a glob
    /// (see [`Selection::runs`](crate::Selection::runs)). Runs without points are included.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for id in ["lr-1", "lr-2", "wd-1"] { store.run(id).start()?; }
    /// assert_eq!(store.snapshot()?.runs_matching("lr-*")?.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` for a malformed pattern; `Corrupt` as for [`runs`](Self::runs).
    pub fn runs_matching(&self, pattern: impl Into<Pattern>) -> Result<Vec<RunInfo>> {
        let wanted = NameMatcher::resolve(&[pattern.into()], |id| Ok(self.has_run(id)))?;
        self.check_runs("list runs", &wanted)?;
        Ok(self.each_run().filter(|r| wanted.is_match(&r.id)).collect())
    }

    /// The runs that a filter takes, ascending by id.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for lr in [0.1, 0.01] { store.run(format!("lr-{lr}")).param("lr", lr).start()?; }
    /// let found = store.snapshot()?.where_runs(&"params.lr > 0.05".parse()?)?;
    /// assert_eq!(found[0].id, "lr-0.1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`runs`](Self::runs).
    pub fn where_runs(&self, filter: &RunFilter) -> Result<Vec<RunInfo>> {
        self.check_runs("list runs", &NameMatcher::all())?;
        Ok(self.each_run().filter(|r| filter.matches(r)).collect())
    }

    /// Adds the params of these runs to a grouping that needs them.
    pub(crate) fn with_params(&self, grouping: Grouping, selected: &NameMatcher) -> Grouping {
        if !grouping.needs_params() {
            return grouping;
        }
        let runs: Vec<RunInfo> = self.each_run().filter(|r| selected.is_match(&r.id)).collect();
        grouping.with_params(runs.iter().map(|r| (r.id.as_str(), &r.params)))
    }

    /// Whether a run has this id.
    pub(crate) fn has_run(&self, id: &str) -> bool {
        self.view.runs.contains_key(id) && !self.view.gone.contains(id)
    }

    /// One run.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// store.run("a").tag("baseline").start()?;
    /// let snapshot = store.snapshot()?;
    /// assert!(snapshot.run("a")?.tags.contains("baseline"));
    /// assert!(snapshot.run("b").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `NotFound` if the store has no such run; the message names runs with similar ids. `Corrupt` as for [`runs`](Self::runs).
    pub fn run(&self, id: &str) -> Result<RunInfo> {
        self.check_runs("look up run", &NameMatcher::exact([id]))?;
        self.known_run(id)
    }

    /// One run, with the facts that can be read. Damage is no error.
    ///
    /// # Errors
    /// `NotFound` if the store has no such run.
    pub(crate) fn known_run(&self, id: &str) -> Result<RunInfo> {
        let alive = |w: u32| self.view.tails.iter().any(|t| t.writer == w && t.alive);
        let there = self.view.runs.get(id).filter(|_| !self.view.gone.contains(id));
        let info = |record: &RunRecord| {
            let mut info = record.info(id, alive);
            self.view.complete(id, record, &mut info.participants);
            info
        };
        there.map(info).ok_or_else(|| {
            let ids = self.view.runs.keys().map(String::as_str).filter(|id| !self.view.gone.contains(*id));
            no_such_run("look up run", id, ids).at(self.state.paths.root())
        })
    }
}

/// Reads again where a file was deleted between listing and reading: then a newer version exists.
///
/// # Errors
/// `Busy` if that happens each time; `NotFound` if the store is gone; those of `read`.
pub(super) fn retry<T>(state: &StoreState, read: impl Fn() -> Result<T>) -> Result<T> {
    for _ in 0..RETRIES_MAX {
        let done = read();
        state.check_there()?;
        match done {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                state.cache.forget();
                state.change_tails.forget();
            }
            other => return other,
        }
    }
    Err(Error::new(ErrorKind::Busy, "read store", "files changed at each of 100 attempts", "try again")
        .at(state.paths.root()))
}

/// The newest version, and the logs read beyond it up to one cut.
struct Logs {
    version: Arc<Version>,
    dirs: Vec<WriterDir>,
    /// One of each writer in `dirs`.
    tails: Vec<TailView>,
    agreement: Agreement,
}

impl Logs {
    fn read(state: &StoreState) -> Result<Logs> {
        let writers = || tidalite_log::writers(&*state.vfs, &state.paths.log());
        let mut tries = 0;
        loop {
            tries += 1;
            let version = state.cache.newest()?;
            let dirs = writers()?;
            let (tails, mut agreement) = state.cache.tails(&dirs, &version.manifest)?;
            // A new writer has rows that are in no tail. If it is gone again, its rows are in a newer version.
            let same =
                newest(state)? == Some(version.newest()) && writers()?.iter().all(|dir| dirs.contains(dir));
            if same || tries == CUT_TRIES {
                agreement.is_cut &= same;
                return Ok(Logs { version, dirs, tails, agreement });
            }
        }
    }
}

/// The number of the newest version that is listed.
fn newest(state: &StoreState) -> Result<Option<u64>> {
    Ok(manifest::versions(&*state.vfs, &state.paths)?.last().copied())
}

/// The staged parts that these tails name.
fn staged_parts(dirs: &[WriterDir], tails: &[TailView]) -> Result<Vec<(PartPaths, PartMeta)>> {
    let mut staged = Vec::new();
    for (dir, view) in dirs.iter().zip(tails) {
        for (order, id, meta) in &view.read().data.staged {
            if (view.seqs.0..view.seqs.1).contains(&order.seq.as_i64()) {
                staged.push((staged_part(&dir.path, *id), parse_meta(&dir.path, *order, meta)?));
            }
        }
    }
    Ok(staged)
}

/// The run table of a version. A salvage leaves out what is damaged.
fn run_table_of(
    state: &StoreState,
    version: &Version,
    damage: &mut Vec<Error>,
    losses: &mut Vec<Lost>,
) -> Result<Arc<VersionRuns>> {
    match state.cache.run_table(version, damage) {
        Err(e) if e.kind() == ErrorKind::Corrupt && state.options.salvages => {
            let (runs, wrong) = run_table::load_sound(&*state.vfs, &state.paths, &version.manifest);
            let file = |e: &Error| e.path().map(|path| Lost::file(state.paths.root(), path));
            losses.extend(wrong.iter().filter_map(file));
            Ok(Arc::new(runs.into()))
        }
        other => other,
    }
}

impl SnapshotView {
    fn take(state: &Arc<StoreState>) -> Result<SnapshotView> {
        let own = OwnLog::of(state);
        let Logs { version, dirs, tails, agreement } = Logs::read(state)?;
        let own_lost = note_missing(state, &version.manifest, own.as_ref(), &tails)?;
        let staged = staged_parts(&dirs, &tails)?;
        let mut damage: Vec<Error> = version.damage.iter().map(Error::duplicate).collect();
        // An absent segment was flushed and collected if a newer version exists; otherwise it is lost.
        let gap = |t: &TailView| t.read().findings.iter().any(|f| f.kind == LogFindingKind::MissingSegment);
        let is_missing = own_lost.is_some() || tails.iter().any(gap);
        if is_missing && newest(state)?.is_some_and(|v| v > version.manifest.version) {
            return Err(Error::not_found("take snapshot", "a log has just been flushed", "try again"));
        }
        let mut losses = losses(&*state.vfs, &state.paths, &version, &dirs, &tails);
        losses.extend(own_lost);
        state.cache.forget_others(&tails);
        let live = version.manifest.parts.iter().filter(|m| !m.is_hidden());
        let live = live.map(|m| (state.paths.place(m), m.clone()));
        let places: Vec<_> = live.chain(staged).collect();
        let listed = version.manifest.parts.iter().chain(places.iter().map(|(_, meta)| meta));
        state.cache.keep_parts(&listed.map(|meta| meta.id).collect());
        let (parts, broken) = state.cache.open_parts(&version, &places)?;
        damage.extend(broken.iter().map(|(_, e): &(PartMeta, Error)| e.duplicate()));
        damage.extend(parts.iter().filter_map(|p| p.series_damage()).map(Error::duplicate));
        let mut runs = CurrentRuns::new(run_table_of(state, &version, &mut damage, &mut losses)?);
        // Copied, since a thread that holds one tail must not wait for another.
        let mut changes = Vec::new();
        for view in &tails {
            let within =
                |c: &&(WriteOrder, String, RunChange)| (view.seqs.0..view.seqs.1).contains(&c.0.seq.as_i64());
            changes.extend(view.read().data.changes.iter().filter(within).cloned());
        }
        runs.apply(changes.iter());
        for view in &tails {
            let tail = view.read();
            for (id, key) in tail.data.keys() {
                if !runs.contains_key(&key.run) && tail.data.count_within(id, view.seqs)? > 0 {
                    runs.add(&key.run);
                }
            }
        }
        let live: BTreeSet<_> = version.manifest.parts.iter().map(|m| m.id).collect();
        let unlisted = |p: &&Arc<Part>| state.options.salvages || !live.contains(&p.meta().id);
        for part in parts.iter().filter(unlisted) {
            for run in part.series().runs() {
                if !runs.contains_key(run) {
                    runs.add(run);
                }
            }
        }
        let hidden = opened_for_deleted(state, &version, &runs)?;
        let gone = gone(state, &runs, &[hidden, parts.clone()].concat(), &tails)?;
        Ok(SnapshotView {
            version,
            parts,
            broken,
            on_damage: OnDamage::default(),
            losses: losses.into(),
            tails,
            runs: Arc::new(runs),
            gone,
            damage,
            agreement,
        })
    }

    /// The greatest clock of a write that the snapshot may see.
    pub(crate) fn clock_us(&self) -> i64 {
        let flushed = self.version.manifest.clock_us;
        self.tails.iter().map(|tail| tail.read().data.clock_us).fold(flushed, i64::max)
    }

    /// Number of parts that the version lists, without hidden ones.
    pub(crate) fn live_parts(&self) -> u64 {
        self.version.manifest.parts.iter().filter(|m| !m.is_hidden()).count() as u64
    }

    /// Points that are not flushed yet: rows of logs, and points of staged parts.
    ///
    /// # Errors
    /// Those of reading logs.
    pub(crate) fn log_points(&self) -> Result<u64> {
        let live: BTreeSet<_> = self.version.manifest.parts.iter().map(|m| m.id).collect();
        let metas = self.parts.iter().map(|p| p.meta()).chain(self.broken.iter().map(|(meta, _)| meta));
        let staged: u64 = metas.filter(|m| !live.contains(&m.id)).map(|m| m.rows).sum();
        let of_tail = |tail: &TailView| -> Result<u64> {
            let held = tail.read();
            held.data.keys().map(|(id, _)| held.data.count_within(id, tail.seqs)).sum()
        };
        Ok(staged + self.tails.iter().map(of_tail).sum::<Result<u64>>()?)
    }

    /// Damage that reading the logs found.
    pub(crate) fn findings(&self) -> Vec<LogFinding> {
        self.tails.iter().flat_map(|t| t.read().findings.clone()).collect()
    }
}
