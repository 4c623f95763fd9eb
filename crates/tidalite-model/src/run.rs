//! Runs: what is known of a run, and the changes that writers append to it.
//!
//! Several processes may take part in one run (the ranks of a training job). Each records when it starts and ends.
//! The run's status follows from all of them:
//!
//! - *running* while any participant is alive and has not ended;
//! - otherwise *failed* if any participant failed, *lost* if any is gone without having ended, and *finished*
//!   otherwise.

use crate::{Labels, Moment, Param, Params, Seq};
use std::collections::{BTreeMap, BTreeSet};

/// The status of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Status {
    /// A participant is still writing.
    Running,
    /// It ended successfully.
    Finished,
    /// It ended with a failure.
    Failed,
    /// Its writer is gone without recording an end.
    Lost,
}

impl Status {
    /// The status as a word, for messages and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Finished => "finished",
            Status::Failed => "failed",
            Status::Lost => "lost",
        }
    }

    /// Parses the word.
    pub fn parse(text: &str) -> Option<Status> {
        [Status::Running, Status::Finished, Status::Failed, Status::Lost]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

/// The run from which a run was forked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// The parent run's id.
    pub run: String,
    /// The last step inherited from it, if given.
    pub step: Option<i64>,
}

/// One change to a run, appended to the log by one writer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RunChange {
    /// A process starts to take part. Its params, tags and labels are merged over the existing ones.
    Start {
        /// The time, µs since 1970 UTC.
        time_us: i64,
        /// Params to set.
        params: Params,
        /// Tags to add.
        tags: BTreeSet<String>,
        /// Labels of this process's points.
        labels: Labels,
        /// The run from which it was forked.
        parent: Option<Parent>,
    },
    /// Sets params, key by key.
    SetParams(Params),
    /// Adds and removes tags.
    SetTags {
        /// Tags to add.
        add: BTreeSet<String>,
        /// Tags to remove.
        remove: BTreeSet<String>,
    },
    /// This process ends its part in the run.
    End {
        /// The time, µs since 1970 UTC.
        time_us: i64,
        /// `Finished` or `Failed`.
        status: Status,
    },
    /// The run continues from an earlier step. Earlier writes at greater steps are hidden but kept.
    Rewind {
        /// The last step that remains visible.
        step: i64,
        /// How far all writers had come; for this writer, up to the change itself.
        before: Moment,
    },
    /// Deletes everything written to the run before: points, params, tags and participants.
    Delete {
        /// How far all writers had come; for this writer, up to the change itself.
        before: Moment,
    },
}

/// A rewind: the run continued from an earlier step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewind {
    /// The last step that remains visible.
    pub step: i64,
    /// Writes before this moment, at greater steps, are hidden.
    pub before: Moment,
}

/// One writer's part in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Participation {
    /// The write of its latest start.
    pub seq: Seq,
    /// The time of its latest start, µs since 1970 UTC.
    pub started_us: i64,
    /// When and how it ended. `None` if it has not ended.
    pub ended: Option<(i64, Status)>,
    /// Labels of its points.
    pub labels: Labels,
}

/// A value set by the write with the greatest [`Seq`].
#[derive(Debug, Clone, PartialEq)]
pub struct Latest<T> {
    /// The value.
    pub value: T,
    /// The write that set it.
    pub seq: Seq,
}

/// The combined result of all changes to one run.
///
/// Changes of different writers may be applied in any order, and any change repeatedly: for each param, tag and
/// parent the write with the greatest [`Seq`] wins, so the result does not depend on when a log was flushed. Changes
/// of one writer are applied in their order. One rule spans writers: a deletion is applied before the writes that
/// follow it. Such a write may have a smaller [`Seq`] than a deleted one, and would lose to it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunRecord {
    /// Params by name.
    pub params: BTreeMap<String, Latest<Param>>,
    /// Tags by name, and whether the tag is set or was removed.
    pub tags: BTreeMap<String, Latest<bool>>,
    /// The run from which it was forked.
    pub parent: Option<Latest<Parent>>,
    /// The time of each start, µs since 1970 UTC, by its write. Empty for a run known only by its points (bulk data).
    pub starts: BTreeMap<Seq, i64>,
    /// Participants, by writer ordinal.
    pub participants: BTreeMap<u32, Participation>,
    /// Rewinds, by their write.
    pub rewinds: BTreeMap<Seq, Rewind>,
    /// Everything written before this moment is deleted.
    pub deleted: Option<Moment>,
}

impl RunRecord {
    /// Applies one change.
    pub fn apply(&mut self, seq: Seq, change: &RunChange) {
        if let RunChange::Delete { before } = change {
            return self.delete(&before.clone().of_write(seq));
        }
        // Deleted writes stay deleted, in whatever order logs are read.
        if self.deletes(seq) {
            return;
        }
        match change {
            RunChange::Start { time_us, params, tags, labels, parent } => {
                self.set_params(seq, params);
                self.set_tags(seq, tags, true);
                if let Some(parent) = parent
                    && self.parent.as_ref().is_none_or(|p| p.seq <= seq)
                {
                    self.parent = Some(Latest { value: parent.clone(), seq });
                }
                self.starts.insert(seq, *time_us);
                let part = Participation { seq, started_us: *time_us, ended: None, labels: labels.clone() };
                self.participants.insert(seq.writer(), part);
            }
            RunChange::SetParams(params) => self.set_params(seq, params),
            RunChange::SetTags { add, remove } => {
                self.set_tags(seq, remove, false);
                self.set_tags(seq, add, true);
            }
            RunChange::End { time_us, status } => {
                if let Some(p) = self.participants.get_mut(&seq.writer()) {
                    p.ended = Some((*time_us, *status));
                }
            }
            RunChange::Rewind { step, before } => {
                self.rewinds.insert(seq, Rewind { step: *step, before: before.clone().of_write(seq) });
            }
            RunChange::Delete { .. } => unreachable!("handled above"),
        }
    }

    fn delete(&mut self, before: &Moment) {
        self.params.retain(|_, p| !before.covers(p.seq));
        self.tags.retain(|_, t| !before.covers(t.seq));
        self.parent.take_if(|p| before.covers(p.seq));
        self.starts.retain(|seq, _| !before.covers(*seq));
        self.participants.retain(|_, p| !before.covers(p.seq));
        self.rewinds.retain(|seq, _| !before.covers(*seq));
        self.deleted = Some(self.deleted.as_ref().map_or_else(|| before.clone(), |d| d.join(before)));
    }

    /// Whether the write `seq` is deleted.
    pub fn deletes(&self, seq: Seq) -> bool {
        self.deleted.as_ref().is_some_and(|before| before.covers(seq))
    }

    /// Whether the run was deleted and nothing but points was written since. It then exists only if it has points.
    pub fn is_only_deleted(&self) -> bool {
        self.deleted.is_some()
            && self.params.is_empty()
            && self.tags.is_empty()
            && self.parent.is_none()
            && self.starts.is_empty()
            && self.rewinds.is_empty()
    }

    fn set_params(&mut self, seq: Seq, params: &Params) {
        for (key, value) in params {
            if self.params.get(key).is_none_or(|p| p.seq <= seq) {
                self.params.insert(key.clone(), Latest { value: value.clone(), seq });
            }
        }
    }

    fn set_tags(&mut self, seq: Seq, tags: &BTreeSet<String>, stands: bool) {
        for tag in tags {
            if self.tags.get(tag).is_none_or(|t| t.seq <= seq) {
                self.tags.insert(tag.clone(), Latest { value: stands, seq });
            }
        }
    }

    /// The run's status, given which writers are still alive.
    pub fn status(&self, alive: impl Fn(u32) -> bool) -> Status {
        let mut status = Status::Finished;
        for (&writer, p) in &self.participants {
            match p.ended {
                None if alive(writer) => return Status::Running,
                None if status != Status::Failed => status = Status::Lost,
                Some((_, Status::Failed)) => status = Status::Failed,
                _ => {}
            }
        }
        status
    }

    /// The run's current state.
    pub fn info(&self, id: &str, alive: impl Fn(u32) -> bool) -> RunInfo {
        let mut labels: Option<Labels> = None;
        for p in self.participants.values() {
            labels = Some(labels.map_or_else(|| p.labels.clone(), |l| common(&l, &p.labels)));
        }
        let ends: Option<Vec<i64>> = self.participants.values().map(|p| p.ended.map(|e| e.0)).collect();
        RunInfo {
            id: id.to_string(),
            params: self.params.iter().map(|(k, v)| (k.clone(), v.value.clone())).collect(),
            tags: self.tags.iter().filter(|(_, t)| t.value).map(|(k, _)| k.clone()).collect(),
            labels: labels.unwrap_or_default(),
            parent: self.parent.as_ref().map(|p| p.value.clone()),
            started_us: self.starts.values().min().copied(),
            rewinds: self.rewinds.values().map(|r| r.step).collect(),
            ended_us: ends.and_then(|e| e.into_iter().max()),
            status: self.status(alive),
            participants: self.participants.len(),
        }
    }
}

/// The current state of a run.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RunInfo {
    /// The id.
    pub id: String,
    /// Params.
    pub params: Params,
    /// Tags, sorted.
    pub tags: BTreeSet<String>,
    /// The labels shared by all participants.
    pub labels: Labels,
    /// The run from which it was forked.
    pub parent: Option<Parent>,
    /// Earliest start, µs since 1970 UTC. `None` for a run known only by its points (bulk data).
    pub started_us: Option<i64>,
    /// The step of each rewind, in the order of writing.
    pub rewinds: Vec<i64>,
    /// Latest end. `None` while a participant has not ended, and for bulk data.
    pub ended_us: Option<i64>,
    /// The status. A run known only by its points counts as finished.
    pub status: Status,
    /// The number of participating processes.
    pub participants: usize,
}

fn common(a: &Labels, b: &Labels) -> Labels {
    let kept: Vec<(String, String)> = a.iter().filter(|(k, v)| b.get(k).as_ref() == Some(v)).collect();
    Labels::new(kept).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(labels: &str) -> RunChange {
        RunChange::Start {
            time_us: 5,
            params: Params::new(),
            tags: BTreeSet::new(),
            labels: Labels::parse(labels).unwrap(),
            parent: None,
        }
    }

    fn end(time_us: i64, status: Status) -> RunChange {
        RunChange::End { time_us, status }
    }

    #[test]
    fn status_follows_from_all_participants() {
        let mut run = RunRecord::default();
        run.apply(Seq::new(1, 0), &start("host=a,rank=0"));
        run.apply(Seq::new(2, 0), &start("host=a,rank=1"));
        assert_eq!(run.info("r", |_| true).labels.as_str(), "host=a");
        assert_eq!(run.status(|_| true), Status::Running);
        assert_eq!(run.status(|_| false), Status::Lost);
        run.apply(Seq::new(1, 1), &end(9, Status::Finished));
        assert_eq!(run.status(|w| w == 2), Status::Running);
        assert_eq!(run.info("r", |_| false).ended_us, None);
        run.apply(Seq::new(2, 1), &end(8, Status::Finished));
        let info = run.info("r", |_| false);
        assert_eq!((info.status, info.ended_us), (Status::Finished, Some(9)));
        run.apply(Seq::new(2, 2), &start("host=a"));
        assert_eq!(run.status(|w| w == 2), Status::Running, "a run may be resumed");
    }

    #[test]
    fn the_order_in_which_writers_are_applied_does_not_matter() {
        let lr = |v: f64| RunChange::SetParams(Params::from([("lr".into(), v.into())]));
        let tags = |add: &[&str], remove: &[&str]| RunChange::SetTags {
            add: add.iter().map(|s| s.to_string()).collect(),
            remove: remove.iter().map(|s| s.to_string()).collect(),
        };
        let changes = [
            (Seq::new(1, 0), start("")),
            (Seq::new(1, 1), lr(0.1)),
            (Seq::new(1, 2), tags(&["a", "b"], &[])),
            (Seq::new(2, 0), start("")),
            (Seq::new(2, 1), lr(0.2)),
            (Seq::new(2, 2), tags(&["c"], &["a"])),
        ];
        let (mut forth, mut back) = (RunRecord::default(), RunRecord::default());
        changes.iter().for_each(|(s, c)| forth.apply(*s, c));
        changes[3..].iter().chain(&changes[..3]).for_each(|(s, c)| back.apply(*s, c));
        assert_eq!(forth, back);
        let info = forth.info("r", |_| true);
        assert_eq!(info.params["lr"], 0.2.into());
        assert_eq!(info.tags, BTreeSet::from(["b".to_string(), "c".to_string()]));
    }

    #[test]
    fn deleted_writes_are_gone_in_any_order_of_logs() {
        let lr = |v: f64| RunChange::SetParams(Params::from([("lr".into(), v.into())]));
        let rewind = RunChange::Rewind { step: 3, before: Moment::new(1, [(1, 2)]) };
        let changes = [
            (Seq::new(1, 0), start("host=a")),
            (Seq::new(1, 1), lr(0.1)),
            (Seq::new(1, 2), rewind.clone()),
            (Seq::new(1, 5), start("host=b")),
            (Seq::new(1, 6), start("host=c")),
            (Seq::new(2, 0), end(7, Status::Failed)),
            (Seq::new(2, 1), RunChange::Delete { before: Moment::new(1, [(1, 5)]) }),
            (Seq::new(2, 2), start("host=c")),
        ];
        let (mut forth, mut back) = (RunRecord::default(), RunRecord::default());
        changes.iter().for_each(|(s, c)| forth.apply(*s, c));
        changes[5..].iter().chain(&changes[..5]).chain(&changes).for_each(|(s, c)| back.apply(*s, c));
        assert_eq!(forth, back);
        let info = forth.info("r", |_| true);
        assert_eq!((info.params.len(), info.labels.as_str(), info.participants), (0, "host=c", 2));
        assert!(forth.deletes(Seq::new(1, 4)) && !forth.deletes(Seq::new(1, 5)) && forth.rewinds.is_empty());
        forth.apply(Seq::new(3, 0), &RunChange::Delete { before: Moment::new(3, []) });
        assert!(forth.is_only_deleted());
        forth.apply(Seq::new(1, 2), &rewind);
        assert!(forth.is_only_deleted(), "writes before the deletion do not come back");
    }
}
