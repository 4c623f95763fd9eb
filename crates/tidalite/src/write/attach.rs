//! Logging to a run without taking part in it: what a helper process of a participant does.
//!
//! Invariant: an attached handle writes neither a start nor an end, so it changes nothing about the run's status.

use super::run::{LocalRun, Run};
use crate::engine::store::Store;
use crate::upkeep::maintain;
use crate::view::records::RunRecords;
use tidalite_model::{Labels, Result};

impl Store {
    /// A handle on an existing run, for a process that logs on behalf of another, such as a worker that loads its data.
    /// Points get these labels. The process does not take part in the run: neither [`Run::finish`], nor dropping the
    /// handle, nor the death of the process ends the run.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").label("rank", "3").start()?;
    /// let helper = tidalite::Store::open(store.path())?.attach("a", run.labels().clone())?;
    /// helper.log(0, &[("loader/wait", 0.25)])?;
    /// drop(helper);
    /// assert_eq!(store.snapshot()?.run("a")?.status, tidalite::Status::Running);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `NotFound` if there is no such run; otherwise as [`Run::log`] and [`snapshot`](Self::snapshot).
    pub fn attach(&self, id: &str, labels: Labels) -> Result<Run> {
        let state = self.writable()?;
        RunRecords::of(state, id)?.must_have(state, id, "attach to run")?;
        let log = maintain::log(state)?.clone();
        let local = LocalRun::new(state, log, id);
        Ok(Run::new(self.clone(), id.into(), labels, None, local))
    }
}
