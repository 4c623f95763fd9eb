//! Each byte is checked: damage gives an error or an exact report, never a wrong number, and affects one page at most.

use super::sample::{SampleRandom, tracker};
use super::{WrittenPart, rows_of, same_rows, vfs};
use crate::{ColumnSet, Part, PartFinding, PartMeta, TileColumns};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{DoubleType, Int64Type};
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tidalite_model::{ErrorKind, Extent, Result};

fn small() -> WrittenPart {
    WrittenPart::new(vec![tracker("r", 3, 0..40), tracker("r", 3, 40..60)])
}

pub(super) fn flip(path: &Path, byte: usize, bit: u32) {
    let mut bytes = fs::read(path).unwrap();
    bytes[byte] ^= 1 << bit;
    fs::write(path, bytes).unwrap();
}

fn read_tile(part: &Part, tile: u32) -> Result<TileColumns> {
    let rows = part.series().tile(tile).map(|row| part.series().entry(row).rows).sum();
    part.read(tile, &[0..rows], ColumnSet::ALL)
}

fn findings(part: &Part) -> Vec<PartFinding> {
    let mut all = Vec::new();
    part.verify(&mut |f| all.push(f)).unwrap();
    all
}

/// Whether the bits are the same. NaN is among the values.
fn same(a: &TileColumns, b: &TileColumns) -> bool {
    let bits = |c: &TileColumns| c.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    (&a.steps, &a.seqs, &a.written, &a.times_us, bits(a))
        == (&b.steps, &b.seqs, &b.written, &b.times_us, bits(b))
}

#[test]
fn a_flipped_bit_in_any_byte_is_found_and_gives_no_wrong_number() {
    let part = small();
    let good: Vec<TileColumns> = (0..2).map(|t| read_tile(&part.open().unwrap(), t).unwrap()).collect();
    let mut random = SampleRandom(2);
    let mut refused = 0;
    for byte in 0..part.meta.bytes as usize {
        let bit = random.below(8) as u32;
        flip(&part.paths.points, byte, bit);
        match part.open() {
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Corrupt, "byte {byte}");
                refused += 1;
            }
            Ok(open) => {
                for (tile, good) in (0..).zip(&good) {
                    match read_tile(&open, tile) {
                        Ok(found) => assert!(same(&found, good), "byte {byte}: wrong numbers"),
                        Err(e) => assert_eq!(e.kind(), ErrorKind::Corrupt, "byte {byte}"),
                    }
                }
                let found = findings(&open);
                assert_eq!(found.len(), 1, "byte {byte}");
                let places = found[0].offset..found[0].offset + found[0].bytes;
                assert!(places.contains(&(byte as u64)), "byte {byte}: {found:?}");
            }
        }
        flip(&part.paths.points, byte, bit);
    }
    assert_eq!(refused, part.meta.footer_bytes, "the footer is checked when the part is opened");
    assert_eq!(findings(&part.open().unwrap()).len(), 0);
}

#[test]
fn damage_affects_one_page_and_the_finding_names_its_series() {
    let part = WrittenPart::new(vec![tracker("r", 4, 0..9000)]);
    let open = part.open().unwrap();
    let page = open.tiles[0].chunks[7].pages[2];
    flip(&part.paths.points, page.offset as usize + 100, 3);
    let found = findings(&open);
    let [one] = &found[..] else { panic!("one finding expected, found {found:?}") };
    assert_eq!((one.tile, one.column, one.rows.clone()), (Some(0), Some("value"), Some(18_000..27_000)));
    assert_eq!((one.series.len(), one.series_count, one.steps), (1, 1, Some(Extent::new(0, 8999))));
    assert_eq!(&*one.series[0].metric, "metric/00002");
    let e = open.read(0, &[20_000..20_001], ColumnSet::VALUE).unwrap_err();
    assert_eq!((e.kind(), e.offset()), (ErrorKind::Corrupt, Some(page.offset)));
    assert!(e.to_string().contains("column value, tile 0, rows 18000..27000"), "{e}");
    assert_eq!(open.read(0, &[0..18_000, 27_000..36_000], ColumnSet::VALUE).unwrap().values.len(), 27_000);
    assert_eq!(
        open.read(0, &[18_000..27_000], ColumnSet { value: false, ..ColumnSet::ALL }).unwrap().steps.len(),
        9000
    );
}

#[test]
fn a_damaged_or_missing_series_table_is_rebuilt_from_the_points() {
    let part = small();
    let good = part.open().unwrap();
    let bytes = fs::read(&part.paths.series).unwrap();
    let mut random = SampleRandom(3);
    let check = |what: &str| {
        let open = part.open().unwrap();
        assert!(same_rows(&rows_of(&open).unwrap(), &rows_of(&good).unwrap()), "{what}");
        assert!(open.series_damage().is_some(), "{what}");
        let found = findings(&open);
        assert_eq!((found.len(), &found[0].path), (1, &part.paths.series), "{what}");
    };
    for byte in (0..bytes.len()).step_by(7) {
        let bit = random.below(8) as u32;
        flip(&part.paths.series, byte, bit);
        check(&format!("byte {byte}"));
        flip(&part.paths.series, byte, bit);
    }
    for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&part.paths.series, &bytes[..length]).unwrap();
        check(&format!("length {length}"));
    }
    fs::remove_file(&part.paths.series).unwrap();
    check("missing");
}

#[test]
fn a_truncated_or_grown_file_is_corrupt() {
    let part = small();
    let bytes = fs::read(&part.paths.points).unwrap();
    for length in (0..bytes.len()).step_by(11) {
        fs::write(&part.paths.points, &bytes[..length]).unwrap();
        assert_eq!(part.open().unwrap_err().kind(), ErrorKind::Corrupt, "length {length}");
    }
    let mut longer = bytes.clone();
    longer.extend_from_slice(b"junk");
    fs::write(&part.paths.points, &longer).unwrap();
    assert_eq!(part.open().unwrap_err().kind(), ErrorKind::Corrupt);
    fs::remove_file(&part.paths.points).unwrap();
    assert_eq!(part.open().unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn wrong_lengths_in_the_manifest_are_corrupt() {
    let part = small();
    let wrong: [fn(&mut PartMeta); 7] = [
        |m| m.bytes = u64::MAX,
        |m| m.footer_bytes = u64::MAX,
        |m| m.footer_bytes = 0,
        |m| m.footer_bytes -= 1,
        |m| m.rows += 1,
        |m| m.tiles -= 1,
        |m| m.footer_crc32c ^= 1,
    ];
    for (i, change) in wrong.into_iter().enumerate() {
        let mut meta = part.meta.clone();
        change(&mut meta);
        let e = Part::open(vfs(), &part.paths, &meta).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Corrupt, "change {i}");
    }
    let mut meta = part.meta.clone();
    meta.series_bytes = u64::MAX;
    assert!(Part::open(vfs(), &part.paths, &meta).unwrap().series_damage().is_some());
}

/// A faulty writer can store damaged pages with matching checksums. The decoders must handle any bytes.
#[test]
fn pages_that_contradict_themselves_are_corrupt_not_a_panic() {
    let part = WrittenPart::new(vec![tracker("r", 3, 0..300)]);
    let bytes = fs::read(&part.paths.points).unwrap();
    let mut random = SampleRandom(4);
    for _ in 0..4000 {
        let mut open = part.open().unwrap();
        let mut damaged = bytes.clone();
        for chunk in &mut Arc::get_mut(&mut open.tiles).unwrap()[0].chunks {
            for page in chunk.dictionary.iter_mut().chain(&mut chunk.pages) {
                let (start, end) = (page.offset as usize, page.offset as usize + page.bytes as usize);
                // Half of the changes are in the header, since the frame's own checksum catches most others.
                let within = if random.below(2) == 0 { 30 } else { u64::from(page.bytes) };
                let at = start + random.below(within.min(u64::from(page.bytes))) as usize;
                damaged[at] = random.next().to_le_bytes()[0];
                page.sum = crc32c::crc32c(&damaged[start..end]);
            }
        }
        fs::write(&part.paths.points, &damaged).unwrap();
        for columns in [
            ColumnSet { step: true, ..ColumnSet::default() },
            ColumnSet { seq: true, ..ColumnSet::default() },
            ColumnSet { time: true, ..ColumnSet::default() },
            ColumnSet::VALUE,
        ] {
            let _ = open.read(0, &[3..400], columns);
        }
        let _ = open.names(0, &mut crate::names::NameInterner::default());
        fs::write(&part.paths.points, &bytes).unwrap();
    }
}

#[test]
fn a_reader_without_our_checksums_reports_an_error_too() {
    let part = WrittenPart::new(vec![tracker("r", 5, 0..2100)]);
    let open = part.open().unwrap();
    let bytes = fs::read(&part.paths.points).unwrap();
    let mut random = SampleRandom(6);
    for (column, chunk) in open.tiles[0].chunks.iter().enumerate().skip(3) {
        for page in chunk.dictionary.iter().chain(&chunk.pages) {
            // After the header, which other readers cannot check.
            let at = page.offset + 32 + random.below(u64::from(page.bytes) - 32);
            let mut damaged = bytes.clone();
            damaged[at as usize] ^= 1 << random.below(8);
            let file = SerializedFileReader::new(bytes::Bytes::from(damaged)).unwrap();
            let group = file.get_row_group(0).unwrap();
            let result = group.get_column_reader(column).and_then(|reader| {
                if column == 7 {
                    let mut values = Vec::new();
                    get_typed_column_reader::<DoubleType>(reader).read_records(
                        usize::MAX,
                        None,
                        None,
                        &mut values,
                    )
                } else {
                    let mut values = Vec::new();
                    get_typed_column_reader::<Int64Type>(reader).read_records(
                        usize::MAX,
                        None,
                        None,
                        &mut values,
                    )
                }
            });
            assert!(result.is_err(), "column {column}, byte {at}");
        }
    }
}
