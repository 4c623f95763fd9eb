//! What the logs hold of the series of a batch, gathered at once: where rows are not in memory, the log is read once for
//! all of them.

use super::query_plan::Plan;
use super::series::{Planned, PlannedSource};
use std::collections::{BTreeMap, HashMap};
use tidalite_log::SeriesId;
use tidalite_model::{Result, StepRange};
use tidalite_query::Points;

/// The points of some series in logs.
#[derive(Debug, Default)]
pub(crate) struct BatchTails {
    /// By tail and series in it, with the number of sources that need them.
    points: HashMap<(usize, SeriesId), (Points, usize)>,
}

impl Plan {
    /// Gathers what the logs hold of these series, at the steps to read.
    ///
    /// # Errors
    /// Those of reading logs.
    pub(crate) fn tails_of<'a>(&self, series: impl IntoIterator<Item = &'a Planned>) -> Result<BatchTails> {
        let mut wanted: BTreeMap<usize, BTreeMap<SeriesId, (StepRange, usize)>> = BTreeMap::new();
        for planned in series {
            for source in &planned.sources {
                let steps = source.within(planned.steps);
                for &(t, id) in &source.tails {
                    let of_tail = wanted.entry(t).or_default();
                    let (all, uses) = of_tail.entry(id).or_insert((steps, 0));
                    *all = hull(*all, steps);
                    *uses += 1;
                }
            }
        }
        let mut found = BatchTails::default();
        for (t, series) in wanted {
            let Some(steps) = series.values().map(|(steps, _)| *steps).reduce(hull) else { continue };
            let ids: Vec<SeriesId> = series.keys().copied().collect();
            let points = self.snapshot.view.tails[t].gather(&ids, steps, &self.snapshot.state.pool)?;
            let places = series.into_iter().map(|(id, (_, uses))| ((t, id), uses));
            found.points.extend(places.zip(points).map(|((place, uses), points)| (place, (points, uses))));
        }
        Ok(found)
    }

    /// The points in a source's tails, at the steps to read, without those that tombstones cover. Called once for each
    /// source of the series that were gathered.
    pub(crate) fn tail_points(
        &self,
        planned: &Planned,
        source: &PlannedSource,
        tails: &mut BatchTails,
    ) -> Vec<Points> {
        let steps = source.within(planned.steps);
        let take = |place: &(usize, SeriesId)| {
            let mut points = tails.take(place);
            keep_steps(&mut points, steps);
            if let Some(tombstones) = &source.tombstones {
                tombstones.apply(&mut points);
            }
            points
        };
        source.tails.iter().map(take).filter(|points| !points.is_empty()).collect()
    }
}

impl BatchTails {
    fn take(&mut self, place: &(usize, SeriesId)) -> Points {
        let Some((points, uses)) = self.points.get_mut(place) else { return Points::default() };
        *uses -= 1;
        if *uses == 0 { std::mem::take(points) } else { points.clone() }
    }
}

/// The least range that contains both.
fn hull(a: StepRange, b: StepRange) -> StepRange {
    StepRange::new(a.lo.zip(b.lo).map(|(a, b)| a.min(b)), a.hi.zip(b.hi).map(|(a, b)| a.max(b)))
}

fn keep_steps(points: &mut Points, steps: StepRange) {
    if points.steps.iter().all(|&step| steps.contains(step)) {
        return;
    }
    let mask: Vec<bool> = points.steps.iter().map(|&step| steps.contains(step)).collect();
    points.keep(&mask);
}
