//! Automatic steps: one counter per run, shared by all handles on the run in this process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tidalite_model::Result;

/// The next step is not known and must be read from the store.
const STEP_UNKNOWN: i64 = i64::MIN;

/// What all handles on a run share in one process.
#[derive(Debug)]
pub(crate) struct StepCounter {
    /// The step after the last one, or [`STEP_UNKNOWN`].
    next_step: AtomicI64,
    /// Whether telemetry is logged to the run.
    #[cfg(feature = "system")]
    pub(crate) watched: Arc<std::sync::atomic::AtomicBool>,
}

impl StepCounter {
    /// Sets the next step.
    #[inline]
    pub(crate) fn set(&self, step: i64) {
        self.next_step.store(step, Ordering::Relaxed);
    }

    /// The last step; `None` if no step was logged yet.
    pub(crate) fn last(&self) -> Option<i64> {
        Some(self.next_step.load(Ordering::Relaxed)).filter(|&next| next != STEP_UNKNOWN).map(|next| next - 1)
    }

    /// Takes the next `count` steps (at least 1), advances the counter and returns the first of them. At the greatest step
    /// the count stays. `from_store` reads the next step if it is not known.
    ///
    /// # Errors
    /// Those of `from_store`.
    #[cold]
    pub(crate) fn take(&self, count: i64, from_store: impl FnOnce() -> Result<i64>) -> Result<i64> {
        let next_step = &self.next_step;
        if next_step.load(Ordering::Relaxed) == STEP_UNKNOWN {
            let next = from_store()?;
            let _ = next_step.compare_exchange(STEP_UNKNOWN, next, Ordering::Relaxed, Ordering::Relaxed);
        }
        let step = next_step.fetch_add(count, Ordering::Relaxed);
        if step.checked_add(count).is_none() {
            next_step.store(i64::MAX, Ordering::Relaxed);
        }
        Ok(step)
    }
}

/// The counters of all runs that this process writes to.
#[derive(Debug, Default)]
pub(crate) struct StepCounters {
    by_run: Mutex<HashMap<String, Arc<StepCounter>>>,
}

impl StepCounters {
    /// The counter of a run.
    pub(crate) fn of(&self, run: &str) -> Arc<StepCounter> {
        let fresh = || StepCounter {
            next_step: AtomicI64::new(STEP_UNKNOWN),
            #[cfg(feature = "system")]
            watched: Arc::default(),
        };
        let mut by_run = self.by_run.lock().unwrap_or_else(PoisonError::into_inner);
        by_run.entry(run.to_string()).or_insert_with(|| Arc::new(fresh())).clone()
    }

    /// Makes the next step of a run unknown, so that it is read from the store again.
    pub(crate) fn forget(&self, run: &str) {
        let by_run = self.by_run.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = by_run.get(run) {
            counter.set(STEP_UNKNOWN);
        }
    }
}
