//! A filtered scan of parts: 10 M points of the tracker workload (20 runs × 50 metrics × 10,000 steps), compacted, warm
//! page cache, the store open, result as Arrow, some pages kept decoded between rounds; points per second, on one thread
//! and on all. The other questions are in `query.rs`. `cargo bench -p tidalite-benches --bench scan`.
#![allow(clippy::unwrap_used, missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tidalite::{Aggregate, Options};
use tidalite_benches::{Size, fill};

fn bench(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    fill(&path, Size::STANDARD);
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    for threads in [1, cores] {
        let store = Options::new().read_only(true).threads(threads).open(&path).unwrap();
        let mut group = c.benchmark_group(format!("scan, {threads} threads"));
        group.sample_size(10);
        group.throughput(Throughput::Elements(Size::STANDARD.points()));
        let aggregates = [Aggregate::Count, Aggregate::Sum, Aggregate::Min, Aggregate::Max];
        group.bench_function("filter by value, count, sum, min, max", |b| {
            b.iter(|| store.select().values(0.5, None).aggregate(&aggregates, &[]).unwrap())
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
