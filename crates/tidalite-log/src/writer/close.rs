//! Closing a log.

use super::shared::LogShared;
use super::state::Spare;
use crate::dir::LOCK_NAME;
use std::sync::PoisonError;
use tidalite_model::{Error, ErrorKind, Result};

impl LogShared {
    /// Ends the log: background job, segments, spare, lock. Does nothing the second time.
    pub(super) fn close(&self) -> Result<()> {
        let mut state = self.state();
        if state.closed {
            return Ok(());
        }
        state.closed = true;
        drop(state);
        let job = self.job().take();
        // Waits until it has returned. It stores its failures in the state.
        drop(job);
        let sealed = self.seal();
        let mut state = self.state();
        // No sync is running, and none follows after a failure, so the files can be closed.
        state.current = None;
        state.retired.clear();
        let spare = std::mem::replace(&mut state.spare, Spare::None);
        let used = state.number > 0;
        // Later rows take the slow path, which refuses them.
        drop(state);
        if let Spare::Ready(file) = spare {
            let path = file.path().to_path_buf();
            drop(file);
            // If this fails, an empty file remains, which readers skip.
            let _ = self.vfs.remove(&path);
        }
        if !used {
            // Best effort: an empty folder does no harm.
            let _ = self.vfs.remove(&self.dir.path.join(LOCK_NAME));
            let _ = self.vfs.remove_dir(&self.dir.path);
        }
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        if used {
            // Readers see at a glance that a writer is gone whose folder lacks this file. Best effort.
            let _ = self.vfs.remove(&self.dir.path.join(LOCK_NAME));
        }
        self.fail_waiters(&Error::new(ErrorKind::Poisoned, "write to log", "the log is closed", ""));
        sealed
    }
}
