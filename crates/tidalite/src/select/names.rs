//! Whether something in a snapshot bears a name: a run, a metric, the value of a label.
//!
//! A name exists if a point that is not deleted bears it, also where a rewind hides the point. So neither a flush nor a
//! compaction changes the answer. A part's names are looked up in its lists of names; its series table is read only if a
//! list has the name.

use super::selection::Selection;
use crate::view::lineage::History;
use crate::view::snapshot::Snapshot;
use crate::view::tombstones::{Automatic, Coverage, Tombstones};
use std::collections::BTreeSet;
use std::sync::Arc;
use tidalite_model::{Labels, Result, SeriesKey};
use tidalite_parts::{Part, SeriesEntry};
use tidalite_query::Pattern;

impl Snapshot {
    /// Whether a metric has this name.
    pub(super) fn has_metric(&self, name: &str) -> Result<bool> {
        let in_part = |part: &Part| {
            let metric = part.series().metrics().binary_search_by(|m| (**m).cmp(name)).ok();
            metric.map(|metric| move |entry: &SeriesEntry| entry.metric() == metric)
        };
        let found = self.find(in_part, |key| *key.metric == *name)?;
        found.settle(|| self.select_the_rest().metric(name))
    }

    /// Whether a series has this value of a label.
    pub(super) fn has_label(&self, key: &str, value: &str) -> Result<bool> {
        let has = |labels: &Labels| labels.get(key).is_some_and(|v| *v == *value);
        let in_part = |part: &Part| {
            let all = part.series().all_labels().iter().enumerate();
            let with: BTreeSet<usize> = all.filter(|(_, labels)| has(labels)).map(|(at, _)| at).collect();
            (!with.is_empty()).then_some(move |entry: &SeriesEntry| with.contains(&entry.labels()))
        };
        let found = self.find(in_part, |series| has(&series.labels))?;
        found.settle(|| self.select_the_rest().label(key, Pattern::exact(value)))
    }

    /// Whether a series with a point that is not deleted bears a name. `in_part` gives the test for a part's series,
    /// if the part has the name at all.
    fn find<T: Fn(&SeriesEntry) -> bool>(
        &self,
        in_part: impl Fn(&Part) -> Option<T>,
        in_log: impl Fn(&SeriesKey) -> bool,
    ) -> Result<Sighting> {
        let mut found = self.find_in(&self.view.parts, &in_part)?;
        if found == Sighting::Certain {
            return Ok(found);
        }
        for tail in &self.view.tails {
            let held = tail.read();
            for (id, key) in held.data.keys() {
                if in_log(key) && held.data.count_within(id, tail.seqs)? > 0 {
                    if self.deletions(&key.run).is_none() {
                        return Ok(Sighting::Certain);
                    }
                    found = Sighting::Doubtful;
                }
            }
        }
        // Only names that nothing else bears are looked up in hidden parts.
        if found == Sighting::Nowhere {
            found = self.find_in(&self.with_all_hidden()?.view.parts, &in_part)?;
        }
        Ok(found)
    }

    fn find_in<T: Fn(&SeriesEntry) -> bool>(
        &self,
        parts: &[Arc<Part>],
        in_part: &impl Fn(&Part) -> Option<T>,
    ) -> Result<Sighting> {
        let mut found = Sighting::Nowhere;
        for part in parts {
            let Some(bears) = in_part(part) else { continue };
            let table = part.series();
            let mut details = table.reader();
            for (r, row) in table.entries().enumerate().filter(|(_, row)| bears(row)) {
                let deleted = match self.deletions(table.run(&row)) {
                    Some(tombstones) => {
                        tombstones.coverage(row.steps(), details.of(r)?.seqs(), Automatic::of(&row))
                    }
                    None => Coverage::Nothing,
                };
                match deleted {
                    Coverage::Nothing => return Ok(Sighting::Certain),
                    Coverage::Some => found = Sighting::Doubtful,
                    Coverage::All => {}
                }
            }
        }
        Ok(found)
    }

    fn deletions(&self, run: &str) -> Option<Arc<Tombstones>> {
        let record = self.view.runs.get(run).filter(|record| record.deleted.is_some());
        record.and_then(|record| Tombstones::of(record, true))
    }
}

/// Whether a name was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sighting {
    Nowhere,
    /// Only with points of which some are deleted; reading tells whether all are.
    Doubtful,
    Certain,
}

impl Sighting {
    fn settle(self, of_name: impl FnOnce() -> Selection) -> Result<bool> {
        match self {
            Sighting::Nowhere => Ok(false),
            Sighting::Certain => Ok(true),
            Sighting::Doubtful => {
                let all = of_name().history(History::Own).include_rewound(true);
                Ok(!all.summaries()?.is_empty())
            }
        }
    }
}
