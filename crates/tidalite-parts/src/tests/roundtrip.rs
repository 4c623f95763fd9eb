//! Written points read back unchanged, through our reader and through the Parquet crate's.

use super::sample::{SampleRandom, SampleSeries, extremes, tracker};
use super::{WrittenPart, chunks, paths_in, vfs};
use crate::{ColumnSet, PageCache, PartMeta, PartOptions, PartWriter, TileColumns, encode_tile};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::fs::File;
use std::sync::Arc;
use tempfile::TempDir;
use tidalite_model::{ErrorKind, Seq, Written};

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn flat<T: Copy>(series: &[SampleSeries], of: fn(&SampleSeries) -> &Vec<T>) -> Vec<T> {
    series.iter().flat_map(|s| of(s).iter().copied()).collect()
}

fn assert_same(columns: &TileColumns, series: &[SampleSeries]) {
    assert_eq!(columns.steps, flat(series, |s| &s.steps));
    assert_eq!(columns.seqs, flat(series, |s| &s.seqs));
    assert_eq!(columns.written, flat(series, |s| &s.written));
    assert_eq!(columns.times_us, flat(series, |s| &s.times_us));
    assert_eq!(bits(&columns.values), bits(&flat(series, |s| &s.values)));
}

fn crate_column<T: DataType>(part: &WrittenPart, tile: usize, column: usize) -> Vec<T::T> {
    let file = SerializedFileReader::new(File::open(&part.paths.points).unwrap()).unwrap();
    let group = file.get_row_group(tile).unwrap();
    let mut reader = get_typed_column_reader::<T>(group.get_column_reader(column).unwrap());
    let mut values = Vec::new();
    reader.read_records(usize::MAX, None, None, &mut values).unwrap();
    values
}

/// Reads a part in every way and compares the points.
pub(super) fn assert_reads_back(part: &WrittenPart) {
    let open = part.open().unwrap();
    assert!(open.series_damage().is_none());
    for (tile, series) in part.tiles.iter().enumerate() {
        let rows: usize = series.iter().map(|s| s.steps.len()).sum();
        let number = tile as u32;
        assert_same(&open.read(number, &[0..rows as u32], ColumnSet::ALL).unwrap(), series);
        for (row, one) in open.series().tile(number).zip(series) {
            let row = open.series().row(row).unwrap();
            assert_eq!(row.key, one.key);
            let range = row.row_start..row.row_start + row.rows;
            assert_same(&open.read(number, &[range], ColumnSet::ALL).unwrap(), std::slice::from_ref(one));
        }
        assert_eq!(crate_column::<Int64Type>(part, tile, 3), flat(series, |s| &s.steps));
        assert_eq!(crate_column::<Int64Type>(part, tile, 4), flat(series, |s| &s.seqs));
        assert_eq!(crate_column::<Int64Type>(part, tile, 5), flat(series, |s| &s.written));
        assert_eq!(crate_column::<Int64Type>(part, tile, 6), flat(series, |s| &s.times_us));
        assert_eq!(bits(&crate_column::<DoubleType>(part, tile, 7)), bits(&flat(series, |s| &s.values)));
        let texts: [fn(&SampleSeries) -> &str; 3] =
            [|s| &s.key.run, |s| &s.key.metric, |s| s.key.labels.as_str()];
        for (column, text) in texts.into_iter().enumerate() {
            let expected: Vec<&str> =
                series.iter().flat_map(|s| std::iter::repeat_n(text(s), s.steps.len())).collect();
            let found = crate_column::<ByteArrayType>(part, tile, column);
            assert!(found.iter().map(|b| b.as_utf8().unwrap()).eq(expected), "column {column}");
        }
    }
    open.verify(&mut |f| panic!("an intact part has a finding: {f:?}")).unwrap();
    assert_eq!(part.meta.rows, open.series().entries().map(|r| u64::from(r.rows)).sum::<u64>());
}

#[test]
fn a_tracker_run_reads_back() {
    assert_reads_back(&WrittenPart::new(vec![
        tracker("run-1", 50, 0..3000),
        tracker("run-1", 50, 3000..3100),
    ]));
}

#[test]
fn one_row_reads_back() {
    assert_reads_back(&WrittenPart::new(vec![tracker("r", 1, 0..1)]));
}

#[test]
fn one_long_series_reads_back() {
    assert_reads_back(&WrittenPart::new(vec![tracker("r", 1, -50_000..50_001)]));
}

#[test]
fn five_thousand_short_series_read_back() {
    assert_reads_back(&WrittenPart::new(vec![tracker("r", 5000, 7..10)]));
}

#[test]
fn extremes_repeats_and_odd_values_read_back() {
    let part = WrittenPart::new(vec![extremes()]);
    assert_reads_back(&part);
    let open = part.open().unwrap();
    let repeats: Vec<bool> = open.series().entries().map(|r| r.repeats).collect();
    assert_eq!(repeats, [true, false, false]);
    assert_eq!((part.meta.step_min, part.meta.step_max), (i64::MIN, i64::MAX));
    assert_eq!(part.meta.seq[0].0, 0, "writers ascend");
    assert_eq!(part.meta.seq.last().unwrap(), &(1 << 22, (1 << 40) - 1, (1 << 40) - 1));
}

#[test]
fn long_names_read_back() {
    let mut series = Vec::new();
    for i in 0..40 {
        let name = format!("{i:04}{}", "🌊".repeat(1023));
        let mut one = SampleSeries::new(&name, &name, &format!("{name}={name}"));
        one.push(i, Seq::new(0, i.unsigned_abs()), i, i as f64);
        series.push(one);
    }
    assert_reads_back(&WrittenPart::new(vec![series]));
}

#[test]
fn times_too_many_for_a_dictionary_read_back() {
    let mut series = tracker("r", 4, 0..140_000);
    series.push(SampleSeries {
        key: tidalite_model::SeriesKey::new("s", "x", Default::default()),
        ..series[0].clone()
    });
    assert_reads_back(&WrittenPart::new(vec![series]));
}

#[test]
fn cached_pages_read_back_and_are_dropped_when_their_part_is_closed() {
    let part = WrittenPart::new(vec![tracker("r", 3, 0..9001)]);
    let cache = Arc::new(PageCache::new(64 << 20));
    let open = part.open().unwrap().kept_in(cache.clone());
    let rows = 0..3 * 9001;
    let mut out = TileColumns::default();
    let mut read = || open.read_into(0, std::slice::from_ref(&rows), ColumnSet::ALL, true, &mut out).unwrap();
    let [first, _, third] = [read(), read(), read()];
    assert!(first.pages > 0 && first.cached == 0, "{first:?}");
    assert!(third.pages == 0 && third.cached > 0, "{third:?}");
    assert_same(&out, &part.tiles[0]);
    assert!(cache.bytes() > 0);
    drop(open);
    assert_eq!(cache.bytes(), 0);
}

#[test]
fn any_rows_read_alone_equal_the_same_rows_of_all() {
    let part = WrittenPart::new(vec![tracker("r", 9, 0..9001)]);
    let open = part.open().unwrap();
    let rows = 9 * 9001;
    let all = open.read(0, &[0..rows], ColumnSet::ALL).unwrap();
    let mut random = SampleRandom(1);
    for _ in 0..60 {
        let mut cuts: Vec<u32> = (0..8).map(|_| random.below(u64::from(rows) + 1) as u32).collect();
        cuts.sort_unstable();
        let wanted: Vec<_> = cuts.chunks(2).map(|c| c[0]..c[1]).collect();
        let found = open.read(0, &wanted, ColumnSet::ALL).unwrap();
        let pick = |from: &[i64]| -> Vec<i64> {
            wanted.iter().flat_map(|r| from[r.start as usize..r.end as usize].to_vec()).collect()
        };
        assert_eq!(found.steps, pick(&all.steps));
        assert_eq!(found.seqs, pick(&all.seqs));
        assert_eq!(found.written, pick(&all.written));
        assert_eq!(found.times_us, pick(&all.times_us));
        let values: Vec<u64> =
            wanted.iter().flat_map(|r| bits(&all.values[r.start as usize..r.end as usize])).collect();
        assert_eq!(bits(&found.values), values);
    }
    let none = open.read(0, &[], ColumnSet::ALL).unwrap();
    assert_eq!(none, TileColumns::default());
    let only = open.read(0, &[5..6], ColumnSet::VALUE).unwrap();
    assert_eq!((only.steps.len(), only.values.len()), (0, 1));
    let wrong: [&[std::ops::Range<u32>]; 3] = [&[0..rows + 1], &[5..6, 0..1], &[0..5, 4..6]];
    for wanted in wrong {
        assert_eq!(open.read(0, wanted, ColumnSet::ALL).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(open.read(1, &[], ColumnSet::ALL).unwrap_err().kind(), ErrorKind::Invalid);
}

/// Points that were written as `written` says.
fn stamped(metrics: usize, written: impl Fn(usize, usize) -> Written) -> Vec<SampleSeries> {
    let mut all = tracker("r", metrics, 0..3000);
    for (m, series) in all.iter_mut().enumerate() {
        (0..3000).for_each(|i| series.written[i] = written(m, i).as_i64());
    }
    all
}

#[test]
fn clocks_and_marks_of_automatic_steps_read_back() {
    let later = |m: usize, i: usize| {
        let jitter = SampleRandom((m * 9000 + i) as u64).below(1000).cast_signed();
        Written::new(7_000_000 + 5000 * i as i64 + jitter, 0, i.is_multiple_of(3))
    };
    // One number; numbers that the series share; a number for each point; two numbers.
    let tiles = vec![
        stamped(3, |_, _| Written::new(70, 70, true)),
        stamped(9, |_, i| later(0, i)),
        stamped(9, later),
        stamped(1, |_, i| if i == 1500 { Written::new(70, 80, false) } else { Written::AT_ITS_TIME }),
    ];
    let part = WrittenPart::new(tiles);
    assert_reads_back(&part);
    let open = part.open().unwrap();
    let automatic: Vec<u32> = open.series().entries().map(|row| row.automatic).collect();
    assert_eq!(automatic, [[3000; 3].as_slice(), &[1000; 18], &[0]].concat());
    let constant: Vec<_> = open.tiles.iter().map(|tile| tile.chunks[5].constant).collect();
    assert_eq!(constant, [Some(1), None, None, None]);
    let bytes: Vec<u64> = open.tiles.iter().map(|tile| tile.chunks[5].extent().1).collect();
    assert!(bytes[0] < 100 && bytes[1] < bytes[2] / 2 && bytes[3] < 200, "{bytes:?}");
}

#[test]
fn rows_of_a_step_ascend_by_clock_and_then_by_seq() {
    let mut one = SampleSeries::new("r", "m", "");
    for (clock, seq) in [(5, Seq::new(9, 0)), (6, Seq::new(1, 7)), (6, Seq::new(2, 0)), (90, Seq::new(0, 0))]
    {
        one.push(1, seq, 50, clock as f64);
        *one.written.last_mut().unwrap() = Written::new(clock, 50, false).as_i64();
    }
    assert_reads_back(&WrittenPart::new(vec![vec![one]]));
}

#[test]
fn a_value_chunk_with_a_nan_has_no_statistics() {
    let tidy = tracker("r", 2, 0..100);
    let mut nan = tidy.clone();
    nan[1].values[50] = f64::NAN;
    let part = WrittenPart::new(vec![tidy, nan]);
    let file = SerializedFileReader::new(File::open(&part.paths.points).unwrap()).unwrap();
    let statistics = |tile: usize, c: usize| file.metadata().row_group(tile).column(c).statistics().cloned();
    assert!(statistics(0, 7).is_some_and(|s| s.min_bytes_opt().is_some()));
    assert!(statistics(1, 7).is_none());
    let steps = statistics(1, 3).unwrap();
    assert_eq!(steps.max_bytes_opt(), Some(&99i64.to_le_bytes()[..]));
}

#[test]
fn zeros_and_infinities_bound_the_statistics() {
    let mut one = SampleSeries::new("r", "m", "");
    for (i, value) in [f64::INFINITY, 0.0, -0.0].into_iter().enumerate() {
        one.push(i as i64, Seq::new(0, 0), 0, value);
    }
    let part = WrittenPart::new(vec![vec![one]]);
    let file = SerializedFileReader::new(File::open(&part.paths.points).unwrap()).unwrap();
    let statistics = file.metadata().row_group(0).column(7).statistics().cloned().unwrap();
    assert_eq!(statistics.min_bytes_opt(), Some(&(-0.0f64).to_le_bytes()[..]));
    assert_eq!(statistics.max_bytes_opt(), Some(&f64::INFINITY.to_le_bytes()[..]));
}

#[test]
fn pages_of_step_and_value_end_with_their_series() {
    let part = WrittenPart::new(vec![tracker("r", 5, 0..9000)]);
    let open = part.open().unwrap();
    let starts =
        |c: usize| -> Vec<u32> { open.tiles[0].chunks[c].pages.iter().map(|p| p.first_row).collect() };
    for column in [3, 7] {
        assert_eq!(starts(column), [0, 9000, 18_000, 27_000, 36_000]);
    }
    assert_eq!(starts(4), [0, 36_000], "pages of seq are larger");
    assert_eq!((starts(5), starts(6)), (vec![0], vec![0]), "pages of written and time are large");
}

#[test]
fn parts_and_tiles_can_be_sent_between_threads() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<crate::Part>();
    sent::<crate::EncodedTile>();
    sent::<PartWriter>();
}

#[test]
fn meta_survives_json() {
    let part = WrittenPart::new(vec![extremes()]);
    let text = serde_json::to_string(&part.meta).unwrap();
    assert_eq!(serde_json::from_str::<PartMeta>(&text).unwrap(), part.meta);
}

#[test]
fn malformed_series_are_refused() {
    let good = tracker("r", 2, 0..10);
    let refused = |change: fn(&mut Vec<SampleSeries>)| {
        let mut bad = good.clone();
        change(&mut bad);
        let e = encode_tile(&chunks(&bad), &PartOptions::default()).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Invalid);
    };
    refused(|s| s.clear());
    refused(|s| s.swap(0, 1));
    refused(|s| s[1].key = s[0].key.clone());
    refused(|s| s[0].steps.swap(3, 4));
    refused(|s| {
        (s[0].steps[4], s[0].times_us[4]) = (s[0].steps[3], s[0].times_us[3]);
        s[0].seqs[4] = s[0].seqs[3] - 1;
    });
    refused(|s| {
        (s[0].steps[4], s[0].times_us[4]) = (s[0].steps[3], s[0].times_us[3]);
        s[0].written[4] = Written::new(s[0].times_us[3] - 1, s[0].times_us[3], false).as_i64();
    });
    refused(|s| s[0].written.truncate(9));
    refused(|s| s[0].seqs[0] = -1);
    refused(|s| s[0].values.truncate(9));
    refused(|s| s[0] = SampleSeries::new("r", "a", ""));
}

#[test]
fn a_writer_dropped_before_it_finishes_leaves_no_file() {
    let folder = TempDir::new().unwrap();
    let paths = paths_in(&folder);
    let options = PartOptions::default();
    let mut writer = PartWriter::create(vfs(), &paths).unwrap();
    writer.push(encode_tile(&chunks(&extremes()), &options).unwrap()).unwrap();
    drop(writer);
    assert!(!paths.points.exists());
    let empty = PartWriter::create(vfs(), &paths).unwrap().finish(true).unwrap_err();
    assert_eq!(empty.kind(), ErrorKind::Invalid);
    assert!(!paths.points.exists());
    std::fs::write(&paths.series, b"another's").unwrap();
    assert_eq!(PartWriter::create(vfs(), &paths).unwrap_err().kind(), ErrorKind::Busy);
    assert!(!paths.points.exists() && paths.series.exists(), "a file of another writer is left alone");
}
