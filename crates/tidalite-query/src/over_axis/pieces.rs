//! A long series over an axis, piece by piece: what is left of each piece is small, and joins to what is left of the whole.
//!
//! Pieces are consecutive points of the series by step. Their x may overlap.

use super::frame::{AxisFrame, AxisLine, line};
use super::series::{OverAxis, order_scale, sorted, with_x_as_steps};
use crate::axis::{Placement, XScale};
use crate::drawing::{ChartBuckets, ChartMerge, PixelColumns};
use crate::points::Points;
use tidalite_model::SeriesKey;

impl AxisFrame {
    /// The charts of pieces of series in at most `buckets` buckets of the frame. [`ChartMerge::append`] joins those of
    /// one series, in the order of its steps, and [`ChartMerge::finish`] ends them.
    pub fn begin_charts(&self, over: &OverAxis, buckets: usize) -> Vec<(SeriesKey, ChartMerge)> {
        let drawn = |(key, points, placement): &(SeriesKey, Points, _)| {
            let mut chart = ChartMerge::new(self.width(buckets));
            chart.push(&with_x_as_steps(points, placement, self.scale));
            (key.clone(), chart)
        };
        over.series.iter().map(drawn).collect()
    }

    /// The charts of some series in at most `buckets` buckets of the frame.
    pub fn charts(&self, over: &OverAxis, buckets: usize) -> Vec<(SeriesKey, ChartBuckets)> {
        self.begin_charts(over, buckets).into_iter().map(|(key, chart)| (key, chart.finish())).collect()
    }

    /// The line of all points of a series, from those of its pieces; `None` where there are none.
    pub fn join_points(&self, pieces: Vec<AxisLine>, placement: &Placement) -> Option<AxisLine> {
        join(pieces, placement, order_scale(&self.x), |points| points)
    }

    /// The line that [`OverAxis::m4`] leaves of a series, from those of its pieces; `None` where there are none.
    pub fn join_m4(&self, pieces: Vec<AxisLine>, placement: &Placement, columns: usize) -> Option<AxisLine> {
        let picture = PixelColumns::new(self.extent.first, self.extent.last, columns);
        join(pieces, placement, self.scale, |points| picture.m4(points))
    }
}

fn join(
    pieces: Vec<AxisLine>,
    placement: &Placement,
    scale: XScale,
    keep: impl Fn(Points) -> Points,
) -> Option<AxisLine> {
    let mut pieces = pieces.into_iter();
    let first = pieces.next()?;
    if pieces.len() == 0 {
        return Some(first);
    }
    let mut all = Points::default();
    for AxisLine { points, xs, .. } in std::iter::once(&first).chain(pieces.as_slice()) {
        all.steps.extend(xs.iter().map(|&x| scale.to_int(x)));
        all.seqs.extend_from_slice(&points.steps);
        all.times_us.extend_from_slice(&points.times_us);
        all.values.extend_from_slice(&points.values);
    }
    Some(line(first.key, sorted(keep(sorted(all))), placement, scale))
}
