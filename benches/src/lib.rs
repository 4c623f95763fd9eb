//! What the benches share: the store of the tracker workload, and the questions to it. The benches are the files next to
//! this package's manifest.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used)] // a bench ends at the first error

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::DataType;
use std::path::Path;
use std::sync::Arc;
use tidalite::{Aggregate, AlignOn, By, Fill, Store};
use tidalite_testkit::{metric_names, workload_run};

/// The size of a store of the tracker workload: `runs` × `metrics` × `steps` points.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Runs; each logs all metrics.
    pub runs: usize,
    /// Metrics per run.
    pub metrics: usize,
    /// Steps per metric.
    pub steps: usize,
}

impl Size {
    /// 10 M points: 20 runs × 50 metrics × 10,000 steps.
    pub const STANDARD: Size = Size { runs: 20, metrics: 50, steps: 10_000 };

    /// All points.
    pub fn points(self) -> u64 {
        (self.runs * self.metrics * self.steps) as u64
    }
}

/// All points of one run, by metric, then step.
pub fn batch(run: usize, size: Size) -> RecordBatch {
    let Size { metrics, steps, .. } = size;
    let data = workload_run(run, metrics, steps);
    let text = |codes: Vec<i32>, texts: Vec<String>| -> ArrayRef {
        Arc::new(DictionaryArray::new(Int32Array::from(codes), Arc::new(StringArray::from(texts))))
    };
    let codes = (0..metrics as i32).flat_map(|m| std::iter::repeat_n(m, steps)).collect();
    let numbers: Vec<i64> = (0..metrics).flat_map(|_| 0..steps as i64).collect();
    let times: Vec<i64> = (0..metrics).flat_map(|_| data.times_us.iter().copied()).collect();
    let values: Vec<f64> = data.values.into_iter().flatten().collect();
    RecordBatch::try_from_iter([
        ("run", text(vec![0; metrics * steps], vec![data.id])),
        ("metric", text(codes, metric_names(metrics))),
        ("step", Arc::new(Int64Array::from(numbers)) as ArrayRef),
        ("time", Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")) as ArrayRef),
        ("value", Arc::new(Float64Array::from(values)) as ArrayRef),
    ])
    .unwrap()
}

/// Appends short runs, `together` at a time.
pub fn append_runs(store: &Store, size: Size, together: usize) {
    let batches = |from: usize| (from..size.runs.min(from + together)).map(|run| batch(run, size));
    for from in (0..size.runs).step_by(together) {
        let batches: Vec<RecordBatch> = batches(from).map(plain_text).collect();
        store.append(&concat_batches(&batches[0].schema(), &batches).unwrap()).unwrap();
    }
}

/// The batch with names as text: dictionaries of several batches differ.
fn plain_text(batch: RecordBatch) -> RecordBatch {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        let is_text = matches!(field.data_type(), DataType::Dictionary(..));
        (field.name().clone(), if is_text { cast(column, &DataType::Utf8).unwrap() } else { column.clone() })
    });
    RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).unwrap()
}

/// Makes a store of that size, compacted and closed.
pub fn fill(path: &Path, size: Size) {
    let store = Store::open(path).unwrap();
    for run in 0..size.runs {
        store.append(&batch(run, size)).unwrap();
    }
    store.compact().unwrap();
    store.close().unwrap();
}

/// A question put to a store: it gives the number of rows of the answer.
pub type BenchQuestion = fn(&Store) -> usize;

/// The standard ten by their names, put as `peers/bulk.py` puts them to all systems; then what only this one is asked.
pub const QUESTIONS: [(&str, BenchQuestion); 12] = [
    ("series", |s| s.select().run(RUN).metric(LOSS).points().unwrap().collect().unwrap().num_rows()),
    ("chart", |s| {
        let one = s.select().run(RUN).metric(LOSS);
        one.aggregate(&SHAPE, &[By::StepBucket(WIDTH)]).unwrap().num_rows()
    }),
    ("chart of all runs", |s| {
        s.select().metric(LOSS).aggregate(&SHAPE, &[By::Run, By::StepBucket(WIDTH)]).unwrap().num_rows()
    }),
    ("summary", |s| {
        let wanted = [Aggregate::Count, Aggregate::Min, Aggregate::Max, Aggregate::Mean, Aggregate::Last];
        s.select().aggregate(&wanted, &[By::Run, By::Metric]).unwrap().num_rows()
    }),
    ("mean band", |s| {
        let wanted = [Aggregate::Mean, Aggregate::Std];
        s.select().metric(LOSS).aggregate(&wanted, &[By::StepBucket(WIDTH)]).unwrap().num_rows()
    }),
    ("top runs", |s| s.select().metric(LOSS).aggregate(&[Aggregate::Min], &[By::Run]).unwrap().num_rows()),
    ("quantiles", |s| {
        let wanted = ["p50", "p95", "p99"].map(|p| p.parse().unwrap());
        s.select().aggregate(&wanted, &[By::Metric]).unwrap().num_rows()
    }),
    ("time window", |s| {
        let window = s.select().times_us(window(s));
        window.aggregate(&[Aggregate::Mean], &[By::Metric, By::TimeBucket(1_000_000)]).unwrap().num_rows()
    }),
    ("align", |s| {
        let both = s.select().run(RUN).metric(LOSS).metric("lr/0");
        both.align(AlignOn::Step, Fill::None).unwrap().num_rows()
    }),
    ("filtered scan", |s| {
        let wanted = [Aggregate::Count, Aggregate::Sum, Aggregate::Min, Aggregate::Max];
        s.select().values(0.5, None).aggregate(&wanted, &[]).unwrap().num_rows()
    }),
    ("buckets of all runs", |s| s.select().metric(LOSS).chart_batch(BUCKETS).unwrap().num_rows()),
    ("band", |s| s.select().metric(LOSS).band(BUCKETS, &[By::Metric]).unwrap().num_rows()),
];

const SHAPE: [Aggregate; 3] = [Aggregate::Min, Aggregate::Max, Aggregate::Mean];
const RUN: &str = "run-00010";
const LOSS: &str = "loss/0";
const BUCKETS: usize = 1000;
/// Steps per bucket: a series of 10,000 steps has a thousand buckets.
const WIDTH: u64 = 10;

/// The middle twentieth of a run's time, in µs.
fn window(store: &Store) -> std::ops::Range<i64> {
    let found = store.select().run(RUN).metric(LOSS).summaries().unwrap();
    let summary = &found[0].1;
    let (low, high) = (summary.time_min_us.unwrap(), summary.time_max_us.unwrap());
    let start = low + (high - low) / 2;
    start..start + (high - low) / 20
}
