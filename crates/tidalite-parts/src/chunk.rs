//! The points of one series within a tile, borrowed.

use tidalite_model::SeriesKey;

/// The points of one series within a tile, sorted by (step, seq); all slices have the same length, at least 1.
#[derive(Debug, Clone, Copy)]
pub struct SeriesChunk<'a> {
    /// The series.
    pub key: &'a SeriesKey,
    /// Steps, ascending.
    pub steps: &'a [i64],
    /// Write orders (`Seq::as_i64`), ascending among equal steps.
    pub seqs: &'a [i64],
    /// Times, µs since 1970 UTC.
    pub times_us: &'a [i64],
    /// Values.
    pub values: &'a [f64],
}
