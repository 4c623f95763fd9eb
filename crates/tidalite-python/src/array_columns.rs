//! Columns of a dict as Arrow arrays: NumPy arrays, masked or not, pandas series, Arrow arrays, and lists.
//!
//! A masked or missing value becomes null. NumPy arrays are copied once, since the caller may change them during the append.

use crate::arguments::params::{kind, text};
use crate::arguments::time::{datetimes_us, to_us};
use crate::errors::invalid;
use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Float64Array, Int32Array, Int64Array, StringArray,
    TimestampMicrosecondArray, UInt64Array, make_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::concat;
use arrow::datatypes::Int32Type;
use numpy::{PyArray1, PyArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use pyo3_arrow::input::AnyArray;
use std::sync::Arc;

/// What may be in a column of numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberKind {
    /// Whole numbers.
    Steps,
    /// Any real numbers.
    Values,
}

/// One text per row, or one text for all rows.
pub(crate) fn texts(name: &str, column: &Bound<'_, PyAny>, rows: usize) -> PyResult<ArrayRef> {
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
                "append: column {name:?} holds a value of type {} in row {row}, not text",
                kind(&item)
            )));
        };
        builder.append_value(item.to_str()?);
    }
    Ok(Arc::new(builder.finish()))
}

/// A column of labels: texts, numbers or booleans, of which any may be missing.
pub(crate) fn labels(name: &str, column: &Bound<'_, PyAny>, rows: usize) -> PyResult<ArrayRef> {
    if let Some(array) = arrow_array(column)? {
        return Ok(array);
    }
    if column.is_instance_of::<PyString>() {
        return texts(name, column, rows);
    }
    let list = if column.hasattr("tolist")? { column.call_method0("tolist")? } else { column.clone() };
    let mut builder = arrow::array::StringDictionaryBuilder::<Int32Type>::new();
    for (row, item) in list.try_iter()?.enumerate() {
        let item = item?;
        // A missing value of pandas and NaN compare as unequal to themselves.
        let same = item.eq(&item);
        if item.is_none() || !same.is_ok_and(|same| same) {
            builder.append_null();
        } else if let Ok(text) = item.cast::<PyString>() {
            builder.append_value(text.to_str()?);
        } else if let Ok(flag) = item.extract::<bool>() {
            builder.append_value(if flag { "true" } else { "false" });
        } else if let Ok(number) = item.call_method0("__index__") {
            builder.append_value(number.str()?.to_str()?);
        } else {
            return Err(PyTypeError::new_err(format!(
                "append: column {name:?} holds a value of type {} in row {row}, not text or a whole number",
                kind(&item)
            )));
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// A column of numbers.
pub(crate) fn numbers(name: &str, column: &Bound<'_, PyAny>, wanted: NumberKind) -> PyResult<ArrayRef> {
    if let Some(array) = arrow_array(column)? {
        return Ok(array);
    }
    let (array, missing) = flat(name, column)?;
    let given = array.getattr("dtype")?.getattr("kind")?.extract::<String>()?;
    let kinds = if wanted == NumberKind::Steps { "iu" } else { "fiub" };
    if !kinds.contains(&given) {
        let what = if wanted == NumberKind::Steps { "whole numbers" } else { "numbers" };
        return Err(PyTypeError::new_err(format!(
            "append: column {name:?} has the type {}, not {what}",
            array.getattr("dtype")?.str()?
        )));
    }
    let read: ArrayRef = match given.as_str() {
        "i" => Arc::new(Int64Array::from(copied::<i64>(&array, "int64")?)),
        "u" => Arc::new(UInt64Array::from(copied::<u64>(&array, "uint64")?)),
        _ => Arc::new(Float64Array::from(floats(name, &array)?)),
    };
    Ok(with_nulls(&read, missing))
}

/// Floats of any width. Refuses a finite number that a float64 cannot hold.
fn floats(name: &str, array: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
    let wide = array.getattr("dtype")?.getattr("itemsize")?.extract::<usize>()? > 8;
    let numpy = numpy(array.py())?;
    // NumPy would warn of an overflow, which is refused below.
    let quiet = pyo3::types::PyDict::new(array.py());
    quiet.set_item("over", "ignore")?;
    let guard = numpy.call_method("errstate", (), Some(&quiet))?;
    guard.call_method0("__enter__")?;
    let read = copied::<f64>(array, "float64");
    guard.call_method1("__exit__", (array.py().None(), array.py().None(), array.py().None()))?;
    let read = read?;
    if wide {
        let finite = numpy.call_method1("isfinite", (array,))?.cast_into::<PyArray1<bool>>()?;
        let finite = finite.readonly();
        let lost = finite.as_array().iter().zip(&read).position(|(finite, x)| *finite && x.is_infinite());
        if let Some(row) = lost {
            return Err(invalid(
                "append batch",
                format!("column {name:?} holds a number in row {row} beyond the range of a float64"),
                "scale it, or drop the row",
            ));
        }
    }
    Ok(read)
}

/// Times, from NumPy datetimes, whole microseconds, or a list of values that [`to_us`] takes.
pub(crate) fn times(column: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    if let Some(array) = arrow_array(column)? {
        return Ok(array);
    }
    let utc = |us: Vec<i64>| TimestampMicrosecondArray::from(us).with_timezone("UTC");
    let given = match column.getattr("dtype") {
        Ok(dtype) => dtype.getattr("kind")?.extract::<String>()?,
        Err(_) => String::new(),
    };
    if given == "M" {
        let us = datetimes_us(&plain_datetimes(column)?)?;
        let (_, missing) = flat("time", column)?;
        let missing = missing.unwrap_or_else(|| vec![false; us.len()]);
        return match us.iter().zip(missing).position(|(us, missing)| us.is_none() || missing) {
            None => Ok(Arc::new(utc(us.into_iter().flatten().collect()))),
            Some(row) => Err(invalid(
                "append batch",
                format!("column \"time\" is NaT in row {row}"),
                "drop rows without a time",
            )),
        };
    }
    if "iu".contains(&given) && !given.is_empty() {
        return numbers("time", column, NumberKind::Steps);
    }
    let us: PyResult<Vec<i64>> = column.try_iter()?.map(|t| to_us(&t?)).collect();
    Ok(Arc::new(utc(us?)))
}

/// NumPy, or an error that says what needs it and how to install it.
fn numpy(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import("tidalite._optional")?.call_method1("need", ("numpy", "append() of columns"))
}

/// The datetimes as a NumPy array in UTC. Pandas keeps a zone in its type, which NumPy does not know.
fn plain_datetimes<'py>(column: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let numpy = numpy(column.py())?;
    let dtype = column.getattr("dtype")?;
    match dtype.getattr("tz") {
        Ok(_) => {
            let unit = dtype.getattr("unit")?.extract::<String>()?;
            let options = pyo3::types::PyDict::new(column.py());
            options.set_item("dtype", format!("datetime64[{unit}]"))?;
            column.call_method("to_numpy", (), Some(&options))
        }
        Err(_) => numpy.call_method1("asarray", (column,)),
    }
}

/// An Arrow array, from pyarrow or Polars. Those of pandas are read as NumPy arrays, in which NaN is not null.
fn arrow_array(column: &Bound<'_, PyAny>) -> PyResult<Option<ArrayRef>> {
    let arrow = column.hasattr("__arrow_c_array__")? || column.hasattr("__arrow_c_stream__")?;
    if !arrow || kind(column).starts_with("pandas.") {
        return Ok(None);
    }
    let reader = column.extract::<AnyArray>()?.into_reader()?;
    let empty = arrow::array::new_empty_array(reader.field().data_type());
    let wrong = |e: arrow::error::ArrowError| {
        invalid("append batch", e.to_string(), "give an Arrow array that can be read")
    };
    let pieces = reader.collect::<Result<Vec<ArrayRef>, _>>().map_err(wrong)?;
    match &pieces[..] {
        [] => Ok(Some(empty)),
        [one] => Ok(Some(one.clone())),
        several => {
            let several: Vec<&dyn Array> = several.iter().map(AsRef::as_ref).collect();
            concat(&several).map(Some).map_err(wrong)
        }
    }
}

/// The column as a NumPy array of one dimension, and which of its rows are missing.
fn flat<'py>(name: &str, column: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Option<Vec<bool>>)> {
    let py = column.py();
    let numpy = numpy(py)?;
    let of_pandas = kind(column).starts_with("pandas.");
    let dtype = column.getattr("dtype").ok();
    let extended = dtype.as_ref().is_some_and(|dtype| !kind(dtype).starts_with("numpy."));
    let (array, missing) = if of_pandas && extended {
        let dtype = dtype.expect("a series has a type");
        match dtype.getattr("kind").and_then(|k| k.extract::<String>()) {
            Ok(k) if "iufb".contains(&k) => {
                let missing = column.call_method0("isna")?;
                let options = pyo3::types::PyDict::new(py);
                let to = match k.as_str() {
                    "i" => "int64",
                    "u" => "uint64",
                    "b" => "bool",
                    _ => "float64",
                };
                options.set_item("dtype", to)?;
                // What stands at a missing row is not read.
                match to {
                    "bool" => options.set_item("na_value", false)?,
                    _ => options.set_item("na_value", 0)?,
                }
                (column.call_method("to_numpy", (), Some(&options))?, Some(missing))
            }
            _ => (numpy.call_method1("asarray", (column,))?, None),
        }
    } else {
        let masks = numpy.getattr("ma")?;
        match column.is_instance(&masks.getattr("MaskedArray")?)? {
            true => {
                let mask = masks.call_method1("getmaskarray", (column,))?;
                (column.getattr("data")?, Some(mask))
            }
            false => (numpy.call_method1("asarray", (column,))?, None),
        }
    };
    if array.getattr("ndim")?.extract::<usize>()? != 1 {
        return Err(PyTypeError::new_err(format!(
            "append: column {name:?} has the shape {}, not one dimension",
            array.getattr("shape")?.str()?
        )));
    }
    let missing = match missing {
        Some(mask) => Some(copied::<bool>(&numpy.call_method1("asarray", (mask,))?, "bool")?),
        None => None,
    };
    Ok((array, missing))
}

fn copied<T: numpy::Element + Copy>(array: &Bound<'_, PyAny>, to: &str) -> PyResult<Vec<T>> {
    let array = array.call_method1("astype", (to,))?;
    Ok(array.cast::<PyArray1<T>>()?.readonly().as_array().to_vec())
}

fn with_nulls(array: &ArrayRef, missing: Option<Vec<bool>>) -> ArrayRef {
    let Some(missing) = missing.filter(|m| m.contains(&true)) else { return array.clone() };
    let valid = NullBuffer::from_iter(missing.into_iter().map(|missing| !missing));
    let data = array.to_data().into_builder().nulls(Some(valid));
    make_array(data.build().expect("the mask is as long as its array"))
}

/// The batch column with NaN where a floating-point value is null.
pub(crate) fn null_as_nan(column: &ArrayRef) -> ArrayRef {
    use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
    if column.null_count() == 0 {
        return column.clone();
    }
    match column.data_type() {
        DataType::Float64 => {
            let filled: Float64Array =
                column.as_primitive::<Float64Type>().iter().map(|v| v.unwrap_or(f64::NAN)).collect();
            Arc::new(filled)
        }
        DataType::Float32 => {
            let floats = column.as_primitive::<Float32Type>().iter();
            Arc::new(floats.map(|v| v.map_or(f64::NAN, f64::from)).collect::<Float64Array>())
        }
        DataType::Float16 => {
            let floats = column.as_primitive::<Float16Type>().iter();
            Arc::new(floats.map(|v| v.map_or(f64::NAN, f64::from)).collect::<Float64Array>())
        }
        _ => column.clone(),
    }
}
