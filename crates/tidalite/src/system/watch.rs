//! A watch: a thread that samples the machine at an interval and logs the readings to a run.
//!
//! Each sample is one step, with one row for all readings with the same labels. Steps count samples, separately from
//! the run's steps, and continue where the run's last watch ended, so that no sample replaces an older one. An error
//! does not affect the run: the watch waits or ends, and reports why.

use super::sampler::{Sampler, SystemReading};
use crate::engine::tail_names::TELEMETRY;
use crate::write::run::Run;
use crate::write::side_log::SideLog;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidalite_model::{Error, ErrorKind, Labels, Result};
use tidalite_vfs::ForkGuard;

/// Sampling more often would take more than 1 % of a core.
const INTERVAL_MIN: Duration = Duration::from_millis(50);
/// A longer interval is a mistake. The limit also keeps sums of times in range.
const INTERVAL_MAX: Duration = Duration::from_secs(86_400);

/// A running watch. It ends when it is stopped or dropped, when the run ends, or when the store is closed. It keeps
/// neither of them open. See [`Run::watch_system`].
#[derive(Debug)]
#[must_use = "a watch ends when it is dropped"]
pub struct SystemWatch {
    shared: Arc<WatchShared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    fork: ForkGuard,
}

#[derive(Debug, Default)]
struct WatchShared {
    state: Mutex<WatchState>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct WatchState {
    stop: bool,
    error: Option<Error>,
}

impl WatchShared {
    fn state(&self) -> MutexGuard<'_, WatchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    /// Starts a thread that samples this machine now and then every `interval`, and logs the readings to this run until
    /// the watch is stopped or dropped.
    ///
    /// The metrics are those of [`SystemReading`](super::SystemReading) prefixed with `system/`, such as
    /// `system/cpu/total_percent`. Their labels are the run's and the reading's `core`, `disk`, `interface` or `gpu`.
    /// Steps count samples from 0, or from the end of an earlier watch of this run. Automatic steps of other metrics
    /// ignore metrics under `system/`. If several processes watch one run, give each a distinct label, such as its
    /// rank; otherwise their samples are repeats of each other.
    ///
    /// ```
    /// use std::time::Duration;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// let watch = run.watch_system(Duration::from_secs(1))?;
    /// run.log(None, &[("loss", 0.5)])?;
    /// watch.stop();
    /// assert!(watch.error().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` for an interval below 50 ms or above a day, if this process already watches this run, and if the run
    /// has ended; those of a [query](crate::Snapshot::select) if the earlier samples cannot be read; `Io` if no thread
    /// can be started.
    pub fn watch_system(&self, interval: Duration) -> Result<SystemWatch> {
        if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&interval) {
            return Err(wrong(format!("the interval is {interval:?}"), "give 50 ms to a day; 1 s is usual"));
        }
        let Some(claim) = Claim::take(self.watched()?) else {
            return Err(wrong(
                format!("this process already watches run {:?}", self.id()),
                "stop that watch first",
            ));
        };
        // After the claim: no other watch of this process can add a sample.
        let (side_log, first) = (self.side_log()?, self.next_sample()?);
        let shared = Arc::new(WatchShared::default());
        let seen = shared.clone();
        let thread = std::thread::Builder::new()
            .name("tidalite-system".into())
            .spawn(move || {
                let _claim = claim;
                watch(side_log, first, interval, &seen);
            })
            .map_err(|e| {
                Error::new(ErrorKind::Io, "watch system", e.to_string(), "check the limits on threads")
            })?;
        Ok(SystemWatch { shared, thread: Mutex::new(Some(thread)), fork: ForkGuard::new() })
    }
}

impl SystemWatch {
    /// Ends the watch, and returns when its thread has ended, after any sample in progress. Samples are kept. Does
    /// nothing if called again, or in a forked child.
    pub fn stop(&self) {
        // A forked child has no watch thread, and a thread that does not exist there may hold these locks.
        if self.fork.forked() {
            return;
        }
        self.shared.state().stop = true;
        self.shared.wake.notify_all();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take()
            && thread.join().is_err()
        {
            self.shared.state().error.get_or_insert_with(broken);
        }
    }

    /// Why the watch ended by itself, or why the last sample was not logged while the disk is full, in which case the
    /// watch continues. `None` if nothing went wrong. [`stop`](Self::stop) does not clear it.
    pub fn error(&self) -> Option<Error> {
        if self.fork.forked() {
            let text = "this process was forked from the one that watches";
            return Some(wrong(text, "watch the run in this process too"));
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = thread.as_ref().is_some_and(JoinHandle::is_finished);
        // A thread that ended unasked and without an error has panicked.
        self.shared.state().error.as_ref().map(Error::duplicate).or_else(|| ended.then(broken))
    }
}

impl Drop for SystemWatch {
    fn drop(&mut self) {
        if self.fork.forked() {
            std::mem::forget(self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        } else {
            self.stop();
        }
    }
}

/// Marks a run as watched by this process until dropped.
struct Claim(Arc<AtomicBool>);

impl Claim {
    fn take(watched: Arc<AtomicBool>) -> Option<Claim> {
        (!watched.swap(true, Ordering::AcqRel)).then(|| Claim(watched))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The loop of the watch thread.
fn watch(mut side_log: SideLog, first: i64, interval: Duration, shared: &WatchShared) {
    // Takes longer than a sample, so it runs here and not in the caller's thread.
    let mut sampler = Sampler::new();
    let mut due = Instant::now();
    let mut step = first;
    loop {
        let logged = log(&mut side_log, step, sampler.sample());
        step = step.saturating_add(1);
        let full = logged.as_ref().is_err_and(|e| e.kind() == ErrorKind::Full);
        let go_on = logged.is_ok() || full;
        let mut state = shared.state();
        // Success after a full disk clears the error.
        state.error = logged.err();
        if !go_on {
            return;
        }
        due += interval;
        // Samples missed during a long pause of the machine are not made up for.
        let now = Instant::now();
        if due < now {
            due = now + interval;
        }
        let wait = due.saturating_duration_since(now);
        let (state, _) =
            shared.wake.wait_timeout_while(state, wait, |s| !s.stop).unwrap_or_else(PoisonError::into_inner);
        if state.stop {
            return;
        }
    }
}

/// Logs a sample, with one row for all readings with the same labels.
fn log(side_log: &mut SideLog, step: i64, readings: Vec<SystemReading>) -> Result<()> {
    let time_us = side_log.now_us();
    let mut rows: BTreeMap<Labels, Vec<(String, f64)>> = BTreeMap::new();
    for reading in readings {
        // A label that the store refuses, such as an odd mount point, skips only its series.
        let Ok(labels) = Labels::new(reading.labels) else { continue };
        rows.entry(labels).or_default().push((format!("{TELEMETRY}{}", reading.metric), reading.value));
    }
    for (labels, values) in rows {
        let values: Vec<(&str, f64)> = values.iter().map(|(name, value)| (&**name, *value)).collect();
        side_log.log(step, time_us, &labels, &values)?;
    }
    Ok(())
}

fn wrong(wrong: impl Into<String>, remedy: &str) -> Error {
    Error::invalid("watch system", wrong, remedy)
}

fn broken() -> Error {
    let text = "the sampler's thread panicked";
    Error::new(ErrorKind::Poisoned, "watch system", text, "start another watch")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Store};
    use tidalite_model::SeriesKey;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Options::new().background(false).open(dir.path().join("s")).unwrap();
        (dir, store)
    }

    /// Waits for a condition, and fails after 60 s.
    fn until(what: impl Fn() -> bool) {
        let start = Instant::now();
        while !what() {
            assert!(start.elapsed() < Duration::from_secs(60), "the watch did nothing for 60 s");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The (least, greatest) step and count of a metric without labels.
    fn steps(store: &Store, metric: &str) -> Option<(i64, i64, u64)> {
        let found = store.select().run("r").metric(metric).summaries().unwrap();
        let sum = found.into_iter().find(|(key, _): &(SeriesKey, _)| key.labels.is_empty())?.1;
        Some((sum.first?.step, sum.last?.step, sum.count))
    }

    const LOAD: &str = "system/load/one_minute";

    #[test]
    fn samples_are_rows_of_the_run_and_do_not_change_its_steps() {
        let (_dir, store) = store();
        let run = store.run("r").start().unwrap();
        run.log(None, &[("loss", 1.0)]).unwrap();
        let watch = run.watch_system(INTERVAL_MIN).unwrap();
        until(|| steps(&store, LOAD).is_some_and(|s| s.2 >= 3));
        run.log(None, &[("loss", 2.0)]).unwrap();
        watch.stop();
        assert!(watch.error().is_none());
        let (first, last, count) = steps(&store, LOAD).unwrap();
        assert_eq!((first, last + 1), (0, count.cast_signed()));
        assert_eq!(steps(&store, "loss"), Some((0, 1, 2)));
        let labels: Vec<String> = store
            .select()
            .metrics("system/*")
            .summaries()
            .unwrap()
            .into_iter()
            .flat_map(|(key, _)| key.labels.iter().map(|(k, _)| k).collect::<Vec<_>>())
            .collect();
        assert!(
            labels.iter().all(|l| ["core", "disk", "interface", "gpu"].contains(&l.as_str())),
            "{labels:?}"
        );
    }

    #[test]
    fn a_later_watch_continues_the_count_apart_from_the_runs_steps() {
        let (dir, store) = store();
        let run = store.run("r").start().unwrap();
        run.log(41, &[("loss", 1.0)]).unwrap();
        for _ in 0..2 {
            let before = steps(&store, LOAD).map_or(0, |s| s.2);
            let watch = run.watch_system(INTERVAL_MIN).unwrap();
            until(|| steps(&store, LOAD).is_some_and(|s| s.2 > before));
            drop(watch);
        }
        run.finish().unwrap();
        store.close().unwrap();
        let store = Options::new().background(false).open(dir.path().join("s")).unwrap();
        let run = store.run("r").start().unwrap();
        run.log(None, &[("loss", 2.0)]).unwrap();
        assert_eq!(steps(&store, "loss"), Some((41, 42, 2)));
        let before = steps(&store, LOAD).unwrap();
        let watch = run.watch_system(INTERVAL_MIN).unwrap();
        until(|| steps(&store, LOAD).unwrap().2 > before.2);
        watch.stop();
        let (first, last, count) = steps(&store, LOAD).unwrap();
        assert_eq!((first, last + 1), (0, count.cast_signed()), "each sample has a distinct step");
    }

    #[test]
    fn the_end_of_a_run_ends_its_watch_with_an_error() {
        let (_dir, store) = store();
        let run = store.run("r").start().unwrap();
        let watch = run.watch_system(INTERVAL_MIN).unwrap();
        run.finish().unwrap();
        until(|| watch.error().is_some());
        let error = watch.error().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("has ended"), "{error}");
        watch.stop();
        assert!(run.watch_system(INTERVAL_MIN).is_err());
    }

    #[test]
    fn a_watch_keeps_neither_run_nor_store_open() {
        let (_dir, store) = store();
        let run = store.run("r").start().unwrap();
        let watch = run.watch_system(INTERVAL_MIN).unwrap();
        drop(run);
        assert_eq!(store.snapshot().unwrap().run("r").unwrap().status, crate::Status::Finished);
        until(|| watch.error().is_some());
        let run = store.run("r").start().unwrap();
        let watch = run.watch_system(INTERVAL_MIN).unwrap();
        store.close().unwrap();
        until(|| watch.error().is_some());
        assert_eq!(watch.error().unwrap().kind(), ErrorKind::Poisoned);
    }

    #[test]
    fn a_run_is_watched_once_and_at_an_interval_in_range() {
        let (_dir, store) = store();
        let run = store.run("r").start().unwrap();
        for wrong in [Duration::ZERO, Duration::from_millis(49), Duration::MAX] {
            assert_eq!(run.watch_system(wrong).unwrap_err().kind(), ErrorKind::Invalid);
        }
        let watch = run.watch_system(Duration::from_secs(3600)).unwrap();
        let other = store.run("r").start().unwrap();
        let error = other.watch_system(INTERVAL_MIN).unwrap_err();
        assert!(error.to_string().contains("already"), "{error}");
        let start = Instant::now();
        watch.stop();
        assert!(start.elapsed() < Duration::from_secs(30), "stop wakes the thread");
        other.watch_system(INTERVAL_MIN).unwrap().stop();
    }
}
