//! Exact order statistics, and the quantiles between them.
//!
//! The quantile q of n values is at rank q·(n − 1), counted from 0, interpolated linearly between the two values
//! around it (method 7 of R. J. Hyndman and Y. Fan, "Sample quantiles in statistical packages", The American
//! Statistician 50, 1996; `quantile_cont` in SQL). Few values are selected directly. Of many values, a sample gives
//! two values between which each wanted rank almost surely lies (R. W. Floyd and R. L. Rivest, "Expected time bounds
//! for selection", Communications of the ACM 18, 1975); one pass counts what is below and gathers what is between,
//! and only that is selected from. The counts show whether the sample was right. Values are kept in chunks, so states
//! merge by moving instead of copying.

use std::ops::Range;

/// An unsigned integer with the order of the values.
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

/// Slices at least this long become chunks of their own; shorter ones share a chunk.
const CHUNK_VALUES: usize = 1024;

impl Samples {
    /// Takes the finite values; returns the bytes of memory that this took.
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

    /// Takes the values of `other`.
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

    /// Computes the quantiles at `fractions` (each 0 to 1) and frees the values.
    pub(crate) fn solve(&mut self, fractions: &[f64]) {
        if self.solved.is_none() {
            self.solved = Some(quantiles(&std::mem::take(&mut self.chunks), fractions));
        }
    }

    /// The solved quantile at index `i`; `None` where there was no value.
    pub(crate) fn quantile(&self, i: usize) -> Option<f64> {
        self.solved.as_ref().and_then(|s| s.get(i)).copied()
    }
}

/// The quantiles at `fractions`; empty where there are no values.
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
    let found = order_statistics(&slices, &ranks);
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

/// From this many values on, a sample of at most a sixteenth of them is taken first.
const SAMPLED_MIN: usize = 1 << 14;
/// The greatest size of a sample.
const SAMPLE_MAX: usize = 1 << 12;
/// With more ranks than this, a full sort costs no more than selecting each.
const RANKS_MAX: usize = 8;

/// The values at `ranks`, which ascend and are below the number of values.
fn order_statistics(chunks: &[&[f64]], ranks: &[usize]) -> Vec<f64> {
    let n: usize = chunks.iter().map(|c| c.len()).sum();
    let by_sample = || within_brackets(Brackets::around(&sample(chunks, n), n, ranks), chunks, n, ranks);
    let sampled = (n >= SAMPLED_MIN && ranks.len() <= RANKS_MAX).then(by_sample);
    sampled.flatten().unwrap_or_else(|| {
        let mut keys: Vec<u64> = chunks.iter().copied().flatten().map(|&v| to_key(v)).collect();
        select(&mut keys, ranks).into_iter().map(from_key).collect()
    })
}

/// The values at `ranks`, from those within brackets; `None` where a rank is outside its bracket.
fn within_brackets(mut brackets: Brackets, chunks: &[&[f64]], n: usize, ranks: &[usize]) -> Option<Vec<f64>> {
    chunks.iter().for_each(|chunk| brackets.take(chunk));
    let mut places = Vec::with_capacity(ranks.len());
    let mut before = 0;
    for bracket in &brackets.all {
        let below = n - bracket.reach;
        let held = brackets.gathered.iter().filter(|&&v| bracket.lo <= v && v <= bracket.hi).count();
        let missing = bracket.ranks.clone().find(|&i| !(below..below + held).contains(&ranks[i]));
        if missing.is_some() {
            return None;
        }
        // Of the values below, those in lower brackets were gathered and precede these; the others were not.
        places.extend(bracket.ranks.clone().map(|i| ranks[i] - below + before));
        before += held;
    }
    let mut keys: Vec<u64> = brackets.gathered.into_iter().map(to_key).collect();
    Some(select(&mut keys, &places).into_iter().map(from_key).collect())
}

/// A sample from all chunks, ascending.
fn sample(chunks: &[&[f64]], n: usize) -> Vec<f64> {
    let size = (n / 16).min(SAMPLE_MAX);
    let stride = n / size;
    // At random within each stride, so that a period in the values does not bias the sample. The seed does not
    // matter.
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut sample = Vec::with_capacity(size);
    let (mut chunks, mut chunk, mut start) = (chunks.iter(), &[][..], 0);
    for i in 0..size {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = i * stride + (random >> 33) as usize % stride;
        while at - start >= chunk.len() {
            start += chunk.len();
            chunk = chunks.next().expect("a sample index is below the number of values");
        }
        sample.push(chunk[at - start]);
    }
    sample.sort_unstable_by(f64::total_cmp);
    sample
}

/// Disjoint ascending ranges of values in which the wanted ranks almost surely lie, and the values found there.
struct Brackets {
    all: Vec<Bracket>,
    gathered: Vec<f64>,
}

struct Bracket {
    lo: f64,
    hi: f64,
    /// The indexes of the ranks within.
    ranks: Range<usize>,
    /// The number of values at or above `lo`.
    reach: usize,
}

/// The margin, in standard deviations of a rank in a sample: one rank in ten thousand is outside it.
const DEVIATIONS: f64 = 4.0;
/// Brackets that are closer than this part of all values are joined.
const GAP_MIN: f64 = 0.05;
/// Values per block: a block and its marks fit the first-level cache.
const BLOCK: usize = 512;

impl Brackets {
    /// Brackets around the ranks of `n` values, from an ascending sample of them.
    fn around(sample: &[f64], n: usize, ranks: &[usize]) -> Self {
        let size = sample.len() as f64;
        let mut all: Vec<Bracket> = Vec::new();
        let mut end = 0.0;
        for (i, &rank) in ranks.iter().enumerate() {
            let part = (rank as f64 + 0.5) / n as f64;
            let margin = DEVIATIONS * (size * part * (1.0 - part)).sqrt() + 1.0;
            let (low, high) = ((part * size - margin).floor(), (part * size + margin).ceil());
            let lo = if low < 0.0 { f64::NEG_INFINITY } else { sample[low as usize] };
            let hi = sample.get(high as usize).copied().unwrap_or(f64::INFINITY);
            match all.last_mut() {
                // Gathering what is between costs less than comparing with another bracket.
                Some(last) if low - end <= size * GAP_MIN || lo <= last.hi => {
                    (last.hi, last.ranks.end) = (last.hi.max(hi), i + 1);
                }
                _ => all.push(Bracket { lo, hi, ranks: i..i + 1, reach: 0 }),
            }
            end = high;
        }
        Brackets { all, gathered: Vec::new() }
    }

    /// Counts and gathers values. No branch depends on a value, so that the compiler can use vectors.
    fn take(&mut self, values: &[f64]) {
        let mut marks = [0u64; BLOCK];
        let mut kept = [0.0; BLOCK];
        for block in values.chunks(BLOCK) {
            let marks = &mut marks[..block.len()];
            marks.fill(0);
            for bracket in &mut self.all {
                let (lo, hi) = (bracket.lo, bracket.hi);
                let mut reach = 0;
                for (mark, &v) in marks.iter_mut().zip(block) {
                    let reaches = u64::from(v >= lo);
                    reach += reaches;
                    *mark |= reaches & u64::from(v <= hi);
                }
                bracket.reach += reach as usize;
            }
            let mut count = 0;
            for (&mark, &v) in marks.iter().zip(block) {
                kept[count % BLOCK] = v;
                count += mark as usize;
            }
            self.gathered.extend_from_slice(&kept[..count]);
        }
    }
}

/// The keys at `ranks`, which ascend.
fn select(keys: &mut [u64], ranks: &[usize]) -> Vec<u64> {
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
    fn quantiles_by_a_sample_equal_those_by_sorting() {
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
        let zeros: Vec<f64> = (0..100_000).map(|i| if i % 3 == 0 { -0.0 } else { 0.0 }).collect();
        let ascending: Vec<f64> = (0..100_000).map(f64::from).collect();
        for values in [narrow, wide, far, farthest, tiny, few, zeros, ascending, vec![7.0; 40_000]] {
            let chunks: Vec<&[f64]> = values.chunks(777).collect();
            let expected: Vec<_> = fractions.iter().map(|&f| Some(naive(&values, f))).collect();
            assert_eq!(solved(&chunks, &fractions), expected);
        }
    }

    #[test]
    fn a_misleading_sample_is_detected() {
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        let around = |from: u32| -> Vec<f64> { (0..100).map(|i| f64::from(from + i)).collect() };
        for (from, ranks) in [(0, [500, 501]), (900, [500, 501]), (450, [300, 500])] {
            let brackets = Brackets::around(&around(from), 1000, &ranks);
            assert_eq!(within_brackets(brackets, &[&values], 1000, &ranks), None);
        }
        let brackets = Brackets::around(&around(450), 1000, &[500, 501]);
        assert_eq!(within_brackets(brackets, &[&values], 1000, &[500, 501]), Some(vec![500.0, 501.0]));
    }

    #[test]
    fn keys_keep_the_order_and_the_bits() {
        let values = [f64::MIN, -1.0, -5e-324, -0.0, 0.0, 5e-324, 1.0, f64::MAX];
        assert!(values.windows(2).all(|w| to_key(w[0]) < to_key(w[1])));
        assert!(values.iter().all(|v| from_key(to_key(*v)).to_bits() == v.to_bits()));
    }

    #[test]
    fn only_finite_values_count_and_without_any_there_is_no_quantile() {
        assert_eq!(
            solved(&[&[f64::NAN, 2.0, f64::INFINITY, f64::NEG_INFINITY]], &[0.0, 1.0]),
            [Some(2.0); 2]
        );
        assert_eq!(solved(&[&[f64::NAN], &[]], &[0.5]), [None]);
        assert_eq!(solved(&[&[f64::MIN, f64::MAX]], &[0.5]), [Some(0.0)], "their distance overflows");
    }

    #[test]
    fn many_ranks_are_sorted_once() {
        let values: Vec<f64> = (0..500).map(|i| f64::from(i * 7919 % 500)).collect();
        let fractions: Vec<f64> = (0..20).map(|i| f64::from(i) / 19.0).collect();
        let expected: Vec<_> = fractions.iter().map(|&f| Some(naive(&values, f))).collect();
        assert_eq!(solved(&[&values], &fractions), expected);
    }
}
