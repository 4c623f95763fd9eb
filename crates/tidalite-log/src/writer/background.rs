//! The thread that syncs every interval and makes spare segments, and the bell that wakes it.
//!
//! It holds the bell, and the log only while it works, so it never keeps a log alive; it dies with the process and
//! holds up neither its exit nor a fork. It is started by the first append, and joined when the log is closed.

use super::shared::Shared;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidalite_model::{Error, Result};

/// How the log reaches its thread.
#[derive(Debug, Default)]
pub(super) struct Bell {
    asked: Mutex<Asked>,
    rung: Condvar,
}

#[derive(Debug, Default)]
struct Asked {
    stop: bool,
    spare: bool,
    sync: bool,
}

/// What woke the thread.
enum Call {
    Stop,
    Spare,
    Sync,
}

impl Bell {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ask_for_spare(&self) {
        self.asked().spare = true;
        self.rung.notify_one();
    }

    pub(super) fn ask_for_sync(&self) {
        self.asked().sync = true;
        self.rung.notify_one();
    }

    pub(super) fn stop(&self) {
        self.asked().stop = true;
        self.rung.notify_one();
    }

    /// Waits for a call; the deadline is a call to sync.
    fn wait(&self, deadline: Instant) -> Call {
        let mut asked = self.asked();
        loop {
            if asked.stop {
                return Call::Stop;
            }
            // A spare first: it saves an append from waiting, and takes less long.
            if std::mem::take(&mut asked.spare) {
                return Call::Spare;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if std::mem::take(&mut asked.sync) || left.is_zero() {
                return Call::Sync;
            }
            (asked, _) = self.rung.wait_timeout(asked, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Shared {
    /// Starts the thread where there is to be one and is none yet.
    pub(super) fn start_background(self: &Arc<Self>) -> Result<()> {
        if !self.options.background {
            return Ok(());
        }
        let mut thread = self.thread();
        if thread.is_none() {
            let (bell, log) = (self.bell.clone(), Arc::downgrade(self));
            let interval = self.options.interval();
            let started = std::thread::Builder::new()
                .name("tidalite-log".to_string())
                .spawn(move || work(&bell, &log, interval))
                .map_err(|e| Error::io("start the thread that syncs the log", &self.dir.path, e))?;
            *thread = Some(started);
        }
        Ok(())
    }

    pub(super) fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn work(bell: &Bell, log: &Weak<Shared>, interval: Duration) {
    let mut deadline = Instant::now() + interval;
    loop {
        let call = bell.wait(deadline);
        let Some(log) = log.upgrade() else { return };
        match call {
            Call::Stop => return,
            Call::Spare => log.make_spare(),
            Call::Sync => {
                // The log remembers a failure and tells it to the next caller.
                let _ = log.sync();
                deadline = Instant::now() + interval;
            }
        }
    }
}
