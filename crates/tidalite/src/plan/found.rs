//! The series that the planner has found so far, and the runs that own their points.

use super::series::Planned;
use std::sync::Arc;
use tidalite_model::{Labels, SeriesKey, StepRange};

/// An owner of a run's points: the run itself, or a descendant that inherits them.
pub(super) struct Owner {
    pub(super) run: Arc<str>,
    /// 0 is the run itself.
    pub(super) generation: u32,
    /// The last inherited step; `None` for the run itself.
    pub(super) until: Option<i64>,
}

/// The series found so far. One may occur several times until they are sorted.
#[derive(Default)]
pub(super) struct FoundSeries {
    pub(super) series: Vec<Planned>,
    /// The length at which they are sorted.
    most: usize,
}

/// Up to this many series are sorted only once, at the end.
const UNORDERED_MIN: usize = 1 << 16;

impl FoundSeries {
    pub(super) fn planned(
        &mut self,
        owner: &Owner,
        metric: &Arc<str>,
        labels: &Labels,
        steps: StepRange,
    ) -> &mut Planned {
        let same = |key: &SeriesKey| key.metric == *metric && key.labels == *labels && key.run == owner.run;
        // Rows of one series are mostly adjacent.
        if self.series.last().is_none_or(|last| !same(&last.key)) {
            if self.series.len() >= self.most.max(UNORDERED_MIN) {
                self.order();
                self.most = 2 * self.series.len();
            }
            let key = SeriesKey { run: owner.run.clone(), metric: metric.clone(), labels: labels.clone() };
            self.series.push(Planned { key, sources: Vec::new(), points_max: 0, steps, start_state: None });
        }
        self.series.last_mut().expect("one was entered above")
    }

    /// Sorts the series by key and joins equal ones. So the list never exceeds twice the selected series.
    pub(super) fn order(&mut self) {
        // Each part's series ascend, so there are long sorted runs. The sort is stable: equal keys stay in the order
        // found.
        self.series.sort_by(|a, b| a.key.cmp(&b.key));
        self.series.dedup_by(|again, first| {
            let same = again.key == first.key;
            if same {
                first.points_max += again.points_max;
                for source in again.sources.drain(..) {
                    first.source(source.generation, source.until).join(source);
                }
            }
            same
        });
    }
}
