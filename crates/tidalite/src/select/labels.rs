//! Which labels the series of a selection carry.

use super::selection::Selection;
use std::collections::BTreeMap;
use tidalite_model::{Result, SummaryFacts};

impl Selection {
    /// The labels of the selected series: each key with its values, and with the number of series that carry each value.
    /// Both ascend as text. It costs what [`summaries`](Self::summaries) costs: the series tables are read, and points
    /// only where ranges of the selection, rewinds or repeats require it.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for rank in 0..3 {
    ///     let run = store.run("job").label("rank", rank.to_string()).label("host", "a").start()?;
    ///     run.log(0, &[("loss", 1.0), ("acc", 0.5)])?;
    /// }
    /// let labels = store.select().metric("loss").label_values()?;
    /// assert_eq!(labels["host"]["a"], 3);
    /// assert_eq!(labels["rank"].keys().collect::<Vec<_>>(), ["0", "1", "2"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points).
    pub fn label_values(&self) -> Result<BTreeMap<String, BTreeMap<String, u64>>> {
        let mut found: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        self.each_summary(SummaryFacts::default(), false, &mut |series, _| {
            for (key, value) in series.labels.iter() {
                *found.entry(key).or_default().entry(value).or_default() += 1;
            }
        })?;
        Ok(found)
    }
}
