//! Participants: the processes that take part in a run, and the status that follows from them.
//!
//! Each start of a process makes one participant. A participant *takes over* from an earlier one that had ended or died
//! before it started, if both have the same labels, or if no participant was left when it started. The status of the
//! run follows from the participants from whom nobody took over:
//!
//! - *running* while one of them is alive and has not ended;
//! - otherwise *failed* if one of them failed, *lost* if one of them is gone without having ended, and *finished*
//!   otherwise.
//!
//! A participant that finished without logging anything does not count where the others have all finished: it only
//! edited the run. Where nobody logged anything, the first participant counts.

use super::status::Status;
use crate::{Labels, Moment, WriteOrder};
use std::collections::{BTreeMap, BTreeSet};

/// One process's part in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Participation {
    /// The time of its start, µs since 1970 UTC.
    pub started_us: i64,
    /// Labels of its points.
    pub labels: Labels,
    /// The name of its machine.
    pub host: String,
    /// The id of its process on that machine.
    pub pid: u32,
    /// Which earlier participants had ended or died before it started.
    pub gone: Moment,
    /// When and how it ended. `None` if it has not ended.
    pub ended: Option<ParticipantEnd>,
    /// The greatest step that it logged, as far as a flush has noted it here.
    pub last_step: Option<i64>,
}

/// When and how a participant ended.
#[derive(Debug, Clone, PartialEq)]
pub struct ParticipantEnd {
    /// The time, µs since 1970 UTC.
    pub time_us: i64,
    /// `Finished` or `Failed`.
    pub status: Status,
    /// Why it failed.
    pub reason: Option<String>,
    /// Whether it logged anything.
    pub logged: bool,
    /// The greatest step that it logged.
    pub last_step: Option<i64>,
}

/// The participants of a run, in the order of their starts.
pub type Participants = BTreeMap<WriteOrder, Participation>;

impl Participation {
    /// Its status, given whether its process is alive.
    pub fn status(&self, alive: bool) -> Status {
        match &self.ended {
            Some(end) => end.status,
            None if alive => Status::Running,
            None => Status::Lost,
        }
    }

    /// Whether it finished without logging anything.
    fn is_quiet(&self) -> bool {
        self.ended.as_ref().is_some_and(|end| end.status == Status::Finished && !end.logged)
    }
}

/// The participants that determine the run's labels, status and end.
pub(super) fn current(all: &Participants, alive: &impl Fn(u32) -> bool) -> BTreeSet<WriteOrder> {
    let logging = left(all, |p| !p.is_quiet());
    let finished = |order: &WriteOrder| all[order].status(alive(order.seq.writer())) == Status::Finished;
    if logging.is_empty() {
        // All have finished without logging anything: the first began the run, the others only edited it.
        return all.keys().next().copied().into_iter().collect();
    }
    if logging.iter().all(finished) { logging } else { left(all, |_| true) }
}

/// The participants from whom nobody took over, among those that `counts` takes.
fn left(all: &Participants, counts: impl Fn(&Participation) -> bool) -> BTreeSet<WriteOrder> {
    let mut left: BTreeSet<WriteOrder> = BTreeSet::new();
    let mut by_labels: BTreeMap<&str, Vec<WriteOrder>> = BTreeMap::new();
    for (&order, one) in all.iter().filter(|(_, p)| counts(p)) {
        let over = |earlier: &WriteOrder| one.gone.covers(earlier.seq);
        // The newest is the likeliest to be still there.
        if left.iter().rev().all(over) {
            left.clear();
            by_labels.clear();
        }
        let same = by_labels.entry(one.labels.as_str()).or_default();
        same.retain(|earlier| !over(earlier) || !left.remove(earlier));
        same.push(order);
        left.insert(order);
    }
    left
}
