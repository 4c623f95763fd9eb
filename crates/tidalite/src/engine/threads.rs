//! The store's threads. The pool is its own: the global one may not survive a fork, and belongs to the host program.

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::OnceLock;
use tidalite_model::{Error, ErrorKind, Result};

/// Threads for queries and for upkeep by hand, started on first use.
#[derive(Debug)]
pub(crate) struct Pool {
    threads: usize,
    started: OnceLock<ThreadPool>,
}

impl Pool {
    pub(crate) fn new(threads: usize) -> Self {
        Pool { threads, started: OnceLock::new() }
    }

    /// The pool, started.
    ///
    /// # Errors
    /// `Io` if the threads cannot be started.
    pub(crate) fn get(&self) -> Result<&ThreadPool> {
        if let Some(pool) = self.started.get() {
            return Ok(pool);
        }
        let pool = thread_pool(self.threads, "tidalite-query", || {})?;
        Ok(self.started.get_or_init(|| pool))
    }

    /// Calls `work` on each item in parallel; results are in the order of the items. A single item runs in the caller's
    /// thread, since waking a thread can take longer than the work.
    ///
    /// # Errors
    /// An error of the work, or that of starting the threads.
    pub(crate) fn each<T: Sync, U: Send>(
        &self,
        items: &[T],
        work: impl Fn(&T) -> Result<U> + Sync,
    ) -> Result<Vec<U>> {
        match items {
            [] => Ok(Vec::new()),
            [one] => Ok(vec![work(one)?]),
            _ => self.get()?.install(|| items.par_iter().map(&work).collect()),
        }
    }
}

/// A new pool of `threads` threads; each calls `start` first.
///
/// # Errors
/// `Io` if the threads cannot be started.
pub(crate) fn thread_pool(threads: usize, name: &'static str, start: fn()) -> Result<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(move |i| format!("{name}-{i}"))
        .start_handler(move |_| start())
        .build()
        .map_err(|e| {
            Error::new(
                ErrorKind::Io,
                "start threads",
                e.to_string(),
                "check the limits on threads, or ask for fewer",
            )
        })
}
