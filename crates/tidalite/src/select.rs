//! Selections: which points, and what is asked of them. Answers of a kind of their own are in `group.rs`, `draw.rs`,
//! `band.rs` and `align.rs`; what an answer was made from is told by `explain.rs`.

use crate::explain::Meter;
use crate::having::Having;
use crate::lineage::History;
use crate::plan::{Plan, Rules};
use crate::planner::{Planner, Plans};
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::stretch::{Grain, Stretch};
use crate::threads;
use crate::transformed::Shaping;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use std::collections::VecDeque;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;
use tidalite_model::{Bounds, Error, ErrorKind, Result, SeriesKey, Summary};
use tidalite_parts::ColumnSet;
use tidalite_query::{
    Aggregate, Compare, LabelMatcher, NameMatcher, PointFilter, Points, PointsBuilder, Repeats, RunFilter,
    SeriesFilter, Transform, points_schema,
};

/// A selection of points: by run, metric, labels, and half-open ranges of step, time and value. Nothing is read before an
/// answer is asked for; each answer sees one snapshot.
///
/// ```
/// use tidalite::{Aggregate, By, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("metrics"))?;
/// # let run = store.run("a").start()?;
/// # for step in 0..100 { run.log(step, &[("loss", 1.0 / (step + 1) as f64)])?; }
/// let table = store.select().metrics("loss*").steps(10..20).aggregate(&[Aggregate::Min, Aggregate::Mean], &[By::Run])?;
/// assert_eq!(table.num_rows(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a selection reads nothing until it is asked for an answer"]
pub struct Select {
    of: Of,
    runs: Vec<String>,
    metrics: Vec<String>,
    runs_regex: Vec<String>,
    metrics_regex: Vec<String>,
    labels: Vec<(String, String)>,
    run_filter: Option<RunFilter>,
    having: Vec<Having>,
    filter: PointFilter,
    rules: Rules,
    pub(crate) transforms: Vec<Transform>,
    /// Where what is read is counted, for an answer that is to be explained.
    meter: Option<Arc<Meter>>,
}

#[derive(Debug, Clone)]
enum Of {
    Store(Store),
    Snapshot(Snapshot),
}

impl Snapshot {
    /// A selection over this snapshot.
    pub fn select(&self) -> Select {
        Select::of(Of::Snapshot(self.clone()))
    }

    /// The greatest step of a run, over all its series of such metrics.
    pub(crate) fn step_max(&self, run: &str, of: impl Fn(&str) -> bool) -> Result<Option<i64>> {
        let mut max = None;
        self.select().run(run).each_summary(&mut |key, summary| {
            if of(&key.metric) {
                max = max.max(summary.last.map(|last| last.step));
            }
        })?;
        Ok(max)
    }
}

impl Select {
    pub(crate) fn of_store(store: Store) -> Select {
        Select::of(Of::Store(store))
    }

    fn of(of: Of) -> Select {
        let (filter, rules) = (PointFilter::default(), Rules::default());
        Select {
            of,
            runs: Vec::new(),
            metrics: Vec::new(),
            runs_regex: Vec::new(),
            metrics_regex: Vec::new(),
            labels: Vec::new(),
            run_filter: None,
            having: Vec::new(),
            filter,
            rules,
            transforms: Vec::new(),
            meter: None,
        }
    }

    /// Of this run alone; given several times, of any of them.
    pub fn run(mut self, id: impl Into<String>) -> Self {
        self.runs.push(escape(&id.into()));
        self
    }

    /// Of runs whose id matches a pattern (`*` any text, `?` one character, `[ab]`, `{a,b}`); given several times,
    /// any of them.
    pub fn runs(mut self, pattern: impl Into<String>) -> Self {
        self.runs.push(pattern.into());
        self
    }

    /// Of this metric alone; given several times, of any of them.
    pub fn metric(mut self, name: impl Into<String>) -> Self {
        self.metrics.push(escape(&name.into()));
        self
    }

    /// Of metrics whose name matches a pattern, as for [`runs`](Self::runs).
    pub fn metrics(mut self, pattern: impl Into<String>) -> Self {
        self.metrics.push(pattern.into());
        self
    }

    /// Of runs in whose id a [regular expression](https://docs.rs/regex/latest/regex/#syntax) matches anywhere; `^` and `$`
    /// bind it to the ends. With [`runs`](Self::runs), of any of them.
    pub fn runs_regex(mut self, regex: impl Into<String>) -> Self {
        self.runs_regex.push(regex.into());
        self
    }

    /// Of metrics in whose name a regular expression matches anywhere, as for [`runs_regex`](Self::runs_regex).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// run.log(0, &[("layer1/norm", 1.0), ("layer20/norm", 1.0), ("layer/bias", 1.0)])?;
    /// assert_eq!(store.select().metrics_regex(r"^layer\d+/").summaries()?.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn metrics_regex(mut self, regex: impl Into<String>) -> Self {
        self.metrics_regex.push(regex.into());
        self
    }

    /// Of series that carry this label; the value may be a pattern. Given several times, all must match.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((key.into(), value.into()));
        self
    }

    /// Of runs that a filter takes, written as text; given several times, all must. See [`RunFilter`] for what there
    /// is to write. No other run has any part in any answer.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for lr in [0.1, 0.01] {
    ///     let run = store.run(format!("lr-{lr}")).param("lr", lr).start()?;
    ///     run.log(0, &[("loss", 1.0)])?;
    /// }
    /// let select = store.select().filter("params.lr > 0.05 and status = \"finished\"")?;
    /// assert_eq!(select.points()?.collect()?.num_rows(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` where the text is no filter; the message says at which column.
    pub fn filter(self, text: &str) -> Result<Self> {
        Ok(self.runs_where(RunFilter::parse(text)?))
    }

    /// Of runs that a filter takes; given several times, all must.
    pub fn runs_where(mut self, filter: RunFilter) -> Self {
        self.run_filter = Some(match self.run_filter.take() {
            None => filter,
            Some(before) => before.and(filter),
        });
        self
    }

    /// Of series of which an aggregate over all their points at `steps` compares so with `value`; given several times,
    /// all must. What else the selection says of steps, times and values has no bearing on it, nor have transforms; the
    /// rule for repeats does. A series that has nothing of what is aggregated, such as a finite value for `max`, is not among them; its
    /// `count` is 0. Times are compared in µs since 1970 UTC.
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
        self.having.push(Having { aggregate, compare, value, steps: half_open(&steps) });
        self
    }

    /// Of steps in a range, such as `100..200`.
    pub fn steps(mut self, range: impl RangeBounds<i64>) -> Self {
        self.filter.steps = half_open(&range);
        self
    }

    /// Of times in a range, µs since 1970 UTC.
    pub fn times_us(mut self, range: impl RangeBounds<i64>) -> Self {
        self.filter.times_us = half_open(&range);
        self
    }

    /// Of values v with lo ≤ v < hi; NaN never is.
    pub fn values(mut self, lo: impl Into<Option<f64>>, hi: impl Into<Option<f64>>) -> Self {
        self.filter.values = Bounds { lo: lo.into(), hi: hi.into() };
        self
    }

    /// Which of several points of one step count; the newest by default.
    pub fn repeats(mut self, repeats: Repeats) -> Self {
        self.rules.repeats = repeats;
        self
    }

    /// What is read of the history that a run took over where it was forked from another; by default the parent's points
    /// up to and including the step of the fork, and the parent's parent's in turn, under the run's own id. What was
    /// written to the run itself counts as written later. A run that said no step took nothing over.
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

    /// Whether points are seen that a [`rewind`](crate::Run::rewind) hid; by default they are not. They lie at steps that
    /// were written again, mostly, so [`Repeats::All`] shows both. What was deleted is never seen.
    pub fn hidden(mut self, seen: bool) -> Self {
        self.rules.hidden = seen;
        self
    }

    /// The points, as Arrow batches ordered by run, metric, labels, step. Columns: `run`, `metric`, `labels` (dictionary
    /// text), `step` (int64), `time` (timestamp, µs, UTC), `value` (float64).
    ///
    /// # Errors
    /// `Invalid` for a wrong pattern; `Corrupt` where a part that is needed is damaged; `Full` beyond the memory option.
    pub fn points(&self) -> Result<PointStream> {
        let mut plans = self.plans()?;
        let plan = plans.next().unwrap_or_else(|| self.plan())?.split_long_series().begun()?;
        let batches = plan.batches().into();
        Ok(PointStream { plans, plan, batches, ready: VecDeque::new() })
    }

    /// The last point of each series, by step; columns as for [`points`](Self::points).
    ///
    /// # Errors
    /// As [`points`](Self::points).
    pub fn latest(&self) -> Result<RecordBatch> {
        let mut builder = PointsBuilder::new();
        self.each_summary(&mut |key, summary| {
            let Some(last) = summary.last else { return };
            let mut point = Points::default();
            point.push(last.step, 0, last.time_us, last.value);
            builder.push_series(&key, point);
        })?;
        one_batch(builder.finish())
    }

    /// What each series sums up to: count, extremes, mean, first and last point. Ordered by series.
    ///
    /// # Errors
    /// As [`points`](Self::points).
    pub fn summaries(&self) -> Result<Vec<(SeriesKey, Summary)>> {
        let mut found = Vec::new();
        self.each_summary(&mut |key, summary| found.push((key, summary)))?;
        Ok(found)
    }

    /// Hands over what each series sums up to, in order.
    fn each_summary(&self, take: &mut dyn FnMut(SeriesKey, Summary)) -> Result<()> {
        let columns = ColumnSet { step: true, seq: false, time: true, value: true };
        // The one that the next piece of a long series may go on with.
        let mut open: Option<(SeriesKey, Summary)> = None;
        for plan in self.plans()? {
            let plan = plan?.split_long_series().begun()?;
            let of_batch = |batch: &Range<usize>| -> Result<Vec<(SeriesKey, Summary)>> {
                let stretches = plan.stretches(batch.clone(), columns, &|_| Grain::whole(), false)?;
                let series = plan.series[batch.clone()].iter().map(|planned| planned.key.clone());
                let summed = series.zip(stretches.into_iter().map(sum_up));
                Ok(summed.filter(|(_, s)| s.count > 0).collect())
            };
            let found = threads::each(&plan.snapshot.inner, &plan.batches(), of_batch)?;
            for (key, summary) in found.into_iter().flatten() {
                match &mut open {
                    Some((last, total)) if *last == key => total.merge(&summary),
                    _ => {
                        if let Some((key, total)) = open.replace((key, summary)) {
                            take(key, total);
                        }
                    }
                }
            }
        }
        if let Some((key, total)) = open {
            take(key, total);
        }
        Ok(())
    }

    /// Which series are meant, in a snapshot: which runs a filter takes is known of that alone.
    pub(crate) fn series_filter(&self, snapshot: &Snapshot) -> Result<SeriesFilter> {
        let named = matcher(&self.runs, &self.runs_regex)?;
        let runs = match &self.run_filter {
            None => named,
            Some(filter) => {
                let taken = snapshot.runs_where(filter).into_iter().map(|r| r.id);
                NameMatcher::exact(taken.filter(|id| named.is_match(id)))
            }
        };
        let metrics = matcher(&self.metrics, &self.metrics_regex)?;
        Ok(SeriesFilter { runs, metrics, labels: self.label_matcher()? })
    }

    /// Refuses wrong patterns, before anything is read.
    pub(crate) fn check_names(&self) -> Result<()> {
        matcher(&self.runs, &self.runs_regex)?;
        matcher(&self.metrics, &self.metrics_regex)?;
        self.label_matcher().map(|_| ())
    }

    fn label_matcher(&self) -> Result<LabelMatcher> {
        LabelMatcher::new(self.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())))
    }

    /// Whether rewound points are seen.
    pub(crate) fn sees_hidden(&self) -> bool {
        self.rules.hidden
    }

    pub(crate) fn point_filter(&self) -> &PointFilter {
        &self.filter
    }

    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        match &self.of {
            Of::Store(store) => store.snapshot(),
            Of::Snapshot(snapshot) => Ok(snapshot.clone()),
        }
    }

    /// The same selection, of which each answer is counted.
    pub(crate) fn metered(self, meter: Arc<Meter>) -> Select {
        Select { meter: Some(meter), ..self }
    }

    /// The same selection over one snapshot, for an answer that reads more than once.
    pub(crate) fn fixed(&self) -> Result<Select> {
        Ok(Select { of: Of::Snapshot(self.snapshot()?), ..self.clone() })
    }

    /// One plan of all series, for answers that hold something of each anyway.
    pub(crate) fn plan(&self) -> Result<Plan> {
        self.planning()?.whole()
    }

    /// Plans of so many series each as may be in memory at once; one where there are no more.
    pub(crate) fn plans(&self) -> Result<Plans> {
        let mut plans = self.planning()?;
        plans.spans = plans.planner.spans().into();
        Ok(plans)
    }

    fn planning(&self) -> Result<Plans> {
        let snapshot = self.snapshot()?;
        let wanted = self.series_filter(&snapshot)?;
        let shaping = Shaping::of(&self.transforms, self.filter);
        let reads = shaping.as_ref().map_or(self.filter, Shaping::reads);
        let meter = self.meter.clone().unwrap_or_default();
        let planner = Planner::new(snapshot.view.clone(), wanted, reads, self.rules)?;
        let all = || Select { of: Of::Snapshot(snapshot.clone()), having: Vec::new(), ..self.clone() };
        let having = self.having.iter().map(|having| having.over(&all())).collect::<Result<_>>()?;
        Ok(Plans {
            snapshot,
            planner,
            spans: VecDeque::new(),
            having,
            shaping,
            meter,
            planned: 0,
            thinned: 0,
        })
    }

    /// Without a selection of points: these series as they were written, all their points at some steps.
    pub(crate) fn whole_at(&self, steps: Bounds<i64>) -> Select {
        let filter = PointFilter { steps, ..PointFilter::default() };
        Select { filter, transforms: Vec::new(), ..self.clone() }
    }

    /// Of the same runs another metric, as it was written, all its points.
    pub(crate) fn of_metric(&self, name: &str) -> Select {
        Select {
            metrics: vec![escape(name)],
            metrics_regex: Vec::new(),
            labels: Vec::new(),
            having: Vec::new(),
            ..self.whole_at(Bounds::default())
        }
    }

    /// Whether series are answered as something is made of them.
    pub(crate) fn has_transforms(&self) -> bool {
        !self.transforms.is_empty()
    }

    /// Whether series are chosen by what they hold.
    pub(crate) fn has_having(&self) -> bool {
        !self.having.is_empty()
    }
}

fn sum_up(stretches: Vec<Stretch>) -> Summary {
    let mut total = Summary::default();
    for stretch in stretches {
        match stretch {
            Stretch::Summed(summary) => total.merge(&summary),
            Stretch::Points(points) => (0..points.len()).for_each(|i| total.push(points.view().point(i))),
        }
    }
    total
}

fn matcher(patterns: &[String], regexes: &[String]) -> Result<NameMatcher> {
    if patterns.is_empty() && regexes.is_empty() {
        return Ok(NameMatcher::all());
    }
    NameMatcher::with_regexes(patterns, regexes)
}

/// The pattern that matches a name alone, whatever signs are in it.
///
/// ```
/// assert_eq!(tidalite::escape("layers[0]/norm"), r"layers\[0\]/norm");
/// ```
pub fn escape(name: &str) -> String {
    let mut pattern = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | ',' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// A range as [lo, hi). An inclusive end at the greatest integer is the same as no end.
fn half_open(range: &impl RangeBounds<i64>) -> Bounds<i64> {
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
    Bounds { lo, hi }
}

/// Batches of one schema as one; the empty batch where there are none.
pub(crate) fn one_batch(batches: Vec<RecordBatch>) -> Result<RecordBatch> {
    concat_batches(&points_schema(), &batches).map_err(|e| {
        Error::new(ErrorKind::Full, "gather points", e.to_string(), "take the batches one by one")
    })
}

/// The points of a selection, batch by batch; memory stays bounded however many there are.
#[derive(Debug)]
pub struct PointStream {
    /// Those that follow.
    plans: Plans,
    plan: Plan,
    batches: VecDeque<Range<usize>>,
    ready: VecDeque<RecordBatch>,
}

impl PointStream {
    /// The batches' schema.
    pub fn schema(&self) -> SchemaRef {
        points_schema()
    }

    /// All batches as one.
    ///
    /// # Errors
    /// As the batches; `Full` where one batch cannot hold them.
    pub fn collect(self) -> Result<RecordBatch> {
        let batches: Vec<RecordBatch> = Iterator::collect::<Result<_>>(self)?;
        one_batch(batches)
    }

    /// To the next plan, where there is one.
    fn go_on(&mut self) -> Option<Result<()>> {
        let plan = self.plans.next()?.and_then(|plan| plan.split_long_series().begun());
        Some(plan.map(|plan| {
            self.batches = plan.batches().into();
            self.plan = plan;
        }))
    }

    fn round(&mut self) -> Result<()> {
        let inner = self.plan.snapshot.inner.clone();
        let count = inner.options.threads.clamp(1, self.batches.len().max(1));
        let round: Vec<Range<usize>> = self.batches.drain(..count.min(self.batches.len())).collect();
        let plan = &self.plan;
        let made = threads::each(&inner, &round, |batch| {
            let points = plan.load(batch.clone(), ColumnSet::ALL)?;
            let mut builder = PointsBuilder::new();
            for (planned, points) in plan.series[batch.clone()].iter().zip(points) {
                builder.push_series(&planned.key, points);
            }
            Ok(builder.finish())
        })?;
        self.ready.extend(made.into_iter().flatten());
        Ok(())
    }
}

impl Iterator for PointStream {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() {
            let done = match self.batches.is_empty() {
                true => self.go_on()?,
                false => self.round(),
            };
            if let Err(e) = done {
                self.batches.clear();
                self.plans.spans.clear();
                return Some(Err(e));
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
