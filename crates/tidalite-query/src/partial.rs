//! Aggregation under way: takes series and summaries, merges with its like, and gives the result.
//!
//! Steps of a push: the series' names are interned; its points, ascending by step, are cut into runs that lie in one
//! bucket; each run goes into its group's state, short runs point by point, longer ones by way of their summary. The
//! engine pushes from several threads into several of these and merges them; `finish.rs` makes the result.

use crate::bucket::{end_of_ascending, end_of_run};
use crate::directory::{Axes, Directory, Slot};
use crate::finish::result;
use crate::grouping::Plan;
use crate::names::{named, texts_of};
use crate::quantile::Samples;
use crate::states::{States, Taken};
use crate::tally::summarize;
use crate::{PointsView, Repeats, merge};
use arrow::record_batch::RecordBatch;
use std::sync::Arc;
use tidalite_model::{Result, SeriesKey, Summary};

/// The states of all groups met so far. Made by [`Grouping::partial`](crate::Grouping::partial).
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
    plan: Arc<Plan>,
    directory: Directory,
    states: States,
    /// The series whose points stand first or last in some group; a state names them by their place here.
    series: Vec<SeriesKey>,
    /// The series pushed last and the place of its names, since a series often comes in several pieces.
    latest: Option<(SeriesKey, u32)>,
}

/// Runs up to this long are pushed point by point: a summary costs about as much as so many points.
const RUN_SHORT: usize = 3;

impl Partial {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        let axes = match (plan.step_width, plan.time_width) {
            (None, None) => Axes::None,
            (Some(_), Some(_)) => Axes::Two,
            _ => Axes::One,
        };
        let states = States::new(plan.needs);
        let directory = Directory::new(plan.by.iter().filter(|b| named(b)).count(), axes);
        Partial { plan, directory, states, series: Vec::new(), latest: None }
    }

    /// Takes points of one series, in which repeats are resolved already. A series may come in several pieces, as
    /// long as all points of one step come in one of them.
    ///
    /// Points ascend by step, as [`merge`](crate::merge) leaves them; others are sorted first, into a copy. Needs
    /// values, and steps and times where the [`Grouping`](crate::Grouping) says so; panics where these are missing.
    pub fn push_series<'a>(&mut self, key: &SeriesKey, points: impl Into<PointsView<'a>>) {
        let points = points.into();
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
        let (names, series) = self.places_of(key);
        if self.plan.needs_steps() && !points.is_ascending() {
            let sorted = merge(vec![points.to_points()], Repeats::All);
            self.push_ascending(names, series, sorted.view());
        } else {
            self.push_ascending(names, series, points);
        }
    }

    fn push_ascending(&mut self, names: u32, series: u32, points: PointsView<'_>) {
        let needs = self.plan.needs;
        let mut at = 0;
        while at < points.len() {
            let (slot, end) = self.run_at(names, points, at);
            let state = self.state(slot);
            let mut all_finite = false;
            if end - at <= RUN_SHORT {
                for i in at..end {
                    self.states.push(state, points.point(i), series, &self.series);
                }
            } else {
                let run = points.slice(at..end);
                let summary = summarize(run, needs);
                all_finite = summary.finite == summary.count;
                let taken = Taken { summary: &summary, first_series: series, last_series: series };
                self.states.fold(state, taken, &self.series);
                if needs.nan_step
                    && summary.nan > 0
                    && let Some(first) = run.values.iter().position(|v| v.is_nan())
                {
                    self.states.take_nan(state, run.steps[first]);
                }
            }
            if needs.samples || needs.sketch {
                self.states.sample(state, &points.values[at..end], all_finite);
            }
            at = end;
        }
    }

    /// The group of point `at`, and where the run of points that share it ends.
    #[inline]
    fn run_at(&self, names: u32, points: PointsView<'_>, at: usize) -> (Slot, usize) {
        let mut end = points.len();
        let step = self.plan.step_width.map(|width| {
            let index = width.index(points.steps[at]);
            end = end_of_ascending(points.steps, at, width.range(index).1);
            index
        });
        let time = self.plan.time_width.map(|width| {
            let index = width.index(points.times_us[at]);
            end = end_of_run(points.times_us, at, end, width.range(index));
            index
        });
        (slot(names, step, time), end)
    }

    /// Takes a summary in place of its points; `false`, and nothing is taken, where only the points will do:
    /// for percentiles, for the step of a NaN where there is one, and where the summary does not lie in one bucket.
    ///
    /// The summary must be of points in which repeats are resolved, and of steps that no other push of this series
    /// has.
    #[must_use = "where it is false, the points themselves are needed"]
    pub fn push_summary(&mut self, key: &SeriesKey, summary: &Summary) -> bool {
        if !self.plan.takes_summary(summary) {
            return false;
        }
        if summary.count == 0 {
            return true;
        }
        let Some((step, time)) = self.plan.bucket_of(summary) else { return false };
        let (names, series) = self.places_of(key);
        let state = self.state(slot(names, step, time));
        let taken = Taken { summary, first_series: series, last_series: series };
        self.states.fold(state, taken, &self.series);
        true
    }

    /// Takes all that `other` took. Panics where it belongs to another plan.
    pub fn merge(&mut self, mut other: Partial) {
        assert!(self.plan == other.plan, "only states of one plan merge");
        if self.groups() == 0 {
            *self = other;
            return;
        }
        let theirs = other.directory.names();
        let names: Vec<u32> =
            (0..theirs.len()).map(|place| self.directory.intern(theirs.texts(place))).collect();
        let keys_from = u32::try_from(self.series.len()).expect("memory ends before 2^32 series");
        self.series.append(&mut other.series);
        self.latest = None;
        for j in 0..other.groups() {
            let slot = other.directory.slot(j);
            let state = self.state(Slot { names: names[slot.names as usize], ..slot });
            self.states.take_state(state, &mut other.states, j, &self.series, keys_from);
        }
        self.states.take_account(&other.states);
    }

    /// How many groups there are so far.
    pub fn groups(&self) -> usize {
        self.directory.len()
    }

    /// About how much memory all of this takes, in bytes; cheap enough to ask after every push.
    pub fn bytes(&self) -> usize {
        self.directory.bytes() + self.states.bytes() + self.series.capacity() * size_of::<SeriesKey>()
    }

    /// The result, one row a group, ascending by the group columns in their order (null first), with the columns of
    /// [`Grouping::schema`](crate::Grouping::schema). With nothing to group by there is one row, even without a point.
    ///
    /// # Errors
    /// `Full` where the names in the result come to 2 GiB or more, which one batch cannot hold.
    pub fn finish(self) -> Result<RecordBatch> {
        self.finish_with(|jobs| jobs.into_iter().for_each(PercentileJob::run))
    }

    /// The result, like [`finish`](Self::finish), where the caller sees to the percentiles, each group's one job, in
    /// whatever threads it has. Jobs that it leaves undone are done here.
    ///
    /// # Errors
    /// As for [`finish`](Self::finish).
    pub fn finish_with(mut self, run_all: impl FnOnce(Vec<PercentileJob<'_>>)) -> Result<RecordBatch> {
        if self.plan.by.is_empty() && self.groups() == 0 {
            let names = self.directory.intern(std::iter::empty());
            self.state(slot(names, None, None));
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

    #[inline]
    fn state(&mut self, slot: Slot) -> usize {
        let (state, is_new) = self.directory.locate(slot);
        if is_new {
            self.states.add();
        }
        state
    }

    /// The places of a series' names and, where it matters which series a point is of, of its key.
    fn places_of(&mut self, key: &SeriesKey) -> (u32, u32) {
        let place = |series: usize| u32::try_from(series).expect("memory ends before 2^32 series");
        if let Some((latest, names)) = &self.latest
            && latest == key
        {
            return (*names, place(self.series.len().saturating_sub(1)));
        }
        let names = self.directory.intern(texts_of(key, &self.plan.by, &self.plan.runs));
        self.latest = Some((key.clone(), names));
        if self.plan.needs.ends() {
            self.series.push(key.clone());
        }
        (names, place(self.series.len().saturating_sub(1)))
    }
}

fn slot(names: u32, step: Option<i64>, time: Option<i64>) -> Slot {
    let (bucket, bucket_too) = match (step, time) {
        (Some(step), Some(time)) => (step, time),
        (one, other) => (one.or(other).unwrap_or_default(), 0),
    };
    Slot { names, bucket, bucket_too }
}

/// The percentiles of one group, to be computed. See [`Partial::finish_with`].
#[derive(Debug)]
pub struct PercentileJob<'a> {
    samples: &'a mut Samples,
    fractions: &'a [f64],
}

impl PercentileJob<'_> {
    /// Computes them; time and memory are linear in the group's points.
    pub fn run(self) {
        self.samples.solve(self.fractions);
    }
}

#[cfg(test)]
mod tests;
