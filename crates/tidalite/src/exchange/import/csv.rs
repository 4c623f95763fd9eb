//! Reads CSV: a header, then one record per row. Quoted fields may hold delimiters, line ends and doubled quotes.

use super::batch::PointBatch;
use super::cell::TableCell;
use super::fault::{FilePlace, ImportFault};
use super::long::{Loader, RowCells};
use super::map::{ColumnUse, ROLES, TableForm};
use super::options::Import;
use super::source::{ImportSource, READ_AHEAD_BYTES, is_pause, is_too_long, too_long};
use super::wide::MetricCell;
use std::cell::Cell as Shared;
use std::io::{self, Read};

/// Imports the records of a CSV file; `of_name` is the delimiter that the file's name tells.
pub(super) fn load(
    mut source: ImportSource<'_>,
    import: &Import,
    of_name: Option<u8>,
    batch: &mut PointBatch<'_>,
    now_us: i64,
) -> Result<(), ImportFault> {
    let first_line = source.first_line(&mut || batch.pause())?;
    let given = import.delimiter.map(|d| u8::try_from(d).expect("checked to be ASCII"));
    let delimiter = given.or(of_name).unwrap_or_else(|| delimiter(first_line));
    let remark = match delimiter {
        _ if given.or(of_name).is_some() => None,
        b';' => Some("took semicolons as separators, and a comma in a number as the decimal point"),
        b'\t' => Some("took tabs as separators"),
        _ => None,
    };
    let (row_bytes, ends) = (source.row_bytes(), LineEnds::default());
    let watched = Watched { source, ends: &ends };
    let mut reader = reader_of(watched, delimiter, import.columns.is_none());
    let names = match &import.columns {
        Some(columns) => columns.clone(),
        None => header(&mut reader, row_bytes.get())?,
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut resolved = import.resolve(&names, false)?;
    resolved.remarks.extend(remark.map(str::to_owned));
    let columns = CsvColumns::new(&resolved.slots, names);
    let mut loader = Loader::new(import, resolved, batch, now_us);
    loader.decimal_comma = delimiter == b';';
    let mut record = csv::StringRecord::new();
    // Lines before those that the reader counts.
    let mut before = 0;
    loop {
        row_bytes.set(0);
        let next = FilePlace::Line(before + reader.position().line() + u64::from(ends.windows.get()));
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return loader.finish(),
            // A reader takes an error for the end. It has given all that it read, so another one goes on from there.
            Err(e) if matches!(e.kind(), csv::ErrorKind::Io(e) if is_pause(e)) => {
                loader.batch.pause()?;
                before += reader.position().line() - 1;
                ends.bytes.set(0);
                reader = reader_of(reader.into_inner(), delimiter, false);
                continue;
            }
            Err(e) => return Err(fault(e, next, row_bytes.get())),
        }
        let place = FilePlace::Line(before + ends.first_line(reader.position(), &record));
        columns.load(&mut loader, place, &record)?;
    }
}

fn reader_of(watched: Watched<'_>, delimiter: u8, header: bool) -> csv::Reader<Watched<'_>> {
    csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(header)
        // The number of fields is checked where the line is known.
        .flexible(true)
        .buffer_capacity(READ_AHEAD_BYTES)
        .from_reader(watched)
}

/// The names of the columns.
fn header(reader: &mut csv::Reader<Watched<'_>>, row_bytes: u64) -> Result<Vec<String>, ImportFault> {
    let header = reader.headers().map_err(|e| fault(e, FilePlace::Line(1), row_bytes))?;
    if header.is_empty() {
        return Err(ImportFault::wrong(
            "the file is empty",
            "give a file whose first line names the columns",
        ));
    }
    let mut names: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    // Some tools mark the header as a comment.
    if let Some(rest) = names[0].strip_prefix('#') {
        names[0] = rest.trim_start().to_owned();
    }
    Ok(names)
}

/// The delimiter that a first line suggests: a comma, unless it has none, and semicolons or tabs.
fn delimiter(first_line: &[u8]) -> u8 {
    let mut outside = true;
    let seen = first_line.iter().fold([0; 3], |mut seen: [u32; 3], &byte| {
        outside ^= byte == b'"';
        if let Some(at) = [b',', b';', b'\t'].iter().position(|d| outside && *d == byte) {
            seen[at] += 1;
        }
        seen
    });
    match seen {
        [0, semicolons, tabs] if semicolons > 0 && semicolons >= tabs => b';',
        [0, 0, tabs] if tabs > 0 => b'\t',
        _ => b',',
    }
}

/// The uses of the columns.
struct CsvColumns<'n> {
    names: Vec<&'n str>,
    roles: [Option<usize>; ROLES.len()],
    metrics: Vec<usize>,
    labels: Vec<usize>,
}

impl<'n> CsvColumns<'n> {
    fn new(slots: &[ColumnUse], names: Vec<&'n str>) -> Self {
        let mut columns =
            CsvColumns { names, roles: [None; ROLES.len()], metrics: Vec::new(), labels: Vec::new() };
        for (column, slot) in slots.iter().enumerate() {
            match slot {
                ColumnUse::Role(role) => columns.roles[*role as usize] = Some(column),
                ColumnUse::Metric => columns.metrics.push(column),
                ColumnUse::Label => columns.labels.push(column),
                ColumnUse::Ignored => {}
            }
        }
        columns
    }

    fn load(
        &self,
        loader: &mut Loader<'_, '_>,
        place: FilePlace,
        record: &csv::StringRecord,
    ) -> Result<(), ImportFault> {
        let names = &self.names;
        if record.len() != names.len() {
            let wrong = format!("the row has {} fields, and there are {} columns", record.len(), names.len());
            return Err(
                ImportFault::wrong(wrong, "correct the row, or give the file's delimiter").in_row(place)
            );
        }
        let cell = |column: usize| match &record[column] {
            "" => TableCell::Null,
            text => TableCell::Text(text),
        };
        let roles = self.roles.map(|column| column.map_or(TableCell::Null, cell));
        let labels: Vec<_> = self.labels.iter().map(|&column| (names[column], cell(column))).collect();
        let row = RowCells { place, roles: &roles, labels: &labels };
        match loader.shape.form {
            TableForm::Long => loader.long(row),
            TableForm::Wide => {
                let cells = self.metrics.iter();
                loader.wide(
                    row,
                    cells.map(|&column| MetricCell { column, name: names[column], cell: cell(column) }),
                )
            }
        }
    }
}

fn fault(e: csv::Error, place: FilePlace, row_bytes: u64) -> ImportFault {
    match e.into_kind() {
        csv::ErrorKind::Io(_) if is_too_long(row_bytes) => too_long(place),
        csv::ErrorKind::Io(e) => ImportFault::of_read(e),
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
    source: ImportSource<'a>,
    ends: &'a LineEnds,
}

impl Read for Watched<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buf)?;
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
