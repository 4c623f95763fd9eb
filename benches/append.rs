//! The cost of logging: one point by an interned metric, a row of 20 values, a row by names, and the latency percentiles.
//!
//! Warm, durability `process`, one thread, steps and times given (so that the clock is not measured), on the
//! file system of the temporary folder. `cargo bench -p tidalite-benches --bench append`.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use criterion::{Criterion, criterion_group};
use std::hint::black_box;
use std::time::Instant;
use tidalite::{Options, RowAt, Run};

const TIME_US: i64 = 1_780_000_000_000_000;

fn fresh(dir: &tempfile::TempDir) -> Run {
    let store = Options::new().flush_bytes(u64::MAX).open(dir.path().join("store")).unwrap();
    store.run("bench").start().unwrap()
}

fn append(c: &mut Criterion) {
    let names: Vec<String> = (0..20).map(|i| format!("layer{i}/grad_norm")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let values: Vec<f64> = (0..20).map(|i| f64::from(i) * 0.1).collect();

    let dir = tempfile::tempdir().unwrap();
    let run = fresh(&dir);
    let metric = run.metric("loss").unwrap();
    let mut step = 0;
    c.bench_function("append/one point, interned", |b| {
        b.iter(|| {
            step += 1;
            metric.log_at(step, TIME_US + step, black_box(0.5)).unwrap()
        })
    });
    c.bench_function("append/one point, interned, time of day", |b| {
        b.iter(|| {
            step += 1;
            metric.log(step, black_box(0.5)).unwrap()
        })
    });

    let dir = tempfile::tempdir().unwrap();
    let run = fresh(&dir);
    let columns = run.columns(&names).unwrap();
    c.bench_function("append/row of 20, interned", |b| {
        b.iter(|| {
            step += 1;
            columns.log_at(Some(step), Some(TIME_US + step), black_box(&values)).unwrap()
        })
    });

    let dir = tempfile::tempdir().unwrap();
    let run = fresh(&dir);
    let row: Vec<(&str, f64)> = names.iter().copied().zip(values.iter().copied()).collect();
    c.bench_function("append/row of 20, by name", |b| {
        b.iter(|| {
            step += 1;
            run.log_at(&RowAt::step(step).time_us(TIME_US + step), black_box(&row)).unwrap()
        })
    });
}

/// Criterion gives means over a loop that outruns the disk. The promise is about percentiles, so each call is timed. The
/// cost of timing is subtracted.
fn percentiles() {
    let dir = tempfile::tempdir().unwrap();
    let run = fresh(&dir);
    let metric = run.metric("loss").unwrap();
    report("one point, interned", 2_000_000, |step| {
        drop(black_box(metric.log_at(step, TIME_US + step, 0.5)))
    });

    let dir = tempfile::tempdir().unwrap();
    let run = fresh(&dir);
    let names: Vec<String> = (0..20).map(|i| format!("layer{i}/grad_norm")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let columns = run.columns(&names).unwrap();
    let values: Vec<f64> = (0..20).map(|i| f64::from(i) * 0.1).collect();
    report("row of 20, interned", 500_000, |step| {
        drop(black_box(columns.log_at(Some(step), Some(TIME_US + step), &values)));
    });
    let row: Vec<(&str, f64)> = names.iter().copied().zip(values.iter().copied()).collect();
    report("row of 20, by name", 500_000, |step| {
        drop(black_box(run.log_at(&RowAt::step(step).time_us(TIME_US + step), &row)));
    });
}

fn report(what: &str, calls: usize, mut call: impl FnMut(i64)) {
    let mut empty: Vec<u64> = (0..calls).map(|_| elapsed(|| ())).collect();
    let mut ns: Vec<u64> = (0..calls as i64).map(|step| elapsed(|| call(step))).collect();
    empty.sort_unstable();
    ns.sort_unstable();
    let timer = empty[calls / 2];
    let at = |q: f64| ns[(calls as f64 * q) as usize].saturating_sub(timer);
    println!(
        "append/{what}: p50 {} ns, p99 {} ns, p99.9 {} ns, p99.99 {} ns (of {calls} calls; timer {timer} ns taken off)",
        at(0.5),
        at(0.99),
        at(0.999),
        at(0.9999)
    );
}

fn elapsed(call: impl FnOnce()) -> u64 {
    let start = Instant::now();
    call();
    start.elapsed().as_nanos() as u64
}

criterion_group!(benches, append);

fn main() {
    percentiles();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
