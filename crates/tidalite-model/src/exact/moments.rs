//! The nearest f64 to a sum, and the mean and the spread of values, from their number and their exact sums.

use super::natural::{Natural, Scaled};
use super::sum::{ExactSquares, ExactSum, ExactTerms, two_sum};

impl<const TERMS: usize> ExactTerms<TERMS> {
    /// The f64 nearest to the sum; infinite beyond the greatest.
    pub fn nearest(&self) -> f64 {
        if self.wide.is_none() && self.terms[2..].iter().all(|&t| t == 0.0) {
            // One rounding of the exact total. Adding zero makes −0 to 0.
            return self.terms[0] + self.terms[1] + 0.0;
        }
        let (magnitude, negative) = Natural::of(self);
        let magnitude = magnitude.over(1, 1).nearest();
        if negative { -magnitude } else { magnitude }
    }
}

impl ExactSum {
    /// The f64 nearest to the mean of `count` values with this sum; `None` where there are none.
    pub fn mean(&self, count: u64) -> Option<f64> {
        if count == 0 {
            return None;
        }
        if let Some(mean) = quick_mean(count, self) {
            return Some(mean);
        }
        let (magnitude, negative) = Natural::of(self);
        let magnitude = magnitude.over(count, 1).nearest();
        Some(if negative { -magnitude } else { magnitude })
    }
}

impl ExactSquares {
    /// The f64 nearest to the population variance (divided by `count`) of `count` values with these sums; `None` where
    /// there are none. Infinite beyond the greatest f64.
    pub fn var(&self, count: u64, sum: &ExactSum) -> Option<f64> {
        match QuickVar::of(count, sum, self).and_then(QuickVar::var) {
            None => variance(count, sum, self).map(Scaled::nearest),
            sure => sure,
        }
    }

    /// The f64 nearest to the population standard deviation; otherwise as [`var`](Self::var). It is finite.
    pub fn std(&self, count: u64, sum: &ExactSum) -> Option<f64> {
        match QuickVar::of(count, sum, self).and_then(QuickVar::std) {
            None => variance(count, sum, self).map(|variance| variance.root().nearest()),
            sure => sure,
        }
    }
}

/// (count × Σx² − (Σx)²) / count².
fn variance(count: u64, sum: &ExactSum, squares: &ExactSquares) -> Option<Scaled> {
    if count <= 1 {
        return (count == 1).then_some(Scaled::ZERO);
    }
    let ((sum, _), (squares, _)) = (Natural::of(sum), Natural::of(squares));
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
    surely_nearest(mean, left, doubt)
}

/// `near`, if it is the f64 nearest to every number within `doubt` of `near` + `left` (A. Ziv, "Fast evaluation of
/// elementary mathematical functions with correctly rounded last bit", ACM Transactions on Mathematical Software 17,
/// 1991).
#[inline]
fn surely_nearest(near: f64, left: f64, doubt: f64) -> Option<f64> {
    (near + (left + doubt) == near && near + (left - doubt) == near).then_some(near)
}

/// A variance as a sum of two f64 numbers, off by at most `doubt`.
struct QuickVar {
    high: f64,
    low: f64,
    doubt: f64,
}

impl QuickVar {
    /// `None` where the sums are out of the range in which the bound of the error holds.
    fn of(count: u64, sum: &ExactSum, squares: &ExactSquares) -> Option<QuickVar> {
        let fits = (2..1 << 26).contains(&count) && sum.wide.is_none() && squares.wide.is_none();
        if !fits {
            return None;
        }
        let n = count as f64;
        let (s, s_low) = two_sum(sum.terms[0], sum.terms[1]);
        let (q, rest) = two_sum(squares.terms[0], squares.terms[1]);
        let q_low = rest + (squares.terms[2] + squares.terms[3]);
        let in_range = (1e-200..1e200).contains(&q) && s.abs() < 1e120;
        // The lower terms of a sum may overlap the upper ones; then the bound does not hold.
        if !in_range
            || squares.terms[2].abs().max(squares.terms[3].abs()) > q * 1e-15
            || q_low.abs() > q * 1e-15
        {
            return None;
        }
        let (all, all_error) = two_product(n, q);
        let (square, square_error) = two_product(s, s);
        let (high, error) = two_sum(all, -square);
        let low = error + ((all_error + n * q_low) - (square_error + 2.0 * s * s_low));
        // Each of the lower parts is below 2^-49 of the upper ones, and loses less than 2^-50 of that.
        let doubt = (all + square) * 2f64.powi(-96);
        let (high, low) = two_sum(high, low);
        let nn = n * n;
        let quotient = high / nn;
        let (product, product_error) = two_product(quotient, nn);
        let correction = ((high - product) - product_error + low) / nn;
        let (high, low) = two_sum(quotient, correction);
        Some(QuickVar { high, low, doubt: doubt / nn + high.abs() * 2f64.powi(-98) })
    }

    fn var(self) -> Option<f64> {
        surely_nearest(self.high, self.low, self.doubt).filter(|var| *var > 1e-250)
    }

    fn std(self) -> Option<f64> {
        let QuickVar { high, low, doubt } = self;
        if high < 1e-220 || doubt > high * 1e-10 {
            return None;
        }
        let root = high.sqrt();
        let (product, error) = two_product(root, root);
        let correction = ((high - product) - error + low) / (2.0 * root);
        let (std, left) = two_sum(root, correction);
        surely_nearest(std, left, doubt / root + std * 2f64.powi(-98))
    }
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
