//! The Python class `Table`: an answer, and its conversions to other libraries.
//!
//! May use: `arguments`, and the files `doubts.rs`, `errors.rs` and `records.rs`.

mod answer;
mod buffer;
mod column;
mod kind;
mod rows;
mod stream;
mod summaries;
mod texts;
mod values;

pub(crate) use answer::{ReadRows, RowSource};
pub(crate) use column::TableColumn;
pub(crate) use kind::{OverXKind, TableKind};

use crate::arguments::groups::groups;
use crate::arguments::params::texts;
use crate::doubts::warn_of_rate;
use crate::errors::{invalid, raise};
use crate::records;
use answer::{TableAnswer, TableStep};
use arrow::array::{Array, ArrayRef, RecordBatch, StructArray, new_empty_array};
use arrow::compute::concat;
use arrow::datatypes::{Field, SchemaRef};
use column::{PickedRows, row_at};
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict, PyList, PySlice, PyString, PyTuple};
use pyo3_arrow::ffi::{ArrayIterator, to_schema_pycapsule, to_stream_pycapsule};
use rows::{BatchReader, RowIterator};
use std::path::PathBuf;
use std::sync::Arc;
use stream::TableReader;
use texts::WrittenForm;
use tidalite::{Aggregate, Error, ErrorKind};
use tidalite_cli::answer_text;

/// The most rows that a repr shows.
const SHOWN_ROWS: usize = 10;

/// An answer in columns, computed on first use.
///
/// `table["value"]` is a `Column`, `table[0]` the first row as a dict, `table[10:20]` a table of those rows, and a loop over it goes
/// over its rows. `to_dict`, `to_dicts`, `to_json`, `to_csv` and `to_ipc` need no other package; `to_numpy`, `to_arrow`, `to_pandas` and
/// `to_polars` need the one that they convert to. Any library that reads Arrow streams takes it directly: `duckdb.sql("from table")`.
///
/// Points are read anew by each method, since they may not fit in memory, until a column, or a row from the end, is asked for. Then
/// the table keeps them. Any other answer is computed once and kept.
///
/// >>> with store.run("a") as run:
/// ...     for step in range(3):
/// ...         run.log({"loss": 0.5 ** step}, step=step)
/// >>> table = store.select("loss").aggregate("count", "min", by="run")
/// >>> table
/// <tidalite.Table of aggregate: 1 row>
/// run  count   min
/// ────────────────
/// a        3  0.25
/// >>> table[0], table["min"].to_list()
/// ({'run': 'a', 'count': 3, 'min': 0.25}, [0.25])
#[pyclass(frozen, name = "Table", module = "tidalite")]
pub struct AnswerTable {
    answer: Arc<TableAnswer>,
}

impl AnswerTable {
    pub(crate) fn new(source: RowSource) -> AnswerTable {
        AnswerTable { answer: Arc::new(TableAnswer::new(source)) }
    }

    fn with_step(&self, step: TableStep) -> AnswerTable {
        AnswerTable { answer: Arc::new(self.answer.with_step(step)) }
    }

    fn schema(&self, py: Python<'_>) -> PyResult<SchemaRef> {
        py.detach(|| self.answer.schema()).map_err(raise)
    }

    fn batches(&self, py: Python<'_>) -> PyResult<BatchReader> {
        py.detach(|| self.answer.batches()).map_err(raise)
    }

    /// A table of rows that were read.
    fn of_read(&self, schema: SchemaRef, batches: Vec<RecordBatch>) -> tidalite::Result<AnswerTable> {
        let read =
            ReadRows { schema, batches, damage: self.answer.known_damage(), kind: self.kind(), total: None };
        Ok(AnswerTable::new(RowSource::Read(read)))
    }

    /// Warns of what is doubtful about the rows that were read.
    fn read<T>(&self, py: Python<'_>, rows: PyResult<T>) -> PyResult<T> {
        let rows = rows?;
        if let Some(select) = self.answer.selection_to_warn_of() {
            warn_of_rate(py, select)?;
        }
        Ok(rows)
    }

    fn column<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let known = self.columns(py)?;
        let at = known.iter().position(|known| known == name).ok_or_else(|| {
            PyKeyError::new_err(format!("there is no column {name:?}; name any of {}", known.join(", ")))
        })?;
        let column = py.detach(|| {
            let (schema, batches) = self.answer.computed()?;
            column_of(schema, batches, at)
        });
        Ok(self.read(py, column.map_err(raise))?.into_pyobject(py)?.into_any())
    }

    fn row<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyAny>> {
        let read = py
            .detach(|| match usize::try_from(index) {
                Ok(row) => self.answer.first(row.saturating_add(1)),
                Err(_) => self.answer.computed().cloned(),
            })
            .map_err(raise);
        let (_, batches) = self.read(py, read)?;
        let mut row = row_at(index, batches.iter().map(RecordBatch::num_rows).sum())?;
        for batch in &batches {
            if row < batch.num_rows() {
                return Ok(rows::dicts(py, &batch.slice(row, 1))?.remove(0).into_any());
            }
            row -= batch.num_rows();
        }
        unreachable!("the row exists")
    }

    fn slice<'py>(&self, py: Python<'py>, slice: &Bound<'py, PySlice>) -> PyResult<Bound<'py, PyAny>> {
        let (schema, batches) = match read_for(slice)? {
            Some(rows) => py.detach(|| self.answer.first(rows)).map_err(raise)?,
            None => py.detach(|| self.answer.computed().cloned()).map_err(raise)?,
        };
        let picked = PickedRows::of(slice, batches.iter().map(RecordBatch::num_rows).sum())?;
        let table = py.detach(|| self.of_read(schema.clone(), picked.take(&schema, batches)?));
        Ok(self.read(py, table.map_err(raise))?.into_pyobject(py)?.into_any())
    }

    /// Writes to a file, or returns the bytes.
    fn written<'py>(
        &self,
        py: Python<'py>,
        form: WrittenForm,
        path: Option<PathBuf>,
    ) -> PyResult<Option<Vec<u8>>> {
        let written = py.detach(|| {
            let (schema, batches) = (self.answer.schema()?, self.answer.batches()?);
            match path {
                Some(path) => form.file(&schema, batches, &path).map(|()| None),
                None => form.bytes(&schema, batches).map(Some),
            }
        });
        self.read(py, written.map_err(raise))
    }

    fn text<'py>(
        &self,
        py: Python<'py>,
        form: WrittenForm,
        path: Option<PathBuf>,
    ) -> PyResult<Option<Bound<'py, PyString>>> {
        let bytes = self.written(py, form, path)?;
        Ok(bytes.map(|bytes| PyString::new(py, std::str::from_utf8(&bytes).expect("the text is UTF-8"))))
    }

    /// Calls a function of `tidalite._frames` with this table.
    fn frame<'py>(&self, py: Python<'py>, function: &str) -> PyResult<Bound<'py, PyAny>> {
        if !self.answer.streams() {
            // Computed here, without the interpreter lock: the stream's consumer may hold it.
            py.detach(|| self.answer.computed().map(|_| ())).map_err(raise)?;
        }
        let same = AnswerTable { answer: self.answer.clone() };
        let frame = py
            .import("tidalite._frames")?
            .call_method1(function, (same,))
            .map_err(|e| self.answer.take_stream_error().map_or(e, raise));
        self.read(py, frame)
    }
}

#[pymethods]
impl AnswerTable {
    /// The names of the columns.
    #[getter]
    fn columns(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.schema(py)?.fields().iter().map(|f| f.name().clone()).collect())
    }

    /// The type of each column: 'float64', 'int64', 'bool', 'text' or 'time'.
    #[getter]
    fn types<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let types = PyDict::new(py);
        for field in self.schema(py)?.fields() {
            types.set_item(field.name(), values::type_word(field.data_type()))?;
        }
        Ok(types)
    }

    /// The kind of answer: 'points', 'rows', 'aggregate', 'chart', 'band', 'align', 'latest', 'summaries', 'lttb' or
    /// 'm4'.
    #[getter]
    fn kind(&self) -> &'static str {
        self.answer.kind()
    }

    /// Why no point was selected, with similar names that exist; None where some were. A repr without rows shows it.
    ///
    /// >>> store.run("a").log({"loss": 0.5})
    /// >>> store.select("los").points().why
    /// 'no metric matches los; similar: loss'
    #[getter]
    fn why(&self, py: Python<'_>) -> PyResult<Option<String>> {
        py.detach(|| self.answer.why()).map_err(raise)
    }

    /// The number of rows of all pages, for a page of `Store.table`; None for any other table.
    #[getter]
    fn total(&self) -> Option<usize> {
        self.answer.total()
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

    /// Aggregates of the aggregates: of the rows of this table, by groups. Columns are named as in 'mean(last)'.
    ///
    /// `by` names groups of this table, params of its runs ('param:<name>'), single labels of its labels, or wider buckets;
    /// without it there is one row.
    ///
    /// >>> for seed, lr, loss in [("1", 0.1, 1.0), ("2", 0.1, 3.0), ("3", 0.2, 5.0)]:
    /// ...     with store.run(f"seed-{seed}", params={"lr": lr}) as run:
    /// ...         run.log({"loss": loss}, step=0)
    /// >>> last = store.select("loss", runs="seed-*").aggregate("last", by="run")
    /// >>> last.then("mean", "std", by="param:lr").to_dicts()
    /// [{'param:lr': 0.1, 'mean(last)': 2.0, 'std(last)': 1.0}, {'param:lr': 0.2, 'mean(last)': 5.0, 'std(last)': 0.0}]
    #[pyo3(signature = (*aggregates, by=None), text_signature = "($self, *aggregates, by=())")]
    fn then(&self, aggregates: &Bound<'_, PyTuple>, by: Option<&Bound<'_, PyAny>>) -> PyResult<AnswerTable> {
        let words = texts("an aggregate", aggregates)?;
        let aggregates = Aggregate::parse_list(&words).map_err(raise)?;
        let by = by.map_or(Ok(Vec::new()), groups)?;
        Ok(AnswerTable::new(self.answer.aggregated(aggregates, by).map_err(raise)?))
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
        Ok(self.with_step(TableStep::Sort { columns, descending }))
    }

    /// The first `rows` rows.
    #[pyo3(signature = (rows=5))]
    fn head(&self, rows: i64) -> PyResult<AnswerTable> {
        let rows = usize::try_from(rows)
            .map_err(|_| invalid("head", format!("the number of rows is {rows}"), "give 0 or more"))?;
        Ok(self.with_step(TableStep::Head(rows)))
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

    /// The rows, each as a dict from column name to value. Times are datetimes in UTC, missing values are `None`.
    fn to_dicts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.read(py, rows::list_of_dicts(py, self.batches(py)?))
    }

    /// A dict from column name to the list of the column's values, as of `to_dicts`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.read(py, rows::dict_of_lists(py, &self.columns(py)?, self.batches(py)?))
    }

    /// The rows as JSON: a list of objects, or with `lines` one object per line. With a path, it is written to that file.
    ///
    /// Values that are not finite are the texts "NaN", "Infinity" and "-Infinity", and times are RFC 3339, as in the JSON of the
    /// command, which imports lines back.
    ///
    /// >>> store.run("a").log({"loss": float("nan")}, step=0, time=0)
    /// >>> print(store.select("loss").points().to_json(lines=True))
    /// {"run":"a","metric":"loss","labels":"","step":0,"time":"1970-01-01T00:00:00.000000Z","value":"NaN"}
    /// <BLANKLINE>
    #[pyo3(signature = (path=None, *, lines=false))]
    fn to_json<'py>(
        &self,
        py: Python<'py>,
        path: Option<PathBuf>,
        lines: bool,
    ) -> PyResult<Option<Bound<'py, PyString>>> {
        self.text(py, WrittenForm::Json { lines }, path)
    }

    /// The rows as CSV with a header; missing values are empty. With a path, it is written to that file.
    #[pyo3(signature = (path=None))]
    fn to_csv<'py>(&self, py: Python<'py>, path: Option<PathBuf>) -> PyResult<Option<Bound<'py, PyString>>> {
        self.text(py, WrittenForm::Csv, path)
    }

    /// The bytes of an Arrow IPC stream. With a path, an Arrow IPC file is written there, whose rows are all held in memory for it.
    #[pyo3(signature = (path=None))]
    fn to_ipc<'py>(&self, py: Python<'py>, path: Option<PathBuf>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let form = if path.is_some() { WrittenForm::ArrowFile } else { WrittenForm::ArrowStream };
        Ok(self.written(py, form, path)?.map(|bytes| PyBytes::new(py, &bytes)))
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

    /// A column by name, a row by index, or a table of the rows of a slice.
    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        if let Ok(name) = key.cast::<PyString>() {
            return self.column(py, name.to_str()?);
        }
        if let Ok(slice) = key.cast::<PySlice>() {
            return self.slice(py, slice);
        }
        let index = key.extract().map_err(|_| {
            PyTypeError::new_err(format!(
                "a table is indexed by a column's name, an int or a slice, not by {key:?}"
            ))
        })?;
        self.row(py, index)
    }

    fn __iter__(&self, py: Python<'_>) -> PyResult<RowIterator> {
        Ok(RowIterator::new(self.batches(py)?))
    }

    /// All columns, from one reading, which the table does not keep.
    fn _columns(&self, py: Python<'_>) -> PyResult<Vec<TableColumn>> {
        let columns = py.detach(|| {
            let (schema, batches) = self.answer.first(usize::MAX)?;
            let each = (0..schema.fields().len()).map(|at| column_of(&schema, &batches, at));
            each.collect::<tidalite::Result<Vec<_>>>()
        });
        self.read(py, columns.map_err(raise))
    }

    fn __bool__(&self) -> bool {
        // A table is always true: counting its rows may cost a query.
        true
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let kind = self.kind();
        // A repr is shown in debuggers and tracebacks, where an exception helps nobody.
        py.detach(|| shown(&self.answer)).map_or_else(
            |e| format!("<tidalite.Table of {kind}, which cannot be read: {e}>"),
            |(rows, text)| format!("<tidalite.Table of {kind}: {rows}>\n{text}"),
        )
    }
}

/// The number of rows in words, and the first ones as text.
fn shown(answer: &TableAnswer) -> tidalite::Result<(String, String)> {
    let rows = answer.row_count()?;
    let (schema, batches) = answer.first(SHOWN_ROWS.min(rows))?;
    let mut text = answer_text::table(&schema, &answer::head(batches, SHOWN_ROWS))?;
    text.truncate(text.trim_end().len());
    if rows > SHOWN_ROWS {
        text.push_str(&format!("\n… and {} more", rows - SHOWN_ROWS));
    }
    if rows == 0
        && let Some(why) = answer.why()?
    {
        text.push_str(&format!("\nnothing matches: {why}"));
    }
    Ok((if rows == 1 { "1 row".into() } else { format!("{rows} rows") }, text))
}

/// One column of all batches. Those of one batch are not copied.
fn column_of(schema: &SchemaRef, batches: &[RecordBatch], at: usize) -> tidalite::Result<TableColumn> {
    let field = schema.field(at);
    let pieces: Vec<&dyn Array> = batches.iter().map(|batch| &**batch.column(at)).collect();
    let array = match pieces[..] {
        [] => new_empty_array(field.data_type()),
        [_] => batches[0].column(at).clone(),
        _ => concat(&pieces).map_err(|e| {
            let doing = format!("read column {:?}", field.name());
            Error::new(ErrorKind::Full, doing, e.to_string(), "select less, or read the rows one by one")
        })?,
    };
    TableColumn::new(field, &array)
}

/// How many of the first rows a slice needs. `None` means all: it counts from the end, or backwards.
fn read_for(slice: &Bound<'_, PySlice>) -> PyResult<Option<usize>> {
    let number = |name: &str| slice.getattr(name)?.extract::<Option<isize>>();
    let (start, stop, step) = (number("start")?, number("stop")?, number("step")?);
    let forwards = start.is_none_or(|s| s >= 0) && step.is_none_or(|s| s > 0);
    Ok(stop.and_then(|stop| usize::try_from(stop).ok()).filter(|_| forwards))
}
