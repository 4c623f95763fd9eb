//! How accepted becomes durable: one sync at a time, for all who wait.
//!
//! ```text
//! caller: my end ≤ durable? ─yes─► done
//!              └─no─► somebody syncs? ─yes─► wait for that one, look again
//!                            └─no─► I sync: take what waits (lock) ─► fdatasync each segment, oldest first
//!                                    ─► fdatasync the folders ─► SYNC mark (lock) ─► durable, wake all
//! ```
//!
//! Rules:
//! - The append mutex is held to take the batch and to write the mark, never during a sync.
//! - Segments are synced in order and the watermark moves once all are, so what is durable is always a prefix.
//! - A failed sync is final: the kernel may have dropped what it could not write, and a second sync would say Ok.
//!   The writer refuses everything from then on, with the first failure as the reason.
//! - Marks are no reason for a sync; only what a caller appended is.

use super::shared::Shared;
use super::state::{Retired, SharedSegment, State, Unit};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tidalite_model::{Error, Result};

/// Who syncs, and how far the disk is.
#[derive(Debug, Default)]
pub(super) struct Commit {
    /// Somebody is syncing.
    syncing: bool,
    /// The folder of writers is synced, so this writer's folder stays.
    folder_durable: bool,
    pub(super) durable: Durable,
    failed: Option<Error>,
}

/// All of the stream below a position is durable, and that position is behind this unit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Durable {
    pub(super) position: u64,
    pub(super) ordinal: Option<u64>,
}

impl Durable {
    fn covers(&self, ordinal: u64) -> bool {
        self.ordinal.is_some_and(|durable| durable >= ordinal)
    }
}

/// What one sync covers.
struct Batch {
    retired: Vec<Retired>,
    current: Option<(SharedSegment, u32)>,
    entries_durable: bool,
    reaches: Durable,
}

impl Batch {
    fn take(state: &mut State) -> Batch {
        let retired = std::mem::take(&mut state.retired);
        let current = state.current.as_ref().map(|c| (c.file.clone(), c.header.id.number));
        let entries_durable =
            retired.iter().all(|r| r.entry_durable) && state.current.as_ref().is_none_or(|c| c.entry_durable);
        let reaches = Durable { position: state.position(), ordinal: state.last_unit.ordinal };
        Batch { retired, current, entries_durable, reaches }
    }
}

impl Shared {
    pub(super) fn commit(&self) -> MutexGuard<'_, Commit> {
        self.commit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once all of the stream below `position` is durable.
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

    /// Syncs all there is. The caller is the only one who does.
    fn sync_batch(&self, folder_durable: bool) -> Result<Durable> {
        let mut state = self.state();
        self.check_unfailed(&state)?;
        let batch = Batch::take(&mut state);
        drop(state);
        if let Err(e) = self.sync_files(&batch, folder_durable) {
            self.state().fail(&e);
            return Err(e);
        }
        let Batch { retired, current, reaches, .. } = batch;
        for r in retired {
            if let Some(file) = Arc::into_inner(r.file) {
                // Its rows are durable. A tail that cannot be cut off costs room until the segment is flushed, and
                // a disk that fails says so at the next sync.
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

    fn sync_files(&self, batch: &Batch, folder_durable: bool) -> Result<()> {
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

    /// Makes all that was accepted so far durable.
    pub(super) fn sync(&self) -> Result<()> {
        let state = self.state();
        self.check_unfailed(&state)?;
        let Unit { end, .. } = state.last_unit;
        drop(state);
        self.make_durable(end)
    }

    /// Ends the current segment and makes it, its end included, durable.
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

    /// Waits until the unit of this ordinal is durable; false where that takes longer than `timeout`.
    pub(super) fn wait_durable(&self, ordinal: u64, timeout: Option<Duration>) -> Result<bool> {
        // A deadline beyond what the clock can tell is none.
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
                self.bell.ask_for_sync();
                commit = self.commit();
                continue;
            }
            (commit, _) = self.committed.wait_timeout(commit, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Wakes those who wait for a sync that will never be.
    pub(super) fn fail_waiters(&self, first: &Error) {
        self.commit().failed.get_or_insert_with(|| first.duplicate());
        self.committed.notify_all();
    }

    /// `Poisoned` where an earlier failure ended this writer.
    pub(super) fn check_unfailed(&self, state: &State) -> Result<()> {
        state.failed.as_ref().map_or(Ok(()), |first| Err(poisoned(first)))
    }
}

/// What every call gets after a failure that ended the writer.
pub(super) fn poisoned(first: &Error) -> Error {
    Error::new(
        tidalite_model::ErrorKind::Poisoned,
        "write to log",
        format!("an earlier failure ended this writer ({first})"),
        "open the store again to go on; what was accepted before can still be read",
    )
}

#[cfg(test)]
mod tests {
    use super::Durable;

    /// A row that was appended while a sync ran stands right behind what that sync made durable, and is not part of it.
    #[test]
    fn what_is_durable_covers_its_last_unit_and_not_the_one_behind_it() {
        let durable = Durable { position: 128, ordinal: Some(5) };
        assert_eq!([4, 5, 6].map(|ordinal| durable.covers(ordinal)), [true, true, false]);
        assert!(!Durable::default().covers(0), "before the first sync nothing is");
    }
}
