//! How a log ends.

use super::shared::LogShared;
use super::state::Spare;
use crate::dir::LOCK_NAME;
use std::sync::PoisonError;
use tidalite_model::{Error, ErrorKind, Result};

impl LogShared {
    /// Ends the log: thread, segments, spare, lock. The second time it does nothing.
    pub(super) fn close(&self) -> Result<()> {
        let mut state = self.state();
        if state.closed {
            return Ok(());
        }
        state.closed = true;
        drop(state);
        self.requests.request_stop();
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
