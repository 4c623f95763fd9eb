//! A series that is answered without merging: summaries that stand for points, and what is left to read.

use crate::parts::scan::Piece;
use tidalite_model::Summary;
use tidalite_query::Points;

/// A series whose points need not be merged.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// Summaries of rows and of buckets that stand for their points.
    pub(crate) known: Vec<Summary>,
    /// What is left to read.
    pub(crate) pieces: Vec<Piece>,
    /// The outlines of points that summaries in `known` stand for, where the answer needs points beside these.
    pub(crate) outlines: Vec<Piece>,
    /// Points of merged sources, filtered.
    pub(crate) merged: Vec<Points>,
    /// Whether points of logs count as they are, besides all the above.
    pub(crate) has_tails: bool,
}

/// A part of the answer for one series.
pub(crate) enum Chunk {
    /// The summary of points that all count.
    Summed(Summary),
    /// Points, filtered.
    Points(Points),
}
