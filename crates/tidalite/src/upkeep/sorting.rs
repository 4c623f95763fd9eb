//! Which points of a merge are hidden: those that are rewound, and those that a later write of their step replaced.
//!
//! A rewound point neither replaces another nor is replaced. A point with an automatic step is never replaced.

use crate::view::tombstones::Tombstones;
use tidalite_model::Written;
use tidalite_query::Points;

/// Marks the hidden points. `points` ascend by step and order of writing. `others` are the visible points of the same
/// series in other parts, ascending in the same way; they may replace points and are not marked. Of rows of one batch and
/// step, the visible one is the last, so it replaces a hidden one although clock and seq are equal.
pub(super) fn hidden_mask(points: &Points, tombstones: Option<&Tombstones>, others: &Points) -> Vec<bool> {
    let automatic = |points: &Points, i: usize| Written::from_i64(points.written[i]).is_automatic();
    let mut mask: Vec<bool> = (0..points.len())
        .map(|i| tombstones.is_some_and(|t| t.hides(points.steps[i], points.seqs[i], automatic(points, i))))
        .collect();
    // From the last write to the first: the last visible write of a step replaces those before it.
    let mut taken: Option<i64> = None;
    let mut other = others.len();
    for i in (0..points.len()).rev() {
        let step = points.steps[i];
        if mask[i] || automatic(points, i) {
            continue;
        }
        while other > 0 && (others.steps[other - 1] > step || automatic(others, other - 1)) {
            other -= 1;
        }
        let later = other > 0
            && others.steps[other - 1] == step
            && others.view().order(other - 1) >= points.view().order(i);
        mask[i] = taken == Some(step) || later;
        taken = Some(step);
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidalite_model::Moment;

    /// (step, clock, seq, automatic)
    fn points(rows: &[(i64, i64, i64, bool)]) -> Points {
        let mut points = Points::default();
        for &(step, clock, seq, automatic) in rows {
            points.push_written(step, seq, Written::new(clock, 0, automatic), 0, 0.0);
        }
        points
    }

    #[test]
    fn the_last_visible_write_of_a_step_stays_and_automatic_points_all_do() {
        let rows =
            [(1, 10, 1, false), (1, 11, 2, true), (1, 12, 3, false), (2, 1, 4, true), (2, 2, 5, false)];
        let none = Points::default();
        assert_eq!(hidden_mask(&points(&rows), None, &none), [true, false, false, false, false]);
        let deletion = Tombstones::deleted(&Moment::new(0, [(0, 6)]));
        assert_eq!(hidden_mask(&points(&rows), Some(&deletion), &none), [true; 5]);
        let later = points(&[(1, 13, 0, false), (1, 14, 0, true), (2, 1, 9, false), (2, 9, 9, true)]);
        assert_eq!(hidden_mask(&points(&rows), None, &later), [true, false, true, false, false]);
    }

    #[test]
    fn rows_of_one_batch_replace_each_other_by_their_place() {
        let rows = [(1, 10, 1, false), (1, 10, 1, false), (1, 10, 1, false)];
        assert_eq!(hidden_mask(&points(&rows), None, &Points::default()), [true, true, false]);
    }
}
