//! Peak memory of each job over the idle process, for each shape of data and memory option. Each job runs in a process of its
//! own, so that peaks do not mix.
//!
//! `cargo bench -p tidalite-benches --bench memory` prints a table. `-- --check` exits with 1 where a job takes more than its
//! option and 32 MiB; `-- --json FILE` writes the figures; `TIDALITE_BENCH_SHARE=10` makes a tenth of the data.
#![allow(clippy::disallowed_methods, reason = "a bench prepares its own files")]
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Instant;
use tidalite::{Aggregate, AlignOn, By, Fill, Options, Store, XAxis};

/// What a store holds.
const SHAPES: [&str; 4] = ["700 batches", "ranks, rewound", "one series", "many runs"];
/// In this order: a job finds what those before it left.
const JOBS: [&str; 9] =
    ["load", "backup", "flush", "compact", "aggregate", "chart over time", "points", "one series", "thin"];
const OPTIONS_MIB: [u64; 3] = [64, 256, 1024];
/// What a job may take beyond its option.
const SLACK_MIB: u64 = 32;

fn share() -> usize {
    std::env::var("TIDALITE_BENCH_SHARE").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

fn main() -> ExitCode {
    if let Ok(job) = std::env::var("TIDALITE_BENCH_JOB") {
        let told = |name: &str| std::env::var(name).unwrap();
        let (shape, mib) = (told("TIDALITE_BENCH_SHAPE"), told("TIDALITE_BENCH_MIB").parse().unwrap());
        run(&shape, &job, mib, Path::new(&told("TIDALITE_BENCH_STORE")));
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<String> = std::env::args().collect();
    let mut figures = Vec::new();
    let mut over = 0;
    println!("MiB over the idle process, at a memory option of {OPTIONS_MIB:?} MiB");
    for shape in SHAPES {
        for mib in OPTIONS_MIB {
            let dir = tempfile::tempdir().unwrap();
            for job in JOBS {
                let start = Instant::now();
                let done = Command::new(std::env::current_exe().unwrap())
                    .env("TIDALITE_BENCH_JOB", job)
                    .env("TIDALITE_BENCH_SHAPE", shape)
                    .env("TIDALITE_BENCH_MIB", mib.to_string())
                    .env("TIDALITE_BENCH_STORE", dir.path().join("m"))
                    .output()
                    .unwrap();
                let text = String::from_utf8_lossy(&done.stdout).trim().to_string();
                let peak: Option<u64> = text.parse().ok();
                // The load prepares the data in memory itself.
                let exceeds = job != "load" && peak.is_none_or(|peak| peak > mib + SLACK_MIB);
                over += usize::from(exceeds);
                let said = peak.map_or_else(
                    || String::from_utf8_lossy(&done.stderr).trim().to_string(),
                    |p| p.to_string(),
                );
                println!(
                    "{shape:16} {mib:5} {job:16} {said:>8} {:6.1} s{}",
                    start.elapsed().as_secs_f64(),
                    if exceeds { "  over" } else { "" }
                );
                figures.push(format!(
                    "{{\"shape\":\"{shape}\",\"option_mib\":{mib},\"job\":\"{job}\",\"peak_mib\":{}}}",
                    peak.map_or("null".into(), |p| p.to_string())
                ));
            }
        }
    }
    if let Some(at) = arguments.iter().position(|a| a == "--json") {
        std::fs::write(&arguments[at + 1], format!("[{}]\n", figures.join(",\n"))).unwrap();
    }
    if over > 0 && arguments.iter().any(|a| a == "--check") { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Runs one job, and prints its peak over the idle process in MiB.
fn run(shape: &str, job: &str, mib: u64, path: &Path) {
    let store = Options::new().background(false).memory_bytes(mib << 20).open(path).unwrap();
    let idle = peak_mib();
    match job {
        "load" => load(shape, &store),
        "backup" => store.backup(path.with_extension("copy")).unwrap(),
        "flush" => drop(store.flush().unwrap()),
        "compact" => drop(store.compact().unwrap()),
        "aggregate" => {
            let table = store.select().aggregate(&[Aggregate::Mean, Aggregate::ArgNan], &[By::Metric]);
            assert!(table.unwrap().num_rows() > 0);
        }
        "chart over time" => {
            let chart = store.select().runs("*0").metric("m*1").over(XAxis::Time).chart(100);
            drop(chart.unwrap());
        }
        "points" => {
            let rows: usize = store.select().points().unwrap().map(|b| b.unwrap().num_rows()).sum();
            assert!(rows > 0);
        }
        "one series" => {
            let series = store.select().metric("m1").label("rank", "0");
            drop(series.align(AlignOn::Step, Fill::None).unwrap());
        }
        "thin" => drop(store.thin(&tidalite::Thin::new().matching("*").buckets(100)).unwrap()),
        other => unreachable!("job {other}"),
    }
    drop(store);
    println!("{}", peak_mib().saturating_sub(idle));
}

fn load(shape: &str, store: &Store) {
    let share = share();
    match shape {
        "700 batches" => {
            for i in 0..700 / share {
                append(store, "a", &format!("m{}", i % 22), &(i / 22).to_string(), 60_000);
            }
        }
        "one series" => append(store, "a", "m1", "0", 50_000_000 / share),
        "many runs" => {
            for r in 0..100_000 / share {
                let run = store.run(format!("run-{r}")).start().unwrap();
                for step in 0..10 {
                    run.log(step, &[("m1", step as f64)]).unwrap();
                }
                run.finish().unwrap();
            }
        }
        _ => {
            let names: Vec<String> = (0..2965 / share).map(|m| format!("m{m}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            for (run, attempt) in (0..2).flat_map(|r| (0..8).map(move |a| (r, a))) {
                for rank in 0..32 {
                    let rank = rank.to_string();
                    let run = store.run(format!("run-{run}")).label("rank", rank).start().unwrap();
                    let first = 7 * attempt;
                    run.rewind(first - 1).unwrap();
                    let columns = run.columns(&names).unwrap();
                    for step in first..first + 12 {
                        columns.log(step, &vec![step as f64; names.len()]).unwrap();
                    }
                    run.finish().unwrap();
                }
                store.flush().unwrap();
            }
        }
    }
    store.sync().unwrap();
}

fn append(store: &Store, run: &str, metric: &str, rank: &str, points: usize) {
    let text = |t: &str| Arc::new(StringArray::from_iter_values((0..points).map(|_| t))) as ArrayRef;
    let step = |i: usize| i64::try_from(i).unwrap();
    let batch = RecordBatch::try_from_iter([
        ("run", text(run)),
        ("metric", text(metric)),
        ("labels", text(&format!("rank={rank}"))),
        ("step", Arc::new(Int64Array::from_iter_values((0..points).map(step))) as ArrayRef),
        (
            "time",
            Arc::new(Int64Array::from_iter_values((0..points).map(|i| 1_000_000 * step(i)))) as ArrayRef,
        ),
        (
            "value",
            Arc::new(Float64Array::from_iter_values((0..points).map(|i| (i as f64).sin()))) as ArrayRef,
        ),
    ])
    .unwrap();
    store.append(&batch).unwrap();
}

/// The peak of this process in MiB, without pages of mapped files, which the kernel reclaims at any time.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| -> u64 {
        let of = |l: &str| l.strip_prefix(name)?.trim().strip_suffix(" kB")?.trim().parse().ok();
        status.lines().find_map(of).unwrap_or(0)
    };
    (field("VmHWM:") - field("RssFile:").min(field("VmHWM:"))) >> 10
}
