//! The current state of a run, as readers see it.

use super::change::Parent;
use super::environment::Environment;
use super::participant::current;
use super::record::{RunRecord, field};
use super::status::Status;
use crate::{Labels, Params};
use std::collections::BTreeSet;

/// The current state of a run.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RunInfo {
    /// The id.
    pub id: String,
    /// The name that is shown, if it has one other than the id.
    pub name: Option<String>,
    /// Free text.
    pub notes: Option<String>,
    /// The group of runs it belongs to.
    pub group: Option<String>,
    /// Params.
    pub params: Params,
    /// What the last start of it was run with: code, machine, versions; empty if that was not captured.
    pub environment: Params,
    /// Tags, sorted.
    pub tags: BTreeSet<String>,
    /// The labels shared by the participants that are current.
    pub labels: Labels,
    /// The run from which it was forked.
    pub parent: Option<Parent>,
    /// Earliest start, µs since 1970 UTC. `None` for a run known only by its points (bulk data).
    pub started_us: Option<i64>,
    /// The step of each rewind: by writer, those of one writer in the order of writing.
    pub rewinds: Vec<i64>,
    /// Latest end of the participants that are current. `None` while one of them has not ended, and for bulk data.
    pub ended_us: Option<i64>,
    /// The status. A run known only by its points counts as finished.
    pub status: Status,
    /// Why it failed, where a participant said so.
    pub reason: Option<String>,
    /// The participants, in the order of their starts.
    pub participants: Vec<Participant>,
}

/// A process that takes or took part in a run.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Participant {
    /// Labels of its points.
    pub labels: Labels,
    /// The name of its machine.
    pub host: String,
    /// The id of its process on that machine.
    pub pid: u32,
    /// Its start, µs since 1970 UTC.
    pub started_us: i64,
    /// Its end, µs since 1970 UTC. `None` while it runs, and if it was lost.
    pub ended_us: Option<i64>,
    /// Its status.
    pub status: Status,
    /// Why it failed.
    pub reason: Option<String>,
    /// The greatest step that it logged. Where it has not ended, rows with its labels count, without telemetry.
    pub last_step: Option<i64>,
    /// Whether it counts for the status of the run. It does not if a later participant took over, or if it finished
    /// without logging anything.
    pub current: bool,
}

impl RunRecord {
    /// The run's status, given which writers are still alive.
    pub fn status(&self, alive: impl Fn(u32) -> bool) -> Status {
        self.info("", alive).status
    }

    /// The run's current state, given which writers are still alive.
    pub fn info(&self, id: &str, alive: impl Fn(u32) -> bool) -> RunInfo {
        RunInfo::of(self, id, &alive)
    }
}

impl RunInfo {
    fn of(record: &RunRecord, id: &str, alive: &impl Fn(u32) -> bool) -> RunInfo {
        let current = current(&record.participants, alive);
        let participants: Vec<Participant> = record
            .participants
            .iter()
            .map(|(order, p)| Participant {
                labels: p.labels.clone(),
                host: p.host.clone(),
                pid: p.pid,
                started_us: p.started_us,
                ended_us: p.ended.as_ref().map(|e| e.time_us),
                status: p.status(alive(order.seq.writer())),
                reason: p.ended.as_ref().and_then(|e| e.reason.clone()),
                last_step: p.ended.as_ref().map_or(p.last_step, |e| e.last_step),
                current: current.contains(order),
            })
            .collect();
        let counted = || participants.iter().filter(|p| p.current);
        let edited = record.status.as_ref().filter(|edit| !record.restarted_after(edit.order));
        let edited = edited.and_then(|edit| edit.value);
        let status = edited.unwrap_or_else(|| status_of(counted()));
        let ends: Option<Vec<i64>> = counted().map(|p| p.ended_us).collect();
        let end = ends.and_then(|ends| ends.into_iter().max());
        let failed = counted().filter(|p| p.status == Status::Failed).max_by_key(|p| p.ended_us);
        let started = participants.iter().map(|p| p.started_us).min();
        let edited_end = record.ended_us.as_ref().filter(|edit| !record.restarted_after(edit.order));
        RunInfo {
            id: id.to_string(),
            name: field(&record.name).cloned(),
            notes: field(&record.notes).cloned(),
            group: field(&record.group).cloned(),
            params: record.params.iter().filter_map(|(k, v)| Some((k.clone(), v.value.clone()?))).collect(),
            environment: field(&record.environment).map(Environment::params).unwrap_or_default(),
            tags: record.tags.iter().filter(|(_, t)| t.value).map(|(k, _)| k.clone()).collect(),
            labels: counted().map(|p| p.labels.clone()).reduce(|a, b| common(&a, &b)).unwrap_or_default(),
            parent: record.parent().cloned(),
            started_us: field(&record.started_us).copied().or(started),
            rewinds: record.rewinds.values().map(|r| r.step).collect(),
            ended_us: edited_end.and_then(|e| e.value).or(end).filter(|_| status != Status::Running),
            status,
            reason: failed.filter(|_| status == Status::Failed).and_then(|p| p.reason.clone()),
            participants,
        }
    }
}

/// The status that follows from the participants that count.
fn status_of<'a>(counted: impl Iterator<Item = &'a Participant>) -> Status {
    let rank = |status: &Status| match status {
        Status::Running => 3,
        Status::Failed => 2,
        Status::Lost => 1,
        Status::Finished => 0,
    };
    counted.map(|p| p.status).max_by_key(rank).unwrap_or(Status::Finished)
}

/// The labels that both have.
fn common(a: &Labels, b: &Labels) -> Labels {
    let kept: Vec<(String, String)> = a.iter().filter(|(k, v)| b.get(k).as_ref() == Some(v)).collect();
    Labels::new(kept).unwrap_or_default()
}
