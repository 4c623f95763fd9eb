//! The series that the planner has met so far, with the runs that their points belong to.

use super::series::Planned;
use std::sync::Arc;
use tidalite_model::{Labels, SeriesKey, StepRange};

/// Somebody to whom points of a run belong: the run itself, or one of its descendants.
pub(super) struct Owner {
    pub(super) run: Arc<str>,
    /// 0 is the run itself.
    pub(super) generation: u32,
    /// The last step that is taken over.
    pub(super) until: Option<i64>,
}

/// The series met so far; one may stand there several times until they are put in order.
#[derive(Default)]
pub(super) struct FoundSeries {
    pub(super) series: Vec<Planned>,
    /// How many may stand there before they are put in order.
    most: usize,
}

/// So many series are not put in order before all are met.
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
        // Rows of a series mostly follow each other.
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

    /// Each once, ascending by key: what is kept is no more than twice what is selected.
    pub(super) fn order(&mut self) {
        // Each part's series ascend, so there are long runs in order; and those of one key stay in the order met.
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
