//! Joining the records of runs, and what the points of both stores tell of which runs are the same.

use super::numbers::Numbers;
use super::targets::{CommonPoints, Targets};
use crate::engine::state::StoreState;
use crate::files::manifest::Manifest;
use crate::files::run_table::RunTable;
use crate::view::snapshot::Snapshot;
use std::collections::BTreeSet;
use std::sync::Arc;
use tidalite_model::{Moment, Moving, Result, Seq};
use tidalite_parts::Part;

/// The points of both stores, by the frames that wrote them.
pub(super) struct Evidence<'a> {
    pub(super) state: &'a StoreState,
    /// This store's newest version; its logs are flushed.
    pub(super) manifest: &'a Manifest,
    pub(super) there: &'a Snapshot,
    pub(super) numbers: &'a Numbers,
}

/// Whether the first or the last write of a row of the run's series passes the test. Writes in between belong to writers
/// with numbers in between; a run that both stores have was begun by an early writer.
fn any_write(part: &Part, run: &str, is_common: &dyn Fn(Seq) -> bool) -> Result<bool> {
    let table = part.series();
    if table.runs().binary_search_by(|held| (**held).cmp(run)).is_err() {
        return Ok(false);
    }
    let mut details = table.reader();
    for (r, _) in table.entries().enumerate().filter(|(_, row)| **table.run(row) == *run) {
        let (least, greatest) = details.of(r)?.seqs();
        if [least, greatest].into_iter().filter_map(Seq::from_i64).any(is_common) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl CommonPoints for Evidence<'_> {
    fn there(&self, run: &str) -> Result<bool> {
        let is_common = |seq: Seq| !self.numbers.is_new(seq);
        for part in &self.there.view.parts {
            if any_write(part, run, &is_common)? {
                return Ok(true);
            }
        }
        for tail in &self.there.view.tails {
            let held = tail.read();
            let end = Seq::new(tail.writer, self.numbers.first_new(tail.writer)).as_i64();
            let seqs = (tail.seqs.0, tail.seqs.1.min(end));
            for (id, _) in held.data.keys().filter(|(_, key)| *key.run == *run) {
                if held.data.count_within(id, seqs)? > 0 {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn here(&self, run: &str) -> Result<bool> {
        for meta in &self.manifest.parts {
            let part: Arc<Part> = self.state.cache.part(&self.state.paths.place(meta), meta)?;
            if any_write(&part, run, &|seq| self.numbers.is_common(seq))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// How a record moves here.
struct Mover<'a> {
    numbers: &'a Numbers,
    targets: &'a Targets,
    /// Writers of this store that may write to the run, and that the other store does not have.
    only_here: &'a BTreeSet<u32>,
}

impl Moving for Mover<'_> {
    fn seq(&self, seq: Seq) -> Seq {
        self.numbers.seq(seq)
    }

    fn moment(&self, moment: &Moment) -> Moment {
        self.numbers.moment(moment, self.only_here)
    }

    fn run(&self, id: &str) -> String {
        self.targets.get(id).cloned().unwrap_or_else(|| id.to_string())
    }
}

/// Joins the other store's records into those of this store.
pub(super) fn join_records(there: &Snapshot, numbers: &Numbers, targets: &Targets, runs: &mut RunTable) {
    // If the other store has more frames of a writer, no moment of this store covers those.
    let extended: Vec<(u32, u64)> = numbers.extended().collect();
    // Without such writers, no record is copied.
    for record in runs.values_mut().filter(|_| !extended.is_empty()) {
        Arc::make_mut(record).change_moments(|moment| {
            for &(writer, end) in &extended {
                if moment.end(writer) == u64::MAX {
                    *moment = moment.with_end(writer, end);
                }
            }
        });
    }
    let living = numbers.living_only_here();
    let starts: BTreeSet<Seq> =
        there.view.runs.values().flat_map(|r| r.participants.keys().map(|o| numbers.seq(o.seq))).collect();
    for (id, record) in there.view.runs_with_last_steps() {
        let target = &targets[id];
        // If the run is new here, only living writers can write what no moment of the other store covers.
        let only_here = if runs.contains_key(target) { numbers.only_here() } else { &living };
        let moved = record.moved(&Mover { numbers, targets, only_here });
        let held = Arc::make_mut(runs.entry(target.clone()).or_default());
        let dropped = |seq: Seq| numbers.seen_there(seq) && !starts.contains(&seq);
        held.join(&moved, |seq| numbers.seen_here(seq), |order| dropped(order.seq));
    }
}
