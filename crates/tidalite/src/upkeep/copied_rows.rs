//! Where a merge cuts the tiles of a run around tiles that it copies: no new row reaches from before a copied row of its
//! series to behind it. Rows of one series then follow each other, so that summaries and rollups answer for it.

use super::series_rows::SeriesRows;
use crate::parts::scan::RowRef;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tidalite_model::{Extent, SeriesKey};
use tidalite_parts::{Part, SeriesEntry};

/// Steps, ascending, by run.
pub(super) type RunCuts = HashMap<Arc<str>, Vec<i64>>;

/// The cuts around copied tiles, given as (part, tile). `series` ascend by key, and `rows` are their rows that are merged.
pub(super) fn cuts_around(
    parts: &[Arc<Part>],
    copied: &BTreeSet<(u32, u32)>,
    series: &[(SeriesKey, u64)],
    rows: &SeriesRows,
) -> RunCuts {
    if copied.is_empty() || series.is_empty() {
        return RunCuts::new();
    }
    let is_copied = |row: RowRef, entry: &SeriesEntry| copied.contains(&(row.part, entry.tile));
    let (copied_series, copied_rows) = SeriesRows::find(parts, is_copied);
    let starts = tile_starts(parts, &copied_series, &copied_rows);
    let mut cuts: HashMap<Arc<str>, BTreeSet<i64>> = HashMap::new();
    let mut at = 0;
    for (i, (key, _)) in series.iter().enumerate() {
        at += copied_series[at..].partition_point(|(other, _)| other < key);
        if copied_series.get(at).is_none_or(|(other, _)| other != key) {
            continue;
        }
        let start_of = |row: &RowRef| starts[&(key.run.clone(), row.part, row.of(parts).tile)];
        let merged = rows.of(i).iter().map(|row| (row.steps(parts), None));
        let copied = copied_rows.of(at).iter().map(|row| (row.steps(parts), Some(start_of(row))));
        let found = cuts_of(merged.chain(copied).collect());
        if !found.is_empty() {
            cuts.entry(key.run.clone()).or_default().extend(found);
        }
    }
    cuts.into_iter().map(|(run, cuts)| (run, cuts.into_iter().collect())).collect()
}

/// The first step of each run in each copied tile, by (run, part, tile). Series of one tile that begin a little later share
/// the cut of the first.
fn tile_starts(
    parts: &[Arc<Part>],
    series: &[(SeriesKey, u64)],
    rows: &SeriesRows,
) -> HashMap<(Arc<str>, u32, u32), i64> {
    let mut starts = HashMap::new();
    for (i, (key, _)) in series.iter().enumerate() {
        for row in rows.of(i) {
            let entry = row.of(parts);
            let first = entry.steps().first;
            let start = starts.entry((key.run.clone(), row.part, entry.tile)).or_insert(first);
            *start = first.min(*start);
        }
    }
    starts
}

/// The cuts of one series: one before each group of copied rows that has merged rows before and behind it. Copied rows come
/// with the start of their tile.
fn cuts_of(mut rows: Vec<(Extent, Option<i64>)>) -> Vec<i64> {
    rows.sort_unstable();
    let mut cuts = Vec::new();
    // The last merged step before the group, and where it may be cut.
    let (mut last_merged, mut group): (Option<i64>, Option<i64>) = (None, None);
    for (steps, copied) in rows {
        match (copied, last_merged) {
            (None, _) => {
                cuts.extend(group.take());
                last_merged = last_merged.max(Some(steps.last));
            }
            (Some(start), Some(last)) if group.is_none() => {
                group = Some(if last < start { start } else { steps.first });
            }
            _ => {}
        }
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::cuts_of;
    use tidalite_model::Extent;

    #[test]
    fn a_series_is_cut_before_copied_rows_that_merged_ones_surround() {
        let merged = |first, last| (Extent::new(first, last), None);
        let copied = |first, last, start| (Extent::new(first, last), Some(start));
        assert!(cuts_of(vec![]).is_empty());
        assert!(cuts_of(vec![copied(0, 9, 0), merged(10, 19)]).is_empty());
        assert!(cuts_of(vec![merged(0, 9), copied(10, 19, 10)]).is_empty());
        assert_eq!(cuts_of(vec![merged(30, 39), copied(12, 19, 10), merged(0, 9)]), [10]);
        // The tile's start is among the merged steps of this series.
        assert_eq!(cuts_of(vec![merged(30, 39), copied(12, 19, 8), merged(0, 9)]), [12]);
        let two_groups = vec![
            merged(0, 9),
            copied(10, 19, 10),
            copied(20, 29, 20),
            merged(30, 39),
            merged(40, 49),
            copied(50, 59, 50),
            merged(60, 61),
        ];
        assert_eq!(cuts_of(two_groups), [10, 50]);
    }
}
