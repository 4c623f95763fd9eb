//! The rows of batches as Python dicts and lists, and their iteration.

use super::values::ColumnValues;
use crate::errors::raise;
use arrow::array::RecordBatch;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tidalite::Result;

/// How many rows an iteration makes objects of at a time.
const ROWS_AT_ONCE: usize = 1024;

/// Batches as they are read.
pub(super) type BatchReader = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

fn columns(batch: &RecordBatch) -> Result<Vec<ColumnValues>> {
    let schema = batch.schema();
    schema.fields().iter().zip(batch.columns()).map(|(f, c)| ColumnValues::new(f, c)).collect()
}

/// Each row of a batch as a dict from column name to value.
pub(super) fn dicts<'py>(py: Python<'py>, batch: &RecordBatch) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let schema = batch.schema();
    let names: Vec<_> = schema.fields().iter().map(|f| PyString::intern(py, f.name())).collect();
    let columns = columns(batch).map_err(raise)?;
    let columns: Vec<Vec<Bound<'py, PyAny>>> =
        columns.iter().map(|c| c.objects(py)).collect::<PyResult<_>>()?;
    let row_of = |row: usize| {
        let dict = PyDict::new(py);
        for (name, values) in names.iter().zip(&columns) {
            dict.set_item(name, &values[row])?;
        }
        Ok(dict)
    };
    (0..batch.num_rows()).map(row_of).collect()
}

/// All rows as a list of dicts.
pub(super) fn list_of_dicts(py: Python<'_>, batches: BatchReader) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    each_batch(py, batches, |batch| dicts(py, batch)?.into_iter().try_for_each(|row| list.append(row)))?;
    Ok(list)
}

/// Each column as a list of its values.
pub(super) fn dict_of_lists<'py>(
    py: Python<'py>,
    names: &[String],
    batches: BatchReader,
) -> PyResult<Bound<'py, PyDict>> {
    let lists: Vec<Bound<'py, PyList>> = names.iter().map(|_| PyList::empty(py)).collect();
    each_batch(py, batches, |batch| {
        for (list, column) in lists.iter().zip(columns(batch).map_err(raise)?) {
            column.objects(py)?.into_iter().try_for_each(|value| list.append(value))?;
        }
        Ok(())
    })?;
    let dict = PyDict::new(py);
    names.iter().zip(lists).try_for_each(|(name, list)| dict.set_item(name, list))?;
    Ok(dict)
}

/// Calls `with` for each batch. Batches are read without the interpreter lock.
pub(super) fn each_batch(
    py: Python<'_>,
    mut batches: BatchReader,
    mut with: impl FnMut(&RecordBatch) -> PyResult<()>,
) -> PyResult<()> {
    while let Some(batch) = py.detach(|| batches.next()) {
        with(&batch.map_err(raise)?)?;
        py.check_signals()?;
    }
    Ok(())
}

/// Hands out the rows of a table one by one, as dicts.
#[pyclass(module = "tidalite")]
pub(super) struct RowIterator {
    batches: Mutex<BatchReader>,
    /// What of the last batch is no dict yet.
    rest: Option<RecordBatch>,
    made: VecDeque<Py<PyDict>>,
}

impl RowIterator {
    pub(super) fn new(batches: BatchReader) -> RowIterator {
        RowIterator { batches: Mutex::new(batches), rest: None, made: VecDeque::new() }
    }

    fn read(&mut self, py: Python<'_>) -> PyResult<Option<RecordBatch>> {
        if let Some(rest) = self.rest.take() {
            return Ok(Some(rest));
        }
        let batches = self.batches.get_mut().unwrap_or_else(PoisonError::into_inner);
        py.detach(|| batches.next()).transpose().map_err(raise)
    }
}

#[pymethods]
impl RowIterator {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyDict>>> {
        while self.made.is_empty() {
            let Some(batch) = self.read(py)? else { return Ok(None) };
            let rows = batch.num_rows().min(ROWS_AT_ONCE);
            self.made = dicts(py, &batch.slice(0, rows))?.into_iter().map(Bound::unbind).collect();
            if rows < batch.num_rows() {
                self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
            }
        }
        Ok(self.made.pop_front())
    }
}
