//! Transformed series: every answer equals that of a store that holds the transformed points.
//!
//! The transformed points are compared with plain definitions and written to a second store. Then each answer of the
//! transformed selection has to equal that of the plain selection over the second store, with any ranges. The first store
//! holds parts and live tails, repeated steps, forks and rewinds, and series long enough to be read in pieces.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use std::collections::BTreeMap;
use std::path::Path;
use tidalite::{
    Aggregate, AlignOn, By, Compare, ErrorKind, Fill, MetricSet, Options, Point, RowAt, Selection, SeriesKey,
    Store, Transform, XAxis,
};
use tidalite_testkit::{Random, points};

const WORDS: [&[&str]; 7] = [
    &["ema:0.9"],
    &["half-life:20"],
    &["mean:7"],
    &["rate"],
    &["derivative:step"],
    &["derivative:time", "mean:100"],
    &["rate", "half-life:1s"],
];

/// The definitions, one point after the other.
fn made(word: &str, points: &[Point]) -> Vec<Point> {
    let mut made = Vec::new();
    let mut finite: Vec<Point> = Vec::new();
    let (mut sum, mut weights) = (0.0, 0.0);
    for &p in points {
        if !p.value.is_finite() {
            made.push(p);
            continue;
        }
        let before = finite.last().copied();
        finite.push(p);
        let (name, given) = word.split_once(':').unwrap_or((word, ""));
        let number = |text: &str| text.trim_end_matches('s').parse::<f64>().unwrap();
        let value = match name {
            "mean" => {
                let window = &finite[finite.len().saturating_sub(given.parse().unwrap())..];
                Some(window.iter().map(|p| p.value).sum::<f64>() / window.len() as f64)
            }
            "ema" | "half-life" => {
                let factor = match before {
                    _ if name == "ema" => number(given),
                    Some(b) if given.ends_with('s') => {
                        0.5f64.powf((p.time_us - b.time_us) as f64 / 1e6 / number(given))
                    }
                    Some(b) => 0.5f64.powf((p.step - b.step) as f64 / number(given)),
                    None => 0.0,
                };
                (sum, weights) = (sum * factor + p.value, weights * factor + 1.0);
                Some(sum / weights)
            }
            "rate" => before.map(|b| {
                let grown = if p.value < b.value { p.value } else { p.value - b.value };
                grown / ((p.time_us - b.time_us) as f64 / 1e6)
            }),
            _ => before.map(|b| {
                let seconds = (p.time_us - b.time_us) as f64 / 1e6;
                (p.value - b.value) / if given == "step" { (p.step - b.step) as f64 } else { seconds }
            }),
        };
        made.extend(value.map(|value| Point { value, ..p }));
    }
    made
}

fn by_series(found: Vec<(SeriesKey, Point)>) -> BTreeMap<SeriesKey, Vec<Point>> {
    let mut series: BTreeMap<SeriesKey, Vec<Point>> = BTreeMap::new();
    found.into_iter().for_each(|(key, point)| series.entry(key).or_default().push(point));
    series
}

/// Three runs, one of them rewound and one a fork; `steps` of each metric.
fn store(path: &Path, steps: i64) -> Store {
    let options = Options::new().background(false).memory_bytes(16 << 20).threads(2).tile_rows(1 << 12);
    let store = options.open(path).unwrap();
    let mut r = Random::new(5);
    for id in ["a", "b", "c"] {
        let mut builder = store.run(id);
        if id == "c" {
            builder = builder.parent("a", Some(steps / 3));
        }
        let run = builder.start().unwrap();
        let columns: MetricSet = run.columns(&["count", "loss"]).unwrap();
        let mut count = 0.0;
        for i in 0..steps {
            // Every seventh step is repeated.
            let step = if i % 7 == 6 { i - 1 } else { i };
            count = if r.below(500) == 0 { r.unit() } else { count + r.unit() };
            let loss = match r.below(40) {
                0 => f64::NAN,
                1 => f64::INFINITY,
                _ => r.normal(),
            };
            columns.log_at(Some(step), Some(i * 10_000 + i % 3), &[count, loss]).unwrap();
            if i == steps / 2 {
                store.flush().unwrap();
            }
            if id == "b" && i == steps * 2 / 3 {
                run.rewind(steps / 2).unwrap();
            }
        }
        run.finish().unwrap();
    }
    store
}

fn transformed(of: Selection, words: &[&str]) -> Selection {
    words.iter().fold(of, |select, word| select.transform(word.parse().unwrap()))
}

fn near(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * (a.abs() + b.abs() + 1.0)
}

/// The same, up to the last bits of sums.
fn same(found: &RecordBatch, expected: &RecordBatch, what: &str) {
    assert_eq!(found.schema(), expected.schema(), "{what}");
    assert_eq!(found.num_rows(), expected.num_rows(), "{what}");
    let same = |(a, b): (&ArrayRef, &ArrayRef)| match a.data_type() {
        DataType::Float64 => {
            let (a, b) = (a.as_primitive::<Float64Type>(), b.as_primitive::<Float64Type>());
            (0..a.len())
                .all(|i| a.is_null(i) == b.is_null(i) && (a.is_null(i) || near(a.value(i), b.value(i))))
        }
        DataType::Dictionary(..) => {
            let text = |a: &ArrayRef| arrow::compute::cast(a, &DataType::Utf8).unwrap();
            text(a) == text(b)
        }
        _ => a == b,
    };
    for (i, pair) in found.columns().iter().zip(expected.columns()).enumerate() {
        assert!(same(pair), "{what}, column {}", found.schema().field(i).name());
    }
}

fn answers(select: &Selection, whole: bool) -> Vec<(&'static str, RecordBatch)> {
    let aggregates = Aggregate::parse_list(&[
        "count",
        "finite",
        "nan",
        "mean",
        "std",
        "min",
        "argmax",
        "argnan",
        "last",
        "time_first",
        "p90",
        "median",
    ]);
    let aggregates = aggregates.unwrap();
    let mut answers = vec![
        ("points", select.points().unwrap().collect().unwrap()),
        ("aggregate", select.aggregate(&aggregates, &[By::Run, By::Metric, By::StepBucket(1000)]).unwrap()),
        ("all", select.aggregate(&aggregates, &[]).unwrap()),
        ("chart", select.chart_batch(100).unwrap()),
        ("band", select.band(50, &[By::Metric]).unwrap()),
        ("lttb", select.lttb(40).unwrap()),
        ("m4", select.m4(30).unwrap()),
        ("latest", select.latest().unwrap()),
    ];
    if whole {
        answers.push(("align", select.align(AlignOn::Step, Fill::Previous).unwrap()));
    }
    answers
}

/// Lays some ranges over a selection.
fn ranges(select: Selection, steps: i64, which: u64) -> Selection {
    match which {
        0 => select,
        1 => select.steps(steps / 3..steps / 2),
        2 => select.steps(steps - 20..).values(-0.5, None),
        3 => select.times_us(steps * 4_000..steps * 6_000),
        _ => select.steps(steps * 2..),
    }
}

fn check(steps: i64, words: &[&[&str]], which: &[u64]) {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("raw"), steps);
    let raw = by_series(points(&store.select()).unwrap());
    assert_eq!(raw.len(), 6);
    for (number, words) in words.iter().enumerate() {
        let whole = transformed(store.select(), words);
        let found = by_series(points(&whole).unwrap());
        for (key, points) in &raw {
            let expected = words.iter().fold(points.clone(), |points, word| made(word, &points));
            assert_eq!(found[key].len(), expected.len(), "{words:?} of {key:?}");
            for (f, e) in found[key].iter().zip(&expected) {
                let same = (f.step, f.time_us) == (e.step, e.time_us) && near(f.value, e.value);
                assert!(same, "{words:?} of {key:?}: {f:?}, not {e:?}");
            }
        }
        let options = Options::new().background(false);
        let plain = options.open(dir.path().join(format!("made-{number}"))).unwrap();
        for batch in whole.points().unwrap() {
            plain.append(&batch.unwrap()).unwrap();
        }
        for &which in which {
            // Long series have more points than may be aligned.
            let (all, short) = (ranges(whole.clone(), steps, which), steps < 1000);
            let found = answers(&all, short);
            let expected = answers(&ranges(plain.select(), steps, which), short);
            for ((name, found), (_, expected)) in found.iter().zip(&expected) {
                same(found, expected, &format!("{name} of {words:?}, ranges {which}"));
            }
        }
    }
}

#[test]
fn every_answer_is_over_the_transformed_points() {
    check(900, &WORDS, &[0, 1, 2, 3, 4]);
}

#[test]
fn long_series_are_transformed_in_pieces_as_they_are_whole() {
    // A piece has at most 65,536 points.
    check(90_000, &[&["half-life:30000", "mean:1000"], &["rate"]], &[0, 1]);
}

#[test]
fn a_range_of_a_long_series_is_drawn_and_aligned_within_the_memory() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new().background(false).memory_bytes(16 << 20).threads(2).tile_rows(1 << 14);
    let store = options.open(dir.path().join("m")).unwrap();
    for id in ["a", "b", "c"] {
        let loss = store.run(id).start().unwrap().metric("loss").unwrap();
        (0..600_000).for_each(|step| {
            loss.log(step, (step % 2) as f64).unwrap();
        });
        store.flush().unwrap();
    }
    let smooth = store.select().transform("mean:2".parse().unwrap());
    let roomy = Options::new().read_only(true).open(dir.path().join("m")).unwrap();
    let roomy = roomy.select().transform("mean:2".parse().unwrap());
    assert_eq!(smooth.chart(10).unwrap(), roomy.chart(10).unwrap());
    assert_eq!(smooth.lttb(10).unwrap(), roomy.lttb(10).unwrap());
    let over = |select: &Selection| select.over(XAxis::Time);
    assert_eq!(over(&smooth).m4(3).unwrap(), over(&roomy).m4(3).unwrap());
    assert_eq!(over(&smooth).chart(30).unwrap(), over(&roomy).chart(30).unwrap());
    let part = smooth.steps(250_000..251_000);
    assert!(part.chart(10).unwrap().iter().all(|(_, c)| c.buckets.iter().all(|b| b.min == b.max)));
    assert_eq!(part.lttb(10).unwrap().num_rows(), 30);
    let table = part.align(AlignOn::Step, Fill::None).unwrap();
    assert_eq!((table.num_rows(), table.num_columns()), (1000, 4));
    assert!(table.column(3).as_primitive::<Float64Type>().values().iter().all(|&v| v == 0.5));
    assert_eq!(part.over(XAxis::Time).points().unwrap().num_rows(), 3000);
}

#[test]
fn series_are_chosen_by_their_points_before_the_transform() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("raw"), 200);
    let tall =
        |select: Selection| select.having(Aggregate::Max, Compare::Greater, 50.0, ..).summaries().unwrap();
    assert_eq!(tall(store.select().transform(Transform::rate())).len(), tall(store.select()).len());
    assert_eq!(tall(store.select()).len(), 3);
}

#[test]
fn a_follower_of_transformed_series_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("raw"), 10);
    let refused = store.select().transform(Transform::rate()).follow().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(refused.to_string().contains("without `transform`"), "{refused}");
}

#[test]
fn the_best_groups_come_first_and_those_without_a_value_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = Options::new().background(false).open(dir.path().join("m")).unwrap();
    let mut r = Random::new(2);
    let mut best: Vec<(i64, String)> = Vec::new();
    for i in 0..60 {
        let run = store.run(format!("r{i:02}")).start().unwrap();
        let loss = r.below(20).cast_signed();
        run.log_at(&RowAt::step(5), &[("loss", loss as f64)]).unwrap();
        run.log_at(&RowAt::step(9), &[("loss", -1e9)]).unwrap();
        best.push((loss, format!("r{i:02}")));
    }
    store.run("nan").start().unwrap().log(5, &[("loss", f64::NAN)]).unwrap();
    let window = store.select().metric("loss").steps(..9);
    let ids = |batch: RecordBatch| {
        let column = batch["run"].clone();
        column.as_string::<i32>().iter().map(|r| r.unwrap().to_string()).collect::<Vec<_>>()
    };
    best.sort();
    let expected: Vec<String> = best.iter().map(|b| b.1.clone()).collect();
    let all = window.bottom(100, &[Aggregate::Min], &[By::Run]).unwrap();
    assert_eq!(ids(all), expected);
    for aggregate in [Aggregate::Min, Aggregate::Last, Aggregate::Sum] {
        let three = window.bottom(3, &[aggregate, Aggregate::Count], &[By::Run]).unwrap();
        assert_eq!((three.num_columns(), ids(three)), (3, expected[..3].to_vec()));
    }
    best.sort_by_key(|b| (-b.0, b.1.clone()));
    let expected: Vec<String> = best.iter().map(|b| b.1.clone()).collect();
    assert_eq!(ids(window.top(7, &[Aggregate::Max], &[By::Run]).unwrap()), expected[..7]);
    assert_eq!(window.top(0, &[Aggregate::Max], &[By::Run]).unwrap().num_rows(), 0);
    // NaN is greater than nothing, and less than nothing.
    let last = [Aggregate::Last];
    assert_eq!(ids(window.top(100, &last, &[By::Run]).unwrap()), expected);
    assert!(!ids(window.bottom(100, &last, &[By::Run]).unwrap()).contains(&"nan".to_string()));
    // The step of the first NaN, by which runs diverged first; only one has any.
    assert_eq!(ids(window.bottom(5, &[Aggregate::ArgNan], &[By::Run]).unwrap()), ["nan"]);
}
