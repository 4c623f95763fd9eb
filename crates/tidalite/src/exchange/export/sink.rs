//! The writers of an export, and their failures.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use parquet::errors::ParquetError;
use std::io::{self, Write};
use std::path::Path;
use tidalite_model::{Error, ErrorKind, Result};

/// A writer of one format.
pub(super) trait ExportSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ExportFailure>;
    fn finish(self: Box<Self>) -> Result<(), ExportFailure>;
}

/// An output. Parquet's writer needs `Send`.
pub(super) type ExportOutput<'o> = &'o mut (dyn Write + Send);

/// Why a sink failed.
pub(super) enum ExportFailure {
    Io(io::Error),
    Format(String),
}

impl ExportFailure {
    pub(super) fn into_error(self, path: &Path) -> Error {
        match self {
            ExportFailure::Io(e) => Error::io("export", path, e),
            ExportFailure::Format(what) => Error::new(
                ErrorKind::Unsupported,
                "export",
                what,
                "choose another format, or a narrower selection",
            )
            .at(path),
        }
    }
}

impl From<io::Error> for ExportFailure {
    fn from(e: io::Error) -> Self {
        ExportFailure::Io(e)
    }
}

impl From<ArrowError> for ExportFailure {
    fn from(e: ArrowError) -> Self {
        match e {
            ArrowError::IoError(_, e) => ExportFailure::Io(e),
            other => ExportFailure::Format(other.to_string()),
        }
    }
}

impl From<ParquetError> for ExportFailure {
    fn from(e: ParquetError) -> Self {
        match e {
            ParquetError::External(e) => match e.downcast::<io::Error>() {
                Ok(e) => ExportFailure::Io(*e),
                Err(other) => ExportFailure::Format(other.to_string()),
            },
            other => ExportFailure::Format(other.to_string()),
        }
    }
}
