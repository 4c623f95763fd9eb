//! The one definition of an aggregate: a state that takes points, merges, and gives results.
//!
//! The series tables of parts and the queries both use [`Summary`], so they agree. Sums are over finite values only;
//! NaN and ±Inf are counted separately. The sum of the values and the sum of their squares are exact, so a result is
//! the same in whatever order points were pushed and summaries were merged.

use crate::exact::{ExactSquares, ExactSum, add_finite};
use crate::{Extent, Point};

/// A value and its step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extreme {
    /// The value.
    pub value: f64,
    /// Its step.
    pub step: i64,
}

/// Which facts of a [`Summary`] a reader wants. Counts, and the first and last step are always read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SummaryFacts {
    /// The sum of the values.
    pub sum: bool,
    /// The sum of their squares; only together with `sum`.
    pub squares: bool,
    /// The first and the last value.
    pub ends: bool,
    /// The least and the greatest value.
    pub extremes: bool,
    /// The steps of the extremes; only together with `extremes`.
    pub extreme_steps: bool,
    /// The times of the first and the last point, and the least and the greatest time.
    pub times: bool,
}

impl SummaryFacts {
    /// Every fact.
    pub const ALL: SummaryFacts = SummaryFacts {
        sum: true,
        squares: true,
        ends: true,
        extremes: true,
        extreme_steps: true,
        times: true,
    };

    /// The facts that either wants.
    #[must_use]
    pub fn or(self, other: SummaryFacts) -> SummaryFacts {
        SummaryFacts {
            sum: self.sum || other.sum,
            squares: self.squares || other.squares,
            ends: self.ends || other.ends,
            extremes: self.extremes || other.extremes,
            extreme_steps: self.extreme_steps || other.extreme_steps,
            times: self.times || other.times,
        }
    }
}

/// No summary is of more points: a part has at most 2^24 rows in each of its 2^15 tiles.
const POINTS_MAX: u64 = 1 << 39;

/// What is known of a set of points of one series, or of one group of a query.
///
/// `first` and `last` are by (step, order of writing), so points are pushed in ascending order.
///
/// ```
/// use tidalite_model::{Point, Summary};
/// let mut s = Summary::default();
/// for (step, value) in [(0, 1.0), (1, f64::NAN), (2, 3.0)] {
///     s.push(Point { step, time_us: 0, value });
/// }
/// assert_eq!((s.count, s.finite, s.nan), (3, 2, 1));
/// assert_eq!((s.mean(), s.std(), s.min.unwrap().value), (Some(2.0), Some(1.0), 1.0));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// The number of points.
    pub count: u64,
    /// The number of points with a finite value.
    pub finite: u64,
    /// The number of points whose value is NaN.
    pub nan: u64,
    /// The number of points whose value is +Inf.
    pub pos_inf: u64,
    /// The number of points whose value is −Inf.
    pub neg_inf: u64,
    /// The sum of the finite values.
    pub sum: ExactSum,
    /// The sum of their squares.
    pub squares: ExactSquares,
    /// Least finite value, at its first step.
    pub min: Option<Extreme>,
    /// Greatest finite value, at its first step.
    pub max: Option<Extreme>,
    /// The point with the least step.
    pub first: Option<Point>,
    /// The point with the greatest step.
    pub last: Option<Point>,
    /// Least time.
    pub time_min_us: Option<i64>,
    /// Greatest time.
    pub time_max_us: Option<i64>,
}

impl Summary {
    /// Adds one point.
    #[inline]
    pub fn push(&mut self, p: Point) {
        self.push_facts(p);
        if p.value.is_finite() {
            self.sum.add(p.value);
            self.squares.add_square(p.value);
        }
    }

    /// Adds points, given as columns of one length.
    pub fn push_all(&mut self, steps: &[i64], times_us: &[i64], values: &[f64]) {
        for ((&step, &time_us), &value) in steps.iter().zip(times_us).zip(values) {
            self.push_facts(Point { step, time_us, value });
        }
        add_finite(values, &mut self.sum, &mut self.squares);
    }

    /// Adds one point to everything but the sums.
    #[inline]
    fn push_facts(&mut self, p: Point) {
        self.count += 1;
        if self.first.is_none_or(|f| p.step < f.step) {
            self.first = Some(p);
        }
        if self.last.is_none_or(|l| p.step >= l.step) {
            self.last = Some(p);
        }
        self.time_min_us = Some(self.time_min_us.map_or(p.time_us, |t| t.min(p.time_us)));
        self.time_max_us = Some(self.time_max_us.map_or(p.time_us, |t| t.max(p.time_us)));
        let v = p.value;
        if !v.is_finite() {
            if v.is_nan() {
                self.nan += 1;
            } else if v > 0.0 {
                self.pos_inf += 1;
            } else {
                self.neg_inf += 1;
            }
            return;
        }
        self.finite += 1;
        // Ties go to the earlier step, so the result does not depend on the order of merging.
        if self.min.is_none_or(|m| v < m.value || (v == m.value && p.step < m.step)) {
            self.min = Some(Extreme { value: v, step: p.step });
        }
        if self.max.is_none_or(|m| v > m.value || (v == m.value && p.step < m.step)) {
            self.max = Some(Extreme { value: v, step: p.step });
        }
    }

    /// Adds all points of `other`. If both end at the same step, `other` counts as later.
    pub fn merge(&mut self, other: &Summary) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = other.clone();
            return;
        }
        if self.first.zip(other.first).is_some_and(|(a, b)| b.step < a.step) {
            self.first = other.first;
        }
        if self.last.zip(other.last).is_some_and(|(a, b)| b.step >= a.step) {
            self.last = other.last;
        }
        self.time_min_us = self.time_min_us.min(other.time_min_us);
        self.time_max_us = self.time_max_us.max(other.time_max_us);
        if other.finite > 0 {
            self.sum.merge(&other.sum);
            self.squares.merge(&other.squares);
            self.min = better(self.min, other.min, |a, b| a < b);
            self.max = better(self.max, other.max, |a, b| a > b);
        }
        self.count += other.count;
        self.finite += other.finite;
        self.nan += other.nan;
        self.pos_inf += other.pos_inf;
        self.neg_inf += other.neg_inf;
    }

    /// Whether its facts can be those of points: for one that was read, since a file may say anything.
    ///
    /// ```
    /// use tidalite_model::{Point, Summary};
    /// let mut summary = Summary::default();
    /// summary.push(Point { step: 0, time_us: 0, value: 1.0 });
    /// assert!(summary.is_possible());
    /// summary.finite = 2;
    /// assert!(!summary.is_possible());
    /// ```
    pub fn is_possible(&self) -> bool {
        let kinds = [self.finite, self.nan, self.pos_inf, self.neg_inf];
        let ascends = |first: Option<i64>, last: Option<i64>| first.zip(last).is_none_or(|(a, b)| a <= b);
        let of_points = [self.min, self.max].into_iter().flatten().all(|e| e.value.is_finite());
        self.count <= POINTS_MAX
            && kinds.iter().try_fold(0u64, |sum, &n| sum.checked_add(n)) == Some(self.count)
            && ascends(self.first.map(|p| p.step), self.last.map(|p| p.step))
            && ascends(self.time_min_us, self.time_max_us)
            && (self.finite == 0
                || of_points && self.min.zip(self.max).is_none_or(|(a, b)| a.value <= b.value))
    }

    /// Steps from the first point to the last. `None` if there are no points.
    pub fn steps(&self) -> Option<Extent> {
        self.first.zip(self.last).map(|(first, last)| Extent::new(first.step, last.step))
    }

    /// Times from the least to the greatest, in microseconds since 1970 UTC. `None` if there are no points.
    pub fn times_us(&self) -> Option<Extent> {
        self.time_min_us.zip(self.time_max_us).map(|(least, greatest)| Extent::new(least, greatest))
    }

    /// Whether both have equal counts and sums, and values with equal bits. Unlike with `==`, a NaN equals
    /// itself, and zero differs from negative zero.
    pub fn same_bits(&self, other: &Summary) -> bool {
        let bits = |s: &Summary| {
            let point = |p: Option<Point>| p.map(|p| (p.step, p.time_us, p.value.to_bits()));
            let extreme = |e: Option<Extreme>| e.map(|e| (e.value.to_bits(), e.step));
            (
                [s.count, s.finite, s.nan, s.pos_inf, s.neg_inf],
                [s.min, s.max].map(extreme),
                [s.first, s.last].map(point),
                [s.time_min_us, s.time_max_us],
            )
        };
        bits(self) == bits(other) && self.sum == other.sum && self.squares == other.squares
    }

    /// The f64 nearest to the sum of the finite values: infinite beyond the greatest f64. `None` if there are none.
    pub fn sum(&self) -> Option<f64> {
        (self.finite > 0).then(|| self.sum.nearest())
    }

    /// The f64 nearest to the mean of the finite values, which is finite. `None` if there are none.
    pub fn mean(&self) -> Option<f64> {
        self.sum.mean(self.finite)
    }

    /// The f64 nearest to the population variance of the finite values (divided by n): infinite beyond the greatest
    /// f64. `None` if there are none.
    pub fn var(&self) -> Option<f64> {
        self.squares.var(self.finite, &self.sum)
    }

    /// The f64 nearest to the population standard deviation of the finite values, which is finite. `None` if there are
    /// none.
    pub fn std(&self) -> Option<f64> {
        self.squares.std(self.finite, &self.sum)
    }
}

fn better(a: Option<Extreme>, b: Option<Extreme>, wins: fn(f64, f64) -> bool) -> Option<Extreme> {
    match (a, b) {
        (Some(x), Some(y)) => {
            let second = wins(y.value, x.value) || (y.value == x.value && y.step < x.step);
            Some(if second { y } else { x })
        }
        (x, y) => x.or(y),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(points: &[(i64, f64)]) -> Summary {
        let mut s = Summary::default();
        points.iter().for_each(|&(step, value)| s.push(Point { step, time_us: step * 10, value }));
        s
    }

    #[test]
    fn merging_halves_equals_pushing_all() {
        let all: Vec<(i64, f64)> = (0..1000)
            .map(|i| (i, if i % 97 == 0 { f64::NAN } else { (i as f64).sin() * 1e6 + 1e9 }))
            .collect();
        let whole = of(&all);
        let mut halves = of(&all[..400]);
        halves.merge(&of(&all[400..]));
        assert_eq!(
            (whole.count, whole.nan, whole.min, whole.max),
            (halves.count, halves.nan, halves.min, halves.max)
        );
        assert_eq!((whole.mean(), whole.std()), (halves.mean(), halves.std()));
        assert_eq!(whole.last, halves.last);
    }

    #[test]
    fn merging_is_commutative_and_associative_to_the_bit() {
        let values =
            [1e308, 1e308, -1e308, 1e-300, 1.0, 1e16, -1e16, 5e-324, f64::NAN, f64::INFINITY, -0.1, 0.3];
        let parts: Vec<Summary> = (0i64..).zip(values).map(|(step, value)| of(&[(step, value)])).collect();
        let join = |a: &Summary, b: &Summary| {
            let mut joined = a.clone();
            joined.merge(b);
            joined
        };
        let whole = parts.iter().fold(Summary::default(), |all, part| join(&all, part));
        assert_eq!((whole.finite, whole.mean()), (10, Some(1e307)));
        for a in &parts {
            for b in &parts {
                assert!(join(a, b).same_bits(&join(b, a)));
                for c in &parts {
                    assert!(join(&join(a, b), c).same_bits(&join(a, &join(b, c))));
                }
            }
        }
        let back = parts.iter().rev().fold(Summary::default(), |all, part| join(&all, part));
        assert!(back.same_bits(&whole));
        let (steps, times): (Vec<i64>, Vec<i64>) = (0..12).map(|i| (i, i * 10)).unzip();
        let mut at_once = Summary::default();
        at_once.push_all(&steps, &times, &values);
        assert!(at_once.same_bits(&whole));
    }

    #[test]
    fn same_bits_distinguishes_zeros_and_equates_a_nan_with_itself() {
        let nan = of(&[(0, f64::NAN), (1, 1.0)]);
        assert!(nan.same_bits(&nan) && nan != nan);
        let other_nan = of(&[(0, f64::from_bits(f64::NAN.to_bits() | 1)), (1, 1.0)]);
        assert!(!nan.same_bits(&other_nan));
        assert!(!of(&[(0, 0.0)]).same_bits(&of(&[(0, -0.0)])));
        assert!(!of(&[(0, 1.0)]).same_bits(&of(&[(1, 1.0)])));
    }

    #[test]
    fn without_finite_values_there_is_no_mean_and_no_extreme() {
        let s = of(&[(0, f64::NAN), (1, f64::INFINITY), (2, f64::NEG_INFINITY)]);
        assert_eq!((s.mean(), s.std(), s.min, s.max), (None, None, None, None));
        assert_eq!((s.count, s.nan, s.pos_inf, s.neg_inf), (3, 1, 1, 1));
        let mut t = of(&[(3, 2.0)]);
        t.merge(&s);
        assert_eq!((t.mean(), t.count), (Some(2.0), 4));
    }

    #[test]
    fn a_summary_with_more_values_of_a_kind_than_points_is_impossible() {
        let sound = of(&[(0, 1.0), (1, 2.0)]);
        assert!(sound.is_possible());
        // The last two counts add up to the number of points again, modulo 2^64.
        let more = Summary { finite: 3, ..sound.clone() };
        let overflows = Summary { finite: u64::MAX, nan: 3, ..sound.clone() };
        assert!(!more.is_possible() && !overflows.is_possible());
        let huge = Summary { count: u64::MAX, finite: u64::MAX, ..sound };
        assert!(!huge.is_possible());
    }
}
