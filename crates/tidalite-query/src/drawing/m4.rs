//! A series drawn by the points that give the same picture: M4.
//!
//! U. Jugel, Z. Jerzak, G. Hackenbroich and V. Markl, "M4: A Visualization-Oriented Time Series Data Aggregation",
//! Proceedings of the VLDB Endowment 7(10), 2014: the x-axis is cut into equal ranges, one per column of pixels. Of
//! each range the first, the last, the least and the greatest point are kept. The line through these covers the same
//! pixels as the line through all points.

use crate::points::{Points, Repeats, merge};

/// The columns of pixels of a picture: equal ranges of the x-axis, from the first x to the last.
///
/// ```
/// use tidalite_query::{PixelColumns, Points};
/// let mut points = Points::default();
/// for (step, value) in [(0, 1.0), (1, 9.0), (2, -9.0), (3, 2.0), (4, f64::NAN), (5, 3.0), (9, 0.0)] {
///     points.push(step, 0, 0, value);
/// }
/// assert_eq!(PixelColumns::new(0, 9, 2).m4(points).steps, [0, 1, 2, 3, 5, 9]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelColumns {
    first: i64,
    /// The number of x from the first to the last.
    length: u128,
    count: u128,
}

impl PixelColumns {
    /// `count` columns from the x `first` to the x `last`, both inside. Panics for no columns.
    pub fn new(first: i64, last: i64, count: usize) -> Self {
        assert!(count > 0, "a picture has columns");
        PixelColumns { first, length: u128::from(last.max(first).abs_diff(first)) + 1, count: count as u128 }
    }

    /// The column of an x; an x outside is in the first or the last column.
    fn of(&self, x: i64) -> u128 {
        let distance = if x > self.first { u128::from(x.abs_diff(self.first)) } else { 0 };
        // Both are at most 2^64, so the product fits.
        (distance.min(self.length - 1) * self.count) / self.length
    }

    /// The points that are kept, ascending by step: of each column the first, the last, the least and the greatest
    /// (of equal values the first), each point once. Points that are not finite are left out.
    ///
    /// Needs steps and values, with repeats resolved. Points that do not ascend by step are sorted first. A series
    /// may be reduced in pieces: the reduced pieces, concatenated and reduced again, equal the reduced whole.
    pub fn m4(&self, points: Points) -> Points {
        let mut points = if points.is_ascending() { points } else { merge(vec![points], Repeats::All) };
        assert!(points.steps.len() == points.len(), "a line needs the steps");
        let mut kept = vec![false; points.len()];
        // The current column, and the indexes of its first, last, least and greatest point.
        let mut open: Option<(u128, [usize; 4])> = None;
        let mut close = |open: Option<(u128, [usize; 4])>| {
            open.iter().flat_map(|(_, indexes)| indexes).for_each(|&i| kept[i] = true);
        };
        for (i, &value) in points.values.iter().enumerate().filter(|(_, v)| v.is_finite()) {
            let column = self.of(points.steps[i]);
            match &mut open {
                Some((of, [_, last, least, greatest])) if *of == column => {
                    *last = i;
                    *least = if value < points.values[*least] { i } else { *least };
                    *greatest = if value > points.values[*greatest] { i } else { *greatest };
                }
                _ => close(open.replace((column, [i; 4]))),
            }
        }
        close(open);
        points.keep(&kept);
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn line(points: &[(i64, f64)]) -> Points {
        let mut line = Points::default();
        points.iter().for_each(|&(step, value)| line.push(step, 0, step.wrapping_mul(10), value));
        line
    }

    fn step() -> impl Strategy<Value = i64> {
        prop_oneof![6 => -40..40i64, 1 => any::<i64>(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![6 => (-5..5i32).prop_map(f64::from), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)]
    }

    /// The paper's query: group by column, and keep the points of each group that have an extreme.
    fn naive(rows: &BTreeMap<i64, f64>, first: i64, last: i64, count: usize) -> Vec<i64> {
        let mut columns: BTreeMap<i128, Vec<(i64, f64)>> = BTreeMap::new();
        let length = i128::from(last) - i128::from(first) + 1;
        for (&step, &value) in rows.iter().filter(|r| r.1.is_finite()) {
            let column = (i128::from(step) - i128::from(first)) * count as i128 / length;
            columns.entry(column).or_default().push((step, value));
        }
        let mut kept = BTreeSet::new();
        for points in columns.values() {
            let least = points.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
            let greatest = points.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
            kept.extend([points[0].0, points[points.len() - 1].0]);
            kept.extend(points.iter().find(|p| p.1 == least).map(|p| p.0));
            kept.extend(points.iter().find(|p| p.1 == greatest).map(|p| p.0));
        }
        kept.into_iter().collect()
    }

    proptest! {
        #[test]
        fn four_points_of_each_column_are_kept(
            rows in prop::collection::btree_map(step(), value(), 1..80), count in 1..20usize, cut in 0..80usize,
        ) {
            let (first, last) = (*rows.keys().next().unwrap(), *rows.keys().next_back().unwrap());
            let columns = PixelColumns::new(first, last, count);
            let points: Vec<(i64, f64)> = rows.iter().map(|(&s, &v)| (s, v)).collect();
            let whole = columns.m4(line(&points));
            prop_assert_eq!(&whole.steps, &naive(&rows, first, last, count));
            prop_assert!(whole.len() <= 4 * count);
            prop_assert!((0..whole.len()).all(|i| whole.times_us[i] == whole.steps[i].wrapping_mul(10)));
            let (left, right) = points.split_at(cut.min(points.len()));
            let mut pieces = columns.m4(line(left));
            pieces.extend(&columns.m4(line(right)));
            prop_assert_eq!(columns.m4(pieces), whole);
        }
    }

    #[test]
    fn unsorted_points_are_sorted_first() {
        let points = line(&[(3, 1.0), (1, f64::NAN), (2, 5.0)]);
        assert_eq!(PixelColumns::new(1, 3, 5).m4(points).steps, [2, 3]);
        assert!(PixelColumns::new(0, 0, 1).m4(Points::default()).is_empty());
    }
}
