//! Adds many values at once, in loops that the compiler turns into vectors.
//!
//! The values of a block are split at a common power of two (S. M. Rump, T. Ogita and S. Oishi, "Accurate floating-point
//! summation part I", SIAM Journal on Scientific Computing 31, 2008): the upper parts have so few digits that adding
//! them rounds nothing, in any order. What is left is split again, until nothing is left.

use super::sum::{ExactSquares, ExactSum, ExactTerms, SQUARE_MAX, SQUARE_MIN, two_square};
use super::wide::parts;

/// Values that are split at the same power.
const BLOCK: usize = 1024;
/// Fewer values are added one by one.
const FEW: usize = 8;
/// Up to this many values have a buffer of their own size: clearing a large one would take longer than adding them.
const SHORT: usize = 64;
/// Independent accumulators, as many as hide the latency of an addition.
const LANES: usize = 8;

impl<const TERMS: usize> ExactTerms<TERMS> {
    /// Adds finite values whose magnitudes are at most `greatest`.
    #[inline]
    pub fn add_all(&mut self, values: &[f64], greatest: f64) {
        if values.len() < FEW {
            values.iter().for_each(|&v| self.add(v));
            return;
        }
        let mut splits = 1;
        for block in values.chunks(BLOCK) {
            self.add_block(block, greatest, &mut splits);
        }
    }

    /// `splits` is how many the previous block needed: 1, 2 or more.
    fn add_block(&mut self, block: &[f64], greatest: f64, splits: &mut usize) {
        let Some(first) = Splitter::of(block.len(), exponent_above(greatest)) else {
            block.iter().for_each(|&v| self.add(v));
            return;
        };
        if *splits == 1 {
            let (sum, is_all) = split_once(block, first.power);
            if is_all {
                self.add(sum);
                return;
            }
            *splits = 2;
        }
        let second = first.next();
        if *splits == 2 {
            let ([sum, lower], is_all) = split_twice(block, [first.power, second.power]);
            if is_all {
                self.add(sum);
                self.add(lower);
                return;
            }
            *splits = 3;
        }
        match block.len() {
            ..=SHORT => self.add_splitting::<SHORT>(block, first),
            _ => self.add_splitting::<BLOCK>(block, first),
        }
    }

    /// Splits until nothing is left.
    fn add_splitting<const N: usize>(&mut self, block: &[f64], mut splitter: Splitter) {
        let mut left = [0.0; N];
        let left = &mut left[..block.len()];
        left.copy_from_slice(block);
        loop {
            let (sum, is_all) = split_off(left, splitter.power);
            self.add(sum);
            if is_all {
                return;
            }
            splitter = splitter.next();
        }
    }
}

impl ExactSquares {
    /// Adds the squares of finite values whose magnitudes are at most `greatest`.
    pub fn add_squares(&mut self, values: &[f64], greatest: f64) {
        let least = |least: f64, v: &f64| if v.abs() < least && *v != 0.0 { v.abs() } else { least };
        let split = values.len() >= FEW && greatest < SQUARE_MAX;
        if !split || values.iter().fold(f64::INFINITY, least) < SQUARE_MIN {
            values.iter().for_each(|&v| self.add_square(v));
            return;
        }
        match values.len() {
            ..=SHORT => self.add_split_squares::<SHORT>(values, greatest),
            _ => self.add_split_squares::<BLOCK>(values, greatest),
        }
    }

    fn add_split_squares<const N: usize>(&mut self, values: &[f64], greatest: f64) {
        let (mut squares, mut errors) = ([0.0; N], [0.0; N]);
        let (mut of_squares, mut of_errors) = (1, 1);
        for block in values.chunks(N) {
            let (squares, errors) = (&mut squares[..block.len()], &mut errors[..block.len()]);
            for ((square, error), &v) in squares.iter_mut().zip(errors.iter_mut()).zip(block) {
                (*square, *error) = two_square(v);
            }
            let most = greatest * greatest;
            self.add_block(squares, most, &mut of_squares);
            if errors.iter().any(|&e| e != 0.0) {
                self.add_block(errors, most * f64::EPSILON, &mut of_errors);
            }
        }
    }
}

/// Adds the finite ones of `values` to a sum, and their squares to another.
pub(crate) fn add_finite(values: &[f64], sum: &mut ExactSum, squares: &mut ExactSquares) {
    let mut kept = Vec::new();
    for block in values.chunks(BLOCK) {
        let mut finite = block;
        if !block.iter().all(|v| v.abs() <= f64::MAX) {
            kept.clear();
            kept.extend(block.iter().copied().filter(|v| v.is_finite()));
            finite = &kept;
        }
        let greatest = finite.iter().fold(0.0, |most, v| if v.abs() > most { v.abs() } else { most });
        sum.add_all(finite, greatest);
        squares.add_squares(finite, greatest);
    }
}

/// The power at which values are split: adding it to a value and subtracting it again leaves the upper part of the value.
#[derive(Debug, Clone, Copy)]
struct Splitter {
    power: f64,
    exponent: i32,
    /// 2 to this is at least the number of values and two more.
    count_bits: i32,
}

impl Splitter {
    /// For values below 2^`bound`; `None` where the power is out of range.
    fn of(count: usize, bound: i32) -> Option<Splitter> {
        let count_bits = (count + 2).next_power_of_two().trailing_zeros().cast_signed();
        // From here on down, the upper part is the whole value.
        let exponent = (bound + count_bits).max(-1022);
        (exponent <= 1019).then(|| Splitter { power: power_of_two(exponent), exponent, count_bits })
    }

    /// For what is left.
    fn next(self) -> Splitter {
        let exponent = (self.exponent - 53 + self.count_bits).max(-1022);
        Splitter { power: power_of_two(exponent), exponent, ..self }
    }
}

fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// An exponent of a power of two above a finite magnitude.
fn exponent_above(magnitude: f64) -> i32 {
    let (mantissa, exponent) = parts(magnitude);
    exponent + 64 - mantissa.leading_zeros().cast_signed()
}

/// The sum of the upper parts, and whether these are all.
fn split_once(values: &[f64], power: f64) -> (f64, bool) {
    let (mut sums, mut left) = ([0.0; LANES], [0u64; LANES]);
    let mut take = |lane: usize, v: f64| {
        let upper = (power + v) - power;
        sums[lane] += upper;
        left[lane] |= (v - upper).to_bits();
    };
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        block.iter().enumerate().for_each(|(lane, &v)| take(lane, v));
    }
    rest.iter().enumerate().for_each(|(lane, &v)| take(lane, v));
    (sums.iter().sum(), nothing(&left))
}

/// As [`split_once`], with what is left split at a second power.
fn split_twice(values: &[f64], powers: [f64; 2]) -> ([f64; 2], bool) {
    let (mut sums, mut lowers, mut left) = ([0.0; LANES], [0.0; LANES], [0u64; LANES]);
    let mut take = |lane: usize, v: f64| {
        let upper = (powers[0] + v) - powers[0];
        let below = v - upper;
        let lower = (powers[1] + below) - powers[1];
        sums[lane] += upper;
        lowers[lane] += lower;
        left[lane] |= (below - lower).to_bits();
    };
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        block.iter().enumerate().for_each(|(lane, &v)| take(lane, v));
    }
    rest.iter().enumerate().for_each(|(lane, &v)| take(lane, v));
    ([sums.iter().sum(), lowers.iter().sum()], nothing(&left))
}

/// As [`split_once`]; leaves in `values` what is left.
fn split_off(values: &mut [f64], power: f64) -> (f64, bool) {
    let (mut sum, mut left) = (0.0, 0u64);
    for v in values {
        let upper = (power + *v) - power;
        sum += upper;
        *v -= upper;
        left |= v.to_bits();
    }
    (sum, left << 1 == 0)
}

/// Whether all are zero, of either sign.
fn nothing(left: &[u64; LANES]) -> bool {
    left.iter().fold(0, |all, bits| all | bits) << 1 == 0
}
