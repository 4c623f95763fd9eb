//! The handle on an open store.
//!
//! A [`Store`] is cheap to clone and may be used from many threads. A forked child gets its own state ([`Generation`])
//! with its own log writer, locks and threads, since it cannot use those of the parent.

use super::options::Options;
use super::room::give_back_freed;
use super::state::StoreState;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tidalite_log::Watermark;
use tidalite_model::{Error, Result, Seq};
use uuid::Uuid;

/// An open store. Cheap to clone; `Send + Sync`.
///
/// ```
/// let dir = tempfile::tempdir()?;
/// let store = tidalite::Store::open(dir.path().join("metrics"))?;
/// let run = store.run("resnet-42").param("lr", 3e-4).start()?;
/// run.log(0, &[("loss", 2.3), ("acc", 0.1)])?;
/// run.log(1, &[("loss", 1.9), ("acc", 0.3)])?;
/// run.finish()?;
/// let points = store.select().metric("loss").runs("resnet-*").points()?.collect()?;
/// assert_eq!(points.num_rows(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Store {
    first: Arc<Generation>,
}

/// The state of one process, and that of its forked child.
#[derive(Debug)]
struct Generation {
    state: Arc<StoreState>,
    child: OnceLock<Result<Arc<Generation>>>,
}

impl Store {
    /// The handle on an opened store.
    pub(crate) fn of(state: Arc<StoreState>) -> Store {
        Store { first: Arc::new(Generation { state, child: OnceLock::new() }) }
    }

    /// Opens the store in the folder `path` for reading and writing; creates it if absent.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let folder = dir.path().join("metrics");
    /// let store = tidalite::Store::open(&folder)?;
    /// assert!(folder.is_dir() && store.runs()?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// See [`Options::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Store> {
        Options::new().open(path)
    }

    /// This process's state, if its store is still there.
    pub(crate) fn state(&self) -> Result<&Arc<StoreState>> {
        let state = self.open_state()?;
        state.check_there()?;
        Ok(state)
    }

    /// This process's state, if it has opened the store.
    pub(crate) fn state_here(&self) -> Option<&Arc<StoreState>> {
        let mut generation = &self.first;
        while generation.state.forked() {
            generation = generation.child.get()?.as_ref().ok()?;
        }
        Some(&generation.state)
    }

    /// The state that this handle was opened with, or that of this process if it has opened the store.
    pub(crate) fn last_state(&self) -> &Arc<StoreState> {
        self.state_here().unwrap_or(&self.first.state)
    }

    /// This process's state: the last in the chain of forks.
    fn open_state(&self) -> Result<&Arc<StoreState>> {
        let mut generation = &self.first;
        while generation.state.forked() {
            let parent = &generation.state;
            let child = generation.child.get_or_init(|| {
                let state = parent.open_again()?;
                Ok(Arc::new(Generation { state, child: OnceLock::new() }))
            });
            generation = child.as_ref().map_err(Error::duplicate)?;
        }
        let state = &generation.state;
        if state.is_closed() {
            return Err(Error::invalid("use store", "it is closed", "open it again").at(state.paths.root()));
        }
        Ok(state)
    }

    /// The store's folder, as an absolute path: where it was when it was opened.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// assert!(store.path().ends_with("metrics") && store.path().is_absolute());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn path(&self) -> &Path {
        self.first.state.paths.root()
    }

    /// The store's id, which never changes.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let again = tidalite::Store::open(store.path())?;
    /// assert_eq!(again.id(), store.id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn id(&self) -> Uuid {
        self.first.state.id()
    }

    /// Returns once every row that this process logged before the call is on the disk.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// let seq = run.log(0, &[("loss", 1.0)])?;
    /// store.sync()?;
    /// assert!(store.watermark()?.durable >= Some(seq));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Io` if the sync failed. The writer is then poisoned, since a failed sync must not be retried.
    pub fn sync(&self) -> Result<()> {
        match self.state()?.log() {
            Some(log) => log.sync(),
            None => Ok(()),
        }
    }

    /// Which of this process's rows are accepted, and which are durable.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// let seq = run.log(0, &[("loss", 1.0)])?;
    /// assert_eq!(store.watermark()?.accepted, Some(seq));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` if the store is closed.
    pub fn watermark(&self) -> Result<Watermark> {
        Ok(self.open_state()?.log().map(|log| log.watermark()).unwrap_or_default())
    }

    /// Waits until the row with this sequence number is on the disk; `false` if `timeout` passed first.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// let seq = run.log(0, &[("loss", 1.0)])?;
    /// assert!(store.wait_durable(seq, None)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`sync`](Self::sync).
    pub fn wait_durable(&self, seq: Seq, timeout: Option<Duration>) -> Result<bool> {
        match self.state()?.log() {
            Some(log) => log.wait_durable(seq, timeout),
            None => Ok(true),
        }
    }

    /// Seals this process's log, stops its threads and releases its locks. Work of other threads, such as a compaction, ends
    /// early. If this process has logged and a flush of the store is due, flushes for at most about half a second, unless
    /// [`background`](Options::background) work is off. Later calls fail; other processes and other stores are not
    /// affected. Dropping the last clone does the same.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// run.log(0, &[("loss", 1.0)])?;
    /// store.close()?;
    /// assert!(run.log(1, &[("loss", 0.5)]).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Io` if the last rows could not be synced; they are still in the log.
    pub fn close(&self) -> Result<()> {
        self.open_state()?.close()
    }

    /// Does maintenance work. If the store is gone, the error says so.
    ///
    /// # Errors
    /// Those of the work; `NotFound` if the store is gone.
    pub(crate) fn upkeep<T>(&self, work: impl FnOnce(&Arc<StoreState>) -> Result<T>) -> Result<T> {
        let state = self.writable()?;
        give_back_freed(&state.options);
        work(state).or_else(|e| state.if_there(Err(e)))
    }

    /// This process's state, if it may write.
    pub(crate) fn writable(&self) -> Result<&Arc<StoreState>> {
        let state = self.state()?;
        state.check_writable()?;
        Ok(state)
    }
}
