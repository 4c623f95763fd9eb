//! A watch over cases that never end: it ends the process, and says which case it was.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// No case takes more of a processor.
const PROCESSOR_MAX: Duration = Duration::from_secs(2);
/// No case waits longer, however busy the machine is.
const WAIT_MAX: Duration = Duration::from_secs(300);
const LOOK_EACH: Duration = Duration::from_millis(100);
const NO_CASE: u64 = u64::MAX;

/// The case at which a thread is.
pub(super) struct CaseWatch {
    now: Arc<WatchedCase>,
}

struct WatchedCase {
    case: AtomicU64,
    /// How many cases it has begun.
    begun: AtomicU64,
}

impl CaseWatch {
    /// Watches over this thread.
    pub(super) fn new(name: &'static str) -> Self {
        let now = Arc::new(WatchedCase { case: AtomicU64::new(NO_CASE), begun: AtomicU64::new(0) });
        let (seen, clock) = (Arc::downgrade(&now), ThreadClock::of_this_thread());
        std::thread::spawn(move || look(name, &seen, &clock));
        CaseWatch { now }
    }

    pub(super) fn begin(&self, case: u64) {
        self.now.begun.fetch_add(1, Ordering::Relaxed);
        self.now.case.store(case, Ordering::Release);
    }

    pub(super) fn end(&self) {
        self.now.case.store(NO_CASE, Ordering::Release);
    }
}

fn look(name: &str, seen: &Weak<WatchedCase>, clock: &ThreadClock) {
    let (mut begun, mut used, mut since) = (0, Duration::ZERO, Instant::now());
    loop {
        std::thread::sleep(LOOK_EACH);
        let Some(now) = seen.upgrade() else { return };
        let case = now.case.load(Ordering::Acquire);
        // The thread lives as long as what it has is there.
        let read = clock.read();
        if now.begun.load(Ordering::Relaxed) != begun || case == NO_CASE {
            (begun, used, since) = (now.begun.load(Ordering::Relaxed), read, Instant::now());
            continue;
        }
        let (took, waited) = (read.saturating_sub(used), since.elapsed());
        if took > PROCESSOR_MAX || waited > WAIT_MAX {
            crate::note(&format!(
                "{name}: TIDALITE_HOSTILE={case} does not end: {took:?} of a processor in {waited:?}"
            ));
            std::process::abort();
        }
    }
}

/// How much of a processor a thread has used.
struct ThreadClock(#[cfg(target_os = "linux")] libc::clockid_t);

#[cfg(target_os = "linux")]
impl ThreadClock {
    fn of_this_thread() -> Self {
        let mut clock = 0;
        // SAFETY: the thread is this one, which lives, and `clock` is a place for the result.
        let failed = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) };
        assert_eq!(failed, 0, "a thread has a clock");
        ThreadClock(clock)
    }

    fn read(&self) -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a place for the result. A clock of a thread that is gone is an error, and time stays 0.
        let _ = unsafe { libc::clock_gettime(self.0, &raw mut time) };
        Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or(0))
    }
}

#[cfg(not(target_os = "linux"))]
impl ThreadClock {
    fn of_this_thread() -> Self {
        ThreadClock()
    }

    fn read(&self) -> Duration {
        Duration::ZERO
    }
}
