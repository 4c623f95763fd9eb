//! The lock on an open file (flock).
//!
//! A forked child shares its parent's descriptors and their locks. So the process that took a lock unlocks it explicitly;
//! otherwise a surviving child would keep it. A child only closes its copy of the descriptor, which leaves the parent's
//! lock in place.

use crate::vfs::LockMode;
use rustix::io::Errno;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use tidalite_model::{Error, ErrorKind, Result};

/// Whether a descriptor holds a lock, and which process took it. Its owner must call `release` before closing.
#[derive(Debug)]
pub(crate) struct Locked {
    held: AtomicBool,
    /// The process that took it.
    pub(crate) pid: u32,
}

impl Locked {
    pub(crate) fn new() -> Self {
        Locked { held: AtomicBool::new(false), pid: std::process::id() }
    }

    pub(crate) fn acquire(&self, file: &File, path: &Path, mode: LockMode) -> Result<bool> {
        let tried = match mode {
            LockMode::Shared => file.try_lock_shared(),
            LockMode::Exclusive => file.try_lock(),
        };
        match tried {
            Ok(()) => {
                self.held.store(true, Ordering::Relaxed);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(e)) => Err(match Errno::from_io_error(&e) {
                Some(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => Error::new(
                    ErrorKind::Unsupported,
                    "lock file",
                    format!("the file system has no locks ({e})"),
                    "mount it with locks, or put the store on another file system",
                )
                .at(path),
                _ => Error::io("lock file", path, e),
            }),
        }
    }

    pub(crate) fn release(&self, file: &File) {
        // In a forked child the lock belongs to the parent.
        if self.held.load(Ordering::Relaxed) && std::process::id() == self.pid {
            // Closing the descriptor also releases the lock, unless a child shares it.
            let _ = file.unlock();
        }
    }
}
