//! A series drawn by fewer of its own points: Largest-Triangle-Three-Buckets.
//!
//! S. Steinarsson, "Downsampling Time Series for Visual Representation", MSc thesis, University of Iceland, 2013,
//! section 4.2: the first and the last point are kept. Those between are cut into buckets of equal numbers. Of each
//! bucket, the point is kept that makes the largest triangle with the point kept before it and the mean of the next
//! bucket.

use crate::points::{Points, Repeats, merge};

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
    let points = if points.is_ascending() { points } else { merge(vec![points], Repeats::All) };
    let mut count = LineCount::default();
    count.push(&points);
    let mut means = count.means(n);
    means.push(&points);
    let mut choice = means.choice();
    choice.push(&points);
    choice.finish()
}

/// The first of three passes over a line that is too long to be held: what [`lttb`] has to know of all points. Each
/// pass is given the same pieces of the line, in the order of steps.
///
/// ```
/// use tidalite_query::{LineCount, Points};
/// let pieces: Vec<Points> = [[(0, 0.0), (1, 0.0)], [(2, 9.0), (3, 0.0)]]
///     .map(|piece| {
///         let mut points = Points::default();
///         piece.into_iter().for_each(|(step, value)| points.push(step, 0, 0, value));
///         points
///     })
///     .into();
/// let mut count = LineCount::default();
/// pieces.iter().for_each(|piece| count.push(piece));
/// let mut means = count.means(3);
/// pieces.iter().for_each(|piece| means.push(piece));
/// let mut choice = means.choice();
/// pieces.iter().for_each(|piece| choice.push(piece));
/// assert_eq!(choice.finish().steps, [0, 2, 3]);
/// ```
#[derive(Debug, Default)]
pub struct LineCount {
    /// Of the finite points.
    count: usize,
    first_step: i64,
    greatest: f64,
}

impl LineCount {
    /// Takes the next piece.
    ///
    /// # Panics
    /// If the piece has no steps.
    pub fn push(&mut self, points: &Points) {
        for (_, step, value) in finite(points) {
            if self.count == 0 {
                self.first_step = step;
            }
            self.count += 1;
            self.greatest = self.greatest.max(value.abs());
        }
    }

    /// How many points are finite, of the pieces so far.
    pub fn points(&self) -> usize {
        self.count
    }

    /// The second pass, for at most `n` points.
    pub fn means(self, n: usize) -> LineMeans {
        let n = n.max(2);
        let scale = if self.greatest > LARGE { SCALE } else { 1.0 };
        let cut = LineCut { count: self.count, groups: n, first_step: self.first_step, scale };
        let sums = if cut.is_whole() { Vec::new() } else { vec![(0.0, 0.0); n] };
        LineMeans { at: cut.start(), cut, sums }
    }
}

/// How a line is cut into groups, of each of which one point is kept: the first point, the buckets, the last point.
#[derive(Debug, Clone, Copy)]
struct LineCut {
    /// Finite points.
    count: usize,
    groups: usize,
    first_step: i64,
    scale: f64,
}

/// A group, and the points before it ends; the place of a pass in a line.
#[derive(Debug, Clone, Copy)]
struct GroupAt {
    index: usize,
    group: usize,
    end: usize,
}

impl LineCut {
    /// Whether all finite points are kept.
    fn is_whole(&self) -> bool {
        self.count <= self.groups
    }

    fn start(&self) -> GroupAt {
        GroupAt { index: 0, group: 0, end: 1 }
    }

    /// Goes on to the next point. Returns whether it is the first of a group.
    fn advance(&self, at: &mut GroupAt) -> bool {
        at.index += 1;
        let begins = at.index == at.end;
        if begins {
            at.group += 1;
            at.end = self.edge(at.group + 1);
        }
        begins
    }

    /// The first point of a group that is not the first.
    fn edge(&self, group: usize) -> usize {
        let (last, buckets) = (self.count - 1, self.groups - 2);
        if group == 1 {
            return 1;
        }
        if group > buckets {
            return last + group - buckets - 1;
        }
        // In 128 bits, since the product of two lengths may exceed 64.
        1 + ((group - 1) as u128 * (last as u128 - 1) / buckets as u128) as usize
    }

    /// Where a point is drawn. Steps ascend, so the distance from the first one fits u64.
    fn place(&self, step: i64, value: f64) -> (f64, f64) {
        (step.abs_diff(self.first_step) as f64, value * self.scale)
    }
}

/// The second pass: the mean of each group. See [`LineCount`].
#[derive(Debug)]
pub struct LineMeans {
    cut: LineCut,
    at: GroupAt,
    sums: Vec<(f64, f64)>,
}

impl LineMeans {
    /// Takes the next piece.
    ///
    /// # Panics
    /// If the pieces are not those of the pass before.
    pub fn push(&mut self, points: &Points) {
        if self.cut.is_whole() {
            return;
        }
        for (_, step, value) in finite(points) {
            let (x, y) = self.cut.place(step, value);
            let sum = &mut self.sums[self.at.group];
            *sum = (sum.0 + x, sum.1 + y);
            self.cut.advance(&mut self.at);
        }
    }

    /// The third pass.
    pub fn choice(self) -> LineChoice {
        let (cut, mut means) = (self.cut, self.sums);
        for (group, (x, y)) in means.iter_mut().enumerate().skip(1) {
            let count = (cut.edge(group + 1) - cut.edge(group)) as f64;
            (*x, *y) = (*x / count, *y / count);
        }
        let kept = Points::default();
        LineChoice { cut, at: cut.start(), means, before: (0.0, 0.0), best: None, kept }
    }
}

/// The third pass: which points are kept. See [`LineCount`].
#[derive(Debug)]
pub struct LineChoice {
    cut: LineCut,
    at: GroupAt,
    means: Vec<(f64, f64)>,
    /// The point kept of the group before.
    before: (f64, f64),
    /// The best of the group so far.
    best: Option<BestPoint>,
    kept: Points,
}

#[derive(Debug)]
struct BestPoint {
    area: f64,
    place: (f64, f64),
    source: BestSource,
}

#[derive(Debug)]
enum BestSource {
    /// In the piece that is read now.
    Here(usize),
    /// In an earlier piece; the point alone.
    Earlier(Points),
}

impl LineChoice {
    /// Takes the next piece.
    ///
    /// # Panics
    /// If the pieces are not those of the passes before.
    pub fn push(&mut self, points: &Points) {
        if self.cut.is_whole() {
            finite(points).for_each(|(i, ..)| self.kept.extend(points.view().slice(i..i + 1)));
            return;
        }
        for (i, step, value) in finite(points) {
            let place = self.cut.place(step, value);
            let area = self.area(place);
            // Of equal areas the first is kept.
            if self.best.as_ref().is_none_or(|best| area > best.area) {
                self.best = Some(BestPoint { area, place, source: BestSource::Here(i) });
            }
            if self.cut.advance(&mut self.at) {
                self.keep_best(points);
            }
        }
        if let Some(BestPoint { source: source @ BestSource::Here(_), .. }) = &mut self.best
            && let BestSource::Here(i) = *source
        {
            *source = BestSource::Earlier(points.view().slice(i..i + 1).to_points());
        }
    }

    /// Twice the area of the triangle; the factor does not change which one is largest. In the last group, which has more
    /// points than one where there are no buckets, the last point counts as the largest.
    fn area(&self, (x, y): (f64, f64)) -> f64 {
        let Some(&(cx, cy)) = self.means.get(self.at.group + 1) else { return self.at.index as f64 };
        let (ax, ay) = self.before;
        ((ax - cx) * (y - ay) - (ax - x) * (cy - ay)).abs()
    }

    fn keep_best(&mut self, here: &Points) {
        let Some(best) = self.best.take() else { return };
        self.before = best.place;
        match best.source {
            BestSource::Here(i) => self.kept.extend(here.view().slice(i..i + 1)),
            BestSource::Earlier(point) => self.kept.extend(&point),
        }
    }

    /// The points that are kept.
    pub fn finish(self) -> Points {
        self.kept
    }
}

/// The finite points, each with its index, step and value.
fn finite(points: &Points) -> impl Iterator<Item = (usize, i64, f64)> {
    assert!(points.steps.len() == points.len(), "a line needs the steps");
    let all = points.steps.iter().zip(&points.values).enumerate();
    all.filter(|(_, (_, value))| value.is_finite()).map(|(i, (&step, &value))| (i, step, value))
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

    proptest! {
        #[test]
        fn a_line_in_pieces_keeps_the_same_points(
            values in prop::collection::vec(prop_oneof![9 => -50.0..50.0, 1 => Just(f64::NAN)], 0..200),
            cuts in prop::collection::vec(0..200usize, 0..6),
            n in 2..30usize,
        ) {
            let points: Vec<(i64, f64)> = (0..).map(|i: i64| i * i).zip(values).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(points.len())).collect();
            cuts.extend([0, points.len()]);
            cuts.sort_unstable();
            let pieces: Vec<Points> = cuts.windows(2).map(|w| line(&points[w[0]..w[1]])).collect();
            let mut count = LineCount::default();
            pieces.iter().for_each(|piece| count.push(piece));
            let mut means = count.means(n);
            pieces.iter().for_each(|piece| means.push(piece));
            let mut choice = means.choice();
            pieces.iter().for_each(|piece| choice.push(piece));
            prop_assert_eq!(choice.finish(), lttb(line(&points), n));
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
