//! Charts, lines, bands and tables agree with the points: each is compared with a plain computation over the points that
//! the same selection gives.
//!
//! The store holds parts, a live tail, repeats across both, steps out of order, labels, and values that are not finite; the
//! selections are drawn, with ranges of steps, times and values and each rule for repeats.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tidalite::{
    AlignOn, By, Fill, Labels, Options, Point, Repeats, RowAt, Selection, SeriesKey, Store, band_schema,
    chart_schema, points_schema,
};
use tidalite_testkit::{Random, points, points_of};

/// Selections that each test draws.
const DRAWN: u64 = 60;

fn store(path: &Path) -> Store {
    // Small tiles, so that ranges of steps cut tiles and exclude tiles.
    let store = Options::new().background(false).tile_rows(64).open(path).unwrap();
    let mut r = Random::new(7);
    let rows = |runs: &[&str], from: i64, rows: i64, r: &mut Random| {
        for id in runs {
            let run = store.run(*id).start().unwrap();
            for i in 0..rows {
                // Some steps are out of order, and some repeat.
                let step = from + i - if r.below(9) == 0 { i64::try_from(r.below(30)).unwrap() } else { 0 };
                let value = match r.below(12) {
                    0 => f64::NAN,
                    1 => f64::INFINITY,
                    _ => r.normal(),
                };
                let time = 1_780_000_000_000_000 + step * 1000 + i64::try_from(r.below(1500)).unwrap();
                let labels = Labels::new([("rank", r.below(2).to_string())]).unwrap();
                let at = RowAt::step(step).time_us(time);
                if r.below(2) == 0 {
                    run.log_at(&at, &[("loss", value), ("acc", r.unit())]).unwrap();
                } else {
                    run.log_at(&at.labels(labels), &[("loss", value)]).unwrap();
                }
            }
        }
    };
    rows(&["a", "b", "c"], -40, 120, &mut r);
    store.flush().unwrap();
    rows(&["b", "c"], 40, 80, &mut r);
    store.flush().unwrap();
    rows(&["a", "b", "d"], 60, 90, &mut r);
    store
}

/// All points, and drawn selections of them.
fn selections(store: &Store) -> Vec<Selection> {
    let mut r = Random::new(11);
    let mut drawn = vec![store.select()];
    for _ in 0..DRAWN {
        let mut select =
            store.select().repeats([Repeats::Last, Repeats::First, Repeats::All][r.below(3) as usize]);
        if r.below(2) == 0 {
            select = select.metrics(["loss", "acc", "*", "none"][r.below(4) as usize]);
        }
        if r.below(3) == 0 {
            select = select.runs(["[ab]", "c", "{b,d}"][r.below(3) as usize]);
        }
        if r.below(2) == 0 {
            let lo = i64::try_from(r.below(200)).unwrap() - 60;
            select = select.steps(lo..lo + i64::try_from(r.below(120)).unwrap());
        }
        if r.below(4) == 0 {
            select = select.times_us(1_780_000_000_010_000..1_780_000_000_070_000);
        }
        if r.below(4) == 0 {
            select = select.values(-1.0, None);
        }
        drawn.push(select);
    }
    drawn
}

/// The points of a selection, series by series.
fn by_series(select: &Selection) -> Vec<(SeriesKey, Vec<Point>)> {
    let mut series: Vec<(SeriesKey, Vec<Point>)> = Vec::new();
    for (key, point) in points(select).unwrap() {
        match series.last_mut() {
            Some((last, points)) if *last == key => points.push(point),
            _ => series.push((key, vec![point])),
        }
    }
    series
}

fn whole(batch: &RecordBatch, column: &str, row: usize) -> i64 {
    batch[column].as_primitive::<Int64Type>().value(row)
}

fn real(batch: &RecordBatch, column: &str, row: usize) -> Option<f64> {
    let column = batch[column].as_primitive::<Float64Type>();
    column.is_valid(row).then(|| column.value(row))
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-9,
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[test]
fn a_chart_as_a_batch_holds_the_points_of_each_bucket() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("s"));
    for select in selections(&store) {
        let batch = select.chart_batch(16).unwrap();
        assert_eq!(batch.schema(), chart_schema());
        let mut row = 0;
        for (key, points) in by_series(&select) {
            let width = whole(&batch, "width", row);
            let (first, last) = (points[0].step, points[points.len() - 1].step);
            assert!(last.div_euclid(width) - first.div_euclid(width) < 16);
            for bucket in points.chunk_by(|a, b| a.step.div_euclid(width) == b.step.div_euclid(width)) {
                let finite: Vec<f64> = bucket.iter().map(|p| p.value).filter(|v| v.is_finite()).collect();
                let start = bucket[0].step.div_euclid(width) * width;
                assert_eq!((whole(&batch, "step", row), whole(&batch, "width", row)), (start, width));
                assert_eq!(whole(&batch, "count", row), bucket.len() as i64, "{key:?}");
                assert_eq!(whole(&batch, "nonfinite", row), (bucket.len() - finite.len()) as i64);
                assert!(close(real(&batch, "mean", row), mean(&finite)));
                assert_eq!(real(&batch, "min", row), finite.iter().copied().reduce(f64::min));
                assert_eq!(real(&batch, "max", row), finite.iter().copied().reduce(f64::max));
                let ends = [real(&batch, "first", row), real(&batch, "last", row)];
                let expected = [bucket[0].value, bucket[bucket.len() - 1].value];
                assert_eq!(ends.map(|v| v.unwrap().to_bits()), expected.map(f64::to_bits));
                row += 1;
            }
        }
        assert_eq!(row, batch.num_rows());
    }
}

#[test]
fn a_line_keeps_finite_points_of_its_series_with_both_ends() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("s"));
    for select in selections(&store) {
        for n in [3, 20, 100_000] {
            let batch = select.lttb(n).unwrap();
            assert_eq!(batch.schema(), points_schema());
            let mut lines: BTreeMap<SeriesKey, Vec<Point>> = BTreeMap::new();
            for (key, point) in points_of(&batch) {
                lines.entry(key).or_default().push(point);
            }
            for (key, points) in by_series(&select) {
                let finite: Vec<Point> = points.into_iter().filter(|p| p.value.is_finite()).collect();
                let line = lines.remove(&key).unwrap_or_default();
                assert_eq!(line.len(), n.min(finite.len()));
                assert_eq!((line.first(), line.last()), (finite.first(), finite.last()));
                let mut places = finite.iter();
                assert!(line.iter().all(|p| places.any(|f| f == p)), "points of the series, in their order");
            }
            assert!(lines.is_empty());
        }
    }
    assert!(store.select().lttb(2).is_err());
}

/// (metric, bucket) to the finite values of each run, and how many points are not finite.
type Band = BTreeMap<(String, i64), (BTreeMap<String, Vec<f64>>, i64)>;

#[test]
fn a_band_is_over_the_means_of_runs() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("s"));
    let by = [By::Metric];
    for select in selections(&store) {
        let batch = select.band(16, &by).unwrap();
        assert_eq!(batch.schema(), band_schema(&by, &[By::Run]).unwrap());
        let points = points(&select).unwrap();
        let steps = || points.iter().map(|(_, p)| p.step);
        let Some((first, last)) = steps().min().zip(steps().max()) else {
            assert_eq!(batch.num_rows(), 0);
            continue;
        };
        let width = (0..63).map(|shift| 1 << shift).find(|w| last.div_euclid(*w) - first.div_euclid(*w) < 16);
        let width: i64 = width.unwrap();
        let mut expected = Band::new();
        for (key, p) in &points {
            let bucket = (key.metric.to_string(), p.step.div_euclid(width) * width);
            let group = expected.entry(bucket).or_default();
            if p.value.is_finite() {
                group.0.entry(key.run.to_string()).or_default().push(p.value);
            } else {
                group.1 += 1;
            }
        }
        assert_eq!(batch.num_rows(), expected.len());
        for (row, ((metric, start), (runs, nonfinite))) in expected.into_iter().enumerate() {
            assert_eq!(batch["metric"].as_string::<i32>().value(row), metric);
            assert_eq!((whole(&batch, "step", row), whole(&batch, "width", row)), (start, width));
            assert_eq!(
                (whole(&batch, "runs", row), whole(&batch, "nonfinite", row)),
                (runs.len() as i64, nonfinite)
            );
            let values: Vec<f64> = runs.values().filter_map(|v| mean(v)).collect();
            let over = mean(&values);
            let squares: Vec<f64> = values.iter().map(|v| (v - over.unwrap()).powi(2)).collect();
            assert!(close(real(&batch, "mean", row), over));
            assert!(close(real(&batch, "std", row), mean(&squares).map(f64::sqrt)));
            assert!(close(real(&batch, "min", row), values.iter().copied().reduce(f64::min)));
            assert!(close(real(&batch, "max", row), values.iter().copied().reduce(f64::max)));
        }
    }
    assert!(store.select().band(0, &by).is_err() && store.select().band(9, &[By::Run]).is_err());
}

#[test]
fn a_table_has_a_column_per_series() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("s"));
    for select in selections(&store) {
        let series = by_series(&select);
        for on in [AlignOn::Step, AlignOn::Time] {
            let maps: Vec<BTreeMap<i64, f64>> =
                series.iter().map(|(_, points)| on_axis(points, on)).collect();
            let axis: BTreeSet<i64> = maps.iter().flat_map(|m| m.keys().copied()).collect();
            for fill in [Fill::None, Fill::Previous, Fill::Linear] {
                let batch = select.align(on, fill).unwrap();
                assert_eq!(batch.schema().field(0).name(), &on.to_string());
                let xs = match on {
                    AlignOn::Time => {
                        batch.column(0).as_primitive::<TimestampMicrosecondType>().values().to_vec()
                    }
                    _ => batch.column(0).as_primitive::<Int64Type>().values().to_vec(),
                };
                assert_eq!(xs, axis.iter().copied().collect::<Vec<_>>());
                assert_eq!(batch.num_columns(), 1 + series.len());
                for (place, map) in maps.iter().enumerate() {
                    named(&batch, place + 1, &series[place].0);
                    let column = batch.column(place + 1).as_primitive::<Float64Type>();
                    for (row, &x) in xs.iter().enumerate() {
                        let found = column.is_valid(row).then(|| column.value(row));
                        let expected = looked_up(map, x, fill);
                        let same = match (found, expected) {
                            (Some(a), Some(b)) => {
                                a.to_bits() == b.to_bits()
                                    || (a - b).abs() < 1e-12
                                    || (a.is_nan() && b.is_nan())
                            }
                            (a, b) => a.is_none() && b.is_none(),
                        };
                        assert!(same, "{found:?} is not {expected:?} at {x}, {fill}");
                    }
                }
            }
        }
    }
}

/// The last of several points at one x counts, by step and then by order of writing.
fn on_axis(points: &[Point], on: AlignOn) -> BTreeMap<i64, f64> {
    points.iter().map(|p| (if on == AlignOn::Time { p.time_us } else { p.step }, p.value)).collect()
}

fn looked_up(map: &BTreeMap<i64, f64>, x: i64, fill: Fill) -> Option<f64> {
    let before = map.range(..=x).next_back();
    let behind = map.range(x..).next();
    match fill {
        Fill::Previous => before.map(|(_, &v)| v),
        Fill::Linear => before.zip(behind).map(|((&x0, &v0), (&x1, &v1))| {
            if x0 == x1 {
                v0
            } else if v0.is_finite() && v1.is_finite() {
                v0 + (v1 - v0) * (x - x0) as f64 / (x1 - x0) as f64
            } else {
                f64::NAN
            }
        }),
        _ => map.get(&x).copied(),
    }
}

/// A column's field tells its series, and no other column has its name.
fn named(batch: &RecordBatch, column: usize, key: &SeriesKey) {
    let schema = batch.schema();
    let field = schema.field(column);
    let told = ["run", "metric", "labels"].map(|part| field.metadata()[part].as_str());
    assert_eq!(told, [&*key.run, &*key.metric, key.labels.as_str()]);
    assert_eq!(schema.fields().iter().filter(|f| f.name() == field.name()).count(), 1);
}

#[test]
fn what_would_not_fit_into_memory_is_refused_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = Options::new().background(false).memory_bytes(16 << 20).open(dir.path().join("s")).unwrap();
    let run = store.run("r").start().unwrap();
    // Each metric has steps of its own, so that the table is far larger than its points.
    for metric in 0..200 {
        let name = format!("m{metric}");
        for step in 0..50 {
            run.log(step * 200 + metric, &[(&name, 0.5)]).unwrap();
        }
    }
    let error = store.select().align(AlignOn::Step, Fill::None).unwrap_err();
    assert!(error.to_string().contains("10000 rows of 200 series"), "{error}");
    assert_eq!(store.select().metrics("m1?").align(AlignOn::Step, Fill::None).unwrap().num_columns(), 11);
}
