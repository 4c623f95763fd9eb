//! `ColumnValues`: the values of one column by type, and as Python objects.
//!
//! Text is `str`, a number `float` or `int`, a time a `datetime` in UTC, a missing value `None`.

use crate::arguments::time::from_us;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{
    DataType, Field, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};
use tidalite::{Error, ErrorKind, Result};

/// The values of one column, or of a slice of it.
#[derive(Clone)]
pub(super) enum ColumnValues {
    Float(Float64Array),
    Int(Int64Array),
    Time(TimestampMicrosecondArray),
    Flag(BooleanArray),
    Text(StringArray),
    /// Text of which each distinct one is held once.
    Words(DictionaryArray<Int32Type>),
}

/// The word for a column's type, as `Column.type` and `Table.types` give it.
pub(super) fn type_word(kind: &DataType) -> String {
    match kind {
        DataType::Float64 => "float64".into(),
        DataType::Int64 => "int64".into(),
        DataType::Boolean => "bool".into(),
        DataType::Utf8 | DataType::Dictionary(..) => "text".into(),
        DataType::Timestamp(..) => "time".into(),
        other => other.to_string(),
    }
}

impl ColumnValues {
    pub(super) fn new(field: &Field, column: &ArrayRef) -> Result<ColumnValues> {
        Ok(match column.data_type() {
            DataType::Float64 => ColumnValues::Float(column.as_primitive::<Float64Type>().clone()),
            DataType::Int64 => ColumnValues::Int(column.as_primitive::<Int64Type>().clone()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                ColumnValues::Time(column.as_primitive::<TimestampMicrosecondType>().clone())
            }
            DataType::Boolean => ColumnValues::Flag(column.as_boolean().clone()),
            DataType::Utf8 => ColumnValues::Text(column.as_string().clone()),
            DataType::Dictionary(key, value) if (&**key, &**value) == (&DataType::Int32, &DataType::Utf8) => {
                ColumnValues::Words(column.as_dictionary().clone())
            }
            other => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "read column",
                    format!("{:?} has the type {other}, which has no Python object", field.name()),
                    "convert the table by to_arrow()",
                ));
            }
        })
    }

    pub(super) fn array(&self) -> &dyn Array {
        match self {
            ColumnValues::Float(a) => a,
            ColumnValues::Int(a) => a,
            ColumnValues::Time(a) => a,
            ColumnValues::Flag(a) => a,
            ColumnValues::Text(a) => a,
            ColumnValues::Words(a) => a,
        }
    }

    pub(super) fn type_word(&self) -> String {
        type_word(self.array().data_type())
    }

    pub(super) fn len(&self) -> usize {
        self.array().len()
    }

    pub(super) fn nulls(&self) -> usize {
        self.array().null_count()
    }

    /// Numbers as floats, with NaN for missing ones; times with the bits of NumPy's NaT for missing ones; anything else
    /// unchanged.
    pub(super) fn filled(&self) -> ColumnValues {
        let floats = |values: &mut dyn Iterator<Item = Option<f64>>| {
            ColumnValues::Float(values.map(|v| v.unwrap_or(f64::NAN)).collect::<Vec<f64>>().into())
        };
        match self {
            ColumnValues::Float(a) => floats(&mut a.iter()),
            ColumnValues::Int(a) => floats(&mut a.iter().map(|v| v.map(|v| v as f64))),
            ColumnValues::Time(a) => {
                let times = a.iter().map(|time| time.unwrap_or(i64::MIN)).collect::<ScalarBuffer<i64>>();
                ColumnValues::Time(
                    TimestampMicrosecondArray::new(times, None).with_data_type(a.data_type().clone()),
                )
            }
            other => other.clone(),
        }
    }

    /// The value of a row, which must exist.
    pub(super) fn object<'py>(&self, py: Python<'py>, row: usize) -> PyResult<Bound<'py, PyAny>> {
        if self.array().is_null(row) {
            return Ok(py.None().into_bound(py));
        }
        Ok(match self {
            ColumnValues::Float(a) => PyFloat::new(py, a.value(row)).into_any(),
            ColumnValues::Int(a) => PyInt::new(py, a.value(row)).into_any(),
            ColumnValues::Time(a) => from_us(py, a.value(row))?,
            ColumnValues::Flag(a) => PyBool::new(py, a.value(row)).to_owned().into_any(),
            ColumnValues::Text(a) => PyString::new(py, a.value(row)).into_any(),
            ColumnValues::Words(a) => {
                let words = a.values().as_string::<i32>();
                let word = a.keys().value(row);
                PyString::new(py, words.value(usize::try_from(word).expect("a key is an index"))).into_any()
            }
        })
    }

    /// The values of all rows. Equal texts of neighbours, and of one dictionary, are one object.
    pub(super) fn objects<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        match self {
            ColumnValues::Words(a) => {
                let mut made: Vec<Option<Bound<'py, PyAny>>> = vec![None; a.values().len()];
                let mut row_of = |(row, key): (usize, Option<usize>)| match key {
                    None => Ok(py.None().into_bound(py)),
                    Some(key) => match &made[key] {
                        Some(word) => Ok(word.clone()),
                        None => {
                            let word = self.object(py, row)?;
                            Ok(made[key].insert(word).clone())
                        }
                    },
                };
                a.keys_iter().enumerate().map(&mut row_of).collect()
            }
            ColumnValues::Text(a) => {
                let mut objects: Vec<Bound<'py, PyAny>> = Vec::with_capacity(a.len());
                let mut before = None;
                for text in a {
                    let object = match (text, objects.last()) {
                        (None, _) => py.None().into_bound(py),
                        (Some(_), Some(same)) if text == before => same.clone(),
                        (Some(text), _) => PyString::new(py, text).into_any(),
                    };
                    objects.push(object);
                    before = text;
                }
                Ok(objects)
            }
            other => (0..other.len()).map(|row| other.object(py, row)).collect(),
        }
    }

    pub(super) fn slice(&self, offset: usize, rows: usize) -> ColumnValues {
        match self {
            ColumnValues::Float(a) => ColumnValues::Float(a.slice(offset, rows)),
            ColumnValues::Int(a) => ColumnValues::Int(a.slice(offset, rows)),
            ColumnValues::Time(a) => ColumnValues::Time(a.slice(offset, rows)),
            ColumnValues::Flag(a) => ColumnValues::Flag(a.slice(offset, rows)),
            ColumnValues::Text(a) => ColumnValues::Text(a.slice(offset, rows)),
            ColumnValues::Words(a) => ColumnValues::Words(a.slice(offset, rows)),
        }
    }
}
