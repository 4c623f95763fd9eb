//! Views of a tail, and how the points of a series lie in one.

use tidalite_model::{Extent, StepRange};

/// A view: which steps and sequence numbers to read; both half-open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TailRange {
    pub(crate) steps: StepRange,
    pub(crate) seqs: (i64, i64),
}

impl TailRange {
    pub(super) fn takes(&self, step: i64, seq: i64) -> bool {
        self.steps.contains(step) && seq >= self.seqs.0 && seq < self.seqs.1
    }
}

/// The steps of a series in a view: those that it certainly has, and those that it may have.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StepReach {
    pub(crate) certain: Option<Extent>,
    pub(crate) possible: Option<Extent>,
}

/// How the points of a series in a view lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TailShape {
    /// The steps; `None` where there is no point.
    pub(crate) steps: Option<Extent>,
    /// Whether no step occurs twice.
    pub(crate) distinct: bool,
    /// Whether all steps are automatic.
    pub(crate) automatic: bool,
    /// Whether some points are not in memory.
    pub(crate) cold: bool,
    /// The most points there may be.
    pub(crate) points: u64,
}

impl Default for TailShape {
    fn default() -> Self {
        TailShape { steps: None, distinct: true, automatic: true, cold: false, points: 0 }
    }
}

impl TailShape {
    /// Adds points at these steps. `distinct` says that they have no step twice.
    pub(super) fn push(&mut self, steps: Extent, points: u64, distinct: bool, automatic: bool) {
        self.points += points;
        self.distinct &= distinct && self.steps.is_none_or(|all| all.last < steps.first);
        self.automatic &= automatic;
        self.steps = Some(self.steps.map_or(steps, |all| all.join(steps)));
    }
}
