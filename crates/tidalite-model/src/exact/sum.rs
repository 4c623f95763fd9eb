//! An exact sum: a few f64 terms, or a fixed-point number where these do not suffice.

use super::wide::Wide;

/// An exact sum of values. Two terms hold it where the values have similar magnitudes.
pub type ExactSum = ExactTerms<2>;

/// An exact sum of the squares of values. A square has twice the digits, so four terms hold it.
pub type ExactSquares = ExactTerms<4>;

/// An exact sum of finite f64 numbers.
///
/// ```
/// use tidalite_model::ExactSum;
/// let mut sum = ExactSum::default();
/// [1e16, 1.0, -1e16, 1e308, 1e308, -1e308, -1e308].into_iter().for_each(|v| sum.add(v));
/// assert_eq!(sum.nearest(), 1.0);
/// ```
#[derive(Debug, Clone)]
pub struct ExactTerms<const TERMS: usize> {
    /// Their total is the sum, unless it is wide. All are below [`TERM_MAX`].
    pub(super) terms: [f64; TERMS],
    /// The sum, where the terms cannot hold it; then they are zero.
    pub(super) wide: Option<Box<Wide>>,
}

/// No addition of two numbers below this overflows.
const TERM_MAX: f64 = f64::from_bits(0x7fb << 52);
/// The square of a number from here on, and its rounding error, are normal numbers or zero.
pub(super) const SQUARE_MIN: f64 = f64::from_bits((1023 - 480) << 52);
/// The square of a number below this is below [`TERM_MAX`].
pub(super) const SQUARE_MAX: f64 = f64::from_bits((1023 + 500) << 52);

impl<const TERMS: usize> Default for ExactTerms<TERMS> {
    fn default() -> Self {
        ExactTerms { terms: [0.0; TERMS], wide: None }
    }
}

impl<const TERMS: usize> ExactTerms<TERMS> {
    /// Adds a finite value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        if self.wide.is_none() {
            let (mut terms, mut left) = (self.terms, value);
            for term in &mut terms {
                (*term, left) = two_sum(*term, left);
            }
            // Both are false after an overflow.
            if left == 0.0 && terms[0].abs() < TERM_MAX {
                self.terms = terms;
                return;
            }
        }
        self.add_wide(value);
    }

    /// Adds the square of a finite value.
    #[inline]
    pub fn add_square(&mut self, value: f64) {
        let magnitude = value.abs();
        if (SQUARE_MIN..SQUARE_MAX).contains(&magnitude) {
            let (square, error) = two_square(value);
            self.add(square);
            self.add(error);
        } else if value != 0.0 {
            self.widen().add_square(value);
        }
    }

    /// Adds all that `other` took.
    #[inline]
    pub fn merge(&mut self, other: &Self) {
        if let Some(wide) = &other.wide {
            self.widen().merge(wide);
            return;
        }
        for &term in other.terms.iter().filter(|t| **t != 0.0) {
            self.add(term);
        }
    }

    /// Whether the sum is zero.
    pub fn is_zero(&self) -> bool {
        match self.wide {
            Some(_) => self.to_wide() == Wide::ZERO,
            None => self.terms == [0.0; TERMS] || self.to_wide() == Wide::ZERO,
        }
    }

    /// As [`add`](Self::add), where the terms may not suffice.
    #[cold]
    fn add_wide(&mut self, value: f64) {
        if self.wide.is_none() && value.abs() < TERM_MAX {
            // Terms that overlap hold fewer digits than they could.
            let mut all = [0.0; 8];
            all[..TERMS].copy_from_slice(&self.terms);
            all[TERMS] = value;
            if settle(&mut all[..=TERMS]) && all[0].abs() < TERM_MAX {
                self.terms.copy_from_slice(&all[..TERMS]);
                return;
            }
        }
        self.widen().add(value);
    }

    fn widen(&mut self) -> &mut Wide {
        if self.wide.is_none() {
            self.wide = Some(Box::new(self.to_wide()));
            self.terms = [0.0; TERMS];
        }
        self.wide.as_mut().expect("it was just set")
    }

    pub(super) fn to_wide(&self) -> Wide {
        if let Some(wide) = &self.wide {
            return (**wide).clone();
        }
        let mut wide = Wide::ZERO;
        self.terms.iter().for_each(|&term| wide.add(term));
        wide
    }
}

/// Sums are equal where they have the same total, however it is split into terms.
impl<const TERMS: usize> PartialEq for ExactTerms<TERMS> {
    fn eq(&self, other: &Self) -> bool {
        (self.wide.is_none() && other.wide.is_none() && self.terms == other.terms)
            || self.to_wide() == other.to_wide()
    }
}

impl<const TERMS: usize> Eq for ExactTerms<TERMS> {}

/// The rounded sum and its error (D. E. Knuth, "The Art of Computer Programming", volume 2, section 4.2.2).
#[inline]
pub(super) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let second = sum - a;
    (sum, (a - (sum - second)) + (b - second))
}

/// The rounded square and its error (T. J. Dekker, "A floating-point technique for extending the available precision",
/// Numerische Mathematik 18, 1971), for magnitudes from [`SQUARE_MIN`] to [`SQUARE_MAX`].
#[inline]
pub(super) fn two_square(value: f64) -> (f64, f64) {
    let shifted = value * ((1u64 << 27) + 1) as f64;
    let high = shifted - (shifted - value);
    let low = value - high;
    let square = value * value;
    (square, ((high * high - square) + 2.0 * high * low) + low * low)
}

/// Makes the terms small from left to right, so that as few as possible are not zero; returns whether the last is zero.
fn settle(terms: &mut [f64]) -> bool {
    for _ in 0..terms.len() {
        for at in (1..terms.len()).rev() {
            (terms[at - 1], terms[at]) = two_sum(terms[at - 1], terms[at]);
        }
        // Zeros between terms move to the end.
        let mut kept = 0;
        for at in 0..terms.len() {
            if terms[at] != 0.0 {
                terms.swap(kept, at);
                kept += 1;
            }
        }
        if kept < terms.len() {
            return true;
        }
    }
    false
}
