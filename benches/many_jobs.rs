//! Short jobs: each opens the store, starts a run, logs 50 points and closes the store, one job after the other and 16 at
//! once. Prints what a job costs at first and at last, how many files are left, and how long it takes to open the store
//! and to take the first snapshot.
//!
//! `cargo bench -p tidalite-benches --bench many_jobs`; `TIDALITE_BENCH_JOBS=20000` for so many jobs each way instead of
//! 2,000.
#![allow(clippy::disallowed_methods, reason = "a bench counts its own files")]
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tidalite::Store;

const POINTS: i64 = 50;

fn main() {
    let jobs = std::env::var("TIDALITE_BENCH_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(2000);
    for threads in [1, 16] {
        let dir = tempfile::tempdir().unwrap();
        let times = run_jobs(dir.path(), jobs, threads);
        report(dir.path(), threads, &times);
    }
}

/// The durations of the jobs in the order in which they began. A store that is opened again is a writer of its own, as
/// in another process.
fn run_jobs(path: &Path, jobs: usize, threads: usize) -> Vec<Duration> {
    let (next, times) = (AtomicUsize::new(0), Mutex::new(vec![Duration::ZERO; jobs]));
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

fn report(path: &Path, threads: usize, times: &[Duration]) {
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
    let runs = store.snapshot().unwrap().runs().len();
    let seen = start.elapsed();
    println!("{} jobs, {threads} at once", times.len());
    println!("  first tenth: {}", ms(&times[..tenth]));
    println!("  last tenth:  {}", ms(&times[times.len() - tenth..]));
    println!("  files left:  {}", files(path));
    println!("  open {opened:.1?}, with the first snapshot {seen:.1?}; {runs} runs");
}

fn files(folder: &Path) -> usize {
    let entries =
        std::fs::read_dir(folder).map(|entries| entries.flatten().collect()).unwrap_or_else(|_| Vec::new());
    entries.iter().map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}
