//! The facts about runs as JSON lines, one run a line: what an exported folder keeps of runs.

use crate::files::param_json::{param_from_json, param_to_json};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tidalite_model::{
    Assign, Labels, Params, Parent, Participant, RunEdit, RunInfo, Status, TIME_US_MAX, TIME_US_MIN,
};

/// One run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunLine {
    pub(super) run: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    params: BTreeMap<String, serde_json::Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    environment: BTreeMap<String, serde_json::Value>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    tags: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<ParentLine>,
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_us: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_us: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) participants: Vec<ParticipantLine>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParentLine {
    run: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<i64>,
}

/// One participant of a run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ParticipantLine {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    labels: String,
    pub(super) host: String,
    pub(super) pid: u32,
    pub(super) started_us: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended_us: Option<i64>,
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_step: Option<i64>,
    /// Whether it counts for the status of the run.
    pub(super) current: bool,
}

impl RunLine {
    pub(super) fn of(run: &RunInfo) -> RunLine {
        RunLine {
            run: run.id.clone(),
            name: run.name.clone(),
            notes: run.notes.clone(),
            group: run.group.clone(),
            params: to_json(&run.params),
            environment: to_json(&run.environment),
            tags: run.tags.clone(),
            parent: run.parent.as_ref().map(|p| ParentLine { run: p.run.clone(), step: p.step }),
            status: run.status.as_str().to_string(),
            started_us: run.started_us,
            ended_us: run.ended_us,
            participants: run.participants.iter().map(ParticipantLine::of).collect(),
        }
    }

    /// An edit that sets all of it. A run that is running where it was exported is lost where it is imported.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn edit(&self) -> Result<RunEdit, String> {
        let params = from_json("param", &self.params)?;
        let environment = from_json("field of the environment", &self.environment)?;
        let status = match status(&self.status)? {
            Status::Running => Status::Lost,
            other => other,
        };
        Ok(RunEdit {
            params,
            add_tags: self.tags.clone(),
            name: assign(self.name.clone()),
            notes: assign(self.notes.clone()),
            group: assign(self.group.clone()),
            environment: assign(Some(environment).filter(|e| !e.is_empty())),
            parent: assign(self.parent.as_ref().map(|p| Parent { run: p.run.clone(), step: p.step })),
            // A run of bulk data alone has no participant and no start, and counts as finished.
            status: match (self.participants.is_empty(), status) {
                (true, Status::Finished) => Assign::Keep,
                _ => Assign::Set(status),
            },
            started_us: assign(self.started_us),
            ended_us: assign(self.ended_us),
            ..RunEdit::default()
        })
    }
}

impl ParticipantLine {
    fn of(p: &Participant) -> ParticipantLine {
        ParticipantLine {
            labels: p.labels.as_str().to_string(),
            host: p.host.clone(),
            pid: p.pid,
            started_us: p.started_us,
            ended_us: p.ended_us,
            status: p.status.as_str().to_string(),
            reason: p.reason.clone(),
            last_step: p.last_step,
            current: p.current,
        }
    }

    /// # Errors
    /// What is wrong, in words.
    pub(super) fn labels(&self) -> Result<Labels, String> {
        Labels::parse(&self.labels).map_err(|e| e.wrong().to_string())
    }

    /// Its end: when, and how.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn end(&self) -> Result<Option<(i64, Status)>, String> {
        let status = status(&self.status)?;
        match (self.ended_us, status) {
            (None, _) => Ok(None),
            (Some(time_us), Status::Finished | Status::Failed) => Ok(Some((time_us, status))),
            _ => Err(format!("a participant that is {} has an end", self.status)),
        }
    }

    /// # Errors
    /// What is wrong, in words.
    pub(super) fn check_times(&self) -> Result<(), String> {
        let wrong = |t: &i64| !(TIME_US_MIN..=TIME_US_MAX).contains(t);
        match [Some(self.started_us), self.ended_us].into_iter().flatten().find(wrong) {
            Some(time_us) => Err(format!("time {time_us} is outside the years 1 to 9999")),
            None => Ok(()),
        }
    }
}

fn to_json(params: &Params) -> BTreeMap<String, serde_json::Value> {
    params.iter().map(|(key, value)| (key.clone(), param_to_json(value))).collect()
}

/// # Errors
/// Which `what` cannot be read, in words.
fn from_json(what: &str, params: &BTreeMap<String, serde_json::Value>) -> Result<Params, String> {
    let read = |(key, json): (&String, &serde_json::Value)| {
        let param = param_from_json(json).ok_or_else(|| format!("{what} {key:?} cannot be read"))?;
        Ok((key.clone(), param))
    };
    params.iter().map(read).collect()
}

fn status(word: &str) -> Result<Status, String> {
    Status::parse(word).ok_or_else(|| format!("{word:?} is not a status"))
}

fn assign<T>(value: Option<T>) -> Assign<T> {
    value.map_or(Assign::Keep, Assign::Set)
}
