//! Options of thinning: which runs, and into how many buckets.

use crate::view::run_targets::RunTargets;
use crate::view::snapshot::Snapshot;
use std::collections::BTreeSet;
use tidalite_model::{Error, ErrorKind, Result, Status};
use tidalite_query::{Pattern, RunFilter};

/// Which runs [`Store::thin`](crate::Store::thin) thins, and into how many buckets. Runs must be named, matched or
/// filtered.
#[derive(Debug, Clone)]
pub struct Thin {
    targets: RunTargets,
    pub(super) buckets: usize,
    pub(super) bucket_points: u64,
    /// Whether nothing changes unless the files get smaller.
    pub(super) must_shrink: bool,
}

/// The default for [`Thin::buckets`]: a chart as wide as a window.
const BUCKETS: usize = 1024;
/// The points that a bucket must have on average: its outline and summary take the space of about 20 points.
const BUCKET_POINTS: u64 = 32;

/// The result of thinning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThinStats {
    /// Points flushed from logs to parts first.
    pub flushed: u64,
    /// Runs with at least one thinned series.
    pub runs: u64,
    /// Runs chosen by a pattern or filter but skipped, since a process still writes to them.
    pub runs_running: u64,
    /// Series thinned.
    pub series: u64,
    /// Series left unchanged, since thinning would not save space: their buckets would have too few points, or the thinned
    /// files that were written were not smaller.
    pub series_small: u64,
    /// Series left unchanged, since they were thinned before and later written to or rewound within their thinned
    /// steps.
    pub series_mixed: u64,
    /// Points that the thinned series summarize.
    pub points: u64,
    /// Points that remain in the thinned series.
    pub kept: u64,
    /// Rewound or replaced points that were removed.
    pub dropped: u64,
}

impl ThinStats {
    /// Where nothing was changed, since the thinned files were not smaller.
    pub(super) fn without_gain(self) -> ThinStats {
        ThinStats {
            flushed: self.flushed,
            runs_running: self.runs_running,
            series_small: self.series_small + self.series,
            series_mixed: self.series_mixed,
            ..ThinStats::default()
        }
    }
}

impl Default for Thin {
    fn default() -> Self {
        Thin::new()
    }
}

impl Thin {
    /// Options with no runs chosen, and 1,024 buckets per series.
    pub fn new() -> Self {
        Thin { targets: RunTargets::new(), buckets: BUCKETS, bucket_points: BUCKET_POINTS, must_shrink: true }
    }

    /// Sets the runs.
    pub fn targets(mut self, targets: RunTargets) -> Self {
        self.targets = targets;
        self
    }

    /// Adds the run with exactly this id.
    pub fn run(mut self, id: impl Into<String>) -> Self {
        self.targets = self.targets.run(id);
        self
    }

    /// Adds the runs whose ids match a pattern; see [`RunTargets::matching`].
    pub fn matching(mut self, pattern: impl Into<Pattern>) -> Self {
        self.targets = self.targets.matching(pattern);
        self
    }

    /// Of these, or of all where none was added, runs that a filter takes, such as `ended < "2026-01-01"`; given
    /// several times, all must.
    pub fn where_runs(mut self, filter: RunFilter) -> Self {
        self.targets = self.targets.where_runs(filter);
        self
    }

    /// Of these, or of all where none was added, runs that ended before a time, in µs since 1970 UTC.
    pub fn ended_before_us(mut self, time_us: i64) -> Self {
        self.targets = self.targets.ended_before_us(time_us);
        self
    }

    /// Sets the greatest number of buckets per series (1,024 by default). Their widths are powers of two of steps,
    /// aligned as in [`chart`](crate::Selection::chart), so a chart of this many buckets or fewer does not change.
    pub fn buckets(mut self, buckets: usize) -> Self {
        self.buckets = buckets;
        self
    }

    /// Sets how many points a bucket must have on average for a series to be thinned, whatever the sizes of the files. Tests
    /// set it low.
    #[doc(hidden)]
    pub fn bucket_points(mut self, points: u64) -> Self {
        self.bucket_points = points.max(1);
        self.must_shrink = false;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        self.targets.check("thin")?;
        if self.buckets == 0 {
            return Err(Error::invalid("thin", "0 buckets were asked for", "ask for at least one"));
        }
        Ok(())
    }

    /// The chosen runs that have ended, and the number of those that are still running.
    pub(super) fn chosen(&self, snapshot: &Snapshot) -> Result<(BTreeSet<String>, u64)> {
        let (mut running, mut ended) = (Vec::new(), BTreeSet::new());
        for run in snapshot.each_target(&self.targets)? {
            match run.status {
                Status::Running => running.push(run.id),
                _ => drop(ended.insert(run.id)),
            }
        }
        if let Some(named) = running.iter().find(|id| self.targets.names(id)) {
            return Err(Error::new(
                ErrorKind::Busy,
                "thin",
                format!("a process still writes to run {named:?}"),
                "finish the run first, or choose runs by a pattern, which skips it",
            ));
        }
        Ok((ended, running.len() as u64))
    }
}
