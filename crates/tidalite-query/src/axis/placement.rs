//! The x of each point of a series.

use super::scale::XValue;
use crate::points::{Points, PointsView};

/// Where a series gets the x of its points from.
///
/// ```
/// use tidalite_query::{Placement, Points};
/// let mut tokens = Points::default();
/// [(0, 0.0), (2, f64::NAN), (4, 512.0)].into_iter().for_each(|(step, value)| tokens.push(step, 0, 0, value));
/// let Placement::Series(finite) = Placement::series(tokens) else { unreachable!() };
/// assert_eq!(finite.steps, [0, 4]);
/// ```
#[derive(Debug, Clone)]
pub enum Placement {
    /// From their steps.
    Step,
    /// From their times, in microseconds after this one.
    Since(i64),
    /// From the values of another series: x is the value of its last point at the same step or an earlier one.
    Series(Points),
    /// As [`Series`](Self::Series), but of its first point at the same step or a later one.
    NextOfSeries(Points),
}

impl Placement {
    /// From the finite values of another series, whose points ascend by step. Needs steps and values.
    pub fn series(points: Points) -> Self {
        Placement::Series(Placement::finite(points))
    }

    /// As [`series`](Self::series), from the first point at the same step or a later one.
    pub fn next_of_series(points: Points) -> Self {
        Placement::NextOfSeries(Placement::finite(points))
    }

    fn finite(mut points: Points) -> Points {
        let finite: Vec<bool> = points.values.iter().map(|v| v.is_finite()).collect();
        points.keep(&finite);
        points.times_us = Vec::new();
        (points.seqs, points.written) = (Vec::new(), Vec::new());
        points
    }

    /// The bytes that it takes.
    pub fn bytes(&self) -> u64 {
        match self {
            Placement::Series(other) | Placement::NextOfSeries(other) => 16 * other.len() as u64,
            Placement::Step | Placement::Since(_) => 0,
        }
    }

    /// The x of each point, in order; `None` for a point before the first of the other series, or after its
    /// last where x is that of the next. Points ascend by step.
    /// Needs steps, and times for an axis of time.
    pub(crate) fn x_values<'a>(
        &'a self,
        points: PointsView<'a>,
    ) -> impl Iterator<Item = Option<XValue>> + 'a {
        let mut next = 0;
        (0..points.len()).map(move |i| match self {
            Placement::Step => Some(XValue::Int(points.steps[i])),
            Placement::Since(start) => Some(XValue::Int(points.times_us[i].saturating_sub(*start))),
            Placement::Series(other) => {
                while other.steps.get(next).is_some_and(|&step| step <= points.steps[i]) {
                    next += 1;
                }
                next.checked_sub(1).map(|last| XValue::Float(other.values[last]))
            }
            Placement::NextOfSeries(other) => {
                while other.steps.get(next).is_some_and(|&step| step < points.steps[i]) {
                    next += 1;
                }
                other.values.get(next).map(|value| XValue::Float(*value))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn real() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => -1e3..1e3f64,
            2 => any::<f64>().prop_filter("finite", |x| x.is_finite()),
            1 => prop::sample::select(vec![0.0, -0.0, f64::MAX, f64::MIN, 5e-324, 1.0]),
        ]
    }

    proptest! {
        #[test]
        fn x_is_the_last_value_of_the_other_series(
            steps in prop::collection::btree_set(-20..20i64, 0..20),
            other in prop::collection::btree_map(-20..20i64, prop_oneof![4 => real(), 1 => Just(f64::NAN)], 0..20),
        ) {
            let mut x = Points::default();
            other.iter().for_each(|(&step, &value)| x.push(step, 0, 0, value));
            let mut points = Points::default();
            steps.iter().for_each(|&step| points.push(step, 0, step * 10, 0.0));
            let ahead = Placement::next_of_series(x.clone());
            for (place, step) in ahead.x_values(points.view()).zip(&steps) {
                let after = other.range(step..).find(|(_, v)| v.is_finite());
                prop_assert_eq!(place, after.map(|(_, &v)| XValue::Float(v)));
            }
            let placement = Placement::series(x);
            for (place, step) in placement.x_values(points.view()).zip(&steps) {
                let before = other.range(..=step).rev().find(|(_, v)| v.is_finite());
                prop_assert_eq!(place, before.map(|(_, &v)| XValue::Float(v)));
            }
            let since: Vec<_> = Placement::Since(7).x_values(points.view()).collect();
            prop_assert_eq!(since, steps.iter().map(|s| Some(XValue::Int(s * 10 - 7))).collect::<Vec<_>>());
        }
    }
}
