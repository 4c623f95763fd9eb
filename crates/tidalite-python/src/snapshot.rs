//! The Python class `Snapshot`: a store at one moment.

use crate::errors::raise;
use crate::records;
use crate::select_arguments::{SelectArguments, matching_runs};
use crate::selection::Selection;
use pyo3::prelude::*;
use std::collections::BTreeMap;
use tidalite::Snapshot;

/// A store at one moment. Made by `Store.snapshot`.
///
/// Its methods are those of `Store`, and all see the same rows. It may be used from many threads, and after the store is closed.
#[pyclass(frozen, name = "Snapshot", module = "tidalite")]
pub struct StoreSnapshot {
    snapshot: Snapshot,
}

impl StoreSnapshot {
    pub(crate) fn take(py: Python<'_>, store: &tidalite::Store) -> PyResult<StoreSnapshot> {
        Ok(StoreSnapshot { snapshot: py.detach(|| store.snapshot()).map_err(raise)? })
    }

    /// The snapshot, on request without the parts that cannot be read.
    fn readable(&self, skip_unreadable: bool) -> Snapshot {
        match skip_unreadable {
            true => self.snapshot.without_unreadable_parts(),
            false => self.snapshot.clone(),
        }
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

    /// Selects points of this snapshot. The arguments are those of `Store.select`.
    ///
    /// >>> store.run("a").log({"loss": 0.5})
    /// >>> snapshot = store.snapshot()
    /// >>> snapshot.select("loss", runs="a").to_numpy()["value"]
    /// array([0.5])
    #[pyo3(signature = (metrics=None, *, runs=None, r#where=None, labels=None, steps=None, time=None, values=None, repeats="last", history="inherited", include_rewound=false))]
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
        include_rewound: bool,
    ) -> PyResult<Selection> {
        let filters = r#where;
        let arguments = SelectArguments {
            metrics,
            runs,
            filters,
            labels,
            steps,
            time,
            values,
            repeats,
            history,
            include_rewound,
        };
        // Another process has no such snapshot.
        Selection::new(self.snapshot.select(), &arguments, None)
    }

    /// The runs, as `Store.runs` returns them.
    #[pyo3(signature = (r#where=None))]
    fn runs<'py>(&self, py: Python<'py>, r#where: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let runs = matching_runs(r#where, || Ok(py.detach(|| self.snapshot.runs())))?;
        records::runs(py, &runs)
    }

    /// The names of all metrics, as `Store.metrics` returns them.
    #[pyo3(signature = (*, skip_unreadable=false))]
    pub(crate) fn metrics(&self, py: Python<'_>, skip_unreadable: bool) -> PyResult<Vec<String>> {
        py.detach(|| self.readable(skip_unreadable).metrics()).map_err(raise)
    }

    /// The bytes of each run's points in the parts, as `Store.bytes_by_run` counts them.
    #[pyo3(signature = (*, skip_unreadable=false))]
    pub(crate) fn bytes_by_run(
        &self,
        py: Python<'_>,
        skip_unreadable: bool,
    ) -> PyResult<BTreeMap<String, u64>> {
        let sizes = py.detach(|| self.readable(skip_unreadable).bytes_by_run()).map_err(raise)?;
        Ok(sizes.into_iter().collect())
    }

    /// The bytes of each metric's points in the parts, as `Store.bytes_by_run` counts them.
    #[pyo3(signature = (*, skip_unreadable=false))]
    pub(crate) fn bytes_by_metric(
        &self,
        py: Python<'_>,
        skip_unreadable: bool,
    ) -> PyResult<BTreeMap<String, u64>> {
        let sizes = py.detach(|| self.readable(skip_unreadable).bytes_by_metric()).map_err(raise)?;
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
