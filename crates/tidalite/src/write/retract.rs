//! Rewinding and deleting runs.
//!
//! Each is one change in this process's log. The change holds a moment: how far every writer had come. So after a crash
//! it is there whole or not at all, its meaning does not depend on the order in which logs are read, and later writes
//! of any process stay visible.

use super::run::Run;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::upkeep::maintain;
use crate::upkeep::reserve::with_reserve;
use crate::view::run_targets::RunTargets;
use crate::view::snapshot::Snapshot;
use std::sync::Arc;
use tidalite_log::Log;
use tidalite_model::{Moment, Result, RunChange, Seq};
use tidalite_query::NameMatcher;

impl Run {
    /// Continues from an earlier step, as after loading a checkpoint. Hides points of the run at steps greater than
    /// `step` that were written before: by this process until now, and by participants that had ended or died when
    /// this one started. A participant that still takes part rewinds its own points. So all ranks of a job may call
    /// this after a restart, each at its own moment. If this participant has labels, only series with these
    /// labels are rewound. Points with automatic steps and telemetry (metrics below `system/`) stay, since they count
    /// other steps.
    ///
    /// Hidden points are kept; a selection reads them with [`include_rewound`](crate::Selection::include_rewound).
    /// Automatic steps continue after `step`.
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
    /// As [`log`](Self::log) and [`Store::snapshot`].
    pub fn rewind(&self, step: i64) -> Result<Seq> {
        self.rewind_metrics(step, &[] as &[&str])
    }

    /// As [`rewind`](Self::rewind), but only points of metrics with one of these names or patterns are hidden. Metrics
    /// that count other steps, such as epochs beside batches, are rewound by calls of their own.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// for batch in 0..100 { run.log(batch, &[("train/loss", 1.0)])?; }
    /// for epoch in 0..4 { run.log(epoch, &[("val/loss", 1.0)])?; }
    /// run.rewind_metrics(49, &["train/*"])?;
    /// run.rewind_metrics(1, &["val/*"])?;
    /// let last = |metric| store.select().metric(metric).summaries().map(|s| s[0].1.last.map(|p| p.step));
    /// assert_eq!((last("train/loss")?, last("val/loss")?), (Some(49), Some(1)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` for a malformed pattern; otherwise as [`log`](Self::log).
    pub fn rewind_metrics<S: AsRef<str>>(&self, step: i64, metrics: &[S]) -> Result<Seq> {
        NameMatcher::new(metrics)?;
        let metrics = metrics.iter().map(|m| m.as_ref().to_string()).collect();
        let (before, labels) = (self.gone()?, self.labels().clone());
        let seq = self.append_change(&RunChange::Rewind { step, before, labels, metrics })?;
        self.count_from(step.saturating_add(1))?;
        Ok(seq)
    }
}

impl Store {
    /// Deletes a run: everything that any process wrote to it before this call is removed from every answer at once.
    /// Compaction frees the disk space. Later writes under this id belong to a new run. A process that still writes to
    /// the run may continue, and what it writes is visible.
    ///
    /// The deletion is accepted when this returns, and durable after a [`sync`](Self::sync). It cannot be undone.
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
    /// `NotFound` if there is no such run; otherwise as [`Run::log`].
    pub fn delete_run(&self, id: &str) -> Result<Seq> {
        let state = self.writable()?;
        Snapshot::take(state)?.known_run(id)?;
        with_reserve(state, || {
            // Make the log before the moment is taken, so that this writer does not count as one that begins after it.
            let log = maintain::log(state)?;
            delete(state, log, id, now(state)?)
        })
    }

    /// Deletes the runs that a choice means, each as [`delete_run`](Self::delete_run) does, and returns their ids. All
    /// ids that were given are looked up before the first run is deleted.
    ///
    /// ```
    /// use tidalite::RunTargets;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for id in ["a", "b"] { store.run(id).start()?.finish()?; }
    /// assert!(store.delete_runs(&RunTargets::new().run("a").run("c")).is_err());
    /// assert_eq!(store.delete_runs(&RunTargets::new().run("a"))?, ["a"]);
    /// assert_eq!(store.runs()?[0].id, "b");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `NotFound` if a given id is of no run, `Invalid` if nothing is chosen or a pattern is malformed: then no run is
    /// deleted. Otherwise as [`Run::log`]: then each run is deleted or not, and the call can be repeated for the rest.
    pub fn delete_runs(&self, what: &RunTargets) -> Result<Vec<String>> {
        let state = self.writable()?;
        what.check("delete runs")?;
        let ids: Vec<String> = Snapshot::take(state)?.each_target(what)?.map(|run| run.id).collect();
        let log = with_reserve(state, || maintain::log(state))?;
        let before = now(state)?;
        for id in &ids {
            with_reserve(state, || delete(state, log, id, before.clone()))?;
        }
        Ok(ids)
    }
}

fn delete(state: &Arc<StoreState>, log: &Log, id: &str, before: Moment) -> Result<Seq> {
    let seq = log.append_change(id, &RunChange::Delete { before })?;
    state.counters.forget(id);
    Ok(seq)
}

/// The moment of now: how far each writer has come.
fn now(state: &Arc<StoreState>) -> Result<Moment> {
    let snapshot = Snapshot::take(state)?;
    // A writer whose folder is gone writes no more. A writer that opens later gets a number that no version had
    // assigned by now.
    let ends = snapshot.view.tails.iter().map(|t| {
        let end = Seq::from_i64(t.seqs.1).map_or(0, Seq::ordinal);
        (t.writer, end)
    });
    Ok(Moment::new(snapshot.view.version.manifest.writer_next, ends))
}
