//! Faults of an import, without the number of rows already stored, which [`ImportFault::into_error`] adds.

use std::fmt;
use std::io;
use std::path::Path;
use tidalite_model::{Error, ErrorKind};

/// The most characters of a cell quoted in a message.
const QUOTE_CHARS_MAX: usize = 40;

/// Why an import stops.
#[derive(Debug)]
pub(crate) enum ImportFault {
    /// The options or the file are wrong.
    Wrong {
        /// The kind of the error.
        kind: ErrorKind,
        /// What is wrong and where.
        wrong: String,
        /// What to do.
        remedy: String,
    },
    /// The file cannot be read.
    Read(io::Error),
    /// The store refused a batch.
    Store(Error),
}

/// A place in a file, counted from 1.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FilePlace {
    /// A line of text.
    Line(u64),
    /// A row of a format without lines.
    Row(u64),
}

impl ImportFault {
    pub(crate) fn wrong(wrong: impl Into<String>, remedy: impl Into<String>) -> ImportFault {
        ImportFault::Wrong { kind: ErrorKind::Invalid, wrong: wrong.into(), remedy: remedy.into() }
    }

    pub(crate) fn unsupported(wrong: impl Into<String>, remedy: impl Into<String>) -> ImportFault {
        ImportFault::Wrong { kind: ErrorKind::Unsupported, wrong: wrong.into(), remedy: remedy.into() }
    }

    /// The fault of a reader. A decompressor reports damage as invalid data.
    pub(super) fn of_read(e: io::Error) -> ImportFault {
        match e.kind() {
            io::ErrorKind::InvalidData => ImportFault::wrong(e.to_string(), "fetch or write the file again"),
            _ => ImportFault::Read(e),
        }
    }

    /// Adds the row.
    pub(crate) fn in_row(self, place: FilePlace) -> ImportFault {
        self.prefixed(|| place.to_string())
    }

    /// Adds the row and column.
    pub(crate) fn in_cell(self, place: FilePlace, column: &str) -> ImportFault {
        self.prefixed(|| format!("{place}, column {}", quoted(column)))
    }

    /// Adds a second remedy.
    pub(crate) fn or(self, other: &str) -> ImportFault {
        match self {
            ImportFault::Wrong { kind, wrong, remedy } => {
                ImportFault::Wrong { kind, wrong, remedy: format!("{remedy}, or {other}") }
            }
            other => other,
        }
    }

    fn prefixed(self, place: impl Fn() -> String) -> ImportFault {
        match self {
            ImportFault::Wrong { kind, wrong, remedy } => {
                ImportFault::Wrong { kind, wrong: format!("{}: {wrong}", place()), remedy }
            }
            other => other,
        }
    }

    /// The error for the caller, with the file, if there is one, and the number of its rows already stored.
    pub(crate) fn into_error(self, path: Option<&Path>, rows_kept: u64) -> Error {
        let doing = match rows_kept {
            0 => "import".to_owned(),
            kept => format!("import (the first {kept} rows are in the store)"),
        };
        let error = match self {
            ImportFault::Wrong { kind, wrong, remedy } => Error::new(kind, doing, wrong, remedy),
            ImportFault::Read(e) => return Error::io(doing, path.unwrap_or(Path::new("the input")), e),
            ImportFault::Store(e) => Error::new(e.kind(), doing, e.to_string(), ""),
        };
        match path {
            Some(path) => error.at(path),
            None => error,
        }
    }
}

impl fmt::Display for FilePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FilePlace::Line(n) => write!(f, "line {n}"),
            FilePlace::Row(n) => write!(f, "row {n}"),
        }
    }
}

/// Quotes a text, shortened if it is long.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTE_CHARS_MAX) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}
