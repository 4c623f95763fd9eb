//! The background thread of a writing process: flushes, compacts and collects at low priority when there is enough to
//! do.
//!
//! Correctness does not depend on it. At each turn it checks that the store is still there; once it is gone, it ends the
//! log writer and itself. It uses at most one core, skips its turn while another process does this work,
//! and may be killed at any moment. It holds a reference to the store only while it works, so it does not keep the
//! store open.

use super::collect;
use super::compact::compact_all;
use super::flush::flush_all;
use super::policy::Policy;
use crate::engine::room::JobRoom;
use crate::engine::state::{Background, StoreState};
use crate::engine::store_lock;
use crate::engine::threads::thread_pool;
use crate::files::manifest;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidalite_log::{BatchRef, Log, LogSink, Row};
use tidalite_model::{Error, ErrorKind, Result, RunChange, TIME_US_MIN, WriteOrder};
use uuid::Uuid;

/// How often the thread checks for work.
const TICK: Duration = Duration::from_secs(1);
/// The number of new writers' folders, of any process, that is worth a flush: each costs a reader a few system calls.
const NEW_FOLDERS_MAX: usize = 32;

/// This process's log writer, made on first use. The background thread starts with it.
///
/// # Errors
/// `Invalid` if the store was opened read-only; otherwise those of making a log.
pub(crate) fn log(inner: &Arc<StoreState>) -> Result<&Arc<Log>> {
    inner.log_or_make(|inner| Box::new(Worker::start(inner)), greatest_clock)
}

/// The greatest clock of a write in the store, as far as it can be read: a new writer must not wait for a repair.
fn greatest_clock(inner: &StoreState) -> i64 {
    let mut greatest = GreatestClock(TIME_US_MIN);
    let Ok(version) = manifest::latest(&*inner.vfs, &inner.paths) else { return greatest.0 };
    greatest.note(version.manifest.clock_us);
    for dir in tidalite_log::writers(&*inner.vfs, &inner.paths.log()).unwrap_or_default() {
        let alive = tidalite_log::life(&*inner.vfs, &dir).is_ok_and(|life| life.may_append());
        let from = version.manifest.flushed(dir.writer);
        let _ = tidalite_log::replay(&*inner.vfs, &dir, from, alive, &mut greatest);
    }
    greatest.0
}

/// Keeps the greatest clock of a log, and nothing else.
struct GreatestClock(i64);

impl GreatestClock {
    fn note(&mut self, clock_us: i64) {
        self.0 = self.0.max(clock_us);
    }
}

impl LogSink for GreatestClock {
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        self.note(row.written.clock_us(row.time_us));
        Ok(())
    }

    fn points(&mut self, batch: BatchRef<'_>) -> Result<()> {
        self.note(batch.clock_us());
        Ok(())
    }

    fn change(&mut self, order: WriteOrder, _: &str, _: RunChange) -> Result<()> {
        self.note(order.clock_us);
        Ok(())
    }

    fn part(&mut self, order: WriteOrder, _: Uuid, _: &[u8]) -> Result<()> {
        self.note(order.clock_us);
        Ok(())
    }
}

/// The thread; dropping this ends it.
#[derive(Debug)]
struct Worker {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn start(inner: &Arc<StoreState>) -> Worker {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let (weak, seen) = (Arc::downgrade(inner), stop.clone());
        // Without a thread the store still works; explicit calls or other processes flush it.
        let thread = std::thread::Builder::new()
            .name("tidalite-maintain".into())
            .spawn(move || work(&weak, &seen))
            .ok();
        Worker { stop, thread }
    }
}

impl Background for Worker {}

impl Drop for Worker {
    fn drop(&mut self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

fn work(inner: &Weak<StoreState>, stop: &(Mutex<bool>, Condvar)) {
    tidalite_vfs::lower_priority();
    let mut last = Instant::now();
    let (mut flushed_bytes, mut folders_left) = (0, 0);
    loop {
        let stopped = stop.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (stopped, _) =
            stop.1.wait_timeout_while(stopped, TICK, |s| !*s).unwrap_or_else(PoisonError::into_inner);
        if *stopped {
            return;
        }
        drop(stopped);
        let Some(inner) = inner.upgrade() else { return };
        if inner.is_closed() {
            return;
        }
        if let Err(e) = inner.check_there()
            && e.kind() == ErrorKind::NotFound
        {
            if let Some(log) = inner.log() {
                log.end(&Error::store_gone(ErrorKind::Poisoned, "write to log", inner.paths.root()));
            }
            return;
        }
        let bytes = inner.log().map_or(0, |log| log.bytes());
        let due = bytes - flushed_bytes >= inner.options.flush_bytes
            || (bytes > flushed_bytes && last.elapsed() >= inner.options.flush_interval)
            || folders(&inner) >= folders_left + NEW_FOLDERS_MAX;
        if !due {
            continue;
        }
        // An error loses nothing: the rows stay in the log, and the next explicit flush reports it.
        match round(&inner) {
            Err(e) if e.kind() == ErrorKind::Busy => {}
            _ => (last, flushed_bytes, folders_left) = (Instant::now(), bytes, folders(&inner)),
        }
    }
}

fn folders(inner: &StoreState) -> usize {
    inner.vfs.read_dir(&inner.paths.log()).map_or(0, |names| names.len())
}

fn round(inner: &StoreState) -> Result<()> {
    let _lock = store_lock::lock(inner)?;
    let pool = thread_pool(1, "tidalite-compact", tidalite_vfs::lower_priority)?;
    let room = JobRoom::background(inner, &pool);
    inner.seal()?;
    flush_all(inner, &room, &|_| {})?;
    compact_all(inner, Policy::Tiered, &room, &|_, _| {})?;
    collect::collect(inner, i64::try_from(inner.options.grace.as_micros()).unwrap_or(i64::MAX))
}
