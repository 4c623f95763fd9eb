//! A table as JSON, CSV and Arrow IPC, in memory or in a file, and as text for people.
//!
//! The text is that of the command's answers, from the same code. A file appears whole or not at all: it is written under a
//! temporary name next to its place, and renamed.

#![allow(clippy::disallowed_methods, reason = "the file is the user's, outside of the store")]

use super::rows::BatchReader;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::{FileWriter, StreamWriter};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tidalite::{Error, ErrorKind, Result};
use tidalite_cli::answer_text;

/// The form in which a table is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum WrittenForm {
    /// A list of objects, one per row; or one object per line.
    Json {
        lines: bool,
    },
    Csv,
    /// An Arrow IPC stream.
    ArrowStream,
    /// An Arrow IPC file.
    ArrowFile,
}

impl WrittenForm {
    fn doing(self) -> &'static str {
        match self {
            WrittenForm::Json { .. } => "write JSON",
            WrittenForm::Csv => "write CSV",
            WrittenForm::ArrowStream | WrittenForm::ArrowFile => "write Arrow IPC",
        }
    }

    /// The table's bytes.
    pub(super) fn bytes(self, schema: &SchemaRef, batches: BatchReader) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.write(schema, batches, &mut bytes, Path::new("memory"))?;
        Ok(bytes)
    }

    /// Writes the table to a file. An existing file is replaced once the new one is complete.
    pub(super) fn file(self, schema: &SchemaRef, batches: BatchReader, path: &Path) -> Result<()> {
        let failed = |e: io::Error| Error::io(self.doing(), path, e);
        if fs::metadata(path).is_ok_and(|about| !about.is_file()) {
            let wrong = "it is a folder or a device";
            return Err(Error::invalid(self.doing(), wrong, "give the path of a file").at(path));
        }
        // A link stays, and the file that it leads to is replaced.
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let unfinished = UnfinishedFile::create(&place).map_err(failed)?;
        let mut out = BufWriter::new(&unfinished.file);
        self.write(schema, batches, &mut out, path)?;
        out.flush().map_err(failed)?;
        drop(out);
        unfinished.publish(&place).map_err(failed)
    }

    fn write(self, schema: &SchemaRef, batches: BatchReader, out: &mut dyn Write, path: &Path) -> Result<()> {
        let failed = |e: io::Error| Error::io(self.doing(), path, e);
        let refused = |e: ArrowError| match e {
            ArrowError::IoError(_, e) => failed(e),
            e => Error::new(ErrorKind::Full, self.doing(), e.to_string(), "select less").at(path),
        };
        match self {
            WrittenForm::Json { lines } => {
                json(lines, batches, &mut |bytes| out.write_all(bytes).map_err(failed))
            }
            WrittenForm::Csv => {
                let empty = RecordBatch::new_empty(schema.clone());
                out.write_all(&answer_text::csv(&empty, true)?).map_err(failed)?;
                for batch in batches {
                    out.write_all(&answer_text::csv(&batch?, false)?).map_err(failed)?;
                }
                Ok(())
            }
            WrittenForm::ArrowStream => {
                let mut stream = StreamWriter::try_new(out, schema).map_err(refused)?;
                for batch in batches {
                    stream.write(&batch?).map_err(refused)?;
                }
                stream.finish().map_err(refused)
            }
            WrittenForm::ArrowFile => {
                // A file has one dictionary per column, so it gets one batch.
                let batches = batches.collect::<Result<Vec<_>>>()?;
                let whole = concat_batches(schema, &batches).map_err(refused)?;
                let mut file = FileWriter::try_new(out, schema).map_err(refused)?;
                file.write(&whole).map_err(refused)?;
                file.finish().map_err(refused)
            }
        }
    }
}

fn json(lines: bool, batches: BatchReader, write: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut rows = 0_usize;
    for batch in batches {
        let text = answer_text::json_lines(&batch?)?;
        if lines {
            write(&text)?;
            continue;
        }
        // No line break is in a row: JSON escapes them.
        for row in text.split(|&byte| byte == b'\n').filter(|row| !row.is_empty()) {
            write(if rows == 0 { b"[\n" } else { b",\n" })?;
            write(row)?;
            rows += 1;
        }
    }
    match (lines, rows) {
        (true, _) => Ok(()),
        (false, 0) => write(b"[]\n"),
        (false, _) => write(b"\n]\n"),
    }
}

/// A file under a temporary name, which goes away unless it is published.
struct UnfinishedFile {
    file: File,
    temporary: PathBuf,
}

impl UnfinishedFile {
    fn create(path: &Path) -> io::Result<UnfinishedFile> {
        let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut tries = 0;
        loop {
            let mut hidden = std::ffi::OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".{}-{tries}.tmp", std::process::id()));
            let temporary = path.with_file_name(hidden);
            match File::create_new(&temporary) {
                Ok(file) => return Ok(UnfinishedFile { file, temporary }),
                // Another thread, or a process of the same number that was killed.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && tries < 1000 => tries += 1,
                Err(e) => return Err(e),
            }
        }
    }

    fn publish(self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.temporary, path)
    }
}

impl Drop for UnfinishedFile {
    fn drop(&mut self) {
        // After the rename there is nothing to remove.
        let _ = fs::remove_file(&self.temporary);
    }
}
