//! The records of all runs as of now: those of a version, shared by all snapshots of it, and on top those that logs have
//! changed since.
//!
//! A snapshot copies only the records that logs change, so its cost does not grow with the number of runs.

use super::run_table::{self, RunTable};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidalite_model::{RunChange, RunRecord, WriteOrder};

/// The records of a version's run table, with lists of the few that are asked for by what they hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct VersionRuns {
    records: RunTable,
    /// Runs with rewinds or a deletion.
    retracted: Vec<String>,
    /// Runs with a parent.
    forked: Vec<String>,
}

impl VersionRuns {
    /// All records, without the lists.
    pub(crate) fn into_records(self) -> RunTable {
        self.records
    }
}

impl From<RunTable> for VersionRuns {
    fn from(records: RunTable) -> VersionRuns {
        let listed = |is_listed: fn(&RunRecord) -> bool| {
            records.iter().filter(|(_, record)| is_listed(record)).map(|(id, _)| id.clone()).collect()
        };
        VersionRuns { retracted: listed(is_retracted), forked: listed(is_forked), records }
    }
}

/// The records of all runs as of now.
#[derive(Debug, Clone, Default)]
pub(crate) struct CurrentRuns {
    version: Arc<VersionRuns>,
    /// They replace those of the version.
    changed: RunTable,
}

impl CurrentRuns {
    /// The runs of a version.
    pub(crate) fn new(version: Arc<VersionRuns>) -> CurrentRuns {
        CurrentRuns { version, changed: RunTable::new() }
    }

    /// Applies the changes of several logs, see [`run_table::apply`].
    pub(crate) fn apply<'a>(
        &mut self,
        changes: impl Iterator<Item = &'a (WriteOrder, String, RunChange)> + Clone,
    ) {
        changes.clone().for_each(|(_, run, _)| self.add(run));
        run_table::apply(&mut self.changed, changes);
    }

    /// Adds a run without facts, if it is not there.
    pub(crate) fn add(&mut self, run: &str) {
        if !self.changed.contains_key(run) {
            let record = self.version.records.get(run).cloned().unwrap_or_default();
            self.changed.insert(run.to_string(), record);
        }
    }

    /// The record of a run.
    pub(crate) fn get(&self, run: &str) -> Option<&RunRecord> {
        self.changed.get(run).or_else(|| self.version.records.get(run)).map(|record| &**record)
    }

    /// Whether there is a record of the run.
    pub(crate) fn contains_key(&self, run: &str) -> bool {
        self.get(run).is_some()
    }

    /// All records, ascending by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &RunRecord)> {
        let mut changed = self.changed.iter().peekable();
        let mut others = self.version.records.iter().peekable();
        let all = std::iter::from_fn(move || match (others.peek(), changed.peek()) {
            (Some((other, _)), Some((run, _))) if other == run => {
                others.next();
                changed.next()
            }
            (Some((other, _)), Some((run, _))) if other < run => others.next(),
            (Some(_), None) => others.next(),
            _ => changed.next(),
        });
        all.map(|(id, record)| (id, &**record))
    }

    /// The ids of all runs, ascending.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &String> {
        self.iter().map(|(id, _)| id)
    }

    /// The records, ascending by id.
    pub(crate) fn values(&self) -> impl Iterator<Item = &RunRecord> {
        self.iter().map(|(_, record)| record)
    }

    /// The number of runs.
    pub(crate) fn len(&self) -> usize {
        let new = self.changed.keys().filter(|run| !self.version.records.contains_key(*run)).count();
        self.version.records.len() + new
    }

    /// Whether there is no run.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The runs that have rewinds or were deleted, ascending by id.
    pub(crate) fn retracted(&self) -> BTreeMap<&str, &RunRecord> {
        self.listed(&self.version.retracted, is_retracted)
    }

    /// The runs that have a parent, ascending by id.
    pub(crate) fn forked(&self) -> BTreeMap<&str, &RunRecord> {
        self.listed(&self.version.forked, is_forked)
    }

    fn listed<'a>(
        &'a self,
        of_version: &'a [String],
        is_listed: fn(&RunRecord) -> bool,
    ) -> BTreeMap<&'a str, &'a RunRecord> {
        let unchanged = of_version.iter().filter(|run| !self.changed.contains_key(*run));
        let unchanged = unchanged.map(|run| (run.as_str(), &*self.version.records[run]));
        let changed = self.changed.iter().filter(|(_, record)| is_listed(record));
        unchanged.chain(changed.map(|(run, record)| (run.as_str(), &**record))).collect()
    }
}

impl From<RunTable> for CurrentRuns {
    fn from(records: RunTable) -> CurrentRuns {
        CurrentRuns::new(Arc::new(records.into()))
    }
}

fn is_retracted(record: &RunRecord) -> bool {
    record.deleted.is_some() || !record.rewinds.is_empty()
}

fn is_forked(record: &RunRecord) -> bool {
    record.parent().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidalite_model::{Assign, Moment, Parent, RunEdit, Seq};

    type LoggedChange = (WriteOrder, String, RunChange);

    /// Changes of runs `0` to `8`, made by one writer.
    fn changes(seed: u64, count: u64) -> Vec<LoggedChange> {
        let of = |i: u64| {
            let mixed = (seed * 100 + i).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            let (order, run) =
                (WriteOrder::new((seed * 100 + i) as i64, Seq::new(1, seed * 100 + i)), mixed % 9);
            let parent = Parent { run: "0".into(), step: Some(3) };
            let change = match mixed / 9 % 5 {
                0 => RunChange::Delete { before: Moment::new(1, [(1, seed * 100 + i)]) },
                1 => RunChange::Edit(RunEdit { parent: Assign::Set(parent), ..RunEdit::default() }),
                2 => RunChange::Edit(RunEdit { parent: Assign::Clear, ..RunEdit::default() }),
                _ => RunChange::Edit(RunEdit::param("lr", i as f64)),
            };
            (order, run.to_string(), change)
        };
        (0..count).map(of).collect()
    }

    #[test]
    fn records_on_top_of_a_version_are_as_in_one_table() {
        for seed in 0..200 {
            let (flushed, logged) = (changes(2 * seed, seed % 7), changes(2 * seed + 1, seed % 5));
            let mut one = RunTable::new();
            run_table::apply(&mut one, flushed.iter());
            let mut current = CurrentRuns::from(one.clone());
            run_table::apply(&mut one, logged.iter());
            current.apply(logged.iter());
            one.entry("3".into()).or_default();
            current.add("3");
            current.add("3");

            let records = || one.iter().map(|(id, record)| (id, &**record));
            assert!(current.iter().eq(records()), "{seed}");
            assert!(
                current.keys().eq(one.keys()) && current.values().eq(records().map(|(_, record)| record))
            );
            assert_eq!((current.len(), current.is_empty()), (one.len(), false));
            for run in (0..10).map(|run| run.to_string()) {
                assert_eq!(current.get(&run), one.get(&run).map(|record| &**record));
                assert_eq!(current.contains_key(&run), one.contains_key(&run));
            }
            let listed = |is_listed: fn(&RunRecord) -> bool| -> BTreeMap<&str, &RunRecord> {
                records().filter(|(_, r)| is_listed(r)).map(|(id, r)| (id.as_str(), r)).collect()
            };
            assert_eq!(current.retracted(), listed(is_retracted));
            assert_eq!(current.forked(), listed(is_forked));
        }
        assert!(CurrentRuns::default().is_empty());
    }
}
