//! Thinned tiles: the outline of each series, with the summaries of all its points, in total and for each bucket.
//!
//! The rows' summaries and the rollups of such a tile include points that are gone. Both are therefore required, and neither
//! can be rebuilt from the points that are left. A part with a thinned tile has only thinned tiles.
//!
//! Invariant: the outline of a bucket has its first and last point, its least and greatest value, and a NaN and an infinity
//! of each sign where the bucket had one. So a line through it looks the same. The caller chooses the points.

use super::encode::{EncodedTile, encode_tile};
use crate::chunk::SeriesChunk;
use crate::options::PartOptions;
use crate::rollup::bucket::{RolledChunk, bucket_of, buckets, total};
use crate::thin::{are_uniform, is_outline_of, set_seq};
use tidalite_model::{Error, Result, Summary};

/// The outline of a series, and the buckets of all its points.
#[derive(Debug, Clone, Copy)]
pub struct ThinnedChunk<'a> {
    /// The points that are kept, none a repeat of another. All of their steps are automatic, or none.
    pub points: SeriesChunk<'a>,
    /// The width of a bucket in steps, as a power of two, 1 to 62.
    pub shift: u32,
    /// The summary of all points of each bucket that had any, ascending.
    pub buckets: &'a [Summary],
}

/// Encodes one thinned tile: series of one run, ascending by key.
///
/// # Errors
/// `Invalid` where buckets do not ascend by step, or the outline of one lacks an end or an extreme; otherwise as for
/// [`encode_tile`].
pub fn encode_thinned_tile(chunks: &[ThinnedChunk<'_>], options: &PartOptions) -> Result<EncodedTile> {
    let plain: Vec<SeriesChunk<'_>> = chunks.iter().map(|c| c.points).collect();
    let mut tile = encode_tile(&plain, options)?;
    for (row, chunk) in tile.series.iter_mut().zip(chunks) {
        if !is_sound(chunk) || !are_uniform(row) || chunk.points.key.run != chunks[0].points.key.run {
            return Err(Error::invalid(
                "encode thinned tile",
                "the outline of a series does not fit its buckets, or the series is of another run",
                "keep the ends, extremes and kinds of values of each bucket, in series of one run",
            ));
        }
        row.summary = total(chunk.buckets);
        set_seq(row, chunk.points.seqs);
        let (key, buckets) = (row.key.clone(), chunk.buckets.to_vec());
        tile.rollups.push(RolledChunk { key, shift: chunk.shift, buckets });
    }
    tile.thinned = true;
    Ok(tile)
}

fn is_sound(chunk: &ThinnedChunk<'_>) -> bool {
    if !(1..=62).contains(&chunk.shift) {
        return false;
    }
    let bucket = |s: &Summary| s.first.map(|p| bucket_of(p.step, chunk.shift));
    let ascend = chunk.buckets.windows(2).all(|w| bucket(&w[0]) < bucket(&w[1]));
    let kept = buckets(&chunk.points, chunk.shift);
    let left = || kept.iter().zip(chunk.buckets).all(|(kept, all)| is_outline_of(kept, all));
    ascend && kept.len() == chunk.buckets.len() && left()
}
