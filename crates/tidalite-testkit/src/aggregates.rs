//! Aggregates of points in the simplest implementation, to compare the engine's with.

use crate::exact::Exact;
use tidalite::Point;

/// Aggregates of some points, each by its definition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Naive {
    /// All points.
    pub count: u64,
    /// Points with finite values.
    pub finite: u64,
    /// Points whose value is NaN.
    pub nan: u64,
    /// Sum of the finite values.
    pub sum: Option<f64>,
    /// Their mean.
    pub mean: Option<f64>,
    /// Their population variance.
    pub var: Option<f64>,
    /// Their population standard deviation.
    pub std: Option<f64>,
    /// The least.
    pub min: Option<f64>,
    /// The greatest.
    pub max: Option<f64>,
    /// The value at the least step.
    pub first: Option<f64>,
    /// The value at the greatest step.
    pub last: Option<f64>,
}

impl Naive {
    /// Of points whose series ascend, and whose steps ascend in each.
    pub fn of(points: &[Point]) -> Naive {
        let finite: Vec<f64> = points.iter().map(|p| p.value).filter(|v| v.is_finite()).collect();
        let exact = Exact::of(&finite);
        let some = |of: fn(&Exact) -> f64| (!finite.is_empty()).then(|| of(&exact));
        let least = points.iter().map(|p| p.step).min();
        let greatest = points.iter().map(|p| p.step).max();
        Naive {
            count: points.len() as u64,
            finite: finite.len() as u64,
            nan: points.iter().filter(|p| p.value.is_nan()).count() as u64,
            sum: some(Exact::sum),
            mean: some(Exact::mean),
            var: some(Exact::var),
            std: some(Exact::std),
            min: finite.iter().copied().reduce(f64::min),
            max: finite.iter().copied().reduce(f64::max),
            first: points.iter().find(|p| Some(p.step) == least).map(|p| p.value),
            last: points.iter().rfind(|p| Some(p.step) == greatest).map(|p| p.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregates_leave_what_is_not_finite_out() {
        let of = |v: &[f64]| -> Vec<Point> {
            v.iter().enumerate().map(|(i, &value)| Point { step: i as i64, time_us: 0, value }).collect()
        };
        let n = Naive::of(&of(&[f64::NAN, 1.0, 3.0, f64::INFINITY]));
        assert_eq!((n.count, n.finite, n.nan, n.mean, n.std), (4, 2, 1, Some(2.0), Some(1.0)));
        assert_eq!((n.min, n.max, n.last), (Some(1.0), Some(3.0), Some(f64::INFINITY)));
        assert_eq!(Naive::of(&[]).mean, None);
    }
}
