//! Options of thinning: which runs, and into how many buckets.

use crate::select::pattern::escape;
use crate::view::snapshot::Snapshot;
use std::collections::BTreeSet;
use tidalite_model::{Error, ErrorKind, Result, RunInfo, Status};
use tidalite_query::{NameMatcher, RunFilter};

/// Which runs [`Store::thin`](crate::Store::thin) thins, and into how many buckets. Runs must be named or filtered.
#[derive(Debug, Clone)]
pub struct Thin {
    runs: Vec<String>,
    filter: Option<RunFilter>,
    pub(super) buckets: usize,
    pub(super) bucket_points: u64,
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
    /// Series left unchanged, since thinning would not save space.
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

impl Default for Thin {
    fn default() -> Self {
        Thin::new()
    }
}

impl Thin {
    /// Options with no runs chosen, and 1,024 buckets per series.
    pub fn new() -> Self {
        Thin { runs: Vec::new(), filter: None, buckets: BUCKETS, bucket_points: BUCKET_POINTS }
    }

    /// Adds a run.
    pub fn run(mut self, id: impl Into<String>) -> Self {
        self.runs.push(escape(&id.into()));
        self
    }

    /// Adds the runs whose ids match a pattern (see [`Selection::runs`](crate::Selection::runs)). A pattern without
    /// special characters names a run.
    pub fn runs(mut self, pattern: impl Into<String>) -> Self {
        self.runs.push(pattern.into());
        self
    }

    /// Of these, or of all where none is named, runs that a filter takes, such as `ended < "2026-01-01"`; given several times,
    /// all must.
    pub fn where_runs(mut self, filter: RunFilter) -> Self {
        self.filter = Some(match self.filter.take() {
            None => filter,
            Some(before) => before.and(filter),
        });
        self
    }

    /// Sets the greatest number of buckets per series (1,024 by default). Their widths are powers of two of steps,
    /// aligned as in [`chart`](crate::Selection::chart), so a chart of this many buckets or fewer does not change.
    pub fn buckets(mut self, buckets: usize) -> Self {
        self.buckets = buckets;
        self
    }

    /// Sets how many points a bucket must have on average for a series to be thinned. Tests set it low.
    #[doc(hidden)]
    pub fn bucket_points(mut self, points: u64) -> Self {
        self.bucket_points = points.max(1);
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.runs.is_empty() && self.filter.is_none() {
            return Err(Error::invalid("thin", "no runs were chosen", "name runs, or give a filter of runs"));
        }
        if self.buckets == 0 {
            return Err(Error::invalid("thin", "0 buckets were asked for", "ask for at least one"));
        }
        NameMatcher::new(&self.runs).map(|_| ())
    }

    /// The chosen runs that have ended, and the number of those that are still running.
    pub(super) fn chosen(&self, snapshot: &Snapshot) -> Result<(BTreeSet<String>, u64)> {
        let takes = |run: &RunInfo| self.filter.as_ref().is_none_or(|f| f.matches(run));
        for pattern in &self.runs {
            let one = NameMatcher::new(&[pattern])?;
            for name in one.as_exact().unwrap_or_default() {
                let run = snapshot.run(name)?;
                if run.status == Status::Running && takes(&run) {
                    return Err(Error::new(
                        ErrorKind::Busy,
                        "thin",
                        format!("a process still writes to run {name:?}"),
                        "finish the run first, or choose runs by a pattern, which skips it",
                    ));
                }
            }
        }
        let named = if self.runs.is_empty() { NameMatcher::all() } else { NameMatcher::new(&self.runs)? };
        let runs = snapshot.runs().into_iter().filter(|r| named.is_match(&r.id) && takes(r));
        let (running, still): (Vec<_>, Vec<_>) = runs.partition(|r| r.status == Status::Running);
        Ok((still.into_iter().map(|r| r.id).collect(), running.len() as u64))
    }
}
