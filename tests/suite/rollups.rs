//! Answers from rollups equal answers from points, and an answer reads no more than it needs (T7).
//!
//! Method: two stores take the same writes, of which one has rollups everywhere and the other none. Random charts, bands,
//! aggregates by buckets and ranges, over series that are dense or sparse, in one part or several, late, rewound, with NaN
//! and ±Inf, are the same from both, bit for bit. What was read is as [`Selection::explain`] counts it.

use crate::note;
use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use std::sync::Arc;
use tempfile::TempDir;
use tidalite::{Aggregate, By, Explain, Options, Selection, Store};
use tidalite_testkit::Random;

pub(crate) fn open(rollups: (u32, u32), tile_rows: usize) -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new().background(false).threads(2).tile_rows(tile_rows);
    let store = options.rollups(rollups.0, rollups.1).open(dir.path().join("m")).unwrap();
    (dir, store)
}

pub(crate) fn batch(run: &str, metric: &str, points: &[(i64, i64, f64)]) -> RecordBatch {
    let text = |t: &str| Arc::new(StringArray::from_iter_values(points.iter().map(|_| t))) as _;
    let times = TimestampMicrosecondArray::from_iter_values(points.iter().map(|p| p.1)).with_timezone("UTC");
    let values = arrow::array::Float64Array::from_iter_values(points.iter().map(|p| p.2));
    RecordBatch::try_from_iter([
        ("run", text(run)),
        ("metric", text(metric)),
        ("step", Arc::new(Int64Array::from_iter_values(points.iter().map(|p| p.0))) as _),
        ("time", Arc::new(times) as _),
        ("value", Arc::new(values) as _),
    ])
    .unwrap()
}

fn value(r: &mut Random) -> f64 {
    match r.below(60) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => -0.0,
        4 => (r.unit() * 7.0).floor(),
        _ => r.normal() * 100.0,
    }
}

/// The same random writes to each store.
pub(crate) fn fill(r: &mut Random, stores: &[&Store]) {
    for run in ["a", "b"] {
        for store in stores {
            store.run(run).start().unwrap();
        }
        let sparse = 1 + r.below(9).cast_signed();
        let mut step = -500 + r.below(600).cast_signed();
        for _ in 0..1 + r.below(3) {
            // Some steps exist already or lie in between.
            if r.below(4) == 0 {
                step -= r.below(400).cast_signed();
            }
            let mut points = Vec::new();
            for _ in 0..r.below(1500) {
                step += 1 + r.below(sparse.cast_unsigned()).cast_signed();
                points.push((step, step * 1000 + r.below(900).cast_signed(), value(r)));
            }
            let rewind = (r.below(6) == 0).then(|| step - r.below(500).cast_signed());
            let flush = r.below(4);
            for store in stores {
                for metric in ["loss", "acc"] {
                    if !points.is_empty() {
                        store.append(&batch(run, metric, &points)).unwrap();
                    }
                }
                if flush < 3 {
                    store.flush().unwrap();
                }
                if let Some(step) = rewind {
                    store.run(run).start().unwrap().rewind(step).unwrap();
                }
            }
        }
    }
    if r.below(3) == 0 {
        for store in stores {
            store.compact().unwrap();
        }
    }
}

pub(crate) fn assert_same(a: &RecordBatch, b: &RecordBatch, what: &str) {
    assert_eq!((a.schema(), a.num_rows()), (b.schema(), b.num_rows()), "{what}");
    for (field, (x, y)) in a.schema().fields().iter().zip(a.columns().iter().zip(b.columns())) {
        assert_eq!(format!("{x:?}"), format!("{y:?}"), "{what}: {}", field.name());
    }
}

fn range(r: &mut Random, select: Selection) -> Selection {
    let at = |r: &mut Random| -600 + r.below(6000).cast_signed();
    match r.below(6) {
        0 => select.steps(at(r)..),
        1 => select.steps(..at(r)),
        2 => {
            let lo = at(r);
            select.steps(lo..lo + r.below(4000).cast_signed())
        }
        3 => {
            let lo = at(r) * 1000;
            select.times_us(lo..lo + 3_000_000)
        }
        _ => select,
    }
}

#[test]
fn rollups_answer_as_the_points_do() {
    let words = ["count", "finite", "nan", "inf", "sum", "mean", "std", "var", "min", "max"];
    let more = ["first", "last", "argmin", "argmax", "time_first", "time_last"];
    let all: Vec<Aggregate> = words.iter().chain(&more).map(|w| w.parse().unwrap()).collect();
    let (mut by_rollups, mut answers) = (0, 0);
    for seed in 0..40 * crate::factor() as u64 {
        let mut r = Random::new(seed);
        let tile_rows = [64, 500, 4000][usize::try_from(r.below(3)).unwrap()];
        let points = 2 + u32::try_from(r.below(30)).unwrap();
        let ((_a, with), (_b, without)) = (open((points, 4 * points), tile_rows), open((0, 0), tile_rows));
        fill(&mut r, &[&with, &without]);
        for _ in 0..25 {
            let seed = r.next_u64();
            let mut ask = |of: &dyn Fn(&Selection, &mut Random) -> tidalite::Result<RecordBatch>| {
                let answer = |store: &Store| {
                    let mut r = Random::new(seed);
                    let select = range(&mut r, store.select());
                    select.explain(|s| of(s, &mut r)).unwrap()
                };
                let ((found, how), (expected, _)) = (answer(&with), answer(&without));
                assert_same(&found, &expected, &format!("seed {seed}: {how:?}"));
                by_rollups += u64::from(how.buckets > 0);
                answers += 1;
            };
            match r.below(4) {
                0 => ask(&|s, r| s.chart_batch(1 + r.below(60) as usize)),
                1 => ask(&|s, r| s.band(1 + r.below(60) as usize, &[By::Metric])),
                2 => ask(&|s, r| {
                    let width = if r.below(2) == 0 { 1 << r.below(13) } else { 1 + r.below(3000) };
                    s.aggregate(&all, &[By::Run, By::Metric, By::StepBucket(width)])
                }),
                _ => ask(&|s, r| {
                    let by =
                        if r.below(2) == 0 { vec![By::Run] } else { vec![By::TimeBucket(1 << r.below(24))] };
                    s.aggregate(&all, &by)
                }),
            }
        }
        assert!(with.verify().unwrap().findings.is_empty());
    }
    note(&format!("rollups: {by_rollups} of {answers} answers made use of them"));
    assert!(by_rollups * 4 > answers, "{by_rollups} of {answers}");
}

/// Long series that wander, with special values and times that do not always ascend, in one or two parts.
fn fill_long(r: &mut Random, stores: &[&Store]) {
    for run in ["a", "b"] {
        stores.iter().for_each(|store| drop(store.run(run).start().unwrap()));
        let (mut at, mut step, mut time) = (0.0, 0, 0);
        for _ in 0..1 + r.below(2) {
            let mut points = Vec::new();
            for _ in 0..20_000 + r.below(20_000) {
                at += r.normal();
                step += 1 + r.below(2).cast_signed();
                time += r.below(2000).cast_signed() - r.below(3).cast_signed() * 300;
                points.push((step, time, if r.below(200) == 0 { value(r) } else { at }));
            }
            step -= r.below(2).cast_signed() * 700;
            for store in stores {
                ["loss", "acc"]
                    .iter()
                    .for_each(|m| assert!(store.append(&batch(run, m, &points)).unwrap().is_some()));
                store.flush().unwrap();
            }
        }
    }
    if r.below(2) == 0 {
        stores.iter().for_each(|store| assert!(store.compact().unwrap().points > 0));
    }
}

fn wide_range(r: &mut Random, select: Selection) -> Selection {
    let (step, time) = (r.below(60_000).cast_signed(), r.below(20_000_000).cast_signed());
    match r.below(4) {
        0 => select.steps(step..step + 9_000),
        1 => select.times_us(time..time + 5_000_000),
        _ => select,
    }
}

#[test]
fn rollups_rule_out_points_by_value_and_time_as_the_points_do() {
    let all = ["count", "sum", "min", "argmax", "last"].map(|word| word.parse::<Aggregate>().unwrap());
    let (mut by_rollups, mut answers) = (0, 0);
    for seed in 0..4 * crate::factor() as u64 {
        let mut r = Random::new(1_000 + seed);
        let tile_rows = [40_000, 1 << 19][usize::try_from(r.below(2)).unwrap()];
        let ((_a, with), (_b, without)) = (open((64, 1024), tile_rows), open((0, 0), tile_rows));
        fill_long(&mut r, &[&with, &without]);
        for _ in 0..25 {
            let seed = r.next_u64();
            let values = |r: &mut Random, select: Selection| {
                let lo = r.normal() * 60.0;
                match r.below(4) {
                    0 => select,
                    1 => select.values(lo, lo + 40.0),
                    2 => select.values(None, lo),
                    _ => select.values(lo, None),
                }
            };
            let ask = |store: &Store| {
                let mut r = Random::new(seed);
                let select = wide_range(&mut r, store.select());
                let select = values(&mut r, select);
                let question = r.below(3);
                let (answer, how) = select
                    .explain(|s| match question {
                        0 => s.points()?.collect(),
                        1 => s.aggregate(&all, &[By::Run, By::Metric]),
                        _ => s.aggregate(&all, &[By::Metric, By::StepBucket(700)]),
                    })
                    .unwrap();
                (answer, how)
            };
            let ((found, how), (expected, plain)) = (ask(&with), ask(&without));
            assert_same(&found, &expected, &format!("seed {seed}: {how:?}"));
            assert!(how.page_points <= plain.page_points, "{how:?} {plain:?}");
            by_rollups += u64::from(how.rollup_pages_read > 0);
            answers += 1;
        }
    }
    note(&format!("rollups: {by_rollups} of {answers} filtered answers made use of them"));
    assert!(by_rollups * 4 > answers, "{by_rollups} of {answers}");
}

#[test]
fn points_and_aggregates_by_value_or_time_read_only_the_pages_that_may_hold_some() {
    let (_dir, store) = open((256, 16_384), 1 << 19);
    // Values rise, as a counter does.
    let points: Vec<_> = (0..300_000).map(|i| (i, i * 1000, i as f64)).collect();
    store.append(&batch("a", "long", &points)).unwrap();
    store.compact().unwrap();
    let count = ["count".parse::<Aggregate>().unwrap()];
    for select in
        [store.select().values(150_000.0, 150_100.0), store.select().times_us(150_000_000..150_100_000)]
    {
        let (found, how) = select.explain(|s| s.points()?.collect()).unwrap();
        assert_eq!(found.num_rows(), 100);
        assert!(how.page_points <= 1024 && how.pages_read <= 16, "{how:?}");
        let (counted, how) = select.explain(|s| s.aggregate(&count, &[])).unwrap();
        assert_eq!(counted["count"].as_primitive::<arrow::datatypes::Int64Type>().value(0), 100);
        assert!(how.page_points <= 1024, "{how:?}");
    }
    let above = store.select().values(100_000.0, None);
    let (counted, how) = above.explain(|s| s.aggregate(&count, &[])).unwrap();
    assert_eq!(counted["count"].as_primitive::<arrow::datatypes::Int64Type>().value(0), 200_000);
    assert!(how.bucket_points > 199_000 && how.page_points <= 512, "{how:?}");
}

#[test]
fn calendar_buckets_hold_the_hours_of_their_months() {
    let (_dir, store) = open((64, 256), 1 << 19);
    let hour = 3_600_000_000;
    // 2026-01-01T00:00:00 in Berlin, and each hour of that year.
    let start = 1_767_222_000_000_000;
    let points: Vec<_> = (0..365 * 24).map(|i| (i, start + i * hour, 1.0)).collect();
    store.append(&batch("a", "requests", &points)).unwrap();
    store.compact().unwrap();
    let count = ["count".parse::<Aggregate>().unwrap()];
    let by: By = "time:1mo@Europe/Berlin".parse().unwrap();
    let months = store.select().aggregate(&count, &[by]).unwrap();
    let counts = months["count"].as_primitive::<arrow::datatypes::Int64Type>().values();
    assert_eq!(&counts[..], [744, 672, 743, 720, 744, 720, 744, 744, 720, 745, 720, 744]);
    let by: By = "time:1d@Europe/Berlin".parse().unwrap();
    let days = store.select().aggregate(&count, &[by]).unwrap();
    let counts = days["count"].as_primitive::<arrow::datatypes::Int64Type>().values();
    let odd: Vec<(usize, i64)> = (0..).zip(counts.iter().copied()).filter(|(_, n)| *n != 24).collect();
    assert_eq!((counts.len(), odd), (365, vec![(87, 23), (297, 25)]));
}

/// A store of one run with a long series and 20 short ones, in one part.
fn long() -> (TempDir, Store) {
    let (dir, store) = open((256, 16_384), 1 << 19);
    let points: Vec<_> = (0..300_000).map(|i| (i, i * 1000, (i % 977) as f64)).collect();
    store.append(&batch("a", "long", &points)).unwrap();
    let many: Vec<_> = (0..20).map(|m| batch("b", &format!("m{m:02}"), &points[..5000])).collect();
    let schema = many[0].schema();
    store.append(&arrow::compute::concat_batches(&schema, &many).unwrap()).unwrap();
    store.compact().unwrap();
    (dir, store)
}

#[test]
fn a_bucket_that_lies_in_two_groups_counts_in_neither_as_a_whole() {
    let (_a, with) = long();
    let (_b, without) = open((0, 0), 1 << 19);
    let points: Vec<_> = (0..300_000).map(|i| (i, i * 1000, (i % 977) as f64)).collect();
    without.append(&batch("a", "long", &points)).unwrap();
    without.flush().unwrap();
    let words =
        ["count", "sum", "min", "max", "first", "last"].map(|word| word.parse::<Aggregate>().unwrap());
    // No bucket begins where a group does.
    for by in [By::StepBucket(50_001), By::TimeBucket(40_000_123)] {
        let ask = |store: &Store| {
            store.select().run("a").explain(|s| s.aggregate(&words, std::slice::from_ref(&by))).unwrap()
        };
        let ((found, how), (expected, _)) = (ask(&with), ask(&without));
        assert!(how.buckets > 0 && how.page_points > 0, "{how:?}");
        assert_same(&found, &expected, &format!("{how:?}"));
    }
}

#[test]
fn an_answer_reads_no_more_than_it_needs() {
    let (_dir, store) = long();
    let mean = ["mean".parse::<Aggregate>().unwrap()];
    let how = |select: &Selection, ask: &dyn Fn(&Selection) -> tidalite::Result<RecordBatch>| -> Explain {
        let (table, how) = select.explain(ask).unwrap();
        assert!(table.num_rows() > 0);
        how
    };
    let all = store.select();
    // Totals come from series tables.
    let totals = how(&all, &|s| s.aggregate(&mean, &[By::Run]));
    assert_eq!((totals.pages_read, totals.rollup_pages_read, totals.summary_points), (0, 0, 400_000));
    // A chart of a long series comes from rollups alone.
    let long = store.select().run("a");
    let chart = how(&long, &|s| s.chart_batch(500));
    assert_eq!((chart.pages_read, chart.page_points, chart.bucket_points), (0, 0, 300_000));
    assert!((1..200).contains(&chart.rollup_pages_read), "{chart:?}");
    let wide = how(&long, &|s| s.band(50, &[By::Metric]));
    assert_eq!((wide.pages_read, wide.buckets), (0, 74), "the wider tier");
    // A range of steps reads pages at its ends alone.
    let cut = how(&store.select().run("a").steps(10_001..250_001), &|s| s.aggregate(&mean, &[]));
    assert!((1..=8).contains(&cut.pages_read), "{cut:?}");
    assert!(cut.page_points <= 512 && cut.bucket_points > 239_000, "{cut:?}");
    // One series is read without its neighbours.
    let one = store.select().run("b").metric("m03");
    let points = how(&one, &|s| s.points()?.collect());
    assert_eq!((points.series, points.series_merged, points.page_points), (1, 0, 5000));
    assert!(points.pages_read <= 16 && points.pages_read * 4 < points.pages, "{points:?}");
    // Series that were logged together share the pages of their times.
    assert!(points.bytes_read * 2 < points.bytes && points.tiles_read < points.tiles, "{points:?}");
    // The manifest's facts exclude a part.
    let none = how(&store.select().run("a").steps(299_999..), &|s| s.points()?.collect());
    assert_eq!(none.parts_skipped, 0);
    assert!(none.to_string().contains("rollups"), "{none}");
}

#[test]
fn explain_counts_points_of_logs_and_merged_points() {
    let (_dir, store) = open((4, 16), 64);
    let run = store.run("r").start().unwrap();
    for i in 0..100 {
        run.log(i, &[("loss", 1.0)]).unwrap();
    }
    let (_, live) = store.select().explain(|s| s.summaries()).unwrap();
    assert_eq!((live.log_points, live.parts, live.pages_read), (100, 0, 0));
    store.flush().unwrap();
    for i in 50..60 {
        run.log(i, &[("loss", 2.0)]).unwrap();
    }
    let (_, late) = store.select().explain(|s| s.summaries()).unwrap();
    assert_eq!((late.series_merged, late.log_points, late.page_points), (1, 10, 100));
}

#[test]
fn a_store_without_rollups_is_read_and_written() {
    let (dir, store) = open((0, 0), 64);
    let run = store.run("r").start().unwrap();
    for i in 0..200 {
        run.log(i, &[("loss", i as f64)]).unwrap();
    }
    store.flush().unwrap();
    store.close().unwrap();
    let path = dir.path().join("m");
    std::fs::remove_dir(path.join("rollups")).unwrap();
    let reader = Options::new().read_only(true).open(&path).unwrap();
    assert_eq!(reader.select().summaries().unwrap()[0].1.count, 200);
    assert!(reader.verify().unwrap().is_sound() && reader.stats().unwrap().points == 200);
    let writer = Options::new().background(false).rollups(4, 16).open(&path).unwrap();
    let run = writer.run("r").start().unwrap();
    for i in 200..400 {
        run.log(i, &[("loss", i as f64)]).unwrap();
    }
    writer.compact().unwrap();
    let (_, how) = writer.select().explain(|s| s.chart(10)).unwrap();
    assert_eq!((how.bucket_points, how.pages_read), (400, 0));
}

#[test]
fn damaged_or_missing_rollups_cost_only_speed() {
    let (dir, store) = long();
    let expected = store.select().run("a").chart_batch(500).unwrap();
    store.close().unwrap();
    let path = dir.path().join("m");
    let file = std::fs::read_dir(path.join("rollups")).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&file).unwrap();
    for at in [100, bytes.len() / 2, bytes.len() - 20] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        std::fs::write(&file, &damaged).unwrap();
        let reader = Options::new().read_only(true).open(&path).unwrap();
        assert_same(&reader.select().run("a").chart_batch(500).unwrap(), &expected, "damaged");
        let report = reader.verify().unwrap();
        assert!(report.findings.iter().all(|f| f.path == file) && !report.is_sound(), "{report:?}");
    }
    std::fs::remove_file(&file).unwrap();
    let reader = Options::new().read_only(true).open(&path).unwrap();
    assert_same(&reader.select().run("a").chart_batch(500).unwrap(), &expected, "gone");
    assert!(!reader.verify().unwrap().is_sound());
}

/// A rewind to where a tile ends hides whole tiles and cuts none, so that the remaining tiles look complete.
#[test]
fn buckets_with_hidden_points_are_not_used() {
    let (_dir, store) = open((4, 16), 64);
    let points: Vec<_> = (0..640).map(|i| (i, i, 1.0)).collect();
    for part in points.chunks(320) {
        store.append(&batch("r", "loss", part)).unwrap();
    }
    store.compact().unwrap();
    let run = store.run("r").start().unwrap();
    let mut unmerged = 0;
    for kept in (100..640).rev() {
        run.rewind(kept).unwrap();
        let count = ["count".parse::<Aggregate>().unwrap()];
        let (table, how) = store.select().explain(|s| s.aggregate(&count, &[By::StepBucket(32)])).unwrap();
        let counts = table["count"].as_primitive::<arrow::datatypes::Int64Type>();
        assert_eq!(counts.values().iter().sum::<i64>(), kept + 1, "{how:?}");
        unmerged += u64::from(how.series_merged == 0);
    }
    assert!(unmerged >= 3, "{unmerged} rewinds fell on the end of a tile");
}
