//! Starting a run.

use super::params::check_param;
use super::run::{LocalRun, Run};
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::upkeep::maintain;
use std::collections::BTreeSet;
use tidalite_model::{Labels, Param, Params, Parent, Result, RunChange, check_name};

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
    params: Params,
    tags: BTreeSet<String>,
    labels: Vec<(String, String)>,
    parent: Option<Parent>,
}

impl RunBuilder {
    pub(crate) fn new(store: Store, id: Option<String>) -> Self {
        RunBuilder {
            store,
            id,
            params: Params::new(),
            tags: BTreeSet::new(),
            labels: Vec::new(),
            parent: None,
        }
    }

    /// Sets a param.
    pub fn param(mut self, key: impl Into<String>, value: impl Into<Param>) -> Self {
        self.params.insert(key.into(), value.into());
        self
    }

    /// Sets several params.
    pub fn params(mut self, params: Params) -> Self {
        self.params.extend(params);
        self
    }

    /// Adds a tag.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.insert(tag.into());
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
        self.parent = Some(Parent { run: run.into(), step });
        self
    }

    /// Begins the run. Every process sees it when this returns.
    ///
    /// # Errors
    /// `Invalid` if an id, param, tag or label is wrong; otherwise as [`Run::log`].
    pub fn start(self) -> Result<Run> {
        let state = self.store.writable()?;
        let id = self.id.unwrap_or_else(|| generated_id(state));
        check_name("run id", &id)?;
        for (key, value) in &self.params {
            check_param(key, value)?;
        }
        for tag in &self.tags {
            check_name("tag", tag)?;
        }
        if let Some(parent) = &self.parent {
            check_name("parent run id", &parent.run)?;
        }
        let labels = Labels::new(self.labels)?;
        let start = RunChange::Start {
            time_us: state.vfs.now_us(),
            params: self.params,
            tags: self.tags,
            labels: labels.clone(),
            parent: self.parent,
        };
        let log = maintain::log(state)?.clone();
        log.append_change(&id, &start)?;
        let local = LocalRun::new(state, log, &id);
        Ok(Run::new(self.store.clone(), id.into(), labels, local))
    }
}

fn generated_id(state: &StoreState) -> String {
    // A version-7 UUID begins with the time in milliseconds, so ids sort by creation.
    format!("run-{}", state.vfs.uuid().simple())
}
