//! Sorted pages, rows and exclusions: each is what the points of the whole selection say, in logs and in parts.

use crate::rollups;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use tidalite::{Labels, Options, Pattern, Point, RowAt, Selection, SeriesKey, Store};
use tidalite_testkit::points;

type FoundPoint = (SeriesKey, Point);
/// Run, labels and step.
type RowKey = (String, String, i64);

/// Three runs of two ranks and one without labels; values repeat, and some are NaN.
fn filled(store: &Store) {
    for (run, seed) in [("a", 1i64), ("b", 2), ("c", 3)] {
        let handle = store.run(run).start().unwrap();
        for step in 0..120 {
            let time_us = (step * 37 * seed) % 101;
            for rank in ["0", "1"] {
                let at = RowAt::step(step).time_us(time_us).labels(Labels::new([("rank", rank)]).unwrap());
                let value = if step % 17 == 0 { f64::NAN } else { ((step * seed) % 23) as f64 - 11.0 };
                handle.log_at(&at, &[("loss", value), ("grad/w", -value)]).unwrap();
            }
            if step % 3 == 0 {
                handle.log_at(&RowAt::step(step).time_us(time_us + 1), &[("epoch", step as f64)]).unwrap();
            }
        }
        handle.finish().unwrap();
    }
}

fn text(batch: &RecordBatch, column: &str, row: usize) -> String {
    let names = batch[column].as_dictionary::<Int32Type>();
    names.values().as_string::<i32>().value(names.key(row).unwrap()).to_string()
}

fn float(batch: &RecordBatch, column: &str, row: usize) -> f64 {
    batch[column].as_primitive::<Float64Type>().value(row)
}

/// The points of a batch in its order.
fn in_order(batch: &RecordBatch) -> Vec<FoundPoint> {
    let times = batch["time"].as_primitive::<TimestampMicrosecondType>();
    let of_row = |row: usize| {
        let labels = Labels::parse(&text(batch, "labels", row)).unwrap();
        let key = SeriesKey::new(text(batch, "run", row), text(batch, "metric", row), labels);
        let step = batch["step"].as_primitive::<Int64Type>().value(row);
        (key, Point { step, time_us: times.value(row), value: float(batch, "value", row) })
    };
    (0..batch.num_rows()).map(of_row).collect()
}

/// The same with the bits of values, since NaN equals nothing.
fn bits(points: &[FoundPoint]) -> Vec<(String, i64, i64, u64)> {
    points.iter().map(|(key, p)| (format!("{key:?}"), p.step, p.time_us, p.value.to_bits())).collect()
}

fn compare(column: &str, a: &Point, b: &Point) -> Ordering {
    match column {
        "step" => a.step.cmp(&b.step),
        "time" => a.time_us.cmp(&b.time_us),
        _ => a.value.partial_cmp(&b.value).unwrap_or(Ordering::Equal),
    }
}

fn pages_are_slices_of_the_sorted_points(select: &Selection, when: &str) {
    let all = in_order(&select.points().unwrap().collect().unwrap());
    for order in
        [None, Some("step"), Some("-step"), Some("time"), Some("-time"), Some("value"), Some("-value")]
    {
        let mut expected = all.clone();
        if let Some(order) = order {
            let column = order.trim_start_matches('-');
            expected.sort_by(|(_, a), (_, b)| {
                let nan = |p: &Point| column == "value" && p.value.is_nan();
                let sorted = compare(column, a, b);
                let sorted = if order.starts_with('-') { sorted.reverse() } else { sorted };
                nan(a).cmp(&nan(b)).then(sorted)
            });
        }
        let n = all.len();
        for (offset, limit) in [
            (0, None),
            (0, Some(0)),
            (0, Some(7)),
            (n / 2, Some(50)),
            (n - 3, Some(50)),
            (n, None),
            (n + 5, Some(1)),
        ] {
            let page = select.points_page(order.map(|o| o.parse().unwrap()), offset, limit).unwrap();
            let end = limit.map_or(n, |limit| (offset + limit).min(n)).max(offset.min(n));
            let expected = &expected[offset.min(n)..end];
            assert_eq!(bits(&in_order(&page)), bits(expected), "{order:?} from {offset}, {limit:?}, {when}");
        }
    }
}

fn rows_are_the_points_side_by_side(select: &Selection, when: &str) {
    let mut expected: BTreeMap<RowKey, (i64, BTreeMap<String, u64>)> = BTreeMap::new();
    for (key, point) in points(select).unwrap() {
        let at = (key.run.to_string(), key.labels.as_str().to_string(), point.step);
        let row = expected.entry(at).or_insert((point.time_us, BTreeMap::new()));
        row.0 = row.0.max(point.time_us);
        row.1.insert(key.metric.to_string(), point.value.to_bits());
    }
    let rows = select.rows().unwrap();
    let schema = rows.schema();
    let found: BTreeMap<_, _> = (0..rows.num_rows())
        .map(|row| {
            let step = rows["step"].as_primitive::<Int64Type>().value(row);
            let time = rows["time"].as_primitive::<TimestampMicrosecondType>().value(row);
            let metrics = schema.fields()[4..].iter().filter_map(|field| {
                let column = rows[field.name().as_str()].as_primitive::<Float64Type>();
                let value = column.is_valid(row).then(|| column.value(row).to_bits())?;
                Some((field.metadata()["metric"].clone(), value))
            });
            ((text(&rows, "run", row), text(&rows, "labels", row), step), (time, metrics.collect()))
        })
        .collect();
    assert_eq!(rows.num_rows(), expected.len(), "each row stands once {when}");
    assert_eq!(found, expected, "{when}");
}

fn exclusions_leave_out_what_they_name(store: &Store, when: &str) {
    let all = points(&store.select()).unwrap();
    let without = |keep: &dyn Fn(&SeriesKey) -> bool| -> Vec<FoundPoint> {
        all.iter().filter(|(key, _)| keep(key)).cloned().collect()
    };
    let has = |key: &SeriesKey, rank: &str| key.labels.get("rank").is_some_and(|r| r == rank);
    let cases: Vec<(Selection, Vec<FoundPoint>)> = vec![
        (store.select().exclude_metrics("grad/*"), without(&|key| !key.metric.starts_with("grad/"))),
        (store.select().metric("loss").exclude_metrics("lo*"), Vec::new()),
        (
            store.select().exclude_metrics(Pattern::regex("^l")).exclude_metrics("epoch"),
            without(&|key| &*key.metric == "grad/w"),
        ),
        (store.select().exclude_label("rank", "0"), without(&|key| !has(key, "0"))),
        (store.select().exclude_label("rank", "*"), without(&|key| key.labels.is_empty())),
        (
            store.select().label("rank", "*").exclude_label("rank", "1").exclude_label("host", "x"),
            without(&|key| has(key, "0")),
        ),
    ];
    for (i, (select, expected)) in cases.into_iter().enumerate() {
        assert_eq!(bits(&points(&select).unwrap()), bits(&expected), "case {i} {when}");
        let series = expected.chunk_by(|a, b| a.0 == b.0).count();
        assert_eq!(select.summaries().unwrap().len(), series, "summaries of case {i} {when}");
    }
    let why = store.select().metric("loss").exclude_metrics("l*").why_nothing().unwrap();
    assert_eq!(why.as_deref(), Some("no series is left beside what is excluded: metric l*"), "{when}");
}

fn check(store: &Store, when: &str) {
    for select in [
        store.select(),
        store.select().metric("loss").steps(10..90),
        store.select().transform("mean:4".parse().unwrap()).values(-5.0, None),
    ] {
        pages_are_slices_of_the_sorted_points(&select, when);
        rows_are_the_points_side_by_side(&select, when);
    }
    exclusions_leave_out_what_they_name(store, when);
}

#[test]
fn pages_rows_and_exclusions_are_what_the_points_say() {
    let dir = tempfile::tempdir().unwrap();
    let store = Options::new().background(false).open(dir.path().join("m")).unwrap();
    filled(&store);
    check(&store, "in logs");
    store.flush().unwrap();
    check(&store, "in parts");
    filled(&store);
    check(&store, "in parts and logs");
    store.compact().unwrap();
    check(&store, "compacted");
}

/// So many points of equal values that a page drops points before it has seen all, in series that are read apart.
#[test]
fn equal_points_of_many_series_stand_in_the_order_of_series() {
    let dir = tempfile::tempdir().unwrap();
    let store = Options::new().background(false).open(dir.path().join("m")).unwrap();
    for name in ["a", "b", "c"] {
        for metric in ["x", "y"] {
            let steps: Vec<(i64, i64, f64)> =
                (0..6_000).map(|i| (i, 0, ((i * 7) % 3) as f64 - f64::from(name == "c"))).collect();
            store.append(&rollups::batch(name, metric, &steps)).unwrap();
        }
    }
    pages_are_slices_of_the_sorted_points(&store.select(), "with equal points");
    let page = |offset| store.select().points_page(Some("time".parse().unwrap()), offset, Some(2)).unwrap();
    let all = in_order(&store.select().points().unwrap().collect().unwrap());
    for offset in [0, 6_500, 35_990] {
        assert_eq!(bits(&in_order(&page(offset))), bits(&all[offset..offset + 2]), "from {offset}");
    }
}

#[test]
fn a_page_that_does_not_fit_into_memory_is_refused_and_a_smaller_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = Options::new().background(false).memory_bytes(32 << 20).open(dir.path().join("m")).unwrap();
    let steps: Vec<(i64, i64, f64)> =
        (0..1_500_000).map(|i| (i, i, ((i * 7919) % 1_000_003) as f64)).collect();
    store.append(&rollups::batch("a", "x", &steps)).unwrap();
    let sort = || Some("-value".parse().unwrap());
    let refused = store.select().points_page(sort(), 0, None).unwrap_err().to_string();
    assert!(refused.contains("sorted points") && refused.contains("memory"), "{refused}");
    let top = store.select().points_page(sort(), 2, Some(3)).unwrap();
    let values: Vec<f64> = (0..3).map(|row| float(&top, "value", row)).collect();
    let mut expected: Vec<f64> = steps.iter().map(|s| s.2).collect();
    expected.sort_by(f64::total_cmp);
    assert_eq!(values, expected.iter().rev().skip(2).take(3).copied().collect::<Vec<_>>());
}
