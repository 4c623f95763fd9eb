//! Reading a log back: rows of 20 metrics, warm page cache, one thread.
//! `cargo bench -p tidalite-benches --bench replay`.
#![allow(clippy::unwrap_used, missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tidalite::Options;
use tidalite_log::{LogSink, Row, replay, writers};
use tidalite_testkit::{metric_names, workload_run};
use tidalite_vfs::RealVfs;

/// Sums the values, so that each is read.
#[derive(Default)]
struct Sum {
    values: u64,
    sum: f64,
}

impl LogSink for Sum {
    fn row(&mut self, row: Row<'_>) -> tidalite::Result<()> {
        self.values += row.values.len() as u64;
        self.sum += row.values.iter().sum::<f64>();
        Ok(())
    }
}

fn bench(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = Options::new().background(false).open(&path).unwrap();
    let names = metric_names(20);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let data = workload_run(0, 20, 500_000);
    let run = store.run("r").start().unwrap();
    let columns = run.columns(&names).unwrap();
    for step in 0..data.times_us.len() {
        let row: Vec<f64> = data.values.iter().map(|v| v[step]).collect();
        columns.log_at(Some(step as i64), Some(data.times_us[step]), &row).unwrap();
    }
    run.finish().unwrap();
    store.close().unwrap();
    let vfs = RealVfs::new();
    let writer = writers(&vfs, &path.join("log")).unwrap().remove(0);
    let bytes = replay(&vfs, &writer, 0, false, &mut Sum::default()).unwrap().bytes;
    let mut group = c.benchmark_group("replay");
    group.sample_size(20).throughput(Throughput::Bytes(bytes));
    group.bench_function("rows of 20", |b| {
        b.iter(|| {
            let mut sum = Sum::default();
            replay(&vfs, &writer, 0, false, &mut sum).unwrap();
            assert_eq!(sum.values, 10_000_000);
            sum.sum
        })
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
