//! The mean and the spread of values, from their number and their exact sums.

use super::natural::{Natural, Scaled};
use super::sum::{ExactSquares, ExactSum, two_sum};

impl ExactSum {
    /// The f64 nearest to the mean of `count` values with this sum; `None` where there are none.
    pub fn mean(&self, count: u64) -> Option<f64> {
        if count == 0 {
            return None;
        }
        if let Some(mean) = quick_mean(count, self) {
            return Some(mean);
        }
        let wide = self.to_wide();
        let magnitude = Natural::of(&wide).over(count, 1).nearest();
        Some(if wide.is_negative() { -magnitude } else { magnitude })
    }
}

impl ExactSquares {
    /// The f64 nearest to the population variance (divided by `count`) of `count` values with these sums; `None` where
    /// there are none. Infinite beyond the greatest f64.
    pub fn var(&self, count: u64, sum: &ExactSum) -> Option<f64> {
        variance(count, sum, self).map(Scaled::nearest)
    }

    /// The f64 nearest to the population standard deviation; otherwise as [`var`](Self::var). It is finite.
    pub fn std(&self, count: u64, sum: &ExactSum) -> Option<f64> {
        variance(count, sum, self).map(|variance| variance.root().nearest())
    }
}

/// (count × Σx² − (Σx)²) / count².
fn variance(count: u64, sum: &ExactSum, squares: &ExactSquares) -> Option<Scaled> {
    if count <= 1 {
        return (count == 1).then_some(Scaled::ZERO);
    }
    let (sum, squares) = (Natural::of(&sum.to_wide()), Natural::of(&squares.to_wide()));
    Some(squares.times(count).minus(&sum.squared()).over(count, 2))
}

/// The mean, where a quotient of f64 numbers and one correction surely round to the nearest.
#[inline]
fn quick_mean(count: u64, sum: &ExactSum) -> Option<f64> {
    if sum.wide.is_some() || count >= 1 << 53 {
        return None;
    }
    let (high, low) = two_sum(sum.terms[0], sum.terms[1]);
    let n = count as f64;
    let quotient = high / n;
    if low == 0.0 {
        // One rounding. Adding zero makes −0 to 0.
        return Some(quotient + 0.0);
    }
    if !(1e-250..1e280).contains(&high.abs()) {
        return None;
    }
    let (product, error) = two_product(quotient, n);
    let correction = ((high - product) - error + low) / n;
    let (mean, left) = two_sum(quotient, correction);
    // The true mean is within this of mean + left: the rest and `low` are below 2^-52 of `high`, and lose 2^-51 of that.
    let doubt = quotient.abs() * 1e-30;
    let sure = mean + (left + doubt) == mean && mean + (left - doubt) == mean;
    sure.then_some(mean)
}

/// The rounded product and its error, for magnitudes whose product and error are normal numbers.
#[inline]
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let halves = |v: f64| {
        let shifted = v * ((1u64 << 27) + 1) as f64;
        let high = shifted - (shifted - v);
        (high, v - high)
    };
    let ((a_high, a_low), (b_high, b_low)) = (halves(a), halves(b));
    let product = a * b;
    let error = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low);
    (product, error)
}
