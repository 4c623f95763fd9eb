//! Parts: immutable Parquet files of points, and their side tables. The only crate that knows Parquet.
//!
//! A part is two files, or three. The *points* file is plain Parquet that any tool reads: one row a point, one row group a
//! *tile*, rows ascending by (run, metric, labels, step, seq) inside a tile. The *series table* beside it, Parquet
//! too, has one row for each series in each tile: where its rows lie, and their summary. Where a series has many points,
//! *rollups* hold what they add up to bucket by bucket, in a third file, which nobody needs to read.
//!
//! Writing: [`encode_tile`] turns sorted points into a finished row group in memory (pure work, so callers encode
//! tiles in parallel), and [`PartWriter`] lays tiles one behind the other, then the footer, then the series table.
//! Reading: [`Part`] reads chosen rows of chosen columns of a tile.
//!
//! ```
//! use std::sync::Arc;
//! use tidalite_model::{Labels, Seq, SeriesKey};
//! use tidalite_parts::{Columns, Part, PartOptions, PartPlace, PartWriter, SeriesChunk, encode_tile};
//! use tidalite_vfs::{RealVfs, Vfs};
//!
//! let folder = tempfile::tempdir()?;
//! let vfs: Arc<dyn Vfs> = Arc::new(RealVfs::new());
//! let place = PartPlace {
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
//!     times_us: &[10, 20, 30],
//!     values: &[0.5, 0.25, f64::NAN],
//! };
//! let mut writer = PartWriter::create(vfs.clone(), &place)?;
//! writer.push(encode_tile(&[loss], &PartOptions::default())?)?;
//! let meta = writer.finish(true)?;
//!
//! let part = Part::open(vfs, &place, &meta)?;
//! let row = part.series().row(0)?;
//! assert_eq!((&*row.key.metric, row.summary.count, row.summary.nan), ("loss", 3, 1));
//! let found = part.read(row.tile, &[row.row_start..row.row_start + 2], Columns::VALUE)?;
//! assert_eq!(found.values, [0.5, 0.25]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants:
//! - Each byte of all files is covered by a CRC32C that our reader checks before it believes the byte: pages by
//!   sums kept in the footer, the footer and the series table by sums kept in the [`PartMeta`] (which the manifest
//!   holds). Each page is besides a zstd frame with its own content checksum, which every other reader checks; a
//!   page's header (some 25 bytes) has our sum alone.
//! - No length read from a file is allocated for before it is bounded by the file's size or by a constant.
//! - A value chunk that holds a NaN has no statistics, since readers disagree on what min and max mean then.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files and damage them"))]
#![forbid(unsafe_code)]

mod copy;
mod encode;
mod facts;
mod meta;
mod names;
mod options;
mod page_sums;
mod read;
mod rollup;
mod rollup_file;
mod schema;
mod series;
mod series_file;
mod series_read;
mod thin;
mod totals;
mod transpose;
mod verify;
mod write;

#[cfg(test)]
mod tests;

pub use copy::Copier;
pub use encode::{EncodedTile, SeriesChunk, encode_tile};
pub use meta::{PartMeta, RollupMeta};
pub use options::{Columns, PartOptions, PartPlace};
pub use read::{Fetched, PageCache, Part, RolledSeries, RollupTier, Rollups, TileColumns};
pub use rollup::rollup_shift;
pub use schema::{TILE_ROWS_MAX, TILES_MAX};
pub use series::{BySeries, Details, DetailsReader, SeriesEntry, SeriesRow, SeriesTable};
pub use thin::{ThinnedChunk, encode_thinned_tile};
pub use verify::PartFinding;
pub use write::PartWriter;
