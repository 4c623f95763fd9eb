//! Exact order statistics, and the quantiles between them.
//!
//! A quantile q of n values stands at rank q·(n − 1), counted from 0, on the line between the two values around it
//! (method 7 of R. J. Hyndman and Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50, 1996;
//! what `quantile_cont` is in SQL). Few values are sorted as far as needed. Many are counted in bins of equal width, in
//! one pass; only those that share a bin with a wanted rank are then gathered, and dealt with in the same way. Values
//! come in chunks, so that states merge by moving, not by copying. `states.rs` keeps samples, `partial.rs` has them
//! solved.

use crate::tally::range;

/// Numbers on which order is that of the values: sign, exponent and mantissa as an unsigned integer.
#[inline]
fn to_key(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn from_key(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

/// The finite values of one group, or its quantiles once they are solved.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples {
    chunks: Vec<Vec<f64>>,
    solved: Option<Vec<f64>>,
}

/// Slices at least this long become chunks of their own; shorter ones share one.
const CHUNK_VALUES: usize = 1024;

impl Samples {
    /// Takes the finite ones of some values; returns how many bytes of memory that took.
    pub(crate) fn push(&mut self, values: &[f64]) -> usize {
        let all_finite = values.iter().fold(true, |all, v| all & (v.abs() <= f64::MAX));
        let finite = values.iter().copied().filter(|v| v.is_finite());
        match self.chunks.last_mut() {
            Some(last) if values.len() < CHUNK_VALUES && last.len() < CHUNK_VALUES => {
                let before = last.capacity();
                last.extend(finite);
                (last.capacity() - before) * size_of::<f64>()
            }
            _ => {
                let chunk: Vec<f64> = if all_finite { values.to_vec() } else { finite.collect() };
                let bytes = size_of::<Vec<f64>>() + chunk.capacity() * size_of::<f64>();
                self.chunks.push(chunk);
                bytes
            }
        }
    }

    /// Takes all that `other` holds.
    pub(crate) fn merge(&mut self, other: Samples) {
        if self.chunks.is_empty() {
            self.chunks = other.chunks;
            return;
        }
        for chunk in other.chunks {
            if chunk.len() < CHUNK_VALUES {
                self.push(&chunk);
            } else {
                self.chunks.push(chunk);
            }
        }
    }

    /// Computes the quantiles at `fractions` (each 0 to 1) and lets the values go.
    pub(crate) fn solve(&mut self, fractions: &[f64]) {
        if self.solved.is_none() {
            self.solved = Some(quantiles(&std::mem::take(&mut self.chunks), fractions));
        }
    }

    /// Quantile `i` of those solved; `None` where there was no value.
    pub(crate) fn quantile(&self, i: usize) -> Option<f64> {
        self.solved.as_ref().and_then(|s| s.get(i)).copied()
    }
}

/// The quantiles at `fractions`; none where there are no values.
fn quantiles(chunks: &[Vec<f64>], fractions: &[f64]) -> Vec<f64> {
    let n: usize = chunks.iter().map(Vec::len).sum();
    if n == 0 {
        return Vec::new();
    }
    let rank = |fraction: f64| (n - 1) as f64 * fraction;
    let mut ranks: Vec<usize> = fractions
        .iter()
        .flat_map(|&f| [rank(f).floor() as usize, rank(f).ceil() as usize])
        .map(|r| r.min(n - 1))
        .collect();
    let wanted = ranks.clone();
    ranks.sort_unstable();
    ranks.dedup();
    let slices: Vec<&[f64]> = chunks.iter().map(Vec::as_slice).collect();
    let found = order_statistics(&slices, &ranks, 0);
    let value = |rank: usize| found[ranks.binary_search(&rank).expect("each wanted rank was found")];
    fractions
        .iter()
        .zip(wanted.chunks_exact(2))
        .map(|(&f, pair)| between(value(pair[0]), value(pair[1]), rank(f) - rank(f).floor()))
        .collect()
}

fn between(lo: f64, hi: f64, part: f64) -> f64 {
    let distance = hi - lo;
    if distance.is_finite() { lo + distance * part } else { lo * (1.0 - part) + hi * part }
}

/// From this many values on, counting first is the faster way.
const COUNT_VALUES_MIN: usize = 1 << 14;
/// Counts that stay in the first-level cache.
const BINS: usize = 4096;
/// How often to count anew, within one bin, before values are too strangely spread to go on so.
const ROUNDS_MAX: usize = 3;

/// The values at `ranks`, which ascend and are below the number of values.
fn order_statistics(chunks: &[&[f64]], ranks: &[usize], round: usize) -> Vec<f64> {
    let n: usize = chunks.iter().map(|c| c.len()).sum();
    let bins = if n < COUNT_VALUES_MIN || round == ROUNDS_MAX { None } else { Bins::over(chunks) };
    let Some(bins) = bins else {
        let mut keys: Vec<u64> = chunks.iter().copied().flatten().map(|&v| to_key(v)).collect();
        return select(&mut keys, ranks).into_iter().map(from_key).collect();
    };
    let mut counts = vec![0usize; BINS];
    for &value in chunks.iter().copied().flatten() {
        counts[bins.bin(value)] += 1;
    }
    // For each bin that holds a wanted rank: the bin, and the ranks within it.
    let mut wanted: Vec<(usize, Vec<usize>)> = Vec::new();
    let (mut bin, mut below) = (0, 0);
    for &rank in ranks {
        while below + counts[bin] <= rank {
            below += counts[bin];
            bin += 1;
        }
        match wanted.last_mut() {
            Some((b, within)) if *b == bin => within.push(rank - below),
            _ => wanted.push((bin, vec![rank - below])),
        }
    }
    let mut place_of = vec![NOT_WANTED; BINS];
    let mut gathered: Vec<Vec<f64>> = Vec::with_capacity(wanted.len());
    for (place, (bin, _)) in (0..).zip(&wanted) {
        place_of[*bin] = place;
        gathered.push(Vec::with_capacity(counts[*bin]));
    }
    for &value in chunks.iter().copied().flatten() {
        let place = place_of[bins.bin(value)];
        if place != NOT_WANTED {
            gathered[usize::from(place)].push(value);
        }
    }
    let mut found = Vec::with_capacity(ranks.len());
    for (values, (_, within)) in gathered.iter().zip(&wanted) {
        found.extend(order_statistics(&[values], within, round + 1));
    }
    found
}

/// More than the number of bins.
const NOT_WANTED: u16 = u16::MAX;

/// Bins of equal width from the least value to the greatest. Each step from value to bin keeps the order (or makes
/// neighbours equal), rounding included, so whatever lies in a lower bin is no greater than what lies in a higher one.
struct Bins {
    min: f64,
    scale: f64,
}

impl Bins {
    /// `None` where values are all equal or too far apart or too close for the arithmetic.
    fn over(chunks: &[&[f64]]) -> Option<Self> {
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        for chunk in chunks {
            let (least, greatest) = range(chunk);
            min = min.min(least);
            max = max.max(greatest);
        }
        let scale = BINS as f64 / (max - min);
        (scale.is_finite() && scale > 0.0).then_some(Bins { min, scale })
    }

    #[inline]
    fn bin(&self, value: f64) -> usize {
        // Casts of floats saturate; the greatest value belongs to the last bin.
        (((value - self.min) * self.scale) as usize).min(BINS - 1)
    }
}

/// The keys at `ranks`, which ascend.
fn select(keys: &mut [u64], ranks: &[usize]) -> Vec<u64> {
    /// With more ranks than this a full sort costs no more than selecting one after the other.
    const RANKS_MAX: usize = 8;
    if ranks.len() > RANKS_MAX {
        keys.sort_unstable();
        return ranks.iter().map(|&r| keys[r]).collect();
    }
    let mut done = 0;
    let mut found = Vec::with_capacity(ranks.len());
    for &rank in ranks {
        let (_, &mut key, _) = keys[done..].select_nth_unstable(rank - done);
        found.push(key);
        done = rank + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(values: &[f64], fraction: f64) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() - 1) as f64 * fraction;
        let (lo, hi) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
        lo + (hi - lo) * rank.fract()
    }

    fn solved(chunks: &[&[f64]], fractions: &[f64]) -> Vec<Option<f64>> {
        let mut samples = Samples::default();
        chunks.iter().for_each(|c| {
            samples.push(c);
        });
        samples.solve(fractions);
        (0..fractions.len()).map(|i| samples.quantile(i)).collect()
    }

    proptest! {
        #[test]
        fn quantiles_equal_those_of_the_sorted_values(
            chunks in prop::collection::vec(prop::collection::vec(-1e3..1e3f64, 0..20), 1..5),
            fractions in prop::collection::vec(0.0..=1.0f64, 1..7),
        ) {
            let all: Vec<f64> = chunks.concat();
            let slices: Vec<&[f64]> = chunks.iter().map(Vec::as_slice).collect();
            for (found, &f) in solved(&slices, &fractions).iter().zip(&fractions) {
                prop_assert_eq!(*found, (!all.is_empty()).then(|| naive(&all, f)));
            }
        }
    }

    #[test]
    fn counting_and_sorting_agree() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let fractions = [0.0, 0.01, 0.5, 0.95, 0.99, 0.999, 1.0];
        let narrow: Vec<f64> = (0..100_000).map(|_| 0.5 + next() / 64.0).collect();
        let wide: Vec<f64> = (0..100_000).map(|_| (next() - 0.5) * (40.0 * next()).exp()).collect();
        let far: Vec<f64> = (0..100_000).map(|i| if i == 7 { 1e300 } else { next() - 0.5 }).collect();
        let farthest: Vec<f64> = (0..100_000).map(|_| (next() - 0.5) * f64::MAX).chain([f64::MIN]).collect();
        let tiny: Vec<f64> = (0..100_000).map(|_| (next() * 9.0).floor() * 5e-324).collect();
        let few: Vec<f64> = (0..100_000).map(|_| (next() * 4.0).floor() - 2.0).collect();
        for values in [narrow, wide, far, farthest, tiny, few, vec![7.0; 40_000]] {
            let chunks: Vec<&[f64]> = values.chunks(777).collect();
            let expected: Vec<_> = fractions.iter().map(|&f| Some(naive(&values, f))).collect();
            assert_eq!(solved(&chunks, &fractions), expected);
        }
    }

    #[test]
    fn keys_keep_the_order_and_the_bits() {
        let values = [f64::MIN, -1.0, -5e-324, -0.0, 0.0, 5e-324, 1.0, f64::MAX];
        assert!(values.windows(2).all(|w| to_key(w[0]) < to_key(w[1])));
        assert!(values.iter().all(|v| from_key(to_key(*v)).to_bits() == v.to_bits()));
    }

    #[test]
    fn values_that_are_not_finite_do_not_count_and_nothing_has_no_quantile() {
        assert_eq!(
            solved(&[&[f64::NAN, 2.0, f64::INFINITY, f64::NEG_INFINITY]], &[0.0, 1.0]),
            [Some(2.0); 2]
        );
        assert_eq!(solved(&[&[f64::NAN], &[]], &[0.5]), [None]);
        assert_eq!(solved(&[&[f64::MIN, f64::MAX]], &[0.5]), [Some(0.0)], "their distance is no f64");
    }

    #[test]
    fn many_ranks_are_sorted_once() {
        let values: Vec<f64> = (0..500).map(|i| f64::from(i * 7919 % 500)).collect();
        let fractions: Vec<f64> = (0..20).map(|i| f64::from(i) / 19.0).collect();
        let expected: Vec<_> = fractions.iter().map(|&f| Some(naive(&values, f))).collect();
        assert_eq!(solved(&[&values], &fractions), expected);
    }
}
