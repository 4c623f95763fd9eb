//! The Python class `Store`. The longest docstrings are in `docs/`.

use crate::append;
use crate::arguments::params;
use crate::begin::begin;
use crate::edit_arguments::edited;
use crate::environment::captured;
use crate::errors::raise;
use crate::exit;
use crate::handles::{RunHandle, StoreHandle};
use crate::importing::import_from;
use crate::outcome::Outcome;
use crate::pickle::{Recipe, pickled_store};
use crate::progress::with_progress;
use crate::records;
use crate::reduce::{Reduced, reduced};
use crate::run::Run;
use crate::run_arguments::{configured, described, read_conflict, read_targets, run_id};
use crate::select_arguments::SelectArguments;
use crate::selection::Selection;
use crate::snapshot::StoreSnapshot;
use crate::table::AnswerTable;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use tidalite::{Exist, Merge, Thin, VerifyDepth};

/// An open store: a folder of logs and Parquet files. Made by `tidalite.open`.
///
/// As a context manager it ends its runs and closes when the block ends. It may be used from many threads, and after a fork.
///
/// A copy is the same open store. A pickle holds path, id and the arguments of `open`: another process opens the store once for all
/// pickles and keeps it open until it ends. Unpickling raises NotFound if another store is at the path by then.
#[pyclass(frozen, module = "tidalite")]
pub struct Store {
    handle: Arc<StoreHandle>,
    runs: Mutex<Vec<Weak<RunHandle>>>,
}

impl Store {
    pub(crate) fn of(handle: Arc<StoreHandle>) -> Store {
        Store { handle, runs: Mutex::default() }
    }
}

#[pymethods]
impl Store {
    /// The store's folder, as an absolute path: where it was when it was opened.
    #[getter]
    fn path(&self) -> PathBuf {
        self.handle.store.path().to_path_buf()
    }

    /// The store's id, which never changes.
    #[getter]
    fn id(&self) -> String {
        self.handle.store.id().to_string()
    }

    #[doc = include_str!("docs/run.txt")]
    #[pyo3(
        signature = (id=None, *, exist="any", params=None, tags=None, labels=None, parent=None, name=None, notes=None, group=None, started=None, capture=None)
    )]
    #[allow(clippy::too_many_arguments)] // they are keywords
    fn run(
        &self,
        py: Python<'_>,
        id: Option<&Bound<'_, PyAny>>,
        exist: &str,
        params: Option<&Bound<'_, PyAny>>,
        tags: Option<&Bound<'_, PyAny>>,
        labels: Option<&Bound<'_, PyAny>>,
        parent: Option<&Bound<'_, PyAny>>,
        name: Option<&Bound<'_, PyAny>>,
        notes: Option<&Bound<'_, PyAny>>,
        group: Option<&Bound<'_, PyAny>>,
        started: Option<&Bound<'_, PyAny>>,
        capture: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Run> {
        let builder = match id {
            Some(id) => self.handle.store.run(params::text("a run's id", id)?),
            None => self.handle.store.new_run(),
        };
        let builder = builder.exist(exist.parse::<Exist>().map_err(raise)?);
        let builder = configured(builder, params, tags, labels, parent)?;
        let builder = described(builder, name, notes, group, started)?;
        let builder = captured(py, builder, capture)?;
        begin(py, builder, &self.handle, &self.runs)
    }

    #[doc = include_str!("docs/edit.txt")]
    #[pyo3(
        signature = (id, **fields),
        text_signature = "($self, id, *, params=..., remove_params=..., add_tags=..., remove_tags=..., name=..., notes=..., group=..., status=..., started=..., ended=...)"
    )]
    fn edit(
        &self,
        py: Python<'_>,
        id: &Bound<'_, PyAny>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let mut editor = self.handle.store.edit(run_id("a run's id", id)?);
        if let Some(fields) = fields {
            editor = edited(editor, fields)?;
        }
        py.detach(|| editor.apply()).map(|_| ()).map_err(raise)
    }

    /// Appends points from any Arrow data (pyarrow, Polars, pandas 3, a DuckDB result; whole or as a stream), or from a dict of
    /// arrays; returns their number. Columns: `run`, `metric`, `value`; optionally `step` (without it, each series counts on after
    /// the greatest step of its run), `time` (an int is microseconds; now if absent) and `labels` (text as 'host=a,rank=3').
    ///
    /// `labels` and `metrics` name columns that are labels or metrics; `run` is the run of all rows. A missing value is refused in a
    /// table of points and skipped in one of metrics, or as `missing`, 'refuse' or 'skip', says. NaN is one if `nan_is_missing`.
    ///
    /// >>> import numpy as np
    /// >>> store.append({"run": "sim", "metric": "x", "step": np.arange(1000), "value": np.random.rand(1000)})
    /// 1000
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, run=None, labels=None, metrics=None, missing=None, nan_is_missing=False)")]
    fn append(&self, data: &Bound<'_, PyAny>, options: Option<&Bound<'_, PyDict>>) -> PyResult<u64> {
        append::append(data.py(), &self.handle.store, data, options)
    }

    #[doc = include_str!("docs/select.txt")]
    #[pyo3(signature = (metrics=None, *, runs=None, r#where=None, labels=None, exclude_metrics=None, exclude_labels=None, steps=None, time=None, values=None, repeats="last", history="inherited", include_rewound=false, on_damage="error"))]
    #[allow(clippy::too_many_arguments)] // they are keywords
    fn select(
        &self,
        py: Python<'_>,
        metrics: Option<&Bound<'_, PyAny>>,
        runs: Option<&Bound<'_, PyAny>>,
        r#where: Option<&Bound<'_, PyAny>>,
        labels: Option<&Bound<'_, PyAny>>,
        exclude_metrics: Option<&Bound<'_, PyAny>>,
        exclude_labels: Option<&Bound<'_, PyAny>>,
        steps: Option<&Bound<'_, PyAny>>,
        time: Option<&Bound<'_, PyAny>>,
        values: Option<&Bound<'_, PyAny>>,
        repeats: &str,
        history: &str,
        include_rewound: bool,
        on_damage: &str,
    ) -> PyResult<Selection> {
        let arguments = SelectArguments {
            metrics,
            runs,
            filters: r#where,
            labels,
            exclude_metrics,
            exclude_labels,
            steps,
            time,
            values,
            repeats,
            history,
            include_rewound,
            on_damage,
        };
        let recipe = Recipe::new(py, &self.handle, &arguments.given(py)?)?;
        Selection::new(self.handle.store.select(), &arguments, recipe)
    }

    /// The store as it is now, to read from several times: `runs()` and every `select()` of a snapshot see the same rows,
    /// whatever is written meanwhile. For each row in it, it holds every row whose `log` returned before that row's `log` was
    /// called, in whichever process. While it exists, no file that it needs is deleted. `on_damage` is as for `select`.
    ///
    /// >>> run = store.run("a")
    /// >>> run.log({"loss": 0.5})
    /// >>> snapshot = store.snapshot()
    /// >>> run.log({"loss": 0.4})
    /// >>> snapshot.runs().ids, len(snapshot.select("loss").points()), len(store.select("loss").points())
    /// (['a'], 1, 2)
    #[pyo3(signature = (*, on_damage="error"))]
    fn snapshot(&self, py: Python<'_>, on_damage: &str) -> PyResult<StoreSnapshot> {
        StoreSnapshot::take(py, &self.handle.store, on_damage)
    }

    #[doc = include_str!("docs/runs.txt")]
    #[pyo3(signature = (r#where=None, *, totals=false))]
    fn runs<'py>(
        &self,
        py: Python<'py>,
        r#where: Option<&Bound<'py, PyAny>>,
        totals: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.snapshot(py, "error")?.runs(py, r#where, totals)
    }

    /// One run, given as a `Run` or by its id, without the others. `totals` is as for `runs`, and reads what concerns this run. Raises
    /// NotFound if there is no such run.
    ///
    /// >>> with store.run("a", params={"lr": 0.1}) as run:
    /// ...     run.log({"loss": 0.5}, step=7)
    /// >>> info = store.run_info("a", totals=True)
    /// >>> info.status, info.points, info.last_step
    /// ('finished', 1, 7)
    #[pyo3(signature = (id, *, totals=false))]
    fn run_info<'py>(
        &self,
        py: Python<'py>,
        id: &Bound<'py, PyAny>,
        totals: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.snapshot(py, "error")?.run_info(py, id, totals)
    }

    #[doc = include_str!("docs/diff.txt")]
    #[pyo3(signature = (*runs, all=false))]
    fn diff(&self, py: Python<'_>, runs: &Bound<'_, PyTuple>, all: bool) -> PyResult<AnswerTable> {
        self.snapshot(py, "error")?.diff(py, runs, all)
    }

    #[doc = include_str!("docs/table.txt")]
    #[pyo3(signature = (columns, *, runs=None, r#where=None, labels=None, sort=None, offset=0, limit=None))]
    #[allow(clippy::too_many_arguments)] // they are keywords
    fn table(
        &self,
        py: Python<'_>,
        columns: &Bound<'_, PyAny>,
        runs: Option<&Bound<'_, PyAny>>,
        r#where: Option<&Bound<'_, PyAny>>,
        labels: Option<&Bound<'_, PyAny>>,
        sort: Option<&Bound<'_, PyAny>>,
        offset: i64,
        limit: Option<i64>,
    ) -> PyResult<AnswerTable> {
        self.snapshot(py, "error")?.table(py, columns, runs, r#where, labels, sort, offset, limit)
    }

    /// Deletes a run, given as a `Run` or by its id: everything that any process has written to it disappears from every answer at
    /// once. This cannot be undone. `compact()` frees the space on disk. A later run with the same id is a new run.
    ///
    /// >>> with store.run("a") as run:
    /// ...     run.log({"loss": 0.5})
    /// >>> store.delete_run("a")
    /// >>> store.runs().ids, store.metrics()
    /// ([], [])
    fn delete_run(&self, py: Python<'_>, run: &Bound<'_, PyAny>) -> PyResult<()> {
        let id = run_id("a run's id", run)?;
        py.detach(|| self.handle.store.delete_run(&id)).map(|_| ()).map_err(raise)
    }

    #[doc = include_str!("docs/delete_runs.txt")]
    #[pyo3(signature = (runs=None, *, r#where=None, before=None, dry_run=false))]
    fn delete_runs(
        &self,
        py: Python<'_>,
        runs: Option<&Bound<'_, PyAny>>,
        r#where: Option<&Bound<'_, PyAny>>,
        before: Option<&Bound<'_, PyAny>>,
        dry_run: bool,
    ) -> PyResult<Vec<String>> {
        let what = read_targets(runs, r#where, before)?;
        let store = &self.handle.store;
        py.detach(|| match dry_run {
            true => Ok(store.snapshot()?.targets(&what)?.into_iter().map(|run| run.id).collect()),
            false => store.delete_runs(&what),
        })
        .map_err(raise)
    }

    /// The bytes of each run's points in parts, not in logs: exact where a page holds one series, otherwise shared by row count.
    fn bytes_by_run(&self, py: Python<'_>) -> PyResult<BTreeMap<String, u64>> {
        self.snapshot(py, "error")?.bytes_by_run(py)
    }

    /// The bytes of each metric's points in the parts, counted as in `bytes_by_run`.
    fn bytes_by_metric(&self, py: Python<'_>) -> PyResult<BTreeMap<String, u64>> {
        self.snapshot(py, "error")?.bytes_by_metric(py)
    }

    /// The names of all metrics, sorted.
    fn metrics(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.snapshot(py, "error")?.metrics(py)
    }

    /// The labels of series: of each key the values, and the number of series that carry each. `metric` is given as to `select`. It
    /// reads the series tables.
    ///
    /// >>> for rank in range(3):
    /// ...     store.run("job", labels={"rank": rank}).log({"loss": 0.5})
    /// >>> store.labels("loss")
    /// {'rank': {'0': 1, '1': 1, '2': 1}}
    #[pyo3(signature = (metric=None))]
    fn labels(
        &self,
        py: Python<'_>,
        metric: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<BTreeMap<String, BTreeMap<String, u64>>> {
        self.snapshot(py, "error")?.labels(py, metric)
    }

    /// How the columns of each part are encoded: `part`, its `points`, `column`, the data `pages` of each encoding, `dictionaries`,
    /// `bytes` and `bytes_per_point`. Each page of values has the encoding that takes the least space.
    ///
    /// >>> store.run("a").log({"loss": 0.5})
    /// >>> _ = store.flush()
    /// >>> store.encodings()["column"][-1]
    /// 'value'
    #[pyo3(signature = (*, on_damage="error"))]
    fn encodings(&self, py: Python<'_>, on_damage: &str) -> PyResult<AnswerTable> {
        self.snapshot(py, on_damage)?.encodings(py)
    }

    /// The paths of Parquet files whose rows together are exactly the visible points, for other programs: what a selection of
    /// all runs with `history="own"` gives. Flushes and compacts if needed; raises Invalid for a store opened for reading only that is
    /// not compacted. The files are kept as long as the list exists.
    fn parquet_files<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let files = py.detach(|| self.handle.store.parquet_files()).map_err(raise)?;
        records::part_files(py, &files, files.snapshot().clone())
    }

    /// Counts and sizes of the store. Damage raises Corrupt; with `on_damage="report"` the field `damage` has it.
    #[pyo3(signature = (*, on_damage="error"))]
    fn stats<'py>(&self, py: Python<'py>, on_damage: &str) -> PyResult<Bound<'py, PyAny>> {
        self.snapshot(py, on_damage)?.stats(py)
    }

    /// What opening the store recovered after crashes: rows from logs, torn tails, and damage.
    fn recovery<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        records::report(py, &py.detach(|| self.handle.store.recovery()).map_err(raise)?)
    }

    /// Checks every byte, and reports each fault and its place; `unread` of the report is what it could not check, and why. With
    /// `quick` only the structure: no pages of parts. `progress` is called with the bytes done and the total.
    #[pyo3(signature = (progress=None, *, quick=false))]
    fn verify<'py>(
        &self,
        py: Python<'py>,
        progress: Option<Py<PyAny>>,
        quick: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let depth = if quick { VerifyDepth::Quick } else { VerifyDepth::Full };
        let report = with_progress(py, progress, |call| {
            self.handle.store.verify_with(depth, &|done, all| call.two(done, all))
        })?;
        records::report(py, &report)
    }

    #[doc = include_str!("docs/import_from.txt")]
    #[pyo3(signature = (path, run=None, progress=None))]
    fn import_from<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        run: Option<String>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        import_from(py, &self.handle.store, path, run, progress)
    }

    /// Moves every accepted row from logs into Parquet, durably. Logging may continue meanwhile. `progress` is called with the number
    /// of points in each tile, once the tile is written.
    #[pyo3(signature = (progress=None))]
    fn flush<'py>(&self, py: Python<'py>, progress: Option<Py<PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let stats =
            with_progress(py, progress, |call| self.handle.store.flush_with(&|points| call.one(points)))?;
        records::flush_stats(py, &stats)
    }

    /// Flushes, merges parts where that pays off, and removes the replaced files. The result is durable. `progress` is called with the
    /// points done and the total.
    #[pyo3(signature = (progress=None))]
    fn compact<'py>(&self, py: Python<'py>, progress: Option<Py<PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let stats = with_progress(py, progress, |call| {
            self.handle.store.compact_with(&|done, all| call.two(done, all))
        })?;
        records::compact_stats(py, &stats)
    }

    #[doc = include_str!("docs/thin.txt")]
    #[pyo3(signature = (runs=None, *, r#where=None, before=None, buckets=1024, dry_run=false, progress=None))]
    #[allow(clippy::too_many_arguments)] // they are keywords
    fn thin<'py>(
        &self,
        py: Python<'py>,
        runs: Option<&Bound<'py, PyAny>>,
        r#where: Option<&Bound<'py, PyAny>>,
        before: Option<&Bound<'py, PyAny>>,
        buckets: i64,
        dry_run: bool,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let thin = Thin::new()
            .targets(read_targets(runs, r#where, before)?)
            .buckets(usize::try_from(buckets).unwrap_or(0));
        let stats = with_progress(py, progress, |call| match dry_run {
            true => self.handle.store.thin_dry_run_with(&thin, &|done, all| call.two(done, all)),
            false => self.handle.store.thin_with(&thin, &|done, all| call.two(done, all)),
        })?;
        records::thin_stats(py, &stats)
    }

    /// Copies the store's current state to the folder `path`, which must be absent or empty. Writing may continue meanwhile.
    /// Damage raises Corrupt. With `on_damage="report"` it is left out, listed in the copy, and returned. `progress` is called with the
    /// bytes done and the total.
    #[pyo3(signature = (path, progress=None, *, on_damage="error"))]
    fn backup<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        progress: Option<Py<PyAny>>,
        on_damage: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let what = on_damage.parse().map_err(raise)?;
        let left_out = with_progress(py, progress, |call| {
            self.handle.store.backup_with(&path, what, &|done, all| call.two(done, all))
        })?;
        records::findings(py, &left_out)
    }

    /// Brings in what the store in the folder `path` holds and this one does not: runs with all that is known of them, and points, each
    /// once. They may be diverged copies of one store, or have nothing in common. Of two edits the later one wins. Merging again brings
    /// only what is new. The other store is only read; both may be written to meanwhile. A run that runs there is lost here, until a
    /// merge brings its end.
    ///
    /// Runs that have the same id and were begun independently are refused; with `suffix` those of the other store get an id that ends
    /// with it; `on_conflict="join"` joins them. `on_damage="report"` leaves out damage. `progress` gets the points done and the total.
    ///
    /// >>> with tidalite.open(str(store.path) + "-laptop") as other:
    /// ...     other.run("on-the-laptop", params={"lr": 0.1}).finish()
    /// >>> store.merge(other.path).runs_new, store.merge(other.path).runs_new
    /// (1, 0)
    #[pyo3(signature = (path, *, on_conflict="refuse", suffix=None, on_damage="error", progress=None))]
    fn merge<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        on_conflict: &str,
        suffix: Option<String>,
        on_damage: &str,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let how = Merge::new().on_conflict(read_conflict(on_conflict, suffix)?);
        let how = how.on_damage(on_damage.parse().map_err(raise)?);
        let stats = with_progress(py, progress, |call| {
            self.handle.store.merge_with(&path, &how, &|done, all| call.two(done, all))
        })?;
        records::merge_stats(py, &stats)
    }

    /// Returns once every row accepted before the call is durable.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.handle.store.sync()).map_err(raise)
    }

    #[doc = include_str!("docs/reopen.txt")]
    fn reopen<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let done = py.detach(|| exit::reopen_store(&self.handle, &self.runs));
        let (handle, reopened) = done.map_err(raise)?;
        records::reopened(py, Bound::new(py, Store::of(handle))?.into_any(), &reopened)
    }

    /// Finishes the runs begun through this object, stops the store's threads and releases its locks. Other calls then raise Invalid.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        exit::close_store(py, &self.handle, &self.runs, &Outcome::Finished)
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
        let closed = Outcome::of_block(py, exc)
            .and_then(|outcome| exit::close_store(py, &self.handle, &self.runs, &outcome));
        // The exception that left the block matters more than a failure to close the store.
        if exc_type.is_some() { Ok(()) } else { closed }
    }

    fn __copy__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __deepcopy__<'py>(slf: Bound<'py, Self>, memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        let _ = memo;
        slf
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        reduced(py, "_reopen_store", (pickled_store(py, &self.handle)?,))
    }

    fn __repr__(&self) -> String {
        format!("<tidalite.Store {:?}>", self.handle.store.path())
    }
}
