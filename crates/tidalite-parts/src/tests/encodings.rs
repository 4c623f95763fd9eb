//! The encodings of values and times: which one is chosen, and that each reads back bit for bit.

use super::WrittenPart;
use super::roundtrip::assert_reads_back;
use super::sample::{SampleRandom, SampleSeries, extremes, tracker};
use crate::page::decode::{PADDING, PageBody, dictionary};
use crate::page::hybrid;
use crate::{PartOptions, ValueEncoding};
use parquet::basic::Encoding;
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::collections::BTreeSet;
use std::fs::File;
use tidalite_model::Seq;

const TIME: usize = 6;
const VALUE: usize = 7;

/// The encodings of the data pages of a column of a tile.
fn encodings(part: &WrittenPart, tile: usize, column: usize) -> BTreeSet<Encoding> {
    let file = SerializedFileReader::new(File::open(&part.paths.points).unwrap()).unwrap();
    let mut pages = file.get_row_group(tile).unwrap().get_column_page_reader(column).unwrap();
    let mut found = BTreeSet::new();
    while let Some(page) = pages.get_next_page().unwrap() {
        if page.is_data_page() {
            found.insert(page.encoding());
        }
    }
    found
}

fn column_bytes(part: &WrittenPart, column: usize) -> u64 {
    let open = part.open().unwrap();
    open.tiles.iter().map(|tile| tile.chunks[column].extent().1).sum()
}

/// One series whose values and times are given by their index.
fn series(
    metric: &str,
    rows: u64,
    time: impl Fn(u64) -> i64,
    mut value: impl FnMut(u64) -> f64,
) -> SampleSeries {
    let mut series = SampleSeries::new("r", metric, "");
    for i in 0..rows {
        series.push(i.cast_signed(), Seq::new(1, i), time(i), value(i));
    }
    series
}

fn regular(i: u64) -> i64 {
    1_780_000_000_000_000 + 1_000_000 * i.cast_signed()
}

fn only(encoding: Encoding) -> BTreeSet<Encoding> {
    BTreeSet::from([encoding])
}

#[test]
fn values_take_the_encoding_that_suits_them() {
    let mut random = SampleRandom(3);
    let decimals = series("m", 40_000, regular, |_| random.below(101) as f64 / 100.0);
    let mut random = SampleRandom(4);
    let noise = series("m", 40_000, regular, |_| f64::from_bits(random.next() >> 2));
    let mut random = SampleRandom(5);
    let few_of_many: Vec<f64> = (0..9_000).map(|_| f64::from_bits(random.next() >> 2)).collect();
    let drawn = series("m", 200_000, regular, |_| few_of_many[random.below(9_000) as usize]);
    let constant = series("m", 40_000, regular, |_| 7.0);
    for (what, series, expected) in [
        ("decimals", decimals, Encoding::RLE_DICTIONARY),
        ("noise", noise, Encoding::BYTE_STREAM_SPLIT),
        ("values drawn from 9,000", drawn, Encoding::RLE_DICTIONARY),
        ("a constant", constant, Encoding::RLE_DICTIONARY),
    ] {
        let part = WrittenPart::new(vec![vec![series]]);
        assert_eq!(encodings(&part, 0, VALUE), only(expected), "{what}");
        assert_reads_back(&part);
    }
}

#[test]
fn values_that_repeat_where_the_dictionary_is_full_are_plain() {
    // Each page repeats some values of its own, which together are more than a dictionary holds.
    let mut random = SampleRandom(9);
    let pages: Vec<Vec<f64>> =
        (0..60).map(|_| (0..600).map(|_| f64::from_bits(random.next() >> 2)).collect()).collect();
    let value = |i: u64| pages[(i / 8192) as usize][random.below(600) as usize];
    let part = WrittenPart::new(vec![vec![series("m", 60 * 8192, regular, value)]]);
    let expected = BTreeSet::from([Encoding::RLE_DICTIONARY, Encoding::PLAIN]);
    assert_eq!(encodings(&part, 0, VALUE), expected);
    assert_reads_back(&part);
}

#[test]
fn pages_of_a_tile_differ_in_their_encoding() {
    let mut random = SampleRandom(6);
    let decimals = series("a", 20_000, regular, |_| random.below(40) as f64 / 8.0);
    let noise = series("b", 20_000, regular, |_| f64::from_bits(random.next() >> 2));
    let both = WrittenPart::new(vec![vec![decimals, noise]]);
    let expected = BTreeSet::from([Encoding::RLE_DICTIONARY, Encoding::BYTE_STREAM_SPLIT]);
    assert_eq!(encodings(&both, 0, VALUE), expected);
    assert_reads_back(&both);
}

#[test]
fn the_chosen_encodings_are_no_larger_than_any_alone() {
    let mut random = SampleRandom(7);
    let samples = [
        tracker("r", 20, 0..20_000),
        extremes(),
        (0..300).map(|m| series(&format!("m{m:03}"), 60, regular, |_| random.below(9) as f64)).collect(),
        vec![series("m", 30_000, regular, |i| (i as f64).sqrt().round())],
    ];
    for sample in samples {
        let least = column_bytes(&WrittenPart::new(vec![sample.clone()]), VALUE);
        for encoding in [ValueEncoding::Split, ValueEncoding::Plain, ValueEncoding::Dictionary] {
            let options = PartOptions { value_encoding: encoding, ..PartOptions::default() };
            let part = WrittenPart::with(vec![sample.clone()], &options);
            assert_reads_back(&part);
            // A dictionary is chosen by an estimate of its entries, so the choice may be a little larger.
            assert!(least <= column_bytes(&part, VALUE) * 102 / 100, "{encoding:?}");
        }
    }
}

#[test]
fn a_regular_clock_takes_differences_and_a_shared_jittering_one_a_dictionary() {
    let shared = |time: &dyn Fn(u64) -> i64| -> Vec<SampleSeries> {
        (0..12).map(|m| series(&format!("m{m:02}"), 4_001, time, |i| i as f64)).collect()
    };
    let part = WrittenPart::new(vec![shared(&regular)]);
    assert_eq!(encodings(&part, 0, TIME), only(Encoding::DELTA_BINARY_PACKED));
    assert!(column_bytes(&part, TIME) < 48_000 / 20, "{} bytes", column_bytes(&part, TIME));
    assert_reads_back(&part);
    let mut random = SampleRandom(10);
    let jitter: Vec<i64> = (0..4_001).map(|_| random.below(1 << 20).cast_signed()).collect();
    let jittering = |i: u64| regular(i) + jitter[i as usize];
    let part = WrittenPart::new(vec![shared(&jittering)]);
    assert_eq!(encodings(&part, 0, TIME), only(Encoding::RLE_DICTIONARY));
    assert_reads_back(&part);
}

#[test]
fn indices_read_back_in_each_width() {
    let mut random = SampleRandom(8);
    for round in 0..2_000u32 {
        let width = 1 + round % 32;
        let mask = u32::MAX >> (32 - width.min(17));
        let mut indices = Vec::new();
        for _ in 0..1 + random.below(30) {
            let count = [1, 2, 3, 60 + random.below(140)][random.below(4) as usize];
            indices.extend(std::iter::repeat_n(random.next() as u32 & mask, count as usize));
        }
        let entries: Vec<u32> = (0..=mask).collect();
        let mut body = Vec::new();
        hybrid::encode(&indices, width, &mut body);
        body.extend([0; PADDING]);
        let mut ends = [0; 2].map(|_| random.below(indices.len() as u64 + 1) as usize);
        ends.sort_unstable();
        let (wanted, mut found) = (ends[0]..ends[1], Vec::new());
        let page = PageBody::new(&body);
        dictionary(page, indices.len(), &entries, std::slice::from_ref(&wanted), &mut found).unwrap();
        assert_eq!(found, indices[wanted], "width {width}, round {round}");
    }
}
