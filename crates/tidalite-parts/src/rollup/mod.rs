//! Rollups: what the points of a series within a part add up to, bucket by bucket.
//!
//! [`bucket`] sums up the points of one tile. [`tier`] joins the buckets of all tiles and makes the wider tiers. [`file`]
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
