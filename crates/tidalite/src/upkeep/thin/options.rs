//! Which runs are thinned, and how far.

use crate::select::pattern::escape;
use crate::view::snapshot::Snapshot;
use std::collections::BTreeSet;
use tidalite_model::{Error, ErrorKind, Result, RunInfo, Status};
use tidalite_query::{NameMatcher, RunFilter};

/// Which runs [`Store::thin`](crate::Store::thin) thins, and how far. Runs have to be named or chosen.
#[derive(Debug, Clone)]
pub struct Thin {
    runs: Vec<String>,
    filter: Option<RunFilter>,
    pub(super) buckets: usize,
    pub(super) bucket_points: u64,
}

/// Buckets that a series keeps at most, unless it is said otherwise: a chart as wide as a window.
const BUCKETS: usize = 1024;
/// So many points a bucket has to stand for: what is left of it and its sums take the room of about 20 points.
const BUCKET_POINTS: u64 = 32;

/// What a thinning did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThinStats {
    /// Points that went from logs to parts first.
    pub flushed: u64,
    /// Runs of which a series was thinned.
    pub runs: u64,
    /// Runs that were chosen by a pattern or filter and left as they are, since a process still writes to them.
    pub runs_running: u64,
    /// Series that were thinned.
    pub series: u64,
    /// Series that stay as they are, since their outline would take as much room.
    pub series_small: u64,
    /// Series that stay as they are, since they were thinned before and later written to, or rewound, at steps that they had.
    pub series_mixed: u64,
    /// Points that the thinned series stand for.
    pub points: u64,
    /// Points that are left of them.
    pub kept: u64,
    /// Points that were rewound or written again and are gone now.
    pub dropped: u64,
}

impl Default for Thin {
    fn default() -> Self {
        Thin::new()
    }
}

impl Thin {
    /// No runs yet, and 1,024 buckets a series.
    pub fn new() -> Self {
        Thin { runs: Vec::new(), filter: None, buckets: BUCKETS, bucket_points: BUCKET_POINTS }
    }

    /// This run; given several times, each.
    pub fn run(mut self, id: impl Into<String>) -> Self {
        self.runs.push(escape(&id.into()));
        self
    }

    /// Runs whose id matches a pattern (see [`Selection::runs`](crate::Selection::runs)). A pattern without signs names a run.
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

    /// Into at most so many buckets a series, aligned powers of two of steps, as [`chart`](crate::Selection::chart) has them: a
    /// chart of so many buckets or fewer stays what it was. 1,024 by default.
    pub fn buckets(mut self, buckets: usize) -> Self {
        self.buckets = buckets;
        self
    }

    /// How many points a bucket has to stand for on average, for a series to be thinned; tests want few.
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

    /// The runs chosen, and how many more are still written to.
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
                        "finish the run first, or choose runs by a pattern, which passes it over",
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
