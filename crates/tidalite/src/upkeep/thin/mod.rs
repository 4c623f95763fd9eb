//! Thinning: keeps the outline of old runs and exact summaries of all their points, and frees the space of the rest.
//!
//! ```text
//! lock → flush → newest version → each series of the runs: points seen → outline → thinned part, durable
//!      → parts without these series, durable → next version
//! ```
//!
//! One version makes all changes, so each point is there exactly once, even if the process is killed. As in compaction,
//! counts and checksums are compared: the points copied, summarized by outlines, and hidden or replaced must add up to
//! those of the old parts.
//!
//! May use: its neighbours in `upkeep`, and what `upkeep` may use.
//!
//! See [decision 0020](https://github.com/tidalite/tidalite/blob/main/docs/decisions/0020-thinned-runs.md).

pub(crate) mod options;
mod outline;
mod thinning;

use crate::engine::room::JobRoom;
use crate::engine::store::Store;
use crate::engine::store_lock;
use crate::files::manifest;
use crate::upkeep::collect::{Grace, collect};
use crate::upkeep::compact::compact_all;
use crate::upkeep::flush::flush_by_hand;
use crate::upkeep::full_disk::flush_full_disk;
use crate::upkeep::policy::Policy;
use crate::upkeep::reserve::{self, with_reserve};
use crate::view::snapshot::Snapshot;
use options::{Thin, ThinStats};
use std::ops::ControlFlow;
use thinning::{Thinning, thin};
use tidalite_model::{ErrorKind, Result};

impl Store {
    /// Thins ended runs. Each series is divided into at most [`buckets`](Thin::buckets) buckets of steps. Each bucket
    /// keeps the first point, the last, the least, the greatest, and the first NaN and infinities, with the exact
    /// count, sum, mean, spread and extremes of *all* its points. The other points are removed permanently and their
    /// space is freed.
    ///
    /// Afterwards [`summaries`](crate::Selection::summaries), aggregates over whole series, and charts, bands and
    /// aggregates in buckets of steps that hold whole kept buckets answer as before. Finer queries answer from the
    /// remaining points, counts included: points, percentiles (and everything else in the same query), ranges of
    /// values, transforms, and buckets or ranges that cut a kept bucket. A fork reads the remaining points of its
    /// parent. [`explain`](crate::Selection::explain) reports how many of the selected series are thinned.
    ///
    /// Points that were rewound or replaced by a repeat are removed permanently. A series is not thinned if its outline
    /// would not save space: if a bucket would have fewer than 32 points on average. If the files that were written are not
    /// smaller than those that they would replace, nothing is changed. A series can be thinned again into
    /// fewer buckets. A run that continued and ended again can be thinned up to its new end.
    ///
    /// Flushes first. Other processes may continue to log.
    ///
    /// ```
    /// use tidalite::Thin;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("old").start()?;
    /// for step in 0..50_000 { run.log(step, &[("loss", 1.0 / (step + 1) as f64)])?; }
    /// run.finish()?;
    /// let before = store.select().run("old").chart(500)?;
    /// let done = store.thin(&Thin::new().run("old"))?;
    /// assert_eq!((done.series, done.points), (1, 50_000));
    /// assert!(done.kept < 4_000);
    /// assert_eq!(store.select().run("old").summaries()?[0].1.count, 50_000);
    /// assert_eq!(store.select().run("old").chart(500)?[0].1.buckets.len(), before[0].1.buckets.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` if no runs are chosen, a pattern is wrong, or there are 0 buckets; `NotFound` if a named run does not
    /// exist; `Busy` if a process still writes to a named run, or another process flushes or compacts for more than a
    /// minute; `Corrupt` if a part that is needed is damaged; `Full` if the disk is full. On an error, no run is
    /// thinned.
    pub fn thin(&self, what: &Thin) -> Result<ThinStats> {
        self.thin_with(what, &|_, _| ControlFlow::Continue(()))
    }

    /// As [`thin`](Self::thin). `progress` gets the stored points examined and their total.
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::ops::ControlFlow;
    /// use tidalite::Thin;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10_000 { run.log(step, &[("loss", 1.0 / (step + 1) as f64)])?; }
    /// # run.finish()?;
    /// let seen = Cell::new((0, 0));
    /// store.thin_with(&Thin::new().run("a").buckets(100), &|done, total| {
    ///     seen.set((done, total));
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!(seen.get(), (10_000, 10_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`thin`](Self::thin).
    pub fn thin_with(
        &self,
        what: &Thin,
        progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Result<ThinStats> {
        what.check()?;
        self.upkeep(|state| {
            let progress = |done, total| state.unless_closed(progress(done, total));
            state.seal()?;
            let _lock = store_lock::lock_waiting(state, "thin", &|| progress(0, 0))?;
            let flushed = match flush_by_hand(state, &|_| progress(0, 0)) {
                Err(e) if e.kind() == ErrorKind::Full => {
                    let room = JobRoom::by_hand(state)?;
                    let flushed = flush_full_disk(state, &room, &|_| progress(0, 0))?;
                    compact_all(state, Policy::Deleted, &room, &progress)?;
                    flushed
                }
                flushed => flushed?.points,
            };
            let before = manifest::latest(&*state.vfs, &state.paths)?.manifest;
            let before = before.parts.iter().map(|part| part.id).collect();
            let thinned = with_reserve(state, || {
                thin(state, &Snapshot::take(state)?.with_all_hidden()?, what, &progress)
            });
            collect(state, Grace::AllBut(&before))?;
            reserve::make(state);
            Ok(ThinStats { flushed, ..thinned? })
        })
    }

    /// Reports what [`thin`](Self::thin) would do with the points that are in parts now. It changes and flushes
    /// nothing.
    ///
    /// ```
    /// use tidalite::Thin;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10_000 { run.log(step, &[("loss", 1.0 / (step + 1) as f64)])?; }
    /// # run.finish()?;
    /// store.flush()?;
    /// let plan = store.thin_dry_run(&Thin::new().run("a").buckets(100))?;
    /// assert!(plan.points == 10_000 && plan.kept < 1_000);
    /// assert_eq!(store.select().points()?.collect()?.num_rows(), 10_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`thin`](Self::thin).
    pub fn thin_dry_run(&self, what: &Thin) -> Result<ThinStats> {
        self.thin_dry_run_with(what, &|_, _| ControlFlow::Continue(()))
    }

    /// As [`thin_dry_run`](Self::thin_dry_run); calls `progress` with the points examined so far and those in total.
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::ops::ControlFlow;
    /// use tidalite::Thin;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10_000 { run.log(step, &[("loss", 1.0 / (step + 1) as f64)])?; }
    /// # run.finish()?;
    /// # store.flush()?;
    /// let seen = Cell::new((0, 0));
    /// store.thin_dry_run_with(&Thin::new().run("a").buckets(100), &|done, total| {
    ///     seen.set((done, total));
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!(seen.get(), (10_000, 10_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`thin`](Self::thin).
    pub fn thin_dry_run_with(
        &self,
        what: &Thin,
        progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Result<ThinStats> {
        what.check()?;
        let state = self.state()?;
        let snapshot = Snapshot::take(state)?.with_all_hidden()?;
        Ok(Thinning::of(state, &snapshot, what)?
            .outline(None, &|done, total| state.unless_closed(progress(done, total)))?
            .stats)
    }
}
