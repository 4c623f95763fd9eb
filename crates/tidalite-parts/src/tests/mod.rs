//! Whole parts, written and read back on a real disk.
//!
//! Method: `sample` makes points of many shapes; `Written` writes them as a part; the tests read it with our reader
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

use crate::{Part, PartMeta, PartOptions, PartPlace, PartWriter, SeriesChunk, encode_tile};
use sample::Series;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tidalite_vfs::{RealVfs, Vfs};
use uuid::Uuid;

/// A part on the disk, and the points that went into it, tile by tile.
struct Written {
    tiles: Vec<Vec<Series>>,
    place: PartPlace,
    meta: PartMeta,
    /// Removed with its files when this is dropped.
    _folder: TempDir,
}

fn vfs() -> Arc<dyn Vfs> {
    Arc::new(RealVfs::new())
}

fn place_in(folder: &TempDir) -> PartPlace {
    place_at(folder.path())
}

fn place_at(folder: &Path) -> PartPlace {
    PartPlace {
        id: Uuid::from_u128(7),
        points: folder.join("points.parquet"),
        series: folder.join("series.parquet"),
        rollups: folder.join("rollups.parquet"),
    }
}

fn chunks(series: &[Series]) -> Vec<SeriesChunk<'_>> {
    series.iter().map(Series::chunk).collect()
}

impl Written {
    fn new(tiles: Vec<Vec<Series>>) -> Written {
        let folder = TempDir::new().unwrap();
        let place = place_in(&folder);
        let options = PartOptions::default();
        let mut writer = PartWriter::create(vfs(), &place).unwrap();
        for series in &tiles {
            writer.push(encode_tile(&chunks(series), &options).unwrap()).unwrap();
        }
        let meta = writer.finish(false).unwrap();
        Written { tiles, place, meta, _folder: folder }
    }

    fn open(&self) -> tidalite_model::Result<Part> {
        Part::open(vfs(), &self.place, &self.meta)
    }
}
