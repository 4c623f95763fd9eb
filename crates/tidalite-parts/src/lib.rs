//! Parts: immutable Parquet files of points, with their series tables and rollups.
//!
//! A part has two or three files, all plain Parquet that any tool reads. The *points* file has one row per point and one
//! row group per *tile*. The rows of a tile ascend by (run, metric, labels, step, clock, seq). The *series table* has one
//! row for each series in each tile: its rows in the tile, and their summary. Where a series has many points, *rollups*
//! in a third file hold a summary for each bucket of steps. Rollups are redundant unless the part is thinned.
//!
//! Writing: [`encode_tile`] encodes sorted points as a row group in memory; it does no I/O, so callers encode tiles in
//! parallel. [`PartWriter`] writes the tiles, the footer, the series table and the rollups. Reading: [`Part`] reads chosen
//! rows of chosen columns of a tile.
//!
//! ```
//! use std::sync::Arc;
//! use tidalite_model::{Labels, Seq, SeriesKey, Written};
//! use tidalite_parts::{ColumnSet, Part, PartOptions, PartPaths, PartWriter, SeriesChunk, encode_tile};
//! use tidalite_vfs::{RealVfs, Vfs};
//!
//! let folder = tempfile::tempdir()?;
//! let vfs: Arc<dyn Vfs> = Arc::new(RealVfs::new());
//! let paths = PartPaths {
//!     id: vfs.uuid(),
//!     points: folder.path().join("points.parquet"),
//!     series: folder.path().join("series.parquet"),
//!     rollups: folder.path().join("rollups.parquet"),
//! };
//! let key = SeriesKey::new("run-1", "loss", Labels::none());
//! let loss = SeriesChunk {
//!     key: &key,
//!     steps: &[0, 1, 2],
//!     seqs: &[0, 1, 2].map(|ordinal| Seq::new(0, ordinal).as_i64()),
//!     written: &[Written::AT_ITS_TIME.as_i64(); 3],
//!     times_us: &[10, 20, 30],
//!     values: &[0.5, 0.25, f64::NAN],
//! };
//! let mut writer = PartWriter::create(vfs.clone(), &paths)?;
//! writer.push(encode_tile(&[loss], &PartOptions::default())?)?;
//! let meta = writer.finish(true)?;
//!
//! let part = Part::open(vfs, &paths, &meta)?;
//! let row = part.series().row(0)?;
//! assert_eq!((&*row.key.metric, row.summary.count, row.summary.nan), ("loss", 3, 1));
//! let found = part.read(row.tile, &[row.row_start..row.row_start + 2], ColumnSet::VALUE)?;
//! assert_eq!(found.values, [0.5, 0.25]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants:
//! - The reader uses no byte before a CRC32C that covers it has matched. The checksums of pages are in the footer. Those of
//!   the footer, the series table and the whole files are in the [`PartMeta`], which the manifest holds. A page's body is also
//!   a zstd frame with a content checksum, which every other reader checks. A page's header (some 25 bytes) has only our
//!   checksum.
//! - A length read from a file is bounded by the file's size or by a constant before memory is allocated for it.
//! - A value chunk with a NaN has no statistics, since readers disagree on the meaning of min and max there.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files and damage them"))]
#![forbid(unsafe_code)]

mod chunk;
mod facts;
mod fetched;
mod meta;
mod names;
mod options;
mod page;
mod read;
mod rollup;
mod schema;
mod series;
mod thin;
mod tile;
mod totals;
mod verify;
mod write;

#[cfg(test)]
mod tests;

pub use chunk::SeriesChunk;
pub use fetched::Fetched;
pub use meta::{PartMeta, RollupMeta};
pub use options::{ColumnSet, PartOptions, PartPaths, ValueEncoding};
pub use read::{
    ColumnEncodings, PageCache, Part, RolledSeries, RollupTier, Rollups, TileColumns, series_table_alone,
};
pub use rollup::rollup_shift;
pub use schema::{TILE_ROWS_MAX, TILES_MAX};
pub use series::{BySeries, Details, DetailsReader, SeriesEntry, SeriesRow, SeriesTable};
pub use tile::{Copier, EncodedTile, ThinnedChunk, encode_thinned_tile, encode_tile};
pub use verify::PartFinding;
pub use write::PartWriter;
