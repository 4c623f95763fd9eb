//! Results over other axes compared with their definitions, for any points and any axis.

use super::{OverAxis, over_chart_schema, over_points_schema};
use crate::alignment::Fill;
use crate::axis::{Placement, XAxis};
use crate::points::Points;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tidalite_model::{Labels, SeriesKey};

/// (step, time, value)
type StepRow = (i64, i64, f64);
/// (x, step, time, value)
type XRow = (f64, i64, i64, f64);

fn key(i: usize) -> SeriesKey {
    SeriesKey::new(format!("r{i}"), "m", Labels::none())
}

fn points(rows: &[StepRow]) -> Points {
    let mut points = Points::default();
    rows.iter().for_each(|&(step, time, value)| points.push(step, 0, time, value));
    points
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![8 => (-9..9i32).prop_map(f64::from), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)]
}

fn rows() -> impl Strategy<Value = Vec<StepRow>> {
    prop::collection::btree_map(-30..30i64, (-5000..5000i64, value()), 0..30)
        .prop_map(|rows| rows.into_iter().map(|(s, (t, v))| (s, t, v)).collect())
}

fn other() -> impl Strategy<Value = BTreeMap<i64, f64>> {
    let x = prop_oneof![3 => -1e3..1e3f64, 2 => (-3..3i32).prop_map(f64::from), 1 => Just(f64::NAN), 1 => Just(1e-9)];
    prop::collection::btree_map(-30..30i64, x, 0..20)
}

fn axis() -> impl Strategy<Value = XAxis> {
    let metric = || XAxis::Metric("tokens".into());
    prop::sample::select(vec![
        XAxis::Step,
        XAxis::Time,
        XAxis::Elapsed,
        metric(),
        metric(),
        XAxis::NextMetric("tokens".into()),
    ])
}

/// The definition: the points of each series with their x, ordered by x and step.
fn naive(x: &XAxis, series: &[(Vec<StepRow>, BTreeMap<i64, f64>)]) -> Vec<Vec<XRow>> {
    let of = |(i, (rows, other)): (usize, &(Vec<StepRow>, BTreeMap<i64, f64>))| {
        let mut placed: Vec<XRow> = Vec::new();
        for &(step, time, value) in rows {
            let x = match x {
                XAxis::Step => Some(step as f64),
                XAxis::Time => Some(time as f64 / 1e6),
                XAxis::Elapsed => Some((time - start(i)) as f64 / 1e6),
                XAxis::Metric(_) => other.range(..=step).map(|p| *p.1).rfind(|v| v.is_finite()),
                XAxis::NextMetric(_) => other.range(step..).map(|p| *p.1).find(|v| v.is_finite()),
            };
            placed.extend(x.map(|x| (x, step, time, value)));
        }
        placed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        placed
    };
    series.iter().enumerate().map(of).collect()
}

fn start(i: usize) -> i64 {
    i as i64 * 100 - 77
}

fn over(x: &XAxis, series: &[(Vec<StepRow>, BTreeMap<i64, f64>)]) -> OverAxis {
    let mut over = OverAxis::new(x.clone());
    for (i, (rows, other)) in series.iter().enumerate() {
        let other: Vec<StepRow> = other.iter().map(|(&s, &v)| (s, 0, v)).collect();
        let placement = match x {
            XAxis::Step => Placement::Step,
            XAxis::Time => Placement::Since(0),
            XAxis::Elapsed => Placement::Since(start(i)),
            XAxis::Metric(_) => Placement::series(points(&other)),
            XAxis::NextMetric(_) => Placement::next_of_series(points(&other)),
        };
        over.push(key(i), points(rows), placement);
    }
    over
}

/// The column `x`; times are in seconds.
fn xs(batch: &RecordBatch) -> Vec<f64> {
    let x = &batch["x"];
    match x.data_type() {
        DataType::Int64 => x.as_primitive::<Int64Type>().values().iter().map(|&x| x as f64).collect(),
        DataType::Float64 => x.as_primitive::<Float64Type>().values().to_vec(),
        _ => x.as_primitive::<TimestampMicrosecondType>().values().iter().map(|&x| x as f64 / 1e6).collect(),
    }
}

/// The rows of each run.
fn rows_of(batch: &RecordBatch) -> BTreeMap<String, Vec<XRow>> {
    let runs = arrow::compute::cast(&batch["run"], &DataType::Utf8).unwrap();
    let (steps, values) =
        (batch["step"].as_primitive::<Int64Type>(), batch["value"].as_primitive::<Float64Type>());
    let times = batch["time"].as_primitive::<TimestampMicrosecondType>();
    let mut found: BTreeMap<String, Vec<XRow>> = BTreeMap::new();
    for (i, x) in xs(batch).into_iter().enumerate() {
        let row = (x, steps.value(i), times.value(i), values.value(i));
        found.entry(runs.as_string::<i32>().value(i).to_string()).or_default().push(row);
    }
    found
}

fn text(rows: &[XRow]) -> String {
    format!("{rows:?}")
}

proptest! {
    #[test]
    fn points_are_in_the_order_of_x(series in prop::collection::vec((rows(), other()), 0..4), x in axis()) {
        let batch = over(&x, &series).points().unwrap();
        prop_assert_eq!(batch.schema(), over_points_schema(&x));
        let found = rows_of(&batch);
        for (i, expected) in naive(&x, &series).iter().enumerate() {
            let found = found.get(&format!("r{i}")).cloned().unwrap_or_default();
            prop_assert_eq!(text(&found), text(expected));
        }
    }

    #[test]
    fn lines_keep_points_of_the_axis(
        series in prop::collection::vec((rows(), other()), 0..4), x in axis(), n in 3..12usize,
    ) {
        let series_over = over(&x, &series);
        let (lines, pixels) = (rows_of(&series_over.lttb(n).unwrap()), rows_of(&series_over.m4(n).unwrap()));
        let all = naive(&x, &series);
        // The width of an integer x.
        let one = match x {
            XAxis::Step => 1.0,
            XAxis::Metric(_) | XAxis::NextMetric(_) => 0.0,
            XAxis::Time | XAxis::Elapsed => 1e-6,
        };
        let everywhere: Vec<f64> = all.iter().flatten().map(|p| p.0).collect();
        let lo = everywhere.iter().copied().fold(f64::INFINITY, f64::min);
        let hi = everywhere.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (i, whole) in all.iter().enumerate() {
            let finite: Vec<XRow> = whole.iter().copied().filter(|p| p.3.is_finite()).collect();
            let line = lines.get(&format!("r{i}")).cloned().unwrap_or_default();
            prop_assert_eq!(line.len(), finite.len().min(n));
            prop_assert!(line.iter().all(|p| finite.contains(p)));
            prop_assert!(line.first() == finite.first() && line.last() == finite.last());
            let drawn = pixels.get(&format!("r{i}")).cloned().unwrap_or_default();
            prop_assert!(drawn.iter().all(|p| finite.contains(p)) && drawn.len() <= 4 * n);
            // The extremes of each column, without points near an edge, where rounding decides.
            for column in 0..n {
                let at = |p: &&XRow| {
                    let place = (p.0 - lo) / (hi - lo + one) * n as f64;
                    place > column as f64 + 0.02 && place < column as f64 + 0.98
                };
                let inner: Vec<f64> = finite.iter().filter(at).map(|p| p.3).collect();
                let greatest = inner.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let near = |p: &&XRow| {
                    let place = (p.0 - lo) / (hi - lo + one) * n as f64;
                    place >= column as f64 - 0.02 && place <= column as f64 + 1.02
                };
                let kept = drawn.iter().filter(near).map(|p| p.3).fold(f64::NEG_INFINITY, f64::max);
                prop_assert!(kept >= greatest);
            }
        }
    }

    #[test]
    fn a_chart_has_the_points_of_each_bucket(
        series in prop::collection::vec((rows(), other()), 0..4), x in axis(), buckets in 1..12usize,
    ) {
        let batch = over(&x, &series).chart(buckets).unwrap();
        prop_assert_eq!(batch.schema(), over_chart_schema(&x));
        let all = naive(&x, &series);
        let Some(&width) = batch["width"].as_primitive::<Float64Type>().values().first() else {
            prop_assert!(all.iter().all(Vec::is_empty));
            return Ok(());
        };
        // The width is a power of two; of microseconds for time.
        let unit = if matches!(x, XAxis::Time | XAxis::Elapsed) { 1e6 } else { 1.0 };
        prop_assert_eq!((width * unit).log2().fract(), 0.0);
        let index = |x: f64| ((x * unit).round() / (width * unit)).floor();
        let index = |at: f64| if unit == 1.0 { (at / width).floor() } else { index(at) };
        let mut expected: Vec<(usize, f64, Vec<XRow>)> = Vec::new();
        let mut places = BTreeSet::new();
        for (i, whole) in all.iter().enumerate() {
            for &p in whole {
                places.insert(index(p.0) as i64);
                match expected.last_mut() {
                    Some((of, at, points)) if *of == i && *at == index(p.0) => points.push(p),
                    _ => expected.push((i, index(p.0), vec![p])),
                }
            }
        }
        let reach = places.last().unwrap() - places.first().unwrap() + 1;
        prop_assert!(reach as usize <= buckets.max(2), "{reach} of {width}");
        prop_assert_eq!(batch.num_rows(), expected.len());
        let column = |name: &str| batch[name].as_primitive::<Float64Type>().clone();
        let (first, last, max) = (column("first"), column("last"), column("max"));
        let counts = batch["count"].as_primitive::<Int64Type>();
        for (row, ((_, at, points), start)) in expected.iter().zip(xs(&batch)).enumerate() {
            prop_assert!((start - at * width).abs() <= 1e-12 * start.abs());
            prop_assert_eq!(counts.value(row) as usize, points.len());
            prop_assert_eq!(first.value(row).to_bits(), points[0].3.to_bits());
            prop_assert_eq!(last.value(row).to_bits(), points[points.len() - 1].3.to_bits());
            let greatest = points.iter().map(|p| p.3).filter(|v| v.is_finite()).reduce(f64::max);
            prop_assert_eq!(max.is_valid(row).then(|| max.value(row)), greatest);
        }
    }

    #[test]
    fn series_side_by_side_have_the_last_point_of_each_x(
        series in prop::collection::vec((rows(), other()), 0..4), x in axis(),
    ) {
        let aligned = over(&x, &series).align();
        let all: Vec<Vec<XRow>> = naive(&x, &series).into_iter().filter(|s| !s.is_empty()).collect();
        prop_assert_eq!(aligned.series(), all.len());
        let batch = aligned.finish(Fill::None);
        prop_assert_eq!(batch.schema().field(0).clone(), x.field());
        // −0 is 0.
        let bits = |x: f64| (x + 0.0).to_bits();
        let xs = xs(&batch);
        prop_assert!(xs.windows(2).all(|w| w[0] < w[1]));
        let places: BTreeSet<u64> = all.iter().flatten().map(|p| bits(p.0)).collect();
        prop_assert_eq!(places, xs.iter().map(|&x| bits(x)).collect::<BTreeSet<u64>>());
        for (i, series) in all.iter().enumerate() {
            let last: BTreeMap<u64, f64> = series.iter().map(|p| (bits(p.0), p.3)).collect();
            let column = batch.column(i + 1).as_primitive::<Float64Type>();
            for (row, &x) in xs.iter().enumerate() {
                let found = column.is_valid(row).then(|| column.value(row).to_bits());
                prop_assert_eq!(found, last.get(&bits(x)).map(|v| v.to_bits()));
            }
        }
    }
}

#[test]
fn linear_interpolation_over_another_metric_is_refused() {
    assert!(OverAxis::check_fill(&XAxis::Metric("tokens".into()), Fill::Linear).is_err());
    assert!(OverAxis::check_fill(&XAxis::Elapsed, Fill::Linear).is_ok());
}
