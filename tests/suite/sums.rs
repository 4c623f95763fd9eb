//! What an aggregate says depends on the points alone: not on what else is asked, nor on where the points lie, nor on the
//! order in which anything was merged.
//!
//! Method: stores take the same points in random batches, of any magnitude and cancelling, and keep them in the log, in
//! parts, compacted and thinned. Sum, mean, variance and deviation of each group equal the oracle's, bit for bit. Of random
//! thinned stores, each aggregate is the same asked alone and together with all others.

use crate::note;
use crate::rollups::{assert_same, batch, fill, open};
use arrow::array::{Array, AsArray, Float64Array, RecordBatch};
use arrow::datatypes::Float64Type;
use std::collections::BTreeMap;
use tidalite::{Aggregate, By, Point, Selection, Store, Thin};
use tidalite_testkit::{Naive, Random};

/// Values that lose digits, overflow or underflow where they are added carelessly.
const EXTREMES: [f64; 16] = [
    1e308,
    -1e308,
    f64::MAX,
    f64::MIN,
    1e-300,
    -1e-300,
    1.0,
    1e16,
    -1e16,
    0.1,
    5e-324,
    -5e-324,
    2.3e-308,
    1e154,
    -0.0,
    f64::NAN,
];

/// The kinds of values of a series.
fn value(r: &mut Random, kind: u64) -> f64 {
    let extreme = |r: &mut Random| EXTREMES[usize::try_from(r.below(EXTREMES.len() as u64)).unwrap()];
    match kind {
        0 => r.normal() * 100.0,
        1 => 1e9 + (r.unit() * 4.0).floor(),
        2 => extreme(r),
        3 => r.normal() * 10f64.powi(r.below(600) as i32 - 300),
        4 => [1e16, 1.0, -1e16, f64::INFINITY, f64::NEG_INFINITY][usize::try_from(r.below(5)).unwrap()],
        _ => f64::from(r.unit() as f32) * if r.below(40) == 0 { extreme(r) } else { 1.0 },
    }
}

type SeriesPoints = BTreeMap<(String, String), Vec<(i64, i64, f64)>>;

/// Four series of ascending steps.
fn draw(r: &mut Random) -> SeriesPoints {
    let mut series = SeriesPoints::new();
    for run in ["a", "b"] {
        for metric in ["m", "n"] {
            let (kind, n) = (r.below(6), 1 + r.below(700));
            let points = (0..n.cast_signed()).map(|step| (step, step * 1000, value(r, kind))).collect();
            series.insert((run.into(), metric.into()), points);
        }
    }
    series
}

/// Appends the points in batches of random lengths; `flush` says how often a flush follows.
fn write(r: &mut Random, store: &Store, series: &SeriesPoints, flush: u64) {
    let mut left: Vec<_> = series.iter().map(|(key, points)| (key, &points[..])).collect();
    while !left.is_empty() {
        let at = usize::try_from(r.below(left.len() as u64)).unwrap();
        let ((run, metric), points) = left[at];
        let n = points.len().min(1 + usize::try_from(r.below(300)).unwrap());
        store.append(&batch(run, metric, &points[..n])).unwrap();
        left[at].1 = &points[n..];
        left.retain(|(_, points)| !points.is_empty());
        if flush > 0 && r.below(flush) == 0 {
            store.flush().unwrap();
        }
    }
}

fn moments() -> Vec<Aggregate> {
    Aggregate::parse_list(&["sum", "mean", "var", "std"]).unwrap()
}

fn column(batch: &RecordBatch, name: &str) -> Vec<Option<u64>> {
    let column: &Float64Array = batch[name].as_primitive::<Float64Type>();
    column.iter().map(|v| v.map(f64::to_bits)).collect()
}

/// Compares with the oracle: all together, by run, by series, and by buckets as wide as those that a thinning keeps.
fn assert_exact(select: &Selection, series: &SeriesPoints, width: u64, what: &str) {
    type Of = fn(&(String, String), i64, u64) -> String;
    let groupings: [(Vec<By>, Of); 4] = [
        (vec![], |_, _, _| String::new()),
        (vec![By::Run], |key, _, _| key.0.clone()),
        (vec![By::Run, By::Metric], |key, _, _| format!("{} {}", key.0, key.1)),
        (vec![By::Metric, By::StepBucket(width)], |key, step, width| {
            format!("{} {:9}", key.1, step.cast_unsigned() / width)
        }),
    ];
    for (by, of) in groupings {
        let mut groups: BTreeMap<String, Vec<Point>> = BTreeMap::new();
        for (key, points) in series {
            for &(step, time_us, value) in points {
                groups.entry(of(key, step, width)).or_default().push(Point { step, time_us, value });
            }
        }
        let expected: Vec<Naive> = groups.values().map(|points| Naive::of(points)).collect();
        let found = select.aggregate(&moments(), &by).unwrap();
        type OfNaive = fn(&Naive) -> Option<f64>;
        let of: [(&str, OfNaive); 4] =
            [("sum", |n| n.sum), ("mean", |n| n.mean), ("var", |n| n.var), ("std", |n| n.std)];
        for (name, of) in of {
            let expected: Vec<_> = expected.iter().map(|n| of(n).map(f64::to_bits)).collect();
            assert_eq!(column(&found, name), expected, "{what}: {name} by {by:?}");
        }
    }
    for (key, summary) in select.summaries().unwrap() {
        let points: Vec<Point> = series[&(key.run.to_string(), key.metric.to_string())]
            .iter()
            .map(|&(step, time_us, value)| Point { step, time_us, value })
            .collect();
        let n = Naive::of(&points);
        let bits = |all: [Option<f64>; 4]| all.map(|v| v.map(f64::to_bits));
        let found = bits([summary.sum(), summary.mean(), summary.var(), summary.std()]);
        assert_eq!(found, bits([n.sum, n.mean, n.var, n.std]), "{what}: {key:?}");
    }
}

#[test]
fn log_parts_compacted_and_thinned_have_the_same_sums_bit_for_bit() {
    const WIDTH: u64 = 256;
    let mut thinned = 0;
    for seed in 0..25 * crate::factor() as u64 {
        let mut r = Random::new(seed);
        let series = draw(&mut r);
        let (_log_dir, log) = open((8, 64), 4000);
        write(&mut r, &log, &series, 0);
        assert_exact(&log.select(), &series, WIDTH, &format!("seed {seed}, log"));
        let charts = |store: &Store| {
            (store.select().chart_batch(4).unwrap(), store.select().band(4, &[By::Metric]).unwrap())
        };
        let expected = charts(&log);
        let (_dir, parts) = open((8, 64), [64, 500, 4000][usize::try_from(r.below(3)).unwrap()]);
        let check = |store: &Store, what: &str| {
            assert_exact(&store.select(), &series, WIDTH, &format!("seed {seed}, {what}"));
            let found = charts(store);
            assert_same(&found.0, &expected.0, &format!("seed {seed}, {what}, chart"));
            assert_same(&found.1, &expected.1, &format!("seed {seed}, {what}, band"));
            assert!(store.verify().unwrap().findings.is_empty(), "seed {seed}, {what}");
        };
        write(&mut r, &parts, &series, 3);
        check(&parts, "parts and log");
        parts.flush().unwrap();
        parts.compact().unwrap();
        check(&parts, "compacted");
        thinned += parts.thin(&Thin::new().matching("*").buckets(32).bucket_points(3)).unwrap().series;
        check(&parts, "thinned");
        parts.compact().unwrap();
        check(&parts, "thinned and compacted");
    }
    note(&format!("sums: {thinned} series thinned"));
    assert!(thinned > 30, "{thinned}");
}

fn all_aggregates() -> Vec<Aggregate> {
    let words = ["count", "finite", "nan", "inf", "sum", "mean", "std", "var", "min", "max", "first", "last"];
    let more = ["argmin", "argmax", "argnan", "time_first", "time_last", "median", "p90", "p99~"];
    Aggregate::parse_list(&[&words[..], &more[..]].concat()).unwrap()
}

/// Each aggregate alone, all together, and pairs.
fn assert_alone_as_together(r: &mut Random, select: &Selection, by: &[By], what: &str) {
    let all = all_aggregates();
    let together = select.aggregate(&all, by).unwrap();
    let same = |found: &RecordBatch| {
        for (field, column) in found.schema().fields().iter().zip(found.columns()) {
            let expected = format!("{:?}", together[field.name().as_str()]);
            assert_eq!(format!("{column:?}"), expected, "{what}: {} by {by:?}", field.name());
        }
    };
    for one in &all {
        same(&select.aggregate(&[*one], by).unwrap());
        let other = all[usize::try_from(r.below(all.len() as u64)).unwrap()];
        if other != *one {
            same(&select.aggregate(&[*one, other], by).unwrap());
        }
    }
}

#[test]
fn an_aggregate_is_the_same_asked_alone_and_with_others() {
    let mut thinned = 0;
    for seed in 0..25 * crate::factor() as u64 {
        let mut r = Random::new(seed);
        let (_dir, store) = open((8, 64), [64, 500, 4000][usize::try_from(r.below(3)).unwrap()]);
        fill(&mut r, &[&store]);
        store.flush().unwrap();
        let buckets = 2 + usize::try_from(r.below(60)).unwrap();
        for what in ["whole", "thinned", "written to again"] {
            match what {
                "thinned" => {
                    thinned += store
                        .thin(&Thin::new().matching("*").buckets(buckets).bucket_points(3))
                        .unwrap()
                        .series;
                }
                "written to again" => {
                    // Some of it between thinned points, some of it after them.
                    let more: Vec<_> = (0..40).map(|i| (37 * i, 1000 * i, i as f64)).collect();
                    store.append(&batch("a", "loss", &more)).unwrap();
                }
                _ => {}
            }
            let lo = -600 + r.below(3000).cast_signed();
            let range = lo..lo + r.below(3000).cast_signed();
            let times = range.start * 1000..range.end * 1000;
            for (i, select) in [
                store.select(),
                store.select().steps(range),
                store.select().times_us(times),
                store.select().values(-50.0, Some(90.0)),
            ]
            .iter()
            .enumerate()
            {
                let what = format!("seed {seed}, {what}, selection {i}");
                for by in [
                    vec![],
                    vec![By::Run, By::Metric],
                    vec![By::Run, By::StepBucket(1 << r.below(14))],
                    vec![By::Metric, By::TimeBucket(1 << (10 + r.below(12)))],
                ] {
                    assert_alone_as_together(&mut r, select, &by, &what);
                }
            }
        }
    }
    note(&format!("alone as together: {thinned} series thinned"));
    assert!(thinned > 20, "{thinned}");
}

#[test]
fn counts_and_sums_beside_the_first_nan_of_a_thinned_run_are_those_of_all_points() {
    let (_dir, store) = open((256, 16_384), 4000);
    let points: Vec<_> =
        (0..100_000).map(|i| (i, i * 1000, if i < 10 { f64::NAN } else { i as f64 })).collect();
    store.append(&batch("r", "m", &points)).unwrap();
    store.flush().unwrap();
    store.thin(&Thin::new().run("r").buckets(512)).unwrap();
    let words = ["count", "sum", "argnan", "median"];
    let found = store.select().aggregate(&Aggregate::parse_list(&words).unwrap(), &[]).unwrap();
    let whole = |name: &str| found[name].as_primitive::<arrow::datatypes::Int64Type>().value(0);
    assert_eq!((whole("count"), whole("argnan")), (100_000, 0));
    assert_eq!(found["sum"].as_primitive::<Float64Type>().value(0), (99_999.0 * 100_000.0) / 2.0 - 45.0);
    // Percentiles are of the outline.
    assert!(found["median"].is_valid(0));
}
