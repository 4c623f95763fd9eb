//! Peak memory of loading, flushing, compacting and querying 100 M points (100 runs × 20 metrics × 50,000 steps) at the default
//! memory option of 256 MiB. Each stage runs in a process of its own, so that peaks do not mix.
//! `cargo bench -p tidalite-benches --bench memory`; `TIDALITE_BENCH_RUNS=10` for a tenth.
#![allow(clippy::disallowed_methods, reason = "a bench prepares its own files")]
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::process::Command;
use std::time::Instant;
use tidalite::{Aggregate, By, Options};
use tidalite_testkit::{metric_names, workload_run};

const METRICS: usize = 20;
const STEPS: usize = 50_000;

fn runs() -> usize {
    std::env::var("TIDALITE_BENCH_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(100)
}

fn main() {
    if let Ok(stage) = std::env::var("TIDALITE_BENCH_STAGE") {
        run_stage(&stage, Path::new(&std::env::var("TIDALITE_BENCH_STORE").unwrap()));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    println!("{} M points, memory option 256 MiB", runs() * METRICS * STEPS / 1_000_000);
    for stage in ["log", "flush", "compact", "aggregate", "points"] {
        let start = Instant::now();
        let status = Command::new(std::env::current_exe().unwrap())
            .env("TIDALITE_BENCH_STAGE", stage)
            .env("TIDALITE_BENCH_STORE", &store)
            .status()
            .unwrap();
        assert!(status.success(), "{stage} failed");
        println!("    {:.1} s", start.elapsed().as_secs_f64());
    }
}

fn run_stage(stage: &str, path: &Path) {
    let store = Options::new().background(false).open(path).unwrap();
    let total = (runs() * METRICS * STEPS) as u64;
    match stage {
        "log" => {
            let names = metric_names(METRICS);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            for r in 0..runs() {
                let data = workload_run(r, METRICS, STEPS);
                let run = store.run(data.id).start().unwrap();
                let columns = run.columns(&names).unwrap();
                for step in 0..STEPS {
                    let row: Vec<f64> = data.values.iter().map(|v| v[step]).collect();
                    columns.log_at(Some(step as i64), Some(data.times_us[step]), &row).unwrap();
                }
            }
            store.sync().unwrap();
        }
        "flush" => assert_eq!(store.flush().unwrap().points, total),
        "compact" => drop(store.compact().unwrap()),
        "aggregate" => {
            let by = [By::Run, By::Metric, By::StepBucket(512)];
            let table =
                store.select().aggregate(&[Aggregate::Mean, Aggregate::Min, Aggregate::Max], &by).unwrap();
            assert_eq!(table.num_rows(), runs() * METRICS * STEPS.div_ceil(512));
        }
        "points" => {
            let rows: usize = store.select().points().unwrap().map(|b| b.unwrap().num_rows()).sum();
            assert_eq!(rows as u64, total);
        }
        other => unreachable!("stage {other}"),
    }
    store.close().unwrap();
    println!(
        "{stage}: peak RSS {} MiB, of which {} MiB private",
        peak_kib("VmHWM:") >> 10,
        peak_kib("RssAnon:") >> 10
    );
}

/// A figure of /proc/self/status in KiB. The peak includes mapped log pages, which the kernel can reclaim at any time;
/// `RssAnon` is the memory held at the end.
fn peak_kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|l| l.strip_prefix(field)?.trim().strip_suffix(" kB")?.trim().parse().ok())
        .unwrap_or(0)
}
