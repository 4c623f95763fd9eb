//! The background work of a process that has a store open for writing: it flushes, compacts and collects at low priority
//! when that is due in the store, whichever process wrote the rows.
//!
//! ```text
//! look at all logs and the newest version, without a lock ─► nothing due: look again later
//!      │ due: the store's lock ─► look again, since another process may just have done it
//!      ▼
//! flush ─► compact, unless the logs grow faster ─► collect
//! ```
//!
//! Correctness does not depend on it. At each turn it checks that the store is still there; once it is gone, it ends the
//! log writer and itself. It skips its turn while another process does this work, and may be killed at any moment. It
//! holds a reference to the store only while it works, so it does not keep the store open.
//!
//! Memory: a quarter of the option. Processors: one, and all threads of the option while the logs are far behind.

use super::clock::greatest_clock;
use super::collect::{self, Grace};
use super::compact::compact_all;
use super::flush::{FlushMeans, flush_while};
use super::pending::{Pending, PendingLooks, Round};
use super::policy::Policy;
use super::reserve;
use crate::engine::room::JobRoom;
use crate::engine::state::{Background, StoreState};
use crate::engine::store_lock;
use crate::engine::threads::{start_threads_failed, thread_pool};
use crate::files::manifest;
use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidalite_log::Log;
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_vfs::{Due, Job};

/// How often the thread checks for work.
const TICK: Duration = Duration::from_secs(1);
/// How often it does so while the logs grow fast.
const TICK_BUSY: Duration = Duration::from_millis(100);
/// How long it leaves the store alone after a failure.
const TICK_FAILED: Duration = Duration::from_secs(10);
/// Each process looks at all logs this often per second, divided by the number of living writers: together they look at
/// the store a few times a second, however many they are.
const LOOKS_SHARE: u32 = 4;
/// Bytes to flush, in units of the option, from which on the logs count as far behind.
const FAR_BEHIND: u64 = 4;
/// Compaction begins if fewer bytes than this wait for a flush, in the same units.
const COMPACTS_BELOW: u64 = 2;
/// With so many parts it begins below [`GIVES_WAY_ABOVE`], since many parts make queries and flushes slower.
const PARTS_MANY: usize = 64;
/// Compaction stops if more bytes than this wait, in the same units, so that flushes catch up.
const GIVES_WAY_ABOVE: u64 = 8;
/// Rounds of a flush before compaction gets a turn: while others log, a flush may never come to an end.
const ROUNDS_MAX: u32 = 32;

/// Dead writers' folders from which on the logs count as far behind, whatever lies in them.
const FOLDERS_FAR_BEHIND: usize = 64;

/// Closing a store begins no round of a flush, and no merge, after this time. What has begun is completed. Otherwise many
/// short jobs would each begin the same work and give it up.
const CLOSING: Duration = Duration::from_millis(250);
/// A merge is given up after this time.
const CLOSING_MERGE: Duration = Duration::from_secs(2);
/// Memory of a flush when a store is closed, so that its rounds are short.
const CLOSING_BYTES: u64 = 16 << 20;
/// Where a process that closes a store has little to flush, it looks at the logs of all only if its writer's number is a
/// multiple of 1 + folders / `CLOSING_FOLDERS`, so that few do the same work.
const CLOSING_FOLDERS: u64 = 8;
/// The most that this number can be.
const CLOSERS_MAX: u64 = 4;

/// This process's log writer, made on first use.
///
/// # Errors
/// `Invalid` if the store was opened read-only; otherwise those of making a log.
pub(crate) fn log(state: &Arc<StoreState>) -> Result<&Arc<Log>> {
    state.log_or_make(start, greatest_clock)
}

/// Starts the background worker: one job of the threads that all stores of this process share.
pub(super) fn start(state: &Arc<StoreState>) -> Box<dyn Background> {
    let weak = Arc::downgrade(state);
    let mut turns = Turns { next_look: Some(Instant::now() + TICK / 4), ..Turns::default() };
    let mut next_turn = Instant::now();
    let work = move || match weak.upgrade() {
        Some(state) if !state.is_closed() && !ended_with_store(&state) => {
            if Instant::now() >= next_turn {
                next_turn = Instant::now() + turns.turn(&state);
            }
            // Whether the store is gone is looked up more often: until then rows are accepted that will be lost.
            Due::At(next_turn.min(Instant::now() + TICK))
        }
        _ => Due::Never,
    };
    // Without a thread the store still works; explicit calls or other processes flush it.
    Box::new(Worker { job: Job::start(work).ok() })
}

/// The job; dropping it waits until its turn is over.
#[derive(Debug)]
struct Worker {
    job: Option<Job>,
}

impl Background for Worker {
    fn end(&mut self) {
        self.job = None;
    }

    fn last_round(&mut self, state: &StoreState) {
        // An error loses nothing: the rows stay in the log.
        let _ = last_round(state);
    }
}

/// Ends the log writer if the store is gone, or if its log cannot be written any more. Whether the store is gone.
fn ended_with_store(state: &StoreState) -> bool {
    match state.check_there() {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            if let Some(log) = state.log() {
                log.end(&Error::store_gone(ErrorKind::Poisoned, "write to log", state.paths.root()));
            }
            true
        }
        _ => {
            if let Some(log) = state.log() {
                log.check();
            }
            false
        }
    }
}

/// What the worker remembers from turn to turn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    pub(super) looks: PendingLooks,
    /// When to look at all logs again; `None`: now.
    next_look: Option<Instant>,
    /// What this process had logged at the last look.
    own_bytes: u64,
    /// Whether the last flush ended before it had flushed all that it found. The rest is due.
    unfinished: bool,
}

impl Turns {
    /// Looks, if it is time, and does what is due. Returns how long to wait for the next turn.
    fn turn(&mut self, state: &StoreState) -> Duration {
        let own_bytes = state.log().map_or(0, |log| log.bytes());
        let grown = own_bytes - self.own_bytes.min(own_bytes) >= state.options.flush_bytes;
        if !grown && self.next_look.is_some_and(|at| Instant::now() < at) {
            return TICK;
        }
        self.own_bytes = own_bytes;
        match self.look_and_work(state) {
            Ok(Round::Flush) => {
                self.next_look = None;
                TICK_BUSY
            }
            Ok(_) => TICK,
            Err(e) if e.kind() == ErrorKind::Busy => TICK,
            // An error loses nothing: the rows stay in the log, and the next explicit flush reports it.
            Err(_) => TICK_FAILED,
        }
    }

    /// Looks, does what is due, and says what that was.
    pub(super) fn look_and_work(&mut self, state: &StoreState) -> Result<Round> {
        let pending = self.looks.look(state)?;
        self.next_look = Some(Instant::now() + look_pause(pending.living, state.vfs.uuid().as_u128()));
        match self.due(state, pending) {
            Round::Nothing => Ok(Round::Nothing),
            _ => below_normal_priority(|| self.work(state)),
        }
    }

    /// Does what is due, and says what that was.
    fn work(&mut self, state: &StoreState) -> Result<Round> {
        let _lock = store_lock::lock(state, "work in the background")?;
        let pending = self.looks.look(state)?;
        let due = self.due(state, pending);
        if due == Round::Flush {
            let behind = pending.bytes >= FAR_BEHIND * state.options.flush_bytes;
            let pool = match behind || pending.dead >= FOLDERS_FAR_BEHIND {
                true => {
                    let threads = state.options.threads;
                    thread_pool(threads, "tidalite-compact", tidalite_vfs::lower_priority_slightly)?
                }
                false => thread_pool(1, "tidalite-compact", tidalite_vfs::lower_priority)?,
            };
            // A short flush is completed: a job that closes the store meanwhile would have to do it again.
            let short = pending.bytes <= CLOSING_BYTES;
            let go = || match short {
                true => ControlFlow::Continue(()),
                false => state.unless_closed(ControlFlow::Continue(())),
            };
            // A log that grows fast ends its segments by itself, and sealing one makes an append wait.
            if pending.bytes < state.options.flush_bytes {
                state.seal()?;
            }
            let room = JobRoom::background(state, &pool);
            let rounds = Cell::new(0);
            let goes_on = || {
                rounds.set(rounds.get() + 1);
                rounds.get() < ROUNDS_MAX
            };
            flush_while(state, FlushMeans { room, progress: &|_| go() }, &goes_on)?;
            self.unfinished = rounds.get() >= ROUNDS_MAX;
            if !self.unfinished {
                self.looks.worked();
            }
            self.compact(state, &room)?;
        }
        if due != Round::Nothing {
            collect::collect(state, Grace::All)?;
            reserve::make(state);
        }
        if due != Round::Nothing && !self.unfinished {
            self.looks.worked();
        }
        Ok(due)
    }

    fn due(&self, state: &StoreState, pending: Pending) -> Round {
        if self.unfinished && pending.bytes > 0 { Round::Flush } else { due(state, pending) }
    }

    /// Merges parts, unless the logs grow faster than they are flushed.
    fn compact(&mut self, state: &StoreState, room: &JobRoom<'_>) -> Result<()> {
        let flush_bytes = state.options.flush_bytes;
        let parts = manifest::latest(&*state.vfs, &state.paths)?.manifest.parts.len();
        let below = if parts < PARTS_MANY { COMPACTS_BELOW } else { GIVES_WAY_ABOVE };
        if self.looks.look(state)?.bytes >= below * flush_bytes {
            return Ok(());
        }
        let (looked, looks) = (Cell::new(Instant::now()), std::cell::RefCell::new(&mut self.looks));
        let gives_way = || {
            if looked.get().elapsed() < TICK_BUSY {
                return false;
            }
            looked.set(Instant::now());
            let pending = looks.borrow_mut().look(state);
            pending.is_ok_and(|pending| pending.bytes >= GIVES_WAY_ABOVE * flush_bytes)
        };
        let progress = |_, _| match state.is_closed() || gives_way() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        match compact_all(state, Policy::Tiered, room, &progress) {
            Err(e) if e.kind() == ErrorKind::Cancelled && !state.is_closed() => Ok(()),
            done => done.map(drop),
        }
    }
}

/// Works in a thread of its own, since a thread cannot raise its priority again, and shared threads do other work too.
fn below_normal_priority<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let work = || {
        tidalite_vfs::lower_priority_slightly();
        work()
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("tidalite-maintain".into()).spawn_scoped(scope, work);
        let thread = thread.map_err(|e| start_threads_failed(&e))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn due(state: &StoreState, pending: Pending) -> Round {
    pending.due(state.options.flush_bytes, state.options.flush_interval)
}

/// How long a process waits for its next look at all logs, by the number of living writers: half to one and a half times
/// the average, by chance, so that they do not all look at once.
fn look_pause(living: usize, chance: u128) -> Duration {
    let average = TICK.max(TICK * u32::try_from(living).unwrap_or(u32::MAX) / LOOKS_SHARE);
    average / 2 + average.mul_f64((chance % 1024) as f64 / 1024.0)
}

/// Flushes, compacts and collects for a short time what is due once this process has closed its log. So the logs of jobs
/// that are too short for the background thread do not pile up.
fn last_round(state: &StoreState) -> Result<()> {
    let Some(log) = state.log() else { return Ok(()) };
    let folders = tidalite_log::numbers_taken(&*state.vfs, &state.paths.log())?.len() as u64;
    if log.bytes() < state.options.flush_bytes
        && !u64::from(log.writer()).is_multiple_of((1 + folders / CLOSING_FOLDERS).min(CLOSERS_MAX))
    {
        return Ok(());
    }
    let mut looks = PendingLooks::default();
    if due(state, looks.look(state)?) == Round::Nothing {
        return Ok(());
    }
    let _lock = store_lock::lock(state, "close")?;
    let due = due(state, looks.look(state)?);
    let start = Instant::now();
    let merging = |_, _| match start.elapsed() < CLOSING_MERGE {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    };
    if due == Round::Flush {
        let pool = thread_pool(1, "tidalite-compact", || {})?;
        let mut room = JobRoom::background(state, &pool);
        room.memory_bytes = room.memory_bytes.min(CLOSING_BYTES);
        let means = FlushMeans { room, progress: &|_| ControlFlow::Continue(()) };
        flush_while(state, means, &|| start.elapsed() < CLOSING)?;
        if start.elapsed() < CLOSING {
            match compact_all(state, Policy::Tiered, &room, &merging) {
                Err(e) if e.kind() == ErrorKind::Cancelled => {}
                done => drop(done?),
            }
        }
    }
    if due != Round::Nothing {
        collect::collect(state, Grace::All)?;
    }
    Ok(())
}
