//! Series tables with several row groups: each row reads back, and a changed group is detected.

use super::sample::{SampleRandom, SampleSeries};
use super::{WrittenPart, vfs};
use crate::series::read::SeriesFile;
use crate::series::schema::GROUP_ROWS;
use crate::series::write::encode_series;
use crate::{Part, PartOptions};
use crate::{SeriesRow, SeriesTable};
use std::fs;
use tidalite_model::{ErrorKind, Extent, Labels, Seq, SeriesKey};

/// Series of one point each, whose names together exceed a dictionary page.
fn many(count: usize) -> Vec<SampleSeries> {
    let series = |i: usize| SampleSeries {
        key: SeriesKey::new(
            format!("run-{:03}", i / 1000),
            format!("metric/{:0>80}/{i}", i % 1000),
            if i.is_multiple_of(3) {
                Labels::none()
            } else {
                Labels::new([("rank", (i % 3).to_string())]).unwrap()
            },
        ),
        steps: vec![i as i64],
        seqs: vec![Seq::new(1, i as u64).as_i64()],
        written: vec![0],
        times_us: vec![7 * i as i64],
        values: vec![if i.is_multiple_of(5) { f64::NAN } else { i as f64 / 3.0 }],
    };
    let mut all: Vec<SampleSeries> = (0..count).map(series).collect();
    all.sort_by(|a, b| a.key.cmp(&b.key));
    all
}

fn check_row(part: &Part, row: usize, series: &SampleSeries) {
    let found = part.series().row(row).unwrap();
    assert_eq!((&found.key, found.rows, found.seq_min), (&series.key, 1, series.seqs[0]), "row {row}");
    let last = found.summary.last.unwrap();
    let (step, time_us) = (series.steps[0], series.times_us[0]);
    assert_eq!((last.step, last.time_us, last.value.to_bits()), (step, time_us, series.values[0].to_bits()));
    let entry = part.series().entry(row);
    assert_eq!(
        (entry.steps(), part.series().key(&entry)),
        (Extent::new(step, step), series.key.clone()),
        "row {row}"
    );
}

#[test]
fn each_row_of_a_table_with_many_groups_reads_back() {
    let series = many(10 * GROUP_ROWS + 77);
    let written = WrittenPart::new(vec![series.clone()]);
    let part = written.open().unwrap();
    assert!(part.series_damage().is_none());
    assert_eq!(part.series().entries().len(), series.len());
    // In order, then scattered: more groups than are kept in memory.
    for (row, one) in series.iter().enumerate() {
        check_row(&part, row, one);
    }
    for row in (0..series.len()).rev().step_by(GROUP_ROWS / 2 + 1) {
        check_row(&part, row, &series[row]);
    }
    let table = part.series();
    let by_series = part.by_series();
    let mut met = 0;
    for run in 0..table.runs().len() {
        for series in by_series.of_run(run) {
            let [row] = by_series.series(series) else { panic!("each series has one row") };
            assert_eq!(table.run(&table.entry(*row as usize)), &table.runs()[run]);
            assert_eq!(*row as usize, met, "rows of one tile ascend by series");
            met += 1;
        }
    }
    assert_eq!(met, series.len());
    part.verify(&mut |f| panic!("an intact part has a finding: {f:?}")).unwrap();
}

#[test]
fn a_change_to_an_open_table_is_detected() {
    let series = many(2 * GROUP_ROWS);
    let with_table = PartOptions { table_series_points: 0, ..PartOptions::default() };
    let written = WrittenPart::with(vec![series.clone()], &with_table);
    let part = written.open().unwrap();
    let bytes = fs::read(&written.paths.series).unwrap();
    // Bytes of the first of two groups. Some changes would decompress to other numbers.
    for within in (bytes.len() / 16..bytes.len() / 3).step_by(9973) {
        let mut changed = bytes.clone();
        changed[within] ^= 4;
        // In place, since a new file would leave the open one unchanged.
        fs::write(&written.paths.series, &changed).unwrap();
        let error = part.series().row(0).expect_err("the group has changed");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
    check_row(&part, GROUP_ROWS, &series[GROUP_ROWS]);
    // When opened again, the table is rebuilt from the points.
    let anew = Part::open(vfs(), &written.paths, &written.meta).unwrap();
    assert!(anew.series_damage().is_some());
    check_row(&anew, 0, &series[0]);
}

/// A faulty writer can store wrong bytes with a matching checksum. They give an error or other rows, but no panic.
#[test]
fn a_table_that_contradicts_itself_is_corrupt_not_a_panic() {
    let written = WrittenPart::new(vec![many(60)]);
    let part = written.open().unwrap();
    let rows: Vec<SeriesRow> = (0..60).map(|row| part.series().row(row).unwrap()).collect();
    let good = encode_series(&rows).unwrap();
    let mut random = SampleRandom(5);
    let (mut refused, mut read) = (0, 0);
    for _ in 0..6000 {
        let mut bytes = good.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << random.below(8);
        }
        let path = &written.paths.series;
        let opened = SeriesFile::open(bytes.into(), path, None, false);
        let Ok(table) = opened.and_then(|(file, heads)| SeriesTable::new(Box::new(file), heads, path, 0))
        else {
            refused += 1;
            continue;
        };
        for row in 0..table.entries().len() {
            match table.row(row) {
                Ok(_) => read += 1,
                Err(e) => assert_eq!(e.kind(), ErrorKind::Corrupt),
            }
        }
        let _ = table.fits(&[60]);
    }
    assert!(refused > 1000 && read > 1000, "{refused} {read}");
}

#[test]
fn a_row_with_more_finite_values_than_points_is_corrupt_when_its_summary_is_read() {
    let written = WrittenPart::new(vec![many(3)]);
    let part = written.open().unwrap();
    let mut rows: Vec<SeriesRow> = (0..3).map(|row| part.series().row(row).unwrap()).collect();
    rows[1].summary.finite = 2;
    let path = &written.paths.series;
    let (file, heads) = SeriesFile::open(encode_series(&rows).unwrap().into(), path, None, false).unwrap();
    let table = SeriesTable::new(Box::new(file), heads, path, 0).unwrap();
    assert_eq!(table.row(0).unwrap().key, rows[0].key);
    let error = table.row(1).expect_err("one point has at most one finite value");
    assert_eq!((error.kind(), error.path()), (ErrorKind::Corrupt, Some(&**path)), "{error}");
}
