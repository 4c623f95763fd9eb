//! What an open store holds in one process: paths, options, caches, the log writer, threads.
//!
//! Invariants: the log writer is made on first use, and its ordinal was nobody's before. The background worker starts
//! with the log writer and ends before it closes. After a fork the child makes a `StoreState` of its own; it neither waits
//! for the parent's threads nor closes the parent's log.

use super::cache::TailCache;
use super::counter::StepCounters;
use super::options::Options;
use super::threads::Pool;
use crate::files::manifest;
use crate::files::marker::{create, is_store, read_marker, wait_until_made};
use crate::files::paths::Paths;
use std::fmt::Debug;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tidalite_log::{Log, LogOptions};
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_parts::PageCache;
use tidalite_vfs::{ForkGuard, Vfs};
use uuid::Uuid;

/// The share of the memory option that decoded pages may take is one in this many bytes.
const PAGES_SHARE: u64 = 4;

/// A thread that works on the store by itself. Dropping it ends the thread.
pub(crate) trait Background: Debug + Send {}

/// What a store holds in one process.
#[derive(Debug)]
pub(crate) struct StoreState {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) paths: Paths,
    pub(crate) options: Options,
    pub(crate) cache: TailCache,
    pub(crate) counters: StepCounters,
    pub(crate) pool: Arc<Pool>,
    id: Uuid,
    fork: ForkGuard,
    log: OnceLock<Arc<Log>>,
    making_log: Mutex<()>,
    background: Mutex<Option<Box<dyn Background>>>,
    closed: AtomicBool,
}

impl StoreState {
    /// Opens the store in a folder; for writing, makes it if absent.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub(super) fn open(path: &Path, options: Options) -> Result<Arc<StoreState>> {
        let vfs = options.vfs.clone();
        let paths = Paths::new(path);
        let id = if options.read_only { read_marker(&*vfs, &paths)? } else { create(&*vfs, &paths)? };
        // Damage that makes the whole store unreadable is reported now, not at the first query.
        if options.read_only {
            wait_until_made(&*vfs, &paths);
        }
        manifest::latest(&*vfs, &paths)?;
        let pages = usize::try_from(options.memory_bytes / PAGES_SHARE).unwrap_or(usize::MAX);
        let pages = Arc::new(PageCache::new(pages));
        let pool = Arc::new(Pool::new(options.threads));
        Ok(Arc::new(StoreState {
            cache: TailCache::new(vfs.clone(), paths.clone(), pages, pool.clone()),
            vfs,
            paths,
            options,
            counters: StepCounters::default(),
            pool,
            id,
            fork: ForkGuard::new(),
            log: OnceLock::new(),
            making_log: Mutex::new(()),
            background: Mutex::new(None),
            closed: AtomicBool::new(false),
        }))
    }

    /// # Errors
    /// `Invalid` where the store was opened read-only.
    pub(super) fn check_writable(&self) -> Result<()> {
        if self.options.read_only {
            return Err(Error::invalid("write to store", "it was opened read-only", "open it for writing")
                .at(self.paths.root()));
        }
        Ok(())
    }

    /// This process's log writer, made on first use. `start` starts the background worker, once the log is made and
    /// where the options ask for one.
    ///
    /// # Errors
    /// `Invalid` where the store was opened read-only; those of making a log.
    pub(crate) fn log_or_make(
        self: &Arc<Self>,
        start: fn(&Arc<StoreState>) -> Box<dyn Background>,
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
            let _ = self.log.set(Arc::new(log));
            if self.options.background {
                *self.background.lock().unwrap_or_else(PoisonError::into_inner) = Some(start(self));
            }
        }
        Ok(self.log.get().expect("set above, under the lock"))
    }

    /// A writer whose ordinal nobody had before. Another process may make, flush and collect the same folder between
    /// our reading of the manifest and our making of the folder; then the next ordinal is tried.
    fn make_log(&self, options: LogOptions) -> Result<Log> {
        loop {
            let least = manifest::latest(&*self.vfs, &self.paths)?.manifest.writer_next;
            let log = match Log::create(self.vfs.clone(), &self.paths.log(), least, options.clone()) {
                // Another process collected the folder in the moment before it was locked.
                Err(e) if e.kind() == ErrorKind::NotFound && is_store(&*self.vfs, &self.paths)? => continue,
                other => other?,
            };
            if manifest::latest(&*self.vfs, &self.paths)?.manifest.writer_next <= log.writer() {
                return Ok(log);
            }
        }
    }

    /// Seals this process's log, so that its segments can go once they are flushed. A log that a failed sync has
    /// poisoned stays unsealed; the rows that it accepted can be flushed all the same.
    ///
    /// # Errors
    /// Those of the log's seal, except `Poisoned`.
    pub(crate) fn seal(&self) -> Result<()> {
        match self.log.get().map(|log| log.seal()) {
            Some(Err(e)) if e.kind() != ErrorKind::Poisoned => Err(e),
            _ => Ok(()),
        }
    }

    /// The log writer, if one was made.
    pub(crate) fn log(&self) -> Option<&Arc<Log>> {
        self.log.get()
    }

    /// Whether this process is a fork of the one that opened the store.
    pub(super) fn forked(&self) -> bool {
        self.fork.forked()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    pub(super) fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        let background = self.background.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(background);
        self.log.get().map_or(Ok(()), |log| log.close())
    }
}

impl Drop for StoreState {
    fn drop(&mut self) {
        // In a forked child the parent's threads do not exist, so nobody can wait for them. The log checks this itself.
        if self.fork.forked() {
            let background = self.background.get_mut().unwrap_or_else(PoisonError::into_inner).take();
            std::mem::forget(background);
        } else if !self.is_closed() {
            // The caller who wants to know about errors calls `close`.
            let _ = self.close();
        }
    }
}
