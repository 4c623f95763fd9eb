//! Counting the calls to a simulated disk, and failing them where a test says so.
//!
//! Every call that reaches for the disk is one step, whether it reads or writes; the clock and the identifiers are
//! no steps. A failure is set for a step and strikes the first call at or after it that can fail in that way. Used
//! by `mod.rs` and `handle.rs`.

use std::io;

/// A failure to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimFailure {
    /// The number of the first step that may fail; the first of all has the number 0, so the value of
    /// [`SimVfs::steps`](crate::SimVfs::steps) means the next call.
    pub at_step: u64,
    /// How it fails.
    pub kind: FailKind,
    /// Whether all later calls fail as well; a crash always lasts.
    pub persist: bool,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailKind {
    /// The disk fails (`EIO`). A sync that fails so gives up what it should have written: a later sync succeeds
    /// without it. A write to a file may have written half.
    Eio,
    /// The disk is full (`ENOSPC`): strikes calls that need new room only, so neither a write inside a segment nor
    /// a sync. A write to a file may have written half.
    Enospc,
    /// The power goes: this call does nothing, and every later one fails.
    Crash,
}

/// What a call does, as far as failures care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepKind {
    /// Changes nothing.
    Read,
    /// Needs no new room on the disk.
    Change,
    /// May need new room on the disk.
    Allocate,
    /// Changes something and has no way to say that it failed.
    Silent,
}

/// The steps so far, and the failure to come.
#[derive(Debug, Default)]
pub(super) struct StepCounter {
    count: u64,
    changes: Vec<u64>,
    failure: Option<SimFailure>,
    crashed: bool,
}

impl StepCounter {
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn changes(&self) -> &[u64] {
        &self.changes
    }

    pub(super) fn crashed(&self) -> bool {
        self.crashed
    }

    pub(super) fn set(&mut self, failure: Option<SimFailure>) {
        self.failure = failure;
    }

    /// Counts a call and says whether it fails.
    pub(super) fn step(&mut self, step: StepKind) -> io::Result<()> {
        let number = self.count;
        self.count += 1;
        if step != StepKind::Read {
            self.changes.push(number);
        }
        if self.crashed {
            return Err(crashed());
        }
        let Some(failure) = self.failure.filter(|f| f.at_step <= number) else { return Ok(()) };
        let struck = match failure.kind {
            FailKind::Crash => true,
            FailKind::Eio => step != StepKind::Silent,
            FailKind::Enospc => step == StepKind::Allocate,
        };
        if !struck {
            return Ok(());
        }
        if !failure.persist {
            self.failure = None;
        }
        Err(match failure.kind {
            FailKind::Crash => {
                self.crashed = true;
                crashed()
            }
            FailKind::Eio => io::Error::other("simulated failure of the disk (EIO)"),
            FailKind::Enospc => io::Error::new(io::ErrorKind::StorageFull, "simulated full disk (ENOSPC)"),
        })
    }
}

fn crashed() -> io::Error {
    io::Error::other("crashed: the simulated machine has no power")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_strikes_the_first_call_that_can_fail_so() {
        let mut steps = StepCounter::default();
        steps.set(Some(SimFailure { at_step: 1, kind: FailKind::Enospc, persist: false }));
        assert!(steps.step(StepKind::Allocate).is_ok());
        assert!(steps.step(StepKind::Read).is_ok() && steps.step(StepKind::Change).is_ok());
        assert_eq!(steps.step(StepKind::Allocate).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(steps.step(StepKind::Allocate).is_ok());
        assert_eq!((steps.count(), steps.changes()), (5, &[0, 2, 3, 4][..]));
    }

    #[test]
    fn nothing_works_after_a_crash() {
        let mut steps = StepCounter::default();
        steps.set(Some(SimFailure { at_step: 0, kind: FailKind::Crash, persist: false }));
        assert!(
            steps.step(StepKind::Silent).is_err() && steps.step(StepKind::Read).is_err() && steps.crashed()
        );
    }
}
