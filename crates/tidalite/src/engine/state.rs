//! The state of an open store in one process: paths, options, caches, the log writer, threads.
//!
//! Invariants: a state means the store that it opened: its folder is held, and its marker is checked before and after
//! each use, so that a store that was deleted or replaced is an error. The log writer is created on first use, with a new
//! ordinal. The background worker starts when the store is opened for writing, in a forked child with the log writer, and
//! ends before the log closes. A forked child makes its own `StoreState`; it neither waits for the parent's
//! threads nor closes the parent's log.

use super::cache::TailCache;
use super::change_tails::ChangeTails;
use super::counter::StepCounters;
use super::options::Options;
use super::threads::Pool;
use super::watching::StoreWatch;
use crate::files::manifest;
use crate::files::marker::{
    Identity, MissingFolder, create, hold_folder, identify, identify_by_manifest, wait_until_made,
};
use crate::files::paths::Paths;
use std::fmt::Debug;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tidalite_log::{Log, LogOptions};
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_parts::PageCache;
use tidalite_vfs::{ForkGuard, Vfs, limit_open_files};
use uuid::Uuid;

/// The cache of decoded pages gets the memory option divided by this.
const PAGES_SHARE: u64 = 4;
/// The rows of logs get the memory option divided by this. Their columns may take twice that while they grow.
const ROWS_SHARE: u64 = 8;

/// A background worker. Dropping it ends its thread.
pub(crate) trait Background: Debug + Send {
    /// Ends the thread. Its work ends within a fraction of a second, since the store counts as closed.
    fn end(&mut self);

    /// Does what is due in the store now that this process has closed its log.
    fn last_round(&mut self, state: &StoreState);
}

/// The state of an open store in one process.
#[derive(Debug)]
pub(crate) struct StoreState {
    /// The disk, with the store's folder held and the number of open files bounded.
    pub(crate) vfs: Arc<dyn Vfs>,
    /// The same without the bound, for a forked child, which has a bound of its own.
    held: Arc<dyn Vfs>,
    pub(crate) paths: Paths,
    pub(crate) options: Options,
    pub(crate) cache: TailCache,
    pub(crate) change_tails: ChangeTails,
    pub(crate) counters: StepCounters,
    pub(crate) pool: Arc<Pool>,
    /// The threads that followers read in.
    pub(crate) followers: Pool,
    pub(crate) watching: Arc<StoreWatch>,
    /// How many batches of moderate size this process has appended.
    pub(crate) large_batches: AtomicU64,
    identity: Identity,
    fork: ForkGuard,
    log: OnceLock<Arc<Log>>,
    making_log: Mutex<()>,
    background: Mutex<Option<Box<dyn Background>>>,
    closed: AtomicBool,
}

impl StoreState {
    /// Opens the store in a folder; unless read-only, creates it if absent.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub(crate) fn open(path: &Path, options: Options) -> Result<Arc<StoreState>> {
        let paths = Paths::new(&options.vfs.absolute(path)?);
        let missing = match (options.read_only, options.salvages) {
            (_, true) => MissingFolder::Refuse("give the folder of the damaged store"),
            (true, false) => MissingFolder::Refuse("check the path, or open it for writing to create it"),
            (false, false) => MissingFolder::Create,
        };
        let vfs = hold_folder(&*options.vfs, paths.root(), missing)?;
        let identity = match (options.read_only, options.salvages) {
            (_, true) => identify(&*vfs, &paths).or_else(|_| identify_by_manifest(&*vfs, &paths))?,
            (true, false) => identify(&*vfs, &paths)?,
            (false, false) => create(&*vfs, &paths)?,
        };
        if options.read_only {
            wait_until_made(&*vfs, &paths);
        }
        let paths = paths.of_store(identity.id);
        StoreState::make(vfs, paths, identity, options)
    }

    /// Opens the same store again, by the folder that is held: in a forked child, or because its writer has failed.
    ///
    /// # Errors
    /// As [`open`](Self::open); `NotFound` if the store is gone.
    pub(crate) fn open_again(&self) -> Result<Arc<StoreState>> {
        self.check_there()?;
        let identity = identify(&*self.held, &self.paths)?;
        StoreState::make(self.held.clone(), self.paths.clone(), identity, self.options.clone())
    }

    fn make(
        held: Arc<dyn Vfs>,
        paths: Paths,
        identity: Identity,
        options: Options,
    ) -> Result<Arc<StoreState>> {
        let vfs = limit_open_files(held.clone(), options.open_files);
        // Reports damage to the whole store now, not at the first query.
        manifest::latest(&*vfs, &paths)?;
        let share = |n: u64| usize::try_from(options.memory_bytes / n).unwrap_or(usize::MAX);
        let rows =
            options.row_bytes.map_or(share(ROWS_SHARE), |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let pages = share(PAGES_SHARE);
        let pages = Arc::new(PageCache::new(pages));
        let pool = Arc::new(Pool::new(options.threads));
        Ok(Arc::new(StoreState {
            cache: TailCache::new(vfs.clone(), paths.clone(), pages, pool.clone(), rows),
            watching: StoreWatch::new(vfs.clone(), paths.clone()),
            followers: Pool::of_followers(),
            vfs,
            held,
            paths,
            options,
            change_tails: ChangeTails::default(),
            counters: StepCounters::default(),
            pool,
            large_batches: AtomicU64::new(0),
            identity,
            fork: ForkGuard::new(),
            log: OnceLock::new(),
            making_log: Mutex::new(()),
            background: Mutex::new(None),
            closed: AtomicBool::new(false),
        }))
    }

    /// Checks that the store is still there.
    ///
    /// # Errors
    /// `NotFound` if it was deleted, or another store is in its place.
    pub(crate) fn check_there(&self) -> Result<()> {
        self.identity.check(&self.paths)
    }

    /// Whether another state is of the same store, and not of a copy of it.
    pub(crate) fn is_same_store(&self, other: &StoreState) -> Result<bool> {
        Ok(self.id() == other.id() && self.identity.is_at(&other.paths)?)
    }

    /// The result of some reading, if the store was there until its end. Otherwise what was read, and any error, may
    /// come from another store.
    ///
    /// # Errors
    /// `NotFound` if the store is gone.
    pub(crate) fn if_there<T>(&self, read: Result<T>) -> Result<T> {
        self.check_there().and(read)
    }

    /// # Errors
    /// `Invalid` if the store was opened read-only.
    pub(crate) fn check_writable(&self) -> Result<()> {
        if self.options.read_only {
            return Err(Error::invalid("write to store", "it was opened read-only", "open it for writing")
                .at(self.paths.root()));
        }
        Ok(())
    }

    /// This process's log writer, created on first use. Its writes are later than `clock_us` says. Then `start` starts the
    /// background worker, if the options ask for one and it does not run.
    ///
    /// # Errors
    /// `Invalid` if the store was opened read-only; those of creating a log.
    pub(crate) fn log_or_make(
        self: &Arc<Self>,
        start: fn(&Arc<StoreState>) -> Box<dyn Background>,
        clock_us: fn(&StoreState) -> i64,
    ) -> Result<&Arc<Log>> {
        if let Some(log) = self.log.get() {
            return Ok(log);
        }
        self.check_writable()?;
        let _making = self.making_log.lock().unwrap_or_else(PoisonError::into_inner);
        if self.log.get().is_none() {
            let mut log_options = LogOptions::default();
            log_options.durability = self.options.durability;
            log_options.background = self.options.background;
            (log_options.segment_bytes_min, log_options.segment_bytes_max) = self.options.segment_bytes;
            let log = self.make_log(log_options)?;
            log.observe(clock_us(self));
            let _ = self.log.set(Arc::new(log));
            self.work_in_background(start);
        }
        Ok(self.log.get().expect("set above, under the lock"))
    }

    /// Starts the background worker if the options ask for one and it does not run.
    pub(crate) fn work_in_background(self: &Arc<Self>, start: fn(&Arc<StoreState>) -> Box<dyn Background>) {
        if self.options.background && !self.options.read_only {
            let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
            background.get_or_insert_with(|| start(self));
        }
    }

    /// Creates a writer with a new ordinal. After we read the manifest, another process may create, flush and collect
    /// the folder of the same ordinal; then the next ordinal is tried.
    fn make_log(&self, options: LogOptions) -> Result<Log> {
        loop {
            let least = manifest::latest(&*self.vfs, &self.paths)?.manifest.writer_next;
            let log = match Log::create(self.vfs.clone(), &self.paths.log(), least, options.clone()) {
                // Another process collected the folder before it was locked.
                Err(e) if e.kind() == ErrorKind::NotFound => {
                    self.check_there()?;
                    continue;
                }
                other => other?,
            };
            if manifest::latest(&*self.vfs, &self.paths)?.manifest.writer_next <= log.writer() {
                return Ok(log);
            }
        }
    }

    /// Seals this process's log, so that its segments can be deleted once they are flushed. A log poisoned by a failed
    /// sync stays unsealed; its accepted rows can still be flushed.
    ///
    /// # Errors
    /// Those of the log's seal, except `Poisoned`.
    pub(crate) fn seal(&self) -> Result<()> {
        match self.log.get().map(|log| log.seal()) {
            Some(Err(e)) if e.kind() != ErrorKind::Poisoned => Err(e),
            _ => Ok(()),
        }
    }

    /// The log writer, if one was created.
    pub(crate) fn log(&self) -> Option<&Arc<Log>> {
        self.log.get()
    }

    /// Whether this process is a fork of the one that opened the store.
    pub(crate) fn forked(&self) -> bool {
        self.fork.forked()
    }

    /// Takes note of the clock of a write that this process has seen: its later writes are later than that.
    pub(crate) fn observe(&self, clock_us: i64) {
        if let Some(log) = self.log.get() {
            log.observe(clock_us);
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn id(&self) -> Uuid {
        self.identity.id
    }

    pub(crate) fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(background) = &mut background {
            background.end();
        }
        let closed = self.log.get().map_or(Ok(()), |log| log.close());
        // A process that only looked leaves the work to those that write.
        if let (Some(background), Some(_), Ok(())) = (&mut background, self.log.get(), &closed) {
            background.last_round(self);
        }
        closed
    }
}

impl Drop for StoreState {
    fn drop(&mut self) {
        // The parent's threads do not exist in a forked child, so it cannot wait for them. The log checks this itself.
        if self.fork.forked() {
            let background = self.background.get_mut().unwrap_or_else(PoisonError::into_inner).take();
            std::mem::forget(background);
        } else if !self.is_closed() {
            // A caller that needs the error calls `close`.
            let _ = self.close();
        }
    }
}
