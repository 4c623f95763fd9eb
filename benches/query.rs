//! The ten standard questions: 10 M points of the tracker workload (20 runs × 50 metrics × 10,000 steps), compacted, warm page
//! cache, the store open, result as Arrow; on one thread and on all. `cargo bench -p tidalite-benches --bench query`.
//!
//! Where noise hides an effect, use `--bench instructions`.
#![allow(clippy::unwrap_used, missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use tidalite::Options;
use tidalite_benches::{QUESTIONS, Size, fill};

fn bench(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    fill(&path, Size::STANDARD);
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    for threads in [1, cores] {
        let store = Options::new().read_only(true).threads(threads).open(&path).unwrap();
        let mut group = c.benchmark_group(format!("query, {threads} threads"));
        group.sample_size(10);
        for (name, ask) in QUESTIONS {
            group.bench_function(name, |b| b.iter(|| ask(&store)));
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
