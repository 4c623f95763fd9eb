//! A fresh reader of logs that nobody has flushed: time and peak memory of each question, in a process of its own.
//!
//! 4 writers log rows of 200 metrics, 2 GiB in all, and 1 writer logs rows of 3 metrics, 256 MiB. The page cache is warm.
//! `cargo bench -p tidalite-benches --bench unflushed`; `TIDALITE_BENCH_MIB=256` for less, `TIDALITE_MEMORY_MIB=64` for
//! another memory option.
#![allow(clippy::disallowed_methods, reason = "a bench prepares its own files")]
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::process::Command;
use std::time::Instant;
use tidalite::{Aggregate, By, Options, Store};
use tidalite_testkit::metric_names;

/// (name, writers, metrics of a row, share of the bytes)
const SHAPES: [(&str, usize, usize, u64); 2] = [("wide", 4, 200, 1), ("narrow", 1, 3, 8)];
const QUESTIONS: [&str; 8] =
    ["nothing", "snapshot", "latest", "chart", "count", "points of a range", "mean of all", "count again"];

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

fn main() {
    if let Ok(question) = std::env::var("TIDALITE_BENCH_STAGE") {
        ask(&question, Path::new(&std::env::var("TIDALITE_BENCH_STORE").unwrap()));
        return;
    }
    let bytes = env("TIDALITE_BENCH_MIB", 2048) << 20;
    for (shape, writers, metrics, share) in SHAPES {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let stores: Vec<Store> =
            (0..writers).map(|_| Options::new().background(false).open(&path).unwrap()).collect();
        let names = metric_names(metrics);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let rows = bytes / share / writers as u64 / (48 + 8 * metrics as u64);
        let mut values = vec![0.0; metrics];
        for (w, store) in stores.iter().enumerate() {
            let run = store.run(format!("run-{w}")).start().unwrap();
            let columns = run.columns(&names).unwrap();
            for step in 0..rows {
                values.iter_mut().enumerate().for_each(|(m, v)| *v = (step * 31 + m as u64) as f64 / 7.0);
                columns.log_at(Some(step as i64), Some(step as i64 * 1000), &values).unwrap();
            }
        }
        println!(
            "{shape}: {writers} living writers, {} M points, {} MiB of logs, memory option {} MiB",
            rows * (writers * metrics) as u64 / 1_000_000,
            stores[0].bytes().unwrap() >> 20,
            env("TIDALITE_MEMORY_MIB", 256)
        );
        for question in QUESTIONS {
            let status = Command::new(std::env::current_exe().unwrap())
                .env("TIDALITE_BENCH_STAGE", question)
                .env("TIDALITE_BENCH_STORE", &path)
                .status()
                .unwrap();
            assert!(status.success(), "{question} failed");
        }
    }
}

fn ask(question: &str, path: &Path) {
    let memory = env("TIDALITE_MEMORY_MIB", 256) << 20;
    let reader = Options::new().read_only(true).memory_bytes(memory).open(path).unwrap();
    let metric = metric_names(2).pop().unwrap();
    let one = || reader.select().metric(metric.as_str());
    let start = Instant::now();
    let answer = match question {
        "nothing" => 0,
        "snapshot" => reader.snapshot().unwrap().version() as usize,
        "latest" => one().latest().unwrap().num_rows(),
        "chart" => one().chart(1000).unwrap().len(),
        "count" => one().aggregate(&[Aggregate::Count], &[By::Run]).unwrap().num_rows(),
        "points of a range" => one().steps(1000..2000).points().unwrap().collect().unwrap().num_rows(),
        "mean of all" => reader.select().aggregate(&[Aggregate::Mean], &[By::Metric]).unwrap().num_rows(),
        _ => {
            let count = || one().aggregate(&[Aggregate::Count], &[By::Run]).unwrap().num_rows();
            let first = count();
            let start = Instant::now();
            assert_eq!(count(), first);
            println!("    the second count of one reader: {:.3} s", start.elapsed().as_secs_f64());
            first
        }
    };
    let elapsed = start.elapsed().as_secs_f64();
    println!("    {question:<18} {elapsed:>7.3} s   peak {:>5} MiB   ({answer} rows)", peak_mib());
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}
