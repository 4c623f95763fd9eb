//! Smoothing: the debiased exponential moving average, and the mean of a window of points.
//!
//! Values that are not finite stay unchanged and do not enter an average.

use super::kind::Decay;
use crate::points::Points;
use std::collections::VecDeque;

/// The debiased exponential moving average.
#[derive(Debug, Clone)]
pub(super) struct Ema {
    decay: Decay,
    mean: f64,
    /// The sum of all weights, the newest point's being 1; 0 before the first point.
    weight: f64,
    /// The step or time of the newest point, whichever the decay counts.
    at: i64,
}

impl Ema {
    pub(super) fn new(decay: Decay) -> Self {
        Ema { decay, mean: 0.0, weight: 0.0, at: 0 }
    }

    pub(super) fn apply(&mut self, points: &mut Points) {
        let axis = match self.decay {
            Decay::Micros(_) => &points.times_us,
            Decay::Factor(_) | Decay::Steps(_) => &points.steps,
        };
        for (value, &at) in points.values.iter_mut().zip(axis) {
            if value.is_finite() {
                *value = self.push(*value, at);
            }
        }
    }

    fn push(&mut self, value: f64, at: i64) -> f64 {
        let since = if at > self.at { at.abs_diff(self.at) as f64 } else { 0.0 };
        let factor = match self.decay {
            Decay::Factor(factor) => factor,
            Decay::Steps(half) | Decay::Micros(half) => (-since / half as f64).exp2(),
        };
        // Updates the mean without the weighted sum, which may be beyond the range of f64.
        self.weight = if self.weight > 0.0 { self.weight * factor + 1.0 } else { 1.0 };
        let part = self.weight.recip();
        let change = value - self.mean;
        self.mean = if change.is_finite() {
            self.mean + change * part
        } else {
            self.mean * (1.0 - part) + value * part
        };
        self.at = at;
        self.mean
    }
}

/// The mean of the last finite values.
///
/// Values are added and never subtracted: rounding does not accumulate, and a huge value leaves no error after it has
/// left the window. The window is two stacks: newer values with their sum, and older values, each with the sum of
/// itself and of all that leave later. When the older ones are used up, the newer ones take their place.
#[derive(Debug, Clone)]
pub(super) struct MovingMean {
    points: usize,
    values: VecDeque<f64>,
    older: Vec<f64>,
    newer: f64,
}

impl MovingMean {
    pub(super) fn new(points: usize) -> Self {
        MovingMean { points, values: VecDeque::new(), older: Vec::new(), newer: 0.0 }
    }

    pub(super) fn apply(&mut self, points: &mut Points) {
        for value in points.values.iter_mut().filter(|v| v.is_finite()) {
            *value = self.push(*value);
        }
    }

    fn push(&mut self, value: f64) -> f64 {
        if self.values.len() == self.points {
            if self.older.is_empty() {
                let mut sum = 0.0;
                self.older.extend(self.values.iter().rev().map(|v| {
                    sum += v;
                    sum
                }));
                self.newer = 0.0;
            }
            self.older.pop();
            self.values.pop_front();
        }
        self.values.push_back(value);
        self.newer += value;
        let n = self.values.len() as f64;
        let sum = self.older.last().copied().unwrap_or_default() + self.newer;
        // The sum may be beyond the range of f64 where the mean is not.
        if sum.is_finite() {
            return sum / n;
        }
        self.values.iter().map(|v| v / n).sum::<f64>().clamp(f64::MIN, f64::MAX)
    }

    pub(super) fn bytes(&self) -> usize {
        (self.values.capacity() + self.older.capacity()) * size_of::<f64>()
    }
}
