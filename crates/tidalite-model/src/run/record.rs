//! The record of a run: the combined result of all changes to it.

use super::change::{Assign, Parent, RunChange, RunEdit, RunEnd, RunStart};
use super::environment::Environment;
use super::participant::{ParticipantEnd, Participants, Participation};
use super::status::Status;
use crate::{Labels, Moment, Param, Seq, WriteOrder};
use std::collections::BTreeMap;

/// A value set by the newest write.
#[derive(Debug, Clone, PartialEq)]
pub struct Latest<T> {
    /// The value.
    pub value: T,
    /// The write that set it.
    pub order: WriteOrder,
}

/// A field of a run that was set or cleared, if it ever was. A store may have a hundred thousand runs whose fields were never
/// set, so a field takes one word until it is.
pub type LatestField<T> = Option<Box<Latest<Option<T>>>>;

/// A rewind: the run continued from an earlier step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewind {
    /// The last step that remains visible.
    pub step: i64,
    /// Writes before this moment, at greater steps, are hidden.
    pub before: Moment,
    /// Only series that have all of these labels are rewound.
    pub labels: Labels,
    /// Only metrics with one of these names or patterns are rewound; all, if there are none.
    pub metrics: Vec<String>,
}

/// The combined result of all changes to one run.
///
/// Changes of different writers may be applied in any order, and any change repeatedly: for each param, tag and field
/// the greatest [`WriteOrder`] wins, so the result does not depend on when a log was flushed. Changes of one writer are
/// applied in their order. One rule spans writers: a deletion is applied before the writes that follow it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunRecord {
    /// Params by name; `None` where one was removed.
    pub params: BTreeMap<String, Latest<Option<Param>>>,
    /// Tags by name, and whether the tag is set or was removed.
    pub tags: BTreeMap<String, Latest<bool>>,
    /// The name that is shown.
    pub name: LatestField<String>,
    /// Free text.
    pub notes: LatestField<String>,
    /// The group of runs it belongs to.
    pub group: LatestField<String>,
    /// What it was run with.
    pub environment: LatestField<Environment>,
    /// The run from which it was forked.
    pub parent: LatestField<Parent>,
    /// The status that an edit gave it.
    pub status: LatestField<Status>,
    /// The start that an edit gave it, µs since 1970 UTC.
    pub started_us: LatestField<i64>,
    /// The end that an edit gave it, µs since 1970 UTC.
    pub ended_us: LatestField<i64>,
    /// Participants. None for a run that is known only by its points or edits (bulk data).
    pub participants: Participants,
    /// Rewinds, by their write.
    pub rewinds: BTreeMap<Seq, Rewind>,
    /// Everything written before this moment is deleted.
    pub deleted: Option<Moment>,
}

impl RunRecord {
    /// Applies one change.
    pub fn apply(&mut self, order: WriteOrder, change: &RunChange) {
        if let RunChange::Delete { before } = change {
            // Its own frame is included, so that a moment that includes the deletion's is after the deletion.
            let own = Moment::new(0, [(order.seq.writer(), order.seq.ordinal() + 1)]);
            return self.delete(&before.join(&own));
        }
        // Deleted writes stay deleted, in whatever order logs are read.
        if self.deletes(order.seq) {
            return;
        }
        match change {
            RunChange::Start(start) => self.start(order, start),
            RunChange::Edit(edit) => self.edit(order, edit),
            RunChange::End(end) => self.end(order.seq.writer(), end),
            RunChange::Rewind { step, before, labels, metrics } => {
                let before = before.clone().of_write(order.seq);
                let rewind = Rewind { step: *step, before, labels: labels.clone(), metrics: metrics.clone() };
                self.rewinds.insert(order.seq, rewind);
            }
            RunChange::Withdraw { start } => {
                let withdrawn =
                    |o: &WriteOrder| (o.seq.writer(), o.seq.ordinal()) == (order.seq.writer(), *start);
                self.participants.retain(|o, _| !withdrawn(o));
            }
            RunChange::Delete { .. } => unreachable!("handled above"),
        }
    }

    fn start(&mut self, order: WriteOrder, start: &RunStart) {
        self.edit(order, &start.edit);
        let RunStart { time_us, labels, host, pid, gone, edit: _ } = start;
        // An end of this start may be known already, where a change is applied again.
        self.participants.entry(order).or_insert_with(|| Participation {
            started_us: *time_us,
            labels: labels.clone(),
            host: host.clone(),
            pid: *pid,
            gone: gone.clone(),
            ended: None,
            last_step: None,
        });
    }

    /// Notes a step that a participant has logged, given the ordinal of its start.
    pub fn note_step(&mut self, writer: u32, start: u64, step: i64) {
        let mine = |o: &WriteOrder| (o.seq.writer(), o.seq.ordinal()) == (writer, start);
        if let Some((_, p)) = self.participants.iter_mut().find(|(o, _)| mine(o)) {
            p.last_step = p.last_step.max(Some(step));
        }
    }

    /// The frames [lo, hi) of a participant's writer in which it logged: from its start to the next start there with the
    /// same labels. `None` if it has ended or is not there.
    pub fn open_frames(&self, start: WriteOrder) -> Option<(Seq, Seq)> {
        let own = self.participants.get(&start).filter(|p| p.ended.is_none())?;
        let writer = start.seq.writer();
        let later = self
            .participants
            .iter()
            .filter(|(o, p)| o.seq.writer() == writer && o.seq > start.seq && p.labels == own.labels);
        let end = later.map(|(o, _)| o.seq).min().unwrap_or(Seq::new(writer + 1, 0));
        Some((start.seq, end))
    }

    fn end(&mut self, writer: u32, end: &RunEnd) {
        let RunEnd { start, time_us, status, reason, logged, last_step } = end;
        let mine = |o: &WriteOrder| (o.seq.writer(), o.seq.ordinal()) == (writer, *start);
        if let Some((_, p)) = self.participants.iter_mut().find(|(o, _)| mine(o)) {
            p.ended = Some(ParticipantEnd {
                time_us: *time_us,
                status: *status,
                reason: reason.clone(),
                logged: *logged,
                last_step: *last_step,
            });
        }
    }

    fn edit(&mut self, order: WriteOrder, edit: &RunEdit) {
        let removed = edit.remove_params.iter().filter(|key| !edit.params.contains_key(*key));
        let set = edit.params.iter().map(|(key, value)| (key, Some(value.clone())));
        for (key, value) in set.chain(removed.map(|key| (key, None))) {
            assign(self.params.get(key).map(|p| p.order), order, || {
                self.params.insert(key.clone(), Latest { value, order });
            });
        }
        let removed = edit.remove_tags.difference(&edit.add_tags).map(|tag| (tag, false));
        for (tag, value) in removed.chain(edit.add_tags.iter().map(|tag| (tag, true))) {
            assign(self.tags.get(tag).map(|t| t.order), order, || {
                self.tags.insert(tag.clone(), Latest { value, order });
            });
        }
        set_field(&mut self.name, order, &edit.name);
        set_field(&mut self.notes, order, &edit.notes);
        set_field(&mut self.group, order, &edit.group);
        set_field(&mut self.environment, order, &edit.environment.clone().map(Environment::from));
        set_field(&mut self.parent, order, &edit.parent);
        set_field(&mut self.status, order, &edit.status);
        set_field(&mut self.started_us, order, &edit.started_us);
        set_field(&mut self.ended_us, order, &edit.ended_us);
    }

    pub(super) fn delete(&mut self, before: &Moment) {
        self.params.retain(|_, p| !before.covers(p.order.seq));
        self.tags.retain(|_, t| !before.covers(t.order.seq));
        delete_field(&mut self.name, before);
        delete_field(&mut self.notes, before);
        delete_field(&mut self.group, before);
        delete_field(&mut self.environment, before);
        delete_field(&mut self.parent, before);
        delete_field(&mut self.status, before);
        delete_field(&mut self.started_us, before);
        delete_field(&mut self.ended_us, before);
        self.participants.retain(|order, _| !before.covers(order.seq));
        self.rewinds.retain(|seq, _| !before.covers(*seq));
        self.deleted = Some(self.deleted.as_ref().map_or_else(|| before.clone(), |d| d.join(before)));
    }

    /// Whether the write `seq` is deleted.
    pub fn deletes(&self, seq: Seq) -> bool {
        self.deleted.as_ref().is_some_and(|before| before.covers(seq))
    }

    /// Whether the run was deleted and nothing but points was written since. It then exists only if it has points.
    pub fn is_only_deleted(&self) -> bool {
        self.deleted.is_some() && RunRecord { deleted: None, ..self.clone() } == RunRecord::default()
    }

    /// The run from which it was forked.
    pub fn parent(&self) -> Option<&Parent> {
        field(&self.parent)
    }

    /// Whether a participant started after the writes of an edit, so that the edit's status no longer holds.
    pub(super) fn restarted_after(&self, order: WriteOrder) -> bool {
        self.participants.keys().next_back().is_some_and(|start| *start > order)
    }

    /// The greatest clock of the writes in it; `i64::MIN` if there are none.
    pub fn clock_us(&self) -> i64 {
        let params = self.params.values().map(|p| p.order);
        let tags = self.tags.values().map(|t| t.order);
        let texts = [&self.name, &self.notes, &self.group].into_iter().flatten().map(|f| f.order);
        let times = [&self.started_us, &self.ended_us].into_iter().flatten().map(|f| f.order);
        let environment = self.environment.as_ref().map(|f| f.order);
        let others =
            [self.parent.as_ref().map(|f| f.order), self.status.as_ref().map(|f| f.order), environment];
        let fields = params.chain(tags).chain(texts).chain(times).chain(others.into_iter().flatten());
        fields.chain(self.participants.keys().copied()).map(|order| order.clock_us).max().unwrap_or(i64::MIN)
    }
}

/// The value of a field, if it has one.
pub(super) fn field<T>(field: &LatestField<T>) -> Option<&T> {
    field.as_ref().and_then(|f| f.value.as_ref())
}

fn set_field<T: Clone>(field: &mut LatestField<T>, order: WriteOrder, assigned: &Assign<T>) {
    if let Some(value) = assigned.value()
        && field.as_ref().is_none_or(|f| f.order <= order)
    {
        *field = Some(Box::new(Latest { value: value.cloned(), order }));
    }
}

fn delete_field<T>(field: &mut LatestField<T>, before: &Moment) {
    field.take_if(|f| before.covers(f.order.seq));
}

/// Calls `set` unless a later write was applied.
fn assign(known: Option<WriteOrder>, order: WriteOrder, set: impl FnOnce()) {
    if known.is_none_or(|known| known <= order) {
        set();
    }
}
