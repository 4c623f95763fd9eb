//! From log to Parquet: flush and compaction of 10 M points of the tracker workload (5 runs × 20 metrics × 100,000 steps),
//! warm page cache, synced at the end, one thread and all. `cargo bench -p tidalite-benches --bench flush`.
#![allow(clippy::unwrap_used, missing_docs)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::path::Path;
use tidalite::{Options, Store};
use tidalite_testkit::{metric_names, workload_run};

const RUNS: usize = 5;
const METRICS: usize = 20;
const STEPS: usize = 100_000;
const POINTS: u64 = (RUNS * METRICS * STEPS) as u64;

fn log_all(path: &Path, threads: usize) -> Store {
    let store = Options::new().background(false).threads(threads).open(path).unwrap();
    let names = metric_names(METRICS);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for r in 0..RUNS {
        let data = workload_run(r, METRICS, STEPS);
        let run = store.run(data.id).start().unwrap();
        let columns = run.columns(&names).unwrap();
        for step in 0..STEPS {
            let row: Vec<f64> = data.values.iter().map(|v| v[step]).collect();
            columns.log_at(Some(step as i64), Some(data.times_us[step]), &row).unwrap();
        }
    }
    store
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("flush");
    group.sample_size(10).throughput(Throughput::Elements(POINTS));
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    for threads in [1, cores] {
        group.bench_function(format!("log to part, {threads} threads"), |b| {
            b.iter_batched(
                || {
                    let dir = tempfile::tempdir().unwrap();
                    let store = log_all(&dir.path().join("store"), threads);
                    (dir, store)
                },
                |(dir, store)| {
                    assert_eq!(store.flush().unwrap().points, POINTS);
                    (dir, store)
                },
                BatchSize::PerIteration,
            )
        });
        group.bench_function(format!("merge parts, {threads} threads"), |b| {
            b.iter_batched(
                || {
                    let dir = tempfile::tempdir().unwrap();
                    let store = log_all(&dir.path().join("store"), threads);
                    store.flush().unwrap();
                    let run = store.run("one-more").start().unwrap();
                    run.log(0, &[("loss", 1.0)]).unwrap();
                    store.flush().unwrap();
                    (dir, store)
                },
                |(dir, store)| {
                    assert_eq!(store.compact().unwrap().points, POINTS + 1);
                    (dir, store)
                },
                BatchSize::PerIteration,
            )
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
