//! `open` and `Store`.

use crate::append;
use crate::errors::{invalid, raise};
use crate::exit::{self, OpenStore};
use crate::names::{names, patterns};
use crate::params;
use crate::records;
use crate::run::{Handle, Run};
use crate::selection::{Asked, Selection, run_filters};
use crate::time::duration;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString, PyTuple, PyType};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tidalite::{Durability, ErrorKind, Options, Thin};

/// Opens the store in the folder `path`, and makes it if absent.
///
/// `mode` is 'rw', or 'r' for reading alone: the store must exist then, and nothing in it is changed. `durability` says
/// when a row is safe from a power cut: 'process' (within about a second), a number of seconds or a timedelta (within about that
/// long), or 'row' (before `log` returns); a crash or kill of the process loses nothing at any of them. `memory_bytes` bounds what
/// flushes, compactions and queries hold together (256 MiB), `threads` is for queries (all cores), `background=False` leaves
/// syncing, flushing and compacting to the caller, and `flush_bytes` of log are flushed at a time (32 MiB).
///
/// Raises NotFound where a store to read is absent; Invalid where `path` is a file or a folder that holds something else;
/// Unsupported for a newer format.
///
/// >>> store = tidalite.open(path)
/// >>> tidalite.open(path, "r").runs()
/// []
#[pyfunction]
#[pyo3(
    signature = (path, mode="rw", durability=None, *, memory_bytes=None, threads=None, background=true, flush_bytes=None),
    text_signature = "(path, mode='rw', durability='process', *, memory_bytes=None, threads=None, background=True, flush_bytes=None)"
)]
#[allow(clippy::too_many_arguments)] // they are keywords
pub fn open(
    py: Python<'_>,
    path: PathBuf,
    mode: &str,
    durability: Option<&Bound<'_, PyAny>>,
    memory_bytes: Option<u64>,
    threads: Option<usize>,
    background: bool,
    flush_bytes: Option<u64>,
) -> PyResult<Store> {
    let durability = durability.map_or(Ok(Durability::Process), read_durability)?;
    let read_only = match mode {
        "rw" => false,
        "r" => true,
        other => {
            return Err(invalid(
                "open store",
                format!("mode {other:?} is unknown"),
                "give 'rw', or 'r' for reading alone",
            ));
        }
    };
    let mut options = Options::new().read_only(read_only).durability(durability).background(background);
    if let Some(bytes) = memory_bytes {
        options = options.memory_bytes(bytes);
    }
    if let Some(threads) = threads {
        options = options.threads(threads);
    }
    if let Some(bytes) = flush_bytes {
        options = options.flush_bytes(bytes);
    }
    let store = py.detach(|| options.open(&path)).map_err(raise)?;
    let open = Arc::new(OpenStore { store, process: std::process::id() });
    exit::add_store(&open);
    Ok(Store { open, runs: Mutex::default(), waits: durability == Durability::Row })
}

fn read_durability(value: &Bound<'_, PyAny>) -> PyResult<Durability> {
    let Ok(word) = value.cast::<PyString>() else {
        return Ok(Durability::Interval(duration("durability", value)?));
    };
    match word.to_str()? {
        "process" => Ok(Durability::Process),
        "row" => Ok(Durability::Row),
        other => Err(invalid(
            "open store",
            format!("durability {other:?} is unknown"),
            "give 'process', 'row', or a number of seconds between syncs",
        )),
    }
}

/// An open store: a folder of logs and Parquet files. Made by `tidalite.open`.
///
/// As a context manager it is closed when the block ends; so are its runs. Usable from many threads, and after a fork.
#[pyclass(frozen, module = "tidalite")]
pub struct Store {
    open: Arc<OpenStore>,
    runs: Mutex<Vec<Weak<Handle>>>,
    /// Whether a row waits for the disk.
    waits: bool,
}

impl Store {
    fn close_as(&self, py: Python<'_>, failed: bool) -> PyResult<()> {
        let runs = std::mem::take(&mut *self.runs.lock().unwrap_or_else(PoisonError::into_inner));
        py.detach(|| {
            let mut ended = Ok(());
            for run in runs.iter().filter_map(Weak::upgrade) {
                ended = ended.and(run.end(failed));
            }
            match self.open.store.close() {
                // It is closed already.
                Err(e) if e.kind() == ErrorKind::Invalid => Ok(()),
                closed => ended.and(closed),
            }
        })
        .map_err(raise)
    }
}

#[pymethods]
impl Store {
    /// The store's folder.
    #[getter]
    fn path(&self) -> PathBuf {
        self.open.store.path().to_path_buf()
    }

    /// The store's id, made with it.
    #[getter]
    fn id(&self) -> String {
        self.open.store.id().to_string()
    }

    /// Begins a run, or takes part in one that exists.
    ///
    /// `id` is any text, or generated where absent, so that ids sort as they were made. `params` is a dict of plain values, `tags` a list of
    /// texts. `labels`, such as {'rank': 3}, go on every point that this process logs to the run. `parent` is a run (or its id) that
    /// this one branched off, or a pair of it and the last step taken over.
    ///
    /// >>> run = store.run("resnet-42", params={"lr": 3e-4}, tags=["baseline"], labels={"rank": 0})
    /// >>> run.id, run.labels, run.status
    /// ('resnet-42', {'rank': '0'}, 'running')
    #[pyo3(signature = (id=None, *, params=None, tags=None, labels=None, parent=None))]
    fn run(
        &self,
        py: Python<'_>,
        id: Option<&Bound<'_, PyAny>>,
        params: Option<&Bound<'_, PyAny>>,
        tags: Option<&Bound<'_, PyAny>>,
        labels: Option<&Bound<'_, PyAny>>,
        parent: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Run> {
        let mut builder = match id {
            Some(id) => self.open.store.run(params::text("a run's id", id)?),
            None => self.open.store.new_run(),
        };
        if let Some(given) = params {
            builder = builder.params(params::params(given)?);
        }
        for tag in tags.map_or(Ok(Vec::new()), |t| params::texts("a tag", t))? {
            builder = builder.tag(tag);
        }
        for (key, value) in labels.map_or(Ok(Vec::new()), params::label_pairs)? {
            builder = builder.label(key, value);
        }
        if let Some(parent) = parent {
            let (run, step) = read_parent(parent)?;
            builder = builder.parent(run, step);
        }
        let run = py.detach(|| builder.start()).map_err(raise)?;
        let handle = Handle::new(run, self.open.clone());
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.retain(|r| r.strong_count() > 0);
        runs.push(Arc::downgrade(&handle));
        Ok(Run::new(handle, self.waits))
    }

    /// Appends points from anything that speaks Arrow (pyarrow, Polars, pandas 3, a DuckDB result, each whole or as a stream), or
    /// from a dict of NumPy arrays; returns how many.
    ///
    /// Columns: `run`, `metric` (text), `step` (whole numbers), `value` (numbers); and, if wanted, `time` (timestamps or
    /// datetimes; a bare int is microseconds; now if absent) and `labels` (text such as 'host=a,rank=3'). In a dict, `run`, `metric` and
    /// `labels` may be a single text for all rows.
    ///
    /// Each record batch is accepted as one unit, whole or not at all; small ones of a stream together. Raises Invalid,
    /// naming column and row, for what is wrong in them.
    ///
    /// >>> import numpy as np
    /// >>> store.append({"run": "sim", "metric": "x", "step": np.arange(1000), "value": np.random.rand(1000)})
    /// 1000
    fn append(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<u64> {
        append::append(py, &self.open.store, data)
    }

    /// Selects points: by metrics and runs (names or patterns: `*` any text, `?` one character, `[ab]`, `{a,b}`; regular expressions
    /// as `re.compile` makes them, which may match anywhere; or a list of these), by labels, and by half-open ranges (lo, hi) of steps, times and values, in which None is no end. Nothing is read before an answer is asked for.
    ///
    /// A bare int in `time` is microseconds since 1970 UTC; datetimes, pandas timestamps, `numpy.datetime64` and ISO 8601 text work too.
    /// `repeats` says which of several points of one step counts: the 'last' written, the 'first', or 'all'. `where` is a filter of runs by what
    /// is known of them, or a list of such that all must take a run: fields are id, status, started, ended, parent, params.<name> and
    /// labels.<name>; `tags has 'x'`, `has params.lr`, `id like 'a*'`, `in (…)`, and, or, not. `history` says what is read of the
    /// history that forked runs took over: 'own' (nothing), 'inherited' (without metrics below system/), or 'all'; with `hidden`, points
    /// are seen that a rewind hid.
    ///
    /// >>> selection = store.select("train/*", runs="resnet-*", labels={"rank": 0}, steps=(100, 200))
    /// >>> len(selection.points())
    /// 0
    /// >>> for lr in (1e-2, 1e-4):
    /// ...     store.run(f"lr-{lr}", params={"lr": lr}, tags=["baseline"]).log({"loss": lr})
    /// >>> store.select("loss", where="params.lr > 1e-3 and tags has 'baseline'").to_numpy()["value"]
    /// array([0.01])
    #[pyo3(signature = (metrics=None, *, runs=None, r#where=None, labels=None, steps=None, time=None, values=None, repeats="last", history="inherited", hidden=false))]
    #[allow(clippy::too_many_arguments)] // they are keywords
    fn select(
        &self,
        metrics: Option<&Bound<'_, PyAny>>,
        runs: Option<&Bound<'_, PyAny>>,
        r#where: Option<&Bound<'_, PyAny>>,
        labels: Option<&Bound<'_, PyAny>>,
        steps: Option<&Bound<'_, PyAny>>,
        time: Option<&Bound<'_, PyAny>>,
        values: Option<&Bound<'_, PyAny>>,
        repeats: &str,
        history: &str,
        hidden: bool,
    ) -> PyResult<Selection> {
        let filters = r#where;
        let asked = Asked { metrics, runs, labels, steps, time, values, filters, repeats, history, hidden };
        Selection::new(&self.open.store, asked)
    }

    /// The runs, by id: a list of `RunInfo`, which shows as a table and becomes a DataFrame by `to_pandas()`. All of them, or those
    /// that a filter takes (or each of several), as in `select`.
    ///
    /// >>> for lr in (1e-2, 1e-4):
    /// ...     store.run(f"lr-{lr}", params={"lr": lr}).finish()
    /// >>> store.runs("params.lr > 1e-3 and status = 'finished'").ids
    /// ['lr-0.01']
    #[pyo3(signature = (r#where=None))]
    fn runs<'py>(&self, py: Python<'py>, r#where: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let filters = r#where.map_or(Ok(Vec::new()), run_filters)?;
        let mut runs = py.detach(|| self.open.store.runs()).map_err(raise)?;
        runs.retain(|run| filters.iter().all(|f| f.matches(run)));
        records::runs(py, &runs)
    }

    /// Deletes a run, given itself or its id: all that was written to it until now, by whichever process, is gone from every answer at
    /// once, and nothing takes that back. Its room on the disk is given back by `compact()`. What begins under the id later is a run
    /// of its own.
    ///
    /// >>> with store.run("a") as run:
    /// ...     run.log({"loss": 0.5})
    /// >>> store.delete_run("a")
    /// >>> store.runs().ids, store.metrics()
    /// ([], [])
    fn delete_run(&self, py: Python<'_>, run: &Bound<'_, PyAny>) -> PyResult<()> {
        let id = run_id("a run's id", run)?;
        py.detach(|| self.open.store.delete_run(&id)).map(|_| ()).map_err(raise)
    }

    /// The bytes that the points of each run take in the parts: exact where a page holds one series, else by the share of rows. What is
    /// still in logs is not in it.
    fn bytes_by_run(&self, py: Python<'_>) -> PyResult<BTreeMap<String, u64>> {
        py.detach(|| Ok(self.open.store.snapshot()?.bytes_by_run().into_iter().collect())).map_err(raise)
    }

    /// The bytes that the points of each metric take in the parts, as `bytes_by_run`.
    fn bytes_by_metric(&self, py: Python<'_>) -> PyResult<BTreeMap<String, u64>> {
        py.detach(|| Ok(self.open.store.snapshot()?.bytes_by_metric().into_iter().collect())).map_err(raise)
    }

    /// The names of all metrics, sorted.
    fn metrics(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        py.detach(|| self.open.store.snapshot()?.metrics()).map_err(raise)
    }

    /// The paths of the Parquet files that hold the store's flushed points: a consistent set, for other programs. The files stay as long as
    /// the list lives. Points that are still in logs are not in them; `flush()` first for all.
    fn parquet_files<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        records::part_files(py, py.detach(|| self.open.store.snapshot()).map_err(raise)?)
    }

    /// What the store holds, in numbers.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        records::stats(py, &py.detach(|| self.open.store.stats()).map_err(raise)?)
    }

    /// What opening found after crashes: rows recovered from logs, torn tails, and damage, exactly.
    fn recovery<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        records::report(py, &py.detach(|| self.open.store.recovery()).map_err(raise)?)
    }

    /// Checks every byte, and reports what is wrong and where. `progress` is called with bytes done and bytes in all.
    #[pyo3(signature = (progress=None))]
    fn verify<'py>(&self, py: Python<'py>, progress: Option<Py<PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let report = watched(py, progress, |call| self.open.store.verify(&|done, all| call.two(done, all)))?;
        records::report(py, &report)
    }

    /// Moves every accepted row from logs into Parquet, durably. Others may go on logging. `progress` is called with the points
    /// written, tile by tile.
    #[pyo3(signature = (progress=None))]
    fn flush<'py>(&self, py: Python<'py>, progress: Option<Py<PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let stats = watched(py, progress, |call| self.open.store.flush_with(&|points| call.one(points)))?;
        records::flush_stats(py, &stats)
    }

    /// Flushes, merges parts as far as is useful, and removes what was replaced; durable when it returns. `progress` is called with points
    /// done and points in all.
    #[pyo3(signature = (progress=None))]
    fn compact<'py>(&self, py: Python<'py>, progress: Option<Py<PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let stats =
            watched(py, progress, |call| self.open.store.compact_with(&|done, all| call.two(done, all)))?;
        records::compact_stats(py, &stats)
    }

    /// Thins runs that are over: of each series stay, in each of at most `buckets` buckets of steps, the first point, the last, those of
    /// the least and the greatest value and the first NaN and infinities, with the exact count, sum, mean, spread and extremes of all
    /// points there. Nothing brings the other points back; rewound and repeated ones go too.
    ///
    /// `runs` and `where` say which, as in `select`; one of them has to be given. A run that is named, or given itself, and still
    /// written to is refused (`tidalite.Busy`); those that a pattern or filter takes are passed over. Totals, and charts and aggregates in
    /// buckets at least as wide, answer as before; what is finer (points, percentiles, ranges of values, transforms, ranges that cut a
    /// bucket) is answered from the points that are left. A series stays as it is where a bucket would stand for fewer than 32
    /// points. Flushes first; durable when it returns. `progress` is called with points looked at and points in all.
    ///
    /// >>> with store.run("old") as run:
    /// ...     for step in range(20_000):
    /// ...         run.log({"loss": 1 / (step + 1)}, step=step)
    /// >>> done = store.thin("old", buckets=100)
    /// >>> done.points, done.kept < 400
    /// (20000, True)
    /// >>> store.select("loss", runs="old").aggregate("count").to_numpy()["count"]
    /// array([20000])
    #[pyo3(signature = (runs=None, *, r#where=None, buckets=1024, progress=None))]
    fn thin<'py>(
        &self,
        py: Python<'py>,
        runs: Option<&Bound<'py, PyAny>>,
        r#where: Option<&Bound<'py, PyAny>>,
        buckets: i64,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut what = Thin::new().buckets(usize::try_from(buckets).unwrap_or(0));
        if let Some(runs) = runs {
            what = match runs.cast::<Run>() {
                Ok(run) => what.run(run.get().handle.run.id()),
                Err(_) => patterns("thin", names("a run", runs)?)?.into_iter().fold(what, Thin::runs),
            };
        }
        for filter in r#where.map_or(Ok(Vec::new()), run_filters)? {
            what = what.runs_where(filter);
        }
        let stats =
            watched(py, progress, |call| self.open.store.thin_with(&what, &|done, all| call.two(done, all)))?;
        records::thin_stats(py, &stats)
    }

    /// Copies the store as it stands to the folder `path`, which must be absent or empty; others may go on writing. `progress` is
    /// called with bytes done and bytes in all.
    #[pyo3(signature = (path, progress=None))]
    fn backup(&self, py: Python<'_>, path: PathBuf, progress: Option<Py<PyAny>>) -> PyResult<()> {
        watched(py, progress, |call| self.open.store.backup(&path, &|done, all| call.two(done, all)))
    }

    /// Returns once every row accepted before the call is on the disk.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.open.store.sync()).map_err(raise)
    }

    /// Finishes the runs that were begun here, stops the store's threads and releases its locks. Later calls fail, but for `close`
    /// itself.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.close_as(py, false)
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
        let closed = self.close_as(py, exc_type.is_some());
        // An exception under way says more than that the store could not be closed.
        if exc_type.is_some() { Ok(()) } else { closed }
    }

    fn __repr__(&self) -> String {
        format!("<tidalite.Store {:?}>", self.open.store.path())
    }
}

/// The id of a run that is given as itself or by that.
fn run_id(what: &str, run: &Bound<'_, PyAny>) -> PyResult<String> {
    match run.cast::<Run>() {
        Ok(run) => Ok(run.get().handle.run.id().to_owned()),
        Err(_) => params::text(what, run),
    }
}

fn read_parent(parent: &Bound<'_, PyAny>) -> PyResult<(String, Option<i64>)> {
    let id = |run: &Bound<'_, PyAny>| run_id("the parent's id", run);
    let Ok(pair) = parent.cast::<PyTuple>() else { return Ok((id(parent)?, None)) };
    if pair.len() != 2 || !pair.get_item(1)?.is_instance_of::<PyInt>() {
        return Err(PyTypeError::new_err("parent: give a run or its id, or a pair of it and a step"));
    }
    Ok((id(&pair.get_item(0)?)?, Some(pair.get_item(1)?.extract()?)))
}

/// A Python function that is told of progress. What it raises is raised once the work is done: work cannot be
/// left half-way.
struct Progress {
    call: Option<Py<PyAny>>,
    raised: Mutex<Option<PyErr>>,
}

impl Progress {
    fn one(&self, done: u64) {
        self.tell(|py, call| call.call1(py, (done,)));
    }

    fn two(&self, done: u64, all: u64) {
        self.tell(|py, call| call.call1(py, (done, all)));
    }

    fn tell(&self, call: impl FnOnce(Python<'_>, &Py<PyAny>) -> PyResult<Py<PyAny>>) {
        let Some(function) = &self.call else { return };
        if self.raised.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return;
        }
        if let Err(e) = Python::attach(|py| call(py, function)) {
            *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
        }
    }
}

/// Does long work without the interpreter lock.
fn watched<T: Send>(
    py: Python<'_>,
    progress: Option<Py<PyAny>>,
    work: impl FnOnce(&Progress) -> tidalite::Result<T> + Send,
) -> PyResult<T> {
    let progress = Progress { call: progress, raised: Mutex::new(None) };
    let done = py.detach(|| work(&progress)).map_err(raise)?;
    match progress.raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(e) => Err(e),
        None => Ok(done),
    }
}
