//! Imports the rows of Arrow record batches, from Parquet or Arrow IPC.

use super::batch::PointBatch;
use super::cell::TableCell;
use super::fault::{FilePlace, ImportFault};
use super::long::{Loader, RowCells};
use super::map::{ColumnUse, ROLES, TableForm};
use super::options::Import;
use super::wide::MetricCell;
use crate::write::batch_columns::floor_to_us;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Float64Type, Int32Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType, UInt64Type,
};

/// The table of one file with a known schema.
pub(super) struct ArrowTable<'a, 'b> {
    loader: Loader<'a, 'b>,
    slots: Vec<ColumnUse>,
    names: Vec<String>,
    rows: u64,
}

impl<'a, 'b> ArrowTable<'a, 'b> {
    pub(super) fn new(
        import: &Import,
        schema: &Schema,
        batch: &'a mut PointBatch<'b>,
        now_us: i64,
    ) -> Result<Self, ImportFault> {
        let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        let (import, left_out) = without_store_columns(import, &names);
        let mut resolved = import.resolve(&names, false)?;
        resolved.remarks.extend(left_out);
        let slots = std::mem::take(&mut resolved.slots);
        let names = names.into_iter().map(str::to_owned).collect();
        Ok(ArrowTable { loader: Loader::new(&import, resolved, batch, now_us), slots, names, rows: 0 })
    }

    /// Ends the file.
    pub(super) fn finish(self) -> Result<(), ImportFault> {
        self.loader.finish()
    }

    /// Sets the bytes of the file read so far, for progress.
    pub(super) fn set_bytes_done(&self, bytes: u64) {
        self.loader.batch.bytes_done.set(bytes);
    }

    /// Imports the rows of a batch with the columns `present`, as indexes into the schema.
    pub(super) fn take(&mut self, batch: &RecordBatch, present: &[usize]) -> Result<(), ImportFault> {
        let first = self.rows + 1;
        self.rows += batch.num_rows() as u64;
        let mut roles: [Option<ImportColumn>; ROLES.len()] = Default::default();
        let (mut metrics, mut labels) = (Vec::new(), Vec::new());
        for (&at, column) in present.iter().zip(batch.columns()) {
            let name = &self.names[at];
            let read = || ImportColumn::read(column).map_err(|bad| bad.fault(first, name));
            match self.slots[at] {
                ColumnUse::Role(role) => roles[role as usize] = Some(read()?),
                ColumnUse::Metric => metrics.push((at, name.as_str(), read()?)),
                ColumnUse::Label => labels.push((name.as_str(), read()?)),
                ColumnUse::Ignored => {}
            }
        }
        for row in 0..batch.num_rows() {
            let place = FilePlace::Row(first + row as u64);
            let cells =
                roles.each_ref().map(|column| column.as_ref().map_or(TableCell::Null, |c| c.cell(row)));
            let labels: Vec<_> = labels.iter().map(|(key, column)| (*key, column.cell(row))).collect();
            let of_row = RowCells { place, roles: &cells, labels: &labels };
            match self.loader.shape.form {
                TableForm::Long => self.loader.long(of_row)?,
                TableForm::Wide => {
                    let cells = metrics.iter().map(|(column, name, c)| MetricCell {
                        column: *column,
                        name,
                        cell: c.cell(row),
                    });
                    self.loader.wide(of_row, cells)?
                }
            }
        }
        Ok(())
    }

    /// The columns that are not ignored, as indexes into the schema.
    pub(super) fn needed(&self) -> Vec<usize> {
        (0..self.slots.len()).filter(|&at| self.slots[at] != ColumnUse::Ignored).collect()
    }
}

/// The columns that only the store's own parts have, next to those of points.
const STORE_COLUMNS: [&str; 2] = ["seq", "written"];

/// The options for a file that may be a part of a store: its columns of the write order are left out.
fn without_store_columns(import: &Import, names: &[&str]) -> (Import, Option<String>) {
    let is_part = ["run", "metric", "labels", "step", "time", "value"]
        .iter()
        .chain(&STORE_COLUMNS)
        .all(|column| names.contains(column));
    let mut import = import.clone();
    if !is_part || !import.map.is_empty() {
        return (import, None);
    }
    import.ignore.extend(STORE_COLUMNS.map(str::to_owned));
    let remark = "left out columns \"seq\" and \"written\" of a part of a store; hidden points and deletions are not known here";
    (import, Some(remark.to_owned()))
}

/// A column, cast to a type of [`TableCell`].
enum ImportColumn {
    Int(Int64Array),
    UInt(UInt64Array),
    Float(Float64Array),
    Bool(BooleanArray),
    Text(StringArray),
    /// Dictionary-coded text, as most writers store names.
    Coded(Int32Array, StringArray),
    TimeUs(TimestampMicrosecondArray),
    /// All null.
    Null,
    /// A type that cannot be imported: the words for a message, and the nulls.
    Other(String, ArrayRef),
}

/// A column that cannot be read.
struct Unreadable {
    row: Option<usize>,
    wrong: String,
}

impl Unreadable {
    fn fault(self, first_row: u64, name: &str) -> ImportFault {
        let fault = ImportFault::wrong(self.wrong, "correct the value, or give the column another type");
        match self.row {
            Some(row) => fault.in_cell(FilePlace::Row(first_row + row as u64), name),
            None => fault.in_cell(FilePlace::Row(first_row), name),
        }
    }
}

impl ImportColumn {
    fn read(column: &ArrayRef) -> Result<ImportColumn, Unreadable> {
        Ok(match column.data_type() {
            DataType::Null => ImportColumn::Null,
            t if t.is_signed_integer() => {
                ImportColumn::Int(cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            t if t.is_unsigned_integer() => {
                ImportColumn::UInt(cast(column, &DataType::UInt64)?.as_primitive::<UInt64Type>().clone())
            }
            t if t.is_numeric() => {
                ImportColumn::Float(cast(column, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
            }
            DataType::Boolean => ImportColumn::Bool(column.as_boolean().clone()),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                ImportColumn::Text(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => ImportColumn::TimeUs(floor_to_us(column)),
            DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64 => {
                // A zone affects only how a time is shown, not the instant, so it is kept.
                let zone = match column.data_type() {
                    DataType::Timestamp(_, zone) => zone.clone(),
                    _ => None,
                };
                let utc = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, zone))?;
                ImportColumn::TimeUs(utc.as_primitive::<TimestampMicrosecondType>().clone())
            }
            DataType::Dictionary(_, of)
                if matches!(**of, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) =>
            {
                let to = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
                let coded = cast(column, &to)?;
                let coded: &DictionaryArray<Int32Type> = coded.as_dictionary();
                ImportColumn::Coded(coded.keys().clone(), coded.values().as_string::<i32>().clone())
            }
            DataType::Dictionary(_, of) => ImportColumn::read(&cast(column, of)?)?,
            other => ImportColumn::Other(format!("a cell of type {other}"), column.clone()),
        })
    }

    fn cell(&self, row: usize) -> TableCell<'_> {
        let valid = |array: &dyn Array| array.is_valid(row);
        match self {
            ImportColumn::Int(a) if valid(a) => TableCell::Int(a.value(row)),
            ImportColumn::UInt(a) if valid(a) => TableCell::UInt(a.value(row)),
            ImportColumn::Float(a) if valid(a) => TableCell::Float(a.value(row)),
            ImportColumn::Bool(a) if valid(a) => TableCell::Bool(a.value(row)),
            ImportColumn::Text(a) if valid(a) => TableCell::Text(a.value(row)),
            ImportColumn::TimeUs(a) if valid(a) => TableCell::TimeUs(a.value(row)),
            ImportColumn::Coded(keys, texts) if valid(keys) => match usize::try_from(keys.value(row)) {
                Ok(code) if code < texts.len() && texts.is_valid(code) => TableCell::Text(texts.value(code)),
                _ => TableCell::Null,
            },
            ImportColumn::Other(words, a) if !a.is_null(row) => TableCell::Other(words),
            _ => TableCell::Null,
        }
    }
}

/// Casts a column. Refuses the first value that does not fit, with its row.
fn cast(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, Unreadable> {
    if column.data_type() == to {
        return Ok(column.clone());
    }
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let done = cast_with_options(column, to, &options)
        .map_err(|e| Unreadable { row: None, wrong: format!("it cannot be read: {e}") })?;
    let before = column.logical_nulls();
    let was_null = |row: usize| before.as_ref().is_some_and(|nulls| nulls.is_null(row));
    match (0..done.len()).find(|&row| done.is_null(row) && !was_null(row)) {
        None => Ok(done),
        Some(row) => Err(Unreadable { row: Some(row), wrong: "it is out of range".to_owned() }),
    }
}
