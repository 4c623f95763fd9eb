//! A chain of transforms over one series.

use super::average::{Ema, MovingMean};
use super::change::{CounterChanges, Derivative, Integral, Rate};
use super::kind::{Transform, TransformKind};
use crate::points::Points;

/// The state of a chain of transforms over one series.
///
/// ```
/// use tidalite_query::{Points, TransformChain};
/// let mut chain = TransformChain::new(&["mean:2".parse()?, "derivative:step".parse()?]);
/// let piece = |rows: &[(i64, f64)]| {
///     let mut points = Points::default();
///     rows.iter().for_each(|&(step, value)| points.push(step, 0, 0, value));
///     points
/// };
/// let (mut first, mut second) = (piece(&[(0, 1.0), (1, 3.0)]), piece(&[(2, 5.0)]));
/// chain.apply(&mut first);
/// chain.apply(&mut second);
/// assert_eq!((first.values, second.values), (vec![1.0], vec![2.0]));
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TransformChain(Vec<TransformState>);

#[derive(Debug, Clone)]
enum TransformState {
    Ema(Ema),
    MovingMean(MovingMean),
    Rate(Rate),
    Derivative(Derivative),
    Integral(Integral),
}

impl TransformChain {
    /// The state before the first point of a series. Each transform takes the output of the one before it.
    pub fn new(transforms: &[Transform]) -> Self {
        let start = |t: &Transform| match t.0 {
            TransformKind::Ema(decay) => TransformState::Ema(Ema::new(decay)),
            TransformKind::MovingMean(points) => TransformState::MovingMean(MovingMean::new(points)),
            TransformKind::Rate => TransformState::Rate(Rate::default()),
            TransformKind::Integral => TransformState::Integral(Integral::default()),
            TransformKind::MeanByTime => TransformState::Integral(Integral::mean()),
            TransformKind::Derivative(per) => TransformState::Derivative(Derivative::new(per)),
        };
        TransformChain(transforms.iter().map(start).collect())
    }

    /// Transforms the next points of the series in place. Points ascend by step, across pieces too, and repeats are
    /// resolved. Needs steps, and times where a transform does.
    pub fn apply(&mut self, points: &mut Points) {
        let n = points.len();
        assert!(points.steps.len() == n, "points are transformed with their steps");
        for state in &mut self.0 {
            match state {
                TransformState::Ema(ema) => ema.apply(points),
                TransformState::MovingMean(mean) => mean.apply(points),
                TransformState::Rate(rate) => rate.apply(points),
                TransformState::Derivative(derivative) => derivative.apply(points),
                TransformState::Integral(integral) => integral.apply(points),
            }
        }
    }

    /// How the counters changed whose rates were computed since the last call.
    ///
    /// ```
    /// use tidalite_query::{CounterChanges, Points, TransformChain};
    /// let mut chain = TransformChain::new(&["rate".parse()?]);
    /// let mut points = Points::default();
    /// for (second, count) in [(0, 5.0), (1, 7.0), (2, 7.0), (3, 1.0)] {
    ///     points.push(second, 0, second * 1_000_000, count);
    /// }
    /// chain.apply(&mut points);
    /// assert_eq!(chain.take_counter_changes(), CounterChanges { rises: 1, falls: 1 });
    /// assert_eq!(chain.take_counter_changes(), CounterChanges::default());
    /// # Ok::<(), tidalite_model::Error>(())
    /// ```
    pub fn take_counter_changes(&mut self) -> CounterChanges {
        let mut all = CounterChanges::default();
        for state in &mut self.0 {
            if let TransformState::Rate(rate) = state {
                let changes = rate.take_changes();
                all.rises += changes.rises;
                all.falls += changes.falls;
            }
        }
        all
    }

    /// The approximate memory of the state, in bytes.
    pub fn bytes(&self) -> usize {
        let held = |state: &TransformState| {
            if let TransformState::MovingMean(mean) = state { mean.bytes() } else { 0 }
        };
        self.0.iter().map(|state| size_of::<TransformState>() + held(state)).sum()
    }
}
