//! How accepted data becomes durable: one sync at a time, for all callers that wait.
//!
//! ```text
//! caller: my end ≤ durable? ─yes─► done
//!              └─no─► is a sync running? ─yes─► wait for it, check again
//!                            └─no─► take the batch (lock) ─► fdatasync each segment, oldest first
//!                                    ─► fdatasync the folders ─► SYNC mark (lock) ─► durable, wake all
//! ```
//!
//! Rules:
//! - The append mutex is held to take the batch and to write the mark, never during a sync.
//! - Segments are synced in order, and the watermark moves once all are synced. So what is durable is always a
//!   prefix.
//! - A failed sync is final: the kernel may have dropped the data, and a second sync would succeed without it. The
//!   writer refuses everything afterwards and names the first failure.
//! - A mark alone does not cause a sync. Only what a caller appended does.
//! - Each sync checks first that the writer's folder is still there, even if there is nothing to sync. The background
//!   thread thus checks at each interval.

use super::commit::{Durable, poisoned};
use super::shared::LogShared;
use super::state::{LogState, Retired, SharedSegment, UnitEnd};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tidalite_model::Result;

/// What one sync covers.
struct SyncBatch {
    retired: Vec<Retired>,
    current: Option<(SharedSegment, u32)>,
    entries_durable: bool,
    reaches: Durable,
}

impl SyncBatch {
    fn take(state: &mut LogState) -> SyncBatch {
        let retired = std::mem::take(&mut state.retired);
        let current = state.current.as_ref().map(|c| (c.file.clone(), c.header.id.number));
        let entries_durable =
            retired.iter().all(|r| r.entry_durable) && state.current.as_ref().is_none_or(|c| c.entry_durable);
        let reaches = Durable { position: state.position(), ordinal: state.last_unit.ordinal };
        SyncBatch { retired, current, entries_durable, reaches }
    }
}

impl LogShared {
    /// Returns once the stream is durable below `position`.
    pub(super) fn make_durable(&self, position: u64) -> Result<()> {
        let mut commit = self.commit();
        loop {
            if commit.durable.position >= position {
                return Ok(());
            }
            if let Some(first) = &commit.failed {
                return Err(poisoned(first));
            }
            if !commit.syncing {
                break;
            }
            commit = self.committed.wait(commit).unwrap_or_else(PoisonError::into_inner);
        }
        commit.syncing = true;
        let folder_durable = commit.folder_durable;
        drop(commit);
        let outcome = self.sync_batch(folder_durable);
        let mut commit = self.commit();
        commit.syncing = false;
        match &outcome {
            Ok(durable) => {
                commit.durable = *durable;
                commit.folder_durable = true;
            }
            Err(e) => commit.failed = Some(e.duplicate()),
        }
        drop(commit);
        self.committed.notify_all();
        outcome.map(|_| ())
    }

    /// Syncs everything appended so far. Only one thread may call it at a time.
    fn sync_batch(&self, folder_durable: bool) -> Result<Durable> {
        self.end_if_unwritable();
        let mut state = self.state();
        self.check_unfailed(&state)?;
        let batch = SyncBatch::take(&mut state);
        drop(state);
        if let Err(e) = self.sync_files(&batch, folder_durable) {
            self.state().fail(&e);
            return Err(e);
        }
        let SyncBatch { retired, current, reaches, .. } = batch;
        for r in retired {
            if let Some(file) = Arc::into_inner(r.file) {
                // Its rows are durable. A tail that cannot be cut off takes disk space until the segment is flushed.
                // A failing disk is reported by the next sync.
                let _ = file.truncate(r.bytes);
            }
        }
        let mut state = self.state();
        if let (Some((_, number)), Some(c)) = (&current, &mut state.current)
            && c.header.id.number == *number
        {
            c.entry_durable = true;
        }
        state.mark(reaches.position, self.vfs.now_us());
        Ok(reaches)
    }

    fn sync_files(&self, batch: &SyncBatch, folder_durable: bool) -> Result<()> {
        for r in &batch.retired {
            r.file.sync()?;
        }
        if let Some((file, _)) = &batch.current {
            file.sync()?;
        }
        if !batch.entries_durable {
            self.vfs.sync_dir(&self.dir.path)?;
        }
        if !folder_durable {
            self.vfs.sync_dir(&self.log_dir)?;
        }
        Ok(())
    }

    /// Makes everything accepted so far durable.
    pub(super) fn sync(&self) -> Result<()> {
        let state = self.state();
        self.check_unfailed(&state)?;
        let UnitEnd { end, .. } = state.last_unit;
        drop(state);
        if self.commit().durable.position >= end {
            self.end_if_unwritable();
            return self.check_unfailed(&self.state());
        }
        self.make_durable(end)
    }

    /// Closes the current segment and makes it durable, its end included.
    pub(super) fn seal(&self) -> Result<()> {
        self.sync()?;
        let durable = self.commit().durable.position;
        let mut state = self.state();
        self.check_unfailed(&state)?;
        state.retire(Some((durable, self.vfs.now_us())));
        let end = state.position();
        let unsynced = !state.retired.is_empty();
        drop(state);
        if unsynced { self.make_durable(end) } else { Ok(()) }
    }

    /// Waits until the unit with this ordinal is durable. `false` if that takes longer than `timeout`.
    pub(super) fn wait_durable(&self, ordinal: u64, timeout: Option<Duration>) -> Result<bool> {
        // A deadline that the clock cannot represent counts as none.
        let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
        let Some(deadline) = deadline.filter(|_| self.options.background) else {
            if !self.commit().durable.covers(ordinal) {
                self.sync()?;
            }
            return Ok(true);
        };
        let mut asked = false;
        let mut commit = self.commit();
        loop {
            if commit.durable.covers(ordinal) {
                return Ok(true);
            }
            if let Some(first) = &commit.failed {
                return Err(poisoned(first));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            if !asked {
                asked = true;
                drop(commit);
                self.request_sync();
                commit = self.commit();
                continue;
            }
            (commit, _) = self.committed.wait_timeout(commit, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
