//! Buckets: summaries of one series' points within ranges of steps.

use crate::chunk::SeriesChunk;
use crate::options::PartOptions;
use tidalite_model::{SeriesKey, Summary};

/// Buckets of one series within one tile.
#[derive(Debug)]
pub(crate) struct RolledChunk {
    pub(crate) key: SeriesKey,
    pub(crate) shift: u32,
    pub(crate) buckets: Vec<Summary>,
}

/// The width of the finest buckets, as a power of two, of a series with about `points` points from the step `first` to
/// `last`; `None` where it has too few points for rollups.
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
    // Three quarters of the points suffice, since the first and last bucket are seldom full.
    (1..63).find(|&shift| {
        let buckets = (last >> shift).abs_diff(first >> shift).saturating_add(1);
        buckets.saturating_mul(of_bucket) / 4 * 3 <= points
    })
}

/// The number of the bucket that holds a step.
pub(crate) fn bucket_of(step: i64, shift: u32) -> i64 {
    step >> shift
}

/// The buckets of points whose steps ascend and are distinct.
pub(crate) fn buckets(chunk: &SeriesChunk<'_>, shift: u32) -> Vec<Summary> {
    let mut found: Vec<Summary> = Vec::new();
    let mut at = 0;
    while at < chunk.steps.len() {
        let bucket = bucket_of(chunk.steps[at], shift);
        let length = chunk.steps[at..].iter().take_while(|s| bucket_of(**s, shift) == bucket).count();
        let rows = at..at + length;
        let mut summary = Summary::default();
        summary.push_all(
            &chunk.steps[rows.clone()],
            &chunk.times_us[rows.clone()],
            &chunk.values[rows.clone()],
        );
        found.push(summary);
        at = rows.end;
    }
    found
}

/// The summary of all points of consecutive buckets.
pub(crate) fn total(buckets: &[Summary]) -> Summary {
    let mut all = Summary::default();
    buckets.iter().for_each(|bucket| all.merge(bucket));
    all
}
