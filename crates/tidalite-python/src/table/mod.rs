//! The Python class `Table`: an answer, and its conversions to other libraries.
//!
//! May use: `arguments`, and the files `errors.rs` and `records.rs`.

mod answer;
mod kind;
mod stream;

pub(crate) use answer::RowSource;
pub(crate) use kind::{OverXKind, TableKind};

use crate::arguments::params::texts;
use crate::errors::{invalid, raise};
use crate::records;
use answer::{TableAnswer, TableStep};
use arrow::array::{ArrayRef, StructArray};
use arrow::datatypes::{Field, SchemaRef};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyTuple};
use pyo3_arrow::ffi::{ArrayIterator, to_schema_pycapsule, to_stream_pycapsule};
use std::sync::Arc;
use stream::TableReader;

/// An answer in columns, computed on first use. `to_arrow`, `to_pandas`, `to_polars` and `to_numpy` convert it. Any library
/// that reads Arrow streams takes it directly: `duckdb.sql("from table")`.
#[pyclass(frozen, name = "Table", module = "tidalite")]
pub struct AnswerTable {
    answer: Arc<TableAnswer>,
}

impl AnswerTable {
    pub(crate) fn new(source: RowSource) -> AnswerTable {
        AnswerTable { answer: Arc::new(TableAnswer::new(source)) }
    }

    fn then(&self, step: TableStep) -> AnswerTable {
        AnswerTable { answer: Arc::new(self.answer.then(step)) }
    }

    fn schema(&self, py: Python<'_>) -> PyResult<SchemaRef> {
        py.detach(|| self.answer.schema()).map_err(raise)
    }

    /// Calls a function of `tidalite._frames` with this table.
    fn frame<'py>(&self, py: Python<'py>, function: &str) -> PyResult<Bound<'py, PyAny>> {
        if !self.answer.streams() {
            // Computed here, without the interpreter lock: the stream's consumer may hold it.
            py.detach(|| self.answer.computed().map(|_| ())).map_err(raise)?;
        }
        let same = AnswerTable { answer: self.answer.clone() };
        py.import("tidalite._frames")?
            .call_method1(function, (same,))
            .map_err(|e| self.answer.take_stream_error().map_or(e, raise))
    }
}

#[pymethods]
impl AnswerTable {
    /// The names of the columns.
    #[getter]
    fn columns(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.schema(py)?.fields().iter().map(|f| f.name().clone()).collect())
    }

    /// The kind of answer: 'points', 'aggregate', 'chart', 'band', 'align', 'latest', 'lttb' or 'm4'.
    #[getter]
    fn kind(&self) -> &'static str {
        self.answer.kind()
    }

    /// What could not be read and is missing here, as a tuple of `Finding`: empty unless the selection was made with
    /// `on_damage="report"` (otherwise damage raises Corrupt). Computes the answer.
    ///
    /// >>> table = store.select("loss", on_damage="report").aggregate("sum")
    /// >>> table.damage
    /// ()
    #[getter]
    fn damage<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let found = py.detach(|| self.answer.damage()).map_err(raise)?;
        records::findings(py, &found)
    }

    /// Sorts the rows by columns, ascending or descending. Nulls and NaN come last in both orders.
    ///
    /// >>> best = store.select("loss").aggregate("min", by="run").sort("min").head(10)
    #[pyo3(signature = (*columns, descending=false))]
    fn sort(&self, py: Python<'_>, columns: &Bound<'_, PyTuple>, descending: bool) -> PyResult<AnswerTable> {
        let columns = texts("a column", columns)?;
        let known = self.columns(py)?;
        if columns.is_empty() {
            return Err(invalid("sort", "no column was named", &format!("name any of {}", known.join(", "))));
        }
        if let Some(unknown) = columns.iter().find(|c| !known.contains(c)) {
            return Err(invalid(
                "sort",
                format!("there is no column {unknown:?}"),
                &format!("name any of {}", known.join(", ")),
            ));
        }
        Ok(self.then(TableStep::Sort { columns, descending }))
    }

    /// The first `rows` rows.
    #[pyo3(signature = (rows=5))]
    fn head(&self, rows: i64) -> PyResult<AnswerTable> {
        let rows = usize::try_from(rows)
            .map_err(|_| invalid("head", format!("the number of rows is {rows}"), "give 0 or more"))?;
        Ok(self.then(TableStep::Head(rows)))
    }

    /// Reports what the answer is made from: how many points each source (series tables, rollups, pages, logs) covers, and how
    /// many parts, tiles, pages and bytes were read and skipped. Runs the query anew, without `sort` and `head`.
    ///
    /// >>> how = store.select("loss").aggregate("mean", by="run").explain()
    /// >>> how.pages_read
    /// 0
    fn explain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let explain = py.detach(|| self.answer.explain()).map_err(raise)?;
        records::explain(py, &explain)
    }

    /// Converts to a `pyarrow.Table`.
    pub(crate) fn to_arrow<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.frame(py, "to_arrow")
    }

    /// Converts to a pandas DataFrame. The columns run, metric and labels of points are categoricals.
    pub(crate) fn to_pandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.frame(py, "to_pandas")
    }

    /// Converts to a Polars DataFrame.
    pub(crate) fn to_polars<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.frame(py, "to_polars")
    }

    /// Converts to a dict from column name to NumPy array.
    pub(crate) fn to_numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.frame(py, "to_numpy")
    }

    /// Draws the answer with matplotlib, according to its kind. `tidalite._plot.plot_table` documents the options.
    #[pyo3(signature = (**options))]
    fn plot<'py>(
        slf: &Bound<'py, Self>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("tidalite._plot")?.getattr("plot_table")?.call((slf,), options)
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("tidalite._html")?.call_method1("table_html", (slf,))
    }

    /// The answer as an Arrow C stream. Can be called any number of times.
    #[pyo3(signature = (requested_schema=None))]
    pub(crate) fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let field = Field::new_struct("", self.schema(py)?.fields().clone(), false);
        let arrays = TableReader::new(self.answer.clone())
            .map(|batch| Ok(Arc::new(StructArray::from(batch?)) as ArrayRef));
        let arrays = Box::new(ArrayIterator::new(arrays, field.into()));
        Ok(to_stream_pycapsule(py, arrays, requested_schema)?)
    }

    pub(crate) fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        Ok(to_schema_pycapsule(py, self.schema(py)?.as_ref())?)
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        py.detach(|| self.answer.row_count()).map_err(raise)
    }

    fn __bool__(&self) -> bool {
        // A table is always true: counting its rows may cost a query.
        true
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<tidalite.Table of {}: {}>", self.kind(), self.columns(py)?.join(", ")))
    }
}
