//! Editing a run: changing facts about it without taking part in it.

use super::params::check_param;
use crate::engine::store::Store;
use crate::upkeep::maintain;
use crate::view::records::RunRecords;
use tidalite_model::{
    Assign, Param, Params, Parent, Result, RunChange, RunEdit, Seq, Status, check_name, check_time,
};

impl Store {
    /// Edits a run from any process, while others write to it. The editor does not take part in the run: its status
    /// and end do not change.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// store.run("a").param("lr", 0.1).start()?.finish()?;
    /// store.edit("a").name("baseline").param("lr", 0.2).tag("star").apply()?;
    /// let run = store.snapshot()?.run("a")?;
    /// assert_eq!((run.name.as_deref(), &run.params["lr"]), (Some("baseline"), &0.2.into()));
    /// assert!(store.edit("b").notes("a typo").apply().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn edit(&self, id: impl Into<String>) -> RunEditor {
        RunEditor { store: self.clone(), id: id.into(), edit: RunEdit::default() }
    }
}

/// An edit of a run, to be made with [`apply`](Self::apply).
#[derive(Debug, Clone)]
#[must_use = "an edit is made by `apply`"]
pub struct RunEditor {
    store: Store,
    id: String,
    edit: RunEdit,
}

impl RunEditor {
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

    /// Removes a param.
    pub fn remove_param(mut self, key: impl Into<String>) -> Self {
        self.edit.remove_params.insert(key.into());
        self
    }

    /// Adds a tag.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.edit.add_tags.insert(tag.into());
        self
    }

    /// Removes a tag.
    pub fn remove_tag(mut self, tag: impl Into<String>) -> Self {
        self.edit.remove_tags.insert(tag.into());
        self
    }

    /// Sets the name that is shown for the run; `None` removes it.
    pub fn name<'a>(mut self, name: impl Into<Option<&'a str>>) -> Self {
        self.edit.name = assign(name.into().map(str::to_string));
        self
    }

    /// Sets the run's notes; `None` removes them.
    pub fn notes<'a>(mut self, notes: impl Into<Option<&'a str>>) -> Self {
        self.edit.notes = assign(notes.into().map(str::to_string));
        self
    }

    /// Sets the run's group; `None` removes it.
    pub fn group<'a>(mut self, group: impl Into<Option<&'a str>>) -> Self {
        self.edit.group = assign(group.into().map(str::to_string));
        self
    }

    /// Sets what the run is run with, see [`RunBuilder::environment`](crate::RunBuilder::environment); `None` removes it.
    pub fn environment(mut self, environment: impl Into<Option<Params>>) -> Self {
        self.edit.environment = assign(environment.into());
        self
    }

    /// Sets the run from which it was forked, see [`RunBuilder::parent`](crate::RunBuilder::parent); `None` removes it.
    pub fn parent(mut self, parent: impl Into<Option<Parent>>) -> Self {
        self.edit.parent = assign(parent.into());
        self
    }

    /// Sets the status, in place of the one that follows from the participants, until one starts again. `None` lets it
    /// follow from them again.
    pub fn status(mut self, status: impl Into<Option<Status>>) -> Self {
        self.edit.status = assign(status.into());
        self
    }

    /// Sets the time of the start, µs since 1970 UTC; `None` makes it that of the first participant again.
    pub fn started_us(mut self, time_us: impl Into<Option<i64>>) -> Self {
        self.edit.started_us = assign(time_us.into());
        self
    }

    /// Sets the time of the end, µs since 1970 UTC; `None` makes it that of the last participant again.
    pub fn ended_us(mut self, time_us: impl Into<Option<i64>>) -> Self {
        self.edit.ended_us = assign(time_us.into());
        self
    }

    /// Makes the edit. Every process sees it when this returns. Of two edits, the later one wins, whichever process
    /// opened the store first.
    ///
    /// # Errors
    /// `NotFound` if there is no such run; `Invalid` if a value is wrong; otherwise as [`Run::log`](crate::Run::log).
    pub fn apply(self) -> Result<Seq> {
        let state = self.store.writable()?;
        check_name("run id", &self.id)?;
        check_edit(&self.edit)?;
        let log = maintain::log(state)?;
        // Reading also makes this write later than everything that it saw.
        RunRecords::of(state, &self.id)?.must_have(state, &self.id, "edit run")?;
        log.append_change(&self.id, &RunChange::Edit(self.edit))
    }
}

fn assign<T>(value: Option<T>) -> Assign<T> {
    value.map_or(Assign::Clear, Assign::Set)
}

/// # Errors
/// `Invalid` if a key, tag, name, parent or time is wrong, or a param is nested too deep.
pub(crate) fn check_edit(edit: &RunEdit) -> Result<()> {
    for (key, value) in &edit.params {
        check_param(key, value)?;
    }
    for tag in edit.add_tags.iter().chain(&edit.remove_tags) {
        check_name("tag", tag)?;
    }
    for (what, field) in [("run name", &edit.name), ("run group", &edit.group)] {
        if let Assign::Set(text) = field {
            check_name(what, text)?;
        }
    }
    if let Assign::Set(environment) = &edit.environment {
        environment.iter().try_for_each(|(key, value)| check_param(key, value))?;
    }
    if let Assign::Set(parent) = &edit.parent {
        check_name("parent run id", &parent.run)?;
    }
    for time in [&edit.started_us, &edit.ended_us] {
        if let Assign::Set(time_us) = time {
            check_time(*time_us)?;
        }
    }
    Ok(())
}
