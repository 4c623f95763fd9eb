//! What each run holds: how many series and points, and up to which step and time.

use super::selection::Selection;
use std::collections::BTreeMap;
use tidalite_model::{Result, SummaryFacts};

/// Totals of the selected points of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunTotals {
    /// The number of series.
    pub series: u64,
    /// The number of points.
    pub points: u64,
    /// The greatest step.
    pub last_step: Option<i64>,
    /// The latest time of a point, µs since 1970 UTC.
    pub last_time_us: Option<i64>,
}

impl Selection {
    /// Totals of the selected points of each run. Runs without a selected point are left out. It costs what
    /// [`summaries`](Self::summaries) costs: the series tables are read, and points only where ranges of the selection,
    /// rewinds or repeats require it.
    ///
    /// ```
    /// use tidalite::History;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// for step in 0..10 { run.log(step, &[("loss", 1.0), ("acc", 0.5)])?; }
    /// // Each point counts once: in the run that it was written to.
    /// let totals = store.select().history(History::Own).run_totals()?;
    /// assert_eq!((totals["a"].series, totals["a"].points, totals["a"].last_step), (2, 20, Some(9)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points).
    pub fn run_totals(&self) -> Result<BTreeMap<String, RunTotals>> {
        let mut found: BTreeMap<String, RunTotals> = BTreeMap::new();
        self.each_summary(
            SummaryFacts { times: true, ..SummaryFacts::default() },
            false,
            &mut |series, summary| {
                if !found.contains_key(&*series.run) {
                    found.insert(series.run.to_string(), RunTotals::default());
                }
                let of_run = found.get_mut(&*series.run).expect("inserted above");
                of_run.series += 1;
                of_run.points += summary.count;
                of_run.last_step = of_run.last_step.max(summary.last.map(|last| last.step));
                of_run.last_time_us = of_run.last_time_us.max(summary.time_max_us);
            },
        )?;
        Ok(found)
    }
}
