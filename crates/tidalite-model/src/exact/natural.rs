//! Whole numbers of any length, as far as rounding a quotient or its root needs them.

use super::sum::ExactTerms;
use super::wide::{LEAST, add_scaled, parts};
use std::cmp::Ordering;

/// `limbs` × 2^`exponent`, where the exponent is a multiple of 64. The lowest limb is first; the highest and the lowest
/// are not zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Natural {
    limbs: Vec<u64>,
    exponent: i32,
}

/// About `top` × 2^`exponent`; a little more where `more` is set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scaled {
    top: u128,
    exponent: i32,
    more: bool,
}

impl Natural {
    /// The magnitude of a sum, and whether it is negative.
    pub(super) fn of<const TERMS: usize>(sum: &ExactTerms<TERMS>) -> (Natural, bool) {
        match &sum.wide {
            Some(wide) => Natural::of_limbs(wide.limbs.to_vec(), LEAST),
            None => Natural::of_terms(&sum.terms),
        }
    }

    /// As [`of`](Self::of), with as few limbs as the terms reach over.
    fn of_terms(terms: &[f64]) -> (Natural, bool) {
        let reach = |&term: &f64| {
            let (mantissa, exponent) = parts(term);
            (exponent, exponent + 64 - mantissa.leading_zeros().cast_signed())
        };
        let mut of = terms.iter().filter(|t| **t != 0.0).map(reach);
        let Some(first) = of.next() else { return (Natural { limbs: Vec::new(), exponent: 0 }, false) };
        let (low, high) = of.fold(first, |all, term| (all.0.min(term.0), all.1.max(term.1)));
        let exponent = low.div_euclid(64) * 64;
        // Room for the sign and for carries, and for the second limb of the highest term.
        let limbs = usize::try_from((high - exponent) / 64 + 2).expect("the highest bit is above the lowest");
        let mut limbs = vec![0; limbs];
        for &term in terms {
            let (mantissa, at) = parts(term);
            add_scaled(&mut limbs, mantissa, at - exponent, term < 0.0);
        }
        Natural::of_limbs(limbs, exponent)
    }

    /// From limbs in two's complement.
    fn of_limbs(mut limbs: Vec<u64>, exponent: i32) -> (Natural, bool) {
        let negative = limbs.last().is_some_and(|&top| top >> 63 == 1);
        if negative {
            let mut carry = true;
            for limb in &mut limbs {
                (*limb, carry) = (!*limb).overflowing_add(u64::from(carry));
            }
        }
        (Natural::trimmed(limbs, exponent), negative)
    }

    fn trimmed(mut limbs: Vec<u64>, exponent: i32) -> Natural {
        let top = limbs.iter().rposition(|&l| l != 0).map_or(0, |at| at + 1);
        limbs.truncate(top);
        let low = limbs.iter().position(|&l| l != 0).unwrap_or(0);
        limbs.drain(..low);
        Natural { limbs, exponent: exponent + 64 * exponent_of(low) }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    pub(super) fn times(&self, factor: u64) -> Natural {
        let mut carry = 0u128;
        let mut limbs: Vec<u64> = Vec::with_capacity(self.limbs.len() + 1);
        for &limb in &self.limbs {
            carry += u128::from(limb) * u128::from(factor);
            limbs.push(carry as u64);
            carry >>= 64;
        }
        limbs.push(carry as u64);
        Natural::trimmed(limbs, self.exponent)
    }

    pub(super) fn squared(&self) -> Natural {
        let mut limbs = vec![0u64; 2 * self.limbs.len()];
        for (i, &a) in self.limbs.iter().enumerate() {
            let mut carry = 0u128;
            for (limb, &b) in limbs[i..].iter_mut().zip(&self.limbs) {
                carry += u128::from(*limb) + u128::from(a) * u128::from(b);
                *limb = carry as u64;
                carry >>= 64;
            }
            limbs[i + self.limbs.len()] = carry as u64;
        }
        Natural::trimmed(limbs, 2 * self.exponent)
    }

    /// The difference; zero where `other` is greater.
    pub(super) fn minus(&self, other: &Natural) -> Natural {
        if other.is_zero() {
            return self.clone();
        }
        let least = self.exponent.min(other.exponent);
        let aligned = |n: &Natural| {
            let below = usize::try_from((n.exponent - least) / 64).expect("it is the lesser of both");
            let mut limbs = vec![0; below];
            limbs.extend_from_slice(&n.limbs);
            limbs
        };
        let (mut mine, theirs) = (aligned(self), aligned(other));
        let order = mine.len().cmp(&theirs.len()).then_with(|| mine.iter().rev().cmp(theirs.iter().rev()));
        if order != Ordering::Greater {
            return Natural { limbs: Vec::new(), exponent: 0 };
        }
        let mut borrow = false;
        for (at, limb) in mine.iter_mut().enumerate() {
            let (left, under) = limb.overflowing_sub(theirs.get(at).copied().unwrap_or(0));
            let again;
            (*limb, again) = left.overflowing_sub(u64::from(borrow));
            borrow = under || again;
        }
        Natural::trimmed(mine, least)
    }

    /// The quotient by a number that is not zero, divided `times` times, to 128 bits.
    pub(super) fn over(&self, divisor: u64, times: usize) -> Scaled {
        // Each division takes at most 64 bits, and at least 128 are to remain.
        let below = 2 + times;
        let mut limbs = vec![0; below];
        limbs.extend_from_slice(&self.limbs);
        let mut more = false;
        for _ in 0..times {
            let mut rest = 0u128;
            for limb in limbs.iter_mut().rev() {
                let all = rest << 64 | u128::from(*limb);
                *limb = (all / u128::from(divisor)) as u64;
                rest = all % u128::from(divisor);
            }
            more |= rest != 0;
        }
        let exponent = self.exponent - 64 * exponent_of(below);
        let Some(high) = limbs.iter().rposition(|&l| l != 0) else {
            return Scaled { top: 0, exponent, more };
        };
        let limb = |below_top: usize| high.checked_sub(below_top).map_or(0, |at| limbs[at]);
        let shift = limb(0).leading_zeros();
        let two = u128::from(limb(0)) << 64 | u128::from(limb(1));
        let third = (u128::from(limb(2)) << shift) >> 64;
        let top = two << shift | third;
        let dropped = limb(2) << shift != 0 || limbs[..high.saturating_sub(2)].iter().any(|&l| l != 0);
        let exponent = exponent + 64 * (exponent_of(high) - 1) - shift.cast_signed();
        Scaled { top, exponent, more: more || dropped }
    }
}

fn exponent_of(limbs: usize) -> i32 {
    i32::try_from(limbs).expect("no number has 2^31 limbs")
}

impl Scaled {
    pub(super) const ZERO: Scaled = Scaled { top: 0, exponent: 0, more: false };

    /// The root.
    pub(super) fn root(self) -> Scaled {
        let odd = self.exponent & 1;
        let top = self.top >> odd;
        let more = self.more || (top << odd) != self.top;
        let root = top.isqrt();
        Scaled { top: root, exponent: (self.exponent + odd) / 2, more: more || root * root != top }
    }

    /// The nearest f64; of two, the even one. Infinite beyond the greatest.
    pub(super) fn nearest(self) -> f64 {
        let Scaled { top, exponent, more } = self;
        if top == 0 {
            return 0.0;
        }
        let bits = 128 - top.leading_zeros().cast_signed();
        // 53 bits, fewer where the result is subnormal.
        let kept = bits.min(53).min(exponent + bits + 1074);
        let drop = bits - kept;
        let (mantissa, half, rest) = match drop {
            0 => (top, false, false),
            1..=127 => {
                let half = top >> (drop - 1) & 1 == 1;
                (top >> drop, half, top & ((1 << (drop - 1)) - 1) != 0)
            }
            128 => (0, true, top << 1 != 0),
            _ => (0, false, true),
        };
        let up = half && (rest || more || mantissa & 1 == 1);
        let mantissa = mantissa + u128::from(up);
        scaled(mantissa as f64, exponent + drop)
    }
}

/// `value` × 2^`exponent`, which is exact or beyond the greatest f64.
pub(super) fn scaled(value: f64, exponent: i32) -> f64 {
    let power = |e: i32| f64::from_bits(((e + 1023) as u64) << 52);
    if (-1022..=1023).contains(&exponent) {
        value * power(exponent)
    } else if exponent > 1023 {
        value * power(1023) * power((exponent - 1023).min(1023))
    } else {
        value * power(-1000) * power((exponent + 1000).max(-1022))
    }
}
