//! What is known of each run, by the plain rules: every change is looked at again for every run, and the status follows from
//! all pairs of participants. It shares no code with the engine but the changes themselves.

use crate::units::{UnitContent, WriteUnit};
use std::collections::{BTreeMap, BTreeSet};
use tidalite::{Labels, Param, Parent, Seq, Status};
use tidalite_model::{Assign, Moment, RunChange, RunEdit, RunEnd, RunStart};

/// A run as a store must show it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedRun {
    /// The id.
    pub id: String,
    /// Name, notes and group.
    pub texts: [Option<String>; 3],
    /// Params.
    pub params: BTreeMap<String, Param>,
    /// What it is run with.
    pub environment: Option<BTreeMap<String, Param>>,
    /// Tags.
    pub tags: BTreeSet<String>,
    /// The labels that the participants who count have in common.
    pub labels: Labels,
    /// The run from which it was forked.
    pub parent: Option<Parent>,
    /// The status.
    pub status: Status,
    /// Why it failed.
    pub reason: Option<String>,
    /// The start and the end.
    pub times: [ExpectedTime; 2],
    /// The steps of its rewinds, ascending.
    pub rewinds: Vec<i64>,
    /// The participants.
    pub participants: Vec<ExpectedParticipant>,
}

/// A time as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedTime {
    /// There is none.
    None,
    /// The engine's clock gave it.
    Some,
    /// An edit gave it.
    At(i64),
}

/// A participant as a store must show it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedParticipant {
    /// Labels of its points.
    pub labels: Labels,
    /// Its status.
    pub status: Status,
    /// Why it failed.
    pub reason: Option<String>,
    /// The greatest step that it logged.
    pub last_step: Option<i64>,
    /// Whether it counts.
    pub current: bool,
}

/// A change to the run that was not deleted, with the order of its call.
type KeptChange<'a> = (u64, Seq, &'a RunChange);

/// A start that was not taken back, and its end.
struct StartedPart<'a> {
    order: u64,
    seq: Seq,
    start: &'a RunStart,
    end: Option<(u64, &'a RunEnd)>,
}

impl StartedPart<'_> {
    fn status(&self, alive: &dyn Fn(u32) -> bool) -> Status {
        match self.end {
            Some((_, end)) => end.status,
            None if alive(self.seq.writer()) => Status::Running,
            None => Status::Lost,
        }
    }

    /// Whether it only edited the run.
    fn is_quiet(&self) -> bool {
        self.end.is_some_and(|(_, end)| end.status == Status::Finished && !end.logged)
    }
}

/// The run with this id, from all units. `None` if nothing but deletions was written to it.
pub(crate) fn expected_run(
    id: &str,
    units: &[&WriteUnit],
    alive: &dyn Fn(u32) -> bool,
) -> Option<ExpectedRun> {
    let of_run = |unit: &&&WriteUnit| matches!(&unit.content, UnitContent::Change { run, .. } if run == id);
    let mut changes: Vec<KeptChange<'_>> = Vec::new();
    for unit in units.iter().filter(of_run) {
        if let UnitContent::Change { change, .. } = &unit.content {
            changes.push((unit.order, unit.seq, change));
        }
    }
    changes.sort_by_key(|(order, ..)| *order);
    let deletions: Vec<Moment> = changes
        .iter()
        .filter_map(|(_, seq, change)| match change {
            RunChange::Delete { before } => Some(before.clone().of_write(*seq)),
            _ => None,
        })
        .collect();
    let is_kept = |(_, seq, change): &KeptChange<'_>| {
        !matches!(change, RunChange::Delete { .. }) && !deletions.iter().any(|before| before.covers(*seq))
    };
    changes.retain(is_kept);
    // After a deletion, the end of a deleted start and an edit of nothing begin no run.
    let says_something = |(_, _, change): &KeptChange<'_>| match change {
        RunChange::End(_) | RunChange::Withdraw { .. } => false,
        RunChange::Edit(edit) => *edit != RunEdit::default(),
        _ => true,
    };
    let exists = !changes.is_empty() && (deletions.is_empty() || changes.iter().any(says_something));
    exists.then(|| run_of(id, &changes, alive))
}

/// A run that only points name.
pub(crate) fn bulk_run(id: &str) -> ExpectedRun {
    run_of(id, &[], &|_| false)
}

fn run_of(id: &str, changes: &[KeptChange<'_>], alive: &dyn Fn(u32) -> bool) -> ExpectedRun {
    let parts = parts(changes);
    let current = current(&parts, alive);
    let counted = || parts.iter().enumerate().filter(|(i, _)| current.contains(i)).map(|(_, p)| p);
    let last_start = parts.iter().map(|p| p.order).max().unwrap_or(0);
    // The edits in a start come with it.
    let edits = || {
        changes.iter().filter_map(|(order, _, change)| match change {
            RunChange::Edit(edit) => Some((*order, edit)),
            RunChange::Start(start) => Some((*order, &start.edit)),
            _ => None,
        })
    };
    let mut run = ExpectedRun {
        id: id.to_string(),
        texts: [None, None, None],
        params: BTreeMap::new(),
        environment: None,
        tags: BTreeSet::new(),
        labels: in_common(counted().map(|p| &p.start.labels)),
        parent: None,
        status: Status::Finished,
        reason: None,
        times: [ExpectedTime::None, ExpectedTime::None],
        rewinds: Vec::new(),
        participants: Vec::new(),
    };
    let (mut status, mut started, mut ended) = (None, None, None);
    for (order, edit) in edits() {
        apply(&mut run, edit);
        set(&mut started, &edit.started_us);
        // What an edit says of status and end holds until a participant starts.
        if order >= last_start {
            set(&mut status, &edit.status);
            set(&mut ended, &edit.ended_us);
        }
    }
    let all_ended = counted().all(|p| p.end.is_some()) && !parts.is_empty();
    run.status = status.unwrap_or_else(|| worst(counted().map(|p| p.status(alive))));
    run.times[0] = time(started, !parts.is_empty());
    if run.status != Status::Running {
        run.times[1] = time(ended, all_ended);
    }
    let failed = counted().filter_map(|p| p.end).filter(|(_, end)| end.status == Status::Failed);
    let last_failed = failed.max_by_key(|(order, _)| *order);
    if run.status == Status::Failed {
        run.reason = last_failed.and_then(|(_, end)| end.reason.clone());
    }
    run.rewinds = changes
        .iter()
        .filter_map(
            |(_, _, change)| if let RunChange::Rewind { step, .. } = change { Some(*step) } else { None },
        )
        .collect();
    run.rewinds.sort_unstable();
    let participant = |(i, p): (usize, &StartedPart<'_>)| ExpectedParticipant {
        labels: p.start.labels.clone(),
        status: p.status(alive),
        reason: p.end.and_then(|(_, end)| end.reason.clone()),
        last_step: p.end.and_then(|(_, end)| end.last_step),
        current: current.contains(&i),
    };
    run.participants = parts.iter().enumerate().map(participant).collect();
    run
}

fn parts<'a>(changes: &[KeptChange<'a>]) -> Vec<StartedPart<'a>> {
    let mut parts = Vec::new();
    for &(order, seq, change) in changes {
        let RunChange::Start(start) = change else { continue };
        let of_start =
            |seq_of: Seq, ordinal: u64| (seq_of.writer(), ordinal) == (seq.writer(), seq.ordinal());
        let withdrawn = changes
            .iter()
            .any(|(_, s, c)| matches!(c, RunChange::Withdraw { start } if of_start(*s, *start)));
        let end = changes.iter().rev().find_map(|(order, s, c)| match c {
            RunChange::End(end) if of_start(*s, end.start) => Some((*order, end)),
            _ => None,
        });
        if !withdrawn {
            parts.push(StartedPart { order, seq, start, end });
        }
    }
    parts
}

/// The participants from whom nobody took over, among those at these places: one after the other starts, and takes over
/// from those that were left and gone then, if they have its labels or nobody else was left.
fn left(parts: &[StartedPart<'_>], among: &[usize]) -> BTreeSet<usize> {
    let mut left: BTreeSet<usize> = BTreeSet::new();
    for &starting in among {
        let start = parts[starting].start;
        let gone: BTreeSet<usize> =
            left.iter().copied().filter(|one| start.gone.covers(parts[*one].seq)).collect();
        let nobody_else = gone == left;
        left.retain(|one| {
            let takes_over = nobody_else || parts[*one].start.labels == start.labels;
            !(gone.contains(one) && takes_over)
        });
        left.insert(starting);
    }
    left
}

/// The participants that count.
fn current(parts: &[StartedPart<'_>], alive: &dyn Fn(u32) -> bool) -> BTreeSet<usize> {
    let all: Vec<usize> = (0..parts.len()).collect();
    let loud: Vec<usize> = all.iter().copied().filter(|i| !parts[*i].is_quiet()).collect();
    if loud.is_empty() {
        return all.into_iter().take(1).collect();
    }
    let logging = left(parts, &loud);
    let finished = |i: &usize| parts[*i].status(alive) == Status::Finished;
    if logging.iter().all(finished) { logging } else { left(parts, &all) }
}

fn worst(statuses: impl Iterator<Item = Status>) -> Status {
    let all: Vec<Status> = statuses.collect();
    let by_rank = [Status::Running, Status::Failed, Status::Lost];
    by_rank.into_iter().find(|status| all.contains(status)).unwrap_or(Status::Finished)
}

fn in_common<'a>(mut all: impl Iterator<Item = &'a Labels>) -> Labels {
    let Some(first) = all.next() else { return Labels::none() };
    let rest: Vec<&Labels> = all.collect();
    let kept = first.iter().filter(|(key, value)| rest.iter().all(|l| l.get(key).as_ref() == Some(value)));
    Labels::new(kept.collect::<Vec<_>>()).expect("some of a run's labels")
}

fn apply(run: &mut ExpectedRun, edit: &RunEdit) {
    run.params.retain(|key, _| !edit.remove_params.contains(key));
    run.params.extend(edit.params.iter().map(|(k, v)| (k.clone(), v.clone())));
    run.tags.retain(|tag| !edit.remove_tags.contains(tag));
    run.tags.extend(edit.add_tags.iter().cloned());
    for (text, assigned) in run.texts.iter_mut().zip([&edit.name, &edit.notes, &edit.group]) {
        set(text, assigned);
    }
    set(&mut run.environment, &edit.environment);
    set(&mut run.parent, &edit.parent);
}

fn set<T: Clone>(field: &mut Option<T>, assigned: &Assign<T>) {
    match assigned {
        Assign::Keep => {}
        Assign::Clear => *field = None,
        Assign::Set(value) => *field = Some(value.clone()),
    }
}

fn time(edited: Option<i64>, is_there: bool) -> ExpectedTime {
    match (edited, is_there) {
        (Some(at), _) => ExpectedTime::At(at),
        (None, true) => ExpectedTime::Some,
        (None, false) => ExpectedTime::None,
    }
}
