//! Reads CSV: a header, then one record per row. Quoted fields may hold delimiters, line ends and doubled quotes.

use super::batch::PointBatch;
use super::cell::TableCell;
use super::fault::{FilePlace, ImportFault};
use super::long::Loader;
use super::map::{ColumnUse, ROLES, TableForm};
use super::metered::{Metered, READ_AHEAD_BYTES, is_too_long, too_long};
use super::options::Import;
use std::cell::Cell as Shared;
use std::fs::File;
use std::io::{self, Read};

pub(super) fn load(
    file: &File,
    import: &Import,
    delimiter: u8,
    batch: &mut PointBatch<'_>,
    now_us: i64,
) -> Result<(), ImportFault> {
    let (row_bytes, ends) = (Shared::new(0), LineEnds::default());
    let metered = Metered { file, bytes_done: batch.bytes_done, row_bytes: &row_bytes };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        // The number of fields is checked below, where the line is known.
        .flexible(true)
        .buffer_capacity(READ_AHEAD_BYTES)
        .from_reader(Watched { metered, ends: &ends });
    let header = reader.headers().map_err(|e| fault(e, FilePlace::Line(1), row_bytes.get()))?.clone();
    if header.is_empty() {
        return Err(ImportFault::wrong(
            "the file is empty",
            "give a file whose first line names the columns",
        ));
    }
    let names: Vec<&str> = header.iter().collect();
    let (shape, slots) = import.shape(&names, false)?;
    let form = shape.form;
    let mut roles = [None; ROLES.len()];
    let mut metrics = Vec::new();
    for (column, slot) in slots.iter().enumerate() {
        match slot {
            ColumnUse::Role(role) => roles[*role as usize] = Some(column),
            ColumnUse::Metric => metrics.push((column, names[column])),
            ColumnUse::Ignored => {}
        }
    }
    let mut loader = Loader::new(import, shape, batch, now_us);
    let mut record = csv::StringRecord::new();
    loop {
        row_bytes.set(0);
        let next = FilePlace::Line(reader.position().line() + u64::from(ends.windows.get()));
        if !reader.read_record(&mut record).map_err(|e| fault(e, next, row_bytes.get()))? {
            return Ok(());
        }
        let place = FilePlace::Line(ends.first_line(reader.position(), &record));
        if record.len() != header.len() {
            let wrong = format!("the row has {} fields, and the header has {}", record.len(), header.len());
            return Err(
                ImportFault::wrong(wrong, "correct the row, or give the file's delimiter").in_row(place)
            );
        }
        let cell = |column: usize| match &record[column] {
            "" => TableCell::Null,
            text => TableCell::Text(text),
        };
        let cells = roles.map(|column| column.map_or(TableCell::Null, cell));
        match form {
            TableForm::Long => loader.long(place, &cells)?,
            TableForm::Wide => {
                loader.wide(place, &cells, metrics.iter().map(|(column, name)| (*name, cell(*column))))?
            }
        }
    }
}

fn fault(e: csv::Error, place: FilePlace, row_bytes: u64) -> ImportFault {
    match e.into_kind() {
        csv::ErrorKind::Io(_) if is_too_long(row_bytes) => too_long(place),
        csv::ErrorKind::Io(e) => ImportFault::Read(e),
        csv::ErrorKind::Utf8 { err, .. } => {
            let wrong = format!("field {} is not UTF-8 text", err.field() + 1);
            ImportFault::wrong(wrong, "convert the file to UTF-8").in_row(place)
        }
        // The other kinds come from writing and seeking.
        _ => ImportFault::Read(io::Error::other("the reader of CSV failed")),
    }
}

/// How the file's lines end, needed for the line number of a record. The parser stops after `\n`, but before it if `\r`
/// already ended the record. It counts blank lines towards the record after them.
#[derive(Default)]
struct LineEnds {
    /// Whether the first line ends in `\r\n`.
    windows: Shared<bool>,
    /// Whether a line end was seen.
    seen: Shared<bool>,
    /// The last byte read, and the number of bytes read.
    last: Shared<u8>,
    bytes: Shared<u64>,
}

impl LineEnds {
    /// The line in which the record just read begins.
    fn first_line(&self, after: &csv::Position, record: &csv::StringRecord) -> u64 {
        let within = record.as_slice().bytes().filter(|&b| b == b'\n').count() as u64;
        let unended = after.byte() == self.bytes.get() && self.last.get() != b'\n';
        let behind = u64::from(!self.windows.get() && !unended);
        after.line().saturating_sub(within + behind)
    }
}

/// A file that records its line ends.
struct Watched<'a> {
    metered: Metered<'a>,
    ends: &'a LineEnds,
}

impl Read for Watched<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.metered.read(buf)?;
        let (read, ends) = (&buf[..n], self.ends);
        if !ends.seen.get()
            && let Some(at) = read.iter().position(|&b| b == b'\n')
        {
            let before = if at > 0 { read[at - 1] } else { ends.last.get() };
            ends.windows.set(before == b'\r');
            ends.seen.set(true);
        }
        ends.last.set(read.last().copied().unwrap_or(ends.last.get()));
        ends.bytes.set(ends.bytes.get() + n as u64);
        Ok(n)
    }
}
