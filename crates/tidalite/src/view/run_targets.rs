//! Which runs a permanent change is made to: a deletion or a thinning.
//!
//! Invariants: a text names one run unless a pattern is asked for by its own method, and every id is looked up before
//! the first change.

use super::snapshot::Snapshot;
use std::collections::BTreeSet;
use tidalite_model::{Error, Result, RunInfo};
use tidalite_query::{NameMatcher, Pattern, RunFilter};

/// Which runs [`Store::delete_runs`](crate::Store::delete_runs) deletes, or [`Store::thin`](crate::Store::thin) thins.
/// [`run`](Self::run) and [`matching`](Self::matching) add runs. The other methods narrow these, or all runs where none
/// was added. [`Snapshot::targets`] lists the runs beforehand.
///
/// ```
/// use tidalite::RunTargets;
/// # let dir = tempfile::tempdir()?;
/// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
/// for id in ["sweep-1", "sweep-2", "*"] { store.run(id).start()?.finish()?; }
/// let what = RunTargets::new().matching("sweep-*").where_runs("status = 'finished'".parse()?);
/// assert_eq!(store.snapshot()?.targets(&what)?.len(), 2);
/// assert_eq!(store.delete_runs(&RunTargets::new().run("*"))?, ["*"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "this only says which runs are meant"]
pub struct RunTargets {
    ids: BTreeSet<String>,
    patterns: Vec<Pattern>,
    filter: Option<RunFilter>,
    ended_before_us: Option<i64>,
}

impl RunTargets {
    /// No runs.
    pub fn new() -> Self {
        RunTargets::default()
    }

    /// Adds the run with exactly this id; no character has a special meaning.
    pub fn run(mut self, id: impl Into<String>) -> Self {
        self.ids.insert(id.into());
        self
    }

    /// Adds the runs whose ids match a pattern, as for [`Selection::runs`](crate::Selection::runs).
    pub fn matching(mut self, pattern: impl Into<Pattern>) -> Self {
        self.patterns.push(pattern.into());
        self
    }

    /// Only runs that a filter takes; given several times, all must.
    pub fn where_runs(mut self, filter: RunFilter) -> Self {
        self.filter = Some(match self.filter.take() {
            None => filter,
            Some(before) => before.and(filter),
        });
        self
    }

    /// Only runs that ended before a time, in µs since 1970 UTC. A run that has no end, such as one whose process was
    /// killed, is not among them.
    pub fn ended_before_us(mut self, time_us: i64) -> Self {
        self.ended_before_us = Some(self.ended_before_us.map_or(time_us, |before| before.min(time_us)));
        self
    }

    /// Refuses a choice of nothing, which would mean all runs, and malformed patterns.
    pub(crate) fn check(&self, doing: &str) -> Result<()> {
        let all = self.ids.is_empty() && self.patterns.is_empty();
        if all && self.filter.is_none() && self.ended_before_us.is_none() {
            return Err(Error::invalid(
                doing,
                "no runs were chosen",
                "name runs, or give a pattern or a filter of runs",
            ));
        }
        // A text that is malformed as a glob may name a run; `targets` decides.
        let patterns: Vec<Pattern> =
            self.patterns.iter().filter(|p| !p.is_text_but_no_glob()).cloned().collect();
        NameMatcher::resolve(&patterns, |_| Ok(false)).map(|_| ())
    }

    /// Whether the id was given, and not found by a pattern or filter.
    pub(crate) fn names(&self, id: &str) -> bool {
        self.ids.contains(id)
    }
}

impl Snapshot {
    /// The runs that a choice means, ascending by id.
    ///
    /// ```
    /// use tidalite::{Pattern, RunTargets};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for id in ["sweep-0", "sweep-1", "base"] { store.run(id).start()?; }
    /// let what = RunTargets::new().matching(Pattern::glob("sweep-*"));
    /// assert_eq!(store.snapshot()?.targets(&what)?.len(), 2);
    /// assert!(store.snapshot()?.targets(&RunTargets::new().run("sweep-*")).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `NotFound` if a given id is of no run; `Invalid` if nothing is chosen or a pattern is malformed.
    pub fn targets(&self, what: &RunTargets) -> Result<Vec<RunInfo>> {
        Ok(self.each_target(what)?.collect())
    }

    /// As [`targets`](Self::targets), one after the other.
    pub(crate) fn each_target<'a>(
        &'a self,
        what: &'a RunTargets,
    ) -> Result<impl Iterator<Item = RunInfo> + 'a> {
        what.check("choose runs")?;
        let matching = NameMatcher::resolve(&what.patterns, |id| Ok(self.has_run(id)))?;
        for id in &what.ids {
            self.known_run(id)?;
        }
        let all = what.ids.is_empty() && what.patterns.is_empty();
        let everything = NameMatcher::all();
        let before = move |run: &RunInfo| {
            what.ended_before_us.is_none_or(|before| run.ended_us.is_some_and(|ended| ended < before))
        };
        // Runs are changed permanently; which ones must not depend on what is lost. Runs that are named are known.
        if what.filter.is_some() || what.ended_before_us.is_some() || !what.patterns.is_empty() {
            self.check_runs("choose runs", if all { &everything } else { &matching })?;
        }
        Ok(self.each_run().filter(move |run| {
            (all || what.names(&run.id) || matching.is_match(&run.id))
                && what.filter.as_ref().is_none_or(|filter| filter.matches(run))
                && before(run)
        }))
    }
}
