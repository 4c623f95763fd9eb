//! The Python class `Column`: the values of one column of a table.

use super::buffer::{BufferShape, INT64, fill};
use super::values::ColumnValues;
use crate::errors::raise;
use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, take, take_record_batch};
use arrow::datatypes::{Field, SchemaRef};
use arrow::error::ArrowError;
use pyo3::exceptions::{PyBufferError, PyIndexError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PySlice};
use std::ffi::c_int;
use tidalite::{Error, ErrorKind};

/// The most values that a repr shows at each end.
const SHOWN: usize = 5;

/// The values of one column of a `Table`: `table["value"]`. A sequence of Python objects, and a buffer without a copy for whatever
/// reads buffers: `memoryview`, `array.array`, `numpy.asarray`.
///
/// A buffer has numbers as they are and times as int64: microseconds since 1970 UTC. Text, booleans and columns with missing values
/// have no buffer. A buffer is read-only.
///
/// >>> with store.run("a") as run:
/// ...     for step in range(3):
/// ...         run.log({"loss": 0.5 ** step}, step=step)
/// >>> column = store.select("loss").points()["value"]
/// >>> len(column), column[-1], column[:2].to_list(), sum(column)
/// (3, 0.25, [1.0, 0.5], 1.75)
/// >>> memoryview(column).format
/// 'd'
#[pyclass(frozen, name = "Column", module = "tidalite")]
pub struct TableColumn {
    field: Field,
    values: ColumnValues,
    shape: BufferShape,
}

impl TableColumn {
    pub(super) fn new(field: &Field, array: &ArrayRef) -> tidalite::Result<TableColumn> {
        Ok(TableColumn::of(field.clone(), ColumnValues::new(field, array)?))
    }

    fn of(field: Field, values: ColumnValues) -> TableColumn {
        let shape = BufferShape::new(values.len());
        TableColumn { field, values, shape }
    }

    /// Why it has no buffer, if it has none.
    fn refusal(&self) -> Option<String> {
        let name = self.field.name();
        match &self.values {
            ColumnValues::Float(_) | ColumnValues::Int(_) | ColumnValues::Time(_) => {
                match self.values.nulls() {
                    0 => None,
                    1 => Some(format!("column {name:?} has a missing value, which a buffer cannot hold")),
                    n => Some(format!("column {name:?} has {n} missing values, which a buffer cannot hold")),
                }
            }
            ColumnValues::Flag(_) => {
                Some(format!("column {name:?} is of booleans, which are packed as bits"))
            }
            ColumnValues::Text(_) | ColumnValues::Words(_) => {
                Some(format!("column {name:?} is text, which has no fixed width"))
            }
        }
    }
}

#[pymethods]
impl TableColumn {
    /// The name of the column.
    #[getter]
    fn name(&self) -> &str {
        self.field.name()
    }

    /// The type of the values: 'float64', 'int64', 'bool', 'text' or 'time'.
    #[getter]
    fn r#type(&self) -> String {
        self.values.type_word()
    }

    /// The number of missing values, which are `None` in Python.
    #[getter]
    fn null_count(&self) -> usize {
        self.values.nulls()
    }

    /// The values as Python objects: floats, ints, bools, text, datetimes in UTC, and `None` for missing ones.
    fn to_list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.values.objects(py)?)
    }

    /// Converts to a NumPy array: text as objects, times as `datetime64[us]` in UTC, missing numbers as NaN. The array is a copy,
    /// which may be changed; `numpy.asarray(column)` makes none.
    fn to_numpy<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("tidalite._frames")?.call_method1("column_to_numpy", (slf,))
    }

    /// The same column with NaN for missing numbers, which makes floats of integers, and NumPy's NaT for missing times.
    fn _filled(&self) -> TableColumn {
        TableColumn::of(self.field.clone(), self.values.filled())
    }

    fn __len__(&self) -> usize {
        self.values.len()
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        let rows = self.values.len();
        if let Ok(slice) = key.cast::<PySlice>() {
            let values = picked(&self.field, &self.values, slice)?;
            return Ok(TableColumn::of(self.field.clone(), values).into_pyobject(py)?.into_any());
        }
        let index: isize = key.extract().map_err(|_| {
            PyTypeError::new_err(format!("a column is indexed by an int or a slice, not by {key:?}"))
        })?;
        self.values.object(py, row_at(index, rows)?)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> ColumnIterator {
        let _ = py;
        ColumnIterator { values: self.values.clone(), next: 0 }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let rows = self.values.len();
        let shown = |from: usize, to: usize| -> PyResult<Vec<String>> {
            (from..to).map(|row| Ok(self.values.object(py, row)?.repr()?.to_string())).collect()
        };
        let values = if rows <= 2 * SHOWN {
            shown(0, rows)?
        } else {
            [shown(0, SHOWN)?, vec!["…".into()], shown(rows - SHOWN, rows)?].concat()
        };
        let (name, kind) = (self.field.name(), self.values.type_word());
        Ok(format!("<tidalite.Column {name:?} of {rows} × {kind}: [{}]>", values.join(", ")))
    }

    #[allow(unsafe_code, reason = "the buffer protocol is one of raw pointers")]
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let column = slf.get();
        if let Some(why) = column.refusal() {
            return Err(PyBufferError::new_err(format!("{why}; call to_list() or to_numpy() on it")));
        }
        // SAFETY: Python calls this with a view to fill. The values and the shape belong to the column, which is frozen, and
        // `fill` gives the view a reference to it.
        unsafe {
            match &column.values {
                ColumnValues::Float(a) => fill(view, flags, c"d", a.values(), &column.shape, slf.as_any()),
                ColumnValues::Int(a) => fill(view, flags, INT64, a.values(), &column.shape, slf.as_any()),
                ColumnValues::Time(a) => fill(view, flags, INT64, a.values(), &column.shape, slf.as_any()),
                _ => unreachable!("refused above"),
            }
        }
    }
}

/// Hands out the values of a column one by one.
#[pyclass(module = "tidalite")]
struct ColumnIterator {
    values: ColumnValues,
    next: usize,
}

#[pymethods]
impl ColumnIterator {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.next >= self.values.len() {
            return Ok(None);
        }
        self.next += 1;
        self.values.object(py, self.next - 1).map(Some)
    }
}

/// The row of an index, which counts from the end if it is negative.
pub(super) fn row_at(index: isize, rows: usize) -> PyResult<usize> {
    let row = if index < 0 { rows.checked_add_signed(index) } else { usize::try_from(index).ok() };
    row.filter(|&row| row < rows)
        .ok_or_else(|| PyIndexError::new_err(format!("there is no row {index}: there are {rows} rows")))
}

/// The rows that a slice picks of so many, in order.
pub(super) enum PickedRows {
    /// From the first, so many.
    Run(usize, usize),
    Each(UInt64Array),
}

impl PickedRows {
    pub(super) fn of(slice: &Bound<'_, PySlice>, rows: usize) -> PyResult<PickedRows> {
        let found = slice.indices(isize::try_from(rows).unwrap_or(isize::MAX))?;
        if found.step == 1 || found.slicelength <= 1 {
            let first = if found.slicelength == 0 { 0 } else { found.start };
            return Ok(PickedRows::Run(first.unsigned_abs(), found.slicelength));
        }
        let each = std::iter::successors(Some(found.start), |row| row.checked_add(found.step));
        let each = each.take(found.slicelength).map(|row| u64::try_from(row).expect("a row that exists"));
        Ok(PickedRows::Each(each.collect::<Vec<_>>().into()))
    }

    /// These rows of batches.
    pub(super) fn take(
        &self,
        schema: &SchemaRef,
        batches: Vec<RecordBatch>,
    ) -> tidalite::Result<Vec<RecordBatch>> {
        match self {
            PickedRows::Run(first, rows) => Ok(run_of(batches, *first, *rows)),
            PickedRows::Each(rows) => {
                let whole = concat_batches(schema, &batches).map_err(too_much)?;
                Ok(vec![take_record_batch(&whole, rows).map_err(too_much)?])
            }
        }
    }
}

/// So many rows of batches, from a first one on.
fn run_of(batches: Vec<RecordBatch>, first: usize, rows: usize) -> Vec<RecordBatch> {
    let (mut skip, mut left) = (first, rows);
    let mut kept = Vec::new();
    for batch in batches {
        let skipped = batch.num_rows().min(skip);
        let taken = (batch.num_rows() - skipped).min(left);
        skip -= skipped;
        left -= taken;
        if taken > 0 {
            kept.push(batch.slice(skipped, taken));
        }
    }
    kept
}

fn too_much(e: ArrowError) -> Error {
    Error::new(ErrorKind::Full, "slice", e.to_string(), "slice less")
}

fn picked(field: &Field, values: &ColumnValues, slice: &Bound<'_, PySlice>) -> PyResult<ColumnValues> {
    match PickedRows::of(slice, values.len())? {
        PickedRows::Run(first, rows) => Ok(values.slice(first, rows)),
        PickedRows::Each(rows) => {
            let array = take(values.array(), &rows, None).map_err(|e| raise(too_much(e)))?;
            ColumnValues::new(field, &array).map_err(raise)
        }
    }
}
