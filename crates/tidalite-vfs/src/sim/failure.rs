//! Counting the calls to a simulated disk, and failing them on request.
//!
//! Every disk access is one step, reads included. Reading the clock or making an identifier is not a step. A failure
//! is set for a step, and hits the first call at or after it that can fail in that way.

use std::io;

/// A failure to simulate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimFailure {
    /// The number of the first step that may fail. Steps count from 0, so the value of
    /// [`SimVfs::steps`](crate::SimVfs::steps) is the next call.
    pub at_step: u64,
    /// How it fails.
    pub kind: FailKind,
    /// Whether all later calls fail as well. A crash is always permanent.
    pub persist: bool,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailKind {
    /// The disk fails (`EIO`). A failed sync drops the data: a later sync succeeds without it. A write to a file may
    /// have written half.
    Eio,
    /// The disk is full (`ENOSPC`). Affects only calls that need new disk space, so neither a write inside a segment
    /// nor a sync. A write to a file may have written half.
    Enospc,
    /// The power fails: this call does nothing, and every later one fails.
    Crash,
}

/// What a call does, as far as failures are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepKind {
    /// Changes nothing.
    Read,
    /// Needs no new disk space.
    Change,
    /// May need new disk space.
    Allocate,
    /// Changes something but cannot report a failure.
    Silent,
}

/// The steps so far, and the failure to simulate.
#[derive(Debug, Default)]
pub(super) struct SimStepCounter {
    count: u64,
    changes: Vec<u64>,
    failure: Option<SimFailure>,
    crashed: bool,
}

impl SimStepCounter {
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

    /// Counts a call and fails it if a failure is due.
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
    fn a_failure_hits_the_first_call_that_can_fail_that_way() {
        let mut steps = SimStepCounter::default();
        steps.set(Some(SimFailure { at_step: 1, kind: FailKind::Enospc, persist: false }));
        assert!(steps.step(StepKind::Allocate).is_ok());
        assert!(steps.step(StepKind::Read).is_ok() && steps.step(StepKind::Change).is_ok());
        assert_eq!(steps.step(StepKind::Allocate).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(steps.step(StepKind::Allocate).is_ok());
        assert_eq!((steps.count(), steps.changes()), (5, &[0, 2, 3, 4][..]));
    }

    #[test]
    fn nothing_works_after_a_crash() {
        let mut steps = SimStepCounter::default();
        steps.set(Some(SimFailure { at_step: 0, kind: FailKind::Crash, persist: false }));
        assert!(
            steps.step(StepKind::Silent).is_err() && steps.step(StepKind::Read).is_err() && steps.crashed()
        );
    }
}
