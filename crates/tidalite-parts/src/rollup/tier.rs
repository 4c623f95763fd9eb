//! Tiers: all buckets of one width of a series within a part.
//!
//! The width of the finest tier is chosen so that a bucket holds many points. A tier with many buckets is followed by one
//! that is 16 times as wide. [`assemble`] joins buckets that a tile boundary cuts in two, and makes the wider tiers.

use super::bucket::{RolledChunk, bucket_of};
use crate::totals::Totals;
use tidalite_model::{SeriesKey, Summary};

/// The factor between the widths of two tiers, as a power of two.
const TIER_SHIFT: u32 = 4;
/// A tier with at least this many buckets is followed by a wider one.
const TIER_BUCKETS: usize = 1024;

/// One tier of a series' rollups.
#[derive(Debug)]
pub(crate) struct Tier {
    pub(crate) key: SeriesKey,
    pub(crate) shift: u32,
    pub(crate) buckets: Vec<Summary>,
}

/// All tiers of a part, ascending by series, then width. Series are left out unless `rolled` has all their points.
pub(crate) fn assemble(mut rolled: Vec<RolledChunk>, totals: &Totals) -> Vec<Tier> {
    rolled.retain(|r| !r.buckets.is_empty());
    rolled.sort_by(|a, b| {
        let first = |r: &RolledChunk| r.buckets[0].first.map(|p| p.step);
        a.key.cmp(&b.key).then(first(a).cmp(&first(b)))
    });
    let mut tiers = Vec::new();
    let mut rest = rolled.into_iter().peekable();
    while let Some(first) = rest.next() {
        let mut tiles = vec![first];
        while let Some(next) = rest.next_if(|r| r.key == tiles[0].key) {
            tiles.push(next);
        }
        let counted: u64 = tiles.iter().flat_map(|t| &t.buckets).map(|s| s.count).sum();
        let one_width = tiles.iter().all(|t| t.shift == tiles[0].shift);
        if !one_width || totals.points_of(&tiles[0].key) != Some(counted) || !ascend(&tiles) {
            continue;
        }
        let (key, mut shift) = (tiles[0].key.clone(), tiles[0].shift);
        // Nothing is copied: the buckets of a part may take most of the memory that the writer has.
        let mut buckets = joined(tiles.into_iter().flat_map(|t| t.buckets), shift);
        loop {
            let wider = shift + TIER_SHIFT;
            let next =
                (buckets.len() >= TIER_BUCKETS && wider < 63).then(|| joined(buckets.iter().cloned(), wider));
            tiers.push(Tier { key: key.clone(), shift, buckets });
            let Some(next) = next else { break };
            (buckets, shift) = (next, wider);
        }
    }
    tiers
}

/// Whether the steps of each tile come after those of the previous tile.
fn ascend(tiles: &[RolledChunk]) -> bool {
    tiles.windows(2).all(|w| {
        let last = w[0].buckets.last().and_then(|s| s.last).map(|p| p.step);
        let first = w[1].buckets.first().and_then(|s| s.first).map(|p| p.step);
        last < first
    })
}

/// Merges summaries in ascending order of steps into buckets of a width that is at least theirs.
fn joined(summaries: impl IntoIterator<Item = Summary>, shift: u32) -> Vec<Summary> {
    let bucket = |s: &Summary| s.first.map(|p| bucket_of(p.step, shift));
    let mut found: Vec<Summary> = Vec::new();
    for summary in summaries {
        match found.last_mut() {
            Some(last) if bucket(last) == bucket(&summary) => last.merge(&summary),
            _ => found.push(summary),
        }
    }
    found.shrink_to_fit();
    found
}
