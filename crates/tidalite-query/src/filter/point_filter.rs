//! Which points a query takes: half-open ranges of steps, times and values.
//!
//! A range of steps may be applied before or after repeats are resolved, since repeats share their step. Ranges of
//! times and values are applied after: otherwise an older write in the range would replace a newest write outside it.

use crate::points::{Points, PointsView, rises};
use std::ops::Range;
use tidalite_model::{Bounds, Extent, StepRange, Summary};

/// What a summary decides about a filter, before any point is read.
///
/// ```
/// use tidalite_model::{Bounds, Point, Summary};
/// use tidalite_query::{PointFilter, Verdict};
/// let mut summary = Summary::default();
/// (0..10).for_each(|step| summary.push(Point { step, time_us: 0, value: 1.0 }));
/// let steps = |lo, hi| PointFilter { steps: Bounds::new(lo, hi), ..PointFilter::default() };
/// assert_eq!(steps(Some(0), Some(10)).verdict(&summary), Verdict::AllPoints);
/// assert_eq!(steps(Some(10), None).verdict(&summary), Verdict::NoPoint);
/// assert_eq!(steps(Some(5), None).verdict(&summary), Verdict::Unknown);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// No point passes.
    NoPoint,
    /// All points pass.
    AllPoints,
    /// The points have to be read.
    Unknown,
}

/// Ranges of steps, times and values that a point must lie in. The default takes every point.
///
/// Apply it after [`merge`](crate::merge), since ranges of times and values apply to resolved points.
///
/// ```
/// use tidalite_model::Bounds;
/// use tidalite_query::{PointFilter, Points};
/// let mut points = Points::default();
/// for (step, value) in [(0, 0.1), (1, f64::NAN), (2, 0.7), (3, f64::INFINITY)] {
///     points.push(step, 0, 0, value);
/// }
/// let filter = PointFilter { values: Bounds::new(Some(0.5), None), ..PointFilter::default() };
/// filter.apply(&mut points);
/// assert_eq!(points.steps, [2, 3]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PointFilter {
    /// Steps; applied before or after repeats are resolved.
    pub steps: StepRange,
    /// Times, in microseconds since 1970 UTC; applied after repeats are resolved.
    pub times_us: Bounds<i64>,
    /// Values; applied after repeats are resolved. NaN passes only where no value is bound.
    pub values: Bounds<f64>,
}

impl PointFilter {
    /// Whether every point passes.
    pub fn is_all(&self) -> bool {
        self.steps.is_all() && self.times_us.is_all() && self.values.is_all()
    }

    /// Removes the points that do not pass, and keeps the order of the others.
    ///
    /// Needs the columns it binds. Panics where one of them was not read.
    pub fn apply(&self, points: &mut Points) {
        let (range, rest) = self.range(points.view());
        points.keep_range(range);
        if let Some(mask) = rest.mask(points.view()) {
            points.keep(&mask);
        }
    }

    /// The points that pass: a slice where they are contiguous, else a copy in `scratch`.
    ///
    /// Needs the columns it binds. Panics where one of them was not read.
    pub fn select<'a>(&self, points: PointsView<'a>, scratch: &'a mut Points) -> PointsView<'a> {
        let (range, rest) = self.range(points);
        let points = points.slice(range);
        if rest.steps.is_all() && rest.times_us.is_all() && !rest.values.is_all() {
            let passing = passing(points.values, &rest.values);
            if passing.len() == points.len() {
                return points;
            }
            scratch.clear();
            scratch.extend_at(points, &passing);
            return scratch.view();
        }
        let Some(mask) = rest.mask(points) else { return points };
        scratch.clear();
        scratch.extend(points);
        scratch.keep(&mask);
        scratch.view()
    }

    /// The indexes of the times that pass, so that other columns are read for these alone; `None` where times are not
    /// bound or do not ascend.
    ///
    /// ```
    /// use tidalite_model::Bounds;
    /// let filter = tidalite_query::PointFilter { times_us: Bounds::new(Some(20), None), ..Default::default() };
    /// assert_eq!((filter.time_range(&[10, 20, 30]), filter.time_range(&[20, 10])), (Some(1..3), None));
    /// ```
    pub fn time_range(&self, times_us: &[i64]) -> Option<Range<usize>> {
        ascending_range(&self.times_us, times_us, 0..times_us.len(), "times")
    }

    /// What a summary decides about its points, provided that no other points share their steps: a repeat elsewhere
    /// may replace them.
    pub fn verdict(&self, s: &Summary) -> Verdict {
        let Some(steps) = s.steps() else { return Verdict::NoPoint };
        let by_times = match s.times_us() {
            _ if self.times_us.is_all() => Verdict::AllPoints,
            Some(times) => range_verdict(&self.times_us, times.first, times.last),
            None => Verdict::Unknown,
        };
        let verdicts = [range_verdict(&self.steps, steps.first, steps.last), by_times, self.value_verdict(s)];
        if verdicts.contains(&Verdict::NoPoint) {
            Verdict::NoPoint
        } else if verdicts.contains(&Verdict::Unknown) {
            Verdict::Unknown
        } else {
            Verdict::AllPoints
        }
    }

    /// What the steps of a summary decide about its points, as far as the range of steps goes.
    pub fn step_verdict(&self, s: &Summary) -> Verdict {
        s.steps().map_or(Verdict::NoPoint, |steps| self.steps_verdict(steps))
    }

    /// What the steps of points decide about them, as far as the range of steps goes.
    pub fn steps_verdict(&self, steps: Extent) -> Verdict {
        range_verdict(&self.steps, steps.first, steps.last)
    }

    /// Whether neither times nor values are bound.
    pub fn binds_steps_alone(&self) -> bool {
        self.times_us.is_all() && self.values.is_all()
    }

    fn value_verdict(&self, s: &Summary) -> Verdict {
        if self.values.is_all() {
            return Verdict::AllPoints;
        }
        let finite = s.min.zip(s.max).map(|(min, max)| range_verdict(&self.values, min.value, max.value));
        let infinite = |n: u64, v: f64| (n > 0).then(|| range_verdict(&self.values, v, v));
        let nan = (s.nan > 0).then_some(Verdict::NoPoint);
        let parts = [finite, infinite(s.pos_inf, f64::INFINITY), infinite(s.neg_inf, f64::NEG_INFINITY), nan];
        let mut parts = parts.into_iter().flatten();
        let Some(one) = parts.next() else { return Verdict::NoPoint };
        if parts.all(|p| p == one) { one } else { Verdict::Unknown }
    }

    /// The range of points that the bounds of ascending columns allow, and the filter that is left to apply within
    /// it.
    fn range(&self, points: PointsView<'_>) -> (Range<usize>, PointFilter) {
        let mut rest = *self;
        let mut range = 0..points.len();
        if let Some(within) = ascending_range(&self.steps, points.steps, range.clone(), "steps") {
            (range, rest.steps) = (within, Bounds::default());
        }
        // Times mostly ascend with the steps.
        if let Some(within) = ascending_range(&self.times_us, points.times_us, range.clone(), "times") {
            (range, rest.times_us) = (within, Bounds::default());
        }
        (range, rest)
    }

    /// A mask of the points that pass; `None` where all do.
    fn mask(&self, points: PointsView<'_>) -> Option<Vec<bool>> {
        let n = points.len();
        if self.is_all() || n == 0 {
            return None;
        }
        let mut mask = vec![true; n];
        if !self.steps.is_all() {
            assert_eq!(points.steps.len(), n, "a filter on steps needs the steps");
            narrow(&mut mask, points.steps, &self.steps);
        }
        if !self.times_us.is_all() {
            assert_eq!(points.times_us.len(), n, "a filter on times needs the times");
            narrow(&mut mask, points.times_us, &self.times_us);
        }
        if !self.values.is_all() {
            narrow(&mut mask, points.values, &self.values);
        }
        (!mask.iter().fold(true, |all, &m| all & m)).then_some(mask)
    }
}

/// The part of a range of a column that lies within the bounds; `None` where nothing is bound or the column does not
/// ascend.
fn ascending_range(
    bounds: &Bounds<i64>,
    column: &[i64],
    range: Range<usize>,
    name: &str,
) -> Option<Range<usize>> {
    if bounds.is_all() || range.is_empty() {
        return None;
    }
    assert!(column.len() >= range.end, "a filter on {name} needs the {name}");
    let column = &column[range.clone()];
    if !rises(column, 0) {
        return None;
    }
    let start = bounds.lo.map_or(0, |lo| column.partition_point(|&x| x < lo));
    let end = bounds.hi.map_or(column.len(), |hi| column.partition_point(|&x| x < hi));
    Some(range.start + start..range.start + end.max(start))
}

/// Values that are compared at once. Mostly all of them pass or none does.
const COMPARED: usize = 8;

/// The indexes of the values within the bounds.
fn passing(values: &[f64], bounds: &Bounds<f64>) -> Vec<u32> {
    // Where only one end is bound, this takes all but NaN.
    let lo = bounds.lo.unwrap_or(f64::NEG_INFINITY);
    match bounds.hi {
        Some(hi) => passing_blocks(values, |v| (v >= lo) & (v < hi)),
        None => passing_blocks(values, |v| v >= lo),
    }
}

fn passing_blocks(values: &[f64], passes: impl Fn(f64) -> bool) -> Vec<u32> {
    let mut found = Vec::new();
    let (blocks, rest) = values.as_chunks::<COMPARED>();
    // Without a branch on whether a value passes: which ones do is hard to predict.
    let indexed = |first: usize, some: &[f64], found: &mut Vec<u32>| {
        let mut passing = [0; COMPARED];
        let mut count = 0;
        let first = u32::try_from(first).expect("points of a piece are counted in u32");
        for (i, &v) in (first..).zip(some) {
            passing[count] = i;
            count += usize::from(passes(v));
        }
        found.extend_from_slice(&passing[..count]);
    };
    for (block, first) in blocks.iter().zip((0..).step_by(COMPARED)) {
        // No branch within a block, so that the compiler can use vectors.
        if block.iter().fold(false, |any, &v| any | passes(v)) {
            indexed(first, block, &mut found);
        }
    }
    indexed(values.len() - rest.len(), rest, &mut found);
    found
}

/// One comparison per bound and point, without branches, so that the compiler can use vectors.
fn narrow<T: PartialOrd + Copy>(mask: &mut [bool], column: &[T], bounds: &Bounds<T>) {
    if let Some(lo) = bounds.lo {
        mask.iter_mut().zip(column).for_each(|(m, &x)| *m &= x >= lo);
    }
    if let Some(hi) = bounds.hi {
        mask.iter_mut().zip(column).for_each(|(m, &x)| *m &= x < hi);
    }
}

fn range_verdict<T: PartialOrd + Copy>(bounds: &Bounds<T>, least: T, greatest: T) -> Verdict {
    if bounds.contains(least) && bounds.contains(greatest) {
        Verdict::AllPoints
    } else if bounds.lo.is_some_and(|lo| greatest < lo) || bounds.hi.is_some_and(|hi| least >= hi) {
        Verdict::NoPoint
    } else {
        Verdict::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidalite_model::Point;

    fn value() -> impl Strategy<Value = f64> + Clone {
        let special = prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0]);
        prop_oneof![3 => -3.0..3.0f64, 1 => special]
    }

    fn bounds<T: Copy + std::fmt::Debug>(
        x: impl Strategy<Value = T> + Clone,
    ) -> impl Strategy<Value = Bounds<T>> {
        (prop::option::of(x.clone()), prop::option::of(x)).prop_map(|(lo, hi)| Bounds { lo, hi })
    }

    proptest! {
        #[test]
        fn a_filter_keeps_the_points_that_lie_in_every_range(
            rows in prop::collection::vec((-9..9i64, -9..9i64, value()), 0..40),
            sort in any::<bool>(),
            steps in bounds(-9..9i64), times_us in bounds(-9..9i64), values in bounds(value()),
        ) {
            let mut rows = rows;
            if sort {
                rows.sort_by_key(|r| r.0);
            }
            let filter = PointFilter { steps, times_us, values };
            let (mut points, mut expected, mut summary) =
                (Points::default(), Points::default(), Summary::default());
            for &(step, time_us, value) in &rows {
                points.push(step, 0, time_us, value);
                summary.push(Point { step, time_us, value });
                if steps.contains(step) && times_us.contains(time_us) && values.contains(value) {
                    expected.push(step, 0, time_us, value);
                }
            }
            let bits = |p: &Points| p.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            let mut scratch = Points::default();
            let selected = filter.select(points.view(), &mut scratch).to_points();
            prop_assert_eq!((&selected.steps, bits(&selected)), (&expected.steps, bits(&expected)));
            match filter.verdict(&summary) {
                Verdict::NoPoint => prop_assert!(expected.is_empty()),
                Verdict::AllPoints => prop_assert_eq!(expected.len(), points.len()),
                Verdict::Unknown => {}
            }
            filter.apply(&mut points);
            prop_assert_eq!((&points.times_us, bits(&points)), (&expected.times_us, bits(&expected)));
        }
    }

    #[test]
    fn nan_passes_only_where_no_value_is_bound() {
        let all = PointFilter::default();
        assert!(all.is_all() && all.values.contains(f64::NAN));
        assert!(!Bounds::new(Some(f64::NEG_INFINITY), None).contains(f64::NAN));
        assert!(!Bounds::new(None, Some(f64::INFINITY)).contains(f64::NAN));
        assert!(!Bounds::new(Some(f64::NAN), None).contains(1.0), "a NaN bound lets nothing in");
    }

    #[test]
    fn contiguous_points_are_not_copied() {
        let mut points = Points::default();
        (0..10).for_each(|i| points.push(i, i, i, i as f64));
        points.times_us.clear();
        let filter = PointFilter { steps: Bounds::new(Some(2), Some(5)), ..PointFilter::default() };
        let mut scratch = Points::default();
        let selected = filter.select(points.view(), &mut scratch);
        assert_eq!(selected.steps, [2, 3, 4]);
        assert_eq!(selected.values.as_ptr(), points.values[2..].as_ptr());
        let reversed = PointFilter { steps: Bounds::new(Some(5), Some(2)), ..PointFilter::default() };
        assert!(reversed.select(points.view(), &mut scratch).is_empty());
    }

    #[test]
    fn a_summary_decides_where_all_its_points_agree() {
        let mut s = Summary::default();
        (0..10).for_each(|i| s.push(Point { step: i, time_us: i * 10, value: i as f64 }));
        let values = |lo, hi| PointFilter { values: Bounds::new(lo, hi), ..PointFilter::default() };
        assert_eq!(values(Some(0.0), Some(9.5)).verdict(&s), Verdict::AllPoints);
        assert_eq!(values(Some(9.5), None).verdict(&s), Verdict::NoPoint);
        assert_eq!(values(Some(5.0), None).verdict(&s), Verdict::Unknown);
        s.push(Point { step: 10, time_us: 100, value: f64::NAN });
        assert_eq!(values(Some(0.0), Some(9.5)).verdict(&s), Verdict::Unknown);
        assert_eq!(PointFilter::default().verdict(&s), Verdict::AllPoints);
        assert_eq!(PointFilter::default().verdict(&Summary::default()), Verdict::NoPoint);
    }
}
