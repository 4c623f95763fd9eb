//! Encodes batches as JSON lines and as CSV.

use super::cells::{CellColumn, quoted};
use crate::error::{CliError, CliResult};
use arrow::array::RecordBatch;

/// The batch's rows as JSON objects, one per line.
pub(crate) fn json_lines(batch: &RecordBatch) -> CliResult<Vec<u8>> {
    let schema = batch.schema();
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let mut key = serde_json::Value::from(field.name().as_str()).to_string().into_bytes();
        key.push(b':');
        columns.push((key, CellColumn::new(field, column)?));
    }
    let mut out = Vec::with_capacity(batch.num_rows() * 96);
    for row in 0..batch.num_rows() {
        for (i, (key, cells)) in columns.iter().enumerate() {
            out.push(if i == 0 { b'{' } else { b',' });
            out.extend_from_slice(key);
            cells.json(row, &mut out);
        }
        out.extend_from_slice(b"}\n");
    }
    Ok(out)
}

/// The batch's rows as CSV.
pub(crate) fn csv(batch: &RecordBatch, header: bool) -> CliResult<Vec<u8>> {
    let schema = batch.schema();
    let mut out = Vec::with_capacity(batch.num_rows() * 80);
    if header {
        for (i, field) in schema.fields().iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            quoted(field.name(), &mut out);
        }
        out.push(b'\n');
    }
    let columns = schema.fields().iter().zip(batch.columns());
    let columns: Vec<CellColumn> = columns.map(|(f, c)| CellColumn::new(f, c)).collect::<CliResult<_>>()?;
    for row in 0..batch.num_rows() {
        for (i, cells) in columns.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            cells.csv(row, &mut out);
        }
        out.push(b'\n');
    }
    Ok(out)
}

/// The batch's rows as JSON objects.
pub(crate) fn json_rows(batch: &RecordBatch) -> CliResult<Vec<serde_json::Value>> {
    let text = json_lines(batch)?;
    let rows = text.split(|&b| b == b'\n').filter(|l| !l.is_empty()).map(serde_json::from_slice);
    rows.collect::<Result<_, _>>().map_err(|e| CliError::Other(format!("write answer: {e}")))
}
