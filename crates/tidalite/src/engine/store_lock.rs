//! The store's lock. Its holder alone publishes versions and deletes files: flush, compaction, thinning and collection
//! take it, in whichever process they run. Readers and writers of logs do without it.

use super::state::StoreState;
use std::time::{Duration, Instant};
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_vfs::{Lock, LockMode};

/// How long a flush or compaction by hand waits for the lock.
const LOCK_WAIT: Duration = Duration::from_secs(60);

/// Takes the store's lock.
///
/// # Errors
/// `Busy` where another process has it.
pub(crate) fn lock(inner: &StoreState) -> Result<Box<dyn Lock>> {
    let path = inner.paths.lock();
    inner.vfs.lock(&path, LockMode::Exclusive)?.ok_or_else(|| {
        Error::new(
            ErrorKind::Busy,
            "flush or compact",
            "another process does so just now",
            "wait for it, or try again later",
        )
        .at(&path)
    })
}

/// As [`lock`], but waits up to a minute where another process has the lock.
///
/// # Errors
/// As [`lock`].
pub(crate) fn lock_waiting(inner: &StoreState) -> Result<Box<dyn Lock>> {
    let start = Instant::now();
    loop {
        match lock(inner) {
            Err(e) if e.kind() == ErrorKind::Busy && start.elapsed() < LOCK_WAIT => {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}
