//! Reading parts: 10 M points of the tracker workload (20 runs × 50 metrics × 10,000 steps), compacted, warm page cache, the
//! store open, result as Arrow; one thread and all. `cargo bench -p tidalite-benches --bench scan`.
#![allow(clippy::unwrap_used, missing_docs)]

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::path::Path;
use std::sync::Arc;
use tidalite::{Aggregate, By, Options, Store};
use tidalite_testkit::{metric_names, workload_run};

const RUNS: usize = 20;
const METRICS: usize = 50;
const STEPS: usize = 10_000;
const POINTS: u64 = (RUNS * METRICS * STEPS) as u64;

fn batch(run: usize) -> RecordBatch {
    let data = workload_run(run, METRICS, STEPS);
    let text = |codes: Vec<i32>, texts: Vec<String>| -> ArrayRef {
        Arc::new(DictionaryArray::new(Int32Array::from(codes), Arc::new(StringArray::from(texts))))
    };
    let metrics = (0..METRICS as i32).flat_map(|m| std::iter::repeat_n(m, STEPS)).collect();
    let steps: Vec<i64> = (0..METRICS).flat_map(|_| 0..STEPS as i64).collect();
    let times: Vec<i64> = (0..METRICS).flat_map(|_| data.times_us.iter().copied()).collect();
    let values: Vec<f64> = data.values.into_iter().flatten().collect();
    RecordBatch::try_from_iter([
        ("run", text(vec![0; METRICS * STEPS], vec![data.id])),
        ("metric", text(metrics, metric_names(METRICS))),
        ("step", Arc::new(Int64Array::from(steps)) as ArrayRef),
        ("time", Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")) as ArrayRef),
        ("value", Arc::new(Float64Array::from(values)) as ArrayRef),
    ])
    .unwrap()
}

fn fill(path: &Path) {
    let store = Store::open(path).unwrap();
    for run in 0..RUNS {
        store.append(&batch(run)).unwrap();
    }
    store.compact().unwrap();
    store.close().unwrap();
}

fn bench(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    fill(&path);
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    for threads in [1, cores] {
        let store = Options::new().read_only(true).threads(threads).open(&path).unwrap();
        let mut group = c.benchmark_group(format!("scan, {threads} threads"));
        group.sample_size(10);
        group.throughput(Throughput::Elements(POINTS));
        let aggregates = [Aggregate::Count, Aggregate::Sum, Aggregate::Min, Aggregate::Max];
        group.bench_function("filter by value, count, sum, min, max", |b| {
            b.iter(|| store.select().values(0.5, None).aggregate(&aggregates, &[]).unwrap())
        });
        group.bench_function("summary of every series", |b| {
            b.iter(|| {
                store
                    .select()
                    .aggregate(&[Aggregate::Min, Aggregate::Mean, Aggregate::Last], &[By::Run, By::Metric])
                    .unwrap()
            })
        });
        group.bench_function("one metric of all runs in 1,000 buckets", |b| {
            let by = [By::Run, By::StepBucket((STEPS / 1000) as u64)];
            b.iter(|| {
                store
                    .select()
                    .metric("loss/0")
                    .aggregate(&[Aggregate::Min, Aggregate::Max, Aggregate::Mean], &by)
                    .unwrap()
            })
        });
        group.throughput(Throughput::Elements(STEPS as u64));
        group.bench_function("points of one series", |b| {
            b.iter(|| store.select().run("run-00010").metric("loss/0").points().unwrap().collect().unwrap())
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
