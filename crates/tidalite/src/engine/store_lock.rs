//! The store's lock. Only its holder publishes versions and deletes files: flush, compaction, thinning and collection
//! take it, in any process. Reading a store and writing a log need no lock.

use super::state::StoreState;
use std::time::{Duration, Instant};
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_vfs::{Lock, LockMode};

/// How long [`lock_waiting`] waits for the lock.
const LOCK_WAIT: Duration = Duration::from_secs(60);

/// Takes the store's lock.
///
/// # Errors
/// `Busy` if another process or thread holds it; `NotFound` if the store is gone.
pub(crate) fn lock(inner: &StoreState) -> Result<Box<dyn Lock>> {
    inner.check_there()?;
    let path = inner.paths.lock();
    let taken = inner.vfs.lock(&path, LockMode::Exclusive);
    // The lock of another store protects nothing here.
    inner.if_there(taken)?.ok_or_else(|| {
        Error::new(
            ErrorKind::Busy,
            "flush or compact",
            "another process is doing so",
            "wait for it, or try again later",
        )
        .at(&path)
    })
}

/// As [`lock`], but waits up to [`LOCK_WAIT`].
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
