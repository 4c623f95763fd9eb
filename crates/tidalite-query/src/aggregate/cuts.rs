//! Points cut into runs that lie in one bucket of each axis.

use super::plan::GroupPlan;
use crate::axis::BucketRuns;
use crate::points::PointsView;
use std::ops::Range;

/// The bucket on the first axis that has buckets, then that on the second; 0 where there is none.
pub(super) fn bucket_pair(step: Option<i64>, time: Option<i64>) -> (i64, i64) {
    match (step, time) {
        (Some(step), Some(time)) => (step, time),
        (one, other) => (one.or(other).unwrap_or_default(), 0),
    }
}

/// Iterates over the runs of points that share a bucket on each axis that has buckets.
pub(super) struct BucketCuts<'a> {
    steps: Option<AxisCuts<'a>>,
    times: Option<AxisCuts<'a>>,
    at: usize,
    len: usize,
}

/// The runs along one axis, and the current one: its bucket and the index after it.
struct AxisCuts<'a> {
    runs: BucketRuns<'a>,
    bucket: i64,
    end: usize,
}

impl<'a> BucketCuts<'a> {
    /// Cuts points, which ascend by step where steps are needed.
    pub(super) fn of(plan: &GroupPlan, points: PointsView<'a>) -> Self {
        let axis = |runs| AxisCuts { runs, bucket: 0, end: 0 };
        BucketCuts {
            steps: plan
                .step_width
                .clone()
                .map(|width| axis(BucketRuns::of_ascending(points.steps, width, true))),
            times: plan.time_width.clone().map(|width| axis(BucketRuns::of(points.times_us, width))),
            at: 0,
            len: points.len(),
        }
    }
}

impl Iterator for BucketCuts<'_> {
    type Item = (Range<usize>, (i64, i64));

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.len {
            return None;
        }
        let (start, mut end) = (self.at, self.len);
        for axis in [&mut self.steps, &mut self.times].into_iter().flatten() {
            if axis.end == start {
                (axis.bucket, axis.end) = axis.runs.next()?;
            }
            end = end.min(axis.end);
        }
        self.at = end;
        let bucket = |axis: &Option<AxisCuts<'_>>| axis.as_ref().map(|a| a.bucket);
        Some((start..end, bucket_pair(bucket(&self.steps), bucket(&self.times))))
    }
}
