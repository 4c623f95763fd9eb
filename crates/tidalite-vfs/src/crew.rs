//! Background work of all stores of a process, done by few threads.
//!
//! A [`Job`] is a piece of work that recurs: at a time that it names, or when it is woken. Two threads serve all jobs
//! while each takes little time. If a job is due and every thread is at work, another thread starts, so that a slow disk
//! delays only its own store; there are never more than [`THREADS_MAX`]. A thread that is not needed ends after a while,
//! and all do when there is no job left.
//!
//! Invariants: a job runs in one thread at a time. Once it was dropped it runs no more; dropping waits until it has
//! returned. A forked child has a crew of its own and no jobs: it may neither wait for threads of its parent nor take
//! locks that they may hold.

use crate::fork::PerProcess;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};
use tidalite_model::{Error, ErrorKind, Result};

/// Most threads at a time. More jobs than this are at work at once only where many disks hang.
const THREADS_MAX: usize = 32;
/// Threads that stay without work while there are jobs. One keeps the time while another is at work.
const KEPT: usize = 2;
/// How late a thread looks whether the one that keeps the time was held up.
const HELD_UP: Duration = Duration::from_millis(50);
/// How long any other thread without work waits for some before it ends.
const IDLE: Duration = Duration::from_secs(2);

/// When a job is due next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// At this time, or as soon as it is woken.
    At(Instant),
    /// As soon as it is woken.
    Woken,
    /// Never again.
    Never,
}

/// A piece of work that recurs. Dropping it ends it.
pub struct Job {
    id: u64,
    work: Arc<JobWork>,
    crew: &'static Crew,
}

type JobFunction = Box<dyn FnMut() -> Due + Send>;

struct JobWork {
    id: u64,
    /// Held while the job runs.
    work: Mutex<Option<JobFunction>>,
}

/// The threads of this process.
#[derive(Default)]
struct Crew {
    state: Mutex<CrewState>,
    /// Notified when a job becomes due, or earlier than before.
    due: Condvar,
    /// Notified when a job returns.
    returned: Condvar,
}

#[derive(Default)]
struct CrewState {
    /// The jobs that wait for a time, by that time.
    waiting: BTreeSet<(Instant, u64)>,
    jobs: BTreeMap<u64, JobState>,
    last_id: u64,
    threads: usize,
    idle: usize,
}

struct JobState {
    work: Arc<JobWork>,
    at: Option<Instant>,
    running: Option<ThreadId>,
    /// It was woken while it ran.
    woken: bool,
}

static CREW: PerProcess<Crew> = PerProcess::new();

impl Job {
    /// A job that is due at once. `work` does what there is to do and says when it is due next. If it panics, it is never
    /// due again. It should not keep anything alive that drops this job.
    ///
    /// # Errors
    /// `Io` if no thread can be started and none runs.
    pub fn start(work: impl FnMut() -> Due + Send + 'static) -> Result<Job> {
        let crew = CREW.get();
        let mut state = crew.state();
        state.last_id += 1;
        let id = state.last_id;
        let work = Arc::new(JobWork { id, work: Mutex::new(Some(Box::new(work))) });
        let waits = JobState { work: work.clone(), at: None, running: None, woken: false };
        state.jobs.insert(id, waits);
        state.set_due(id, Instant::now());
        if let Err(e) = crew.call_thread(&mut state) {
            state.forget(id);
            return Err(e);
        }
        drop(state);
        Ok(Job { id, work, crew })
    }

    /// Makes the job due now. If it is running, it runs again.
    pub fn wake(&self) {
        if self.is_foreign() {
            return;
        }
        let mut state = self.crew.state();
        match state.jobs.get_mut(&self.id) {
            Some(job) if job.running.is_some() => job.woken = true,
            Some(_) => {
                state.set_due(self.id, Instant::now());
                // A thread that works takes it up later if no other can be started.
                let _ = self.crew.call_thread(&mut state);
            }
            None => {}
        }
    }

    /// Whether this process is a child of the one that started the job.
    fn is_foreign(&self) -> bool {
        !std::ptr::eq(CREW.get(), self.crew)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.is_foreign() {
            // What the work holds belongs to the parent.
            std::mem::forget(self.work.clone());
            return;
        }
        let mut state = self.crew.state();
        let me = std::thread::current().id();
        while state.jobs.get(&self.id).is_some_and(|job| job.running.is_some_and(|thread| thread != me)) {
            state = self.crew.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.forget(self.id);
        drop(state);
        // A job that drops itself holds this lock; its work is dropped when it returns.
        if let Ok(mut work) = self.work.work.try_lock() {
            drop(work.take());
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("id", &self.id).finish_non_exhaustive()
    }
}

impl CrewState {
    fn set_due(&mut self, id: u64, at: Instant) {
        if let Some(job) = self.jobs.get_mut(&id) {
            if let Some(before) = job.at.replace(at) {
                self.waiting.remove(&(before, id));
            }
            self.waiting.insert((at, id));
        }
    }

    fn forget(&mut self, id: u64) {
        if let Some(at) = self.jobs.remove(&id).and_then(|job| job.at) {
            self.waiting.remove(&(at, id));
        }
    }

    /// Takes the job that is due first, if it is due.
    fn take_due(&mut self, now: Instant) -> Option<Arc<JobWork>> {
        let (_, id) = *self.waiting.first().filter(|(at, _)| *at <= now)?;
        self.waiting.pop_first();
        let job = self.jobs.get_mut(&id)?;
        (job.at, job.woken) = (None, false);
        job.running = Some(std::thread::current().id());
        Some(job.work.clone())
    }

    fn is_any_due(&self) -> bool {
        self.waiting.first().is_some_and(|(at, _)| *at <= Instant::now())
    }
}

impl Crew {
    fn state(&self) -> MutexGuard<'_, CrewState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes a thread that waits, or starts one.
    fn call_thread(&'static self, state: &mut CrewState) -> Result<()> {
        if state.idle > 0 {
            self.due.notify_one();
            return Ok(());
        }
        if state.threads >= THREADS_MAX {
            return Ok(());
        }
        let started = std::thread::Builder::new().name("tidalite".into()).spawn(|| self.serve());
        match started {
            Ok(_) => state.threads += 1,
            Err(_) if state.threads > 0 => {}
            Err(e) => {
                let hint = "check the limits on threads";
                return Err(Error::new(ErrorKind::Io, "start background thread", e.to_string(), hint));
            }
        }
        Ok(())
    }

    /// What each thread does.
    fn serve(&'static self) {
        let mut state = self.state();
        let mut idle_since = Instant::now();
        loop {
            let now = Instant::now();
            if let Some(job) = state.take_due(now) {
                if state.is_any_due() || (state.idle == 0 && !state.waiting.is_empty()) {
                    let _ = self.call_thread(&mut state);
                }
                drop(state);
                let next = job.run();
                state = self.state();
                state.done(job.id, next);
                drop(job);
                self.returned.notify_all();
                idle_since = Instant::now();
                continue;
            }
            let is_needed = state.idle < KEPT && !state.jobs.is_empty();
            if !is_needed && now.duration_since(idle_since) >= IDLE {
                state.threads -= 1;
                return;
            }
            let next = state.waiting.first().map(|(at, _)| at.saturating_duration_since(now));
            let wait = match state.idle {
                0 => next.unwrap_or(IDLE),
                1 => next.unwrap_or(IDLE) + HELD_UP,
                _ => IDLE,
            };
            state.idle += 1;
            (state, _) = self.due.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

impl CrewState {
    /// Notes that a job has returned.
    fn done(&mut self, id: u64, next: Due) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.running = None;
        let woken = std::mem::take(&mut job.woken);
        match next {
            Due::Never => self.forget(id),
            _ if woken => self.set_due(id, Instant::now()),
            Due::At(at) => self.set_due(id, at),
            Due::Woken => {}
        }
    }
}

impl JobWork {
    fn run(&self) -> Due {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        // The thread goes on for other jobs, and whoever drops this one does not wait for ever.
        work.as_mut().map_or(Due::Never, |work| catch_unwind(AssertUnwindSafe(work)).unwrap_or(Due::Never))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    /// Waits until a condition holds.
    fn until(what: &str, mut holds: impl FnMut() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < Duration::from_secs(20), "{what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn counting(count: &Arc<AtomicUsize>, next: impl Fn() -> Due + Send + 'static) -> Job {
        let count = count.clone();
        Job::start(move || {
            count.fetch_add(1, Ordering::SeqCst);
            next()
        })
        .unwrap()
    }

    #[test]
    fn a_job_runs_at_its_time_and_when_it_is_woken_and_not_after_it_was_dropped() {
        let (often, rarely) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let first = counting(&often, || Due::At(Instant::now() + Duration::from_millis(2)));
        let second = counting(&rarely, || Due::Woken);
        until("it recurs", || often.load(Ordering::SeqCst) > 5);
        until("it starts", || rarely.load(Ordering::SeqCst) == 1);
        second.wake();
        until("it is woken", || rarely.load(Ordering::SeqCst) == 2);
        drop(first);
        let ended = often.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!((often.load(Ordering::SeqCst), rarely.load(Ordering::SeqCst)), (ended, 2));
    }

    #[test]
    fn a_job_that_hangs_does_not_delay_others_and_is_waited_for() {
        let (go_on, wait) = mpsc::channel::<()>();
        let hung = Job::start(move || {
            let _ = wait.recv();
            Due::Never
        })
        .unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let jobs: Vec<Job> = (0..50).map(|_| counting(&count, || Due::Woken)).collect();
        until("the others run", || count.load(Ordering::SeqCst) == 50);
        jobs.iter().for_each(Job::wake);
        until("the others run again", || count.load(Ordering::SeqCst) == 100);
        let dropped = Arc::new(AtomicUsize::new(0));
        let seen = dropped.clone();
        let dropping = std::thread::spawn(move || {
            drop(hung);
            seen.store(1, Ordering::SeqCst);
        });
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(dropped.load(Ordering::SeqCst), 0, "dropping waits");
        go_on.send(()).unwrap();
        dropping.join().unwrap();
    }

    #[test]
    fn a_job_that_panics_ends_alone() {
        let ran = Arc::new(AtomicUsize::new(0));
        let (seen, count) = (ran.clone(), Arc::new(AtomicUsize::new(0)));
        let broken = Job::start(move || {
            seen.fetch_add(1, Ordering::SeqCst);
            std::panic::resume_unwind(Box::new("broken"));
        })
        .unwrap();
        until("it ran", || ran.load(Ordering::SeqCst) == 1);
        let others: Vec<Job> = (0..3).map(|_| counting(&count, || Due::Woken)).collect();
        until("the others run", || count.load(Ordering::SeqCst) == 3);
        broken.wake();
        drop(broken);
        drop(others);
        assert_eq!(ran.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_job_that_is_woken_while_it_runs_runs_again() {
        let count = Arc::new(AtomicUsize::new(0));
        let (began, wait) = mpsc::channel::<()>();
        let seen = count.clone();
        let job = Job::start(move || {
            seen.fetch_add(1, Ordering::SeqCst);
            let _ = began.send(());
            std::thread::sleep(Duration::from_millis(10));
            Due::Woken
        })
        .unwrap();
        wait.recv().unwrap();
        job.wake();
        until("it runs again", || count.load(Ordering::SeqCst) == 2);
    }

    #[test]
    fn a_job_may_drop_itself() {
        let own: Arc<Mutex<Option<Job>>> = Arc::default();
        let seen = own.clone();
        let (done, wait) = mpsc::channel();
        let job = Job::start(move || {
            if let Some(job) = seen.lock().unwrap().take() {
                drop(job);
                let _ = done.send(());
            }
            Due::At(Instant::now())
        })
        .unwrap();
        *own.lock().unwrap() = Some(job);
        wait.recv_timeout(Duration::from_secs(20)).unwrap();
    }
}
