//! What goes wrong in an import, before it is known how much of the file is in the store already.

use std::fmt;
use std::io;
use std::path::Path;
use tidalite_model::{Error, ErrorKind};

/// The most characters of a cell that a message quotes.
const QUOTE_CHARS_MAX: usize = 40;

/// A reason to stop.
#[derive(Debug)]
pub(crate) enum ImportFault {
    /// The file holds something wrong.
    Wrong {
        /// What the caller can do about it.
        kind: ErrorKind,
        /// What is wrong, and where.
        wrong: String,
        /// What to do.
        remedy: String,
    },
    /// The file cannot be read.
    Read(io::Error),
    /// The store took no more.
    Store(Error),
}

/// Where in a file; both count from 1.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FilePlace {
    /// A line of text.
    Line(u64),
    /// A row of a table that has no lines.
    Row(u64),
}

impl ImportFault {
    pub(crate) fn wrong(wrong: impl Into<String>, remedy: impl Into<String>) -> ImportFault {
        ImportFault::Wrong { kind: ErrorKind::Invalid, wrong: wrong.into(), remedy: remedy.into() }
    }

    pub(crate) fn unsupported(wrong: impl Into<String>, remedy: impl Into<String>) -> ImportFault {
        ImportFault::Wrong { kind: ErrorKind::Unsupported, wrong: wrong.into(), remedy: remedy.into() }
    }

    /// The same, saying in which row.
    pub(crate) fn in_row(self, place: FilePlace) -> ImportFault {
        self.prefixed(|| place.to_string())
    }

    /// The same, saying in which row and column.
    pub(crate) fn in_cell(self, place: FilePlace, column: &str) -> ImportFault {
        self.prefixed(|| format!("{place}, column {}", quoted(column)))
    }

    /// The same, with one more remedy.
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

    /// The error for the caller: which file, and how many of its rows the store holds already.
    pub(crate) fn into_error(self, path: &Path, rows_kept: u64) -> Error {
        let doing = match rows_kept {
            0 => "import".to_owned(),
            kept => format!("import (the first {kept} rows are in the store)"),
        };
        match self {
            ImportFault::Wrong { kind, wrong, remedy } => Error::new(kind, doing, wrong, remedy).at(path),
            ImportFault::Read(e) => Error::io(doing, path, e),
            ImportFault::Store(e) => Error::new(e.kind(), doing, e.to_string(), "").at(path),
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

/// A text in quotation marks, its head only where it is long.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTE_CHARS_MAX) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}
