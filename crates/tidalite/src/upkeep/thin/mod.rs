//! Thinning: of old runs the outline stays, and exact sums of all their points; the rest of the room is given back.
//!
//! ```text
//! lock → flush → newest version → each series of the runs: points seen → outline → thinned part, durable
//!      → parts without these series, durable → next version
//! ```
//!
//! One version changes it all, so that each point is there once, killed at whatever moment. The same checks as in a
//! compaction: what parts hold must be what is carried over, what the outlines stand for, and what was hidden or replaced.
//! See [decision 0020](https://github.com/tidalite/tidalite/blob/main/docs/decisions/0020-thinned-runs.md).

pub(crate) mod options;
mod outline;
mod thinning;

use crate::engine::store::Store;
use crate::engine::store_lock;
use crate::upkeep::collect::collect;
use crate::upkeep::flush::flush_all;
use crate::view::snapshot::Snapshot;
use options::{Thin, ThinStats};
use thinning::{Thinning, thin};
use tidalite_model::Result;

impl Store {
    /// Thins runs that are over: of each series stays, in each of at most [`buckets`](Thin::buckets) buckets of steps, the first
    /// point, the last, those of the least and the greatest value and the first NaN and infinities, with the exact count, sum, mean,
    /// spread and extremes of *all* points of the bucket. The room of the other points is given back; nothing brings them back.
    ///
    /// Afterwards [`summaries`](crate::Selection::summaries), aggregates over whole series, and charts, bands and aggregates in
    /// buckets of steps that the kept buckets fit into answer as before. What is finer is answered from the points that are
    /// left, its counts too: points, percentiles (with whatever else the same question asks), ranges of values, transforms,
    /// and buckets or ranges that cut a kept bucket. A fork reads what is left of its parent.
    /// [`explain`](crate::Selection::explain) tells how many of the series asked are thinned.
    ///
    /// Points that rewinds hid, and those written again later, are gone for good. A series is left as it is where its outline would
    /// take as much room: where a bucket would stand for fewer than 32 points. Thinned again in fewer buckets, a series gets
    /// these; a run that was gone on with and ended again is thinned to its new end.
    ///
    /// Flushes first. Other processes may go on logging.
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
    /// `Invalid` where no runs are chosen, for a wrong pattern, or for no buckets; `NotFound` where a run that is named is not
    /// there; `Busy` where a process still writes to it, or where another one flushes or compacts for more than a minute;
    /// `Corrupt` where a part that is needed is damaged; `Full` where points that have to be merged are beyond the memory
    /// option, or the disk is full. Then no run is thinned.
    pub fn thin(&self, what: &Thin) -> Result<ThinStats> {
        self.thin_with(what, &|_, _| {})
    }

    /// As [`thin`](Self::thin); `progress` is told points looked at and points in all.
    ///
    /// # Errors
    /// As [`thin`](Self::thin).
    pub fn thin_with(&self, what: &Thin, progress: &dyn Fn(u64, u64)) -> Result<ThinStats> {
        let inner = self.writable()?;
        what.check()?;
        inner.seal()?;
        let _lock = store_lock::lock_waiting(inner)?;
        let flushed = flush_all(inner, inner.pool.get()?, &|_| {})?;
        let thinned = thin(inner, &Snapshot::take(inner)?, what, progress);
        collect(inner, 0)?;
        Ok(ThinStats { flushed: flushed.points, ..thinned? })
    }

    /// What [`thin`](Self::thin) would do with what is in parts by now; nothing is changed, and nothing flushed.
    ///
    /// # Errors
    /// As [`thin`](Self::thin).
    pub fn thin_dry_run(&self, what: &Thin) -> Result<ThinStats> {
        self.thin_dry_run_with(what, &|_, _| {})
    }

    /// As [`thin_dry_run`](Self::thin_dry_run); calls `progress` with the points looked at so far and those in total.
    ///
    /// # Errors
    /// As [`thin`](Self::thin).
    pub fn thin_dry_run_with(&self, what: &Thin, progress: &dyn Fn(u64, u64)) -> Result<ThinStats> {
        what.check()?;
        let inner = self.inner()?;
        let snapshot = Snapshot::take(inner)?;
        Ok(Thinning::of(inner, &snapshot, what)?.outline(None, progress)?.stats)
    }
}
