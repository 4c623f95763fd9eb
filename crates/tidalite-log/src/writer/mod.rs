//! The writer of one process: its API and its guarantees.
//!
//! | level | `append_*` returns | a power cut loses at most |
//! |---|---|---|
//! | `Process` | after a copy into the segment | the sync interval and one sync's duration |
//! | `Interval(d)` | the same | `d` and one sync's duration |
//! | `Row` | after its sync, shared with all callers that wait then | nothing |
//!
//! At every level, the death of the process loses nothing that was accepted, and what remains after a crash is a
//! prefix of what was appended. `state.rs` holds the segment being written, `append.rs` appends to it, `declare.rs`
//! holds the names, `rotate.rs` makes the next segment, `sync.rs` makes data durable, `background.rs` is the background job,
//! and `close.rs` ends the log.
//!
//! May use: the files next to this folder, and not `replay` (its tests do).

mod append;
mod background;
#[cfg(test)]
mod clock_tests;
mod close;
mod commit;
mod declare;
#[cfg(test)]
mod limit_tests;
mod options;
mod requests;
mod rotate;
mod shared;
mod state;
mod sync;
#[cfg(test)]
mod tests;

pub use options::{Durability, LogOptions};
pub use state::RowHead;

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

/// How far a writer has come, and how much of that is durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Watermark {
    /// The last thing appended. `None` before the first.
    pub accepted: Option<Seq>,
    /// The last of these that is durable, with everything before it.
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
/// All methods but [`forked`](Self::forked) and [`watermark`](Self::watermark) fail with `Poisoned` in a child of the
/// process that opened the log, after [`close`](Self::close), after a failed sync, and once the folder is found to be
/// deleted or replaced. After a failed sync, everything accepted before can still be read. The folder is looked up at
/// each sync, so by the background job at each interval, and for each new segment. Appends fail with `Full` if the disk
/// has no space for another segment. Then nothing was written, and the next append tries again.
pub struct Log {
    shared: Arc<LogShared>,
}

impl Log {
    /// Opens a log for writing, in a new folder in `log_dir` (which must exist), with the lowest free ordinal that is
    /// at least `next_writer`. Creates no segment yet, and syncs nothing.
    ///
    /// # Errors
    /// Disk errors. `Unsupported` on file systems without locks.
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

    /// The number of bytes appended since the log was opened.
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

    /// Makes the first segment, and its name durable, unless there is one: files that the caller makes in the writer's folder
    /// from now on show that there was a segment. See [`segments_gone`](crate::segments_gone).
    ///
    /// # Errors
    /// See [`Log`].
    pub fn begin(&self) -> Result<()> {
        self.shared.check_fork()?;
        self.shared.begin()
    }

    /// The handle of a series. Equal keys get the same handle.
    ///
    /// # Errors
    /// `Invalid` if run or metric is not a valid name. `Full` after 16 million series.
    pub fn series(&self, key: &SeriesKey) -> Result<SeriesId> {
        self.shared.check_fork()?;
        self.shared.state().names.series(key)
    }

    /// The handle of a list of series. Equal lists get the same handle.
    ///
    /// # Errors
    /// `Invalid` if the list is empty or a handle is not from this log. `Full` after 16 million layouts.
    pub fn layout(&self, series: &[SeriesId]) -> Result<LayoutId> {
        self.shared.check_fork()?;
        self.shared.state().names.layout(series)
    }

    /// Appends a row at a step that the caller chose, at the current time: one value for each series of the layout,
    /// visible together.
    ///
    /// # Errors
    /// `Invalid` if the number of values is not the layout's number of series. See [`Log`] for the others.
    #[inline]
    pub fn append_row(&self, layout: LayoutId, step: i64, time_us: i64, values: &[f64]) -> Result<Seq> {
        self.append_row_at(layout, RowHead { step, automatic: false, time_us, now_us: time_us }, values)
    }

    /// As [`append_row`](Self::append_row), at any time and with any kind of step.
    ///
    /// # Errors
    /// As [`append_row`](Self::append_row).
    #[inline]
    pub fn append_row_at(&self, layout: LayoutId, head: RowHead, values: &[f64]) -> Result<Seq> {
        self.shared.append_row(layout, head, values)
    }

    /// Takes note of the clock of a write that this process has seen: later appends have a greater clock.
    pub fn observe(&self, clock_us: i64) {
        if !self.forked() {
            self.shared.state().tick(clock_us.saturating_add(1));
        }
    }

    /// Appends a batch of points, given as columns, visible together. `automatic` says that their steps were counted
    /// up and not chosen by the caller.
    ///
    /// # Errors
    /// `Invalid` if the columns differ in length, are empty, or hold more than 1,198,372 points. See [`Log`] for the
    /// others.
    pub fn append_points(
        &self,
        series: &[SeriesId],
        steps: &[i64],
        times_us: &[i64],
        values: &[f64],
        automatic: bool,
    ) -> Result<Seq> {
        self.shared.append_points(series, steps, times_us, values, automatic)
    }

    /// Appends a change to a run.
    ///
    /// # Errors
    /// `Invalid` if the run's id is not a valid name, or the change is too large or nests too deep. See [`Log`] for
    /// the others.
    pub fn append_change(&self, run: &str, change: &RunChange) -> Result<Seq> {
        self.shared.append_change(run, change)
    }

    /// Appends a reference to a part that is already durable in this writer's folder, with the engine's metadata (at
    /// most 32 MiB).
    ///
    /// # Errors
    /// See [`Log`].
    pub fn append_part(&self, part: Uuid, meta: &[u8]) -> Result<Seq> {
        self.shared.append_part(part, meta)
    }

    /// Makes everything accepted before this call durable. Concurrent callers share one sync.
    ///
    /// # Errors
    /// A disk error, which ends this writer. See [`Log`].
    pub fn sync(&self) -> Result<()> {
        self.shared.check_fork()?;
        self.shared.sync()
    }

    /// Requests a sync and waits until the write at `seq` is durable. `false` if that takes longer than `timeout`.
    ///
    /// # Errors
    /// `Invalid` if `seq` is not from this log. Disk errors. See [`Log`].
    pub fn wait_durable(&self, seq: Seq, timeout: Option<Duration>) -> Result<bool> {
        self.shared.check_fork()?;
        let accepted = self.shared.state().last_unit.ordinal;
        if seq.writer() != self.writer() || accepted.is_none_or(|last| seq.ordinal() > last) {
            return Err(Error::invalid(
                "wait for log to be durable",
                "the log has not accepted this sequence number",
                "pass a sequence number that an append of this log returned",
            ));
        }
        self.shared.wait_durable(seq.ordinal(), timeout)
    }

    /// How far this writer has come, and how much is durable. Empty in a forked child.
    pub fn watermark(&self) -> Watermark {
        if self.forked() {
            return Watermark::default();
        }
        let seq = |ordinal: Option<u64>| ordinal.map(|o| Seq::new(self.writer(), o));
        let durable = self.shared.commit().durable.ordinal;
        Watermark { accepted: seq(self.shared.state().last_unit.ordinal), durable: seq(durable) }
    }

    /// Makes everything accepted durable and closes the current segment. Later appends start a new one.
    ///
    /// # Errors
    /// A disk error, which ends this writer. See [`Log`].
    pub fn seal(&self) -> Result<()> {
        self.shared.check_fork()?;
        self.shared.seal()
    }

    /// Ends this writer if its folder is gone, or if its segment cannot be written any more. Each sync does so as well.
    pub fn check(&self) {
        if !self.forked() {
            self.shared.end_if_unwritable();
        }
    }

    /// Ends this writer, without a sync: every later append, sync or wait fails with `Poisoned`, and names `why`.
    pub fn end(&self, why: &Error) {
        if !self.forked() {
            self.shared.end(why);
        }
    }

    /// Seals, and releases the writer's lock: the writer is gone. A folder without a segment is removed. Dropping the
    /// log does the same but cannot report an error. Closing twice does nothing.
    ///
    /// # Errors
    /// A disk error. The writer is gone nevertheless.
    pub fn close(&self) -> Result<()> {
        self.shared.check_fork()?;
        self.shared.close()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.forked() {
            // Files, maps, lock and thread belong to the parent, so the child must not release them.
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

/// Locks the writer's own new folder. Only a reader that checks whether the writer lives can hold this lock, and only
/// briefly.
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
