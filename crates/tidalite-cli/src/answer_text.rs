//! Batches as text in the formats of the command's answers, for programs that embed the command.

use crate::error::{CliError, CliResult};
use crate::output;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tidalite::{Error, ErrorKind, Result};

/// One JSON object per row and line. Values that are not finite are the strings `"NaN"`, `"Infinity"` and `"-Infinity"`,
/// times are RFC 3339 in UTC with microseconds.
///
/// # Errors
/// `Unsupported` for a column whose type has no text.
pub fn json_lines(batch: &RecordBatch) -> Result<Vec<u8>> {
    plain(output::json_lines(batch))
}

/// CSV, one line per row, and before them a line with the names of the columns if `header` says so. Values that are not
/// finite are `NaN`, `inf` and `-inf`.
///
/// # Errors
/// `Unsupported` for a column whose type has no text.
pub fn csv(batch: &RecordBatch, header: bool) -> Result<Vec<u8>> {
    plain(output::csv(batch, header))
}

/// Aligned columns for people, with the names of the columns above them. Numbers are rounded.
///
/// # Errors
/// `Unsupported` for a column whose type has no text.
pub fn table(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<String> {
    plain(output::table_text(schema, batches))
}

fn plain<T>(result: CliResult<T>) -> Result<T> {
    result.map_err(|e| match e {
        CliError::Engine(e) => e,
        other => {
            let wrong = other.message().unwrap_or_else(|| "the answer has no text".into());
            Error::new(ErrorKind::Unsupported, "write answer as text", wrong, "convert it to Arrow instead")
        }
    })
}
