//! Reading points out of parts and writing points into them, for queries and upkeep alike.
//!
//! May use: `engine` and `files`.
//!
//! Invariants: rows of one tile are read together, so that its pages are found and checked once ([`scan`]). What is read
//! is counted ([`meter`]). A part is written as tiles, each all series of a run over one range of steps ([`tiles`]);
//! thinned parts also hold buckets that stand for points which are gone ([`thinned`]). Nothing here publishes a part.

pub(crate) mod meter;
pub(crate) mod scan;
pub(crate) mod thinned;
pub(crate) mod tiles;
