//! Seeing that a store has changed, for all followers of it in this process.
//!
//! A *sighting* is what a store looked like when a snapshot was taken: the ends of the logs that may grow, and the names
//! in the folders of logs and versions. While nothing has changed since, a follower needs no snapshot. After a change one
//! follower takes the next snapshot, and the others share it.
//!
//! Rows are written through a mapping, of which no event tells. So the ends of the logs are looked at: by a poll, and
//! every few milliseconds by one job while anyone waits. Names are watched by events where there are any, else listed.
//!
//! Invariants: a row whose append returned before a look began is noticed by it. Whoever waits is woken by a look that
//! notices a change, or by a new sighting, which may have seen it first. That a writer died is noticed late; its rows were
//! noticed before. No snapshot is kept while nobody waits, so that it pins no files.

use super::log_tail::WatchedTail;
use crate::files::manifest;
use crate::files::paths::Paths;
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};
use tidalite_model::Result;
use tidalite_vfs::{Due, FolderWatch, Job, Vfs};

/// How often a store is looked at while anyone waits: at first, and after it has not changed for a while.
const LOOK: (Duration, Duration) = (Duration::from_millis(4), Duration::from_millis(12));
/// A store is looked at less often if a look takes more than this share of the time in between, but at least this often.
const LOOK_SHARE: u32 = 200;
const LOOK_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How often it is asked whether writers still live.
const LIFE: Duration = Duration::from_millis(250);
/// How long a snapshot is kept for those who were woken together.
const KEEP: Duration = Duration::from_millis(20);

/// Numbers of sightings: never the same one twice, also after a fork.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// What a process knows of changes to a store.
#[derive(Debug)]
pub(crate) struct StoreWatch {
    vfs: Arc<dyn Vfs>,
    paths: Paths,
    /// Held while a snapshot is taken to be shared.
    taking: Mutex<()>,
    state: Mutex<StoreWatchState>,
    /// Notified when the store has changed.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct StoreWatchState {
    /// The last sighting; `None` while a snapshot is taken.
    seen: Option<StoreSighting>,
    /// A change was noticed since.
    has_changed: bool,
    /// Events of the folders, once they were asked for. `None` inside where there are no events.
    events: Option<Option<Box<dyn FolderWatch>>>,
    shared: Option<Weak<dyn Any + Send + Sync>>,
    /// Keeps what is shared for those who are about to ask for it.
    kept: Option<(Arc<dyn Any + Send + Sync>, Instant)>,
    waiting: usize,
    /// The wakers of those who wait without a thread, by their own number.
    wakers: BTreeMap<u64, Waker>,
    job: Option<Job>,
    /// The job has a time at which it looks.
    is_looking: bool,
    changed_at: Option<Instant>,
    /// It is asked again at this time whether writers still live.
    ask_life_at: Option<Instant>,
    look_cost: LookCost,
    life_cost: LookCost,
}

/// How long the last look took.
#[derive(Debug, Default)]
struct LookCost(Duration);

impl LookCost {
    /// How long to wait after a look that took this long, so that looks take a small share of the time. The shorter of
    /// the last two counts: a process that was stopped for a moment does not wait the longer for it.
    fn pause(&mut self, took: Duration) -> Duration {
        let usual = took.min(std::mem::replace(&mut self.0, took));
        usual.saturating_mul(LOOK_SHARE).min(LOOK_PAUSE_MAX)
    }
}

#[derive(Debug)]
struct StoreSighting {
    number: u64,
    logs: Vec<WatchedTail>,
    /// The names in the folders, where there are no events.
    names: Option<FolderNames>,
}

/// The newest version, and the names in the folder of logs.
type FolderNames = (Option<u64>, Vec<String>);

impl StoreWatch {
    pub(super) fn new(vfs: Arc<dyn Vfs>, paths: Paths) -> Arc<StoreWatch> {
        let (taking, state, changed) = (Mutex::default(), Mutex::default(), Condvar::new());
        Arc::new(StoreWatch { vfs, paths, taking, state, changed })
    }

    fn state(&self) -> MutexGuard<'_, StoreWatchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the last sighting, if the store has not changed since.
    pub(crate) fn unchanged(&self) -> Option<u64> {
        let mut state = self.state();
        if state.look(self) { None } else { state.seen.as_ref().map(|seen| seen.number) }
    }

    /// What `take` returns, or returned for another caller if the store has not changed since; and the number of the
    /// sighting. `take` takes a snapshot and returns the logs in it that may grow.
    ///
    /// # Errors
    /// Those of `take`, and of listing the folders.
    pub(crate) fn see<T: Any + Send + Sync>(
        self: &Arc<Self>,
        take: impl FnOnce() -> Result<(Arc<T>, Vec<WatchedTail>)>,
    ) -> Result<(Arc<T>, u64)> {
        let _one = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = self.unchanged()
            && let Some(shared) = self.state().shared::<T>()
        {
            return Ok((shared, number));
        }
        let names = self.state().begin(self)?;
        let (taken, logs) = take()?;
        let mut state = self.state();
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed) + 1;
        state.seen = Some(StoreSighting { number, logs, names });
        let any: Arc<dyn Any + Send + Sync> = taken.clone();
        state.shared = Some(Arc::downgrade(&any));
        // Where others wait, or were woken just now, they will want the same.
        if state.is_awaited() || state.changed_at.is_some_and(|at| at.elapsed() < KEEP) {
            state.kept = Some((any, Instant::now()));
            state.call_job(self)?;
        }
        // Whoever waits for a change since an earlier sighting: the job finds none since this one.
        let wakers = std::mem::take(&mut state.wakers);
        self.changed.notify_all();
        drop(state);
        wakers.into_values().for_each(Waker::wake);
        Ok((taken, number))
    }

    /// Waits until the store has changed since sighting `number`, at most for `timeout`.
    ///
    /// # Errors
    /// `Io` if the job cannot be started.
    pub(crate) fn wait(self: &Arc<Self>, number: u64, timeout: Duration) -> Result<()> {
        let start = Instant::now();
        let mut state = self.state();
        state.waiting += 1;
        let called = state.call_job(self);
        while called.is_ok() && state.is_at(number) {
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                break;
            }
            (state, _) = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
        called
    }

    /// Wakes `waker` once the store has changed since sighting `number`: now, if it has. `who` names the one who waits;
    /// its earlier waker is forgotten.
    ///
    /// # Errors
    /// `Io` if the job cannot be started.
    pub(crate) fn wake(self: &Arc<Self>, number: u64, who: u64, waker: &Waker) -> Result<()> {
        let mut state = self.state();
        if !state.is_at(number) {
            state.wakers.remove(&who);
            drop(state);
            waker.wake_by_ref();
            return Ok(());
        }
        state.wakers.insert(who, waker.clone());
        state.call_job(self)
    }

    /// Forgets the waker of one who waits no more.
    pub(crate) fn forget(&self, who: u64) {
        self.state().wakers.remove(&who);
    }

    /// A number for one who waits.
    pub(crate) fn new_number() -> u64 {
        NUMBERS.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What the job does.
    fn round(&self) -> Due {
        let start = Instant::now();
        let mut state = self.state();
        state.kept.take_if(|(_, since)| since.elapsed() >= KEEP);
        if !state.is_awaited() {
            state.is_looking = state.kept.is_some();
            return if state.is_looking { Due::At(start + KEEP) } else { Due::Woken };
        }
        let mut wakers = BTreeMap::new();
        if state.look(self) {
            state.changed_at = Some(start);
            wakers = std::mem::take(&mut state.wakers);
            self.changed.notify_all();
        }
        let rest = state.changed_at.map_or(LOOK.1, |at| at.elapsed() / 32).clamp(LOOK.0, LOOK.1);
        let pause = state.look_cost.pause(start.elapsed());
        drop(state);
        wakers.into_values().for_each(Waker::wake);
        Due::At(Instant::now() + rest.max(pause))
    }
}

impl StoreWatchState {
    fn is_awaited(&self) -> bool {
        self.waiting > 0 || !self.wakers.is_empty()
    }

    /// Whether no change since this sighting is known.
    fn is_at(&self, number: u64) -> bool {
        !self.has_changed && self.seen.as_ref().is_some_and(|seen| seen.number == number)
    }

    fn shared<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.shared.as_ref()?.upgrade()?.downcast().ok()
    }

    /// Starts or wakes the job that looks.
    fn call_job(&mut self, watch: &Arc<StoreWatch>) -> Result<()> {
        match &self.job {
            Some(_) if self.is_looking => {}
            Some(job) => job.wake(),
            None => {
                let weak = Arc::downgrade(watch);
                let round = move || weak.upgrade().map_or(Due::Never, |watch| watch.round());
                self.job = Some(Job::start(round)?);
            }
        }
        self.is_looking = true;
        Ok(())
    }

    /// Begins a sighting: what changes from now on is noticed. Returns the names, where there are no events.
    fn begin(&mut self, watch: &StoreWatch) -> Result<Option<FolderNames>> {
        (self.seen, self.shared, self.kept, self.has_changed) = (None, None, None, false);
        let folders = [watch.paths.log(), watch.paths.manifest()];
        let events = self.events.get_or_insert_with(|| watch.vfs.watch(&[&folders[0], &folders[1]]));
        match events {
            Some(events) => {
                // Earlier events are of changes that the sighting sees.
                events.has_changed();
                Ok(None)
            }
            None => names(watch).map(Some),
        }
    }

    /// Whether the store has changed since the last sighting, or there is none. An error counts as a change: whoever
    /// takes a snapshot then finds out what is wrong.
    fn look(&mut self, watch: &StoreWatch) -> bool {
        let Some(seen) = &self.seen else { return true };
        if self.has_changed {
            return true;
        }
        let named = match (&self.events, &seen.names) {
            (Some(Some(events)), _) => events.has_changed(),
            (_, Some(before)) => names(watch).ok().as_ref() != Some(before),
            _ => true,
        };
        let now = Instant::now();
        let ask_life = self.ask_life_at.is_none_or(|at| now >= at);
        let vfs = &*watch.vfs;
        self.has_changed = named
            || seen.logs.iter().any(|log| log.has_grown(vfs).unwrap_or(true))
            || (ask_life && seen.logs.iter().any(|log| log.has_died(vfs).unwrap_or(true)));
        if ask_life {
            // With many writers asking takes long, so it is done less often.
            self.ask_life_at = Some(Instant::now() + LIFE.max(self.life_cost.pause(now.elapsed())));
        }
        self.has_changed
    }
}

fn names(watch: &StoreWatch) -> Result<FolderNames> {
    let newest = manifest::versions(&*watch.vfs, &watch.paths)?.last().copied();
    Ok((newest, watch.vfs.read_dir(&watch.paths.log())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_in_which_the_process_stood_still_does_not_delay_the_next_looks() {
        let (short, long) = (Duration::from_micros(20), Duration::from_secs(40));
        let mut cost = LookCost::default();
        assert_eq!(cost.pause(short), Duration::ZERO);
        assert_eq!(cost.pause(short), short * LOOK_SHARE);
        assert_eq!(cost.pause(long), short * LOOK_SHARE);
        assert_eq!(cost.pause(short), short * LOOK_SHARE);
        // Looks that do take long.
        cost.pause(long);
        assert_eq!(cost.pause(long), LOOK_PAUSE_MAX);
    }
}
