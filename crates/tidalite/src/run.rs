//! Runs as they are written: begin one, log to it, end it.

#[cfg(feature = "system")]
use crate::beside::Beside;
use crate::snapshot::Snapshot;
use crate::store::{Inner, Store};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tidalite_log::{LayoutId, Log};
use tidalite_model::{
    Error, Labels, PARAM_DEPTH_MAX, Param, Params, Parent, Result, RunChange, Seq, SeriesKey, Status,
    check_name, check_time,
};

/// What a run begins with; [`start`](Self::start) begins it.
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

    /// Adds a label that all of this process's points in the run carry, such as its `rank`.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((key.into(), value.into()));
        self
    }

    /// Says that the run was forked from `run`. Where a step is given, the run takes over that one's points up to and
    /// including it: they are read as its own, unless a selection asks for
    /// [`History::Own`](crate::History::Own). They are not copied.
    pub fn parent(mut self, run: impl Into<String>, step: Option<i64>) -> Self {
        self.parent = Some(Parent { run: run.into(), step });
        self
    }

    /// Begins the run. It is visible to every process when this returns.
    ///
    /// # Errors
    /// `Invalid` for a wrong id, param, tag or label; what the log's [`append`](Run::log) gives.
    pub fn start(self) -> Result<Run> {
        let inner = self.store.writable()?;
        let id = self.id.unwrap_or_else(|| generated_id(inner));
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
            time_us: inner.vfs.now_us(),
            params: self.params,
            tags: self.tags,
            labels: labels.clone(),
            parent: self.parent,
        };
        let log = inner.log()?.clone();
        log.append_change(&id, &start)?;
        let counter = counter(inner, &id);
        let local = Local { inner: inner.clone(), log, layouts: RwLock::default(), counter };
        Ok(Run {
            shared: Arc::new(Shared {
                id: id.into(),
                labels,
                local,
                in_child: OnceLock::new(),
                store: self.store.clone(),
                ended: Arc::default(),
            }),
        })
    }
}

/// A run that this process takes part in. Cheap to clone; may be used from many threads.
///
/// When the last clone is dropped without [`finish`](Self::finish), the run counts as finished, or as failed where a
/// panic is under way. A process that dies leaves it *lost*.
#[derive(Debug, Clone)]
pub struct Run {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    id: Arc<str>,
    labels: Labels,
    local: Local,
    /// What a forked child uses instead of `local`.
    in_child: OnceLock<(u32, Local)>,
    store: Store,
    /// Shared with what logs beside the run, which must not keep it open.
    ended: Arc<AtomicBool>,
}

/// What a run holds in one process.
#[derive(Debug)]
struct Local {
    inner: Arc<Inner>,
    log: Arc<Log>,
    layouts: RwLock<Vec<Known>>,
    counter: Arc<Counter>,
}

/// What all handles on a run share in one process.
#[derive(Debug)]
pub(crate) struct Counter {
    /// The step after the last one, or [`STEP_UNKNOWN`].
    next_step: AtomicI64,
    /// Whether its telemetry is logged by a watch.
    #[cfg(feature = "system")]
    watched: Arc<AtomicBool>,
}

/// Metrics that were logged together before.
#[derive(Debug, Clone)]
struct Known {
    labels: Option<Labels>,
    names: Arc<[Box<str>]>,
    layout: LayoutId,
}

/// So many sets of metrics are remembered by name; a loop that logs more different ones pays for a look-up each time.
const LAYOUTS_MAX: usize = 16;
/// The next step is not known yet: the store has to be asked.
const STEP_UNKNOWN: i64 = i64::MIN;
/// Metrics that begin so are telemetry: their steps count samples, and say nothing of where the run is.
pub(crate) const TELEMETRY: &str = "system/";

/// Where and when a row belongs, as far as the caller says.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RowAt {
    /// The step; one more than the last where absent.
    pub step: Option<i64>,
    /// The time in µs since 1970 UTC; now where absent.
    pub time_us: Option<i64>,
    /// Labels on top of the run's own.
    pub labels: Option<Labels>,
}

impl RowAt {
    /// At this step, now.
    pub fn step(step: impl Into<Option<i64>>) -> Self {
        RowAt { step: step.into(), ..RowAt::default() }
    }

    /// At this time, µs since 1970 UTC.
    pub fn time_us(mut self, time_us: impl Into<Option<i64>>) -> Self {
        self.time_us = time_us.into();
        self
    }

    /// With these labels on top of the run's own.
    pub fn labels(mut self, labels: impl Into<Option<Labels>>) -> Self {
        self.labels = labels.into();
        self
    }
}

impl Run {
    /// The run's id.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// The labels that this process's points carry.
    pub fn labels(&self) -> &Labels {
        &self.shared.labels
    }

    /// Logs a row: values of several metrics at one step, now. `None` as the step counts up from the last one, at first
    /// from the greatest that the store holds of the run and of what it took over, metrics below `system/` aside: these are telemetry.
    /// The row is visible to every process, whole, when this returns, and survives the death of this one.
    ///
    /// # Errors
    /// `Invalid` for a wrong name, a metric given twice, or a run that ended; `Full` where the disk is; `Poisoned` after
    /// a failed sync. The row is then not in the log, whole or in part.
    pub fn log(&self, step: impl Into<Option<i64>>, values: &[(&str, f64)]) -> Result<Seq> {
        self.log_at(&RowAt::step(step), values)
    }

    /// As [`log`](Self::log), with a time and labels of the caller's.
    ///
    /// # Errors
    /// As [`log`](Self::log); `Invalid` for a time outside the years 1 to 9999.
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

    /// A handle on one metric, for the cheapest logging there is.
    ///
    /// # Errors
    /// `Invalid` for a wrong name.
    pub fn metric(&self, name: &str) -> Result<Metric> {
        Ok(Metric { columns: self.columns(&[name])? })
    }

    /// A handle on several metrics that are always logged together, in this order.
    ///
    /// # Errors
    /// `Invalid` for a wrong name, one given twice, or none at all.
    pub fn columns(&self, names: &[&str]) -> Result<Columns> {
        let values: Vec<(&str, f64)> = names.iter().map(|n| (*n, 0.0)).collect();
        let local = self.local()?;
        let layout = local.layout(self, None, &values)?;
        let names = names.iter().map(|n| n.to_string()).collect();
        Ok(Columns { run: self.clone(), process: local.log.writer(), layout, names })
    }

    /// Sets params, key by key, over those that stand.
    ///
    /// # Errors
    /// `Invalid` for a wrong key or too deep a nesting; as [`log`](Self::log).
    pub fn set_params(&self, params: Params) -> Result<()> {
        for (key, value) in &params {
            check_param(key, value)?;
        }
        self.change(&RunChange::SetParams(params))
    }

    /// Adds and removes tags.
    ///
    /// # Errors
    /// `Invalid` for a wrong tag; as [`log`](Self::log).
    pub fn set_tags<S: Into<String>>(
        &self,
        add: impl IntoIterator<Item = S>,
        remove: impl IntoIterator<Item = S>,
    ) -> Result<()> {
        let add: BTreeSet<String> = add.into_iter().map(Into::into).collect();
        let remove: BTreeSet<String> = remove.into_iter().map(Into::into).collect();
        for tag in add.iter().chain(&remove) {
            check_name("tag", tag)?;
        }
        self.change(&RunChange::SetTags { add, remove })
    }

    /// Ends this process's part in the run, well. Later calls on it fail.
    ///
    /// # Errors
    /// As [`log`](Self::log).
    pub fn finish(&self) -> Result<()> {
        self.end(Status::Finished)
    }

    /// Ends this process's part in the run as failed.
    ///
    /// # Errors
    /// As [`log`](Self::log).
    pub fn fail(&self) -> Result<()> {
        self.end(Status::Failed)
    }

    fn end(&self, status: Status) -> Result<()> {
        let local = self.local()?;
        local
            .log
            .append_change(&self.shared.id, &RunChange::End { time_us: local.inner.vfs.now_us(), status })?;
        self.shared.ended.store(true, Ordering::Release);
        Ok(())
    }

    fn change(&self, change: &RunChange) -> Result<()> {
        self.append_change(change).map(|_| ())
    }

    pub(crate) fn append_change(&self, change: &RunChange) -> Result<Seq> {
        self.local()?.log.append_change(&self.shared.id, change)
    }

    /// This process's state of the store.
    pub(crate) fn inner(&self) -> Result<&Arc<Inner>> {
        Ok(&self.local()?.inner)
    }

    /// Steps that count up by themselves go on with this one.
    pub(crate) fn count_from(&self, step: i64) -> Result<()> {
        self.local()?.counter.next_step.store(step, Ordering::Relaxed);
        Ok(())
    }

    /// What the run holds in this process: after a fork, a state of the child's own.
    fn local(&self) -> Result<&Local> {
        let shared = &self.shared;
        if shared.ended.load(Ordering::Relaxed) {
            return Err(Error::invalid(
                "log to run",
                format!("run {:?} has ended", shared.id),
                "start it again to log more",
            ));
        }
        if !shared.local.log.forked() {
            if shared.local.inner.is_closed() {
                return Err(Error::invalid(
                    "log to run",
                    "the store is closed",
                    "open it again and start the run again",
                ));
            }
            return Ok(&shared.local);
        }
        let inner = shared.store.inner()?;
        let log = inner.log()?.clone();
        let writer = log.writer();
        let (process, local) = shared.in_child.get_or_init(|| {
            let counter = counter(inner, &shared.id);
            (writer, Local { inner: inner.clone(), log, layouts: RwLock::default(), counter })
        });
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

#[cfg(feature = "system")]
impl Run {
    /// A way to log beside the run, in this process.
    pub(crate) fn beside(&self) -> Result<Beside> {
        let (local, shared) = (self.local()?, &self.shared);
        Ok(Beside::new(
            shared.id.clone(),
            shared.labels.clone(),
            local.log.clone(),
            local.inner.vfs.clone(),
            shared.ended.clone(),
        ))
    }

    /// Whether this process watches the run.
    pub(crate) fn watched(&self) -> Result<Arc<AtomicBool>> {
        Ok(self.local()?.counter.watched.clone())
    }

    /// The step after the last sample of the run's telemetry.
    pub(crate) fn next_sample(&self) -> Result<i64> {
        let telemetry = |metric: &str| metric.starts_with(TELEMETRY);
        let last = Snapshot::take(&self.local()?.inner)?.step_max(self.id(), telemetry)?;
        Ok(last.map_or(0, |s| s.saturating_add(1)))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Nobody logs beside a run that is gone.
        if self.ended.swap(true, Ordering::AcqRel) || self.local.log.forked() || self.local.inner.is_closed()
        {
            return;
        }
        let status = if std::thread::panicking() { Status::Failed } else { Status::Finished };
        let end = RunChange::End { time_us: self.local.inner.vfs.now_us(), status };
        // Whoever wants to know about errors calls `finish`.
        let _ = self.local.log.append_change(&self.id, &end);
    }
}

impl Local {
    /// The layout of these metrics, remembered from the last time.
    fn layout(&self, run: &Run, labels: Option<&Labels>, values: &[(&str, f64)]) -> Result<LayoutId> {
        let known = self.layouts.read().unwrap_or_else(PoisonError::into_inner);
        let same = |k: &&Known| {
            k.names.len() == values.len()
                && k.labels.as_ref() == labels
                && k.names.iter().zip(values).all(|(name, (given, _))| **name == **given)
        };
        if let Some(k) = known.iter().find(same) {
            return Ok(k.layout);
        }
        drop(known);
        let layout = new_layout(&self.log, &run.shared.id, &run.shared.labels, labels, values)?;
        let names = values.iter().map(|(name, _)| Box::from(*name)).collect();
        let mut known = self.layouts.write().unwrap_or_else(PoisonError::into_inner);
        known.truncate(LAYOUTS_MAX - 1);
        known.insert(0, Known { labels: labels.cloned(), names, layout });
        Ok(layout)
    }

    #[inline]
    fn append(
        &self,
        run: &str,
        layout: LayoutId,
        step: Option<i64>,
        time_us: Option<i64>,
        values: &[f64],
    ) -> Result<Seq> {
        let time_us = match time_us {
            Some(t) => {
                check_time(t)?;
                t
            }
            None => self.inner.vfs.now_us(),
        };
        let step = match step {
            Some(step) => {
                self.counter.next_step.store(step.saturating_add(1), Ordering::Relaxed);
                step
            }
            None => self.count_up(run)?,
        };
        self.log.append_row(layout, step, time_us, values)
    }

    /// The step after the last one; at first, after the greatest that the store knows of the run.
    #[cold]
    fn count_up(&self, run: &str) -> Result<i64> {
        let next_step = &self.counter.next_step;
        if next_step.load(Ordering::Relaxed) == STEP_UNKNOWN {
            let snapshot = Snapshot::take(&self.inner)?;
            let own = |metric: &str| !metric.starts_with(TELEMETRY);
            let next = snapshot.step_max(run, own)?.map_or(0, |s| s.saturating_add(1));
            let _ = next_step.compare_exchange(STEP_UNKNOWN, next, Ordering::Relaxed, Ordering::Relaxed);
        }
        let step = next_step.fetch_add(1, Ordering::Relaxed);
        if step == i64::MAX {
            next_step.store(i64::MAX, Ordering::Relaxed);
        }
        Ok(step)
    }
}

/// A handle on one metric of a run.
#[derive(Debug, Clone)]
pub struct Metric {
    columns: Columns,
}

impl Metric {
    /// Logs one value, now.
    ///
    /// # Errors
    /// As [`Run::log`].
    #[inline]
    pub fn log(&self, step: impl Into<Option<i64>>, value: f64) -> Result<Seq> {
        self.columns.log_at(step.into(), None, &[value])
    }

    /// Logs one value at a time of the caller's, µs since 1970 UTC.
    ///
    /// # Errors
    /// As [`Run::log_at`].
    #[inline]
    pub fn log_at(&self, step: impl Into<Option<i64>>, time_us: i64, value: f64) -> Result<Seq> {
        self.columns.log_at(step.into(), Some(time_us), &[value])
    }
}

/// A handle on several metrics of a run that are logged together.
#[derive(Debug, Clone)]
pub struct Columns {
    run: Run,
    process: u32,
    layout: LayoutId,
    names: Arc<[String]>,
}

impl Columns {
    /// Logs a row, now; one value a metric, in the handle's order.
    ///
    /// # Errors
    /// As [`Run::log`]; `Invalid` where the number of values is another.
    #[inline]
    pub fn log(&self, step: impl Into<Option<i64>>, values: &[f64]) -> Result<Seq> {
        self.log_at(step.into(), None, values)
    }

    /// Logs a row at a time in µs since 1970 UTC, or now.
    ///
    /// # Errors
    /// As [`log`](Self::log).
    #[inline]
    pub fn log_at(&self, step: Option<i64>, time_us: Option<i64>, values: &[f64]) -> Result<Seq> {
        let local = self.run.local()?;
        let layout =
            if local.log.writer() == self.process { self.layout } else { self.layout_in_child(local)? };
        local.append(&self.run.shared.id, layout, step, time_us, values)
    }

    #[cold]
    fn layout_in_child(&self, local: &Local) -> Result<LayoutId> {
        let values: Vec<(&str, f64)> = self.names.iter().map(|n| (n.as_str(), 0.0)).collect();
        local.layout(&self.run, None, &values)
    }
}

/// The step counter of a run, shared by all that take part in it in this process.
fn counter(inner: &Inner, run: &str) -> Arc<Counter> {
    let fresh = || Counter {
        next_step: AtomicI64::new(STEP_UNKNOWN),
        #[cfg(feature = "system")]
        watched: Arc::default(),
    };
    let mut counters = inner.counters.lock().unwrap_or_else(PoisonError::into_inner);
    counters.entry(run.to_string()).or_insert_with(|| Arc::new(fresh())).clone()
}

impl Inner {
    /// Has the next step of a run asked of the store again.
    pub(crate) fn forget_step(&self, run: &str) {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = counters.get(run) {
            counter.next_step.store(STEP_UNKNOWN, Ordering::Relaxed);
        }
    }
}

/// A layout for these metrics, with `over` laid over the run's own labels.
pub(crate) fn new_layout(
    log: &Log,
    run: &Arc<str>,
    own: &Labels,
    over: Option<&Labels>,
    values: &[(&str, f64)],
) -> Result<LayoutId> {
    if values.is_empty() {
        return Err(Error::invalid("log to run", "the row has no values", "give at least one metric"));
    }
    let labels = match over {
        Some(over) => own.merged(over)?,
        None => own.clone(),
    };
    let mut seen = HashMap::new();
    let mut series = Vec::with_capacity(values.len());
    for (name, _) in values {
        check_name("metric name", name)?;
        if seen.insert(*name, ()).is_some() {
            return Err(Error::invalid(
                "log to run",
                format!("metric {name:?} comes twice in one row"),
                "give each metric once",
            ));
        }
        series.push(log.series(&SeriesKey::new(run.clone(), *name, labels.clone()))?);
    }
    log.layout(&series)
}

fn generated_id(inner: &Inner) -> String {
    // A version-7 UUID begins with the time in milliseconds, so that ids sort as they were made.
    format!("run-{}", inner.vfs.uuid().simple())
}

fn check_param(key: &str, value: &Param) -> Result<()> {
    check_name("param name", key)?;
    if value.depth() > PARAM_DEPTH_MAX {
        return Err(Error::invalid(
            "set param",
            format!("param {key:?} nests {} deep", value.depth()),
            format!("nest at most {PARAM_DEPTH_MAX} deep"),
        ));
    }
    Ok(())
}
