//! The names of all metrics, from series tables and logs. Points are read only where some of a run are hidden.

use crate::view::snapshot::Snapshot;
use crate::view::tombstones::{Automatic, Coverage, Tombstones};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use tidalite_model::Result;

impl Snapshot {
    /// The names of all metrics with a visible point, ascending.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// run.log(0, &[("loss", 0.5), ("acc", 0.9)])?;
    /// assert_eq!(store.snapshot()?.metrics()?, ["acc", "loss"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Corrupt` for a part that cannot be opened, for a log that has lost rows, and where points that had to be read are
    /// damaged, unless this snapshot [reports damage](Self::on_damage): then these are the metrics of the rest.
    pub fn metrics(&self) -> Result<Vec<String>> {
        let reading = self.with_outdated_hidden()?;
        reading.check_whole("list metrics")?;
        let mut seen: HashSet<Arc<str>> = HashSet::new();
        // Some points of these are hidden; only reading tells whether all are.
        let mut doubtful: BTreeSet<Arc<str>> = BTreeSet::new();
        let mut known: HashMap<Arc<str>, Option<Arc<Tombstones>>> = HashMap::new();
        let mut tombstones_of = |run: &Arc<str>| {
            if let Some(tombstones) = known.get(run) {
                return tombstones.clone();
            }
            let tombstones = self.view.runs.get(run).and_then(|record| Tombstones::of(record, false));
            known.insert(run.clone(), tombstones.clone());
            tombstones
        };
        for part in &reading.view.parts {
            let table = part.series();
            let mut details = table.reader();
            for (r, row) in table.entries().enumerate() {
                let metric = table.metric(&row);
                if seen.contains(metric) {
                    continue;
                }
                let of_run = tombstones_of(table.run(&row));
                let hidden = match of_run.and_then(|t| t.of_series(metric, table.labels(&row))) {
                    Some(tombstones) => {
                        tombstones.coverage(row.steps(), details.of(r)?.seqs(), Automatic::of(&row))
                    }
                    None => Coverage::Nothing,
                };
                match hidden {
                    Coverage::All => continue,
                    Coverage::Some => doubtful.insert(metric.clone()),
                    Coverage::Nothing if part.meta().is_hidden() => doubtful.insert(metric.clone()),
                    Coverage::Nothing => seen.insert(metric.clone()),
                };
            }
        }
        for tail in &self.view.tails {
            let held = tail.read();
            for (id, key) in held.data.keys() {
                if seen.contains(&key.metric) || held.data.count_within(id, tail.seqs)? == 0 {
                    continue;
                }
                match tombstones_of(&key.run).and_then(|t| t.of_series(&key.metric, &key.labels)) {
                    Some(_) => doubtful.insert(key.metric.clone()),
                    None => seen.insert(key.metric.clone()),
                };
            }
        }
        for metric in doubtful {
            if !seen.contains(&metric) && !self.select_the_rest().metric(&*metric).summaries()?.is_empty() {
                seen.insert(metric);
            }
        }
        let mut names: Vec<String> = seen.iter().map(|name| name.to_string()).collect();
        names.sort_unstable();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use crate::Store;

    #[test]
    fn metrics_hidden_by_a_rewind_or_a_deletion_are_not_listed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("s")).unwrap();
        let names = || store.snapshot().unwrap().metrics().unwrap();
        let run = store.run("a").start().unwrap();
        run.log(0, &[("kept", 1.0)]).unwrap();
        run.log(9, &[("late", 1.0), ("kept", 1.0)]).unwrap();
        let other = store.run("b").start().unwrap();
        other.log(0, &[("others", 1.0)]).unwrap();
        other.finish().unwrap();
        for flushed in [false, true] {
            assert_eq!(names(), ["kept", "late", "others"], "flushed: {flushed}");
            store.flush().unwrap();
        }
        run.rewind(5).unwrap();
        store.delete_run("b").unwrap();
        assert_eq!(names(), ["kept"]);
        run.log(6, &[("late", 2.0)]).unwrap();
        assert_eq!(names(), ["kept", "late"]);
    }
}
