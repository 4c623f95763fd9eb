//! Which parts to merge next.

use super::deleted::Deleted;
use crate::engine::state::StoreState;
use crate::parts::thinned::ThinnedSize;
use crate::parts::tiles::PART_ROWS_MAX;
use std::collections::BTreeSet;
use tidalite_model::Result;
use tidalite_parts::{Part, PartMeta};
use uuid::Uuid;

/// Which parts to merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// As many as fit into one part. For explicit compaction.
    All,
    /// Only when there are enough parts of similar size, so that each point is rewritten a logarithmic number of times.
    /// For the background thread.
    Tiered,
}

/// The number of parts of similar size that is worth a merge.
const TIER_PARTS: usize = 8;

/// A part that is worth rewriting for its deleted points alone: with [`Policy::All`] any, with [`Policy::Tiered`] one
/// with at least a quarter deleted. A row of the series table counts whole if its first or last seq is deleted, and
/// otherwise not at all, so a merge always removes something.
pub(super) fn stale(
    inner: &StoreState,
    parts: &[PartMeta],
    deleted: &Deleted,
    policy: Policy,
) -> Result<BTreeSet<Uuid>> {
    if deleted.is_empty() {
        return Ok(BTreeSet::new());
    }
    for meta in parts {
        let part = Part::open(inner.vfs.clone(), &inner.paths.part(meta.id), meta)?;
        let table = part.series();
        let mut details = table.reader();
        let mut rows = 0;
        for (r, row) in table.entries().iter().enumerate() {
            let Some(tombstones) = deleted.get(&**table.run(row)) else { continue };
            let (least, greatest) = details.of(r)?.seqs();
            if tombstones.hides(0, least) || tombstones.hides(0, greatest) {
                rows += u64::from(row.rows);
            }
        }
        if rows > 0 && (policy == Policy::All || rows >= meta.rows / 4) {
            return Ok(BTreeSet::from([meta.id]));
        }
    }
    Ok(BTreeSet::new())
}

/// The parts to merge next; empty if there is nothing to do.
pub(super) fn pick(parts: &[PartMeta], policy: Policy) -> BTreeSet<Uuid> {
    let mut small: Vec<&PartMeta> = parts.iter().filter(|p| p.rows < PART_ROWS_MAX / 2).collect();
    small.sort_by_key(|p| p.rows);
    let mut picked: Vec<&PartMeta> = match policy {
        Policy::All => small,
        // Similar size: within a factor of four.
        Policy::Tiered => small
            .chunk_by(|a, b| a.rows.max(1).ilog2() / 2 == b.rows.max(1).ilog2() / 2)
            .find(|tier| tier.len() >= TIER_PARTS)
            .map_or(Vec::new(), <[_]>::to_vec),
    };
    let mut rows = 0;
    let fits = picked.iter().take_while(|p| {
        rows += p.rows;
        rows <= PART_ROWS_MAX
    });
    let count = fits.count();
    picked.truncate(count);
    if picked.len() < 2 { BTreeSet::new() } else { picked.into_iter().map(|p| p.id).collect() }
}

/// The picked thinned parts that fit into one part, smallest first. All its buckets are in memory while it is made.
pub(super) fn thinned_that_fit(
    inner: &StoreState,
    parts: &[PartMeta],
    picked: BTreeSet<Uuid>,
) -> BTreeSet<Uuid> {
    let buckets = |p: &PartMeta| p.rollups.map_or(0, |r| r.rows);
    let mut small: Vec<&PartMeta> = parts.iter().filter(|p| picked.contains(&p.id)).collect();
    small.sort_by_key(|p| buckets(p));
    let mut size = ThinnedSize::default();
    let fits = small.into_iter().take_while(|p| {
        size.add(buckets(p), p.tiles, p.rows);
        size.is_within(inner)
    });
    let fits: BTreeSet<Uuid> = fits.map(|p| p.id).collect();
    if fits.len() < 2 { BTreeSet::new() } else { fits }
}
