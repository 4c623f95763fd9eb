//! The Python class `Snapshot`: a store at one moment.

use crate::arguments::names::names;
use crate::errors::raise;
use crate::records;
use crate::run_arguments::run_id;
use crate::run_table::RunTableArguments;
use crate::select_arguments::{SelectArguments, matching_runs};
use crate::selection::Selection;
use crate::table::{AnswerTable, ReadRows, RowSource};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::collections::BTreeMap;
use tidalite::{History, OnDamage, PartEncodings, Snapshot};

/// A store at one moment. Made by `Store.snapshot`.
///
/// Its methods are those of `Store`, and all see the same rows. It may be used from many threads, and after the store is closed.
#[pyclass(frozen, name = "Snapshot", module = "tidalite")]
pub struct StoreSnapshot {
    snapshot: Snapshot,
}

impl StoreSnapshot {
    /// All points, each in the run that it was written to, so that each counts once.
    fn own_points(&self) -> tidalite::Selection {
        self.snapshot.select().history(History::Own)
    }

    pub(crate) fn take(py: Python<'_>, store: &tidalite::Store, on_damage: &str) -> PyResult<StoreSnapshot> {
        let on_damage = on_damage.parse::<OnDamage>().map_err(raise)?;
        Ok(StoreSnapshot { snapshot: py.detach(|| store.snapshot()).map_err(raise)?.on_damage(on_damage) })
    }
}

#[pymethods]
impl StoreSnapshot {
    /// The version of the manifest. It counts flushes, compactions and thinnings, not rows.
    #[getter]
    fn version(&self) -> u64 {
        self.snapshot.version()
    }

    /// Whether each row in it comes with every row whose `log` returned before that row's `log` was called. False only if so many
    /// processes logged so much that their logs grew at every look; then this holds for rows logged before the snapshot was begun.
    #[getter]
    fn is_cut(&self) -> bool {
        self.snapshot.is_cut()
    }

    /// What the snapshot cannot read, as a tuple of `Finding`, as far as it is known without reading pages.
    #[getter]
    fn damage<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        records::findings(py, &py.detach(|| self.snapshot.damage()))
    }

    /// Selects points of this snapshot. The arguments are those of `Store.select`; `on_damage` is that of the snapshot if
    /// it is not given.
    ///
    /// >>> store.run("a").log({"loss": 0.5})
    /// >>> snapshot = store.snapshot()
    /// >>> snapshot.select("loss", runs="a").to_numpy()["value"]
    /// array([0.5])
    #[pyo3(signature = (metrics=None, *, runs=None, r#where=None, labels=None, exclude_metrics=None, exclude_labels=None, steps=None, time=None, values=None, repeats="last", history="inherited", include_rewound=false, on_damage=None))]
    #[allow(clippy::too_many_arguments)] // they are keywords
    fn select(
        &self,
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
        on_damage: Option<&str>,
    ) -> PyResult<Selection> {
        let (filters, all) = (r#where, self.snapshot.select());
        let arguments = SelectArguments {
            metrics,
            runs,
            filters,
            labels,
            exclude_metrics,
            exclude_labels,
            steps,
            time,
            values,
            repeats,
            history,
            include_rewound,
            on_damage: on_damage.unwrap_or(if all.reports_damage() { "report" } else { "error" }),
        };
        // Another process has no such snapshot.
        Selection::new(all, &arguments, None)
    }

    /// The runs, as `Store.runs` returns them.
    #[pyo3(signature = (r#where=None, *, totals=false))]
    pub(crate) fn runs<'py>(
        &self,
        py: Python<'py>,
        r#where: Option<&Bound<'py, PyAny>>,
        totals: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let runs = matching_runs(r#where, || py.detach(|| self.snapshot.runs()).map_err(raise))?;
        let totals = totals.then(|| py.detach(|| self.own_points().run_totals()));
        records::runs(py, &runs, totals.transpose().map_err(raise)?.as_ref())
    }

    /// One run, as `Store.run_info` returns it.
    #[pyo3(signature = (id, *, totals=false))]
    pub(crate) fn run_info<'py>(
        &self,
        py: Python<'py>,
        id: &Bound<'py, PyAny>,
        totals: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let id = run_id("a run's id", id)?;
        let found = py.detach(|| {
            let totals = totals.then(|| self.own_points().run(&*id).run_totals());
            Ok((self.snapshot.run(&id)?, totals.transpose()?))
        });
        let (run, totals) = found.map_err(raise)?;
        records::runs(py, &[run], totals.as_ref())?.get_item(0)
    }

    /// The runs with values of metrics and fields, as `Store.table` returns them.
    #[pyo3(signature = (columns, *, runs=None, r#where=None, labels=None, sort=None, offset=0, limit=None))]
    #[allow(clippy::too_many_arguments)] // they are keywords
    pub(crate) fn table(
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
        let (filters, all) = (r#where, self.snapshot.select());
        let on_damage = if all.reports_damage() { "report" } else { "error" };
        let selected = SelectArguments { runs, filters, labels, on_damage, ..SelectArguments::default() };
        let select = selected.select(all)?;
        RunTableArguments { columns, sort, offset, limit }.answer(py, &self.snapshot, &select)
    }

    /// Runs side by side, as `Store.diff` returns them.
    #[pyo3(signature = (*runs, all=false))]
    pub(crate) fn diff(&self, py: Python<'_>, runs: &Bound<'_, PyTuple>, all: bool) -> PyResult<AnswerTable> {
        let ids: Vec<String> = runs.iter().map(|run| run_id("a run's id", &run)).collect::<PyResult<_>>()?;
        let diff = py.detach(|| self.snapshot.diff(&ids)).map_err(raise)?;
        let batch = diff.batch(!all);
        Ok(AnswerTable::new(RowSource::Read(ReadRows {
            schema: batch.schema(),
            batches: vec![batch],
            damage: diff.damage,
            kind: "diff",
            total: None,
        })))
    }

    /// How the columns of each part are encoded, as `Store.encodings` returns it.
    pub(crate) fn encodings(&self, py: Python<'_>) -> PyResult<AnswerTable> {
        let (batch, damage) = py
            .detach(|| Ok((PartEncodings::table(&self.snapshot.encodings()?), self.snapshot.damage())))
            .map_err(raise)?;
        Ok(AnswerTable::new(RowSource::Read(ReadRows {
            schema: batch.schema(),
            batches: vec![batch],
            damage,
            kind: "encodings",
            total: None,
        })))
    }

    /// The labels of series, as `Store.labels` returns them.
    #[pyo3(signature = (metric=None))]
    pub(crate) fn labels(
        &self,
        py: Python<'_>,
        metric: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<BTreeMap<String, BTreeMap<String, u64>>> {
        let patterns = metric.map_or(Ok(Vec::new()), |m| names("a metric", m))?;
        let select = patterns.into_iter().fold(self.own_points(), |select, metric| select.metrics(metric));
        py.detach(|| select.label_values()).map_err(raise)
    }

    /// The names of all metrics, as `Store.metrics` returns them.
    pub(crate) fn metrics(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        py.detach(|| self.snapshot.metrics()).map_err(raise)
    }

    /// The bytes of each run's points in the parts, as `Store.bytes_by_run` counts them.
    pub(crate) fn bytes_by_run(&self, py: Python<'_>) -> PyResult<BTreeMap<String, u64>> {
        let sizes = py.detach(|| self.snapshot.bytes_by_run()).map_err(raise)?;
        Ok(sizes.into_iter().collect())
    }

    /// The bytes of each metric's points in the parts, as `Store.bytes_by_run` counts them.
    pub(crate) fn bytes_by_metric(&self, py: Python<'_>) -> PyResult<BTreeMap<String, u64>> {
        let sizes = py.detach(|| self.snapshot.bytes_by_metric()).map_err(raise)?;
        Ok(sizes.into_iter().collect())
    }

    /// The paths of Parquet files whose rows together are exactly the points that this snapshot sees, as
    /// `Store.parquet_files` returns them. It flushes and compacts nothing, and raises Invalid where there are no such files.
    pub(crate) fn parquet_files<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let files = py.detach(|| self.snapshot.parquet_files()).map_err(raise)?;
        records::part_files(py, &files, self.snapshot.clone())
    }

    /// Counts of the snapshot, and the current sizes of the store's files.
    pub(crate) fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        records::stats(py, &py.detach(|| self.snapshot.stats()).map_err(raise)?)
    }

    fn __repr__(&self) -> String {
        format!("<tidalite.Snapshot of version {}>", self.snapshot.version())
    }
}
