//! A copied tile has the same contents in the new part.

use super::sample::{SampleSeries, extremes, tracker};
use super::{WrittenPart, paths_in, same_rows, vfs};
use crate::{ColumnSet, Part, PartOptions, PartWriter, SeriesRow, rollup_shift};
use std::fs;
use tempfile::TempDir;
use tidalite_model::{ErrorKind, Seq, SeriesKey, WriteOrder, Written};

fn all_rows(part: &Part, tile: u32) -> u32 {
    part.series().tile(tile).map(|row| part.series().entry(row).rows).sum()
}

/// Copies the tiles of a part in reverse order, and compares them.
fn check(written: &WrittenPart, order: Option<WriteOrder>) {
    let options = PartOptions { rollup_points: 8, rollup_series_points: 64, ..PartOptions::default() };
    let meta = match order {
        Some(order) => written.meta.clone().placed_at(order),
        None => written.meta.clone(),
    };
    let source = Part::open(vfs(), &written.paths, &meta).unwrap();
    let shift = |key: &SeriesKey| {
        let table = source.series();
        let row = table.entries().find(|row| table.key(row) == *key)?;
        rollup_shift(u64::from(row.rows), row.first_step, row.last_step, &options)
    };
    let folder = TempDir::new().unwrap();
    let paths = paths_in(&folder);
    let mut writer = PartWriter::create(vfs(), &paths).unwrap();
    let copier = source.copier().unwrap();
    for tile in (0..meta.tiles).rev() {
        writer.push(copier.tile(tile, &shift).unwrap()).unwrap();
    }
    let copied = writer.finish(false).unwrap();
    assert_eq!((copied.rows, copied.value_bits_sum), (meta.rows, meta.value_bits_sum));
    assert_eq!((&copied.seq, copied.seq_base, copied.clock), (&meta.seq, 0, None));
    let open = Part::open(vfs(), &paths, &copied).unwrap();
    for tile in 0..meta.tiles {
        let from = meta.tiles - 1 - tile;
        let rows = 0..all_rows(&source, from);
        let read = |part: &Part, tile: u32| {
            let columns = part.read(tile, std::slice::from_ref(&rows), ColumnSet::ALL).unwrap();
            let bits: Vec<u64> = columns.values.iter().map(|v| v.to_bits()).collect();
            (columns.steps, columns.seqs, columns.written, columns.times_us, bits)
        };
        assert!(read(&open, tile) == read(&source, from), "tile {tile}");
        let rows = |part: &Part, of: u32| {
            let rows = part.series().tile(of).map(|row| part.series().row(row).unwrap());
            rows.map(|row| SeriesRow { tile: 0, ..row }).collect::<Vec<_>>()
        };
        assert!(same_rows(&rows(&open, tile), &rows(&source, from)), "tile {tile}");
    }
    open.verify(&mut |f| panic!("an intact part has a finding: {f:?}")).unwrap();
}

#[test]
fn a_copied_tile_has_the_same_contents_and_passes_verification() {
    check(&WrittenPart::new(vec![tracker("r", 7, 0..3000), tracker("r", 7, 3000..3001), extremes()]), None);
}

#[test]
fn a_copied_tile_includes_the_write_order_base() {
    let unplaced = |series: Vec<SampleSeries>| -> Vec<SampleSeries> {
        let at_once = |s: &SampleSeries| vec![Written::at(1, true).as_i64(); s.seqs.len()];
        let placeless =
            |s: SampleSeries| SampleSeries { seqs: vec![0; s.seqs.len()], written: at_once(&s), ..s };
        series.into_iter().map(placeless).collect()
    };
    let tiles = vec![unplaced(tracker("r", 3, 0..5000)), unplaced(tracker("s", 3, 0..20))];
    let written = WrittenPart::new(tiles);
    let order = WriteOrder::new(1_780_000_000_000_000, Seq::new(5, 77));
    let part = Part::open(vfs(), &written.paths, &written.meta.clone().placed_at(order)).unwrap();
    let read = part.read(0, &[3..5], ColumnSet::ALL).unwrap();
    assert_eq!(read.seqs, [order.seq.as_i64(); 2]);
    assert_eq!(
        read.written,
        [Written::at(order.clock_us, true).as_i64(); 2],
        "the mark is stored, the clock is not"
    );
    check(&written, Some(order));
}

#[test]
fn damage_is_not_copied() {
    let part = WrittenPart::new(vec![tracker("r", 3, 0..3000)]);
    let open = part.open().unwrap();
    for chunk in &open.tiles[0].chunks {
        let page = chunk.pages[0];
        let mut bytes = fs::read(&part.paths.points).unwrap();
        bytes[page.offset as usize + 5] ^= 1;
        fs::write(&part.paths.points, &bytes).unwrap();
        let e = open.copier().unwrap().tile(0, &|_| None).unwrap_err();
        assert_eq!((e.kind(), e.offset()), (ErrorKind::Corrupt, Some(page.offset)));
        bytes[page.offset as usize + 5] ^= 1;
        fs::write(&part.paths.points, &bytes).unwrap();
    }
}
