//! The machine's operations on runs: starts, ends, edits, rewinds and deletions.

use crate::draw::{draw_edit, draw_params, draw_tags};
use crate::fault::MachineFault;
use crate::machine::{MachineStore, StartedRun, StoreMachine, place};
use crate::ops::{RUNS, labels_of};
use crate::random::Random;
use crate::units::UnitContent;
use tidalite::{ErrorKind, Parent, Status};
use tidalite_model::{Assign, RunChange, RunEdit, RunEnd, RunStart};

impl StoreMachine {
    pub(crate) fn start(&mut self, at: usize, run: usize, about: u64) -> Result<(), MachineFault> {
        if self.open(at)?.runs.contains_key(&run) {
            // Dropping a handle ends the run, so the old handle is dropped first.
            self.end(at, run, false)?;
        }
        let open = self.open(at)?;
        let mut random = Random::new(about);
        let (params, tags) = (draw_params(&mut random), draw_tags(&mut random));
        // None, or one of two ranks.
        let labels = labels_of([0, 0, 1, 2][random.below(4) as usize]);
        let parent = (random.below(3) == 0).then(|| Parent {
            run: RUNS[random.below(4) as usize].into(),
            step: Some(random.below(20) as i64),
        });
        let mut builder = open.store.run(RUNS[run]).params(params.clone());
        for tag in &tags {
            builder = builder.tag(tag.as_str());
        }
        for (key, value) in labels.iter() {
            builder = builder.label(key, value);
        }
        if let Some(parent) = &parent {
            builder = builder.parent(parent.run.as_str(), parent.step);
        }
        let started = builder.start();
        let parent = parent.map_or(Assign::Keep, Assign::Set);
        let edit = RunEdit { params, add_tags: tags, parent, ..RunEdit::default() };
        let gone = self.oracle.gone(RUNS[run], |w| self.is_alive(w));
        let start = RunStart { labels, gone: gone.clone(), edit, ..RunStart::default() };
        let (done, handle) = match started {
            Ok(handle) => (Ok(None), Some(handle)),
            Err(e) => (Err(e), None),
        };
        let change = RunChange::Start(start);
        self.settle(at, done, UnitContent::Change { run: RUNS[run].into(), change })?;
        let open = self.stores[at].as_mut().expect("it was opened above");
        let start = open.writer.and_then(|w| self.oracle.last_of(w));
        if let (Some(handle), Some(start)) = (handle, start) {
            open.runs.insert(run, StartedRun { handle, start, gone, logged: false });
        }
        Ok(())
    }

    pub(crate) fn started(&mut self, at: usize, run: usize) -> Result<StartedRun, MachineFault> {
        if !self.open(at)?.runs.contains_key(&run) {
            self.start(at, run, run as u64)?;
        }
        Ok(self.open(at)?.runs[&run].clone())
    }

    pub(crate) fn change(&mut self, at: usize, run: usize, about: u64) -> Result<(), MachineFault> {
        let handle = self.started(at, run)?.handle;
        let mut random = Random::new(about);
        let id = RUNS[run].to_string();
        if random.below(2) == 0 {
            let params = draw_params(&mut random);
            let done = handle.set_params(params.clone());
            self.settle(
                at,
                done.map(|()| None),
                UnitContent::Change { run: id, change: RunChange::Edit(RunEdit::params(params)) },
            )
        } else {
            let (add, remove) = (draw_tags(&mut random), draw_tags(&mut random));
            let done = handle.set_tags(add.clone(), remove.clone());
            self.settle(
                at,
                done.map(|()| None),
                UnitContent::Change {
                    run: id,
                    change: RunChange::Edit(RunEdit {
                        add_tags: add,
                        remove_tags: remove,
                        ..RunEdit::default()
                    }),
                },
            )
        }
    }

    pub(crate) fn rewind(
        &mut self,
        at: usize,
        run: usize,
        step: i64,
        metrics: &[&str],
    ) -> Result<(), MachineFault> {
        let StartedRun { handle, gone: before, .. } = self.started(at, run)?;
        let labels = handle.labels().clone();
        let names = metrics.iter().map(|m| m.to_string()).collect();
        let change = RunChange::Rewind { step, before, labels, metrics: names };
        let done = handle.rewind_metrics(step, metrics);
        if done.is_ok() {
            self.open(at)?.next_step.insert(run, step.saturating_add(1));
        }
        self.settle(at, done.map(Some), UnitContent::Change { run: RUNS[run].into(), change })
    }

    pub(crate) fn delete(&mut self, at: usize, run: usize) -> Result<(), MachineFault> {
        let there = self.oracle.runs(|_| true).iter().any(|r| r.id == RUNS[run]);
        let change = RunChange::Delete { before: self.oracle.now() };
        let done = self.open(at)?.store.delete_run(RUNS[run]);
        match &done {
            Err(e) if e.kind() == ErrorKind::NotFound && !there => return Ok(()),
            Ok(_) if !there => {
                return Err(MachineFault::Wrong(format!("{:?} was deleted and is not there", RUNS[run])));
            }
            Ok(_) => drop(self.open(at)?.next_step.remove(&run)),
            Err(_) => {}
        }
        self.settle(at, done.map(Some), UnitContent::Change { run: RUNS[run].into(), change })
    }

    pub(crate) fn end(&mut self, at: usize, run: usize, failed: bool) -> Result<(), MachineFault> {
        let Some(started) = self.open(at)?.runs.remove(&run) else { return Ok(()) };
        let StartedRun { handle, start, logged, .. } = started;
        let status = if failed { Status::Failed } else { Status::Finished };
        let from = self.writers_from;
        let accepted = |open: &MachineStore| {
            open.store.watermark().ok().and_then(|w| w.accepted).map(|seq| place(from, seq))
        };
        let before = accepted(self.open(at)?);
        let next = self.open(at)?.next_step.get(&run).copied();
        let reason = failed.then(|| format!("Error: in {}", RUNS[run]));
        let done = match &reason {
            Some(reason) => handle.fail_because(reason),
            None => handle.finish(),
        };
        // Dropping the handle tries again.
        drop(handle);
        let again = accepted(self.open(at)?).filter(|seq| done.is_err() && Some(*seq) != before);
        let start = start.ordinal();
        let last_step = next.filter(|_| logged).map(|next| next - 1);
        let change = RunChange::End(RunEnd { start, time_us: 0, status, reason, logged, last_step });
        let content = UnitContent::Change { run: RUNS[run].into(), change };
        if let (Some(seq), Err(e)) = (again, &done) {
            self.oracle.accept(seq, content);
            return Err(e.duplicate().into());
        }
        self.settle(at, done.map(|()| None), content)
    }

    /// Edits a run without taking part in it.
    pub(crate) fn edit(&mut self, at: usize, run: usize, about: u64) -> Result<(), MachineFault> {
        let edit = draw_edit(&mut Random::new(about));
        let there = self.oracle.runs(|_| true).iter().any(|r| r.id == RUNS[run]);
        let mut editor = self.open(at)?.store.edit(RUNS[run]).params(edit.params.clone());
        for key in &edit.remove_params {
            editor = editor.remove_param(key.as_str());
        }
        for tag in &edit.add_tags {
            editor = editor.tag(tag.as_str());
        }
        for tag in &edit.remove_tags {
            editor = editor.remove_tag(tag.as_str());
        }
        if let Some(name) = edit.name.value() {
            editor = editor.name(name.map(String::as_str));
        }
        if let Some(notes) = edit.notes.value() {
            editor = editor.notes(notes.map(String::as_str));
        }
        if let Some(group) = edit.group.value() {
            editor = editor.group(group.map(String::as_str));
        }
        if let Some(environment) = edit.environment.value() {
            editor = editor.environment(environment.cloned());
        }
        if let Some(status) = edit.status.value() {
            editor = editor.status(status.copied());
        }
        if let Some(started) = edit.started_us.value() {
            editor = editor.started_us(started.copied());
        }
        if let Some(ended) = edit.ended_us.value() {
            editor = editor.ended_us(ended.copied());
        }
        let done = editor.apply();
        match &done {
            Err(e) if e.kind() == ErrorKind::NotFound && !there => return Ok(()),
            Ok(_) if !there => {
                return Err(MachineFault::Wrong(format!("{:?} was edited and is not there", RUNS[run])));
            }
            _ => {}
        }
        let change = RunChange::Edit(edit);
        self.settle(at, done.map(Some), UnitContent::Change { run: RUNS[run].into(), change })
    }
}
