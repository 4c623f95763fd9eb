//! Tests of whole parts on a real disk.
//!
//! Method: `sample` makes points of many shapes, and `WrittenPart` writes them as a part. The tests read the part with our
//! reader and with the Parquet crate's reader. The latter is the oracle and shares no code with ours.

// Lists of one range are intended here.
#![allow(clippy::single_range_in_vec_init)]

mod copy;
mod damage;
mod derived;
mod disk;
mod encodings;
mod rollups;
mod roundtrip;
mod sample;
mod series;
mod thinned;

use crate::{Part, PartMeta, PartOptions, PartPaths, PartWriter, SeriesChunk, SeriesRow, encode_tile};
use sample::SampleSeries;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tidalite_model::Summary;
use tidalite_vfs::{RealVfs, Vfs};
use uuid::Uuid;

/// A part on the disk, and its points by tile.
struct WrittenPart {
    tiles: Vec<Vec<SampleSeries>>,
    paths: PartPaths,
    meta: PartMeta,
    /// The folder of its files, which is removed on drop.
    _folder: TempDir,
}

fn vfs() -> Arc<dyn Vfs> {
    Arc::new(RealVfs::new())
}

fn paths_in(folder: &TempDir) -> PartPaths {
    paths_at(folder.path())
}

fn paths_at(folder: &Path) -> PartPaths {
    PartPaths {
        id: Uuid::from_u128(7),
        points: folder.join("points.parquet"),
        series: folder.join("series.parquet"),
        rollups: folder.join("rollups.parquet"),
    }
}

/// Whether two lists of summaries have the same bits.
fn same_summaries(a: &[Summary], b: &[Summary]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same_bits(b))
}

/// Whether two lists of rows are the same, with summaries of the same bits.
fn same_rows(a: &[SeriesRow], b: &[SeriesRow]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same_bits(b))
}

/// All rows of a part's series table.
fn rows_of(part: &Part) -> tidalite_model::Result<Vec<SeriesRow>> {
    (0..part.series().entries().len()).map(|row| part.series().row(row)).collect()
}

fn chunks(series: &[SampleSeries]) -> Vec<SeriesChunk<'_>> {
    series.iter().map(SampleSeries::chunk).collect()
}

impl WrittenPart {
    fn new(tiles: Vec<Vec<SampleSeries>>) -> WrittenPart {
        Self::with(tiles, &PartOptions::default())
    }

    fn with(tiles: Vec<Vec<SampleSeries>>, options: &PartOptions) -> WrittenPart {
        let folder = TempDir::new().unwrap();
        let paths = paths_in(&folder);
        let mut writer = PartWriter::create(vfs(), &paths).unwrap();
        writer = writer.table_series_points(options.table_series_points);
        for series in &tiles {
            writer.push(encode_tile(&chunks(series), options).unwrap()).unwrap();
        }
        let meta = writer.finish(false).unwrap();
        WrittenPart { tiles, paths, meta, _folder: folder }
    }

    fn open(&self) -> tidalite_model::Result<Part> {
        Part::open(vfs(), &self.paths, &self.meta)
    }
}
