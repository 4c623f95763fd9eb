//! The writer of one process: its API, its options, and what it promises.
//!
//! | level | `append_*` returns | a power cut loses at most |
//! |---|---|---|
//! | `Process` | after a copy into the segment | the sync interval and one sync's duration |
//! | `Interval(d)` | the same | `d` and one sync's duration |
//! | `Row` | after its sync, shared with all who wait at that time | nothing |
//!
//! At every level the death of the process loses nothing that was accepted, and what is left after a crash is a
//! prefix of what was appended. `state.rs` holds the segment being written, `append.rs` the ways into it,
//! `declare.rs` the names, `rotate.rs` the next segment, `sync.rs` durability, `background.rs` the thread.

mod append;
mod background;
mod close;
mod commit;
mod declare;
mod options;
mod requests;
mod rotate;
mod shared;
mod state;
mod sync;
#[cfg(test)]
mod tests;

pub use options::{Durability, LogOptions};

use crate::dir::{LOCK_NAME, claim_writer};
use crate::sink::{LayoutId, SeriesId};
use shared::LogShared;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidalite_model::{Error, ErrorKind, Result, RunChange, Seq, SeriesKey};
use tidalite_vfs::{Lock, LockMode, Vfs};
use uuid::Uuid;

/// How far a writer is, and how far the disk is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Watermark {
    /// The last thing that was appended; `None` before the first.
    pub accepted: Option<Seq>,
    /// The last of those that is durable, and all before it.
    pub durable: Option<Seq>,
}

/// The log of one process: any thread may append. See the [crate text](crate).
///
/// ```
/// use std::{path::Path, sync::Arc};
/// use tidalite_log::{Log, LogOptions};
/// use tidalite_model::{Labels, SeriesKey};
/// use tidalite_vfs::{SimVfs, Vfs};
/// let vfs: Arc<dyn Vfs> = Arc::new(SimVfs::new(1));
/// vfs.create_dir(Path::new("/log"))?;
/// let log = Log::create(vfs, Path::new("/log"), 0, LogOptions::default())?;
/// let loss = log.series(&SeriesKey::new("run-1", "loss", Labels::none()))?;
/// let layout = log.layout(&[loss])?;
/// let seq = log.append_row(layout, 0, 1_780_000_000_000_000, &[0.5])?;
/// log.sync()?;
/// assert_eq!(log.watermark().durable, Some(seq));
/// # Ok::<(), tidalite_model::Error>(())
/// ```
///
/// All methods but [`forked`](Self::forked) and [`watermark`](Self::watermark) fail with `Poisoned` in a child of
/// the process that opened the log, after [`close`](Self::close), and after a failed sync; in the last case
/// everything accepted before can still be read. Appends fail with `Full` where the disk has no room for another
/// segment; then nothing was written, and the next append tries again.
pub struct Log {
    shared: Arc<LogShared>,
}

impl Log {
    /// Opens a log for writing, in a new folder in `log_dir` (which must exist) with the least ordinal that is free
    /// and no less than `next_writer`. Makes no segment yet, and syncs nothing.
    ///
    /// # Errors
    /// Those of the disk; `Unsupported` on file systems without locks.
    pub fn create(vfs: Arc<dyn Vfs>, log_dir: &Path, next_writer: u32, options: LogOptions) -> Result<Log> {
        let dir = claim_writer(&*vfs, log_dir, next_writer)?;
        let lock = match take_lock(&*vfs, &dir.path.join(LOCK_NAME)) {
            Ok(lock) => lock,
            Err(e) => {
                let _ = vfs.remove(&dir.path.join(LOCK_NAME));
                let _ = vfs.remove_dir(&dir.path);
                return Err(e);
            }
        };
        let shared = LogShared::new(vfs, log_dir.to_path_buf(), dir, lock, options.bounded());
        Ok(Log { shared: Arc::new(shared) })
    }

    /// The writer's ordinal.
    pub fn writer(&self) -> u32 {
        self.shared.dir.writer
    }

    /// How many bytes the log has taken in since it was opened.
    pub fn bytes(&self) -> u64 {
        if self.forked() { 0 } else { self.shared.state().position() }
    }

    /// The writer's folder.
    pub fn dir(&self) -> &Path {
        &self.shared.dir.path
    }

    /// Whether this process is a child of the one that opened the log.
    pub fn forked(&self) -> bool {
        self.shared.fork.forked()
    }

    /// The handle of a series, the same for the same key.
    ///
    /// # Errors
    /// `Invalid` where run or metric are no names; `Full` after 16 million series.
    pub fn series(&self, key: &SeriesKey) -> Result<SeriesId> {
        self.shared.check_fork()?;
        self.shared.state().names.series(key)
    }

    /// The handle of a list of series, the same for the same list.
    ///
    /// # Errors
    /// `Invalid` where the list is empty or a handle is not this log's; `Full` after 16 million layouts.
    pub fn layout(&self, series: &[SeriesId]) -> Result<LayoutId> {
        self.shared.check_fork()?;
        self.shared.state().names.layout(series)
    }

    /// Appends a row: one value for each series of the layout, visible together.
    ///
    /// # Errors
    /// `Invalid` where there are more or fewer values than series; see [`Log`] for the others.
    #[inline]
    pub fn append_row(&self, layout: LayoutId, step: i64, time_us: i64, values: &[f64]) -> Result<Seq> {
        self.shared.append_row(layout, step, time_us, values)
    }

    /// Appends a batch of points, given column by column, visible together.
    ///
    /// # Errors
    /// `Invalid` where the columns differ in length, are empty, or hold more than 1,198,372 points; see [`Log`] for
    /// the others.
    pub fn append_points(
        &self,
        series: &[SeriesId],
        steps: &[i64],
        times_us: &[i64],
        values: &[f64],
    ) -> Result<Seq> {
        self.shared.append_points(series, steps, times_us, values)
    }

    /// Appends a change to a run.
    ///
    /// # Errors
    /// `Invalid` where the run's id is no name, or the change is too large or nests too deep; see [`Log`] for the
    /// others.
    pub fn append_change(&self, run: &str, change: &RunChange) -> Result<Seq> {
        self.shared.append_change(run, change)
    }

    /// Appends a reference to a part that is already durable in this writer's folder, with what the engine says
    /// about it (at most 32 MiB).
    ///
    /// # Errors
    /// See [`Log`].
    pub fn append_part(&self, part: Uuid, meta: &[u8]) -> Result<Seq> {
        self.shared.append_part(part, meta)
    }

    /// Makes all that was accepted before this call durable. Callers at the same time share one sync.
    ///
    /// # Errors
    /// The disk's failure, which ends this writer; see [`Log`].
    pub fn sync(&self) -> Result<()> {
        self.shared.check_fork()?;
        self.shared.sync()
    }

    /// Waits until what has this place in the order of writing is durable, and asks for a sync so that it takes no
    /// longer than that; `false` where it took longer than `timeout`.
    ///
    /// # Errors
    /// `Invalid` where `seq` was not given out by this log; the disk's failure; see [`Log`].
    pub fn wait_durable(&self, seq: Seq, timeout: Option<Duration>) -> Result<bool> {
        self.shared.check_fork()?;
        let accepted = self.shared.state().last_unit.ordinal;
        if seq.writer() != self.writer() || accepted.is_none_or(|last| seq.ordinal() > last) {
            return Err(Error::invalid(
                "wait for log to be durable",
                "the log has not accepted anything at this place in the order of writing",
                "wait for a place that an append of this log returned",
            ));
        }
        self.shared.wait_durable(seq.ordinal(), timeout)
    }

    /// How far this writer and the disk are. In the child of a fork it says nothing.
    pub fn watermark(&self) -> Watermark {
        if self.forked() {
            return Watermark::default();
        }
        let seq = |ordinal: Option<u64>| ordinal.map(|o| Seq::new(self.writer(), o));
        let durable = self.shared.commit().durable.ordinal;
        Watermark { accepted: seq(self.shared.state().last_unit.ordinal), durable: seq(durable) }
    }

    /// Makes all that was accepted durable and closes the current segment; later appends begin a new one.
    ///
    /// # Errors
    /// The disk's failure, which ends this writer; see [`Log`].
    pub fn seal(&self) -> Result<()> {
        self.shared.check_fork()?;
        self.shared.seal()
    }

    /// Seals, and gives up the writer's lock: the writer is gone. A folder without any segment is removed. Dropping
    /// the log does the same, but cannot say what failed; closing twice does nothing.
    ///
    /// # Errors
    /// The disk's failure; the writer is gone nevertheless.
    pub fn close(&self) -> Result<()> {
        self.shared.check_fork()?;
        self.shared.close()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.forked() {
            // Files, maps, lock and thread are the parent's: nothing of them may be released here.
            std::mem::forget(self.shared.clone());
            return;
        }
        let _ = self.shared.close();
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("dir", &self.dir()).finish_non_exhaustive()
    }
}

/// Takes the lock of a writer's own, new folder. Only a reader that looks whether the writer lives can hold it, and
/// only for a moment.
fn take_lock(vfs: &dyn Vfs, path: &Path) -> Result<Box<dyn Lock>> {
    for _ in 0..1000 {
        if let Some(lock) = vfs.lock(path, LockMode::Exclusive)? {
            return Ok(lock);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(Error::new(
        ErrorKind::Busy,
        "open log for writing",
        "another process holds its new lock",
        "try again",
    )
    .at(path))
}
