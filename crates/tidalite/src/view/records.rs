//! The records of all runs as of now, without their points.
//!
//! Unlike a snapshot it reads no rows, so its memory does not depend on how much is unflushed.

use super::missing_run::no_such_run;
use super::snapshot::{Snapshot, retry};
use crate::engine::state::StoreState;
use crate::files::current_runs::CurrentRuns;
use crate::files::writer_table;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tidalite_model::{Moment, Result, RunRecord, TIME_US_MIN};

/// The records of all runs, or of those that were asked for, and how far each writer had come.
#[derive(Debug)]
pub(crate) struct RunRecords {
    /// Of a run that was not asked for, it has at most what logs say.
    pub(crate) runs: CurrentRuns,
    /// Runs that logs have points of, perhaps without a record; of one run, if one was asked for.
    logged: BTreeSet<String>,
    /// Of each writer that has a log: whether it lives, and its first frame that is not read here.
    writers: BTreeMap<u32, (bool, u64)>,
    /// Every writer below this has a log or is gone.
    writer_next: u32,
    /// The version of the manifest.
    pub(crate) version: u64,
}

impl RunRecords {
    /// Reads all records. Later writes of this process are later than every write seen here.
    ///
    /// # Errors
    /// `Corrupt` if the manifest or the run table is unreadable; `Busy` if files changed at each of 100 attempts; `Io`.
    pub(crate) fn read(state: &Arc<StoreState>) -> Result<RunRecords> {
        retry(state, || RunRecords::try_read(state, None))
    }

    /// As [`read`](Self::read), the record of one run only: its cost hardly depends on how many runs there are.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn of(state: &Arc<StoreState>, run: &str) -> Result<RunRecords> {
        retry(state, || RunRecords::try_read(state, Some(run)))
    }

    fn try_read(state: &Arc<StoreState>, run: Option<&str>) -> Result<RunRecords> {
        let version = state.cache.newest()?;
        let manifest = &version.manifest;
        let mut records = RunRecords {
            runs: CurrentRuns::new(match run {
                None => state.cache.run_table(&version, &mut Vec::new())?,
                Some(run) => state.cache.run_records(&version, &[run])?,
            }),
            logged: BTreeSet::new(),
            writers: BTreeMap::new(),
            writer_next: manifest.writer_next,
            version: manifest.version,
        };
        let mut changes = Vec::new();
        let noted = match run {
            None => records.runs.values().map(RunRecord::clock_us).max(),
            Some(run) => records.runs.get(run).map(RunRecord::clock_us),
        };
        let mut clock_us = noted.unwrap_or(TIME_US_MIN).max(manifest.clock_us);
        for dir in tidalite_log::writers(&*state.vfs, &state.paths.log())? {
            let logged = state.change_tails.poll(&*state.vfs, &dir, manifest.flushed(dir.writer), run)?;
            records.writers.insert(dir.writer, (logged.alive, logged.next));
            records.writer_next = records.writer_next.max(dir.writer + 1);
            records.logged.extend(logged.runs);
            clock_us = clock_us.max(logged.clock_us);
            changes.extend(logged.changes);
        }
        state.change_tails.keep(&records.writers.keys().copied().collect());
        records.runs.apply(changes.iter());
        state.observe(clock_us);
        Ok(records)
    }

    /// Whether there is such a run. Of one that was deleted, points may have been written since; only a snapshot tells.
    ///
    /// # Errors
    /// As [`Snapshot::take`].
    pub(crate) fn has(&self, state: &Arc<StoreState>, run: &str) -> Result<bool> {
        match self.runs.get(run) {
            Some(record) if record.is_only_deleted() => Ok(Snapshot::take(state)?.has_run(run)),
            Some(_) => Ok(true),
            None => Ok(self.logged.contains(run)),
        }
    }

    /// # Errors
    /// `NotFound` if there is no such run; the message names runs with similar ids.
    pub(crate) fn must_have(&self, state: &Arc<StoreState>, run: &str, doing: &str) -> Result<()> {
        if self.has(state, run)? {
            return Ok(());
        }
        let all = RunRecords::read(state)?;
        let there = all.runs.iter().filter(|(_, record)| !record.is_only_deleted()).map(|(id, _)| &**id);
        Err(no_such_run(doing, run, there.chain(all.logged.iter().map(|id| &**id))))
    }

    /// The writes of the participants of a run that have ended or died by now: all but the frames since the start of a
    /// participant that still takes part.
    pub(crate) fn gone(&self, run: &str) -> Moment {
        let record = self.runs.get(run);
        let left = |writer: u32| {
            let own =
                record?.participants.iter().filter(|(o, p)| o.seq.writer() == writer && p.ended.is_none());
            own.map(|(order, _)| order.seq.ordinal()).min()
        };
        let end = |(&writer, &(alive, end)): (&u32, &(bool, u64))| {
            (writer, if alive { left(writer).unwrap_or(end) } else { u64::MAX })
        };
        shortest(self.writer_next, self.writers.iter().map(end).collect())
    }
}

/// A moment that was taken when `version` was the newest, without what merges have brought since.
///
/// # Errors
/// Those of reading the manifest and the writer table.
pub(crate) fn before_merges(state: &StoreState, moment: &Moment, version: u64) -> Result<Moment> {
    let newest = state.cache.newest()?;
    let brought = writer_table::brought_after(&*state.vfs, &state.paths, &newest.manifest, version)?;
    Ok(writer_table::before_merges(moment, &brought, version))
}

/// The moment with these ends, where writers below `next` without an end are gone. A job of many ranks has writers in
/// sequence: the moment before them is a bound, not a list.
fn shortest(next: u32, ends: BTreeMap<u32, u64>) -> Moment {
    let listed = Moment::new(next, ends.iter().map(|(w, end)| (*w, *end)));
    let Some((below, _)) = listed.ends().next() else { return listed };
    let unlisted = u64::from(next - below.min(next)) - ends.range(below..next).count() as u64;
    if unlisted > listed.ends().count() as u64 {
        return listed;
    }
    let others = (below..next).map(|w| (w, ends.get(&w).copied().unwrap_or(u64::MAX)));
    let bounded = Moment::new(below, others);
    if bounded.ends().count() < listed.ends().count() { bounded } else { listed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidalite_model::Seq;

    #[test]
    fn the_shortest_moment_covers_the_same_writes() {
        type Ends<'a> = &'a [(u32, u64)];
        let cases: [(u32, Ends<'_>, usize); 4] = [
            (9, &[], 0),
            (9, &[(5, 0), (6, 0), (7, 0), (8, 0)], 0),
            (9, &[(2, 7), (5, u64::MAX), (8, 0)], 2),
            (1_000_000, &[(3, 0), (999_999, 4)], 2),
        ];
        for (next, ends, count) in cases {
            let ends: BTreeMap<u32, u64> = ends.iter().copied().collect();
            let plain = Moment::new(next, ends.iter().map(|(w, e)| (*w, *e)));
            let short = shortest(next, ends);
            assert_eq!(short.ends().count(), count, "{short:?}");
            for writer in (0..12).chain([999_998, 999_999, 1_000_000]) {
                for ordinal in [0, 3, 4, 6, 7, 1 << 30] {
                    let seq = Seq::new(writer, ordinal);
                    assert_eq!(plain.covers(seq), short.covers(seq), "{plain:?} {short:?} {seq:?}");
                }
            }
        }
    }
}
