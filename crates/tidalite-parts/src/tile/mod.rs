//! Tiles: row groups in memory, ready to be written to a points file.
//!
//! [`encode`] makes a tile from points; [`plan`], [`differences`] and [`times`] are its steps. [`thinned`] makes one from
//! outlines and their buckets. [`copy`] makes one from a tile of another part. These modules import pages, rollups, rows
//! of the series table and, for `copy`, the reader. They write no file and share no state, so callers encode tiles in
//! parallel.
//!
//! Invariant: the rows of a tile ascend by (run, metric, labels, step, clock, seq).

mod copy;
mod differences;
mod encode;
mod number_hash;
mod plan;
mod thinned;
mod times;

pub use copy::Copier;
pub use encode::{EncodedTile, encode_tile};
pub use thinned::{ThinnedChunk, encode_thinned_tile};
