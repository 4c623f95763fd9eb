//! The values of a column as text, for each format.

use super::columns::JSON_EXTENSION;
use crate::error::{CliError, CliResult};
use crate::text::{number, time_text};
use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};

/// A column of an answer, by type.
pub(super) enum CellColumn {
    Text(StringArray),
    Json(StringArray),
    Int(Int64Array),
    Float(Float64Array),
    Time(TimestampMicrosecondArray),
}

impl CellColumn {
    pub(super) fn new(field: &Field, column: &ArrayRef) -> CliResult<CellColumn> {
        Ok(match column.data_type() {
            DataType::Int64 => CellColumn::Int(column.as_primitive::<Int64Type>().clone()),
            DataType::Float64 => CellColumn::Float(column.as_primitive::<Float64Type>().clone()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                CellColumn::Time(column.as_primitive::<TimestampMicrosecondType>().clone())
            }
            // The text of a boolean is its JSON.
            DataType::Boolean => CellColumn::Json(
                cast(column, &DataType::Utf8).map_err(encode_error)?.as_string::<i32>().clone(),
            ),
            _ => {
                let texts = cast(column, &DataType::Utf8).map_err(encode_error)?.as_string::<i32>().clone();
                let json = field.metadata().get(JSON_EXTENSION.0).is_some_and(|v| v == JSON_EXTENSION.1);
                if json { CellColumn::Json(texts) } else { CellColumn::Text(texts) }
            }
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            CellColumn::Text(a) | CellColumn::Json(a) => a.is_null(row),
            CellColumn::Int(a) => a.is_null(row),
            CellColumn::Float(a) => a.is_null(row),
            CellColumn::Time(a) => a.is_null(row),
        }
    }

    /// The text of a cell in a table.
    pub(super) fn table_text(&self, row: usize) -> String {
        if self.is_null(row) {
            return "–".into();
        }
        match self {
            CellColumn::Text(a) => a.value(row).to_owned(),
            CellColumn::Json(a) => plain_json(a.value(row)),
            CellColumn::Int(a) => a.value(row).to_string(),
            CellColumn::Float(a) => number(a.value(row)),
            CellColumn::Time(a) => time_text(a.value(row), true),
        }
    }

    /// Appends a cell as JSON.
    pub(super) fn json(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return;
        }
        // Writing to a vector cannot fail.
        let _ = match self {
            CellColumn::Text(a) => serde_json::to_writer(&mut *out, a.value(row)),
            CellColumn::Json(a) => {
                out.extend_from_slice(a.value(row).as_bytes());
                Ok(())
            }
            CellColumn::Int(a) => serde_json::to_writer(&mut *out, &a.value(row)),
            CellColumn::Float(a) if a.value(row).is_finite() => {
                serde_json::to_writer(&mut *out, &a.value(row))
            }
            CellColumn::Float(a) => {
                serde_json::to_writer(&mut *out, &a.value(row).to_string().replace("inf", "Infinity"))
            }
            CellColumn::Time(a) => serde_json::to_writer(&mut *out, &time_text(a.value(row), false)),
        };
    }

    /// Appends a cell as CSV.
    pub(super) fn csv(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            return;
        }
        match self {
            CellColumn::Text(a) | CellColumn::Json(a) => quoted(a.value(row), out),
            // `{:?}` is the shortest text that reads back exactly; very large and very small values have an exponent.
            CellColumn::Float(a) if a.value(row).is_finite() => {
                out.extend_from_slice(format!("{:?}", a.value(row)).as_bytes())
            }
            CellColumn::Float(a) => out.extend_from_slice(a.value(row).to_string().as_bytes()),
            CellColumn::Int(a) => out.extend_from_slice(a.value(row).to_string().as_bytes()),
            CellColumn::Time(a) => out.extend_from_slice(time_text(a.value(row), false).as_bytes()),
        }
    }
}

/// Formats a JSON object as `k=v, k=v`, and a list as its items.
fn plain_json(text: &str) -> String {
    let plain = |v: &serde_json::Value| match v {
        serde_json::Value::String(s) => s.clone(),
        other => other.to_string(),
    };
    match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(map)) => {
            map.iter().map(|(k, v)| format!("{k}={}", plain(v))).collect::<Vec<_>>().join(", ")
        }
        Ok(serde_json::Value::Array(items)) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        _ => text.to_owned(),
    }
}

/// Appends a CSV field, quoted as RFC 4180 requires.
pub(super) fn quoted(text: &str, out: &mut Vec<u8>) {
    if !text.contains([',', '"', '\n', '\r']) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

pub(crate) fn encode_error(e: arrow::error::ArrowError) -> CliError {
    CliError::Other(format!("write answer: {e}"))
}
