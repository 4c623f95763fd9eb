//! Rotating to the next segment, which is made ahead of need by the background job, or else on demand.
//!
//! The new file is created first, then SEAL is written to the old segment, then the header of the new one. So a full
//! disk leaves the old segment as it was: the append that needed more space fails with `Full`, smaller ones still
//! fit, and the next append tries again. A writer whose folder was deleted ends here at the latest.

use super::shared::LogShared;
use super::state::{CLOSING_BYTES, Current, LogState, Spare};
use crate::format::{BASE_ORDINAL_MAX, FIRST_FRAME_AT, SEGMENT_BYTES_LIMIT};
use crate::segment::{ORIGIN_BYTES, SegmentHeader};
use std::sync::{Arc, MutexGuard, PoisonError};
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_vfs::SegmentFile;

/// The size of a segment made for one large frame is a multiple of this.
const FITTING_BYTES: u64 = 64 << 10;

/// File names have eight digits.
const SEGMENT_NUMBER_MAX: u32 = 99_999_999;

impl LogShared {
    /// Makes the next segment the current one, with space for `room` bytes after its first frame. If the spare is
    /// being made, waits for it and returns, so that the caller checks again.
    pub(super) fn next_segment<'a>(
        self: &'a Arc<Self>,
        mut state: MutexGuard<'a, LogState>,
        room: u64,
    ) -> Result<MutexGuard<'a, LogState>> {
        if matches!(state.spare, Spare::Making) {
            return Ok(self.spare_made.wait(state).unwrap_or_else(PoisonError::into_inner));
        }
        if let Some(gone) = self.gone() {
            state.fail(&gone);
            self.fail_waiters(&gone);
            return Err(gone);
        }
        let needed = (FIRST_FRAME_AT + ORIGIN_BYTES) as u64 + room + CLOSING_BYTES;
        let number = state.number + 1;
        check_limits(needed, number, state.next_ordinal())?;
        let (file, entry_durable) = match std::mem::replace(&mut state.spare, Spare::None) {
            Spare::Ready(file) if file.capacity() >= needed => (file, true),
            spare => {
                if let Spare::Ready(small) = spare {
                    self.vfs.remove(small.path())?;
                }
                let usual = self.next_bytes(&state);
                let fitting = needed.next_multiple_of(FITTING_BYTES);
                let wanted = if needed <= usual { usual } else { fitting };
                let made = match self.make_segment(number, wanted) {
                    // What fits may still be on a disk that is almost full.
                    Err(e) if e.kind() == ErrorKind::Full && fitting < wanted => {
                        self.make_segment(number, fitting)
                    }
                    made => made,
                };
                (made?, false)
            }
        };
        let path = file.path().to_path_buf();
        state.retire(None);
        let (base_position, base_ordinal) = state.base;
        let header = SegmentHeader { id: self.dir.segment_id(number), base_position, base_ordinal };
        let current = Current::new(file, header, entry_durable).inspect_err(|_| {
            // It never held a frame, and its name is needed again.
            let _ = self.vfs.remove(&path);
        })?;
        state.unfilled_bytes = current.capacity().min(self.options.segment_bytes_max);
        state.number = number;
        state.current = Some(current);
        Ok(state)
    }

    /// Makes the first segment, and its name durable, unless there is one.
    pub(super) fn begin(self: &Arc<Self>) -> Result<()> {
        let mut state = self.state();
        self.check_usable(&state)?;
        if state.number > 0 {
            return Ok(());
        }
        while state.number == 0 {
            state = self.next_segment(state, 0)?;
        }
        drop(state);
        self.vfs.sync_dir(&self.dir.path)
    }

    /// The size of the segment after the current one: twice its size, up to the maximum. After a segment that was
    /// sealed before it was full: the same size again.
    fn next_bytes(&self, state: &LogState) -> u64 {
        let doubled = state.current.as_ref().map(|c| c.capacity().saturating_mul(2));
        doubled.map_or(state.unfilled_bytes, |bytes| bytes.min(self.options.segment_bytes_max))
    }

    fn make_segment(&self, number: u32, bytes: u64) -> Result<Box<dyn SegmentFile>> {
        let path = self.dir.segment_path(number);
        match self.vfs.create_segment(&path, bytes) {
            Err(e) if e.kind() == ErrorKind::Busy => {
                // A failed attempt of this writer left the file. No other process writes here, and a number counts as
                // used only once its segment holds a frame.
                self.vfs.remove(&path)?;
                self.vfs.create_segment(&path, bytes)
            }
            made => made,
        }
    }

    /// Makes a spare if one was requested. May block, so only the background job calls it.
    pub(super) fn make_spare(&self) {
        let mut state = self.state();
        let wanted = state.current.as_ref().is_some_and(|c| c.spare_asked);
        if !wanted || state.failed.is_some() || !matches!(state.spare, Spare::None) {
            return;
        }
        let (number, bytes) = (state.number + 1, self.next_bytes(&state));
        state.spare = Spare::Making;
        drop(state);
        let made = self.make_segment(number, bytes);
        // Makes the file's name durable now, so that the first sync of its rows does not have to.
        let synced = made.as_ref().map_or(Ok(()), |_| self.vfs.sync_dir(&self.dir.path));
        let mut state = self.state();
        state.spare = Spare::None;
        match (made, synced) {
            (Ok(file), Ok(())) => state.spare = Spare::Ready(file),
            (Ok(file), Err(e)) => {
                let _ = self.vfs.remove(file.path());
                state.fail(&e);
                self.fail_waiters(&e);
            }
            // The next rotation tries again and reports the error.
            (Err(_), _) => {}
        }
        drop(state);
        self.spare_made.notify_all();
    }
}

pub(super) fn check_limits(needed: u64, number: u32, ordinal: u64) -> Result<()> {
    if needed > SEGMENT_BYTES_LIMIT {
        return Err(Error::invalid(
            "append to log",
            format!("{needed} bytes are needed for the row and the names of its series"),
            "log fewer series at once",
        ));
    }
    // The slack of one segment covers the frames that close the previous one.
    if number > SEGMENT_NUMBER_MAX || ordinal > BASE_ORDINAL_MAX - (SEGMENT_BYTES_LIMIT >> 4) {
        return Err(Error::new(
            ErrorKind::Full,
            "append to log",
            "this writer has used all its frame numbers",
            "close the store and open it again",
        ));
    }
    Ok(())
}
