//! What it costs to stand beside a writer: reading the newest point and polling while more and more rows are not flushed,
//! waiting followers, many open stores, more living writers than a process may open files, and closing a store that is at
//! work.
//!
//! `cargo bench -p tidalite-benches --bench beside`. Warm, durability `process`; the readers' part runs in a process of its
//! own, so that it shares no memory with the writer.
#![allow(clippy::disallowed_methods, reason = "a bench prepares its own files")]
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::fs::read_to_string;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tidalite::{Options, Store, Thin};
use tidalite_testkit::metric_names;

const METRICS: usize = 20;
const FOLLOWERS: usize = 50;
const STORES: usize = 200;
const WRITERS: usize = 1_100;
/// The limit of open files of the process that reads beside so many writers.
const OPEN_FILES: usize = 256;

fn main() {
    if let Ok(part) = std::env::var("TIDALITE_BENCH_STAGE") {
        let path = std::env::var("TIDALITE_BENCH_STORE").unwrap();
        return match part.as_str() {
            "wait" => wait(Path::new(&path)),
            "limit" => beside_many_writers(Path::new(&path)),
            _ => read(Path::new(&path)),
        };
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = Options::new().background(false).open(&path).unwrap();
    let run = store.run("train").start().unwrap();
    let names = metric_names(METRICS);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let columns = run.columns(&names).unwrap();
    let mut step = 0;
    for points in [10_000, 100_000, 1_000_000] {
        while step < points / METRICS as i64 {
            columns.log(step, &[step as f64; METRICS]).unwrap();
            step += 1;
        }
        println!("{points} points in the log");
        stage("read", &path);
    }
    stage("wait", &path);
    many_stores(dir.path());
    many_writers(dir.path());
    close_at_work(dir.path());
}

fn stage(part: &str, path: &Path) {
    let exe = std::env::current_exe().unwrap();
    // The shell sets the limit, which the process itself could not raise again.
    let limit = if part == "limit" { format!("ulimit -n {OPEN_FILES}; ") } else { String::new() };
    let mut child = Command::new("sh");
    child.arg("-c").arg(format!("{limit}exec '{}'", exe.display()));
    let status = child.env("TIDALITE_BENCH_STAGE", part).env("TIDALITE_BENCH_STORE", path).status().unwrap();
    assert!(status.success(), "{part} failed");
}

/// The median of repetitions.
fn median(times: usize, mut work: impl FnMut()) -> Duration {
    let mut taken: Vec<Duration> = (0..times)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    taken.sort_unstable();
    taken[times / 2]
}

fn read(path: &Path) {
    let reader = Options::new().read_only(true).open(path).unwrap();
    let writer = Options::new().background(false).open(path).unwrap();
    let run = writer.run("beside").start().unwrap();
    let metric = metric_names(1).pop().unwrap();
    let select = || reader.select().run("train").metric(metric.as_str());
    let first = median(1, || drop(select().latest().unwrap()));
    let again = median(200, || assert_eq!(select().latest().unwrap().num_rows(), 1));
    let mut step = 0;
    let after_a_row = median(200, || {
        run.log(step, &[("other", 0.5)]).unwrap();
        step += 1;
        assert_eq!(select().latest().unwrap().num_rows(), 1);
    });
    let mut follow = reader.select().follow_new().unwrap();
    let idle = median(1000, || assert!(follow.poll().unwrap().is_empty()));
    let poll = median(500, || {
        run.log(step, &[("other", 0.5)]).unwrap();
        step += 1;
        assert_eq!(follow.poll().unwrap().iter().map(|b| b.num_rows()).sum::<usize>(), 1);
    });
    println!(
        "  latest: {first:.2?} the first time, then {again:.2?}, after a new row {after_a_row:.2?}\n  \
         poll: {idle:.2?} idle, {poll:.2?} with one new point"
    );
}

/// Processor time of this process in seconds, its threads, and its open files.
fn usage() -> (f64, usize, usize) {
    let stat = read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<u64> =
        stat.rsplit(')').next().unwrap().split(' ').map(|f| f.parse().unwrap_or(0)).collect();
    let ticks = fields.get(12).zip(fields.get(13)).map_or(0, |(user, system)| user + system);
    let count = |folder: &str| std::fs::read_dir(folder).map_or(0, Iterator::count);
    (ticks as f64 / 100.0, count("/proc/self/task"), count("/proc/self/fd"))
}

fn wait(path: &Path) {
    let reader = Options::new().read_only(true).open(path).unwrap();
    let waiting = Duration::from_secs(20);
    let (before, _, _) = usage();
    let start = Instant::now();
    let threads = std::thread::scope(|s| {
        for _ in 0..FOLLOWERS {
            s.spawn(|| {
                let mut follow = reader.select().follow_new().unwrap();
                assert!(follow.wait(waiting).unwrap().is_empty());
            });
        }
        std::thread::sleep(waiting / 2);
        usage().1
    });
    let used = usage().0 - before;
    let share = 100.0 * used / start.elapsed().as_secs_f64();
    println!("{FOLLOWERS} followers that wait in a thread each: {share:.2} % of a core, {threads} threads");
}

fn many_stores(dir: &Path) {
    let open = |i| {
        let store = Store::open(dir.join(format!("many/{i}"))).unwrap();
        let run = store.run("a").start().unwrap();
        run.log(0, &[("loss", 1.0)]).unwrap();
        (store, run)
    };
    let stores: Vec<_> = (0..STORES).map(open).collect();
    // Threads that only the start needed end.
    std::thread::sleep(Duration::from_secs(5));
    let start = Instant::now();
    let (before, threads, _) = usage();
    std::thread::sleep(Duration::from_secs(10));
    let share = 100.0 * (usage().0 - before) / start.elapsed().as_secs_f64();
    let start = Instant::now();
    drop(stores);
    println!(
        "{STORES} open stores: {threads} threads, {share:.2} % of a core, closed in {:.2?}",
        start.elapsed()
    );
}

fn many_writers(dir: &Path) {
    let path = dir.join("writers");
    let mut writers = Vec::new();
    for i in 0..WRITERS {
        let store = match Options::new().background(false).open(&path) {
            Ok(store) => store,
            Err(e) => return println!("{i} writers: {e}"),
        };
        let run = match store.run(format!("rank-{i}")).start() {
            Ok(run) => run,
            Err(e) => return println!("{i} writers: {e}"),
        };
        run.log(0, &[("loss", 1.0)]).unwrap();
        writers.push((store, run));
    }
    stage("limit", &path);
}

fn beside_many_writers(path: &Path) {
    let store = Options::new().background(false).open(path).unwrap();
    let first = median(1, || drop(store.snapshot().unwrap()));
    let read = median(20, || {
        let points = store.select().points().unwrap().collect().unwrap();
        assert_eq!(points.num_rows(), WRITERS);
    });
    let files = usage().2;
    let start = Instant::now();
    assert_eq!(store.flush().unwrap().points as usize, WRITERS);
    println!(
        "{WRITERS} living writers, at most {OPEN_FILES} open files: first snapshot {first:.2?}, a point of each \
         {read:.2?}, {files} files open, flush {:.2?}",
        start.elapsed()
    );
}

fn close_at_work(dir: &Path) {
    let path = dir.join("work");
    let rows = 2_000_000;
    let mut slowest = Duration::ZERO;
    for work in ["compact", "flush", "verify", "thin", "backup"] {
        let store = Store::open(&path).unwrap();
        for batch in 0..4 {
            let run = store.run(format!("{work}-{batch}")).start().unwrap();
            let columns = run.columns(&["loss", "acc"]).unwrap();
            for step in 0..rows / 8 {
                columns.log(step, &[step as f64, 0.5]).unwrap();
            }
            run.finish().unwrap();
            if work != "flush" {
                store.flush().unwrap();
            }
        }
        let (closed, ended) = std::thread::scope(|s| {
            let store = &store;
            let copy = dir.join(format!("copy-{work}"));
            let at_work = s.spawn(move || match work {
                "compact" => store.compact().map(drop),
                "flush" => store.flush().map(drop),
                "verify" => store.verify().map(drop),
                "thin" => store.thin(&Thin::new().matching("*").buckets(100)).map(drop),
                _ => store.backup(copy).map(drop),
            });
            std::thread::sleep(Duration::from_millis(20));
            let start = Instant::now();
            store.close().unwrap();
            (start.elapsed(), at_work.join().unwrap())
        });
        slowest = slowest.max(closed);
        println!(
            "close beside {work}: {closed:.2?}, {}",
            ended.map_or_else(|e| format!("{:?}", e.kind()), |()| "done".into())
        );
    }
    println!("slowest close: {slowest:.2?}");
}
