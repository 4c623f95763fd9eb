//! Which points are selected: runs, metrics, labels, ranges, and the rules for which points count.

use super::exclusions::Exclusions;
use crate::engine::on_damage::{DamageReport, OnDamage};
use crate::engine::store::Store;
use crate::parts::meter::Meter;
use crate::plan::series::Rules;
use crate::plan::shaping::MetRates;
use crate::view::lineage::History;
use crate::view::snapshot::Snapshot;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use tidalite_model::{Bounds, Result, StepRange};
use tidalite_query::{Aggregate, Compare, Pattern, PointFilter, Repeats, RunFilter, Transform};

/// A selection of points: by run, metric, labels, and half-open ranges of step, time and value. Nothing is read
/// before an answer is asked for; each answer sees one snapshot.
///
/// ```
/// use tidalite::{Aggregate, By, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("metrics"))?;
/// # let run = store.run("a").start()?;
/// # for step in 0..100 { run.log(step, &[("loss", 1.0 / (step + 1) as f64)])?; }
/// let losses = store.select().metrics("loss*").steps(10..20);
/// let table = losses.aggregate(&[Aggregate::Min, Aggregate::Mean], &[By::Run])?;
/// assert_eq!(table.num_rows(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a selection reads nothing until it is asked for an answer"]
pub struct Selection {
    of: SelectionOf,
    pub(super) runs: Vec<Pattern>,
    pub(super) metrics: Vec<Pattern>,
    pub(super) labels: Vec<(String, Pattern)>,
    pub(super) excluded: Exclusions,
    pub(super) run_filter: Option<RunFilter>,
    pub(super) having: Vec<SeriesCondition>,
    pub(super) filter: PointFilter,
    pub(super) rules: Rules,
    pub(super) transforms: Vec<Transform>,
    /// Counts what rates met.
    pub(super) rates: MetRates,
    /// Takes only points with automatic steps, or only others; exports use it.
    pub(super) automatic: Option<bool>,
    /// Counts what is read, for an answer that is explained.
    pub(super) meter: Option<Arc<Meter>>,
    /// What answers do about damage.
    pub(super) damage: DamageReport,
}

#[derive(Debug, Clone)]
enum SelectionOf {
    Store(Store),
    Snapshot(Snapshot),
}

impl Store {
    /// A selection over what the store holds at the time of each answer; see [`Selection`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// run.log(0, &[("loss", 1.0), ("acc", 0.5)])?;
    /// let losses = store.select().metric("loss");
    /// assert_eq!(losses.points()?.collect()?.num_rows(), 1);
    /// run.log(1, &[("loss", 0.5)])?;
    /// assert_eq!(losses.points()?.collect()?.num_rows(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn select(&self) -> Selection {
        Selection::of(SelectionOf::Store(self.clone()), OnDamage::Error)
    }
}

impl Snapshot {
    /// A selection over this snapshot.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// run.log(0, &[("loss", 1.0)])?;
    /// let snapshot = store.snapshot()?;
    /// run.log(1, &[("loss", 0.5)])?;
    /// assert_eq!(snapshot.select().points()?.collect()?.num_rows(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn select(&self) -> Selection {
        Selection::of(SelectionOf::Snapshot(self.clone()), self.view.on_damage)
    }

    /// A selection for work of the engine that damage does not affect: its answers leave out what cannot be read.
    pub(super) fn select_the_rest(&self) -> Selection {
        Selection::of(SelectionOf::Snapshot(self.clone()), OnDamage::Report)
    }
}

impl Selection {
    fn of(of: SelectionOf, on_damage: OnDamage) -> Selection {
        let (filter, rules) = (PointFilter::default(), Rules::default());
        Selection {
            of,
            runs: Vec::new(),
            metrics: Vec::new(),
            labels: Vec::new(),
            excluded: Exclusions::default(),
            run_filter: None,
            automatic: None,
            having: Vec::new(),
            filter,
            rules,
            transforms: Vec::new(),
            rates: MetRates::default(),
            meter: None,
            damage: DamageReport::new(on_damage),
        }
    }

    /// Selects this run; given several times, any of them.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # for id in ["lr-1", "lr-2", "wd-1"] { store.run(id).start()?.log(0, &[("loss", 1.0)])?; }
    /// assert_eq!(store.select().run("lr-1").run("wd-1").summaries()?.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run(self, id: impl Into<String>) -> Self {
        self.runs(Pattern::exact(id))
    }

    /// Selects runs by their id; given several times, any of them. A text is the id of a run that exists, and
    /// otherwise a glob (`*` any text, `?` one character, `[ab]`, `{a,b}`). [`Pattern`] has explicit forms, and
    /// regular expressions.
    ///
    /// A run exists if [`Snapshot::runs`] lists it, a metric or label if any point that is not deleted bears it,
    /// whatever else is selected. Each answer decides by its own snapshot, and each poll of a follower by the snapshot
    /// of the poll.
    ///
    /// ```
    /// use tidalite::Pattern;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for id in ["sweep[1]", "sweep1"] { store.run(id).start()?.log(0, &[("loss", 1.0)])?; }
    /// let ids = |pattern: Pattern| Ok::<_, tidalite::Error>(store.snapshot()?.runs_matching(pattern)?[0].id.clone());
    /// assert_eq!(ids("sweep[1]".into())?, "sweep[1]");
    /// assert_eq!(ids(Pattern::glob("sweep[1]"))?, "sweep1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn runs(mut self, pattern: impl Into<Pattern>) -> Self {
        self.runs.push(pattern.into());
        self
    }

    /// Selects this metric; given several times, any of them.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # run.log(0, &[("loss", 1.0), ("val/loss", 2.0), ("val/acc", 0.5)])?;
    /// assert_eq!(store.select().metric("loss").metric("val/loss").summaries()?.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn metric(self, name: impl Into<String>) -> Self {
        self.metrics(Pattern::exact(name))
    }

    /// Selects metrics by their name, as [`runs`](Self::runs) does by id.
    ///
    /// ```
    /// use tidalite::Pattern;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// run.log(0, &[("layer1/norm", 1.0), ("layer20/norm", 1.0), ("layer/bias", 1.0)])?;
    /// assert_eq!(store.select().metrics("*/norm").summaries()?.len(), 2);
    /// assert_eq!(store.select().metrics(Pattern::regex(r"^layer\d+/")).summaries()?.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn metrics(mut self, pattern: impl Into<Pattern>) -> Self {
        self.metrics.push(pattern.into());
        self
    }

    /// Selects series with this label; the value is taken as [`runs`](Self::runs) takes an id. Given several times for
    /// one key, any of the values; each key must match.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for rank in ["0", "1", "2"] {
    ///     store.run("a").label("rank", rank).start()?.log(0, &[("loss", 1.0)])?;
    /// }
    /// assert_eq!(store.select().label("rank", "0").label("rank", "2").summaries()?.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn label(mut self, key: impl Into<String>, value: impl Into<Pattern>) -> Self {
        self.labels.push((key.into(), value.into()));
        self
    }

    /// Selects the runs that a filter matches; given several times, all must match. [`RunFilter`] lists what a filter
    /// may say; it is built, or parsed from text.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for lr in [0.1, 0.01] {
    ///     let run = store.run(format!("lr-{lr}")).param("lr", lr).start()?;
    ///     run.log(0, &[("loss", 1.0)])?;
    /// }
    /// let select = store.select().where_runs("params.lr > 0.05 and status = \"finished\"".parse()?);
    /// assert_eq!(select.points()?.collect()?.num_rows(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn where_runs(mut self, filter: RunFilter) -> Self {
        self.run_filter = Some(match self.run_filter.take() {
            None => filter,
            Some(before) => before.and(filter),
        });
        self
    }

    /// Selects series where an aggregate over all their points at `steps` compares with `value` as given; given
    /// several times, all conditions must hold. The selection's ranges and transforms do not affect it; its rules for
    /// repeats, history and hidden points do. A series without anything to aggregate, such as a finite value for
    /// `max`, is not selected; a count of nothing is 0. Times are compared in µs since 1970 UTC.
    ///
    /// ```
    /// use tidalite::{Aggregate, Compare};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for top in [3, 30] {
    ///     let run = store.run(format!("to-{top}")).start()?;
    ///     for step in 0..top { run.log(step, &[("loss", step as f64)])?; }
    /// }
    /// let tall = store.select().having(Aggregate::Max, Compare::Greater, 10.0, 5..);
    /// assert_eq!(tall.summaries()?.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn having(
        mut self,
        aggregate: Aggregate,
        compare: Compare,
        value: f64,
        steps: impl RangeBounds<i64>,
    ) -> Self {
        self.having.push(SeriesCondition { aggregate, compare, value, steps: half_open(&steps) });
        self
    }

    /// Selects steps in a range, such as `100..200`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10 { run.log(step, &[("loss", 1.0)])?; }
    /// assert_eq!(store.select().steps(3..6).points()?.collect()?.num_rows(), 3);
    /// assert_eq!(store.select().steps(3..).points()?.collect()?.num_rows(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn steps(mut self, range: impl RangeBounds<i64>) -> Self {
        self.filter.steps = half_open(&range);
        self
    }

    /// Selects times in a range, in µs since 1970 UTC.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// for step in 0..10 {
    ///     run.log_at(&tidalite::RowAt::step(step).time_us(step * 1_000_000), &[("loss", 1.0)])?;
    /// }
    /// assert_eq!(store.select().times_us(3_000_000..6_000_000).points()?.collect()?.num_rows(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn times_us(mut self, range: impl RangeBounds<i64>) -> Self {
        self.filter.times_us = half_open(&range);
        self
    }

    /// Selects values v with lo ≤ v < hi; either bound excludes NaN.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// for (step, loss) in [(0, 2.0), (1, 0.5), (2, f64::NAN)] { run.log(step, &[("loss", loss)])?; }
    /// assert_eq!(store.select().values(None, 1.0).points()?.collect()?.num_rows(), 1);
    /// assert_eq!(store.select().values(None, None).points()?.collect()?.num_rows(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn values(mut self, lo: impl Into<Option<f64>>, hi: impl Into<Option<f64>>) -> Self {
        self.filter.values = Bounds { lo: lo.into(), hi: hi.into() };
        self
    }

    /// Which of several points of one step count; the newest by default.
    ///
    /// ```
    /// use tidalite::Repeats;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// for loss in [2.0, 1.5] { run.log(7, &[("loss", loss)])?; }
    /// assert_eq!(store.select().summaries()?[0].1.sum(), Some(1.5));
    /// assert_eq!(store.select().repeats(Repeats::First).summaries()?[0].1.sum(), Some(2.0));
    /// assert_eq!(store.select().repeats(Repeats::All).summaries()?[0].1.sum(), Some(3.5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn repeats(mut self, repeats: Repeats) -> Self {
        self.rules.repeats = repeats;
        self
    }

    /// Which history is read of a run that was forked from another. By default that is the parent's points up to and
    /// including the step of the fork, and the parent's parent's in turn, under the run's own id. Points written to
    /// the run itself count as written later. A run without a fork step inherits nothing.
    ///
    /// ```
    /// use tidalite::History;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let first = store.run("first").start()?;
    /// for step in 0..10 { first.log(step, &[("loss", 1.0)])?; }
    /// let fork = store.run("fork").parent("first", Some(4)).start()?;
    /// fork.log(5, &[("loss", 0.5)])?;
    /// let select = store.select().run("fork");
    /// assert_eq!(select.points()?.collect()?.num_rows(), 6);
    /// assert_eq!(select.history(History::Own).points()?.collect()?.num_rows(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn history(mut self, history: History) -> Self {
        self.rules.history = history;
        self
    }

    /// Whether points are seen that a [`rewind`](crate::Run::rewind) hid; by default they are not. Most of their steps
    /// were written again, so [`Repeats::All`] shows both points. Deleted points are never seen.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// for step in 0..10 { run.log(step, &[("loss", 1.0)])?; }
    /// run.rewind(4)?;
    /// assert_eq!(store.select().points()?.collect()?.num_rows(), 5);
    /// assert_eq!(store.select().include_rewound(true).points()?.collect()?.num_rows(), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn include_rewound(mut self, included: bool) -> Self {
        self.rules.hidden = included;
        self
    }

    /// The same selection, of which [`points`](Self::points) takes only points with automatic steps, or only others.
    pub(crate) fn with_steps(self, automatic: Option<bool>) -> Selection {
        Selection { automatic, ..self }
    }

    /// Whether rewound points are included.
    pub(crate) fn sees_hidden(&self) -> bool {
        self.rules.hidden
    }

    pub(crate) fn point_filter(&self) -> &PointFilter {
        &self.filter
    }

    /// The store whose newest rows it reads; `None` if it reads a snapshot.
    pub(crate) fn store(&self) -> Option<&Store> {
        match &self.of {
            SelectionOf::Store(store) => Some(store),
            SelectionOf::Snapshot(_) => None,
        }
    }

    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        match &self.of {
            SelectionOf::Store(store) => store.snapshot(),
            SelectionOf::Snapshot(snapshot) => Ok(snapshot.clone()),
        }
    }

    /// The same selection, with its reading counted.
    pub(crate) fn metered(self, meter: Arc<Meter>) -> Selection {
        Selection { meter: Some(meter), ..self }
    }

    /// The same selection over one snapshot, for an answer that reads more than once.
    pub(crate) fn fixed(&self) -> Result<Selection> {
        Ok(Selection { of: SelectionOf::Snapshot(self.snapshot()?), ..self.clone() })
    }

    /// The same selection over one snapshot, without conditions on what series hold.
    pub(super) fn without_conditions(&self, snapshot: &Snapshot) -> Selection {
        Selection { of: SelectionOf::Snapshot(snapshot.clone()), having: Vec::new(), ..self.clone() }
    }

    /// The same series as written, with all their points at some steps.
    pub(crate) fn whole_at(&self, steps: StepRange) -> Selection {
        let filter = PointFilter { steps, ..PointFilter::default() };
        Selection { filter, transforms: Vec::new(), ..self.clone() }
    }

    /// Another metric of the same runs as written, with all its points.
    pub(crate) fn of_metric(&self, name: &str) -> Selection {
        Selection {
            metrics: vec![Pattern::exact(name)],
            labels: Vec::new(),
            excluded: Exclusions::default(),
            having: Vec::new(),
            ..self.whole_at(StepRange::ALL)
        }
    }

    /// Whether series are transformed.
    pub(crate) fn has_transforms(&self) -> bool {
        !self.transforms.is_empty()
    }

    /// Whether series are chosen by what they hold.
    pub(crate) fn has_having(&self) -> bool {
        !self.having.is_empty()
    }
}

/// A condition on what series hold.
#[derive(Debug, Clone)]
pub(crate) struct SeriesCondition {
    pub(crate) aggregate: Aggregate,
    pub(crate) compare: Compare,
    pub(crate) value: f64,
    pub(crate) steps: StepRange,
}

/// A range as [lo, hi). An inclusive end at the greatest integer is the same as no end.
fn half_open(range: &impl RangeBounds<i64>) -> StepRange {
    let lo = match range.start_bound() {
        Bound::Included(&lo) => Some(lo),
        Bound::Excluded(&lo) => Some(lo.saturating_add(1)),
        Bound::Unbounded => None,
    };
    let hi = match range.end_bound() {
        Bound::Included(&hi) => hi.checked_add(1),
        Bound::Excluded(&hi) => Some(hi),
        Bound::Unbounded => None,
    };
    StepRange { lo, hi }
}
