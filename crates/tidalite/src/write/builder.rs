//! Starting a run.

use super::edit::check_edit;
use super::exist::{Exist, taken};
use super::run::{LocalRun, OwnStart, Run};
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::upkeep::maintain;
use crate::view::records::RunRecords;
use std::sync::Arc;
use tidalite_log::Log;
use tidalite_model::{
    Assign, Labels, Moment, Param, Params, Parent, Result, RunChange, RunEdit, RunStart, Seq, check_name,
    check_time,
};

impl Store {
    /// Begins a run, or joins one that exists. An id is any text of 1 to 4,096 bytes.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("resnet-42").param("lr", 3e-4).tag("baseline").start()?;
    /// run.log(0, &[("loss", 2.3)])?;
    /// assert_eq!(store.runs()?[0].id, "resnet-42");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run(&self, id: impl Into<String>) -> RunBuilder {
        RunBuilder::new(self.clone(), Some(id.into()))
    }

    /// Begins a run with a generated id. Generated ids sort by time of creation.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let (first, second) = (store.new_run().start()?, store.new_run().start()?);
    /// assert_ne!(first.id(), second.id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new_run(&self) -> RunBuilder {
        RunBuilder::new(self.clone(), None)
    }
}

/// A run to be started with [`start`](Self::start).
#[derive(Debug, Clone)]
#[must_use = "a run begins with `start`"]
pub struct RunBuilder {
    store: Store,
    id: Option<String>,
    exist: Exist,
    started_us: Option<i64>,
    labels: Vec<(String, String)>,
    edit: RunEdit,
}

impl RunBuilder {
    pub(crate) fn new(store: Store, id: Option<String>) -> Self {
        RunBuilder {
            store,
            id,
            exist: Exist::Any,
            started_us: None,
            labels: Vec::new(),
            edit: RunEdit::default(),
        }
    }

    /// Says whether the run must be new, or must exist. By default either is allowed.
    ///
    /// ```
    /// use tidalite::Exist;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").exist(Exist::New).start()?;
    /// assert!(store.run("a").exist(Exist::New).start().is_err());
    /// assert!(store.run("b").exist(Exist::Must).start().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn exist(mut self, exist: Exist) -> Self {
        self.exist = exist;
        self
    }

    /// Sets the name that is shown for the run.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.edit.name = Assign::Set(name.into());
        self
    }

    /// Sets the run's notes: free text.
    pub fn notes(mut self, notes: impl Into<String>) -> Self {
        self.edit.notes = Assign::Set(notes.into());
        self
    }

    /// Sets the group of runs that the run belongs to, such as a sweep.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.edit.group = Assign::Set(group.into());
        self
    }

    /// Sets what the run is run with, such as the commit of its code: a record of its start, which filters find as
    /// `environment.git.commit`. The last start that sets it counts. [`capture_environment`](crate::capture_environment) collects it.
    ///
    /// ```
    /// use tidalite::Params;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// store.run("a").environment(Params::from([("image".into(), "train:7".into())])).start()?;
    /// assert_eq!(store.runs()?[0].environment["image"], "train:7".into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn environment(mut self, environment: Params) -> Self {
        self.edit.environment = Assign::Set(environment);
        self
    }

    /// Sets the time of the start, µs since 1970 UTC, for a run that is replayed. By default it is now.
    pub fn started_us(mut self, time_us: i64) -> Self {
        self.started_us = Some(time_us);
        self
    }

    /// Sets a param.
    pub fn param(mut self, key: impl Into<String>, value: impl Into<Param>) -> Self {
        self.edit.params.insert(key.into(), value.into());
        self
    }

    /// Sets several params.
    pub fn params(mut self, params: Params) -> Self {
        self.edit.params.extend(params);
        self
    }

    /// Adds a tag.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.edit.add_tags.insert(tag.into());
        self
    }

    /// Adds a label to all points that this process logs to the run, such as its `rank`.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((key.into(), value.into()));
        self
    }

    /// Records that this run was forked from `run`. If a step is given, queries read the parent's points up to and
    /// including that step as this run's own, unless a selection sets [`History::Own`](crate::History::Own). The points
    /// are not copied.
    pub fn parent(mut self, run: impl Into<String>, step: Option<i64>) -> Self {
        self.edit.parent = Assign::Set(Parent { run: run.into(), step });
        self
    }

    /// Begins the run. Every process sees it when this returns.
    ///
    /// # Errors
    /// `Invalid` if an id, param, tag, label or time is wrong, or the run exists and must not; `NotFound` if it does not
    /// exist and must; otherwise as [`Run::log`].
    pub fn start(self) -> Result<Run> {
        let state = self.store.writable()?;
        // A generated id is new, so nothing has to be read.
        let generated = self.id.is_none();
        let id = self.id.unwrap_or_else(|| generated_id(state));
        check_name("run id", &id)?;
        check_edit(&self.edit)?;
        let time_us = self.started_us.unwrap_or_else(|| state.vfs.now_us());
        check_time(time_us)?;
        let labels = Labels::new(self.labels)?;
        let log = maintain::log(state)?.clone();
        let (gone, version) = if generated {
            (Moment::default(), 0)
        } else {
            let records = RunRecords::of(state, &id)?;
            self.exist.check(state, &records, &id)?;
            (records.gone(&id), records.version)
        };
        let start = RunStart {
            time_us,
            labels: labels.clone(),
            host: state.vfs.host(),
            pid: state.vfs.pid(),
            gone,
            edit: RunEdit::default(),
        };
        let start = if self.exist == Exist::New && !generated {
            let seq = log.append_change(&id, &RunChange::Start(start.clone()))?;
            claim(state, &log, &id, seq)?;
            if self.edit != RunEdit::default() {
                log.append_change(&id, &RunChange::Edit(self.edit))?;
            }
            OwnStart { seq, gone: start.gone, version }
        } else {
            let start = RunStart { edit: self.edit, ..start };
            let seq = log.append_change(&id, &RunChange::Start(start.clone()))?;
            OwnStart { seq, gone: start.gone, version }
        };
        let local = LocalRun::new(state, log, &id);
        Ok(Run::new(self.store.clone(), id.into(), labels, Some(start), local))
    }
}

/// Makes sure that no other process has begun the run at the same time: of two starts, the earlier one stays.
///
/// # Errors
/// `Invalid` if another process began it first. Then the start is withdrawn.
fn claim(state: &Arc<StoreState>, log: &Log, id: &str, start: Seq) -> Result<()> {
    let records = RunRecords::of(state, id)?;
    let first = records.runs.get(id).and_then(|r| r.participants.keys().next().copied());
    if first.is_none_or(|first| first.seq == start) {
        return Ok(());
    }
    log.append_change(id, &RunChange::Withdraw { start: start.ordinal() })?;
    Err(taken(id))
}

fn generated_id(state: &StoreState) -> String {
    // A version-7 UUID begins with the time in milliseconds, so ids sort by creation.
    format!("run-{}", state.vfs.uuid().simple())
}
