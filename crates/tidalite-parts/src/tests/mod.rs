//! Whole parts, written and read back on a real disk.
//!
//! Method: `sample` makes points of many shapes; `WrittenPart` writes them as a part; the tests read it with our reader
//! and, as an oracle that shares no code with it, with the Parquet crate's own.

// Lists of one range are what is meant here.
#![allow(clippy::single_range_in_vec_init)]

mod copy;
mod damage;
mod disk;
mod rollups;
mod roundtrip;
mod sample;
mod series;
mod thinned;

use crate::{Part, PartMeta, PartOptions, PartPaths, PartWriter, SeriesChunk, encode_tile};
use sample::SampleSeries;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tidalite_vfs::{RealVfs, Vfs};
use uuid::Uuid;

/// A part on the disk, and the points that went into it, tile by tile.
struct WrittenPart {
    tiles: Vec<Vec<SampleSeries>>,
    paths: PartPaths,
    meta: PartMeta,
    /// Removed with its files when this is dropped.
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

fn chunks(series: &[SampleSeries]) -> Vec<SeriesChunk<'_>> {
    series.iter().map(SampleSeries::chunk).collect()
}

impl WrittenPart {
    fn new(tiles: Vec<Vec<SampleSeries>>) -> WrittenPart {
        let folder = TempDir::new().unwrap();
        let paths = paths_in(&folder);
        let options = PartOptions::default();
        let mut writer = PartWriter::create(vfs(), &paths).unwrap();
        for series in &tiles {
            writer.push(encode_tile(&chunks(series), &options).unwrap()).unwrap();
        }
        let meta = writer.finish(false).unwrap();
        WrittenPart { tiles, paths, meta, _folder: folder }
    }

    fn open(&self) -> tidalite_model::Result<Part> {
        Part::open(vfs(), &self.paths, &self.meta)
    }
}
