//! Outlines: of each bucket of steps the few points that draw it, and the summary of all its points.
//!
//! The points are those of M4 (the first, the last, the least and the greatest), and the first NaN and the first
//! infinity of each sign, so that an outline shows each kind of value that the bucket had.

use crate::points::Points;
use tidalite_model::Summary;

/// An outline being built from consecutive pieces of one series.
///
/// ```
/// use tidalite_query::{Outline, Points};
/// let mut points = Points::default();
/// for (step, value) in [(0, 1.0), (1, 2.0), (2, 9.0), (3, 3.0), (4, 2.0), (5, 2.5), (6, 0.0), (7, 4.0)] {
///     points.push(step, 0, 0, value);
/// }
/// let mut outline = Outline::new(3);
/// outline.push(points);
/// let (kept, buckets) = outline.finish();
/// assert_eq!(kept.steps, [0, 2, 6, 7]);
/// assert_eq!((buckets.len(), buckets[0].count, buckets[0].mean()), (1, 8, Some(2.9375)));
/// ```
#[derive(Debug)]
pub struct Outline {
    shift: u32,
    kept: Points,
    buckets: Vec<Summary>,
}

impl Outline {
    /// An empty outline with buckets of 2^`shift` steps, `shift` at most 63.
    pub fn new(shift: u32) -> Self {
        Outline { shift, kept: Points::default(), buckets: Vec::new() }
    }

    /// Takes points that are resolved and whose steps follow all steps taken before. Needs all columns.
    pub fn push(&mut self, mut points: Points) {
        let mut at = 0;
        while at < points.len() {
            let end = self.end_of_bucket(&points.steps, at);
            let mut summary = Summary::default();
            (at..end).for_each(|i| summary.push(points.view().point(i)));
            self.take(&summary);
            at = end;
        }
        self.cut_down(&mut points);
        self.kept.extend(&points);
    }

    /// Takes the kept points and the buckets of an outline whose buckets have the same width or lie within those
    /// here.
    pub fn push_outline(&mut self, kept: &Points, buckets: &[Summary]) {
        buckets.iter().for_each(|summary| self.take(summary));
        self.kept.extend(kept);
    }

    /// The number of points taken, including those that are not kept.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.count).sum()
    }

    /// The kept points, and the summary of all points of each bucket that has any, ascending.
    pub fn finish(mut self) -> (Points, Vec<Summary>) {
        // A bucket that came in two pieces may have too many points.
        let mut kept = std::mem::take(&mut self.kept);
        self.cut_down(&mut kept);
        (kept, self.buckets)
    }

    fn take(&mut self, summary: &Summary) {
        let bucket = |s: &Summary| s.first.map(|p| p.step >> self.shift);
        match self.buckets.last_mut() {
            Some(last) if bucket(last) == bucket(summary) => last.merge(summary),
            _ => self.buckets.push(summary.clone()),
        }
    }

    fn end_of_bucket(&self, steps: &[i64], from: usize) -> usize {
        let bucket = steps[from] >> self.shift;
        from + steps[from..].partition_point(|step| step >> self.shift == bucket)
    }

    /// Drops the points that no bucket needs.
    fn cut_down(&self, points: &mut Points) {
        let mut mask = vec![false; points.len()];
        let mut at = 0;
        while at < points.len() {
            let end = self.end_of_bucket(&points.steps, at);
            for index in ends_and_extremes(&points.values[at..end]).into_iter().flatten() {
                mask[at + index] = true;
            }
            at = end;
        }
        points.keep(&mask);
    }
}

/// The indexes of the first and the last value, of the least and the greatest finite value (of equal ones the first),
/// and of the first NaN, +Inf and −Inf.
fn ends_and_extremes(values: &[f64]) -> [Option<usize>; 7] {
    let (mut least, mut greatest): (Option<usize>, Option<usize>) = (None, None);
    let (mut nan, mut above, mut below) = (None, None, None);
    for (i, &value) in values.iter().enumerate() {
        if value.is_nan() {
            nan = nan.or(Some(i));
        } else if value == f64::INFINITY {
            above = above.or(Some(i));
        } else if value == f64::NEG_INFINITY {
            below = below.or(Some(i));
        } else {
            least = least.filter(|&at| values[at] <= value).or(Some(i));
            greatest = greatest.filter(|&at| values[at] >= value).or(Some(i));
        }
    }
    let ends = values.len().checked_sub(1);
    [ends.map(|_| 0), ends, least, greatest, nan, above, below]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use tidalite_model::Point;

    fn value() -> impl Strategy<Value = f64> {
        let odd = prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0)];
        prop_oneof![4 => (-4..4i32).prop_map(f64::from), 1 => odd]
    }

    fn line(rows: &[(i64, f64)]) -> Points {
        let mut line = Points::default();
        rows.iter().for_each(|&(step, value)| line.push(step, step, step.wrapping_mul(7), value));
        line
    }

    fn outline(pieces: &[&[(i64, f64)]], shift: u32) -> (Points, Vec<Summary>) {
        let mut outline = Outline::new(shift);
        pieces.iter().for_each(|piece| outline.push(line(piece)));
        outline.finish()
    }

    proptest! {
        #[test]
        fn an_outline_keeps_the_ends_and_extremes_of_each_bucket(
            rows in prop::collection::btree_map(-300..300i64, value(), 1..200), shift in 0..9u32, cut in 0..200usize,
        ) {
            let rows: Vec<(i64, f64)> = rows.into_iter().collect();
            let (kept, buckets) = outline(&[&rows], shift);
            let mut expected: BTreeMap<i64, Summary> = BTreeMap::new();
            let mut found: BTreeMap<i64, Summary> = BTreeMap::new();
            for &(step, value) in &rows {
                let point = Point { step, time_us: step.wrapping_mul(7), value };
                expected.entry(step >> shift).or_default().push(point);
            }
            (0..kept.len()).for_each(|i| found.entry(kept.steps[i] >> shift).or_default().push(kept.view().point(i)));
            prop_assert_eq!(format!("{:?}", expected.values().collect::<Vec<_>>()), format!("{:?}", buckets.iter().collect::<Vec<_>>()));
            for (all, kept) in expected.values().zip(found.values()) {
                let facts = |s: &Summary| {
                    let kinds = (s.nan > 0, s.pos_inf > 0, s.neg_inf > 0, s.finite > 0);
                    format!("{:?} {:?} {:?} {:?} {kinds:?}", s.first, s.last, s.min, s.max)
                };
                prop_assert_eq!(facts(all), facts(kept));
                prop_assert!(kept.count <= 7);
            }
            // Two pieces, or widening afterwards, keep the same points.
            let (a, b) = rows.split_at(cut.min(rows.len()));
            prop_assert_eq!(format!("{:?}", outline(&[a, b], shift).0), format!("{kept:?}"));
            let mut wider = Outline::new(shift + 2);
            wider.push_outline(&kept, &buckets);
            prop_assert_eq!(wider.count(), rows.len() as u64);
            let (again, wide) = wider.finish();
            let (direct, all) = outline(&[&rows], shift + 2);
            prop_assert_eq!(format!("{again:?}"), format!("{direct:?}"));
            prop_assert_eq!(wide.len(), all.len());
        }
    }
}
