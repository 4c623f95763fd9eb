//! The run table: what every flushed run change adds up to, as one sealed file that a manifest version names.
//!
//! A flush that meets run changes writes a new table; the old one goes when no version names it any more.

use crate::manifest::RunTableRef;
use crate::param_json::{param_from_json, param_to_json};
use crate::places::{Places, run_table_name};
use crate::sealed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidalite_model::{Error, Labels, Latest, Parent, Participation, Result, RunRecord, Seq, Status};
use tidalite_vfs::Vfs;

/// Records by run id.
pub(crate) type RunTable = BTreeMap<String, RunRecord>;

#[derive(Serialize, Deserialize)]
struct Row {
    run: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_us: Option<i64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    params: BTreeMap<String, (serde_json::Value, i64)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, (bool, i64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<(String, Option<i64>, i64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    participants: Vec<Part>,
}

#[derive(Serialize, Deserialize)]
struct Part {
    writer: u32,
    started_us: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<(i64, String)>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    labels: String,
}

/// Reads the table that a version names, and says what was wrong with its file, if anything.
pub(crate) fn load(
    vfs: &dyn Vfs,
    places: &Places,
    table: Option<&RunTableRef>,
) -> Result<(RunTable, Option<Error>)> {
    let Some(table) = table else { return Ok((RunTable::new(), None)) };
    let path = places.run_table(table.id);
    let opened = sealed::open(vfs, &path, "runs")?;
    let damaged = |what: String| Error::corrupt("read run table", &path, 0, what);
    let rows: Vec<Row> =
        serde_json::from_str(&opened.text).map_err(|e| damaged(format!("its text is no run table: {e}")))?;
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
pub(crate) fn store(vfs: &dyn Vfs, places: &Places, runs: &RunTable) -> Result<RunTableRef> {
    let id = vfs.uuid();
    let rows: Vec<Row> = runs.iter().map(|(id, r)| to_row(id, r)).collect();
    let text = serde_json::to_string(&rows).expect("a run table is plain data");
    let tmp = format!("tmp-{}", id.simple());
    tidalite_vfs::publish(vfs, &places.runs(), &tmp, &run_table_name(id), &sealed::seal("runs", &text))?;
    Ok(RunTableRef { id, runs: runs.len() as u64 })
}

fn to_row(id: &str, r: &RunRecord) -> Row {
    Row {
        run: id.to_string(),
        started_us: r.started_us,
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
            .map(|(&writer, p)| Part {
                writer,
                started_us: p.started_us,
                ended: p.ended.map(|(t, s)| (t, s.as_str().to_string())),
                labels: p.labels.as_str().to_string(),
            })
            .collect(),
    }
}

fn from_row(row: Row) -> Option<RunRecord> {
    let mut r = RunRecord { started_us: row.started_us, ..RunRecord::default() };
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
        r.participants.insert(p.writer, Participation { started_us: p.started_us, ended, labels });
    }
    Some(r)
}
