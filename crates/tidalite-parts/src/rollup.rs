//! Rollups: what the points of a series within a part add up to, bucket by bucket.
//!
//! Buckets are ranges of steps whose width is a power of two, aligned at step 0, so that buckets of one width lie within
//! those of any greater one: a tier merges into any that is wider, and into the buckets of a chart. The finest tier is
//! chosen so that a bucket stands for many points; where that has many buckets, one 16 times as wide follows, and so on.
//!
//! Steps: `tiles` of a part each sum up their own points ([`buckets`]); when the part is finished, [`assemble`] joins what
//! tile boundaries cut and makes the wider tiers. A series has rollups only where no step comes twice in the part.

use crate::encode::SeriesChunk;
use crate::options::PartOptions;
use crate::totals::Totals;
use tidalite_model::{Point, SeriesKey, Summary};

/// How much wider the next tier is, as a power of two.
const TIER_SHIFT: u32 = 4;
/// A tier of at least so many buckets is followed by a wider one.
const TIER_BUCKETS: usize = 1024;

/// Buckets of one series within one tile.
#[derive(Debug)]
pub(crate) struct Rolled {
    pub(crate) key: SeriesKey,
    pub(crate) shift: u32,
    pub(crate) buckets: Vec<Summary>,
}

/// One tier of a series' rollups.
#[derive(Debug)]
pub(crate) struct Tier {
    pub(crate) key: SeriesKey,
    pub(crate) shift: u32,
    pub(crate) buckets: Vec<Summary>,
}

/// The width of the finest buckets, as a power of two, of a series that has about so many points from the step `first` to
/// `last`; `None` where it has too few to be worth any.
///
/// ```
/// use tidalite_parts::{PartOptions, rollup_shift};
/// let options = PartOptions::default();
/// assert_eq!(rollup_shift(1_000_000, 0, 999_999, &options), Some(8));
/// assert_eq!(rollup_shift(1_000_000, 0, 99_999_999, &options), Some(15));
/// assert_eq!(rollup_shift(1_000, 0, 999, &options), None);
/// ```
pub fn rollup_shift(points: u64, first: i64, last: i64, options: &PartOptions) -> Option<u32> {
    let of_bucket = u64::from(options.rollup_points);
    if of_bucket == 0 || points < u64::from(options.rollup_series_points).max(of_bucket) {
        return None;
    }
    // A quarter fewer will do: buckets at both ends are seldom full.
    (1..63).find(|&shift| {
        let buckets = (last >> shift).abs_diff(first >> shift).saturating_add(1);
        buckets.saturating_mul(of_bucket) / 4 * 3 <= points
    })
}

/// Which bucket holds a step.
pub(crate) fn bucket_of(step: i64, shift: u32) -> i64 {
    step >> shift
}

/// The buckets of points that ascend by step and hold none twice.
pub(crate) fn buckets(chunk: &SeriesChunk<'_>, shift: u32) -> Vec<Summary> {
    let mut found: Vec<Summary> = Vec::new();
    let mut at = 0;
    while at < chunk.steps.len() {
        let bucket = bucket_of(chunk.steps[at], shift);
        let mut summary = Summary::default();
        while at < chunk.steps.len() && bucket_of(chunk.steps[at], shift) == bucket {
            let (step, time_us, value) = (chunk.steps[at], chunk.times_us[at], chunk.values[at]);
            summary.push(Point { step, time_us, value });
            at += 1;
        }
        found.push(summary);
    }
    found
}

/// All tiers of a part, ascending by series, then width. Series of which `rolled` does not have all points are left out.
pub(crate) fn assemble(mut rolled: Vec<Rolled>, totals: &Totals) -> Vec<Tier> {
    rolled.retain(|r| !r.buckets.is_empty());
    rolled.sort_by(|a, b| {
        let first = |r: &Rolled| r.buckets[0].first.map(|p| p.step);
        a.key.cmp(&b.key).then(first(a).cmp(&first(b)))
    });
    let mut tiers = Vec::new();
    for tiles in rolled.chunk_by(|a, b| a.key == b.key) {
        let counted: u64 = tiles.iter().flat_map(|t| &t.buckets).map(|s| s.count).sum();
        let one_width = tiles.iter().all(|t| t.shift == tiles[0].shift);
        if !one_width || totals.points_of(&tiles[0].key) != Some(counted) || !ascend(tiles) {
            continue;
        }
        let (key, mut shift) = (&tiles[0].key, tiles[0].shift);
        let mut buckets = joined(tiles.iter().flat_map(|t| &t.buckets), shift);
        loop {
            let wider = shift + TIER_SHIFT;
            let next = (buckets.len() >= TIER_BUCKETS && wider < 63).then(|| joined(&buckets, wider));
            tiers.push(Tier { key: key.clone(), shift, buckets });
            let Some(next) = next else { break };
            (buckets, shift) = (next, wider);
        }
    }
    tiers
}

/// What consecutive buckets add up to: the summary of all their points.
pub(crate) fn total(buckets: &[Summary]) -> Summary {
    let mut all = Summary::default();
    buckets.iter().for_each(|bucket| all.merge(bucket));
    all
}

/// Whether each tile's steps lie behind those of the one before.
fn ascend(tiles: &[Rolled]) -> bool {
    tiles.windows(2).all(|w| {
        let last = w[0].buckets.last().and_then(|s| s.last).map(|p| p.step);
        let first = w[1].buckets.first().and_then(|s| s.first).map(|p| p.step);
        last < first
    })
}

/// Summaries in ascending order of steps as buckets of a width that is at least theirs.
fn joined<'a>(summaries: impl IntoIterator<Item = &'a Summary>, shift: u32) -> Vec<Summary> {
    let bucket = |s: &Summary| s.first.map(|p| bucket_of(p.step, shift));
    let mut found: Vec<Summary> = Vec::new();
    for summary in summaries {
        match found.last_mut() {
            Some(last) if bucket(last) == bucket(summary) => last.merge(summary),
            _ => found.push(*summary),
        }
    }
    found
}
