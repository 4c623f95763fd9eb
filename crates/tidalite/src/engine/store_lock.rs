//! The store's lock. Only its holder publishes versions and deletes files: flush, compaction, thinning, merging and
//! collection take it, in any process. Reading a store and writing a log need no lock.
//!
//! The holder writes into the lock's file who it is. Others read it to say who is in the way. A holder that is stopped is
//! never passed by: when it is continued, it deletes files and publishes as if it had never been stopped.

use super::cancel::go_on;
use super::state::StoreState;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_vfs::{Lock, LockMode};

/// How long [`lock_waiting`] waits for the lock.
const LOCK_WAIT: Duration = Duration::from_secs(60);
/// How long it waits for a holder that is stopped.
const STOPPED_WAIT: Duration = Duration::from_secs(2);
/// How often it looks whether the lock is free.
const LOCK_LOOK: Duration = Duration::from_millis(5);
/// How often it asks its caller whether to go on.
const ASK: Duration = Duration::from_millis(100);

/// The store's lock, held until this value is dropped.
#[derive(Debug)]
pub(crate) struct StoreLock(Box<dyn Lock>);

/// Who holds the lock, as its file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LockHolder {
    pid: u32,
    host: String,
    /// Where the pid is valid.
    machine: String,
    /// When it took the lock, µs since 1970 UTC.
    since_us: i64,
    /// What it does.
    doing: String,
}

impl Drop for StoreLock {
    fn drop(&mut self) {
        // What is left is stale at worst.
        let _ = self.0.write(b"");
    }
}

/// Takes the store's lock, to do what `doing` says.
///
/// # Errors
/// `Busy` if another process or thread holds it: it names the holder. `NotFound` if the store is gone.
pub(crate) fn lock(state: &StoreState, doing: &str) -> Result<StoreLock> {
    try_lock(state, doing)?.ok_or_else(|| busy(state, doing))
}

fn try_lock(state: &StoreState, doing: &str) -> Result<Option<StoreLock>> {
    state.check_there()?;
    let taken = state.vfs.lock(&state.paths.lock(), LockMode::Exclusive);
    // The lock of another store protects nothing here.
    let Some(lock) = state.if_there(taken)? else { return Ok(None) };
    let vfs = &state.vfs;
    let holder = LockHolder {
        pid: vfs.pid(),
        host: vfs.host(),
        machine: vfs.machine(),
        since_us: vfs.now_us(),
        doing: doing.to_string(),
    };
    // It only helps others to say who is in the way.
    let _ = lock.write(serde_json::to_string(&holder).unwrap_or_default().as_bytes());
    Ok(Some(StoreLock(lock)))
}

/// As [`lock`], but waits for a minute, or until its caller ends it.
///
/// # Errors
/// As [`lock`], for a stopped holder after two seconds; `Cancelled`.
pub(crate) fn lock_waiting(
    state: &StoreState,
    doing: &str,
    ask: &dyn Fn() -> ControlFlow<()>,
) -> Result<StoreLock> {
    let start = Instant::now();
    let (mut asked, mut running) = (start, start);
    loop {
        if let Some(lock) = try_lock(state, doing)? {
            return Ok(lock);
        }
        if asked.elapsed() >= ASK {
            go_on(ask())?;
            asked = Instant::now();
            if !holder(state).is_some_and(|h| h.is_stopped(state)) {
                running = asked;
            }
        }
        if start.elapsed() >= LOCK_WAIT || running.elapsed() >= STOPPED_WAIT {
            return Err(busy(state, doing));
        }
        std::thread::sleep(LOCK_LOOK);
    }
}

/// Who holds the lock; `None` if its file does not say.
fn holder(state: &StoreState) -> Option<LockHolder> {
    let file = state.vfs.open(&state.paths.lock()).ok()?;
    let mut text = vec![0; usize::try_from(file.len().ok()?.min(4096)).ok()?];
    let read = file.read_at(0, &mut text).ok()?;
    serde_json::from_slice(&text[..read]).ok()
}

impl LockHolder {
    fn is_stopped(&self, state: &StoreState) -> bool {
        !self.machine.is_empty() && self.machine == state.vfs.machine() && state.vfs.is_stopped(self.pid)
    }
}

fn busy(state: &StoreState, doing: &str) -> Error {
    let (wrong, remedy) = match holder(state) {
        None => ("another process works on the store".into(), "wait for it, or try again later".into()),
        Some(h) => {
            let seconds = state.vfs.now_us().saturating_sub(h.since_us).max(0) / 1_000_000;
            let who = format!("process {} on host {}", h.pid, h.host);
            let holds = format!("{who} has held the store's lock for {seconds} s, to {}", h.doing);
            match h.is_stopped(state) {
                true => (
                    format!("{holds}, and is stopped"),
                    format!("continue it (`kill -CONT {}`), or end it", h.pid),
                ),
                false => (holds, "wait for it, or try again later".into()),
            }
        }
    };
    Error::new(ErrorKind::Busy, doing, wrong, remedy).at(&state.paths.lock())
}
