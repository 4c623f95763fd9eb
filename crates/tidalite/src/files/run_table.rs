//! The run table: the state of every run after all flushed run changes, in one file that a manifest version names.
//!
//! A flush with run changes writes a new table. The old one is deleted when no version names it.

use super::manifest::RunTableRef;
use super::param_json::{param_from_json, param_to_json};
use super::paths::{Paths, run_table_name};
use super::two_copies;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidalite_model::{
    Error, Labels, Latest, Moment, Parent, Participation, Result, Rewind, RunChange, RunRecord,
    SEQ_ORDINAL_MAX, Seq, Status, WRITER_MAX, WriteOrder,
};
use tidalite_vfs::Vfs;

/// Records by run id.
pub(crate) type RunTable = BTreeMap<String, RunRecord>;

#[derive(Serialize, Deserialize)]
struct RunRow {
    run: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_us: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    starts: Vec<(i64, i64)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    params: BTreeMap<String, (serde_json::Value, i64)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, (bool, i64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<(String, Option<i64>, i64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    participants: Vec<ParticipantRow>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rewinds: Vec<(i64, MomentRow, i64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted: Option<MomentRow>,
}

/// A [`Moment`]: the bound on writers, and the ends of the writers that are exceptions.
type MomentRow = (u32, Vec<(u32, u64)>);

#[derive(Serialize, Deserialize)]
struct ParticipantRow {
    writer: u32,
    /// Frame ordinal of its last start.
    #[serde(default)]
    ordinal: u64,
    started_us: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<(i64, String)>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    labels: String,
}

/// Applies the changes of several logs, each log's in order. Deletions are applied first, wherever they are: a change
/// written after a deletion must not compete with a deleted value in the record, since it may lose.
pub(crate) fn apply<'a>(
    runs: &mut RunTable,
    changes: impl Iterator<Item = &'a (WriteOrder, String, RunChange)> + Clone,
) {
    let deletes = |c: &&(WriteOrder, String, RunChange)| matches!(c.2, RunChange::Delete { .. });
    for (order, run, change) in changes.clone().filter(deletes).chain(changes) {
        runs.entry(run.clone()).or_default().apply(order.seq, change);
    }
}

/// Reads the table that a version names, and returns the damage to its file, if any.
pub(crate) fn load(
    vfs: &dyn Vfs,
    paths: &Paths,
    table: Option<&RunTableRef>,
) -> Result<(RunTable, Option<Error>)> {
    let Some(table) = table else { return Ok((RunTable::new(), None)) };
    let path = paths.run_table(table.id);
    let opened = two_copies::open(vfs, &path, "runs")?;
    let damaged = |what: String| Error::corrupt("read run table", &path, 0, what);
    let rows: Vec<RunRow> = serde_json::from_str(&opened.text)
        .map_err(|e| damaged(format!("its text is not a run table: {e}")))?;
    let mut runs = RunTable::new();
    for row in rows {
        let id = row.run.clone();
        let record = from_row(row)
            .ok_or_else(|| damaged(format!("the record of run {id:?} holds an impossible value")))?;
        runs.insert(id, record);
    }
    Ok((runs, opened.damage.map(damaged)))
}

/// Writes a table to a new file, durably.
pub(crate) fn store(vfs: &dyn Vfs, paths: &Paths, runs: &RunTable) -> Result<RunTableRef> {
    let id = vfs.uuid();
    let rows: Vec<RunRow> = runs.iter().map(|(id, r)| to_row(id, r)).collect();
    let text = serde_json::to_string(&rows).expect("a run table is plain data");
    let tmp = format!("tmp-{}", id.simple());
    tidalite_vfs::publish(vfs, &paths.runs(), &tmp, &run_table_name(id), &two_copies::seal("runs", &text))?;
    Ok(RunTableRef { id, runs: runs.len() as u64 })
}

fn to_row(id: &str, r: &RunRecord) -> RunRow {
    RunRow {
        run: id.to_string(),
        started_us: r.starts.values().min().copied(),
        starts: r.starts.iter().map(|(seq, t)| (*t, seq.as_i64())).collect(),
        params: r
            .params
            .iter()
            .map(|(k, v)| (k.clone(), (param_to_json(&v.value), v.seq.as_i64())))
            .collect(),
        tags: r.tags.iter().map(|(k, v)| (k.clone(), (v.value, v.seq.as_i64()))).collect(),
        parent: r.parent.as_ref().map(|p| (p.value.run.clone(), p.value.step, p.seq.as_i64())),
        participants: r
            .participants
            .iter()
            .map(|(&writer, p)| ParticipantRow {
                writer,
                ordinal: p.seq.ordinal(),
                started_us: p.started_us,
                ended: p.ended.map(|(t, s)| (t, s.as_str().to_string())),
                labels: p.labels.as_str().to_string(),
            })
            .collect(),
        rewinds: r.rewinds.iter().map(|(seq, w)| (w.step, before(&w.before), seq.as_i64())).collect(),
        deleted: r.deleted.as_ref().map(before),
    }
}

fn before(moment: &Moment) -> MomentRow {
    (moment.below(), moment.ends().collect())
}

fn from_row(row: RunRow) -> Option<RunRecord> {
    let moment = |(below, ends): MomentRow| Moment::new(below, ends);
    let mut r = RunRecord { deleted: row.deleted.map(moment), ..RunRecord::default() };
    for (time_us, seq) in row.starts {
        r.starts.insert(Seq::from_i64(seq)?, time_us);
    }
    for (step, before, seq) in row.rewinds {
        r.rewinds.insert(Seq::from_i64(seq)?, Rewind { step, before: moment(before) });
    }
    for (key, (value, seq)) in row.params {
        r.params.insert(key, Latest { value: param_from_json(&value)?, seq: Seq::from_i64(seq)? });
    }
    for (tag, (stands, seq)) in row.tags {
        r.tags.insert(tag, Latest { value: stands, seq: Seq::from_i64(seq)? });
    }
    if let Some((run, step, seq)) = row.parent {
        r.parent = Some(Latest { value: Parent { run, step }, seq: Seq::from_i64(seq)? });
    }
    for p in row.participants {
        let ended = match p.ended {
            Some((t, word)) => Some((t, Status::parse(&word)?)),
            None => None,
        };
        let labels = Labels::parse(&p.labels).ok()?;
        if p.writer > WRITER_MAX || p.ordinal > SEQ_ORDINAL_MAX {
            return None;
        }
        let seq = Seq::new(p.writer, p.ordinal);
        r.participants.insert(p.writer, Participation { seq, started_us: p.started_us, ended, labels });
    }
    Some(r)
}
