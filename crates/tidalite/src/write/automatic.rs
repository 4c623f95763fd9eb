//! Automatic steps of batches: the steps of rows that come without.
//!
//! Rows are counted in groups, the rows of a series by default. In a group they are counted in order of time, then of the
//! batch. All groups of a run begin at the same step, after the greatest step of the run.

use super::run::next_step;
use crate::engine::state::StoreState;
use std::sync::Arc;
use tidalite_model::Result;

/// A group of rows of a run.
#[derive(Debug)]
pub(crate) struct CountedGroup {
    pub(crate) run: Arc<str>,
    /// The places of its rows, in order of the batch.
    pub(crate) places: Vec<usize>,
}

/// The steps of the rows of a batch, by their places; other places are 0. `same_row` says whether two neighbours of a group
/// share a step.
///
/// # Errors
/// Those of reading the greatest step of a run.
pub(crate) fn automatic_steps(
    state: &Arc<StoreState>,
    mut groups: Vec<CountedGroup>,
    times_us: &[i64],
    same_row: impl Fn(usize, usize) -> bool,
) -> Result<Vec<i64>> {
    let mut steps = vec![0; times_us.len()];
    groups.sort_by(|a, b| a.run.cmp(&b.run));
    for of_run in groups.chunk_by_mut(|a, b| a.run == b.run) {
        let mut most = 0;
        for group in of_run.iter_mut() {
            // Stable, so rows of one time keep their order.
            group.places.sort_by_key(|&place| times_us[place]);
            let mut count = 0;
            for (i, &place) in group.places.iter().enumerate() {
                let shared = i > 0 && same_row(group.places[i - 1], place);
                count += i64::from(!shared);
                steps[place] = count - 1;
            }
            most = most.max(count);
        }
        let run = &of_run[0].run;
        let first = state.counters.of(run).take(most, || next_step(state, run))?;
        for &place in of_run.iter().flat_map(|group| &group.places) {
            steps[place] = first.saturating_add(steps[place]);
        }
    }
    Ok(steps)
}
