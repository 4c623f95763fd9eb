//! Parts: immutable Parquet files of points, and their side tables. The only crate that knows Parquet.
//!
//! A part is two files. The *points* file is plain Parquet that any tool reads: one row a point, one row group a
//! *tile*, rows ascending by (run, metric, labels, step, seq) inside a tile. The *series table* beside it, Parquet
//! too, has one row for each series in each tile: where its rows lie, and their summary.
//!
//! Writing: [`encode_tile`] turns sorted points into a finished row group in memory (pure work, so callers encode
//! tiles in parallel), and [`PartWriter`] lays tiles one behind the other, then the footer, then the series table.
//! Reading: [`Part`] reads chosen rows of chosen columns of a tile.
//!
//! Invariants:
//! - Each byte of both files is covered by a CRC32C that our reader checks before it believes the byte: pages by
//!   sums kept in the footer, the footer and the series table by sums kept in the [`PartMeta`] (which the manifest
//!   holds). Each page is besides a zstd frame with its own content checksum, which every other reader checks.
//! - No length read from a file is allocated for before it is bounded by the file's size or by a constant.
//! - A value chunk that holds a NaN has no statistics, since readers disagree on what min and max mean then.

#![forbid(unsafe_code)]

mod encode;
mod facts;
mod meta;
mod options;
mod page_sums;
mod read;
mod schema;
mod series;
mod series_file;
mod transpose;
mod verify;
mod write;

#[cfg(test)]
mod tests;

pub use encode::{EncodedTile, SeriesChunk, encode_tile};
pub use meta::PartMeta;
pub use options::{Columns, PartOptions, PartPlace};
pub use read::{Part, TileColumns};
pub use schema::{TILE_ROWS_MAX, TILES_MAX};
pub use series::{SeriesRow, SeriesTable};
pub use verify::PartFinding;
pub use write::PartWriter;
