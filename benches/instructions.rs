//! Instructions per standard question, counted by valgrind's callgrind, which does not depend on the load of the machine.
//! 1.1 M points of the tracker workload (11 runs × 10 metrics × 10,000 steps), one thread, page cache warm.
//! `cargo bench -p tidalite-benches --bench instructions`; needs valgrind.
//!
//! One process opens the store and asks once, others ask two and three times: a reader keeps decoded pages at the second
//! reading and uses them from the third on.
#![allow(clippy::disallowed_methods, reason = "a bench prepares its own files")]
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::process::{Command, Stdio};
use tidalite::Options;
use tidalite_benches::{QUESTIONS, Size, fill};

/// Large enough that run-00010, which the questions name, is there.
const SIZE: Size = Size { runs: 11, metrics: 10, steps: 10_000 };

fn main() {
    if let Ok(question) = std::env::var("TIDALITE_BENCH_QUESTION") {
        let times: usize = std::env::var("TIDALITE_BENCH_TIMES").unwrap().parse().unwrap();
        return ask(Path::new(&std::env::var("TIDALITE_BENCH_STORE").unwrap()), &question, times);
    }
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("valgrind is not installed, and nothing was counted");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    fill(&store, SIZE);
    println!(
        "| question, {} k points | instructions, open and first, M | second, M | third, M |",
        SIZE.points() / 1000
    );
    println!("|---|---|---|---|");
    for (name, _) in QUESTIONS {
        let [once, twice, thrice] = [1, 2, 3].map(|times| count(&store, name, times));
        let each = [once, twice - once, thrice - twice].map(|n| format!("{:.2}", n as f64 / 1e6));
        println!("| {name} | {} |", each.join(" | "));
    }
}

fn ask(path: &Path, question: &str, times: usize) {
    let store = Options::new().read_only(true).threads(1).open(path).unwrap();
    let (_, ask) = QUESTIONS.iter().find(|(name, _)| *name == question).unwrap();
    for _ in 0..times {
        assert!(ask(&store) > 0, "{question} found nothing");
    }
}

/// Instructions of a process that opens the store and asks `times` times.
fn count(store: &Path, question: &str, times: usize) -> u64 {
    let out = store.with_file_name("callgrind.out");
    let done = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().unwrap())
        .env("TIDALITE_BENCH_QUESTION", question)
        .env("TIDALITE_BENCH_TIMES", times.to_string())
        .env("TIDALITE_BENCH_STORE", store)
        .status()
        .unwrap();
    assert!(done.success(), "{question} failed under valgrind");
    let text = std::fs::read_to_string(out).unwrap();
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix("summary: ").or_else(|| l.strip_prefix("totals: ")))
        .unwrap();
    line.trim().parse().unwrap()
}
