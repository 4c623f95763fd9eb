//! Taking a snapshot of 2, 16 and 100 open logs, warm: while nobody logs, and while rows come at a steady rate, spread over
//! all logs. Prints how many snapshots were cuts. `cargo bench -p tidalite-benches --bench snapshot`.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tidalite::{Metric, Options, Store};

/// Rows a second over all logs; the last is as many as one thread can log.
const RATES: [(&str, u32); 4] =
    [("idle", 0), ("10,000 rows/s", 10_000), ("100,000 rows/s", 100_000), ("as fast as it can", u32::MAX)];

/// Logs rows in turn, each at its time, until it is over. Returns how many.
fn feed(metrics: &[Metric], rate: u32, over: &AtomicBool) -> u64 {
    if rate == 0 {
        return 0;
    }
    let (start, between) = (Instant::now(), Duration::from_secs(1) / rate);
    let mut rows = 0;
    for metric in metrics.iter().cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        metric.log(i64::from(rows), 1.0).unwrap();
        rows += 1;
        while rate < u32::MAX && start.elapsed() < between * rows && !over.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    }
    u64::from(rows)
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("snapshot");
    group.sample_size(20).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    for logs in [2, 16, 100] {
        for (name, rate) in RATES {
            let dir = tempfile::tempdir().unwrap();
            let open = || Options::new().background(false).open(dir.path()).unwrap();
            let stores: Vec<Store> = (0..logs).map(|_| open()).collect();
            let metrics: Vec<Metric> =
                stores.iter().map(|s| s.run("r").start().unwrap().metric("x").unwrap()).collect();
            let reader = Options::new().read_only(true).memory_bytes(8 << 30).open(dir.path()).unwrap();
            reader.snapshot().unwrap();
            let over = AtomicBool::new(false);
            let (mut cuts, mut all, start) = (0, 0, Instant::now());
            let rows = std::thread::scope(|s| {
                let feeding = s.spawn(|| feed(&metrics, rate, &over));
                group.bench_function(format!("{logs} logs, {name}"), |b| {
                    b.iter(|| {
                        all += 1;
                        cuts += u64::from(reader.snapshot().unwrap().is_cut());
                    })
                });
                over.store(true, Ordering::Relaxed);
                feeding.join().unwrap()
            });
            let rate = rows as f64 / start.elapsed().as_secs_f64();
            println!("{logs} logs, {name}: {cuts} of {all} snapshots were cuts; {rate:.0} rows/s");
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
