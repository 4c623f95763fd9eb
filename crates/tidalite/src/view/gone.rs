//! Runs that a snapshot does not show: they were deleted, and nothing was written to them since.
//!
//! Points are read only if the series table cannot tell whether a row is deleted whole.

use super::tombstones::{Automatic, Coverage, Tombstones};
use crate::engine::log_tail::TailView;
use crate::engine::state::StoreState;
use crate::files::current_runs::CurrentRuns;
use crate::parts::scan::{RowRef, read_rows};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tidalite_model::{ErrorKind, Result};
use tidalite_parts::{ColumnSet, Part};

/// Runs that were deleted and not written to since.
pub(super) fn gone(
    state: &StoreState,
    runs: &CurrentRuns,
    parts: &[Arc<Part>],
    tails: &[TailView],
) -> Result<BTreeSet<String>> {
    let deleted = runs.retracted().into_iter().filter(|(_, r)| r.is_only_deleted());
    let mut gone: BTreeMap<&str, Arc<Tombstones>> =
        deleted.filter_map(|(id, r)| Some((id, Tombstones::of(r, true)?))).collect();
    if gone.is_empty() {
        return Ok(BTreeSet::new());
    }
    for tail in tails {
        let found = tail.points_of(tail.seqs, &|key| gone.contains_key(&*key.run), &state.pool)?;
        for (key, mut points) in found {
            let Some(tombstones) = gone.get(&*key.run) else { continue };
            tombstones.apply(&mut points);
            if !points.is_empty() {
                gone.remove(&*key.run);
            }
        }
    }
    for (p, part) in parts.iter().enumerate() {
        let table = part.series();
        if !table.runs().iter().any(|run| gone.contains_key(&**run)) {
            continue;
        }
        let mut details = table.reader();
        for (r, row) in table.entries().enumerate() {
            let run = table.run(&row);
            let Some(tombstones) = gone.get(&**run) else { continue };
            let of_row = details.of(r)?;
            let seen = match tombstones.coverage(row.steps(), of_row.seqs(), Automatic::of(&row)) {
                Coverage::All => false,
                Coverage::Nothing => true,
                Coverage::Some => {
                    match read_rows(parts, &[vec![RowRef::new(p, r)]], ColumnSet::ALL) {
                        // The run is shown. So answers about it meet the damage, and answers about other runs are given.
                        Err(e) if e.kind() == ErrorKind::Corrupt => true,
                        read => read?.iter_mut().flatten().any(|points| {
                            tombstones.apply(points);
                            !points.is_empty()
                        }),
                    }
                }
            };
            if seen {
                gone.remove(&**run);
            }
        }
    }
    Ok(gone.into_keys().map(str::to_string).collect())
}
