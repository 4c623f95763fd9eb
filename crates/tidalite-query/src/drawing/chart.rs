//! Charts: a series in few buckets, each with its least, greatest and mean value.
//!
//! Widths are powers of two and buckets are aligned at step 0, so the contents of a bucket do not change from zoom to
//! zoom.

use crate::aggregate::{AggregateNeeds, summarize};
use crate::axis::{BucketRuns, Width};
use crate::points::{Points, PointsView, Repeats, merge};
use tidalite_model::Summary;

/// One bucket of a chart. See [`chart`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChartBucket {
    /// The first step of the bucket: a multiple of the width, or the least i64 where the multiple is below that.
    pub start: i64,
    /// The number of points, at least one.
    pub count: u64,
    /// The number of points that are NaN or ±Inf.
    pub nonfinite: u64,
    /// Least finite value.
    pub min: Option<f64>,
    /// Greatest finite value.
    pub max: Option<f64>,
    /// Mean of the finite values.
    pub mean: Option<f64>,
    /// The value at the least step, finite or not.
    pub first: f64,
    /// The value at the greatest step, finite or not.
    pub last: f64,
}

/// The buckets of one series that hold a point, ascending. See [`chart`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChartBuckets {
    /// Steps per bucket, a power of two; 0 where there are no points.
    pub width: u64,
    /// The buckets.
    pub buckets: Vec<ChartBucket>,
}

/// The least width, a power of two, with which at most `buckets` aligned buckets cover the steps from `first` to
/// `last`.
///
/// Steps on both sides of zero need two buckets at every width, so fewer than 2 count as 2 there. The greatest width
/// is 2^63.
///
/// ```
/// use tidalite_query::chart_width;
/// assert_eq!(chart_width(0, 999, 1000), 1);
/// assert_eq!(chart_width(0, 1000, 1000), 2);
/// assert_eq!(chart_width(-1, 3, 1), 4);
/// assert_eq!(chart_width(i64::MIN, i64::MAX, 2), 1 << 63);
/// ```
pub fn chart_width(first: i64, last: i64, buckets: usize) -> u64 {
    let least = if first < 0 && last >= 0 { 2 } else { 1 };
    let buckets = (buckets as u64).max(least);
    let fits = |&shift: &u32| {
        let width = Width::new(1 << shift);
        width.index(last).abs_diff(width.index(first)) < buckets
    };
    1 << (0..=63).find(fits).unwrap_or(63)
}

/// The chart of one series in at most `buckets` buckets; in more than half as many where steps are dense.
///
/// Needs steps and values, with repeats resolved. Points that do not ascend by step are copied and sorted.
///
/// ```
/// use tidalite_query::{Points, chart};
/// let mut points = Points::default();
/// (0..8).for_each(|step| points.push(step, 0, 0, step as f64));
/// let chart = chart(&points, 2);
/// assert_eq!((chart.width, chart.buckets.len()), (4, 2));
/// assert_eq!((chart.buckets[1].start, chart.buckets[1].mean), (4, Some(5.5)));
/// ```
pub fn chart(points: &Points, buckets: usize) -> ChartBuckets {
    if !points.is_ascending() {
        return chart(&merge(vec![points.clone()], Repeats::All), buckets);
    }
    let (Some(&first), Some(&last)) = (points.steps.first(), points.steps.last()) else {
        assert!(points.is_empty(), "a chart needs the steps");
        return ChartBuckets::default();
    };
    chart_at(points, chart_width(first, last, buckets))
}

/// The chart of points that ascend by step, in buckets of `step_width` steps, a power of two.
fn chart_at(points: &Points, step_width: u64) -> ChartBuckets {
    let mut chart = ChartMerge::new(step_width);
    chart.push(points);
    chart.finish()
}

/// A chart being built from pieces of one series in any order: points, and summaries of other points.
///
/// ```
/// use tidalite_query::{ChartMerge, Points};
/// use tidalite_model::{Point, Summary};
/// let mut points = Points::default();
/// (4..8).for_each(|step| points.push(step, 0, 0, step as f64));
/// let mut summary = Summary::default();
/// (0..4).for_each(|step| summary.push(Point { step, time_us: 0, value: step as f64 }));
/// let mut chart = ChartMerge::new(8);
/// chart.push(&points);
/// chart.push_summary(&summary);
/// let chart = chart.finish();
/// assert_eq!((chart.buckets.len(), chart.buckets[0].mean, chart.buckets[0].first), (1, Some(3.5), 0.0));
/// ```
#[derive(Debug)]
pub struct ChartMerge {
    width: Width,
    step_width: u64,
    /// The index and the summary of buckets; a bucket may have several entries until the end.
    found: Vec<(i64, Summary)>,
    /// The number of entries after they were joined last.
    joined: usize,
}

/// Up to twice this many entries are joined only at the end.
const JOINED_MIN: usize = 1 << 12;

impl ChartMerge {
    /// An empty chart with buckets of this width.
    ///
    /// # Panics
    /// Where the width is 0.
    pub fn new(width: u64) -> Self {
        ChartMerge { width: Width::new(width), step_width: width, found: Vec::new(), joined: 0 }
    }

    /// Takes points that ascend by step, at steps that no other push has.
    pub fn push<'a>(&mut self, points: impl Into<PointsView<'a>>) {
        let view = points.into();
        let mut at = 0;
        for (index, end) in BucketRuns::of_ascending(view.steps, self.width.clone(), true) {
            self.take(index, summarize(view.slice(at..end), NEEDS));
            at = end;
        }
    }

    /// Takes the summary of points of one bucket, at steps that no other push has.
    pub fn push_summary(&mut self, summary: &Summary) {
        if let Some(first) = summary.first {
            self.take(self.width.index(first.step), summary.clone());
        }
    }

    /// Adds the chart of later points of the series, of the same width.
    pub fn append(&mut self, later: ChartMerge) {
        debug_assert_eq!(self.width, later.width, "charts of one series have one width");
        later.found.into_iter().for_each(|(index, summary)| self.take(index, summary));
        if self.found.len() > self.joined.max(JOINED_MIN) * 2 {
            self.join();
            self.joined = self.found.len();
        }
    }

    /// The bytes that the chart takes.
    pub fn bytes(&self) -> u64 {
        (self.found.len() * size_of::<(i64, Summary)>()) as u64
    }

    /// Joins what is of one bucket. The sort is stable, so it is joined in the order of pushes.
    fn join(&mut self) {
        self.found.sort_by_key(|(index, _)| *index);
        self.found.dedup_by(|(later, other), (index, held)| {
            let same = later == index;
            if same {
                held.merge(other);
            }
            same
        });
    }

    fn take(&mut self, index: i64, summary: Summary) {
        match self.found.last_mut() {
            Some((last, held)) if *last == index => held.merge(&summary),
            _ => self.found.push((index, summary)),
        }
    }

    /// The buckets that hold a point, ascending.
    pub fn finish(mut self) -> ChartBuckets {
        self.join();
        let of_bucket = |(index, s): &(i64, Summary)| {
            ChartBucket {
                start: self.width.range(*index).first,
                count: s.count,
                nonfinite: s.count - s.finite,
                // Where −0 and 0 tie, the order of pushes decides which is kept; adding zero makes both 0.
                min: s.min.map(|e| e.value + 0.0),
                max: s.max.map(|e| e.value + 0.0),
                mean: s.mean(),
                first: s.first.map_or(f64::NAN, |p| p.value),
                last: s.last.map_or(f64::NAN, |p| p.value),
            }
        };
        let buckets: Vec<ChartBucket> = self.found.iter().map(of_bucket).collect();
        let width = if buckets.is_empty() { 0 } else { self.step_width };
        ChartBuckets { width, buckets }
    }
}

/// What the buckets of a chart need.
const NEEDS: AggregateNeeds = AggregateNeeds {
    count: true,
    finite: true,
    sum: true,
    min: true,
    max: true,
    first: true,
    last: true,
    ..AggregateNeeds::NONE
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn step() -> impl Strategy<Value = i64> {
        prop_oneof![4 => -100..100i64, 1 => any::<i64>(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
    }

    proptest! {
        #[test]
        fn the_width_is_the_least_power_of_two_within_the_number_of_buckets(
            a in step(), b in step(), buckets in 1..300usize,
        ) {
            let (first, last) = (a.min(b), a.max(b));
            let count = |width: u64| {
                let floor = |x: i64| i128::from(x).div_euclid(i128::from(width));
                floor(last) - floor(first) + 1
            };
            let width = chart_width(first, last, buckets);
            let most = if first < 0 && last >= 0 { buckets.max(2) } else { buckets };
            prop_assert!(count(width) <= most as i128, "{} buckets of {width}", count(width));
            prop_assert!(width == 1 || count(width / 2) > buckets as i128);
        }

        #[test]
        fn a_chart_equals_the_points_of_each_bucket(
            rows in prop::collection::vec(
                (step(), prop_oneof![4 => -9.0..9.0f64, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)]), 0..60,
            ),
            buckets in 1..20usize,
        ) {
            let rows: BTreeMap<i64, f64> = rows.into_iter().collect();
            let mut points = Points::default();
            // In descending order, so that the chart has to sort.
            rows.iter().rev().for_each(|(&step, &value)| points.push(step, 0, 0, value));
            let chart = chart(&points, buckets);
            let mut expected: BTreeMap<i128, Vec<f64>> = BTreeMap::new();
            for (&step, &value) in &rows {
                expected.entry(i128::from(step).div_euclid(i128::from(chart.width))).or_default().push(value);
            }
            prop_assert_eq!(chart.buckets.len(), expected.len());
            for (b, (index, values)) in chart.buckets.iter().zip(expected) {
                let start = (index * i128::from(chart.width)).max(i128::from(i64::MIN));
                let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
                prop_assert_eq!(i128::from(b.start), start);
                prop_assert_eq!((b.count, b.nonfinite), (values.len() as u64, (values.len() - finite.len()) as u64));
                prop_assert_eq!(b.min, finite.iter().copied().reduce(f64::min));
                prop_assert_eq!(b.max, finite.iter().copied().reduce(f64::max));
                let mean = finite.iter().sum::<f64>() / finite.len() as f64;
                prop_assert!(b.mean.map_or(finite.is_empty(), |m| (m - mean).abs() < 1e-9));
                prop_assert_eq!(b.first.to_bits(), values[0].to_bits());
                prop_assert_eq!(b.last.to_bits(), values[values.len() - 1].to_bits());
            }
        }
    }

    #[test]
    fn no_points_make_an_empty_chart() {
        assert_eq!(chart(&Points::default(), 10), ChartBuckets::default());
    }
}
