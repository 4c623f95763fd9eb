//! What of a series is answered without merging: summaries that stand for points, and what is left to be read.

use crate::parts::scan::Piece;
use tidalite_model::Summary;
use tidalite_query::Points;

/// A series whose points need not be merged, sorted out.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// Summaries that stand for their points: of rows, and of buckets.
    pub(crate) known: Vec<Summary>,
    /// What is to be read.
    pub(crate) pieces: Vec<Piece>,
    /// Points of the log, filtered.
    pub(crate) tails: Vec<Points>,
}

/// A part of the answer to one series.
pub(crate) enum Chunk {
    /// All points that a summary sums up, and nothing else.
    Summed(Summary),
    /// Points, filtered.
    Points(Points),
}
