//! The columns of a batch as the engine takes them. A column of the right type is shared, not copied.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType, UInt64Type,
};
use tidalite_model::{Error, Result, TIME_US_MAX, TIME_US_MIN};

pub(super) fn wrong(what: impl Into<String>, remedy: impl Into<String>) -> Error {
    Error::invalid("append batch", what, remedy)
}

pub(super) fn wrong_type(name: &str, column: &ArrayRef, wanted: &str) -> Error {
    wrong(format!("column {name:?} has the type {}", column.data_type()), format!("make it {wanted}"))
}

pub(super) fn required(batch: &RecordBatch, name: &str) -> Result<ArrayRef> {
    batch.column_by_name(name).cloned().ok_or_else(|| {
        wrong(
            format!("there is no column {name:?}"),
            "give the columns run, metric, value and optionally step, time and labels",
        )
    })
}

pub(super) fn refuse_nulls(name: &str, column: &ArrayRef) -> Result<()> {
    match column.logical_nulls().filter(|n| n.null_count() > 0) {
        None => Ok(()),
        Some(nulls) => {
            let row = nulls.iter().position(|valid| !valid).unwrap_or(0);
            let remedy = match name {
                "value" => "drop such rows, or fill them; a missing value may be NaN",
                "step" => "drop such rows, or fill them; leave the column out to count all steps up",
                _ => "drop such rows, or fill them",
            };
            Err(wrong(format!("column {name:?} is null in row {row}"), remedy))
        }
    }
}

/// Casts a column. A value that does not fit is an error that names its row.
pub(super) fn cast(name: &str, column: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let done = cast_with_options(column, to, &options)
        .map_err(|e| wrong(format!("column {name:?}: {e}"), "give it another type"))?;
    if let Some(nulls) = done.logical_nulls().filter(|n| n.null_count() > 0) {
        let row = nulls.iter().position(|valid| !valid).unwrap_or(0);
        let range = if *to == DataType::Int64 { "beyond signed 64 bits" } else { "out of range" };
        return Err(wrong(format!("column {name:?} is {range} in row {row}"), "correct the value"));
    }
    Ok(done)
}

pub(super) fn integers(column: &ArrayRef) -> Result<ScalarBuffer<i64>> {
    if !column.data_type().is_integer() {
        return Err(wrong_type("step", column, "an integer"));
    }
    refuse_nulls("step", column)?;
    Ok(cast("step", column, &DataType::Int64)?.as_primitive::<Int64Type>().values().clone())
}

pub(super) fn numbers(column: &ArrayRef) -> Result<ScalarBuffer<f64>> {
    if !column.data_type().is_numeric() && *column.data_type() != DataType::Boolean {
        return Err(wrong_type("value", column, "a number"));
    }
    refuse_nulls("value", column)?;
    refuse_inexact(column)?;
    Ok(cast("value", column, &DataType::Float64)?.as_primitive::<Float64Type>().values().clone())
}

/// Refuses a whole number that a float64 does not hold exactly: the value stored would be another one.
fn refuse_inexact(column: &ArrayRef) -> Result<()> {
    let row = match column.data_type() {
        DataType::Int64 => {
            column.as_primitive::<Int64Type>().values().iter().position(|&n| !is_exact(i128::from(n)))
        }
        DataType::UInt64 => {
            column.as_primitive::<UInt64Type>().values().iter().position(|&n| !is_exact(i128::from(n)))
        }
        _ => None,
    };
    match row {
        None => Ok(()),
        Some(row) => Err(wrong(
            format!("column \"value\" holds a whole number in row {row} that a float64 cannot hold exactly"),
            "round it, or make the column float64 to store the nearest numbers",
        )),
    }
}

/// Whether a float64 holds a whole number of 64 bits exactly.
pub(crate) fn is_exact(n: i128) -> bool {
    n as f64 as i128 == n
}

/// Timestamps in nanoseconds as microseconds, rounded down. A cast would round those before 1970 up.
pub(crate) fn floor_to_us(column: &ArrayRef) -> TimestampMicrosecondArray {
    column.as_primitive::<TimestampNanosecondType>().unary(|ns| ns.div_euclid(1_000))
}

pub(super) fn times(column: &ArrayRef) -> Result<ScalarBuffer<i64>> {
    refuse_nulls("time", column)?;
    let times: ScalarBuffer<i64> = match column.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => floor_to_us(column).values().clone(),
        DataType::Timestamp(_, zone) => {
            let to = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
            cast("time", column, &to)?.as_primitive::<TimestampMicrosecondType>().values().clone()
        }
        t if t.is_integer() => {
            cast("time", column, &DataType::Int64)?.as_primitive::<Int64Type>().values().clone()
        }
        _ => return Err(wrong_type("time", column, "a timestamp, or integer microseconds since 1970")),
    };
    match times.iter().position(|t| !(TIME_US_MIN..=TIME_US_MAX).contains(t)) {
        None => Ok(times),
        Some(row) => Err(wrong(
            format!("time {} in row {row} is outside the years 1 to 9999", times[row]),
            "give integer times in microseconds since 1970 (nanoseconds divided by 1,000), or a timestamp type",
        )),
    }
}
