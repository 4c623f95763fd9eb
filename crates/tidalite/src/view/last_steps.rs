//! The last steps of participants that have not ended. A killed process has logged no end, so its rows say how far it
//! came.
//!
//! A flush notes them in the manifest, beside the end of the writer's log. They move to the run table when it is written
//! for another reason, and at the latest when the writer's entry is removed.

use super::snapshot::SnapshotView;
use crate::engine::tail::TailData;
use crate::files::manifest::Manifest;
use crate::files::run_table::RunTable;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tidalite_model::{Labels, Participant, Participation, Result, RunRecord, WriteOrder};

/// The greatest step that a participant logged in frames [lo, hi) of one writer. Its rows are those with its labels.
fn logged(
    data: &TailData,
    seqs: (i64, i64),
    run: &str,
    record: &RunRecord,
    start: WriteOrder,
) -> Result<Option<i64>> {
    let participant = record.participants.get(&start);
    let Some(((first, end), p)) = record.open_frames(start).zip(participant) else { return Ok(None) };
    let labels = &p.labels;
    let has = |of: &Labels| labels.iter().all(|(key, value)| of.get(&key).as_ref() == Some(&value));
    let seqs = (seqs.0.max(first.as_i64()), seqs.1.min(end.as_i64()));
    data.greatest_step(seqs, &|key| &*key.run == run && has(&key.labels))
}

/// Notes in a manifest what participants logged in the frames of one writer's log. The writer must have an entry.
///
/// # Errors
/// None, where all rows are in memory.
pub(crate) fn note(next: &mut Manifest, runs: &RunTable, writer: u32, data: &TailData) -> Result<()> {
    let seen: BTreeSet<&str> = data.keys().map(|(_, key)| &*key.run).collect();
    for run in seen {
        let Some(record) = runs.get(run) else { continue };
        for start in record.participants.keys().filter(|o| o.seq.writer() == writer) {
            if let Some(step) = logged(data, (0, i64::MAX), run, record, *start)? {
                next.note_step(writer, start.seq.ordinal(), step);
            }
        }
    }
    Ok(())
}

/// Moves what a manifest has noted of the participants of these runs to their records, and returns the runs whose records
/// it changes. If these are `all` runs, nothing stays noted.
pub(crate) fn settle(next: &mut Manifest, runs: &mut RunTable, all: bool) -> BTreeSet<String> {
    if runs.is_empty() && !all {
        return BTreeSet::new();
    }
    let noted =
        next.writers.iter().flat_map(|w| w.steps.iter().map(|&(start, step)| ((w.writer, start), step)));
    let noted: BTreeMap<(u32, u64), i64> = noted.collect();
    let (mut changed, mut settled) = (BTreeSet::new(), BTreeSet::new());
    for (run, record) in runs {
        let of_run = |(start, p): (&WriteOrder, &Participation)| {
            let writer_and_start = (start.seq.writer(), start.seq.ordinal());
            noted.get(&writer_and_start).map(|step| (*start, *step, p.last_step < Some(*step)))
        };
        let found: Vec<(WriteOrder, i64, bool)> = record.participants.iter().filter_map(of_run).collect();
        for (start, step, is_later) in found {
            settled.insert((start.seq.writer(), start.seq.ordinal()));
            if is_later && let Some(p) = Arc::make_mut(record).participants.get_mut(&start) {
                p.last_step = Some(step);
                changed.insert(run.clone());
            }
        }
    }
    for state in &mut next.writers {
        state.steps.retain(|(start, _)| !all && !settled.contains(&(state.writer, *start)));
    }
    changed
}

impl SnapshotView {
    /// The records of the runs, ascending by id, with all last steps that are known.
    pub(crate) fn runs_with_last_steps(&self) -> impl Iterator<Item = (&str, Cow<'_, RunRecord>)> {
        self.runs.iter().map(|(id, record)| {
            let open = record.participants.iter().filter(|(_, p)| p.ended.is_none());
            let known = open.filter_map(|(start, _)| Some((*start, self.last_step(id, record, *start)?)));
            let mut completed = Cow::Borrowed(record);
            for (start, step) in known {
                completed.to_mut().note_step(start.seq.writer(), start.seq.ordinal(), step);
            }
            (id.as_str(), completed)
        })
    }

    /// Completes the participants of a run.
    pub(super) fn complete(&self, id: &str, record: &RunRecord, participants: &mut [Participant]) {
        for ((start, p), shown) in record.participants.iter().zip(participants) {
            if p.ended.is_none() {
                shown.last_step = shown.last_step.max(self.last_step(id, record, *start));
            }
        }
    }

    /// The last step that the manifest and the writer's tail have. It is unknown if the log has to be read again and
    /// cannot be read; an answer that needs the log's points is then an error.
    fn last_step(&self, id: &str, record: &RunRecord, start: WriteOrder) -> Option<i64> {
        let writer = start.seq.writer();
        let noted = self.version.manifest.noted_step(writer, start.seq.ordinal());
        let tail = self.tails.iter().find(|t| t.writer == writer);
        let seen = tail.map_or(Ok(None), |t| logged(&t.read().data, t.seqs, id, record, start));
        seen.ok().and_then(|seen| noted.max(seen))
    }
}
