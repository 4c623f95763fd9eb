//! What transforms make of a series: which points they read, and which of the points that they give are the answer.
//!
//! A transform sees a series from its first point on, so a curve does not depend on the range that is looked at: the ranges
//! of a selection apply to what the transforms give. Points beyond the end of the selected steps have no effect and are
//! not read.

use tidalite_model::StepRange;
use tidalite_parts::ColumnSet;
use tidalite_query::{PointFilter, Points, Transform, TransformChain};

/// What is made of each series.
#[derive(Debug, Clone)]
pub(crate) struct Shaping {
    transforms: Vec<Transform>,
    /// Which of the points that are made are the answer.
    pub(super) answer: PointFilter,
}

impl Shaping {
    /// `None` where series are answered as they are.
    pub(crate) fn of(transforms: &[Transform], answer: PointFilter) -> Option<Shaping> {
        (!transforms.is_empty()).then(|| Shaping { transforms: transforms.to_vec(), answer })
    }

    /// What has to be read.
    pub(crate) fn reads(&self) -> PointFilter {
        PointFilter { steps: StepRange::new(None, self.answer.steps.hi), ..PointFilter::default() }
    }

    /// What of the points has to be read for this, besides what is asked of them.
    pub(crate) fn columns(&self, asked: ColumnSet) -> ColumnSet {
        let times = self.transforms.iter().any(Transform::needs_times) || !self.answer.times_us.is_all();
        ColumnSet { step: true, time: asked.time || times, value: true, ..asked }
    }

    /// Turns the points of a series into the answer; those of a later piece of it from that piece's start state on.
    pub(crate) fn apply(&self, start_state: Option<&TransformChain>, points: &mut Points) {
        let mut state = start_state.cloned().unwrap_or_else(|| self.begin());
        state.apply(points);
        self.answer.apply(points);
    }

    pub(super) fn begin(&self) -> TransformChain {
        TransformChain::new(&self.transforms)
    }
}
