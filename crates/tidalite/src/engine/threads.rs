//! The threads that queries and upkeep by hand compute in. All stores of a process that ask for the same number share
//! one pool. It is not rayon's global one, which may not survive a fork and belongs to the host program.

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_vfs::PerProcess;

/// Threads for queries and for upkeep by hand, started on first use. They end when no store uses them.
#[derive(Debug)]
pub(crate) struct Pool {
    threads: usize,
    started: OnceLock<Arc<ThreadPool>>,
}

/// The pools of this process, by their number of threads.
static POOLS: PerProcess<Mutex<BTreeMap<usize, Weak<ThreadPool>>>> = PerProcess::new();

/// The pool of this process with so many threads.
fn shared(threads: usize) -> Result<Arc<ThreadPool>> {
    let mut pools = POOLS.get().lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = pools.get(&threads).and_then(Weak::upgrade) {
        return Ok(pool);
    }
    let pool = Arc::new(thread_pool(threads, "tidalite-query", || {})?);
    pools.insert(threads, Arc::downgrade(&pool));
    Ok(pool)
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
        let pool = shared(self.threads)?;
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
        .map_err(|e| start_threads_failed(&e))
}

/// The error where threads cannot be started.
pub(crate) fn start_threads_failed(e: &dyn std::error::Error) -> Error {
    let hint = "check the limits on threads, or ask for fewer";
    Error::new(ErrorKind::Io, "start threads", e.to_string(), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_that_ask_for_the_same_number_share_a_pool() {
        let pools: Vec<Pool> = [3, 3, 2].into_iter().map(Pool::new).collect();
        let got: Vec<*const ThreadPool> =
            pools.iter().map(|pool| std::ptr::from_ref(pool.get().unwrap())).collect();
        assert!(got[0] == got[1] && got[0] != got[2]);
        drop(pools);
        let again = POOLS.get().lock().unwrap().get(&3).and_then(Weak::upgrade);
        assert!(again.is_none(), "it ends with the last store");
    }
}
