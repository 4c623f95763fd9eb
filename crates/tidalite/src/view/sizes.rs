//! Disk space of the parts, by run and by metric.

use super::snapshot::Snapshot;
use crate::files::finding::Finding;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidalite_model::{Result, SeriesKey};
use tidalite_parts::{SeriesEntry, SeriesTable};

impl Snapshot {
    /// Bytes of each run's points and rollups in the parts, ascending by run.
    ///
    /// The sizes come from the page indexes. They are exact if a page holds one series. Short series share pages; each
    /// counts by its share of the rows. Rollups count by their share of the buckets. Logs, footers and series tables do
    /// not count. Hidden points do, and so do deleted points until a compaction removes them.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// for step in 0..100 { run.log(step, &[("loss", 1.0)])?; }
    /// assert!(store.snapshot()?.bytes_by_run()?.is_empty());
    /// store.flush()?;
    /// assert!(store.snapshot()?.bytes_by_run()?[0].1 > 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Corrupt` for a part that cannot be opened or whose rollups cannot be read, and for a log that has lost rows, unless
    /// this snapshot [reports damage](Self::on_damage): then these are the sizes of the rest.
    pub fn bytes_by_run(&self) -> Result<Vec<(String, u64)>> {
        self.bytes_by(|table, row| table.run(row).clone(), |key| key.run)
    }

    /// As [`bytes_by_run`](Self::bytes_by_run), by metric.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// for step in 0..100 { run.log(step, &[("loss", 1.0), ("acc", 0.5)])?; }
    /// store.flush()?;
    /// let sizes = store.snapshot()?.bytes_by_metric()?;
    /// assert_eq!((&*sizes[0].0, &*sizes[1].0), ("acc", "loss"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`bytes_by_run`](Self::bytes_by_run).
    pub fn bytes_by_metric(&self) -> Result<Vec<(String, u64)>> {
        self.bytes_by(|table, row| table.metric(row).clone(), |key| key.metric)
    }

    fn bytes_by(
        &self,
        of_row: fn(&SeriesTable, &SeriesEntry) -> Arc<str>,
        of_key: fn(SeriesKey) -> Arc<str>,
    ) -> Result<Vec<(String, u64)>> {
        let all = self.with_all_hidden()?;
        let report = all.check_whole("measure store")?;
        let mut found: BTreeMap<Arc<str>, f64> = BTreeMap::new();
        for part in &all.view.parts {
            let table = part.series();
            for (row, bytes) in table.entries().zip(part.bytes_of_rows()) {
                *found.entry(of_row(table, &row)).or_default() += bytes;
            }
            if let Some(error) = part.rollups_damage() {
                report.meet(|| Finding::from(&error), || error.duplicate())?;
            }
            for (key, bytes) in part.bytes_of_rollups() {
                *found.entry(of_key(key)).or_default() += bytes;
            }
        }
        // Never negative, and far below what a u64 holds.
        Ok(found.into_iter().map(|(name, bytes)| (name.to_string(), bytes.round() as u64)).collect())
    }
}
