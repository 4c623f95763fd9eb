//! Sum, mean and spread by their definitions, in whole numbers of any length, rounded to the nearest f64 by search.
//!
//! Nothing is shared with the engine: a value is a multiple of 2^-1075, sums are of such multiples, and the nearest f64 is
//! found by halving the range of all f64 numbers.

use num_bigint::{BigInt, Sign};
use std::cmp::Ordering;

/// The unit is half the least f64, so that the middle of two neighbours is whole.
fn units(value: f64) -> BigInt {
    let bits = value.to_bits();
    let (field, fraction) = (bits >> 52 & 0x7ff, bits & ((1 << 52) - 1));
    let magnitude = match field {
        0 => BigInt::from(fraction) << 1u32,
        _ => BigInt::from(fraction | 1 << 52) << field,
    };
    if value < 0.0 { -magnitude } else { magnitude }
}

/// The nearest f64, of two the even one, where `compare` says how a number of units compares with the true one, which is
/// not negative.
fn nearest(compare: &dyn Fn(&BigInt) -> Ordering) -> f64 {
    let infinite = f64::INFINITY.to_bits();
    // The units of infinity are those of 2^1024.
    let of = |bits: u64| units(f64::from_bits(bits));
    let (mut low, mut above) = (0, infinite);
    while above - low > 1 {
        let middle = low + (above - low) / 2;
        match compare(&of(middle)) {
            Ordering::Greater => above = middle,
            _ => low = middle,
        }
    }
    let half = (of(low) + of(above)) >> 1u32;
    let up = match compare(&half) {
        Ordering::Less => true,
        Ordering::Equal => low % 2 == 1,
        Ordering::Greater => false,
    };
    f64::from_bits(if up { above } else { low })
}

/// The exact sums of some values.
pub(crate) struct Exact {
    count: BigInt,
    sum: BigInt,
    squares: BigInt,
}

impl Exact {
    /// Of finite values.
    pub(crate) fn of(values: &[f64]) -> Exact {
        let (mut sum, mut squares) = (BigInt::ZERO, BigInt::ZERO);
        for value in values.iter().map(|&v| units(v)) {
            squares += &value * &value;
            sum += value;
        }
        Exact { count: BigInt::from(values.len()), sum, squares }
    }

    fn signed(&self, magnitude: f64) -> f64 {
        if self.sum.sign() == Sign::Minus { -magnitude } else { magnitude }
    }

    /// The f64 nearest to the sum.
    pub(crate) fn sum(&self) -> f64 {
        let sum = BigInt::from(self.sum.magnitude().clone());
        self.signed(nearest(&|units| units.cmp(&sum)))
    }

    /// The f64 nearest to the mean of at least one value.
    pub(crate) fn mean(&self) -> f64 {
        let sum = BigInt::from(self.sum.magnitude().clone());
        self.signed(nearest(&|units| (units * &self.count).cmp(&sum)))
    }

    /// The f64 nearest to the population standard deviation of at least one value.
    pub(crate) fn std(&self) -> f64 {
        let spread = &self.count * &self.squares - &self.sum * &self.sum;
        nearest(&|units| {
            let product = units * &self.count;
            (&product * &product).cmp(&spread)
        })
    }

    /// The f64 nearest to the population variance of at least one value.
    pub(crate) fn var(&self) -> f64 {
        let spread = &self.count * &self.squares - &self.sum * &self.sum;
        nearest(&|units| ((units * &self.count * &self.count) << 1075u32).cmp(&spread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_the_nearest() {
        let of = |values: &[f64]| {
            let exact = Exact::of(values);
            [exact.sum(), exact.mean(), exact.var(), exact.std()]
        };
        assert_eq!(of(&[1.0, 2.0, 4.0]), [7.0, 7.0 / 3.0, 14.0 / 9.0, (14.0f64 / 9.0).sqrt()]);
        assert_eq!(of(&[-1.0, -2.0])[..2], [-3.0, -1.5]);
        assert_eq!(of(&[f64::MAX, f64::MAX]), [f64::INFINITY, f64::MAX, 0.0, 0.0]);
        assert_eq!(of(&[1e16, 1.0, -1e16])[0], 1.0);
        assert_eq!(of(&[1.0, 1.0 + f64::EPSILON])[1], 1.0, "of two the even one");
        assert_eq!(of(&[5e-324, 0.0])[1], 0.0);
    }
}
