//! A store under load, second by second: rows, unflushed bytes, versions, parts, the latency of `log`, and what a reader in
//! another process sees.
//!
//! Writers and reader are processes of their own. Each writer logs rows at a steady rate through `Run::log`-like columns with
//! default options. The reader asks for the last value of one metric and for the count of its points, again and again.
//!
//! ```sh
//! cargo bench -p tidalite-benches --bench load -- WRITERS ROWS_PER_SECOND METRICS SECONDS
//! cargo bench -p tidalite-benches --bench load -- 1 50000 200 60       # 10 M points/s
//! cargo bench -p tidalite-benches --bench load -- 100 10 1000 300      # 1 M points/s by 100 writers
//! ```
//!
//! With `TIDALITE_BENCH_BARE=5` another process keeps the pace of a writer, and looks at the clock for 5 µs instead of
//! logging a row. What it takes beyond that, the machine took.
#![allow(clippy::disallowed_methods, reason = "a bench looks at the files itself")]
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tidalite::{Aggregate, Options, Store};
use tidalite_vfs::RealVfs;

/// Where the peak of unflushed bytes is looked for, times a second.
const LOOKS: u32 = 10;

#[derive(Clone, Copy)]
struct Load {
    writers: u64,
    rows: u64,
    metrics: usize,
    seconds: u64,
}

impl Load {
    fn parse(text: &str) -> Option<Load> {
        let numbers: Vec<u64> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        let [writers, rows, metrics, seconds] = numbers[..] else { return None };
        Some(Load { writers, rows, metrics: usize::try_from(metrics).ok()?, seconds })
    }

    fn text(self) -> String {
        format!("{} {} {} {}", self.writers, self.rows, self.metrics, self.seconds)
    }
}

fn main() {
    if let Ok(role) = std::env::var("TIDALITE_BENCH_ROLE") {
        let path = std::env::var("TIDALITE_BENCH_STORE").unwrap();
        let load = Load::parse(&std::env::var("TIDALITE_BENCH_LOAD").unwrap()).unwrap();
        let (kind, number) = role.split_once(' ').unwrap();
        match kind {
            "write" => write(Path::new(&path), load, number),
            "bare" => bare(load, number.parse().unwrap()),
            _ => read(Path::new(&path), load),
        }
        return;
    }
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let load = Load::parse(&arguments.join(" ")).unwrap_or(Load {
        writers: 1,
        rows: 5_000,
        metrics: 200,
        seconds: 10,
    });
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    Store::open(&path).unwrap().close().unwrap();
    println!(
        "{} writers x {} rows/s x {} metrics for {} s: {:.2} M points/s",
        load.writers,
        load.rows,
        load.metrics,
        load.seconds,
        (load.writers * load.rows * load.metrics as u64) as f64 / 1e6
    );
    let writers: Vec<LoadProcess> =
        (0..load.writers).map(|i| LoadProcess::start("write", i, &path, load)).collect();
    let reader = LoadProcess::start("read", 0, &path, load);
    let bare = std::env::var("TIDALITE_BENCH_BARE").ok().and_then(|us| us.parse().ok());
    let bare = bare.map(|us| LoadProcess::start("bare", us, &path, load));
    watch(&path, load, &writers, &reader);
    let said: Vec<Vec<f64>> = bare.iter().flat_map(|bare| bare.said.iter()).collect();
    let worst = |i: usize| said.iter().map(|said| said[i]).fold(0.0, f64::max);
    let mean = |i: usize| said.iter().map(|said| said[i]).sum::<f64>() / said.len() as f64;
    if !said.is_empty() {
        println!(
            "bare loop: worst second: p50 {:.2}, p99 {:.1}, p99.9 {:.1}, max {:.0} us; on average p99.9 {:.1}",
            worst(1),
            worst(2),
            worst(3),
            worst(4),
            mean(3)
        );
    }
}

/// A process of the load, and what it says.
struct LoadProcess {
    child: Child,
    said: Receiver<Vec<f64>>,
}

impl LoadProcess {
    fn start(kind: &str, number: u64, path: &Path, load: Load) -> LoadProcess {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env("TIDALITE_BENCH_ROLE", format!("{kind} {number}"))
            .env("TIDALITE_BENCH_STORE", path)
            .env("TIDALITE_BENCH_LOAD", load.text())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, said) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = to.send(line.split_whitespace().filter_map(|n| n.parse().ok()).collect());
            }
        });
        LoadProcess { child, said }
    }
}

fn say(numbers: &[f64]) {
    let text: Vec<String> = numbers.iter().map(f64::to_string).collect();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", text.join(" ")).unwrap();
    out.flush().unwrap();
}

/// Logs rows at the rate.
fn write(path: &Path, load: Load, number: &str) {
    let store = Options::new().open(path).unwrap();
    let run = store.run(format!("run-{number}")).start().unwrap();
    let names: Vec<String> = (0..load.metrics).map(|m| format!("layer{m}/norm")).collect();
    let columns = run.columns(&names.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    let mut values = vec![0.5; load.metrics];
    at_rate(load, |row| {
        values[(row % load.metrics as u64) as usize] = row as f64 * 0.001;
        let before = Instant::now();
        columns.log(i64::try_from(row).unwrap(), &values).unwrap();
        before.elapsed()
    });
    run.finish().unwrap();
    store.close().unwrap();
}

/// Looks at the clock for so many microseconds instead of logging a row.
fn bare(load: Load, us: u64) {
    at_rate(load, |_| {
        let before = Instant::now();
        while before.elapsed() < Duration::from_micros(us) {}
        before.elapsed()
    });
}

/// Calls `work` with rows at the rate, and says each second: rows, and how long the calls took.
fn at_rate(load: Load, mut work: impl FnMut(u64) -> Duration) {
    let mut took = Vec::new();
    let (start, mut row, mut told) = (Instant::now(), 0u64, 0);
    while start.elapsed().as_secs() < load.seconds {
        let due = (start.elapsed().as_secs_f64() * load.rows as f64) as u64;
        if row >= due {
            std::thread::sleep(Duration::from_secs_f64((1.0 / load.rows as f64).clamp(0.001, 0.1)));
        }
        while row < due {
            took.push(work(row).as_nanos() as f64 / 1000.0);
            row += 1;
        }
        if start.elapsed().as_secs() > told {
            told = start.elapsed().as_secs();
            say(&percentiles(&mut took));
        }
    }
    say(&percentiles(&mut took));
}

/// The number of values, their 50th, 99th and 99.9th percentile, and the greatest; forgets them.
fn percentiles(values: &mut Vec<f64>) -> [f64; 5] {
    values.sort_by(f64::total_cmp);
    let at =
        |share: f64| values.get(((values.len() as f64 * share) as usize).min(values.len().saturating_sub(1)));
    let found = [0.5, 0.99, 0.999, 1.0].map(|share| at(share).copied().unwrap_or(0.0));
    let numbers = [values.len() as f64, found[0], found[1], found[2], found[3]];
    values.clear();
    numbers
}

/// Asks again and again, and says each second: answers, refusals, milliseconds by percentile, points that were counted.
fn read(path: &Path, load: Load) {
    let store = Options::new().read_only(true).open(path).unwrap();
    let (start, mut told, mut refused, mut counted) = (Instant::now(), 0, 0u64, 0i64);
    let mut took = Vec::new();
    while start.elapsed().as_secs() < load.seconds {
        let before = Instant::now();
        let asked = store.select().metric("layer0/norm").aggregate(&[Aggregate::Count, Aggregate::Last], &[]);
        took.push(before.elapsed().as_secs_f64() * 1000.0);
        match asked {
            Ok(_) => counted += 1,
            Err(e) => {
                refused += 1;
                let _ = writeln!(std::io::stderr(), "refused: {e}");
            }
        }
        std::thread::sleep(Duration::from_millis(50));
        if start.elapsed().as_secs() > told {
            told = start.elapsed().as_secs();
            let [_, p50, p99, _, max] = percentiles(&mut took);
            say(&[counted as f64, refused as f64, p50, p99, max]);
            (refused, counted) = (0, 0);
        }
    }
}

/// Prints a line per second, and what holds over all of it.
fn watch(path: &Path, load: Load, writers: &[LoadProcess], reader: &LoadProcess) {
    println!(
        "   s    rows/s  unfl. MiB  parts  log p50 us   p99  p99.9      max  reads refused   p50 ms    max"
    );
    let (mut peak, mut refused, mut worst) = (0.0f64, 0.0, [0.0f64; 4]);
    let (mut all, mut p999) = (0.0, 0.0);
    for second in 1..=load.seconds {
        let mut here = 0.0f64;
        for _ in 0..LOOKS {
            std::thread::sleep(Duration::from_secs(1) / LOOKS);
            here = here.max(unflushed(path) / f64::from(1 << 20));
        }
        let mut rows = 0.0;
        let mut slow = [0.0f64; 4];
        for said in writers.iter().flat_map(|w| w.said.try_iter()) {
            rows += said[0];
            (0..4).for_each(|i| slow[i] = slow[i].max(said[i + 1]));
        }
        let of_reader: Vec<Vec<f64>> = reader.said.try_iter().collect();
        let sum = |i: usize| of_reader.iter().map(|said| said[i]).sum::<f64>();
        let most = |i: usize| of_reader.iter().map(|said| said[i]).fold(0.0, f64::max);
        let parts = std::fs::read_dir(path.join("parts")).map_or(0, Iterator::count);
        println!(
            "{second:4} {rows:9.0} {here:10.1} {parts:6} {:11.2} {:5.1} {:6.1} {:8.0} {:6.0} {:7.0} {:8.1} {:6.0}",
            slow[0],
            slow[1],
            slow[2],
            slow[3],
            sum(0),
            sum(1),
            most(2),
            most(4)
        );
        (peak, refused, all) = (peak.max(here), refused + sum(1), all + rows);
        (0..4).for_each(|i| worst[i] = worst[i].max(slow[i]));
        p999 += slow[2];
    }
    println!(
        "{all:.0} rows; at most {peak:.0} MiB not flushed; {refused:.0} reads refused; worst second of a \
         writer: p50 {:.2}, p99 {:.1}, p99.9 {:.1}, max {:.0} us; on average p99.9 {:.1}",
        worst[0],
        worst[1],
        worst[2],
        worst[3],
        p999 / load.seconds as f64
    );
}

/// Bytes of all logs that the newest version has not flushed. All writers live.
fn unflushed(path: &Path) -> f64 {
    let vfs = RealVfs::new();
    // Before the ends, which only grow: so it is too much rather than too little.
    let flushed = flushed(path);
    let writers = tidalite_log::writers(&vfs, &path.join("log")).unwrap_or_default();
    let ends = writers.iter().filter_map(|dir| tidalite_log::end_position(&vfs, dir).ok());
    ends.sum::<u64>().saturating_sub(flushed) as f64
}

/// How far all logs are flushed: the `position` of each entry of the newest manifest, which holds its text twice.
fn flushed(path: &Path) -> u64 {
    let manifests = std::fs::read_dir(path.join("manifest")).into_iter().flatten().flatten();
    let newest = manifests.map(|m| m.path()).filter(|m| !m.to_string_lossy().contains("tmp-")).max();
    let text = newest.and_then(|m| std::fs::read_to_string(m).ok()).unwrap_or_default();
    let positions = text.lines().filter_map(|l| l.trim().strip_prefix("\"position\": "));
    positions.filter_map(|p| p.trim_end_matches(',').parse::<u64>().ok()).sum::<u64>() / 2
}

impl Drop for LoadProcess {
    fn drop(&mut self) {
        let _ = self.child.wait();
    }
}
