//! Bulk append: record batches for the engine, from Arrow data or from a dict of columns.
//!
//! A table of points goes to the engine as it is. A table with columns of labels or metrics is imported by the rules of files.
//! Arrow data is not copied.

use crate::append_options::AppendOptions;
use crate::arguments::params::{kind, text};
use crate::array_columns::{NumberKind, labels, null_as_nan, numbers, texts, times};
use crate::errors::{invalid, raise, raise_with};
use crate::warning::warn;
use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3_arrow::input::AnyRecordBatch;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidalite::{ImportStats, Store};

/// Batches of a stream are appended together until they hold this many rows: each append has a fixed cost.
const ROWS_PER_APPEND: usize = 1 << 20;

pub(crate) fn append(
    py: Python<'_>,
    store: &Store,
    data: &Bound<'_, PyAny>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<u64> {
    let options = AppendOptions::read(options)?;
    if let Ok(columns) = data.cast::<PyDict>() {
        let batch = batch_of(columns, &options)?;
        let schema = batch.schema();
        if let Some(import) = options.import(&schema) {
            let batches = RecordBatchIterator::new([Ok(batch)], schema);
            let stats = py.detach(|| store.import_batches(batches, &import)).map_err(raise)?;
            return appended(py, &stats);
        }
        py.detach(|| store.append(&batch)).map_err(raise)?;
        return Ok(batch.num_rows() as u64);
    }
    if !data.hasattr("__arrow_c_stream__")? && !data.hasattr("__arrow_c_array__")? {
        return Err(PyTypeError::new_err(format!(
            "append: data is of type {}; give Arrow data (pyarrow, Polars, pandas, DuckDB), or a dict of NumPy arrays",
            kind(data)
        )));
    }
    let floats = if options.nan_is_missing { Vec::new() } else { plain_columns(data)? };
    let reader = data.extract::<AnyRecordBatch>()?.into_reader()?;
    // A float column of pandas has NaN where other libraries have a missing value.
    let tells_nan = kind(data).starts_with("pandas.") && options.is_wide() && !options.nan_is_missing;
    let nans = AtomicU64::new(0);
    let count = |batch: RecordBatch| {
        nans.fetch_add(if tells_nan { nan_values(&batch) } else { 0 }, Ordering::Relaxed);
        batch
    };
    let stats = py.detach(|| {
        let schema = of_points(&reader.schema(), &floats);
        let to = schema.clone();
        let batches =
            reader.map(move |batch| batch.and_then(|batch| nan_where_null(batch, &floats, &to)).map(count));
        match options.import(&schema) {
            Some(import) => {
                let batches = RecordBatchIterator::new(batches, schema);
                store.import_batches(batches, &import).map_err(raise)
            }
            None => {
                let mut stats = ImportStats::default();
                stats.points = append_points(store, &schema, batches)?;
                Ok(stats)
            }
        }
    });
    let mut stats = stats?;
    if let nans @ 1.. = nans.into_inner() {
        let remark = "NaN were stored as values; give nan_is_missing=True if they stand for missing ones";
        stats.remarks.push(format!("{nans} {remark}"));
    }
    appended(py, &stats)
}

/// The number of NaN in the columns of floats.
fn nan_values(batch: &RecordBatch) -> u64 {
    let nans = |column: &ArrayRef| match column.data_type() {
        DataType::Float64 => {
            column.as_primitive::<Float64Type>().iter().flatten().filter(|v| v.is_nan()).count()
        }
        DataType::Float32 => {
            column.as_primitive::<Float32Type>().iter().flatten().filter(|v| v.is_nan()).count()
        }
        _ => 0,
    };
    batch.columns().iter().map(nans).sum::<usize>() as u64
}

/// The number of points. A remark, such as which column was taken as the step, is a warning.
fn appended(py: Python<'_>, stats: &ImportStats) -> PyResult<u64> {
    for remark in &stats.remarks {
        warn(py, &format!("append: {remark}"))?;
    }
    Ok(stats.points)
}

/// Appends the batches of a table of points.
fn append_points(
    store: &Store,
    schema: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
) -> PyResult<u64> {
    let mut done = 0;
    let mut held: Vec<RecordBatch> = Vec::new();
    for batch in batches {
        held.push(batch.map_err(|e| stream_error(invalid_stream(e), done))?);
        if held.iter().map(RecordBatch::num_rows).sum::<usize>() >= ROWS_PER_APPEND {
            done += flush(store, schema, &mut held, done)?;
        }
    }
    // The columns of an empty stream are checked too.
    if done == 0 || !held.is_empty() {
        done += flush(store, schema, &mut held, done)?;
    }
    Ok(done)
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

/// The columns of a pandas frame that cannot tell NaN from a missing value. Pandas exports their NaN as null.
fn plain_columns(data: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    if !kind(data).starts_with("pandas.") {
        return Ok(Vec::new());
    }
    let mut plain = Vec::new();
    for pair in data.getattr("dtypes")?.call_method0("items")?.try_iter()? {
        let (name, dtype) = pair?.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
        if kind(&dtype).starts_with("numpy.") && dtype.getattr("kind")?.eq("f")? {
            plain.push(name.str()?.to_str()?.to_owned());
        }
    }
    Ok(plain)
}

/// The schema after [`nan_where_null`].
fn of_points(schema: &SchemaRef, floats: &[String]) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match floats.contains(field.name()) {
        true => Arc::new(Field::new(field.name(), arrow::datatypes::DataType::Float64, true)),
        false => field.clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The batch with NaN where a float of these columns is null.
fn nan_where_null(batch: RecordBatch, floats: &[String], to: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        match floats.contains(field.name()) {
            true => null_as_nan(column),
            false => column.clone(),
        }
    });
    RecordBatch::try_new(to.clone(), columns.collect())
}

fn invalid_stream(e: ArrowError) -> tidalite::Error {
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

fn batch_of(columns: &Bound<'_, PyDict>, options: &AppendOptions) -> PyResult<RecordBatch> {
    if columns.is_empty() {
        return Err(invalid(
            "append batch",
            "there are no columns",
            "give the columns run, metric and value, and optionally step, time and labels",
        ));
    }
    let rows = rows_of(columns, options)?;
    let mut named: Vec<(String, ArrayRef)> = Vec::with_capacity(columns.len());
    for (name, column) in columns.iter() {
        let name = text("a column's name", &name)?;
        let is_metric = options.metrics.as_ref().is_some_and(|m| m.contains(&name));
        let array: ArrayRef = match name.as_str() {
            _ if options.labels.contains(&name) => labels(&name, &column, rows)?,
            _ if is_metric => numbers(&name, &column, NumberKind::Values)?,
            "run" | "metric" | "labels" => texts(&name, &column, rows)?,
            "step" => numbers("step", &column, NumberKind::Steps)?,
            "value" => numbers("value", &column, NumberKind::Values)?,
            "time" => times(&column)?,
            // Metrics were named, and this is none of them.
            _ if options.metrics.is_some() => continue,
            _ if options.is_wide() => numbers(&name, &column, NumberKind::Values)?,
            _ => {
                return Err(invalid(
                    "append batch",
                    format!("there is an unknown column {name:?}"),
                    "give the columns run, metric and value, and optionally step, time and labels; or name the columns that \
                     are labels or metrics",
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
    RecordBatch::try_from_iter_with_nullable(named.into_iter().map(|(name, array)| (name, array, true)))
        .map_err(|e| invalid("append batch", e.to_string(), "give columns of equal length"))
}

/// The number of rows: that of a column which is never a single text.
fn rows_of(columns: &Bound<'_, PyDict>, options: &AppendOptions) -> PyResult<usize> {
    let metric = options.metrics.iter().flatten().next().map(String::as_str);
    for name in ["step", "value"].into_iter().chain(metric) {
        if let Some(column) = columns.get_item(name)? {
            return column.len();
        }
    }
    for (_, column) in columns.iter() {
        if !column.is_instance_of::<pyo3::types::PyString>() {
            return column.len();
        }
    }
    Ok(0)
}
