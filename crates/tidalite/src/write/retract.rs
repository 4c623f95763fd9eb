//! Taking back what was written: a run that goes on from an earlier step, and one that is deleted.
//!
//! Each is one change in this process's log, which says how far all writers had come. So it is whole or not there after a
//! crash, it means the same in whichever order logs are read, and what is written afterwards, by whomever, is seen.

use super::run::Run;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::upkeep::maintain;
use crate::view::snapshot::Snapshot;
use std::sync::Arc;
use tidalite_model::{Moment, Result, RunChange, Seq};

impl Run {
    /// Goes on from an earlier step, as after loading a checkpoint: what was written to the run before this call, at steps
    /// greater than `step` and by whichever process, is hidden from every answer. It is kept; a selection sees it with
    /// [`hidden`](crate::Selection::hidden). Steps that count up by themselves go on behind `step`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// for step in 0..10 { run.log(step, &[("loss", 1.0)])?; }
    /// run.rewind(4)?;
    /// run.log(None, &[("loss", 0.5)])?;
    /// let last = store.select().summaries()?[0].1.last;
    /// assert_eq!(last.map(|p| (p.step, p.value)), Some((5, 0.5)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`log`](Self::log); as [`Store::snapshot`], since it looks how far the others have come.
    pub fn rewind(&self, step: i64) -> Result<Seq> {
        let before = now(self.inner()?)?;
        let seq = self.append_change(&RunChange::Rewind { step, before })?;
        self.count_from(step.saturating_add(1))?;
        Ok(seq)
    }
}

impl Store {
    /// Deletes a run: all that was written to it before this call, by whichever process, is gone from every answer at once.
    /// Its room on the disk is given back as parts are compacted. What is written to a run of this id later is a run of its
    /// own; a process that is at it still goes on writing, and what it writes is seen.
    ///
    /// The deletion is accepted when this returns, and durable after a [`sync`](Self::sync). Nothing takes it back.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// run.log(0, &[("loss", 1.0)])?;
    /// run.finish()?;
    /// store.delete_run("a")?;
    /// assert!(store.runs()?.is_empty() && store.select().summaries()?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `NotFound` where there is no such run; as [`Run::log`].
    pub fn delete_run(&self, id: &str) -> Result<Seq> {
        let inner = self.writable()?;
        Snapshot::take(inner)?.run(id)?;
        // Before the moment is taken, so that this writer is none that begins after it.
        let log = maintain::log(inner)?;
        let before = now(inner)?;
        let seq = log.append_change(id, &RunChange::Delete { before })?;
        inner.counters.forget(id);
        Ok(seq)
    }
}

/// How far all writers have come.
fn now(inner: &Arc<StoreState>) -> Result<Moment> {
    let snapshot = Snapshot::take(inner)?;
    // A writer whose folder is not there any more has written all that it ever will. One that opens later has an ordinal
    // that no version had given away by then.
    let ends = snapshot.view.tails.iter().map(|t| {
        let end = Seq::from_i64(t.seqs.1).map_or(0, Seq::ordinal);
        (t.writer, end)
    });
    Ok(Moment::new(snapshot.view.version.manifest.writer_next, ends))
}
