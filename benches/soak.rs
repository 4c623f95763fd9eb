//! A store under use for a long time: 32 writers that are killed and started again, 8 readers, 50 followers in one process.
//! What must stay flat is written down second by second: memory, descriptors, files, unflushed bytes, latency.
//!
//! ```sh
//! cargo bench -p tidalite-benches --bench soak -- MINUTES OUT.csv
//! python benches/soak_plot.py OUT.csv OUT.png
//! ```
#![allow(clippy::disallowed_methods, reason = "a bench looks at the files itself")]
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tidalite::{Aggregate, Options};
use tidalite_testkit::{Random, metric_names};

const WRITERS: usize = 32;
const READERS: usize = 8;
const FOLLOWERS: usize = 50;
const METRICS: usize = 20;
/// Rows a second of one writer.
const ROWS: u64 = 50;
/// A writer is killed and started again this often.
const KILL_EVERY: Duration = Duration::from_secs(3);

fn main() {
    if let Ok(role) = std::env::var("TIDALITE_BENCH_ROLE") {
        let path = std::env::var("TIDALITE_BENCH_STORE").unwrap();
        match role.split_once(' ').unwrap() {
            ("write", number) => write(Path::new(&path), number),
            ("read", _) => read(Path::new(&path)),
            _ => follow(Path::new(&path)),
        }
        return;
    }
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let minutes: u64 = arguments.first().and_then(|n| n.parse().ok()).unwrap_or(1);
    let out = arguments.get(1).map_or("target/soak.csv", String::as_str);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    drop(Options::new().open(&path).unwrap());
    let mut writers: Vec<Child> = (0..WRITERS).map(|w| start("write", w, &path)).collect();
    let mut readers: Vec<Child> = (0..READERS).map(|r| start("read", r, &path)).collect();
    let mut follower = start("follow", 0, &path);
    let reads = lines_of(readers.iter_mut());
    let seen = lines_of(std::iter::once(&mut follower));
    let (start_time, mut killed, mut rng) = (Instant::now(), Instant::now(), Random::new(1));
    let mut csv = String::from(HEAD);
    let (mut restarts, mut followed) = (0, 0);
    while start_time.elapsed() < Duration::from_secs(minutes * 60) {
        std::thread::sleep(Duration::from_secs(1));
        if killed.elapsed() >= KILL_EVERY {
            killed = Instant::now();
            let w = rng.below(WRITERS as u64) as usize;
            end(&mut writers[w]);
            writers[w] = start("write", w, &path);
            restarts += 1;
        }
        if let Some(line) = seen.try_iter().last() {
            followed = line.parse().unwrap_or_else(|_| {
                println!("    {line}");
                followed
            });
        }
        let second = start_time.elapsed().as_secs();
        writeln!(
            csv,
            "{second},{followed},{},{}",
            reads_of(&reads),
            state(&writers, &readers, &follower, &path)
        )
        .unwrap();
        if second % 30 == 0 {
            println!("{}", csv.lines().last().unwrap());
            fs::write(out, &csv).unwrap();
        }
    }
    writers.iter_mut().chain(&mut readers).chain([&mut follower]).for_each(end);
    fs::write(out, &csv).unwrap();
    let reader = Options::new().read_only(true).open(&path).unwrap();
    let stats = reader.stats().unwrap();
    println!("{restarts} writers killed, {} points, {} runs; see {out}", stats.points, stats.runs);
    assert!(reader.verify().unwrap().is_sound());
}

const HEAD: &str = "second,rows_followed,reads,read_p50_ms,read_max_ms,refused,reader_rss_mib,reader_fds,\
                    follower_rss_mib,follower_fds,follower_threads,writer_rss_mib,files,store_mib,log_mib\n";

fn end(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The number of reads since the last call, their median and worst latency, and how many failed.
fn reads_of(lines: &Receiver<String>) -> String {
    let mut latencies: Vec<f64> = Vec::new();
    let mut refused = 0;
    for line in lines.try_iter() {
        match line.parse() {
            Ok(ms) => latencies.push(ms),
            Err(_) => {
                println!("    a read failed: {line}");
                refused += 1;
            }
        }
    }
    latencies.sort_by(f64::total_cmp);
    let median = latencies.get(latencies.len() / 2).copied().unwrap_or(0.0);
    let worst = latencies.last().copied().unwrap_or(0.0);
    format!("{},{median:.1},{worst:.1},{refused}", latencies.len())
}

/// What the processes and the store take now; the most of each kind of process.
fn state(writers: &[Child], readers: &[Child], follower: &Child, path: &Path) -> String {
    let most = |all: &[Child], of: fn(u32) -> u64| all.iter().map(|p| of(p.id())).max().unwrap_or(0);
    let (files, bytes, log_bytes) = sizes(path);
    let values = [
        most(readers, rss_mib),
        most(readers, descriptors),
        rss_mib(follower.id()),
        descriptors(follower.id()),
        threads(follower.id()),
        most(writers, rss_mib),
        files,
        bytes >> 20,
        log_bytes >> 20,
    ];
    values.map(|n| n.to_string()).join(",")
}

fn start(role: &str, number: usize, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .env("TIDALITE_BENCH_ROLE", format!("{role} {number}"))
        .env("TIDALITE_BENCH_STORE", path)
        .stdout(if role == "write" { Stdio::null() } else { Stdio::piped() })
        .spawn()
        .unwrap()
}

/// The lines that processes print, as they come.
fn lines_of<'a>(children: impl Iterator<Item = &'a mut Child>) -> Receiver<String> {
    let (send, receive) = channel();
    for child in children {
        let (lines, send) = (BufReader::new(child.stdout.take().unwrap()).lines(), send.clone());
        std::thread::spawn(move || lines.map_while(Result::ok).all(|line| send.send(line).is_ok()));
    }
    receive
}

fn write(path: &Path, number: &str) {
    let store = Options::new().open(path).unwrap();
    let run = store
        .run(format!("run-{}", number.parse::<u64>().unwrap() / 4))
        .label("rank", number)
        .start()
        .unwrap();
    let names = metric_names(METRICS);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let columns = run.columns(&names).unwrap();
    let start = Instant::now();
    for row in 0_u64.. {
        let values: Vec<f64> = (0..METRICS).map(|m| (row as f64).sin() * m as f64).collect();
        columns.log(None, &values).unwrap();
        let due = Duration::from_micros(row * 1_000_000 / ROWS);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
    }
}

fn read(path: &Path) {
    let reader = Options::new().read_only(true).open(path).unwrap();
    let metric = metric_names(METRICS).pop().unwrap();
    for question in 0.. {
        let start = Instant::now();
        let select = reader.select().metric(metric.as_str());
        let asked = match question % 4 {
            0 => select.latest().map(drop),
            1 => select.run("run-1").chart(500).map(drop),
            2 => select.aggregate(&[Aggregate::Mean, Aggregate::Count], &[]).map(drop),
            _ => reader.runs().map(drop),
        };
        match asked {
            Ok(()) => println!("{:.3}", start.elapsed().as_secs_f64() * 1000.0),
            Err(e) => println!("{}", e.to_string().replace('\n', " ")),
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn follow(path: &Path) {
    let reader = Options::new().read_only(true).open(path).unwrap();
    let rows = Arc::new(AtomicU64::new(0));
    let first_error: Arc<Mutex<Option<String>>> = Arc::default();
    for f in 0..FOLLOWERS {
        let select = reader.select().metric(metric_names(METRICS)[f % METRICS].as_str());
        let (rows, first_error) = (rows.clone(), first_error.clone());
        std::thread::spawn(move || {
            let mut follow = select.follow_new().unwrap();
            loop {
                match follow.wait(Duration::from_secs(5)) {
                    Ok(batches) => {
                        let new: usize = batches.iter().map(|b| b.num_rows()).sum();
                        rows.fetch_add(new as u64, Ordering::Relaxed);
                    }
                    Err(e) => drop(first_error.lock().unwrap().get_or_insert(e.to_string())),
                }
            }
        });
    }
    loop {
        std::thread::sleep(Duration::from_secs(1));
        println!("{}", rows.load(Ordering::Relaxed));
        if let Some(error) = first_error.lock().unwrap().take() {
            println!("a follower failed: {error}");
        }
    }
}

/// The number of files of a store, their bytes, and those of the logs, as allocated on the disk.
fn sizes(folder: &Path) -> (u64, u64, u64) {
    use std::os::unix::fs::MetadataExt;
    let (mut files, mut bytes, mut log_bytes) = (0, 0, 0);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            let of = sizes(&path);
            files += of.0;
            bytes += of.1;
            log_bytes += if entry.file_name() == "log" { of.1 } else { of.2 };
        } else if let Ok(file) = entry.metadata() {
            files += 1;
            bytes += file.blocks() * 512;
        }
    }
    (files, bytes, log_bytes)
}

fn status(pid: u32, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(field));
    line.and_then(|line| line.split_whitespace().nth(1)).and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn rss_mib(pid: u32) -> u64 {
    status(pid, "VmRSS:") >> 10
}

fn threads(pid: u32) -> u64 {
    status(pid, "Threads:")
}

fn descriptors(pid: u32) -> u64 {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |entries| entries.count() as u64)
}
