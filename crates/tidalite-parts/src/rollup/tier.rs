//! Rollups: what the points of a series within a part add up to, bucket by bucket.
//!
//! Buckets are ranges of steps whose width is a power of two, aligned at step 0, so that buckets of one width lie within
//! those of any greater one: a tier merges into any that is wider, and into the buckets of a chart. The finest tier is
//! chosen so that a bucket stands for many points; where that has many buckets, one 16 times as wide follows, and so on.
//!
//! Steps: `tiles` of a part each sum up their own points ([`buckets`]); when the part is finished, [`assemble`] joins what
//! tile boundaries cut and makes the wider tiers. A series has rollups only where no step comes twice in the part.

use super::bucket::{RolledChunk, bucket_of};
use crate::totals::Totals;
use tidalite_model::{SeriesKey, Summary};

/// How much wider the next tier is, as a power of two.
const TIER_SHIFT: u32 = 4;
/// A tier of at least so many buckets is followed by a wider one.
const TIER_BUCKETS: usize = 1024;

/// One tier of a series' rollups.
#[derive(Debug)]
pub(crate) struct Tier {
    pub(crate) key: SeriesKey,
    pub(crate) shift: u32,
    pub(crate) buckets: Vec<Summary>,
}

/// All tiers of a part, ascending by series, then width. Series of which `rolled` does not have all points are left out.
pub(crate) fn assemble(mut rolled: Vec<RolledChunk>, totals: &Totals) -> Vec<Tier> {
    rolled.retain(|r| !r.buckets.is_empty());
    rolled.sort_by(|a, b| {
        let first = |r: &RolledChunk| r.buckets[0].first.map(|p| p.step);
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

/// Whether each tile's steps lie behind those of the one before.
fn ascend(tiles: &[RolledChunk]) -> bool {
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
