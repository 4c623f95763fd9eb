//! The changes to a run that writers append to their logs.

use super::status::Status;
use crate::{Labels, Moment, Param, Params};
use std::collections::BTreeSet;

/// The run from which a run was forked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// The parent run's id.
    pub run: String,
    /// The last step inherited from it, if given.
    pub step: Option<i64>,
}

/// A new value of a field of a run. The default leaves the field as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Assign<T> {
    /// The field keeps its value.
    #[default]
    Keep,
    /// The field has no value from now on.
    Clear,
    /// The field has this value from now on.
    Set(T),
}

impl<T> Assign<T> {
    /// The same with another value.
    pub fn map<U>(self, to: impl FnOnce(T) -> U) -> Assign<U> {
        match self {
            Assign::Keep => Assign::Keep,
            Assign::Clear => Assign::Clear,
            Assign::Set(value) => Assign::Set(to(value)),
        }
    }

    /// The new value, where there is one to assign; `Some(None)` clears the field.
    pub fn value(&self) -> Option<Option<&T>> {
        match self {
            Assign::Keep => None,
            Assign::Clear => Some(None),
            Assign::Set(value) => Some(Some(value)),
        }
    }
}

/// What an edit changes of a run. Fields that it does not name keep their values.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunEdit {
    /// Params to set.
    pub params: Params,
    /// Params to remove. A param that is also set stays.
    pub remove_params: BTreeSet<String>,
    /// Tags to add.
    pub add_tags: BTreeSet<String>,
    /// Tags to remove. A tag that is also added stays.
    pub remove_tags: BTreeSet<String>,
    /// The name that is shown for the run.
    pub name: Assign<String>,
    /// Free text.
    pub notes: Assign<String>,
    /// The name of a group of runs.
    pub group: Assign<String>,
    /// What it is run with: code, machine, versions.
    pub environment: Assign<Params>,
    /// The run from which it was forked.
    pub parent: Assign<Parent>,
    /// The status, in place of the one that follows from participants. It holds until a participant starts.
    pub status: Assign<Status>,
    /// When the run started, µs since 1970 UTC, in place of the first start of a participant.
    pub started_us: Assign<i64>,
    /// When the run ended, µs since 1970 UTC, in place of the last end of a participant.
    pub ended_us: Assign<i64>,
}

impl RunEdit {
    /// An edit that sets params.
    pub fn params(params: Params) -> Self {
        RunEdit { params, ..RunEdit::default() }
    }

    /// An edit that sets one param.
    pub fn param(key: impl Into<String>, value: impl Into<Param>) -> Self {
        Self::params(Params::from([(key.into(), value.into())]))
    }
}

/// One change to a run, appended to the log by one writer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RunChange {
    /// A process starts to take part.
    Start(RunStart),
    /// Facts about the run are changed. The writer takes no part in the run by that.
    Edit(RunEdit),
    /// A process ends its part in the run.
    End(RunEnd),
    /// The run continues from an earlier step. Earlier writes at greater steps are hidden but kept.
    Rewind {
        /// The last step that remains visible.
        step: i64,
        /// Writes before this moment are hidden; of this writer, those before the change itself.
        before: Moment,
        /// Only series that have all of these labels are rewound.
        labels: Labels,
        /// Only metrics with one of these names or patterns are rewound; all, if there are none.
        metrics: Vec<String>,
    },
    /// Deletes everything written to the run before: points, params, tags and participants.
    Delete {
        /// How far all writers had come; for this writer, up to the change itself.
        before: Moment,
    },
    /// Takes back a start of this writer, as if it had not been made.
    Withdraw {
        /// The frame ordinal of the start.
        start: u64,
    },
}

/// A process starts to take part in a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunStart {
    /// The time, µs since 1970 UTC.
    pub time_us: i64,
    /// Labels of this participant's points.
    pub labels: Labels,
    /// The name of its machine.
    pub host: String,
    /// The id of its process on that machine.
    pub pid: u32,
    /// Of each writer, the frames that participants wrote who had ended or died before this start. Participants who
    /// started in these frames are over.
    pub gone: Moment,
    /// Facts about the run to set.
    pub edit: RunEdit,
}

/// A participant ends its part in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    /// The frame ordinal of its start, in the same writer.
    pub start: u64,
    /// The time, µs since 1970 UTC.
    pub time_us: i64,
    /// `Finished` or `Failed`.
    pub status: Status,
    /// Why it failed: the type and message of an error.
    pub reason: Option<String>,
    /// Whether it logged anything.
    pub logged: bool,
    /// The greatest step that it logged.
    pub last_step: Option<i64>,
}
