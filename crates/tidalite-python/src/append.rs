//! Bulk append: record batches for the engine, from Arrow data or from a dict of NumPy arrays.
//!
//! Arrow data is not copied. NumPy arrays are copied once, since the caller may change them during the append.

use crate::arguments::params::{kind, text};
use crate::arguments::time::to_us;
use crate::errors::{invalid, raise, raise_with};
use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float64Type, Int32Type, SchemaRef};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use pyo3_arrow::input::AnyRecordBatch;
use std::sync::Arc;
use tidalite::Store;

/// Batches of a stream are appended together until they hold this many rows: each append has a fixed cost.
const ROWS_PER_APPEND: usize = 1 << 20;

pub(crate) fn append(py: Python<'_>, store: &Store, data: &Bound<'_, PyAny>) -> PyResult<u64> {
    if let Ok(columns) = data.cast::<PyDict>() {
        let batch = batch_of(columns)?;
        py.detach(|| store.append(&batch)).map_err(raise)?;
        return Ok(batch.num_rows() as u64);
    }
    if !data.hasattr("__arrow_c_stream__")? && !data.hasattr("__arrow_c_array__")? {
        return Err(PyTypeError::new_err(format!(
            "append: data is a {}; give Arrow data (pyarrow, Polars, pandas, DuckDB), or a dict of NumPy arrays",
            kind(data)
        )));
    }
    // pandas does not tell NaN from a missing value, and exports NaN as null.
    let from_pandas = kind(data).starts_with("pandas.");
    let reader = data.extract::<AnyRecordBatch>()?.into_reader()?;
    py.detach(|| {
        let schema = reader.schema();
        let mut done = 0;
        let mut held: Vec<RecordBatch> = Vec::new();
        for batch in reader {
            let batch = batch.map_err(|e| stream_error(invalid_stream(e), done))?;
            held.push(if from_pandas { null_as_nan(batch) } else { batch });
            if held.iter().map(RecordBatch::num_rows).sum::<usize>() >= ROWS_PER_APPEND {
                done += flush(store, &schema, &mut held, done)?;
            }
        }
        // The columns of an empty stream are checked too.
        if done == 0 || !held.is_empty() {
            done += flush(store, &schema, &mut held, done)?;
        }
        Ok(done)
    })
}

fn flush(store: &Store, schema: &SchemaRef, held: &mut Vec<RecordBatch>, done: u64) -> PyResult<u64> {
    let batch = match &held[..] {
        [one] => one.clone(),
        several => concat_batches(schema, several).map_err(|e| stream_error(invalid_stream(e), done))?,
    };
    held.clear();
    store.append(&batch).map_err(|e| stream_error(e, done))?;
    Ok(batch.num_rows() as u64)
}

/// The batch with NaN where a floating-point value is null.
fn null_as_nan(batch: RecordBatch) -> RecordBatch {
    let Ok(at) = batch.schema_ref().index_of("value") else { return batch };
    let Some(values) = batch.column(at).as_primitive_opt::<Float64Type>().filter(|v| v.null_count() > 0)
    else {
        return batch;
    };
    let filled: Float64Array = values.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
    let mut columns = batch.columns().to_vec();
    columns[at] = Arc::new(filled);
    RecordBatch::try_new(batch.schema(), columns)
        .expect("one column is replaced by another of its type and length")
}

fn invalid_stream(e: arrow::error::ArrowError) -> tidalite::Error {
    tidalite::Error::invalid(
        "append batch",
        format!("the Arrow stream gave an error: {e}"),
        "correct its source",
    )
}

/// The exception of an error in a stream of which `done` rows are in the store.
fn stream_error(error: tidalite::Error, done: u64) -> PyErr {
    if done == 0 {
        return raise(error);
    }
    raise_with(&error, format!("{error}; the {done} rows of the stream before this batch are in the store"))
}

fn batch_of(columns: &Bound<'_, PyDict>) -> PyResult<RecordBatch> {
    if columns.is_empty() {
        return Err(invalid(
            "append batch",
            "there are no columns",
            "give the columns run, metric and value, and optionally step, time and labels",
        ));
    }
    let rows = ["step", "value"]
        .into_iter()
        .find_map(|c| columns.get_item(c).ok().flatten())
        .map_or(Ok(0), |c| c.len())?;
    let mut named: Vec<(String, ArrayRef)> = Vec::with_capacity(columns.len());
    for (name, column) in columns.iter() {
        let name = text("a column's name", &name)?;
        let array: ArrayRef = match name.as_str() {
            "run" | "metric" | "labels" => texts(&name, &column, rows)?,
            "step" => Arc::new(Int64Array::from(numbers::<i64>(&name, &column, "iu", "int64")?)),
            "value" => Arc::new(Float64Array::from(numbers::<f64>(&name, &column, "fiub", "float64")?)),
            "time" => Arc::new(TimestampMicrosecondArray::from(times(&column)?).with_timezone("UTC")),
            _ => {
                return Err(invalid(
                    "append batch",
                    format!("there is an unknown column {name:?}"),
                    "give the columns run, metric and value, and optionally step, time and labels",
                ));
            }
        };
        if array.len() != rows {
            return Err(invalid(
                "append batch",
                format!("column {name:?} has {} rows, and others have {rows}", array.len()),
                "give columns of equal length",
            ));
        }
        named.push((name, array));
    }
    RecordBatch::try_from_iter(named)
        .map_err(|e| invalid("append batch", e.to_string(), "give columns of equal length"))
}

/// One text per row, or one text for all rows.
fn texts(name: &str, column: &Bound<'_, PyAny>, rows: usize) -> PyResult<ArrayRef> {
    if column.is_instance_of::<PyString>() {
        let values = StringArray::from(vec![text(name, column)?]);
        let keys = Int32Array::from(vec![0; rows]);
        let array = DictionaryArray::<Int32Type>::try_new(keys, Arc::new(values));
        return Ok(Arc::new(array.expect("key 0 is the only value")));
    }
    // Elements of a NumPy array may not be `str`; those of its list are.
    let list = if column.hasattr("tolist")? { column.call_method0("tolist")? } else { column.clone() };
    let mut builder = arrow::array::StringDictionaryBuilder::<Int32Type>::new();
    for (row, item) in list.try_iter()?.enumerate() {
        let item = item?;
        let Ok(item) = item.cast::<PyString>() else {
            return Err(PyTypeError::new_err(format!(
                "append: column {name:?} holds a {} in row {row}, not text",
                kind(&item)
            )));
        };
        builder.append_value(item.to_str()?);
    }
    Ok(Arc::new(builder.finish()))
}

/// A column of numbers, converted to `to`. Its kind (NumPy's letter) has to be one of `kinds`.
fn numbers<T: numpy::Element + Copy>(
    name: &str,
    column: &Bound<'_, PyAny>,
    kinds: &str,
    to: &str,
) -> PyResult<Vec<T>> {
    let array = flat(name, column)?;
    let given = array.getattr("dtype")?.getattr("kind")?.extract::<String>()?;
    if !kinds.contains(&given) {
        let what = if to == "int64" { "whole numbers" } else { "numbers" };
        return Err(PyTypeError::new_err(format!(
            "append: column {name:?} has the type {}, not {what}",
            array.getattr("dtype")?.str()?
        )));
    }
    if to == "int64" && given == "u" && array.len()? > 0 {
        let max = array.call_method0("max")?;
        if max.gt(i64::MAX)? {
            return Err(invalid(
                "append batch",
                format!("column {name:?} holds {max}, beyond signed 64 bits"),
                "correct the value",
            ));
        }
    }
    let array = array.call_method1("astype", (to,))?;
    Ok(array.cast::<PyArray1<T>>()?.readonly().as_array().to_vec())
}

/// Times, from NumPy datetimes, whole microseconds, or a list of values that [`to_us`] takes.
fn times(column: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    if let Ok(dtype) = column.getattr("dtype") {
        let given = dtype.getattr("kind")?.extract::<String>()?;
        if given == "M" {
            let us =
                column.call_method1("astype", ("datetime64[us]",))?.call_method1("astype", ("int64",))?;
            let us = numbers::<i64>("time", &us, "i", "int64")?;
            if let Some(row) = us.iter().position(|&t| t == i64::MIN) {
                return Err(invalid(
                    "append batch",
                    format!("column \"time\" is NaT in row {row}"),
                    "drop rows without a time",
                ));
            }
            return Ok(us);
        }
        if "iu".contains(&given) {
            return numbers::<i64>("time", column, "iu", "int64");
        }
    }
    column.try_iter()?.map(|t| to_us(&t?)).collect()
}

fn flat<'py>(name: &str, column: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let array = column.py().import("numpy")?.call_method1("asarray", (column,))?;
    if array.getattr("ndim")?.extract::<usize>()? != 1 {
        return Err(PyTypeError::new_err(format!(
            "append: column {name:?} has the shape {}, not one dimension",
            array.getattr("shape")?.str()?
        )));
    }
    Ok(array)
}
