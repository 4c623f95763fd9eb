//! The x of each point of a series.

use super::scale::XValue;
use crate::points::{Points, PointsView};

/// Where the points of a series stand on an axis; made once for each series.
#[derive(Debug, Clone)]
pub enum Placement {
    /// At their steps.
    Step,
    /// So many microseconds after this time.
    Since(i64),
    /// At the values of another series: that of its last point at the same step or an earlier one.
    Series(Points),
}

impl Placement {
    /// At the values of another series, where these are finite. Its points ascend by step; needs steps and values.
    pub fn series(mut points: Points) -> Self {
        let finite: Vec<bool> = points.values.iter().map(|v| v.is_finite()).collect();
        points.keep(&finite);
        points.times_us = Vec::new();
        points.seqs = Vec::new();
        Placement::Series(points)
    }

    /// The place of each point, in their order; none for one that is ahead of all of the other series. Points ascend by
    /// step; needs steps, and times for an axis of time.
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
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_point_stands_at_the_last_value_of_the_other_series(
            steps in prop::collection::btree_set(-20..20i64, 0..20),
            other in prop::collection::btree_map(-20..20i64, prop_oneof![4 => -1e3..1e3f64, 1 => Just(f64::NAN)], 0..20),
        ) {
            let mut x = Points::default();
            other.iter().for_each(|(&step, &value)| x.push(step, 0, 0, value));
            let mut points = Points::default();
            steps.iter().for_each(|&step| points.push(step, 0, step * 10, 0.0));
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
