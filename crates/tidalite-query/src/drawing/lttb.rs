//! A series drawn by fewer of its own points: Largest-Triangle-Three-Buckets.
//!
//! S. Steinarsson, "Downsampling Time Series for Visual Representation", MSc thesis, University of Iceland, 2013,
//! section 4.2: the first and the last point are kept. Those between are cut into buckets of equal numbers. Of each
//! bucket, the point is kept that makes the largest triangle with the point kept before it and the mean of the next
//! bucket.

use crate::points::{Points, Repeats, merge};
use std::ops::Range;

/// Values above this are scaled down before areas are computed, which otherwise could overflow. Steps differ by less
/// than 2^64, so an area stays below 2^(500 + 64 + 2) and a sum of 2^40 values below 2^540.
const LARGE: f64 = {
    // 2^500, by its exponent.
    f64::from_bits((1023 + 500) << 52)
};
/// 2^−600: brings the greatest f64 down to 2^424.
const SCALE: f64 = f64::from_bits((1023 - 600) << 52);

/// At most `n` of the points, which keep the shape of the line; x is the step, y the value. Points that are not
/// finite are left out, since they span no triangle. Where at most `n` are finite, all of these are kept.
///
/// Needs steps and values, with repeats resolved. Points that do not ascend by step are sorted first. The first and
/// the last point are always kept, so `n` below 2 counts as 2.
///
/// ```
/// use tidalite_query::{Points, lttb};
/// let mut points = Points::default();
/// for (step, value) in [(0, 0.0), (1, 0.0), (2, 9.0), (3, 0.0), (4, f64::NAN), (5, 0.0)] {
///     points.push(step, 0, 0, value);
/// }
/// assert_eq!(lttb(points, 3).steps, [0, 2, 5]);
/// ```
pub fn lttb(points: Points, n: usize) -> Points {
    let mut points = if points.is_ascending() { points } else { merge(vec![points], Repeats::All) };
    assert!(points.steps.len() == points.len(), "a line needs the steps");
    let finite: Vec<bool> = points.values.iter().map(|v| v.is_finite()).collect();
    if finite.contains(&false) {
        points.keep(&finite);
    }
    let n = n.max(2);
    if points.len() <= n {
        return points;
    }
    let mut kept = vec![false; points.len()];
    chosen(&points, n).into_iter().for_each(|i| kept[i] = true);
    points.keep(&kept);
    points
}

/// The indexes of the points that are kept, ascending. There are more than `n` points, all finite.
fn chosen(points: &Points, n: usize) -> Vec<usize> {
    let last = points.len() - 1;
    let greatest = points.values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let scale = if greatest > LARGE { SCALE } else { 1.0 };
    // Steps ascend, so the distance from the first one fits u64.
    let x = |i: usize| points.steps[i].abs_diff(points.steps[0]) as f64;
    let y = |i: usize| points.values[i] * scale;
    let buckets = n - 2;
    let bucket = |b: usize| -> Range<usize> {
        if b == buckets {
            return last..last + 1;
        }
        // In 128 bits, since the product of two lengths may exceed 64.
        let edge = |b: usize| 1 + (b as u128 * (last as u128 - 1) / buckets as u128) as usize;
        edge(b)..edge(b + 1)
    };
    let mut indexes = Vec::with_capacity(n);
    indexes.push(0);
    let mut before = 0;
    for b in 0..buckets {
        let next = bucket(b + 1);
        let count = next.len() as f64;
        let (mean_x, mean_y) = next.fold((0.0, 0.0), |(sx, sy), i| (sx + x(i), sy + y(i)));
        let (cx, cy) = (mean_x / count, mean_y / count);
        let (ax, ay) = (x(before), y(before));
        // Twice the area; the factor does not change which one is largest. Of equal areas the first is kept.
        let area = |i: usize| ((ax - cx) * (y(i) - ay) - (ax - x(i)) * (cy - ay)).abs();
        let range = bucket(b);
        let mut best = (range.start, area(range.start));
        for i in range.skip(1) {
            let area = area(i);
            if area > best.1 {
                best = (i, area);
            }
        }
        before = best.0;
        indexes.push(before);
    }
    indexes.push(last);
    indexes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(points: &[(i64, f64)]) -> Points {
        let mut line = Points::default();
        points.iter().for_each(|&(step, value)| line.push(step, 0, step.wrapping_mul(10), value));
        line
    }

    /// The condition of the thesis: no point of a bucket spans a larger triangle than the one kept. Areas are by the
    /// formula of the corners, and equal up to rounding.
    fn follows_the_thesis(finite: &[(f64, f64)], kept: &[usize]) -> bool {
        let (inner, buckets) = (&finite[1..finite.len() - 1], kept.len() - 2);
        let bucket = |b: usize| b * inner.len() / buckets..(b + 1) * inner.len() / buckets;
        (0..buckets).all(|b| {
            let next = if b + 1 < buckets { &inner[bucket(b + 1)] } else { &finite[finite.len() - 1..] };
            let mean = |of: fn(&(f64, f64)) -> f64| next.iter().map(of).sum::<f64>() / next.len() as f64;
            let (a, c) = (finite[kept[b]], (mean(|p| p.0), mean(|p| p.1)));
            let area =
                |b: (f64, f64)| 0.5 * (a.0 * (b.1 - c.1) + b.0 * (c.1 - a.1) + c.0 * (a.1 - b.1)).abs();
            let largest = inner[bucket(b)].iter().map(|&p| area(p)).fold(0.0, f64::max);
            let place = kept[b + 1] - 1;
            bucket(b).contains(&place) && area(inner[place]) >= largest - 1e-6
        })
    }

    proptest! {
        #[test]
        fn of_each_bucket_the_largest_triangle_is_kept(
            gaps in prop::collection::vec((1..9i64, prop_oneof![9 => -50.0..50.0, 1 => Just(f64::NAN)]), 1..80),
            n in 3..30usize,
        ) {
            let mut step = -100;
            let points: Vec<(i64, f64)> = gaps.iter().map(|&(gap, value)| { step += gap; (step, value) }).collect();
            let finite: Vec<(f64, f64)> =
                points.iter().filter(|p| p.1.is_finite()).map(|p| (p.0 as f64, p.1)).collect();
            let small = lttb(line(&points), n);
            prop_assert_eq!(small.len(), n.min(finite.len()));
            let place = |&s: &i64| finite.iter().position(|p| p.0 == s as f64);
            let kept: Vec<usize> = small.steps.iter().filter_map(place).collect();
            prop_assert_eq!(kept.len(), small.len());
            prop_assert!(kept.windows(2).all(|w| w[0] < w[1]));
            prop_assert!(finite.len() <= n || follows_the_thesis(&finite, &kept));
        }

        #[test]
        fn the_ends_and_the_number_of_points_are_kept(
            rows in prop::collection::btree_map(any::<i64>(), any::<f64>(), 0..60), n in 2..20usize,
        ) {
            let points: Vec<(i64, f64)> = rows.into_iter().collect();
            let finite: Vec<(i64, f64)> = points.iter().copied().filter(|p| p.1.is_finite()).collect();
            let small = lttb(line(&points), n);
            prop_assert_eq!(small.len(), n.min(finite.len()));
            prop_assert_eq!(small.steps.first(), finite.first().map(|p| &p.0));
            prop_assert_eq!(small.steps.last(), finite.last().map(|p| &p.0));
            for i in 0..small.len() {
                prop_assert!(finite.contains(&(small.steps[i], small.values[i])));
                prop_assert_eq!(small.times_us[i], small.steps[i].wrapping_mul(10));
            }
        }
    }

    #[test]
    fn a_spike_in_a_flat_line_is_kept() {
        let mut points: Vec<(i64, f64)> = (0..1000).map(|i| (i, 0.0)).collect();
        points[613].1 = 5.0;
        let small = lttb(line(&points), 10);
        assert_eq!(small.len(), 10);
        assert!(small.steps.contains(&613));
    }

    #[test]
    fn values_at_the_ends_of_the_range_span_triangles() {
        let mut points: Vec<(i64, f64)> = (0..100).map(|i| (i64::MIN + i, f64::MAX)).collect();
        points[40].1 = f64::MIN;
        points.push((i64::MAX, f64::MAX));
        assert!(lttb(line(&points), 5).steps.contains(&(i64::MIN + 40)));
    }

    #[test]
    fn unsorted_points_are_sorted_first() {
        let points = line(&[(3, 1.0), (1, f64::NAN), (2, 5.0)]);
        assert_eq!(lttb(points, 10).steps, [2, 3]);
    }
}
