//! Questions to very many short series: 10,000 runs × 12 metrics × 50 steps, compacted, warm page cache, the store open, result as
//! Arrow; on one thread and on all. `cargo bench -p tidalite-benches --bench many_series`.
#![allow(clippy::unwrap_used, missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use tidalite::{Aggregate, By, Options, RunColumn, RunPage, Store};
use tidalite_benches::{Size, append_runs};
use tidalite_testkit::metric_names;

const SIZE: Size = Size { runs: 10_000, metrics: 12, steps: 50 };

fn bench(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = Store::open(&path).unwrap();
    append_runs(&store, SIZE, 500);
    store.compact().unwrap();
    drop(store);
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    for threads in [1, cores] {
        let store = Options::new().read_only(true).threads(threads).open(&path).unwrap();
        let mut group = c.benchmark_group(format!("many_series, {threads} threads"));
        group.sample_size(10);
        let ends = [Aggregate::Last, Aggregate::Min];
        group.bench_function("last and min by run and metric", |b| {
            b.iter(|| store.select().aggregate(&ends, &[By::Run, By::Metric]).unwrap());
        });
        group.bench_function("mean by metric", |b| {
            b.iter(|| store.select().aggregate(&[Aggregate::Mean], &[By::Metric]).unwrap());
        });
        group.bench_function("last of one metric by run", |b| {
            b.iter(|| store.select().metric("loss/0").aggregate(&[Aggregate::Last], &[By::Run]).unwrap());
        });
        group.bench_function("latest", |b| b.iter(|| store.select().latest().unwrap()));
        let metrics = ["loss/0", "lr/0", "acc/0", "grad_norm/0", "tokens/0", "gpu_util/0"];
        let columns: Vec<RunColumn> = metrics
            .iter()
            .flat_map(|metric| ["last", "min"].map(|word| format!("{metric}:{word}").parse().unwrap()))
            .collect();
        let order = vec!["-loss/0:min".parse().unwrap()];
        let page = RunPage { order, limit: Some(100), ..RunPage::default() };
        group.bench_function("a page of runs with 12 columns, sorted", |b| {
            b.iter(|| store.select().list_runs(&columns, &page).unwrap());
        });
        let columns: Vec<RunColumn> =
            metric_names(12).iter().map(|metric| format!("{metric}:last").parse().unwrap()).collect();
        group.bench_function("all runs with 12 metrics", |b| {
            b.iter(|| store.select().list_runs(&columns, &RunPage::default()).unwrap());
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
