//! The answers of a store as JSON, exact to the bit: values that JSON lacks are written as text.

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidalite::{Aggregate, By, Point, Repeats, SeriesKey, Store};
use tidalite_testkit::{Question, points, select};

/// A series with more points is told by its first and last ones and a checksum of all.
const POINTS_SHOWN: usize = 60;

pub(super) fn all(store: &Store) -> Value {
    let words = ["count", "finite", "nan", "inf", "sum", "mean", "std", "min", "max", "first", "last"];
    let words: Vec<Aggregate> = words.iter().map(|w| w.parse().unwrap()).collect();
    let aggregate = |by: &[By]| table(&store.select().aggregate(&words, by).unwrap());
    let everything = select(store.select(), &Question::all(Repeats::All));
    let stats = store.stats().unwrap();
    json!({
        "points": lines(points(&store.select()).unwrap()),
        "all points": lines(points(&everything).unwrap()),
        "latest": table(&store.select().latest().unwrap()),
        "summaries": summaries(store),
        "runs": runs(store),
        "aggregates by run and metric": aggregate(&[By::Run, By::Metric]),
        "aggregates by bucket of steps": aggregate(&[By::Run, By::StepBucket(64)]),
        "aggregates by bucket of time": aggregate(&[By::Metric, By::TimeBucket(60_000_000)]),
        "chart": table(&store.select().run("train").chart_batch(12).unwrap()),
        "chart of a thinned run": table(&store.select().run("old").chart_batch(10).unwrap()),
        "stats": [stats.points, stats.thinned_points, stats.runs],
    })
}

fn number(value: f64) -> Value {
    if value.is_finite() && value.to_bits() != (-0.0f64).to_bits() {
        json!(value)
    } else {
        json!(format!("{value:?} {:016x}", value.to_bits()))
    }
}

fn point(p: &Point) -> Value {
    json!([p.step, p.time_us, number(p.value)])
}

fn lines(points: Vec<(SeriesKey, Point)>) -> Value {
    let mut series: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for (key, p) in points {
        series.entry(name(&key)).or_default().push(p);
    }
    let line = |(name, points): (String, Vec<Point>)| {
        let bytes =
            |p: &Point| [p.step.to_le_bytes(), p.time_us.to_le_bytes(), p.value.to_bits().to_le_bytes()];
        let crc = points.iter().flat_map(bytes).fold(0, |crc, b| crc32c::crc32c_append(crc, &b));
        let is_short = points.len() <= POINTS_SHOWN;
        let ends = [&points[..2.min(points.len())], &points[points.len().saturating_sub(2)..]].concat();
        let shown: Vec<Value> = if is_short { &points } else { &ends }.iter().map(point).collect();
        (name, json!({ "count": points.len(), "crc32c": crc, "points": shown }))
    };
    Value::Object(series.into_iter().map(line).collect())
}

fn name(key: &SeriesKey) -> String {
    format!("{} {} {}", key.run, key.metric, key.labels)
}

fn summaries(store: &Store) -> Value {
    let all = store.select().summaries().unwrap();
    let summary = all.iter().map(|(key, s)| {
        let extremes = [s.min, s.max].map(|e| e.map(|e| json!([e.step, number(e.value)])));
        let counts = [s.count, s.finite, s.nan, s.pos_inf, s.neg_inf];
        let moments = [s.mean(), s.std()].map(|m| m.map(number));
        let ends = [s.first, s.last].map(|p| p.as_ref().map(point));
        let times = [s.time_min_us, s.time_max_us];
        (name(key), json!([counts, s.sum().map(number), moments, extremes, ends, times]))
    });
    Value::Object(summary.collect())
}

fn runs(store: &Store) -> Value {
    let all = store.runs().unwrap();
    let run = all.iter().map(|r| {
        let params: Vec<String> = r.params.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
        let parent = r.parent.as_ref().map(|p| json!([p.run, p.step]));
        let told = json!({
            "params": params, "tags": r.tags, "labels": r.labels.to_string(), "parent": parent,
            "started_us": r.started_us, "ended_us": r.ended_us, "rewinds": r.rewinds,
            "status": r.status.as_str(), "participants": r.participants.len(),
        });
        (r.id.clone(), told)
    });
    Value::Object(run.collect())
}

fn table(batch: &RecordBatch) -> Value {
    let options = FormatOptions::new().with_null("null");
    // Times as numbers: names of time zones would need a dictionary of them.
    let plain = |column: &ArrayRef| match column.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(times) => Arc::new(times.reinterpret_cast::<Int64Type>()) as ArrayRef,
        None => column.clone(),
    };
    let columns: Vec<ArrayRef> = batch.columns().iter().map(plain).collect();
    let formatter = |column| ArrayFormatter::try_new(column, &options).unwrap();
    let columns: Vec<ArrayFormatter<'_>> = columns.iter().map(|c| formatter(c.as_ref())).collect();
    let names: Vec<String> = batch.schema().fields().iter().map(|f| f.name().clone()).collect();
    let row = |i: usize| columns.iter().map(|c| c.value(i).to_string()).collect::<Vec<_>>().join(" | ");
    json!({ "columns": names.join(" | "), "rows": (0..batch.num_rows()).map(row).collect::<Vec<_>>() })
}
