//! Reading points from parts and writing points to them, for queries and upkeep.
//!
//! May use: `engine` and `files`.
//!
//! Invariants: rows of one tile are read together, so that its pages are found and checked once ([`scan`]). Reads are
//! counted ([`meter`]). A part is written as tiles, each with all series of a run over one range of steps ([`tiles`]). A
//! job reads the points of a range of steps alone ([`anchors`]), and compares series of several parts by numbers
//! ([`series_numbers`]). Thinned parts also hold buckets that summarize points which are gone ([`thinned`]). Nothing here
//! publishes a part.

pub(crate) mod anchors;
pub(crate) mod meter;
pub(crate) mod scan;
pub(crate) mod series_numbers;
pub(crate) mod thinned;
pub(crate) mod tiles;
