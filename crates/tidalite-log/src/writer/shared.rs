//! The state that the log's callers and its background job share.

use super::commit::{Commit, poisoned};
use super::options::LogOptions;
use super::requests::BackgroundRequests;
use super::state::LogState;
use crate::dir::WriterDir;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_vfs::{ForkGuard, Job, Lock, Vfs};

/// Locks are taken one at a time, except that `commit`, `job` and `lock` may be taken under `state`.
#[derive(Debug)]
pub(super) struct LogShared {
    pub(super) vfs: Arc<dyn Vfs>,
    pub(super) log_dir: PathBuf,
    pub(super) dir: WriterDir,
    pub(super) options: LogOptions,
    pub(super) fork: ForkGuard,
    pub(super) state: Mutex<LogState>,
    /// Notified when the background job has finished making the spare.
    pub(super) spare_made: Condvar,
    pub(super) commit: Mutex<Commit>,
    /// Notified when a sync ends.
    pub(super) committed: Condvar,
    pub(super) requests: Arc<BackgroundRequests>,
    /// The background job, once it is needed.
    pub(super) job: Mutex<Option<Job>>,
    /// Shows to other processes that this writer lives.
    pub(super) lock: Mutex<Option<Box<dyn Lock>>>,
}

impl LogShared {
    pub(super) fn new(
        vfs: Arc<dyn Vfs>,
        log_dir: PathBuf,
        dir: WriterDir,
        lock: Box<dyn Lock>,
        options: LogOptions,
    ) -> Self {
        LogShared {
            vfs,
            log_dir,
            dir,
            fork: ForkGuard::new(),
            state: Mutex::new(LogState::new(options.segment_bytes_min)),
            spare_made: Condvar::new(),
            commit: Mutex::default(),
            committed: Condvar::new(),
            requests: Arc::default(),
            job: Mutex::default(),
            lock: Mutex::new(Some(lock)),
            options,
        }
    }

    #[inline]
    pub(super) fn state(&self) -> MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn job(&self) -> MutexGuard<'_, Option<Job>> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn commit(&self) -> MutexGuard<'_, Commit> {
        self.commit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `Poisoned` in a child of the process that opened the log. Call it before taking any lock: another thread may
    /// have held the lock at the fork, and then it stays locked permanently.
    #[inline]
    pub(super) fn check_fork(&self) -> Result<()> {
        if self.fork.forked() { Err(self.forked()) } else { Ok(()) }
    }

    #[cold]
    fn forked(&self) -> Error {
        Error::new(
            ErrorKind::Poisoned,
            "write to log",
            "this log was opened before a fork and belongs to the parent process",
            "open the store again in the child",
        )
        .at(&self.dir.path)
    }

    /// `Poisoned` if the log was closed or a failure ended it.
    pub(super) fn check_usable(&self, state: &LogState) -> Result<()> {
        self.check_unfailed(state)?;
        if !state.closed {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Poisoned,
            "write to log",
            "the log is closed",
            "open the store again to go on",
        )
        .at(&self.dir.path))
    }

    /// The error that ends the writer if its folder was deleted or replaced. The kernel keeps a file that is open, so
    /// rows would still be accepted, and nobody could read them.
    pub(super) fn gone(&self) -> Option<Error> {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        // A look-up that fails says nothing about the folder.
        if lock.as_ref().is_none_or(|lock| lock.is_linked().unwrap_or(true)) {
            return None;
        }
        let root = self.log_dir.parent().unwrap_or(&self.log_dir);
        Some(Error::store_gone(ErrorKind::Poisoned, "write to log", root))
    }

    /// As [`gone`](Self::gone), and ends the writer.
    pub(super) fn end_if_gone(&self) {
        if let Some(gone) = self.gone() {
            self.end(&gone);
        }
    }

    /// As [`end_if_gone`](Self::end_if_gone), also where the current segment cannot be written any more.
    pub(super) fn end_if_unwritable(&self) {
        self.end_if_gone();
        let current = self.state().current.as_ref().map(|current| current.file.clone());
        if let Some(Err(e)) = current.map(|file| file.check()) {
            self.end(&e);
        }
    }

    /// Ends the writer: every later call fails and names `why`.
    pub(super) fn end(&self, why: &Error) {
        self.state().fail(why);
        self.fail_waiters(why);
    }

    /// Wakes callers that wait for a sync that will never happen.
    pub(super) fn fail_waiters(&self, first: &Error) {
        self.commit().failed.get_or_insert_with(|| first.duplicate());
        self.committed.notify_all();
    }

    /// `Poisoned` if an earlier failure ended this writer.
    pub(super) fn check_unfailed(&self, state: &LogState) -> Result<()> {
        state.failed.as_ref().map_or(Ok(()), |first| Err(poisoned(first)))
    }
}
