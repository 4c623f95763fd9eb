//! Aggregation of what has been pushed so far: takes series and summaries, merges, and gives the result.
//!
//! Steps of a push: the names of the series are interned; its points, ascending by step, are cut into runs that lie
//! in one bucket, a block of runs at a time; each run's group is located and the run's state is folded into it.

use super::cuts::{BucketCuts, bucket_pair};
use super::directory::{BucketAxes, GroupDirectory, GroupKey};
use super::finish::result;
use super::names::texts_of;
use super::plan::GroupPlan;
use super::quantile::Samples;
use super::states::GroupStates;
use crate::points::{PointsView, Repeats, merge};
use arrow::record_batch::RecordBatch;
use std::ops::Range;
use std::sync::Arc;
use tidalite_model::{Result, SeriesKey, Summary};

/// The states of all groups so far. Made by [`Grouping::partial`](crate::Grouping::partial).
///
/// ```
/// use tidalite_model::{Labels, SeriesKey};
/// use tidalite_query::{Aggregate, By, Grouping, Points};
/// use arrow::array::{AsArray, types::{Float64Type, Int64Type}};
///
/// let grouping = Grouping::new(vec![By::Metric, By::StepBucket(10)], Aggregate::parse_list(&["mean", "max"])?)?;
/// let mut partial = grouping.partial();
/// let mut points = Points::default();
/// (0..20).for_each(|step| points.push(step, 0, 0, step as f64));
/// partial.push_series(&SeriesKey::new("run-1", "loss", Labels::none()), &points);
/// let batch = partial.finish()?;
/// assert_eq!(batch["step_bucket"].as_primitive::<Int64Type>().values(), &[0, 10]);
/// assert_eq!(batch["mean"].as_primitive::<Float64Type>().values(), &[4.5, 14.5]);
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug)]
pub struct Partial {
    pub(super) plan: Arc<GroupPlan>,
    pub(super) directory: GroupDirectory,
    pub(super) states: GroupStates,
    /// The series whose points are first or last in some group; a state refers to them by index.
    pub(super) series: Vec<SeriesKey>,
    /// The last series pushed and the number of its name set, since a series often comes in several pieces.
    pub(super) latest: Option<(SeriesKey, u32)>,
    pub(super) block: RunBlock,
}

/// Runs of points of one series, each in one bucket of each axis, and their states. It is kept to reuse its memory.
#[derive(Debug, Default)]
pub(super) struct RunBlock {
    runs: Vec<Range<usize>>,
    /// The buckets of each run; 0 on an axis without buckets.
    buckets: Vec<(i64, i64)>,
    /// The index of the state of each run's group.
    pub(super) groups: Vec<u32>,
    /// The state of each run by itself.
    pub(super) states: GroupStates,
}

/// Runs per block, at most: their columns fit the second-level cache.
pub(super) const BLOCK_RUNS: usize = 1024;

impl Partial {
    pub(crate) fn new(plan: Arc<GroupPlan>) -> Self {
        let axes = match (&plan.step_width, &plan.time_width) {
            (None, None) => BucketAxes::None,
            (Some(_), Some(_)) => BucketAxes::Two,
            _ => BucketAxes::One,
        };
        let states = GroupStates::new(plan.needs);
        let block = RunBlock { states: GroupStates::without_values(plan.needs), ..RunBlock::default() };
        let directory = GroupDirectory::new(plan.by.iter().filter(|b| b.is_name()).count(), axes);
        Partial { plan, directory, states, series: Vec::new(), latest: None, block }
    }

    /// Takes points of one series, whose repeats are resolved. A series may come in several pieces, as long as all
    /// points of one step come in one piece.
    ///
    /// Points that do not ascend by step are copied and sorted. Needs values, and steps and times where the
    /// [`Grouping`](crate::Grouping) says so; panics where these are missing.
    pub fn push_series<'a>(&mut self, key: &SeriesKey, points: impl Into<PointsView<'a>>) {
        self.push_points(key, points.into(), false);
    }

    /// Takes the outline that is left of points whose summary [`push_outlined`](Self::push_outlined) takes: for
    /// percentiles, and for the step of the first NaN, which an outline has. Otherwise as
    /// [`push_series`](Self::push_series).
    pub fn push_outline<'a>(&mut self, key: &SeriesKey, points: impl Into<PointsView<'a>>) {
        self.push_points(key, points.into(), true);
    }

    fn push_points(&mut self, key: &SeriesKey, points: PointsView<'_>, outline: bool) {
        if points.is_empty() {
            return;
        }
        let n = points.len();
        assert!(
            !self.plan.needs_steps() || points.steps.len() == n,
            "points come with their steps where these are needed"
        );
        assert!(
            !self.plan.needs_times() || points.times_us.len() == n,
            "points come with their times where these are needed"
        );
        let (names, series) = self.numbers_of(key);
        if self.plan.needs_steps() && !points.is_ascending() {
            let sorted = merge(vec![points.to_points()], Repeats::All);
            self.push_ascending(names, series, sorted.view(), outline);
        } else {
            self.push_ascending(names, series, points, outline);
        }
    }

    fn push_ascending(&mut self, names: u32, series: u32, points: PointsView<'_>, outline: bool) {
        let mut cuts = BucketCuts::of(&self.plan, points);
        while self.block.cut(&mut cuts) {
            if outline {
                self.block.states.set_to_outlines(points, &self.block.runs);
            } else {
                self.block.states.set_to_runs(points, &self.block.runs, series);
            }
            self.take_block(names);
            if self.plan.needs.samples || self.plan.needs.sketch {
                for (&state, run) in self.block.groups.iter().zip(&self.block.runs) {
                    self.states.sample(state as usize, &points.values[run.clone()]);
                }
            }
        }
    }

    /// Folds the states of the block into those of their groups.
    fn take_block(&mut self, names: u32) {
        let RunBlock { states, buckets, groups, .. } = &mut self.block;
        self.directory.locate_all(names, buckets, groups);
        self.states.take(states, groups, self.directory.len(), &self.series, 0);
    }

    /// Takes a summary instead of its points. Returns `false`, and takes nothing, where the points are needed: for
    /// percentiles, for the step of a NaN where there is one, and where the summary spans several buckets.
    ///
    /// The summary must be of points whose repeats are resolved, at steps that no other push of this series has.
    ///
    /// ```
    /// use tidalite_model::{Labels, Point, SeriesKey, Summary};
    /// use tidalite_query::{Aggregate, By, Grouping};
    /// let mut summary = Summary::default();
    /// (0..4).for_each(|step| summary.push(Point { step, time_us: 0, value: 1.0 }));
    /// let key = SeriesKey::new("run-1", "loss", Labels::none());
    /// let by_step = |width| Grouping::new(vec![By::StepBucket(width)], vec![Aggregate::Count]);
    /// assert!(by_step(4)?.partial().push_summary(&key, &summary));
    /// assert!(!by_step(2)?.partial().push_summary(&key, &summary));
    /// # Ok::<(), tidalite_model::Error>(())
    /// ```
    #[must_use = "where it is false, push the points instead"]
    pub fn push_summary(&mut self, key: &SeriesKey, summary: &Summary) -> bool {
        self.plan.takes_summary(summary) && self.push_outlined(key, summary)
    }

    /// As [`push_summary`](Self::push_summary), for a summary of points of which only an outline is left. The caller
    /// gives the outline to [`push_outline`](Self::push_outline) where [`push_summary`](Self::push_summary) would refuse
    /// the summary.
    #[must_use = "where it is false, push the points instead"]
    pub fn push_outlined(&mut self, key: &SeriesKey, summary: &Summary) -> bool {
        if summary.count == 0 {
            return true;
        }
        let Some((step, time)) = self.plan.bucket_of(summary) else { return false };
        let (names, series) = self.numbers_of(key);
        self.block.states.set_to_summary(summary, series);
        self.block.buckets.clear();
        self.block.buckets.push(bucket_pair(step, time));
        self.take_block(names);
        true
    }

    /// Takes everything that `other` took. Panics where it has another plan.
    pub fn merge(&mut self, mut other: Partial) {
        assert!(self.plan == other.plan, "only states of one plan merge");
        if self.groups() == 0 {
            *self = other;
            return;
        }
        let theirs = other.directory.names();
        let names: Vec<u32> = (0..theirs.len()).map(|set| self.directory.intern(theirs.texts(set))).collect();
        let keys_from = u32::try_from(self.series.len()).expect("memory ends before 2^32 series");
        self.series.append(&mut other.series);
        self.latest = None;
        let (mut all, mut found) = (Vec::with_capacity(other.groups()), Vec::new());
        let keys: Vec<GroupKey> = (0..other.groups()).map(|state| other.directory.key(state)).collect();
        for same in keys.chunk_by(|a, b| a.names == b.names) {
            let buckets: Vec<(i64, i64)> = same.iter().map(|s| (s.bucket, s.bucket2)).collect();
            self.directory.locate_all(names[same[0].names as usize], &buckets, &mut found);
            all.extend_from_slice(&found);
        }
        self.states.add_sample_bytes(&other.states);
        self.states.take(&mut other.states, &all, self.directory.len(), &self.series, keys_from);
    }

    /// The number of groups so far.
    pub fn groups(&self) -> usize {
        self.directory.len()
    }

    /// The approximate memory, in bytes; cheap enough to call after every push.
    pub fn bytes(&self) -> usize {
        self.directory.bytes() + self.states.bytes() + self.series.capacity() * size_of::<SeriesKey>()
    }

    /// The result: one row per group, ascending by the group columns in order, null first. Its columns are those of
    /// [`Grouping::schema`](crate::Grouping::schema). With nothing to group by there is one row, even without points.
    ///
    /// # Errors
    /// `Full` where the names in the result take 2 GiB or more, which one batch cannot hold.
    pub fn finish(self) -> Result<RecordBatch> {
        self.finish_with(|jobs| jobs.into_iter().for_each(PercentileJob::run))
    }

    /// The result, like [`finish`](Self::finish). The caller runs the jobs for percentiles, one per group, in threads
    /// of its own; a job that it drops is run here.
    ///
    /// # Errors
    /// As for [`finish`](Self::finish).
    pub fn finish_with(mut self, run_all: impl FnOnce(Vec<PercentileJob<'_>>)) -> Result<RecordBatch> {
        if self.plan.by.is_empty() && self.groups() == 0 {
            let names = self.directory.intern(std::iter::empty());
            self.directory.locate_all(names, &[(0, 0)], &mut Vec::new());
            self.states.grow(self.directory.len());
        }
        if self.plan.needs.samples {
            let fractions = &self.plan.fractions;
            run_all(
                self.states.samples.iter_mut().map(|samples| PercentileJob { samples, fractions }).collect(),
            );
            self.states.samples.iter_mut().for_each(|s| s.solve(fractions));
        }
        result(&self.plan, &self.directory, self.states)
    }

    /// The number of the name set of a series, and the index of its key where the series of a point matters.
    fn numbers_of(&mut self, key: &SeriesKey) -> (u32, u32) {
        let number = |series: usize| u32::try_from(series).expect("memory ends before 2^32 series");
        if let Some((latest, names)) = &self.latest
            && latest == key
        {
            return (*names, number(self.series.len().saturating_sub(1)));
        }
        let names = self.directory.intern(texts_of(key.into(), &self.plan.by, &self.plan.runs));
        self.latest = Some((key.clone(), names));
        if self.plan.needs.ends() {
            self.series.push(key.clone());
        }
        (names, number(self.series.len().saturating_sub(1)))
    }
}

impl RunBlock {
    /// Cuts the next runs; returns whether there are any.
    fn cut(&mut self, cuts: &mut BucketCuts<'_>) -> bool {
        self.runs.clear();
        self.buckets.clear();
        for (run, buckets) in cuts.take(BLOCK_RUNS) {
            self.runs.push(run);
            self.buckets.push(buckets);
        }
        !self.runs.is_empty()
    }
}

/// The work of computing the percentiles of one group. See [`Partial::finish_with`].
#[derive(Debug)]
pub struct PercentileJob<'a> {
    samples: &'a mut Samples,
    fractions: &'a [f64],
}

impl PercentileJob<'_> {
    /// Computes the percentiles; time and memory are linear in the group's points.
    pub fn run(self) {
        self.samples.solve(self.fractions);
    }
}
