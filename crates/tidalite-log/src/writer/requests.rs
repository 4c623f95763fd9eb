//! What the background job has been asked to do.

use std::sync::atomic::{AtomicBool, Ordering};

/// Requests to the background job.
#[derive(Debug, Default)]
pub(super) struct BackgroundRequests {
    spare: AtomicBool,
    sync: AtomicBool,
}

impl BackgroundRequests {
    pub(super) fn request_spare(&self) {
        self.spare.store(true, Ordering::Release);
    }

    pub(super) fn request_sync(&self) {
        self.sync.store(true, Ordering::Release);
    }

    /// Whether a spare was requested since the last call.
    pub(super) fn take_spare(&self) -> bool {
        self.spare.swap(false, Ordering::AcqRel)
    }

    /// Whether a sync was requested since the last call.
    pub(super) fn take_sync(&self) -> bool {
        self.sync.swap(false, Ordering::AcqRel)
    }
}
