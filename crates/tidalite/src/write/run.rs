//! A run in the process that writes to it: logging, changing, ending.
//!
//! Invariants: when a call returns, its whole row or change is in the log. A forked child writes to its own log.
//! Metrics that are logged together are looked up by name once and remembered.

use super::edit::check_edit;
use super::layout::new_layout;
use super::row_at::RowAt;
use crate::engine::counter::StepCounter;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::engine::tail_names::TELEMETRY;
use crate::upkeep::maintain;
use crate::view::records::{RunRecords, before_merges};
use crate::view::snapshot::Snapshot;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use tidalite_log::{LayoutId, Log, RowHead};
use tidalite_model::{
    Error, Labels, Moment, NAME_BYTES_MAX, Params, Result, RunChange, RunEdit, RunEnd, Seq, Status,
    check_time,
};

/// A run that this process writes to. Cheap to clone; may be used from many threads.
///
/// Dropping the last clone without [`finish`](Self::finish) ends the run as finished, or as failed during a panic. If
/// the process dies, the run is *lost*.
#[derive(Debug, Clone)]
pub struct Run {
    pub(super) shared: Arc<RunState>,
}

#[derive(Debug)]
pub(super) struct RunState {
    pub(super) id: Arc<str>,
    pub(super) labels: Labels,
    /// `None` if this process takes no part in the run, so that its handle does not end it.
    start: Option<OwnStart>,
    local: LocalRun,
    /// Replaces `local` in a forked child, with the child's writer number.
    in_child: OnceLock<(u32, LocalRun)>,
    store: Store,
    /// Shared with side logs, which must not keep the run open.
    pub(super) ended: Arc<AtomicBool>,
    /// The end that could not be appended. Dropping the run tries again.
    ending: Mutex<Option<RunChange>>,
}

/// The start of this participant.
#[derive(Debug)]
pub(super) struct OwnStart {
    /// The seq of the start.
    pub(super) seq: Seq,
    /// The writes of participants that had ended or died before the start.
    pub(super) gone: Moment,
    /// The newest version of the store at that time.
    pub(super) version: u64,
}

/// The state of a run in one process.
#[derive(Debug)]
pub(super) struct LocalRun {
    pub(super) state: Arc<StoreState>,
    pub(super) log: Arc<Log>,
    /// Whether anything was logged.
    pub(super) logged: Arc<AtomicBool>,
    layouts: RwLock<Vec<KnownLayout>>,
    pub(super) counter: Arc<StepCounter>,
}

/// Metrics that were logged together, and their layout.
#[derive(Debug, Clone)]
struct KnownLayout {
    labels: Option<Labels>,
    names: Arc<[Box<str>]>,
    layout: LayoutId,
}

/// The number of sets of metrics that are remembered. A loop over more sets pays for a look-up each time.
const LAYOUTS_MAX: usize = 16;

impl Run {
    pub(super) fn new(
        store: Store,
        id: Arc<str>,
        labels: Labels,
        start: Option<OwnStart>,
        local: LocalRun,
    ) -> Self {
        let (in_child, ended, ending) = (OnceLock::new(), Arc::default(), Mutex::default());
        Run { shared: Arc::new(RunState { id, labels, start, local, in_child, store, ended, ending }) }
    }

    /// The writes of participants that had ended or died before this one started. An attached handle has no start; for
    /// it, of those that have ended or died by now.
    pub(super) fn gone(&self) -> Result<Moment> {
        match &self.shared.start {
            Some(start) => before_merges(&self.local()?.state, &start.gone, start.version),
            None => Ok(RunRecords::of(&self.local()?.state, &self.shared.id)?.gone(&self.shared.id)),
        }
    }

    /// The run's id.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// assert_eq!(store.run("resnet-42").start()?.id(), "resnet-42");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// The labels of this process's points.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").label("rank", "3").label("host", "n1").start()?;
    /// assert_eq!(run.labels().as_str(), "host=n1,rank=3");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn labels(&self) -> &Labels {
        &self.shared.labels
    }

    /// Logs a row: values of several metrics at one step and the current time. If the step is `None`, it is *automatic*:
    /// the last step plus one. The first such step follows the greatest step of the run in the store, inherited points
    /// included and metrics below `system/` (telemetry) excluded. Several processes may count the same numbers. A point
    /// with an automatic step is never a repeat of another: every answer has all of them. When this returns, every
    /// process sees the whole row, and the row survives the death of this process.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// run.log(100, &[("loss", 2.3), ("acc", 0.1)])?;
    /// run.log(None, &[("loss", 1.9), ("acc", 0.3)])?;
    /// assert_eq!(store.select().metric("loss").summaries()?[0].1.last.map(|p| p.step), Some(101));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` if a name is wrong, a metric is given twice, or the run has ended; `Full` if the disk is full;
    /// `Poisoned` after a failed sync, and once the store is found to be gone. On an error, no part of the row is in the
    /// log.
    pub fn log(&self, step: impl Into<Option<i64>>, values: &[(&str, f64)]) -> Result<Seq> {
        self.log_at(&RowAt::step(step), values)
    }

    /// As [`log`](Self::log), with a given time and labels.
    ///
    /// ```
    /// use tidalite::{Labels, RowAt};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// let at = RowAt::step(0).time_us(1_780_000_000_000_000).labels(Labels::parse("rank=1")?);
    /// run.log_at(&at, &[("loss", 2.3)])?;
    /// let (key, summary) = &store.select().summaries()?[0];
    /// assert_eq!((key.labels.as_str(), summary.time_min_us), ("rank=1", Some(1_780_000_000_000_000)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`log`](Self::log); `Invalid` if the time is outside the years 1 to 9999.
    pub fn log_at(&self, at: &RowAt, values: &[(&str, f64)]) -> Result<Seq> {
        let local = self.local()?;
        let layout = local.layout(self, at.labels.as_ref(), values)?;
        let mut inline = [0.0; 32];
        let mut spilled = Vec::new();
        let row: &[f64] = if values.len() <= inline.len() {
            for (slot, (_, value)) in inline.iter_mut().zip(values) {
                *slot = *value;
            }
            &inline[..values.len()]
        } else {
            spilled.extend(values.iter().map(|(_, value)| *value));
            &spilled
        };
        local.append(&self.shared.id, layout, at.step, at.time_us, row)
    }

    /// Sets params. Other params keep their values.
    ///
    /// ```
    /// use tidalite::Params;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").param("lr", 0.1).start()?;
    /// run.set_params(Params::from([("layers".into(), 12.into())]))?;
    /// let params = &store.runs()?[0].params;
    /// assert_eq!((params["lr"].as_f64(), params["layers"].as_f64()), (Some(0.1), Some(12.0)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` if a key is wrong or a value is nested too deep; otherwise as [`log`](Self::log).
    pub fn set_params(&self, params: Params) -> Result<()> {
        self.change_params(params, [""; 0])
    }

    /// Sets and removes params, in one change. Absent params are ignored.
    ///
    /// ```
    /// use tidalite::Params;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").param("lr", 0.1).start()?;
    /// run.change_params(Params::from([("layers".into(), 12.into())]), ["lr"])?;
    /// assert!(store.runs()?[0].params.keys().eq(["layers"]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`set_params`](Self::set_params).
    pub fn change_params<S: Into<String>>(
        &self,
        set: Params,
        remove: impl IntoIterator<Item = S>,
    ) -> Result<()> {
        let remove_params = remove.into_iter().map(Into::into).collect();
        let edit = RunEdit { remove_params, ..RunEdit::params(set) };
        check_edit(&edit)?;
        self.append_change(&RunChange::Edit(edit)).map(|_| ())
    }

    /// Adds and removes tags.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").tag("draft").start()?;
    /// run.set_tags(["baseline"], ["draft"])?;
    /// assert!(store.runs()?[0].tags.iter().eq(["baseline"]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` if a tag is wrong; otherwise as [`log`](Self::log).
    pub fn set_tags<S: Into<String>>(
        &self,
        add: impl IntoIterator<Item = S>,
        remove: impl IntoIterator<Item = S>,
    ) -> Result<()> {
        let edit = RunEdit {
            add_tags: add.into_iter().map(Into::into).collect(),
            remove_tags: remove.into_iter().map(Into::into).collect(),
            ..RunEdit::default()
        };
        check_edit(&edit)?;
        self.append_change(&RunChange::Edit(edit)).map(|_| ())
    }

    /// Ends this process's part in the run as finished. Later calls on it fail. A handle that is
    /// [attached](Store::attach) ends without an effect on the run.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// run.finish()?;
    /// assert_eq!(store.runs()?[0].status, tidalite::Status::Finished);
    /// assert!(run.log(0, &[("loss", 1.0)]).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`log`](Self::log).
    pub fn finish(&self) -> Result<()> {
        self.end(Status::Finished, None)
    }

    /// Ends this process's part in the run as failed.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// run.fail()?;
    /// assert_eq!(store.runs()?[0].status, tidalite::Status::Failed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`log`](Self::log).
    pub fn fail(&self) -> Result<()> {
        self.end(Status::Failed, None)
    }

    /// As [`fail`](Self::fail), with the reason: the type and message of an error, of which the first 4,096 bytes are
    /// kept.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// run.fail_because("ValueError: loss is NaN")?;
    /// assert_eq!(store.runs()?[0].reason.as_deref(), Some("ValueError: loss is NaN"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`log`](Self::log).
    pub fn fail_because(&self, reason: &str) -> Result<()> {
        self.end(Status::Failed, Some(reason))
    }

    fn end(&self, status: Status, reason: Option<&str>) -> Result<()> {
        let local = self.local()?;
        if let Some(start) = &self.shared.start {
            if local.log.forked() || local.log.writer() != start.seq.writer() {
                return Err(Error::invalid(
                    "end run",
                    "a forked process does not take part in its parent's run",
                    "end it in the process that started it",
                ));
            }
            let end = self.shared.end(start, status, reason);
            if let Err(e) = local.log.append_change(&self.shared.id, &end) {
                *self.shared.ending.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
                return Err(e);
            }
        }
        self.shared.ended.store(true, Ordering::Release);
        Ok(())
    }

    pub(crate) fn append_change(&self, change: &RunChange) -> Result<Seq> {
        self.local()?.log.append_change(&self.shared.id, change)
    }

    /// Makes this the next automatic step.
    pub(crate) fn count_from(&self, step: i64) -> Result<()> {
        self.local()?.counter.set(step);
        Ok(())
    }

    /// The state of the run in this process. A forked child has its own.
    pub(super) fn local(&self) -> Result<&LocalRun> {
        let shared = &self.shared;
        if shared.ended.load(Ordering::Relaxed) {
            return Err(Error::invalid(
                "log to run",
                format!("run {:?} has ended", shared.id),
                "start it again to log more",
            ));
        }
        if !shared.local.log.forked() {
            if shared.local.state.is_closed() {
                return Err(Error::invalid(
                    "log to run",
                    "the store is closed",
                    "open it again and start the run again",
                ));
            }
            return Ok(&shared.local);
        }
        let state = shared.store.state()?;
        let log = maintain::log(state)?.clone();
        let writer = log.writer();
        let (process, local) =
            shared.in_child.get_or_init(|| (writer, LocalRun::new(state, log, &shared.id)));
        if *process != writer {
            return Err(Error::invalid(
                "log to run",
                "this process was forked from one that was itself forked after the run began",
                "start the run again in this process",
            ));
        }
        Ok(local)
    }
}

impl RunState {
    /// The end of this participant.
    fn end(&self, start: &OwnStart, status: Status, reason: Option<&str>) -> RunChange {
        let reason = reason.map(|r| {
            r.chars()
                .scan(0, |bytes, c| {
                    *bytes += c.len_utf8();
                    (*bytes <= NAME_BYTES_MAX).then_some(c)
                })
                .collect()
        });
        let logged = self.local.logged.load(Ordering::Relaxed);
        RunChange::End(RunEnd {
            start: start.seq.ordinal(),
            time_us: self.local.state.vfs.now_us(),
            status,
            reason,
            logged,
            // Participants in one process share the counter.
            last_step: self.local.counter.last().filter(|_| logged),
        })
    }
}

impl Drop for RunState {
    fn drop(&mut self) {
        // From here on, side logs refuse rows.
        let ended = self.ended.swap(true, Ordering::AcqRel);
        if ended || self.local.log.forked() || self.local.state.is_closed() {
            return;
        }
        let Some(start) = &self.start else { return };
        let ending = self.ending.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let end = ending.unwrap_or_else(|| match std::thread::panicking() {
            true => self.end(start, Status::Failed, Some("panic")),
            false => self.end(start, Status::Finished, None),
        });
        // `finish` reports errors; `drop` cannot.
        let _ = self.local.log.append_change(&self.id, &end);
    }
}

impl LocalRun {
    pub(super) fn new(state: &Arc<StoreState>, log: Arc<Log>, run: &str) -> Self {
        LocalRun {
            state: state.clone(),
            log,
            logged: Arc::default(),
            layouts: RwLock::default(),
            counter: state.counters.of(run),
        }
    }

    /// The layout of these metrics, made on first use.
    pub(super) fn layout(
        &self,
        run: &Run,
        labels: Option<&Labels>,
        values: &[(&str, f64)],
    ) -> Result<LayoutId> {
        let known = self.layouts.read().unwrap_or_else(PoisonError::into_inner);
        let same = |k: &&KnownLayout| {
            k.names.len() == values.len()
                && k.labels.as_ref() == labels
                && k.names.iter().zip(values).all(|(name, (given, _))| **name == **given)
        };
        if let Some(k) = known.iter().find(same) {
            return Ok(k.layout);
        }
        drop(known);
        let layout = new_layout(&self.log, &run.shared.id, &run.shared.labels, labels, values)?;
        self.logged.store(true, Ordering::Relaxed);
        let names = values.iter().map(|(name, _)| Box::from(*name)).collect();
        let mut known = self.layouts.write().unwrap_or_else(PoisonError::into_inner);
        known.truncate(LAYOUTS_MAX - 1);
        known.insert(0, KnownLayout { labels: labels.cloned(), names, layout });
        Ok(layout)
    }

    #[inline]
    pub(super) fn append(
        &self,
        run: &str,
        layout: LayoutId,
        step: Option<i64>,
        time_us: Option<i64>,
        values: &[f64],
    ) -> Result<Seq> {
        let now_us = self.state.vfs.now_us();
        let time_us = match time_us {
            Some(t) => {
                check_time(t)?;
                t
            }
            None => now_us,
        };
        let (step, automatic) = match step {
            Some(step) => {
                self.counter.set(step.saturating_add(1));
                (step, false)
            }
            None => (self.count_up(run)?, true),
        };
        self.log.append_row_at(layout, RowHead { step, automatic, time_us, now_us }, values)
    }

    /// The last step plus one; at first, the greatest step in the store plus one.
    #[cold]
    fn count_up(&self, run: &str) -> Result<i64> {
        self.counter.take(1, || next_step(&self.state, run))
    }
}

/// The step after the greatest of a run in the store.
pub(super) fn next_step(state: &Arc<StoreState>, run: &str) -> Result<i64> {
    let own = |metric: &str| !metric.starts_with(TELEMETRY);
    let last = Snapshot::take(state)?.step_max(run, own)?;
    Ok(last.map_or(0, |s| s.saturating_add(1)))
}
