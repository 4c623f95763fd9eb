//! The row of a run in a run table's text, and its record.

use super::param_json::{param_from_json, param_to_json};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tidalite_model::{
    Environment, Labels, Latest, LatestField, Moment, Param, Params, Parent, ParticipantEnd, Participation,
    Rewind, RunRecord, Seq, Status, WriteOrder,
};

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
pub(super) struct RunRow {
    pub(super) run: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    params: BTreeMap<String, Stamped<Option<ParamJson>>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, Stamped<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Field<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Field<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Field<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Field<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Field<(String, Option<i64>)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Field<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_us: Field<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_us: Field<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    participants: Vec<ParticipantRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rewinds: Vec<RewindRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<MomentRow>,
}

/// A value, the seq of the write that set it, and the clock of that write.
type Stamped<T> = (T, i64, i64);

/// A field that was set, or cleared (null).
type Field<T> = Option<Stamped<Option<T>>>;

/// The JSON of a param. Null stands for a removed param, so a param that is null is wrapped like any other.
type ParamJson = [serde_json::Value; 1];

/// A [`Moment`]: the bound on writers, and the ends of the writers that are exceptions.
type MomentRow = (u32, Vec<(u32, u64)>);

#[derive(Serialize, Deserialize)]
struct ParticipantRow {
    /// The seq and the clock of its start.
    seq: i64,
    clock: i64,
    started_us: i64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    labels: String,
    host: String,
    pid: u32,
    gone: MomentRow,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<EndRow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_step: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct EndRow {
    time_us: i64,
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    logged: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_step: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct RewindRow {
    seq: i64,
    step: i64,
    before: MomentRow,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    labels: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<String>,
}

pub(super) fn to_row(id: &str, r: &RunRecord) -> RunRow {
    let param = |p: &Latest<Option<Param>>| stamp(p.value.as_ref().map(|v| [param_to_json(v)]), p.order);
    RunRow {
        run: id.to_string(),
        params: r.params.iter().map(|(k, p)| (k.clone(), param(p))).collect(),
        tags: r.tags.iter().map(|(k, t)| (k.clone(), stamp(t.value, t.order))).collect(),
        name: to_field(&r.name, String::clone),
        notes: to_field(&r.notes, String::clone),
        group: to_field(&r.group, String::clone),
        environment: to_field(&r.environment, environment_text),
        parent: to_field(&r.parent, |p| (p.run.clone(), p.step)),
        status: to_field(&r.status, |s| s.as_str().to_string()),
        started_us: to_field(&r.started_us, |t| *t),
        ended_us: to_field(&r.ended_us, |t| *t),
        participants: r.participants.iter().map(|(order, p)| to_participant(*order, p)).collect(),
        rewinds: r.rewinds.iter().map(|(seq, w)| to_rewind(*seq, w)).collect(),
        deleted: r.deleted.as_ref().map(to_moment),
    }
}

fn stamp<T>(value: T, order: WriteOrder) -> Stamped<T> {
    (value, order.seq.as_i64(), order.clock_us)
}

fn to_field<T, J>(field: &LatestField<T>, to: impl FnOnce(&T) -> J) -> Field<J> {
    field.as_ref().map(|f| stamp(f.value.as_ref().map(to), f.order))
}

fn to_moment(moment: &Moment) -> MomentRow {
    (moment.below(), moment.ends().collect())
}

fn to_participant(order: WriteOrder, p: &Participation) -> ParticipantRow {
    let ended = p.ended.as_ref().map(|e| EndRow {
        time_us: e.time_us,
        status: e.status.as_str().to_string(),
        reason: e.reason.clone(),
        logged: e.logged,
        last_step: e.last_step,
    });
    ParticipantRow {
        seq: order.seq.as_i64(),
        clock: order.clock_us,
        started_us: p.started_us,
        labels: p.labels.as_str().to_string(),
        host: p.host.clone(),
        pid: p.pid,
        gone: to_moment(&p.gone),
        ended,
        last_step: p.last_step,
    }
}

fn to_rewind(seq: Seq, rewind: &Rewind) -> RewindRow {
    RewindRow {
        seq: seq.as_i64(),
        step: rewind.step,
        before: to_moment(&rewind.before),
        labels: rewind.labels.as_str().to_string(),
        metrics: rewind.metrics.clone(),
    }
}

/// The record in a row; `None` if a value is impossible.
pub(super) fn from_row(row: RunRow) -> Option<RunRecord> {
    let mut r = RunRecord {
        name: from_field(row.name, Some)?,
        notes: from_field(row.notes, Some)?,
        group: from_field(row.group, Some)?,
        environment: from_field(row.environment, |json| {
            Some(Environment::unread(json.get().into(), environment_of_text))
        })?,
        parent: from_field(row.parent, |(run, step)| Some(Parent { run, step }))?,
        status: from_field(row.status, |word| Status::parse(&word))?,
        started_us: from_field(row.started_us, Some)?,
        ended_us: from_field(row.ended_us, Some)?,
        deleted: row.deleted.map(from_moment),
        ..RunRecord::default()
    };
    for (key, (value, seq, clock)) in row.params {
        let value = match value {
            Some([json]) => Some(param_from_json(&json)?),
            None => None,
        };
        r.params.insert(key, Latest { value, order: order(seq, clock)? });
    }
    for (tag, (value, seq, clock)) in row.tags {
        r.tags.insert(tag, Latest { value, order: order(seq, clock)? });
    }
    for p in row.participants {
        r.participants.insert(order(p.seq, p.clock)?, from_participant(p)?);
    }
    for w in row.rewinds {
        let labels = Labels::parse(&w.labels).ok()?;
        let rewind = Rewind { step: w.step, before: from_moment(w.before), labels, metrics: w.metrics };
        r.rewinds.insert(Seq::from_i64(w.seq)?, rewind);
    }
    Some(r)
}

/// An environment is copied as text: of many runs, few are asked for theirs.
fn environment_text(environment: &Environment) -> Box<RawValue> {
    let text = match environment.text() {
        // A row is one line.
        Some(text) if !text.contains('\n') => text.to_string(),
        _ => param_to_json(&Param::Map(environment.params())).to_string(),
    };
    RawValue::from_string(text).expect("the text of a JSON value is JSON")
}

/// A text other than an object is kept in a field of its own.
fn environment_of_text(text: &str) -> Params {
    match serde_json::from_str(text).ok().as_ref().and_then(param_from_json) {
        Some(Param::Map(map)) => map,
        _ => Params::from([("unreadable".to_string(), Param::from(text))]),
    }
}

fn order(seq: i64, clock_us: i64) -> Option<WriteOrder> {
    Some(WriteOrder::new(clock_us, Seq::from_i64(seq)?))
}

fn from_field<J, T>(field: Field<J>, from: impl FnOnce(J) -> Option<T>) -> Option<LatestField<T>> {
    let Some((value, seq, clock)) = field else { return Some(None) };
    let value = match value {
        Some(json) => Some(from(json)?),
        None => None,
    };
    Some(Some(Box::new(Latest { value, order: order(seq, clock)? })))
}

fn from_moment((below, ends): MomentRow) -> Moment {
    Moment::new(below, ends)
}

fn from_participant(row: ParticipantRow) -> Option<Participation> {
    let ended = match row.ended {
        Some(e) => Some(ParticipantEnd {
            time_us: e.time_us,
            status: Status::parse(&e.status)?,
            reason: e.reason,
            logged: e.logged,
            last_step: e.last_step,
        }),
        None => None,
    };
    Some(Participation {
        started_us: row.started_us,
        labels: Labels::parse(&row.labels).ok()?,
        host: row.host,
        pid: row.pid,
        gone: from_moment(row.gone),
        ended,
        last_step: row.last_step,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidalite_model::{Assign, RunChange, RunEdit};

    fn with_environment(environment: Params) -> RunRecord {
        let mut record = RunRecord::default();
        let edit = RunEdit { environment: Assign::Set(environment), ..RunEdit::default() };
        record.apply(WriteOrder::new(5, Seq::new(1, 5)), &RunChange::Edit(edit));
        record
    }

    fn reread(line: &str) -> RunRecord {
        from_row(serde_json::from_str(line).unwrap()).unwrap()
    }

    #[test]
    fn an_environment_stays_as_it_is_written_until_it_is_asked_for() {
        let git = Param::Map([("commit".to_string(), "0123".into()), ("$n".to_string(), 1i64.into())].into());
        let record = with_environment([("git".to_string(), git), ("lr".to_string(), 0.1.into())].into());
        let line = serde_json::to_string(&to_row("a", &record)).unwrap();
        let again = reread(&line);
        assert_eq!(again, record);
        let environment = again.environment.as_ref().unwrap().value.as_ref().unwrap();
        assert!(environment.text().is_some_and(|text| line.contains(text)));
        assert_eq!(serde_json::to_string(&to_row("a", &again)).unwrap(), line);
        assert_ne!(with_environment(Params::new()), again);
    }

    #[test]
    fn an_environment_other_than_an_object_is_shown_as_text() {
        for text in ["7", "{\"a\":{\"$float\":\"x\"}}", "[\n1]"] {
            let record = reread(&format!("{{\"run\":\"a\",\"environment\":[{text},1,5]}}"));
            let info = record.info("a", |_| false);
            assert_eq!(info.environment, Params::from([("unreadable".to_string(), text.into())]));
            let line = serde_json::to_string(&to_row("a", &record)).unwrap();
            assert!(!line.contains('\n') && reread(&line).info("a", |_| false).environment.len() == 1);
        }
    }
}
