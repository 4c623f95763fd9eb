//! The transforms of a selection: which points they read, and which of their results are the answer.
//!
//! A transform sees a series from its first point on, so a curve does not depend on the selected range: the ranges of
//! a selection apply to the results. Points beyond the end of the selected steps have no effect and are not read.

use std::sync::{Arc, Mutex, PoisonError};
use tidalite_model::StepRange;
use tidalite_parts::ColumnSet;
use tidalite_query::{CounterChanges, PointFilter, Points, Transform, TransformChain};

/// The transforms of each series.
#[derive(Debug, Clone)]
pub(crate) struct Shaping {
    transforms: Vec<Transform>,
    /// Which of the results are the answer.
    pub(super) answer: PointFilter,
    rates: MetRates,
}

/// How the counters changed whose rates were computed. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct MetRates(Arc<Mutex<CounterChanges>>);

impl MetRates {
    pub(crate) fn met(&self) -> CounterChanges {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, changes: CounterChanges) {
        if changes != CounterChanges::default() {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.rises += changes.rises;
            all.falls += changes.falls;
        }
    }
}

impl Shaping {
    /// `None` where there are no transforms.
    pub(crate) fn of(transforms: &[Transform], answer: PointFilter, rates: &MetRates) -> Option<Shaping> {
        let (transforms, rates) = (transforms.to_vec(), rates.clone());
        (!transforms.is_empty()).then_some(Shaping { transforms, answer, rates })
    }

    /// The points that have to be read.
    pub(crate) fn reads(&self) -> PointFilter {
        PointFilter { steps: StepRange::new(None, self.answer.steps.hi), ..PointFilter::default() }
    }

    /// The columns that have to be read, given those that the answer needs.
    pub(crate) fn columns(&self, asked: ColumnSet) -> ColumnSet {
        let times = self.transforms.iter().any(Transform::needs_times) || !self.answer.times_us.is_all();
        ColumnSet { step: true, time: asked.time || times, value: true, ..asked }
    }

    /// Turns the points of a series into the answer. A later piece of a series continues from its start state.
    pub(crate) fn apply(&self, start_state: Option<&TransformChain>, points: &mut Points) {
        let mut state = start_state.cloned().unwrap_or_else(|| self.begin());
        state.apply(points);
        self.rates.add(state.take_counter_changes());
        self.answer.apply(points);
    }

    pub(super) fn begin(&self) -> TransformChain {
        TransformChain::new(&self.transforms)
    }
}
