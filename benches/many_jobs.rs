//! Short jobs: each opens the store, starts a run, logs 50 points and closes the store, one job after the other and 16 at
//! once. Prints what a job costs at first and at last, in time and in processor time, how many files there were at most and
//! are left, and how long it takes to open the store, to start a run, and to take the first snapshot.
//!
//! `cargo bench -p tidalite-benches --bench many_jobs`; `TIDALITE_BENCH_JOBS=20000` for so many jobs each way instead of
//! 2,000; `TIDALITE_BENCH_AT_ONCE=16` for one way only.
#![allow(clippy::disallowed_methods, reason = "a bench counts its own files")]
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tidalite::{Options, Store};

const POINTS: i64 = 50;

fn main() {
    let jobs = std::env::var("TIDALITE_BENCH_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(2000);
    let only: Option<usize> = std::env::var("TIDALITE_BENCH_AT_ONCE").ok().and_then(|n| n.parse().ok());
    for threads in [1, 16].into_iter().filter(|threads| only.is_none_or(|only| only == *threads)) {
        let dir = tempfile::tempdir().unwrap();
        println!("{jobs} jobs, {threads} at once");
        let times = run_jobs(dir.path(), jobs, threads);
        report(dir.path(), &times);
    }
}

/// The durations of the jobs in the order in which they began. A store that is opened again is a writer of its own, as
/// in another process.
fn run_jobs(path: &Path, jobs: usize, threads: usize) -> Vec<Duration> {
    let (next, times) = (AtomicUsize::new(0), Mutex::new(vec![Duration::ZERO; jobs]));
    let tenths = Mutex::new((Instant::now(), processor_time(), 0));
    let tenth = jobs.div_ceil(10);
    std::thread::scope(|s| {
        for _ in 0..threads {
            s.spawn(|| {
                loop {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    if job >= jobs {
                        return;
                    }
                    let start = Instant::now();
                    one_job(path, job).unwrap();
                    times.lock().unwrap()[job] = start.elapsed();
                    if (job + 1).is_multiple_of(tenth) {
                        tell(path, tenth, &mut tenths.lock().unwrap());
                    }
                }
            });
        }
    });
    times.into_inner().unwrap()
}

fn one_job(path: &Path, job: usize) -> tidalite::Result<()> {
    let store = Store::open(path)?;
    let run = store.run(format!("job-{job}")).start()?;
    for step in 0..POINTS {
        run.log(step, &[("loss", 1.0 / (step + 1) as f64)])?;
    }
    run.finish()?;
    store.close()
}

/// Prints what a job of the last tenth cost on average, and how many files there are.
fn tell(path: &Path, jobs: usize, (since, used, told): &mut (Instant, Duration, usize)) {
    let now = processor_time();
    *told += 1;
    println!(
        "  {told:2} of 10: {:6.0} jobs/s, {:.1} ms and {:.1} ms of processor time each, {} files",
        jobs as f64 / since.elapsed().as_secs_f64(),
        since.elapsed().as_secs_f64() * 1e3 / jobs as f64,
        (now - *used).as_secs_f64() * 1e3 / jobs as f64,
        files(path)
    );
    (*since, *used) = (Instant::now(), now);
}

/// What this process has used: the 14th and 15th field of its line in `/proc`, in hundredths of a second.
fn processor_time() -> Duration {
    let line = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = line.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn report(path: &Path, times: &[Duration]) {
    let tenth = times.len().div_ceil(10);
    let ms = |part: &[Duration]| {
        let mut sorted = part.to_vec();
        sorted.sort_unstable();
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        format!("median {:.1} ms, p99 {:.1} ms", at(0.5), at(0.99))
    };
    let start = Instant::now();
    let store = Store::open(path).unwrap();
    let opened = start.elapsed();
    let runs = store.runs().unwrap().len();
    let seen = start.elapsed();
    println!("  first tenth: {}", ms(&times[..tenth]));
    println!("  last tenth:  {}", ms(&times[times.len() - tenth..]));
    let start = Instant::now();
    store.run("one-more").start().unwrap();
    println!(
        "  open {opened:.1?}, with the first snapshot {seen:.1?}; {runs} runs; a run starts in {:.1?}",
        start.elapsed()
    );
    store.close().unwrap();
    println!("  files left: {}{}", files(path), by_folder(path));
    Options::new().grace(Duration::ZERO).open(path).unwrap().flush().unwrap();
    println!("  files without those in their grace time: {}{}", files(path), by_folder(path));
}

fn by_folder(path: &Path) -> String {
    let folders = ["manifest", "runs", "writers", "parts", "series", "rollups", "hidden", "log"];
    let counts = folders.map(|folder| format!("{folder} {}", files(&path.join(folder))));
    format!(" ({})", counts.join(", "))
}

fn files(folder: &Path) -> usize {
    let entries =
        std::fs::read_dir(folder).map(|entries| entries.flatten().collect()).unwrap_or_else(|_| Vec::new());
    entries.iter().map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}
