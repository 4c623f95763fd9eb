//! What the background thread has been asked to do.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Requests to the background thread, and the condition variable that wakes it.
#[derive(Debug, Default)]
pub(super) struct BackgroundRequests {
    pending: Mutex<PendingRequests>,
    added: Condvar,
}

#[derive(Debug, Default)]
struct PendingRequests {
    stop: bool,
    spare: bool,
    sync: bool,
}

/// What the thread does next.
pub(super) enum Request {
    Stop,
    Spare,
    Sync,
}

impl BackgroundRequests {
    fn pending(&self) -> MutexGuard<'_, PendingRequests> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn request_spare(&self) {
        self.pending().spare = true;
        self.added.notify_one();
    }

    pub(super) fn request_sync(&self) {
        self.pending().sync = true;
        self.added.notify_one();
    }

    pub(super) fn request_stop(&self) {
        self.pending().stop = true;
        self.added.notify_one();
    }

    /// Waits for a request. Reaching the deadline counts as a request to sync.
    pub(super) fn wait(&self, deadline: Instant) -> Request {
        let mut pending = self.pending();
        loop {
            if pending.stop {
                return Request::Stop;
            }
            // The spare goes first: it takes less time, and saves an append from waiting.
            if std::mem::take(&mut pending.spare) {
                return Request::Spare;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if std::mem::take(&mut pending.sync) || left.is_zero() {
                return Request::Sync;
            }
            (pending, _) = self.added.wait_timeout(pending, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
