//! Thinning: of old runs the outline stays, and exact sums of all their points; the rest of the room is given back.
//!
//! ```text
//! lock → flush → newest version → each series of the runs: points seen → outline → thinned part, durable
//!      → parts without these series, durable → next version
//! ```
//!
//! One version changes it all, so that each point is there once, killed at whatever moment. The same checks as in a
//! compaction: what parts hold must be what is carried over, what the outlines stand for, and what was hidden or replaced.
//! See [decision 0020](https://github.com/tidalite/tidalite/blob/main/docs/decisions/0020-thinned-runs.md).

use crate::compact::{Deleted, Removed, deleted, merge_parts};
use crate::flush::{flush_all, publish_version, sync_part_folders};
use crate::hides::Hides;
use crate::scan::RowRef;
use crate::snapshot::Snapshot;
use crate::store::{Inner, Store};
use crate::thin_outline::{Outcome, Outlined, Outliner};
use crate::thinned::{Account, Thinned, ThinnedParts};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Result, SeriesKey, Status};
use tidalite_parts::{Part, PartMeta};
use tidalite_query::{NameMatcher, RunFilter};

/// Which runs [`Store::thin`] thins, and how far. Runs have to be named or chosen.
#[derive(Debug, Clone)]
pub struct Thin {
    runs: Vec<String>,
    filter: Option<RunFilter>,
    buckets: usize,
    bucket_points: u64,
}

/// Buckets that a series keeps at most, unless it is said otherwise: a chart as wide as a window.
const BUCKETS: usize = 1024;
/// So many points a bucket has to stand for: what is left of it and its sums take the room of about 20 points.
const BUCKET_POINTS: u64 = 32;

/// What a thinning did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThinStats {
    /// Points that went from logs to parts first.
    pub flushed: u64,
    /// Runs of which a series was thinned.
    pub runs: u64,
    /// Runs that were chosen by a pattern or filter and left as they are, since a process still writes to them.
    pub runs_running: u64,
    /// Series that were thinned.
    pub series: u64,
    /// Series that stay as they are, since their outline would take as much room.
    pub series_small: u64,
    /// Series that stay as they are, since they were thinned before and later written to, or rewound, at steps that they had.
    pub series_mixed: u64,
    /// Points that the thinned series stand for.
    pub points: u64,
    /// Points that are left of them.
    pub kept: u64,
    /// Points that were rewound or written again and are gone now.
    pub dropped: u64,
}

impl Default for Thin {
    fn default() -> Self {
        Thin::new()
    }
}

impl Thin {
    /// No runs yet, and 1,024 buckets a series.
    pub fn new() -> Self {
        Thin { runs: Vec::new(), filter: None, buckets: BUCKETS, bucket_points: BUCKET_POINTS }
    }

    /// This run; given several times, each.
    pub fn run(mut self, id: impl Into<String>) -> Self {
        self.runs.push(crate::escape(&id.into()));
        self
    }

    /// Runs whose id matches a pattern (see [`Select::runs`](crate::Select::runs)). A pattern without signs names a run.
    pub fn runs(mut self, pattern: impl Into<String>) -> Self {
        self.runs.push(pattern.into());
        self
    }

    /// Of these, or of all where none is named, runs that a filter takes, such as `ended < "2026-01-01"`; given several times,
    /// all must.
    pub fn runs_where(mut self, filter: RunFilter) -> Self {
        self.filter = Some(match self.filter.take() {
            None => filter,
            Some(before) => before.and(filter),
        });
        self
    }

    /// Into at most so many buckets a series, aligned powers of two of steps, as [`chart`](crate::Select::chart) has them: a
    /// chart of so many buckets or fewer stays what it was. 1,024 by default.
    pub fn buckets(mut self, buckets: usize) -> Self {
        self.buckets = buckets;
        self
    }

    /// How many points a bucket has to stand for on average, for a series to be thinned; tests want few.
    #[doc(hidden)]
    pub fn bucket_points(mut self, points: u64) -> Self {
        self.bucket_points = points.max(1);
        self
    }

    fn check(&self) -> Result<()> {
        if self.runs.is_empty() && self.filter.is_none() {
            return Err(Error::invalid("thin", "no runs were chosen", "name runs, or give a filter of runs"));
        }
        if self.buckets == 0 {
            return Err(Error::invalid("thin", "0 buckets were asked for", "ask for at least one"));
        }
        NameMatcher::new(&self.runs).map(|_| ())
    }

    /// The runs chosen, and how many more are still written to.
    fn chosen(&self, snapshot: &Snapshot) -> Result<(BTreeSet<String>, u64)> {
        let takes = |run: &tidalite_model::RunInfo| self.filter.as_ref().is_none_or(|f| f.matches(run));
        for pattern in &self.runs {
            let one = NameMatcher::new(&[pattern])?;
            for name in one.as_exact().unwrap_or_default() {
                let run = snapshot.run(name)?;
                if run.status == Status::Running && takes(&run) {
                    return Err(Error::new(
                        ErrorKind::Busy,
                        "thin",
                        format!("a process still writes to run {name:?}"),
                        "finish the run first, or choose runs by a pattern, which passes it over",
                    ));
                }
            }
        }
        let named = if self.runs.is_empty() { NameMatcher::all() } else { NameMatcher::new(&self.runs)? };
        let runs = snapshot.runs().into_iter().filter(|r| named.is_match(&r.id) && takes(r));
        let (running, still): (Vec<_>, Vec<_>) = runs.partition(|r| r.status == Status::Running);
        Ok((still.into_iter().map(|r| r.id).collect(), running.len() as u64))
    }
}

impl Store {
    /// Thins runs that are over: of each series stays, in each of at most [`buckets`](Thin::buckets) buckets of steps, the first
    /// point, the last, those of the least and the greatest value and the first NaN and infinities, with the exact count, sum, mean,
    /// spread and extremes of *all* points of the bucket. The room of the other points is given back; nothing brings them back.
    ///
    /// Afterwards [`summaries`](crate::Select::summaries), aggregates over whole series, and charts, bands and aggregates in
    /// buckets of steps that the kept buckets fit into answer as before. What is finer is answered from the points that are
    /// left, its counts too: points, percentiles (with whatever else the same question asks), ranges of values, transforms,
    /// and buckets or ranges that cut a kept bucket. A fork reads what is left of its parent.
    /// [`explain`](crate::Select::explain) tells how many of the series asked are thinned.
    ///
    /// Points that rewinds hid, and those written again later, are gone for good. A series is left as it is where its outline would
    /// take as much room: where a bucket would stand for fewer than 32 points. Thinned again in fewer buckets, a series gets
    /// these; a run that was gone on with and ended again is thinned to its new end.
    ///
    /// Flushes first. Other processes may go on logging.
    ///
    /// ```
    /// use tidalite::Thin;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("old").start()?;
    /// for step in 0..50_000 { run.log(step, &[("loss", 1.0 / (step + 1) as f64)])?; }
    /// run.finish()?;
    /// let before = store.select().run("old").chart(500)?;
    /// let done = store.thin(&Thin::new().run("old"))?;
    /// assert_eq!((done.series, done.points), (1, 50_000));
    /// assert!(done.kept < 4_000);
    /// assert_eq!(store.select().run("old").summaries()?[0].1.count, 50_000);
    /// assert_eq!(store.select().run("old").chart(500)?[0].1.buckets.len(), before[0].1.buckets.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` where no runs are chosen, for a wrong pattern, or for no buckets; `NotFound` where a run that is named is not
    /// there; `Busy` where a process still writes to it, or where another one flushes or compacts for more than a minute;
    /// `Corrupt` where a part that is needed is damaged; `Full` where points that have to be merged are beyond the memory
    /// option, or the disk is full. Then no run is thinned.
    pub fn thin(&self, what: &Thin) -> Result<ThinStats> {
        self.thin_with(what, &|_, _| {})
    }

    /// As [`thin`](Self::thin); `progress` is told points looked at and points in all.
    ///
    /// # Errors
    /// As [`thin`](Self::thin).
    pub fn thin_with(&self, what: &Thin, progress: &dyn Fn(u64, u64)) -> Result<ThinStats> {
        let inner = self.writable()?;
        what.check()?;
        inner.seal()?;
        let _lock = inner.lock_waiting()?;
        let flushed = flush_all(inner, inner.pool()?, &|_| {})?;
        let thinned = thin(inner, &Snapshot::take(inner)?, what, progress);
        inner.collect(0)?;
        Ok(ThinStats { flushed: flushed.points, ..thinned? })
    }

    /// What [`thin`](Self::thin) would do with what is in parts by now; nothing is changed, and nothing flushed.
    ///
    /// # Errors
    /// As [`thin`](Self::thin).
    pub fn thin_dry_run(&self, what: &Thin, progress: &dyn Fn(u64, u64)) -> Result<ThinStats> {
        what.check()?;
        let inner = self.inner()?;
        let snapshot = Snapshot::take(inner)?;
        Ok(Thinning::of(inner, &snapshot, what)?.outline(None, progress)?.stats)
    }
}

/// The caller holds the store's lock, and the snapshot is of the newest version.
fn thin(inner: &Inner, snapshot: &Snapshot, what: &Thin, progress: &dyn Fn(u64, u64)) -> Result<ThinStats> {
    let mut made = ThinnedParts::new(inner);
    let done = Thinning::of(inner, snapshot, what)?.outline(Some(&mut made), progress)?;
    if done.stats.series > 0 {
        publish(inner, snapshot, &done, made)?;
    }
    Ok(done.stats)
}

/// What is to be thinned.
struct Thinning<'a> {
    inner: &'a Inner,
    snapshot: &'a Snapshot,
    outliner: Outliner<'a>,
    series: Vec<(SeriesKey, Vec<RowRef>)>,
    hides: HashMap<&'a str, Arc<Hides>>,
    runs_running: u64,
}

/// What was thinned.
#[derive(Default)]
struct Done {
    stats: ThinStats,
    /// By the place of the part in the snapshot.
    removed: BTreeMap<u32, Removed>,
    /// Series of thinned parts that are replaced, by the place of the part.
    replaced: BTreeMap<u32, HashSet<SeriesKey>>,
    /// What the new outlines come to.
    account: Account,
}

impl<'a> Thinning<'a> {
    fn of(inner: &'a Inner, snapshot: &'a Snapshot, what: &Thin) -> Result<Thinning<'a>> {
        let view = &snapshot.view;
        let (runs, runs_running) = what.chosen(snapshot)?;
        for (meta, error) in &view.broken {
            let held = meta.run_min.clone()..=meta.run_max.clone();
            if runs.range(held).next().is_some() {
                return Err(error.duplicate());
            }
        }
        let live: HashSet<_> = view.version.manifest.parts.iter().map(|m| m.id).collect();
        let mut found: BTreeMap<SeriesKey, Vec<RowRef>> = BTreeMap::new();
        let at = |n: usize| u32::try_from(n).expect("parts and their series are counted in u32");
        for (p, part) in view.parts.iter().enumerate().filter(|(_, part)| live.contains(&part.meta().id)) {
            let table = part.series();
            for (r, row) in table.entries().iter().enumerate() {
                if runs.contains(&**table.run(row)) {
                    found.entry(table.key(row)).or_default().push(RowRef { part: at(p), row: at(r) });
                }
            }
        }
        let hides = view.runs.iter().filter(|(id, _)| runs.contains(id.as_str()));
        let hides = hides.filter_map(|(id, record)| Some((id.as_str(), Hides::of(record, false)?))).collect();
        let outliner = Outliner {
            parts: &view.parts,
            buckets: what.buckets,
            bucket_points: what.bucket_points,
            memory_bytes: inner.options.memory_bytes,
        };
        Ok(Thinning { inner, snapshot, outliner, series: found.into_iter().collect(), hides, runs_running })
    }

    /// Makes the outlines, and writes them where `made` says where to.
    fn outline(&self, mut made: Option<&mut ThinnedParts<'_>>, progress: &dyn Fn(u64, u64)) -> Result<Done> {
        let mut done = Done::default();
        done.stats.runs_running = self.runs_running;
        let pool = self.inner.pool()?;
        let parts = &self.snapshot.view.parts;
        let rows = |rows: &[RowRef]| rows.iter().map(|r| u64::from(r.of(parts).rows)).sum::<u64>();
        let total = self.series.iter().map(|(_, r)| rows(r)).sum();
        let mut looked_at = 0;
        let mut runs: BTreeSet<Arc<str>> = BTreeSet::new();
        for window in self.series.chunks(pool.current_num_threads().max(1)) {
            let outline = |(key, rows): &(SeriesKey, Vec<RowRef>)| {
                self.outliner.outline(key, rows, self.hides.get(&*key.run).map(|h| &**h))
            };
            let outcomes: Vec<Outcome> =
                pool.install(|| window.par_iter().map(outline).collect::<Result<_>>())?;
            for (outcome, (_, of)) in outcomes.into_iter().zip(window) {
                looked_at += rows(of);
                match outcome {
                    Outcome::Nothing => {}
                    Outcome::NoGain => done.stats.series_small += 1,
                    Outcome::Mixed => done.stats.series_mixed += 1,
                    Outcome::Thinned(outlined) => {
                        runs.insert(outlined.series.key.run.clone());
                        let series = done.note(*outlined);
                        if let Some(made) = &mut made {
                            made.push(series)?;
                        }
                    }
                }
            }
            progress(looked_at, total);
        }
        done.stats.runs = runs.len() as u64;
        Ok(done)
    }
}

impl Done {
    fn note(&mut self, outlined: Outlined) -> Thinned {
        let Outlined { series, read, replaced, dropped } = outlined;
        let account = series.account();
        self.account.add(account);
        self.stats.series += 1;
        self.stats.points += account.points;
        self.stats.kept += account.rows;
        self.stats.dropped += dropped;
        for one in read {
            let removed = self.removed.entry(one.part).or_default();
            removed.series.insert(series.key.clone());
            removed.points += one.points;
            removed.bits = removed.bits.wrapping_add(one.bits);
        }
        for row in replaced {
            self.replaced.entry(row.part).or_default().insert(series.key.clone());
        }
        series
    }
}

/// Publishes the version in which outlines stand for their series.
fn publish(inner: &Inner, snapshot: &Snapshot, done: &Done, mut made: ThinnedParts<'_>) -> Result<()> {
    let parts = &snapshot.view.parts;
    let mut next = snapshot.view.version.manifest.clone();
    let mut expected = done.account;
    for (&place, series) in &done.replaced {
        let part = &parts[place as usize];
        let out = made.carry(part, &|row| series.contains(&row.key))?;
        expected.add(Account::of(std::slice::from_ref(part.meta())));
        expected.take_off(out);
        next.parts.retain(|p| p.id != part.meta().id);
    }
    let thinned = made.finish()?;
    if Account::of(&thinned) != expected {
        return Err(Error::new(
            ErrorKind::Corrupt,
            "thin",
            "what came out is not what the outlines stand for",
            "nothing was changed; run `tidalite verify`",
        ));
    }
    let gone = deleted(inner, &next)?;
    for (&place, removed) in &done.removed {
        carry_others(inner, &parts[place as usize], removed, &gone, &mut next.parts)?;
    }
    next.parts.extend(thinned);
    sync_part_folders(inner)?;
    publish_version(inner, next)
}

/// Puts a part without the series that were thinned in the place of the part that had them.
fn carry_others(
    inner: &Inner,
    part: &Part,
    removed: &Removed,
    deleted: &Deleted,
    parts: &mut Vec<PartMeta>,
) -> Result<()> {
    let Some(at) = parts.iter().position(|p| p.id == part.meta().id) else { return Ok(()) };
    let input = std::slice::from_ref(part.meta());
    let (output, _) = merge_parts(inner, input, deleted, removed, inner.pool()?, &|_, _| {})?;
    parts.splice(at..=at, output);
    Ok(())
}
