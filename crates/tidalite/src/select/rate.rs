//! The warning of a rate over values that are no counter.

use super::selection::Selection;

impl Selection {
    /// What is doubtful about the rates that answers of this selection and its clones have read, in a sentence: that values fell
    /// so often that they hardly count anything. `None` otherwise, and without a `rate` among the transforms.
    ///
    /// ```
    /// use tidalite::RowAt;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// for step in 0..10 {
    ///     let at = RowAt::step(step).time_us(step * 1_000_000);
    ///     run.log_at(&at, &[("requests", step as f64), ("power", (step % 3) as f64)])?;
    /// }
    /// let rates = |metric: &str| Ok::<_, tidalite::Error>(store.select().metric(metric).transform("rate".parse()?));
    /// for (metric, warned) in [("requests", false), ("power", true)] {
    ///     let select = rates(metric)?;
    ///     select.points()?.collect()?;
    ///     assert_eq!(select.rate_warning().is_some(), warned);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rate_warning(&self) -> Option<String> {
        let met = self.rates.met();
        let all = met.rises + met.falls;
        let doubtful = met.falls >= FALLS_MIN && met.falls.saturating_mul(RISES_PER_FALL_MIN + 1) > all;
        doubtful.then(|| {
            format!(
                "rate takes each fall of a counter as its restart at zero, and {} % of the changes are falls; for values that \
                 rise and fall use derivative:time",
                met.falls * 100 / all
            )
        })
    }
}

/// Fewer falls are restarts, however few the points.
const FALLS_MIN: u64 = 3;
/// A counter rises at least so often between two restarts.
const RISES_PER_FALL_MIN: u64 = 3;
