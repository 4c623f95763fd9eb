//! The standard workload from end to end: load (one batch per run, then compaction), open with the first query, and the ten
//! standard queries, median of 15. Then one long series in few buckets, with and without rollups. Warm page cache, all
//! cores, results as Arrow.
//! `cargo bench -p tidalite-benches --bench end_to_end`; `-- RUNS METRICS STEPS` sets another size than
//! 20 × 50 × 10,000, and a query's name after these selects that query.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use arrow::array::{Int64Array, RecordBatch, StringArray};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tidalite::{Aggregate, By, Options, Store};
use tidalite_benches::{QUESTIONS, Size, batch};

const REPEATS: usize = 15;
/// Points of the long series.
const LONG: usize = 4_000_000;

/// Median milliseconds.
fn median(mut ask: impl FnMut()) -> f64 {
    let mut took: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            ask();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took[REPEATS / 2]
}

fn words(list: &[&str]) -> Vec<Aggregate> {
    Aggregate::parse_list(list).unwrap()
}

fn load(path: &Path, batches: &[RecordBatch]) {
    let start = Instant::now();
    let store = Store::open(path).unwrap();
    for batch in batches {
        store.append(batch).unwrap();
    }
    let appended = start.elapsed();
    store.compact().unwrap();
    let points: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let all = start.elapsed();
    println!(
        "load            {:9.2} M points/s ({:.0} ms to append, {:.0} ms to compact)",
        points as f64 / all.as_secs_f64() / 1e6,
        appended.as_secs_f64() * 1e3,
        (all - appended).as_secs_f64() * 1e3
    );
    println!("bytes per point   {:9.3}", store.stats().unwrap().bytes() as f64 / points as f64);
    store.close().unwrap();
}

fn standard(runs: usize, metrics: usize, steps: usize) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let batches: Vec<RecordBatch> = (0..runs).map(|run| batch(run, Size { runs, metrics, steps })).collect();
    load(&path, &batches);
    drop(batches);
    let top = |store: &Store| drop(store.select().metric("loss/0").aggregate(&words(&["min"]), &[By::Run]));
    let opened = median(|| top(&Options::new().read_only(true).open(&path).unwrap()));
    println!("open + first    {opened:9.2} ms");
    let store = Options::new().read_only(true).open(&path).unwrap();
    let only = std::env::args().nth(4);
    let say = |name: &str, ask: &dyn Fn()| {
        if only.as_ref().is_none_or(|only| only == name) {
            println!("{name:<15} {:9.3} ms", median(ask));
        }
    };
    for (name, ask) in QUESTIONS {
        say(name, &|| assert!(ask(&store) > 0, "{name} found nothing"));
    }
    say("step window", &|| {
        let within = store.select().steps(steps as i64 / 10..steps as i64 / 2);
        drop(within.aggregate(&words(&["mean"]), &[By::Run]).unwrap());
    });
}

fn long() {
    for rollups in [256, 0] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let store = Options::new().rollups(rollups, 16_384).open(&path).unwrap();
        for from in (0..LONG).step_by(1 << 20) {
            let steps = LONG.min(from + (1 << 20)) - from;
            let all = batch(from >> 20, Size { runs: 1, metrics: 1, steps });
            let steps = (from as i64..).take(all.num_rows());
            let run = StringArray::from_iter_values(steps.clone().map(|_| "long"));
            let mut columns = all.columns().to_vec();
            columns[0] = Arc::new(run);
            columns[2] = Arc::new(Int64Array::from_iter_values(steps));
            let names = ["run", "metric", "step", "time", "value"];
            store.append(&RecordBatch::try_from_iter(names.into_iter().zip(columns)).unwrap()).unwrap();
        }
        store.compact().unwrap();
        let bytes = store.stats().unwrap();
        println!(
            "4 M points of one series, {}: {:.3} bytes per point, {:.3} of them beside the points",
            if rollups > 0 { "with rollups" } else { "without" },
            bytes.bytes() as f64 / LONG as f64,
            bytes.series_bytes as f64 / LONG as f64
        );
        let store = Options::new().read_only(true).memory_bytes(1 << 30).open(&path).unwrap();
        let all = || store.select().run("long");
        let say = |name: &str, ask: &dyn Fn()| println!("{name:<15} {:9.3} ms", median(ask));
        say("chart(1000)", &|| drop(all().chart(1000).unwrap()));
        say("chart(50)", &|| drop(all().chart(50).unwrap()));
        let some = || all().steps(1_234_567..3_456_789);
        say("mean of a range", &|| drop(some().aggregate(&words(&["mean"]), &[]).unwrap()));
        say("chart of it", &|| drop(some().chart(1000).unwrap()));
    }
}

fn main() {
    // Cargo adds `--bench` itself.
    let sizes: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    match sizes[..] {
        [runs, metrics, steps] => standard(runs, metrics, steps),
        _ => {
            standard(20, 50, 10_000);
            long();
        }
    }
}
