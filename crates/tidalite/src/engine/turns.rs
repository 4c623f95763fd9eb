//! Turns: at most so many callers at a time do what takes memory. The others wait.
//!
//! Invariant: who holds a turn waits for no other turn, so each waits a bounded time.

use std::sync::{Condvar, Mutex, PoisonError};

/// A number of turns.
#[derive(Debug)]
pub(crate) struct Turns {
    free: Mutex<usize>,
    returned: Condvar,
}

/// One turn, until it is dropped.
#[must_use = "a turn ends where it is dropped"]
#[derive(Debug)]
pub(crate) struct Turn<'a>(&'a Turns);

impl Turns {
    /// So many turns, at least one.
    pub(crate) fn new(turns: usize) -> Turns {
        Turns { free: Mutex::new(turns.max(1)), returned: Condvar::new() }
    }

    /// A turn; waits until one is free.
    pub(crate) fn take(&self) -> Turn<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free =
            self.returned.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn no_more_callers_have_a_turn_than_there_are_turns() {
        let (turns, now, most) = (Turns::new(2), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let turn = turns.take();
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(std::time::Duration::from_millis(5));
                    now.fetch_sub(1, Ordering::SeqCst);
                    drop(turn);
                });
            }
        });
        assert_eq!((most.into_inner(), *turns.free.lock().unwrap()), (2, 2));
    }
}
