//! Rollups: summaries of a series within a part, one for each bucket of steps.
//!
//! [`bucket`] summarizes the points of one tile. [`tier`] joins the buckets of all tiles and makes the wider tiers. [`file`]
//! encodes the tiers as a row group. These modules import pages and totals; they read no file.
//!
//! Invariants:
//! - A bucket is a range of steps whose width is a power of two, aligned at step 0. So buckets of one width lie within
//!   those of any greater width.
//! - A series has rollups only where no step occurs twice in the part.

pub(crate) mod bucket;
pub(crate) mod file;
pub(crate) mod tier;

pub use bucket::rollup_shift;
