//! `Run`: what a training loop holds.
//!
//! `log` is the hot path. A dict of metrics seen before is recognised by its keys, most often by their addresses alone,
//! and goes to the log as one row of numbers: in one pass and without an allocation where they are plain floats under the very
//! keys of the call before. At the default durability nothing in it waits for the disk, so it keeps the interpreter lock:
//! giving it up would cost more than the call, and would hand the processor to any other busy thread for milliseconds. At
//! durability `row`, which waits for the disk, the lock is given up.

use crate::errors::{invalid, raise};
use crate::exit::OpenStore;
use crate::numbers;
use crate::params;
use crate::system::SystemWatch;
use crate::time::{duration, to_us};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyMapping, PyString, PyTuple, PyType};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tidalite::{MetricSet, RowAt};

/// A run that this process takes part in; begun by `Store.run`.
///
/// As a context manager it ends when the block does: finished, or failed where an exception left it. Usable from many
/// threads; after a fork the child writes on by itself.
///
/// >>> with store.run("resnet-42", params={"lr": 3e-4}) as run:
/// ...     for step in range(3):
/// ...         run.log({"loss": 1 / (step + 1)}, step=step)
/// >>> store.select("loss").to_numpy()["value"]
/// array([1.        , 0.5       , 0.33333333])
#[pyclass(frozen, module = "tidalite")]
pub struct Run {
    pub(crate) handle: Arc<Handle>,
    /// Dicts of metrics logged before, the one logged last first.
    layouts: Mutex<Vec<Arc<Layout>>>,
    /// Whether a call waits for the disk.
    waits: bool,
}

/// What has to be ended with the process, whether Python still knows of it or not.
pub(crate) struct Handle {
    pub(crate) run: tidalite::Run,
    store: Arc<OpenStore>,
    process: u32,
    watches: Mutex<Vec<Arc<Mutex<Option<tidalite::system::SystemWatch>>>>>,
    ended: AtomicBool,
}

/// The keys of a dict, in its order, and the columns that they are.
struct Layout {
    keys: Vec<Py<PyString>>,
    columns: MetricSet,
}

/// Rows up to this long are gathered on the stack.
const QUICK_MAX: usize = 32;
/// So many kinds of dict are remembered; a loop that logs more different ones pays for a look-up in the engine.
const LAYOUTS_MAX: usize = 16;

impl Handle {
    pub(crate) fn new(run: tidalite::Run, store: Arc<OpenStore>) -> Arc<Handle> {
        let handle = Arc::new(Handle {
            run,
            store,
            process: std::process::id(),
            watches: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        crate::exit::add_run(&handle);
        handle
    }

    /// Ends this process's part in the run, once. A forked child does not end its parent's.
    pub(crate) fn end(&self, failed: bool) -> tidalite::Result<()> {
        if self.process != std::process::id() || self.ended.load(Ordering::Acquire) {
            return Ok(());
        }
        self.stop_watches();
        if failed {
            self.run.fail()?
        } else {
            self.run.finish()?
        }
        self.ended.store(true, Ordering::Release);
        Ok(())
    }

    fn stop_watches(&self) {
        let watches = std::mem::take(&mut *self.watches.lock().unwrap_or_else(PoisonError::into_inner));
        for watch in watches {
            let watch = watch.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(watch);
        }
    }
}

impl Run {
    pub(crate) fn new(handle: Arc<Handle>, waits: bool) -> Run {
        Run { handle, layouts: Mutex::default(), waits }
    }

    /// The columns of a dict's keys, if they were logged before; these are the newest then.
    fn known(&self, keys: &[Bound<'_, PyString>]) -> Option<Arc<Layout>> {
        let mut layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |a: &Py<PyString>, b: &Bound<'_, PyString>| {
            a.as_ptr() == b.as_ptr() || matches!((a.to_str(b.py()), b.to_str()), (Ok(a), Ok(b)) if a == b)
        };
        let found = layouts
            .iter()
            .position(|l| l.keys.len() == keys.len() && l.keys.iter().zip(keys).all(|(a, b)| same(a, b)))?;
        layouts[..=found].rotate_right(1);
        Some(layouts[0].clone())
    }

    /// Where the dict has the very keys of the one logged last, in its order, and plain floats: that layout, and the floats in
    /// `row`. No Python code runs.
    #[inline]
    fn quick(&self, values: &Bound<'_, PyDict>, row: &mut [f64; QUICK_MAX]) -> Option<Arc<Layout>> {
        let layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        let last = layouts.first()?;
        if last.keys.len() != values.len() || values.len() > QUICK_MAX {
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
        if let Some(layout) = self.known(keys) {
            return Ok(layout);
        }
        let names = names(keys)?;
        let columns =
            self.handle.run.columns(&names.iter().map(String::as_str).collect::<Vec<_>>()).map_err(raise)?;
        let layout = Arc::new(Layout { keys: keys.iter().map(|k| k.clone().unbind()).collect(), columns });
        let mut layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        layouts.truncate(LAYOUTS_MAX - 1);
        layouts.insert(0, layout.clone());
        Ok(layout)
    }

    /// Appends a row; waits without the interpreter lock where it has to.
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

#[pymethods]
impl Run {
    /// The run's id.
    #[getter]
    fn id(&self) -> &str {
        self.handle.run.id()
    }

    /// The labels that all points of this process carry, such as {'rank': '3'}.
    #[getter]
    fn labels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        params::from_labels(py, self.handle.run.labels())
    }

    /// The run's params as they stand, set by whichever process.
    #[getter]
    fn params<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        params::from_params(py, &self.info(py)?.params)
    }

    /// The run's tags as they stand, sorted.
    #[getter]
    fn tags(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.info(py)?.tags.into_iter().collect())
    }

    /// How the run stands, over all processes that take part: 'running', 'finished', 'failed' or 'lost'.
    #[getter]
    fn status(&self, py: Python<'_>) -> PyResult<&'static str> {
        Ok(self.info(py)?.status.as_str())
    }

    /// Logs a row: values of several metrics at one step and time. Other processes see it, whole, when this returns, and it
    /// survives the death of this one.
    ///
    /// `values` maps names to single numbers (floats, ints, bools, NumPy, torch and jax scalars); NaN and infinities are kept.
    /// `step` counts up from the last one where absent; `time` is now where absent: whole microseconds since 1970 UTC, a datetime,
    /// `numpy.datetime64` or ISO 8601 text. `labels` are laid over the run's own.
    ///
    /// Raises TypeError, naming the key, for what is no number; Invalid for a wrong name or a run that ended; Full where the
    /// disk is; Poisoned after a failed sync. Nothing of the row is logged then.
    ///
    /// >>> run = store.run("a")
    /// >>> run.log({"loss": 0.25, "acc": 0.9}, step=7)
    /// >>> run.log({"loss": "low"})
    /// Traceback (most recent call last):
    ///     ...
    /// TypeError: log: metric "loss" is a str, not a single number; reduce it, for instance with float() or .mean()
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
            let mut gathered = [0.0; QUICK_MAX];
            if let Some(layout) = self.quick(values, &mut gathered) {
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

    /// Sets params, over those that stand: a dict of plain values.
    ///
    /// >>> run = store.run("b", params={"lr": 0.1})
    /// >>> run.set_params({"batch": 32})
    /// >>> run.params
    /// {'batch': 32, 'lr': 0.1}
    fn set_params(&self, py: Python<'_>, params: &Bound<'_, PyAny>) -> PyResult<()> {
        let params = params::params(params)?;
        py.detach(|| self.handle.run.set_params(params)).map_err(raise)
    }

    /// Adds tags.
    #[pyo3(signature = (*tags))]
    fn add_tags(&self, py: Python<'_>, tags: &Bound<'_, PyTuple>) -> PyResult<()> {
        let tags = params::texts("a tag", tags)?;
        py.detach(|| self.handle.run.set_tags(tags, [])).map_err(raise)
    }

    /// Removes tags; those that are not there do not matter.
    #[pyo3(signature = (*tags))]
    fn remove_tags(&self, py: Python<'_>, tags: &Bound<'_, PyTuple>) -> PyResult<()> {
        let tags = params::texts("a tag", tags)?;
        py.detach(|| self.handle.run.set_tags([], tags)).map_err(raise)
    }

    /// Goes on from an earlier step, as after loading a checkpoint: what was written to the run before this call, at steps greater than
    /// `step` and by whichever process, is hidden from every answer. It is kept: `select(..., hidden=True)` sees it. Steps that count
    /// up by themselves go on behind `step`.
    ///
    /// >>> run = store.run("a")
    /// >>> for step in range(10):
    /// ...     run.log({"loss": 1.0}, step=step)
    /// >>> run.rewind(4)
    /// >>> run.log({"loss": 0.5})
    /// >>> store.select("loss", runs="a").latest().to_numpy()["step"]
    /// array([5])
    fn rewind(&self, py: Python<'_>, step: &Bound<'_, PyAny>) -> PyResult<()> {
        let step = whole_step("rewind", step)?;
        py.detach(|| self.handle.run.rewind(step)).map(|_| ()).map_err(raise)
    }

    /// Samples this machine into the run, every `interval` seconds, from a thread that never holds the interpreter: processor,
    /// memory, disk, network, and NVIDIA GPUs where there are any, as metrics `system/...` with labels such as `gpu`.
    ///
    /// It ends with the run, or by `stop()`, and never harms the run: what goes wrong is in its `error`.
    ///
    /// >>> run = store.run("watched")
    /// >>> watch = run.watch_system(interval=1.0)
    /// >>> run.finish()
    #[pyo3(signature = (interval=None), text_signature = "($self, interval=1.0)")]
    fn watch_system(&self, py: Python<'_>, interval: Option<&Bound<'_, PyAny>>) -> PyResult<SystemWatch> {
        let interval = interval.map_or(Ok(std::time::Duration::from_secs(1)), |i| duration("interval", i))?;
        let watch = py.detach(|| self.handle.run.watch_system(interval)).map_err(raise)?;
        let watch = Arc::new(Mutex::new(Some(watch)));
        let mut watches = self.handle.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.push(watch.clone());
        Ok(SystemWatch::new(watch))
    }

    /// Ends this process's part in the run; `status` is 'finished' or 'failed'. Ending it again does nothing.
    #[pyo3(signature = (status="finished"))]
    fn finish(&self, py: Python<'_>, status: &str) -> PyResult<()> {
        let failed = match status {
            "finished" => false,
            "failed" => true,
            other => {
                return Err(invalid(
                    "finish run",
                    format!("{other:?} is no way to end"),
                    "give 'finished' or 'failed'",
                ));
            }
        };
        py.detach(|| self.handle.end(failed)).map_err(raise)
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
        let _ = (exc, traceback);
        let failed = exc_type.is_some();
        let ended = py.detach(|| self.handle.end(failed));
        // An exception under way says more than that its run could not be ended.
        if failed { Ok(()) } else { ended.map_err(raise) }
    }

    fn __repr__(&self) -> String {
        format!("<tidalite.Run {:?}>", self.handle.run.id())
    }
}

fn as_dict<'py>(values: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let Ok(mapping) = values.cast::<PyMapping>() else {
        return Err(PyTypeError::new_err(format!(
            "log: values is a {}; give a dict of metrics, such as {{\"loss\": 0.5}}",
            params::kind(values)
        )));
    };
    let dict = PyDict::new(values.py());
    dict.update(mapping)?;
    Ok(dict)
}

type Row<'py> = (Vec<Bound<'py, PyString>>, Vec<f64>);

/// A dict's keys and numbers, in its order. Python code, which may change the dict, runs only once all of it is read.
fn row<'py>(values: &Bound<'py, PyDict>) -> PyResult<Row<'py>> {
    let mut keys = Vec::with_capacity(values.len());
    let mut numbers = Vec::with_capacity(values.len());
    let mut inexact: Vec<(usize, Bound<'py, PyAny>)> = Vec::new();
    for (key, value) in values.iter() {
        let Ok(key) = key.cast_into::<PyString>() else {
            return Err(PyTypeError::new_err("log: the name of a metric is not text; give names as str"));
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
        "{doing}: step is a {}, not a whole number; give int(step)",
        params::kind(step)
    )))
}
