//! The points of one series within a tile, borrowed.

use tidalite_model::SeriesKey;

/// The points of one series within a tile, sorted by (step, clock, seq); all slices have the same length, at least 1.
#[derive(Debug, Clone, Copy)]
pub struct SeriesChunk<'a> {
    /// The series.
    pub key: &'a SeriesKey,
    /// Steps, ascending.
    pub steps: &'a [i64],
    /// Places of the writes (`Seq::as_i64`), ascending among equal steps and clocks.
    pub seqs: &'a [i64],
    /// How they were written (`Written::as_i64`): their clocks, and whether their steps are automatic.
    pub written: &'a [i64],
    /// Times, µs since 1970 UTC.
    pub times_us: &'a [i64],
    /// Values.
    pub values: &'a [f64],
}
