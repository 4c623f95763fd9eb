//! Thinned tiles: of each series few of its points, with what all of them add up to, as a whole and bucket by bucket.
//!
//! In such a tile the summary of a row and its rollups tell of points that are not there any more, so that both are needed
//! and neither can be made anew from the points. Invariant: what is left of a bucket has its first and last point, its least
//! and greatest value, and a NaN and an infinity of each sign where it had any, so that a line through it looks the same.
//! `tidalite` chooses the points; a part with one such tile has no others.

use super::encode::{EncodedTile, encode_tile};
use crate::chunk::SeriesChunk;
use crate::options::PartOptions;
use crate::rollup::bucket::{RolledChunk, bucket_of, buckets, total};
use crate::thin::{is_left_of, place};
use tidalite_model::{Error, Result, Summary};

/// What is left of a series, and what it stands for.
#[derive(Debug, Clone, Copy)]
pub struct ThinnedChunk<'a> {
    /// The points that are left; no step comes twice.
    pub points: SeriesChunk<'a>,
    /// Steps of a bucket, as a power of two, 1 to 62.
    pub shift: u32,
    /// What all points add up to in each bucket that had one, ascending.
    pub buckets: &'a [Summary],
}

/// Encodes one thinned tile: series of one run, ascending by key.
///
/// # Errors
/// `Invalid` where buckets do not ascend by step, or what is left of one lacks an end or extreme of it; as
/// [`encode_tile`].
pub fn encode_thinned_tile(chunks: &[ThinnedChunk<'_>], options: &PartOptions) -> Result<EncodedTile> {
    let plain: Vec<SeriesChunk<'_>> = chunks.iter().map(|c| c.points).collect();
    let mut tile = encode_tile(&plain, options)?;
    for (row, chunk) in tile.series.iter_mut().zip(chunks) {
        if !is_sound(chunk) || row.repeats || chunk.points.key.run != chunks[0].points.key.run {
            return Err(Error::invalid(
                "encode thinned tile",
                "what is left of a series is not that of its buckets, or of another run",
                "keep the ends, extremes and kinds of values of each bucket, in series of one run",
            ));
        }
        row.summary = total(chunk.buckets);
        place(row, chunk.points.seqs);
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
    let place = |s: &Summary| s.first.map(|p| bucket_of(p.step, chunk.shift));
    let ascend = chunk.buckets.windows(2).all(|w| place(&w[0]) < place(&w[1]));
    let kept = buckets(&chunk.points, chunk.shift);
    let left = || kept.iter().zip(chunk.buckets).all(|(kept, all)| is_left_of(kept, all));
    ascend && kept.len() == chunk.buckets.len() && left()
}
