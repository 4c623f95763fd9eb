//! The threads that queries and upkeep by hand compute in, and those that followers read in. All stores of a process that
//! ask for the same number share one pool. It is not rayon's global one, which may not survive a fork and belongs to the
//! host program.

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
    name: &'static str,
    started: OnceLock<Arc<ThreadPool>>,
}

/// The name of threads that compute queries, and upkeep by hand.
const QUERY: &str = "tidalite-query";
/// The name of threads that read for followers, and how many there are.
const FOLLOW: (&str, usize) = ("tidalite-follow", 2);

type Pools = BTreeMap<(&'static str, usize), Weak<ThreadPool>>;

/// The pools of this process, by the name and the number of their threads.
static POOLS: PerProcess<Mutex<Pools>> = PerProcess::new();

/// The pool of this process with so many threads of a name.
fn shared(name: &'static str, threads: usize) -> Result<Arc<ThreadPool>> {
    let mut pools = POOLS.get().lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = pools.get(&(name, threads)).and_then(Weak::upgrade) {
        return Ok(pool);
    }
    let pool = Arc::new(thread_pool(threads, name, || {})?);
    pools.insert((name, threads), Arc::downgrade(&pool));
    Ok(pool)
}

impl Pool {
    pub(crate) fn new(threads: usize) -> Self {
        Pool { threads, name: QUERY, started: OnceLock::new() }
    }

    /// The threads that read for the followers of all stores. A process may have a thread for each follower. If each of those
    /// read by itself, memory that one gave back would often lie in a heap that only that thread uses.
    pub(crate) fn of_followers() -> Self {
        let (name, threads) = FOLLOW;
        Pool { threads, name, started: OnceLock::new() }
    }

    /// The pool, started.
    ///
    /// # Errors
    /// `Io` if the threads cannot be started.
    pub(crate) fn get(&self) -> Result<&ThreadPool> {
        if let Some(pool) = self.started.get() {
            return Ok(pool);
        }
        let pool = shared(self.name, self.threads)?;
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
        let again = POOLS.get().lock().unwrap().get(&(QUERY, 3)).and_then(Weak::upgrade);
        assert!(again.is_none(), "it ends with the last store");
    }
}
