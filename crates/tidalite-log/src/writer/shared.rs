//! The log as its callers and its background thread share it, and how it ends.

use super::LogOptions;
use super::background::Bell;
use super::state::{Spare, State};
use super::sync::Commit;
use crate::dir::{LOCK_NAME, WriterDir};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_vfs::{ForkGuard, Lock, Vfs};

/// Everything of a log. Locks are taken one at a time, but `commit` and `thread` may be taken under `state`.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) vfs: Arc<dyn Vfs>,
    pub(super) log_dir: PathBuf,
    pub(super) dir: WriterDir,
    pub(super) options: LogOptions,
    pub(super) fork: ForkGuard,
    pub(super) state: Mutex<State>,
    /// The spare is no longer being made.
    pub(super) spare_made: Condvar,
    pub(super) commit: Mutex<Commit>,
    /// A sync has ended.
    pub(super) committed: Condvar,
    pub(super) bell: Arc<Bell>,
    pub(super) thread: Mutex<Option<JoinHandle<()>>>,
    /// Says to others that this writer lives.
    pub(super) lock: Mutex<Option<Box<dyn Lock>>>,
}

impl Shared {
    pub(super) fn new(
        vfs: Arc<dyn Vfs>,
        log_dir: PathBuf,
        dir: WriterDir,
        lock: Box<dyn Lock>,
        options: LogOptions,
    ) -> Self {
        Shared {
            vfs,
            log_dir,
            dir,
            fork: ForkGuard::new(),
            state: Mutex::new(State::new(options.segment_bytes_min)),
            spare_made: Condvar::new(),
            commit: Mutex::default(),
            committed: Condvar::new(),
            bell: Arc::default(),
            thread: Mutex::default(),
            lock: Mutex::new(Some(lock)),
            options,
        }
    }

    #[inline]
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `Poisoned` in a child of the process that opened the log. To be asked before any lock: another thread may
    /// have held it at the fork, and then it stays locked for ever.
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

    /// `Poisoned` where the log was closed, or a failure ended it.
    pub(super) fn check_usable(&self, state: &State) -> Result<()> {
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

    /// Ends the log: thread, segments, spare, lock. The second time it does nothing.
    pub(super) fn close(&self) -> Result<()> {
        let mut state = self.state();
        if state.closed {
            return Ok(());
        }
        state.closed = true;
        drop(state);
        self.bell.stop();
        let thread = self.thread().take();
        if let Some(thread) = thread {
            // It has nothing to say: a failure of its is in the state.
            let _ = thread.join();
        }
        let sealed = self.seal();
        let mut state = self.state();
        // No sync is under way now, and after a failure there will be none: give the files back.
        state.current = None;
        state.retired.clear();
        let spare = std::mem::replace(&mut state.spare, Spare::None);
        let used = state.number > 0;
        // Rows that come later take the slow way, and are refused there.
        drop(state);
        if let Spare::Ready(file) = spare {
            let path = file.path().to_path_buf();
            drop(file);
            // Left behind it would be an empty file, which readers pass over.
            let _ = self.vfs.remove(&path);
        }
        if !used {
            // As well as can be: an empty folder says nothing.
            let _ = self.vfs.remove(&self.dir.path.join(LOCK_NAME));
            let _ = self.vfs.remove_dir(&self.dir.path);
        }
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.fail_waiters(&Error::new(ErrorKind::Poisoned, "write to log", "the log is closed", ""));
        sealed
    }
}
