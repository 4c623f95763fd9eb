//! A chain of transforms over one series.

use super::average::{Ema, MovingMean};
use super::change::{Derivative, Rate};
use super::kind::{Transform, TransformKind};
use crate::points::Points;

/// A chain of transforms over one series, as far as its points have come.
#[derive(Debug, Clone)]
pub struct TransformChain(Vec<TransformState>);

#[derive(Debug, Clone)]
enum TransformState {
    Ema(Ema),
    MovingMean(MovingMean),
    Rate(Rate),
    Derivative(Derivative),
}

impl TransformChain {
    /// Before the first point of a series. Each transform takes what the one before it gives.
    pub fn new(transforms: &[Transform]) -> Self {
        let begin = |t: &Transform| match t.0 {
            TransformKind::Ema(decay) => TransformState::Ema(Ema::new(decay)),
            TransformKind::MovingMean(points) => TransformState::MovingMean(MovingMean::new(points)),
            TransformKind::Rate => TransformState::Rate(Rate::default()),
            TransformKind::Derivative(per) => TransformState::Derivative(Derivative::new(per)),
        };
        TransformChain(transforms.iter().map(begin).collect())
    }

    /// Makes of the next points of the series what becomes of them. They ascend by step, from piece to piece too, and
    /// repeats are resolved; needs steps, and times where a transform does.
    pub fn apply(&mut self, points: &mut Points) {
        let n = points.len();
        assert!(points.steps.len() == n, "points are transformed with their steps");
        for state in &mut self.0 {
            match state {
                TransformState::Ema(ema) => ema.apply(points),
                TransformState::MovingMean(mean) => mean.apply(points),
                TransformState::Rate(rate) => rate.apply(points),
                TransformState::Derivative(derivative) => derivative.apply(points),
            }
        }
    }

    /// About how much memory the state takes, in bytes.
    pub fn bytes(&self) -> usize {
        let held = |state: &TransformState| {
            if let TransformState::MovingMean(mean) = state { mean.bytes() } else { 0 }
        };
        self.0.iter().map(|state| size_of::<TransformState>() + held(state)).sum()
    }
}
