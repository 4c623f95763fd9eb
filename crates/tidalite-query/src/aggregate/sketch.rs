//! A quantile sketch: approximate percentiles in memory that does not grow with the number of values.
//!
//! DDSketch (C. Masson, J. E. Rim and H. K. Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with
//! Relative-Error Guarantees", Proceedings of the VLDB Endowment 12(12), 2019): values are counted by the power of a
//! base that they reach, so each is known to within [`ERROR`] of itself. Negative values have their own counts, and
//! so has zero. Buckets are never collapsed: all finite values need at most about 73,000 of them per sign. Sketches
//! merge by adding counts, so the result does not depend on the order of merges.
//!
//! Quantiles are those of `quantile.rs`: interpolated between the two values around the rank, each off by at most
//! [`ERROR`] of itself.

/// The greatest relative error of a value.
pub(crate) const ERROR: f64 = 0.01;
/// The base: one bucket reaches from a power of it to the next, so each value is within [`ERROR`] of the middle.
const BASE: f64 = (1.0 + ERROR) / (1.0 - ERROR);
/// Counts of adjacent buckets are kept in blocks of this many. A group of few values has a block for each, so blocks are small:
/// otherwise approximate percentiles of many small groups would take more memory than exact ones.
const BLOCK: usize = 8;
/// While there are fewer blocks than this, room is made for one at a time.
const BLOCKS_FEW: usize = 8;

/// Counts of the finite values of one group.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sketch {
    zeros: u64,
    positive: SketchBuckets,
    negative: SketchBuckets,
    /// The least and the greatest value, which bound every quantile.
    range: Option<(f64, f64)>,
}

/// The number of values that reach each power of the base, sparse: blocks ascend by their index.
#[derive(Debug, Clone, Default, PartialEq)]
struct SketchBuckets {
    blocks: Vec<(i32, [u64; BLOCK])>,
    total: u64,
}

impl Sketch {
    /// Takes the finite values; returns the bytes of memory that this took.
    pub(crate) fn push(&mut self, values: &[f64]) -> usize {
        let before = self.bytes();
        for &value in values.iter().filter(|v| v.is_finite()) {
            let (lo, hi) = self.range.unwrap_or((value, value));
            self.range = Some((lo.min(value), hi.max(value)));
            if value == 0.0 {
                self.zeros += 1;
            } else if value > 0.0 {
                self.positive.add(power(value), 1);
            } else {
                self.negative.add(power(-value), 1);
            }
        }
        self.bytes() - before
    }

    /// Takes everything that `other` took; returns the bytes of memory that this took.
    pub(crate) fn merge(&mut self, other: &Sketch) -> usize {
        let before = self.bytes();
        self.zeros += other.zeros;
        self.positive.merge(&other.positive);
        self.negative.merge(&other.negative);
        self.range = match (self.range, other.range) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (one, another) => one.or(another),
        };
        self.bytes() - before
    }

    /// The quantile at a fraction from 0 to 1; `None` where there was no value.
    pub(crate) fn quantile(&self, fraction: f64) -> Option<f64> {
        let (least, greatest) = self.range?;
        let n = self.negative.total + self.zeros + self.positive.total;
        let rank = (n - 1) as f64 * fraction;
        // Below 2^53 values a rank is exact; above, a neighbouring rank serves as well.
        let (below, above) = (rank.floor() as u64, (rank.ceil() as u64).min(n - 1));
        let (lo, hi) = (self.value(below), self.value(above));
        let distance = hi - lo;
        let part = rank - rank.floor();
        let value = if distance.is_finite() { lo + distance * part } else { lo * (1.0 - part) + hi * part };
        Some(value.clamp(least, greatest))
    }

    /// The approximate value at a rank, counted from 0.
    fn value(&self, rank: u64) -> f64 {
        let (negative, zeros) = (self.negative.total, self.zeros);
        if rank < negative {
            // The least value has the greatest magnitude.
            return -self.negative.value(negative - 1 - rank);
        }
        if rank < negative + zeros {
            return 0.0;
        }
        self.positive.value(rank - negative - zeros)
    }

    /// The bytes of memory of the counts.
    pub(crate) fn bytes(&self) -> usize {
        let blocks = self.positive.blocks.capacity() + self.negative.blocks.capacity();
        blocks * size_of::<(i32, [u64; BLOCK])>()
    }
}

/// The power of the base that a positive value reaches, rounded up.
fn power(value: f64) -> i32 {
    // The magnitude is below 2^17 for every positive f64.
    (value.ln() / BASE.ln()).ceil() as i32
}

impl SketchBuckets {
    #[inline]
    fn add(&mut self, power: i32, count: u64) {
        let (block, place) = (power.div_euclid(BLOCK as i32), power.rem_euclid(BLOCK as i32) as usize);
        let at = self.blocks.binary_search_by_key(&block, |b| b.0).unwrap_or_else(|at| {
            if self.blocks.len() < BLOCKS_FEW {
                self.blocks.reserve_exact(1);
            }
            self.blocks.insert(at, (block, [0; BLOCK]));
            at
        });
        self.blocks[at].1[place] += count;
        self.total += count;
    }

    fn merge(&mut self, other: &SketchBuckets) {
        for (block, counts) in &other.blocks {
            for (place, &count) in (0..).zip(counts).filter(|(_, c)| **c > 0) {
                self.add(block * BLOCK as i32 + place, count);
            }
        }
    }

    /// The approximate value at a rank, counted from 0 and below the total.
    fn value(&self, rank: u64) -> f64 {
        let mut left = rank;
        for (block, counts) in &self.blocks {
            for (place, &count) in (0..).zip(counts) {
                if left < count {
                    return middle(block * BLOCK as i32 + place);
                }
                left -= count;
            }
        }
        unreachable!("a rank is below the total")
    }
}

/// The number within [`ERROR`] of everything between two powers of the base.
fn middle(power: i32) -> f64 {
    // By its logarithm, since the power itself may be outside the range of f64.
    let log = f64::from(power) * BASE.ln() + (2.0 / (BASE + 1.0)).ln();
    log.exp().clamp(f64::from_bits(1), f64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exact(sorted: &[f64], rank: f64) -> (f64, f64) {
        (sorted[rank.floor() as usize], sorted[rank.ceil() as usize])
    }

    fn value() -> impl Strategy<Value = f64> {
        let wide = (-700.0..700.0f64, any::<bool>()).prop_map(|(e, s)| if s { e.exp() } else { -e.exp() });
        let odd = vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN, f64::MAX, 5e-324];
        prop_oneof![4 => -9.0..9.0f64, 2 => wide, 1 => prop::sample::select(odd)]
    }

    proptest! {
        #[test]
        fn quantiles_are_within_the_error_of_the_exact_ones(
            chunks in prop::collection::vec(prop::collection::vec(value(), 0..60), 1..6),
            fractions in prop::collection::vec(0.0..=1.0f64, 1..8),
        ) {
            let mut sketches: Vec<Sketch> = Vec::new();
            for chunk in &chunks {
                let mut sketch = Sketch::default();
                sketch.push(chunk);
                sketches.push(sketch);
            }
            let mut merged = Sketch::default();
            sketches.iter().rev().for_each(|s| { merged.merge(s); });
            let mut whole = Sketch::default();
            whole.push(&chunks.concat());
            prop_assert!(merged == whole, "merging in any order equals taking all values");
            let mut sorted: Vec<f64> = chunks.concat().into_iter().filter(|v| v.is_finite()).collect();
            sorted.sort_by(f64::total_cmp);
            for f in fractions.into_iter().chain([0.0, 1.0]) {
                let Some(found) = whole.quantile(f) else { prop_assert!(sorted.is_empty()); continue };
                let rank = (sorted.len() - 1) as f64 * f;
                let (lo, hi) = exact(&sorted, rank);
                let part = rank.fract();
                let expected = lo * (1.0 - part) + hi * part;
                // Each of the two is off by a hundredth of itself, and by rounding, mostly of the logarithm.
                let off = (ERROR + 1e-9) * (lo.abs() * (1.0 - part) + hi.abs() * part) + f64::MIN_POSITIVE;
                prop_assert!((found - expected).abs() <= off, "{found} {expected} {off}");
            }
        }
    }

    #[test]
    fn the_memory_is_bounded_for_all_values() {
        let mut sketch = Sketch::default();
        // Close enough together for every block.
        let value = |e: i32| 2f64.powf(f64::from(e) / 8.0);
        let taken: usize = (-1074 * 8..=1023 * 8).map(|e| sketch.push(&[value(e), -value(e)])).sum();
        assert_eq!(taken, sketch.bytes());
        assert!(sketch.bytes() < 4 << 20, "{}", sketch.bytes());
        let before = sketch.bytes();
        for i in 0..100_000 {
            sketch.push(&[f64::from(i), 1.0 / f64::from(i + 1)]);
        }
        assert_eq!(sketch.bytes(), before);
        assert_eq!(sketch.quantile(1.0), Some(2f64.powi(1023)));
    }

    #[test]
    fn a_sketch_of_few_values_takes_little_memory() {
        let mut sketch = Sketch::default();
        sketch.push(&[1.0, -1000.0, 0.001]);
        assert!(sketch.bytes() <= 3 * 72, "{}", sketch.bytes());
    }

    #[test]
    fn one_value_is_exact_and_without_any_there_is_no_quantile() {
        for value in [3.0, -7.5, 0.0, f64::MAX, f64::MIN, 5e-324] {
            let mut sketch = Sketch::default();
            sketch.push(&[value; 5]);
            assert_eq!(sketch.quantile(0.3), Some(value));
        }
        let mut sketch = Sketch::default();
        sketch.push(&[f64::NAN, f64::INFINITY]);
        assert_eq!(sketch.quantile(0.5), None);
    }
}
