//! The Python class `Run`, which a training loop logs to.
//!
//! `log` is the hot path. Metrics are looked up in the engine once per layout, the keys of a dict in their order. Later dicts
//! with the same keys reuse the layout. Plain floats under the same key objects as in the previous call need one pass over the
//! dict and no allocation.
//!
//! At the default durability `log` does not wait for the disk, so it keeps the interpreter lock: releasing it costs more than
//! the call, and lets any other busy thread run for milliseconds. At durability `row` it waits for the disk without the lock.

use crate::arguments::numbers;
use crate::arguments::params;
use crate::arguments::time::{duration, to_us};
use crate::errors::{invalid, raise};
use crate::handles::RunHandle;
use crate::outcome::{self, Outcome};
use crate::pickle::pickled_store;
use crate::reduce::{Reduced, reduced};
use crate::system::SystemWatch;
use pyo3::exceptions::{PyBaseException, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyMapping, PyString, PyTuple, PyType};
use std::sync::{Arc, Mutex, PoisonError};
use tidalite::{MetricSet, RowAt};

/// A run that this process takes part in. Made by `Store.run`.
///
/// As a context manager it ends with the block: as failed if an exception leaves the block, else as finished. It may be used from
/// many threads. After a fork the child logs to the same run through a writer of its own.
///
/// A copy is the same handle. A pickle holds the store, the id and the labels: another process logs to the same run with the same
/// labels, but takes no part in it, so neither `finish` nor the end of that process ends the run.
///
/// >>> with store.run("resnet-42", params={"lr": 3e-4}) as run:
/// ...     for step in range(3):
/// ...         run.log({"loss": 1 / (step + 1)}, step=step)
/// >>> store.select("loss").to_numpy()["value"]
/// array([1.        , 0.5       , 0.33333333])
#[pyclass(frozen, module = "tidalite")]
pub struct Run {
    handle: Arc<RunHandle>,
    /// Layouts logged before, most recent first.
    layouts: Mutex<Vec<Arc<Layout>>>,
    /// Whether logging a row waits for the disk.
    waits: bool,
}

/// The keys of a dict in its order, and their metrics in the engine.
struct Layout {
    keys: Vec<Py<PyString>>,
    columns: MetricSet,
}

/// The longest row that is gathered on the stack.
const STACK_ROW_MAX: usize = 32;
/// The layouts kept per run. Rows of any other layout need a look-up in the engine.
const LAYOUTS_MAX: usize = 16;

impl Run {
    pub(crate) fn new(handle: Arc<RunHandle>, waits: bool) -> Run {
        Run { handle, layouts: Mutex::default(), waits }
    }

    /// The layout of these keys, if it is kept; it becomes the most recent.
    fn known_layout(&self, keys: &[Bound<'_, PyString>]) -> Option<Arc<Layout>> {
        // Compared without the lock: reading a text may raise, and so run the collector, whose finalizers may log.
        let kept = self.layouts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let same = |a: &Py<PyString>, b: &Bound<'_, PyString>| {
            a.as_ptr() == b.as_ptr() || matches!((a.to_str(b.py()), b.to_str()), (Ok(a), Ok(b)) if a == b)
        };
        let fits =
            |l: &&Arc<Layout>| l.keys.len() == keys.len() && l.keys.iter().zip(keys).all(|(a, b)| same(a, b));
        let found = kept.iter().find(fits)?;
        let mut layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = layouts.iter().position(|l| Arc::ptr_eq(l, found)) {
            layouts[..=at].rotate_right(1);
        }
        drop(layouts);
        Some(found.clone())
    }

    /// The most recent layout, if the dict has the same key objects in the same order and only plain floats; `row` receives the
    /// floats. Runs no Python code.
    #[inline]
    fn repeated_layout(
        &self,
        values: &Bound<'_, PyDict>,
        row: &mut [f64; STACK_ROW_MAX],
    ) -> Option<Arc<Layout>> {
        let layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        let last = layouts.first()?;
        if last.keys.len() != values.len() || values.len() > STACK_ROW_MAX {
            return None;
        }
        let mut slots = last.keys.iter().zip(row);
        for (key, value) in values.iter() {
            let (known, slot) = slots.next()?;
            if known.as_ptr() != key.as_ptr() {
                return None;
            }
            *slot = numbers::exact(&value)?;
        }
        Some(last.clone())
    }

    fn layout(&self, keys: &[Bound<'_, PyString>]) -> PyResult<Arc<Layout>> {
        if let Some(layout) = self.known_layout(keys) {
            return Ok(layout);
        }
        let names = names(keys)?;
        let columns =
            self.handle.run.columns(&names.iter().map(String::as_str).collect::<Vec<_>>()).map_err(raise)?;
        let layout = Arc::new(Layout { keys: keys.iter().map(|k| k.clone().unbind()).collect(), columns });
        let mut layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = layouts.len().min(LAYOUTS_MAX - 1);
        let dropped = layouts.split_off(kept);
        layouts.insert(0, layout.clone());
        // Released first: the keys that go may be of a subclass of str with a finalizer, which may log.
        drop(layouts);
        drop(dropped);
        Ok(layout)
    }

    /// Appends a row, without the interpreter lock if that waits for the disk.
    fn append(
        &self,
        py: Python<'_>,
        append: impl FnOnce() -> tidalite::Result<tidalite::Seq> + Send,
    ) -> PyResult<()> {
        let done = if self.waits { py.detach(append) } else { append() };
        done.map(|_| ()).map_err(raise)
    }

    fn info(&self, py: Python<'_>) -> PyResult<tidalite::RunInfo> {
        py.detach(|| self.handle.store.store.snapshot()?.run(self.handle.run.id())).map_err(raise)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A run that nobody ended ends with its last handle. The traces of an exception say how.
        if Arc::strong_count(&self.handle) == 1 && self.handle.is_open() {
            let outcome = Python::try_attach(|py| outcome::dropped(py, self.handle.before));
            // `finish` reports errors; `drop` cannot.
            let _ = self.handle.end(&outcome.unwrap_or(Outcome::Finished));
        }
    }
}

#[pymethods]
impl Run {
    /// The run's id.
    #[getter]
    pub(crate) fn id(&self) -> &str {
        self.handle.run.id()
    }

    /// The labels of all points that this process logs to the run, such as {'rank': '3'}.
    #[getter]
    fn labels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        params::from_labels(py, self.handle.run.labels())
    }

    /// The run's current params, set by any process.
    #[getter]
    fn params<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        params::from_params(py, &self.info(py)?.params)
    }

    /// The run's current tags, sorted.
    #[getter]
    fn tags(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.info(py)?.tags.into_iter().collect())
    }

    /// The run's status over all processes that take part: 'running', 'finished', 'failed' or 'lost'.
    #[getter]
    fn status(&self, py: Python<'_>) -> PyResult<&'static str> {
        Ok(self.info(py)?.status.as_str())
    }

    /// Logs a row: values of several metrics at one step and time. When this returns, other processes see the whole row, and it
    /// survives a crash of this process.
    ///
    /// - `values`: a dict from names to single numbers (floats, ints, bools, NumPy, torch and jax scalars). NaN and infinities are
    ///   kept.
    /// - `step`: by default one more than the last. A point with a default step replaces no other, whichever process wrote it.
    /// - `time`: whole microseconds since 1970 UTC, a datetime, `numpy.datetime64` or ISO 8601 text; by default now.
    /// - `labels`: added to the run's labels, and preferred over them.
    ///
    /// Raises TypeError, naming the key, for a value that is not a number; Invalid for an invalid name or a run that has ended; Full
    /// if the disk is full; Poisoned after a failed sync. If it raises, nothing of the row is logged.
    ///
    /// >>> run = store.run("a")
    /// >>> run.log({"loss": 0.25, "acc": 0.9}, step=7)
    /// >>> run.log({"loss": "low"})
    /// Traceback (most recent call last):
    ///     ...
    /// TypeError: log: metric "loss" is of type str, not a single number; reduce it, for instance with float() or .mean()
    #[pyo3(signature = (values, step=None, time=None, labels=None))]
    fn log(
        &self,
        py: Python<'_>,
        values: &Bound<'_, PyAny>,
        step: Option<&Bound<'_, PyAny>>,
        time: Option<&Bound<'_, PyAny>>,
        labels: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let copied;
        let values = match values.cast::<PyDict>() {
            Ok(dict) => dict,
            Err(_) => {
                copied = as_dict(values)?;
                &copied
            }
        };
        if labels.is_none() {
            let mut gathered = [0.0; STACK_ROW_MAX];
            if let Some(layout) = self.repeated_layout(values, &mut gathered) {
                let step = step.map(|s| whole_step("log", s)).transpose()?;
                let time_us = time.map(to_us).transpose()?;
                let row = &gathered[..layout.keys.len()];
                return self.append(py, || layout.columns.log_at(step, time_us, row));
            }
        }
        let (keys, numbers) = row(values)?;
        let step = step.map(|s| whole_step("log", s)).transpose()?;
        let time_us = time.map(to_us).transpose()?;
        match labels {
            None => {
                let layout = self.layout(&keys)?;
                self.append(py, || layout.columns.log_at(step, time_us, &numbers))
            }
            Some(labels) => {
                let at = RowAt::step(step).time_us(time_us).labels(params::labels(labels)?);
                let names = names(&keys)?;
                let row: Vec<(&str, f64)> = names.iter().map(String::as_str).zip(numbers).collect();
                self.append(py, || self.handle.run.log_at(&at, &row))
            }
        }
    }

    /// Sets params from a dict or an object with fields, and from keywords; other params keep their values. The value
    /// `tidalite.REMOVE` removes a param.
    ///
    /// >>> run = store.run("b", params={"lr": 0.1, "debug": True})
    /// >>> run.set_params({"batch": 32, "debug": tidalite.REMOVE}, seed=7)
    /// >>> run.params
    /// {'batch': 32, 'lr': 0.1, 'seed': 7}
    #[pyo3(signature = (params=None, **keywords))]
    fn set_params(
        &self,
        py: Python<'_>,
        params: Option<&Bound<'_, PyAny>>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let (mut params, mut removed) = params.map(params::edited_params).transpose()?.unwrap_or_default();
        if let Some(keywords) = keywords {
            let (set, also_removed) = params::edited_params(keywords)?;
            params.extend(set);
            removed.extend(also_removed);
        }
        py.detach(|| self.handle.run.change_params(params, removed)).map_err(raise)
    }

    /// Adds tags.
    #[pyo3(signature = (*tags))]
    fn add_tags(&self, py: Python<'_>, tags: &Bound<'_, PyTuple>) -> PyResult<()> {
        let tags = params::texts("a tag", tags)?;
        py.detach(|| self.handle.run.set_tags(tags, [])).map_err(raise)
    }

    /// Removes tags; absent tags are ignored.
    #[pyo3(signature = (*tags))]
    fn remove_tags(&self, py: Python<'_>, tags: &Bound<'_, PyTuple>) -> PyResult<()> {
        let tags = params::texts("a tag", tags)?;
        py.detach(|| self.handle.run.set_tags([], tags)).map_err(raise)
    }

    /// Continues from an earlier step, as after loading a checkpoint. Hides points at steps greater than `step` from every answer:
    /// those that this process has logged to the run so far, and those of processes that had ended or died when it started. What other
    /// processes log that still take part is theirs to rewind, so all ranks of a job may call this after a restart, each when it is
    /// ready. If this process has labels in the run, only series with these labels are rewound.
    ///
    /// Telemetry (metrics below `system/`) and points with default steps stay, since they count other steps. `metrics` names the metrics
    /// to rewind, as text or a list, with patterns such as 'val/*'; use it where metrics count different steps, such as epochs and batches.
    ///
    /// Hidden points are kept: `select(..., include_rewound=True)` includes them. Default steps continue at `step` + 1.
    ///
    /// >>> run = store.run("a")
    /// >>> for step in range(10):
    /// ...     run.log({"loss": 1.0}, step=step)
    /// >>> run.rewind(4)
    /// >>> run.log({"loss": 0.5})
    /// >>> store.select("loss", runs="a").latest().to_numpy()["step"]
    /// array([5])
    #[pyo3(signature = (step, metrics=None))]
    fn rewind(
        &self,
        py: Python<'_>,
        step: &Bound<'_, PyAny>,
        metrics: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let step = whole_step("rewind", step)?;
        let metrics = match metrics {
            None => Vec::new(),
            Some(given) => match params::texts("a metric", given)? {
                // No metric is not all metrics.
                none if none.is_empty() => {
                    return Err(invalid(
                        "rewind",
                        "the list of metrics is empty",
                        "name metrics, or leave it out for all",
                    ));
                }
                metrics => metrics,
            },
        };
        py.detach(|| self.handle.run.rewind_metrics(step, &metrics)).map(|_| ()).map_err(raise)
    }

    /// Samples this machine into the run every `interval` seconds: processor, memory, disk, network, and NVIDIA GPUs if there are any,
    /// as metrics `system/...` with labels such as `gpu`. The sampling thread never holds the interpreter lock.
    ///
    /// Sampling ends with the run, or by `stop()`. Its failures do not affect the run; the last one is in `error`.
    ///
    /// >>> run = store.run("watched")
    /// >>> watch = run.watch_system(interval=1.0)
    /// >>> run.finish()
    #[pyo3(signature = (interval=None), text_signature = "($self, interval=1.0)")]
    fn watch_system(&self, py: Python<'_>, interval: Option<&Bound<'_, PyAny>>) -> PyResult<SystemWatch> {
        let interval = interval.map_or(Ok(std::time::Duration::from_secs(1)), |i| duration("interval", i))?;
        let watch = py.detach(|| self.handle.run.watch_system(interval)).map_err(raise)?;
        let watch = Arc::new(Mutex::new(Some(watch)));
        self.handle.add_watch(watch.clone());
        Ok(SystemWatch::new(watch))
    }

    /// Ends this process's part in the run; `status` is 'finished' or 'failed'. A second call does nothing. `reason` says why it failed:
    /// text, or an exception.
    #[pyo3(signature = (status="finished", reason=None))]
    fn finish(&self, py: Python<'_>, status: &str, reason: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let outcome = match (status, reason) {
            ("finished", None) => Outcome::Finished,
            ("finished", Some(_)) => {
                return Err(invalid(
                    "finish run",
                    "a run that finished has no reason",
                    "leave it out, or give 'failed'",
                ));
            }
            ("failed", reason) => failed(py, reason)?,
            (other, _) => {
                let wrong = format!("the status {other:?} is unknown");
                return Err(invalid("finish run", wrong, "give 'finished' or 'failed'"));
            }
        };
        py.detach(|| self.handle.end(&outcome)).map_err(raise)
    }

    /// Ends this process's part in the run as failed. `reason` says why: text, or an exception. A second call does nothing.
    ///
    /// >>> store.run("a").fail("loss is NaN")
    /// >>> store.runs()["a"].status, store.runs()["a"].reason
    /// ('failed', 'loss is NaN')
    #[pyo3(signature = (reason=None))]
    fn fail(&self, py: Python<'_>, reason: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let outcome = failed(py, reason)?;
        py.detach(|| self.handle.end(&outcome)).map_err(raise)
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (exc_type=None, exc=None, traceback=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: Option<&Bound<'_, PyType>>,
        exc: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _ = traceback;
        let outcome = Outcome::of_block(py, exc);
        let ended = outcome.and_then(|outcome| py.detach(|| self.handle.end(&outcome)).map_err(raise));
        // The exception that left the block matters more than a failure to end the run.
        if exc_type.is_some() { Ok(()) } else { ended }
    }

    fn __copy__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __deepcopy__<'py>(slf: Bound<'py, Self>, memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        let _ = memo;
        slf
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let store = pickled_store(py, &self.handle.store)?;
        reduced(py, "_attach_run", (store, self.id(), self.labels(py)?))
    }

    fn __repr__(&self) -> String {
        format!("<tidalite.Run {:?}>", self.handle.run.id())
    }
}

/// A failure, with its reason as text or by an exception.
fn failed(py: Python<'_>, reason: Option<&Bound<'_, PyAny>>) -> PyResult<Outcome> {
    match reason {
        Some(exc) if exc.is_instance_of::<PyBaseException>() => match Outcome::of_block(py, Some(exc))? {
            Outcome::Finished => Ok(Outcome::Failed(Some(params::kind(exc)))),
            outcome => Ok(outcome),
        },
        Some(text) => Ok(Outcome::Failed(Some(params::text("the reason", text)?))),
        None => Ok(Outcome::Failed(None)),
    }
}

fn as_dict<'py>(values: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let Ok(mapping) = values.cast::<PyMapping>() else {
        return Err(PyTypeError::new_err(format!(
            "log: values is of type {}; give a dict of metrics, such as {{\"loss\": 0.5}}",
            params::kind(values)
        )));
    };
    let dict = PyDict::new(values.py());
    dict.update(mapping)?;
    Ok(dict)
}

/// A dict's keys and numbers, in its order. Conversion may run Python code, which may change the dict, so it starts once the whole
/// dict is read.
#[allow(clippy::type_complexity)] // two lists
fn row<'py>(values: &Bound<'py, PyDict>) -> PyResult<(Vec<Bound<'py, PyString>>, Vec<f64>)> {
    let mut keys = Vec::with_capacity(values.len());
    let mut numbers = Vec::with_capacity(values.len());
    let mut inexact: Vec<(usize, Bound<'py, PyAny>)> = Vec::new();
    for (key, value) in values.iter() {
        let Ok(key) = key.cast_into::<PyString>() else {
            return Err(PyTypeError::new_err("log: the name of a metric is not a str; give names as str"));
        };
        numbers.push(numbers::exact(&value).unwrap_or_else(|| {
            inexact.push((keys.len(), value));
            0.0
        }));
        keys.push(key);
    }
    for (at, value) in inexact {
        numbers[at] = numbers::number(&keys[at].to_string_lossy(), &value)?;
    }
    Ok((keys, numbers))
}

fn names(keys: &[Bound<'_, PyString>]) -> PyResult<Vec<String>> {
    keys.iter().map(|k| params::text("the name of a metric", k)).collect()
}

#[inline]
fn whole_step(doing: &str, step: &Bound<'_, PyAny>) -> PyResult<i64> {
    if step.cast_exact::<PyInt>().is_ok() || step.hasattr("__index__")? {
        return step.extract::<i64>().map_err(|e| {
            if e.is_instance_of::<pyo3::exceptions::PyOverflowError>(step.py()) {
                invalid(doing, format!("step {step} is beyond 64 bits"), "give a step from -2^63 to 2^63 - 1")
            } else {
                e
            }
        });
    }
    Err(PyTypeError::new_err(format!(
        "{doing}: step is of type {}, not a whole number; give int(step)",
        params::kind(step)
    )))
}
