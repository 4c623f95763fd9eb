//! The engine's store and run as the Python classes hold them, with the process that opened them.
//!
//! A fork copies handles into the child. `process` tells the copies apart: only the process that opened a handle closes it.

use crate::arguments::opening::OpenArguments;
use crate::outcome::Outcome;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tidalite::{Result, Run, Store};

/// A sampling of this machine that its run stops when the run ends; `None` once it is stopped.
pub(crate) type SharedWatch = Arc<Mutex<Option<tidalite::system::SystemWatch>>>;

/// An open store.
#[derive(Debug)]
pub(crate) struct StoreHandle {
    pub(crate) store: Store,
    pub(crate) arguments: OpenArguments,
    process: u32,
}

impl StoreHandle {
    pub(crate) fn new(store: Store, arguments: OpenArguments) -> Arc<StoreHandle> {
        Arc::new(StoreHandle { store, arguments, process: std::process::id() })
    }

    /// Whether this process opened the store and has not closed it.
    pub(crate) fn is_usable(&self) -> bool {
        self.is_own() && self.store.watermark().is_ok()
    }

    /// Whether this process opened the store, rather than a parent that it forked from.
    pub(crate) fn is_own(&self) -> bool {
        self.process == std::process::id()
    }
}

/// This process's part in a run, and the samplings that end with it.
pub(crate) struct RunHandle {
    pub(crate) run: Run,
    pub(crate) store: Arc<StoreHandle>,
    process: u32,
    watches: Mutex<Vec<SharedWatch>>,
    ended: AtomicBool,
    /// The id of the exception that was being handled when the run started, or 0.
    pub(crate) before: usize,
}

impl RunHandle {
    pub(crate) fn new(run: Run, store: Arc<StoreHandle>, before: usize) -> Arc<RunHandle> {
        Arc::new(RunHandle {
            run,
            store,
            process: std::process::id(),
            watches: Mutex::default(),
            ended: AtomicBool::new(false),
            before,
        })
    }

    /// Keeps a sampling until the run ends.
    pub(crate) fn add_watch(&self, watch: SharedWatch) {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner).push(watch);
    }

    /// Whether this process started the run and has not ended it.
    pub(crate) fn is_open(&self) -> bool {
        self.process == std::process::id() && !self.ended.load(Ordering::Acquire)
    }

    /// Ends this process's part in the run. A second call does nothing, nor does a call in a forked child.
    pub(crate) fn end(&self, outcome: &Outcome) -> Result<()> {
        if !self.is_open() {
            return Ok(());
        }
        self.stop_watches();
        match outcome {
            Outcome::Finished => self.run.finish()?,
            Outcome::Failed(None) => self.run.fail()?,
            Outcome::Failed(Some(reason)) => self.run.fail_because(reason)?,
        }
        self.ended.store(true, Ordering::Release);
        Ok(())
    }

    /// Ends it without a status, since its store can be written no more.
    pub(crate) fn abandon(&self) {
        if self.is_open() {
            self.stop_watches();
            self.ended.store(true, Ordering::Release);
        }
    }

    fn stop_watches(&self) {
        let watches = std::mem::take(&mut *self.watches.lock().unwrap_or_else(PoisonError::into_inner));
        for watch in watches {
            let watch = watch.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(watch);
        }
    }
}
