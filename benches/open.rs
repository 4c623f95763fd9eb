//! Opening a store of 1,000 runs and listing them, warm page cache: all flushed, and all in the logs of processes that ended.
//! `cargo bench -p tidalite-benches --bench open`.
#![allow(clippy::unwrap_used, missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use tidalite::{Options, Store};

const RUNS: usize = 1000;

fn log_runs(store: &Store) {
    for r in 0..RUNS {
        let run = store
            .run(format!("run-{r:05}"))
            .param("lr", 1e-3 * r as f64)
            .param("seed", r as i64)
            .tag("sweep")
            .start()
            .unwrap();
        for step in 0..10 {
            run.log(step, &[("loss", 1.0 / (step + 1) as f64), ("acc", 0.1)]).unwrap();
        }
        run.finish().unwrap();
    }
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("open");
    for flushed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let store = Options::new().background(false).open(&path).unwrap();
        log_runs(&store);
        if flushed {
            store.flush().unwrap();
        }
        store.close().unwrap();
        let state = if flushed { "in parts" } else { "in the log" };
        group.bench_function(format!("1,000 runs {state}, and list them"), |b| {
            b.iter(|| {
                let store = Options::new().read_only(true).open(&path).unwrap();
                assert_eq!(store.runs().unwrap().len(), RUNS);
            })
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
