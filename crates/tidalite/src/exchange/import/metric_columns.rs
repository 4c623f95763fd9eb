//! What is known of the metric columns of a wide table: which hold numbers, which have a unit, and which hold none.
//!
//! The first column without numbers does not stop an import at once. The next rows are only looked at, so that the message
//! names all such columns.

use super::batch::PointBatch;
use super::cell::TableCell;
use super::fault::{FilePlace, ImportFault, quoted};
use super::map::list;

/// Rows that are looked at after the first column without numbers.
const ROWS_AHEAD: u32 = 1_000;

/// What to do about columns without numbers.
const REMEDY: &str = "read them as labels, ignore them, or leave out all columns of text";

/// The columns of one file by their number.
#[derive(Debug)]
pub(super) struct MetricColumns {
    columns: Vec<MetricColumn>,
    skip_text: bool,
    /// Rows to look at after the first column without numbers.
    rows_ahead: u32,
    /// The columns without numbers that stop the import: name, first cell, and the whole fault of the first of them.
    wordy: Vec<(usize, String, String)>,
    fault: Option<(FilePlace, ImportFault)>,
}

#[derive(Debug, Clone, Default)]
struct MetricColumn {
    content: Content,
    unit: Option<String>,
    /// Numbers that are left out with their column, which began with text.
    numbers_left_out: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Content {
    #[default]
    Unknown,
    Numbers,
    /// No numbers, and left out.
    LeftOut,
}

impl MetricColumns {
    pub(super) fn new(skip_text: bool, live: bool) -> MetricColumns {
        let rows_ahead = if live { 0 } else { ROWS_AHEAD };
        MetricColumns { columns: Vec::new(), skip_text, rows_ahead, wordy: Vec::new(), fault: None }
    }

    /// Whether a column without numbers was found, so that no further row counts.
    pub(super) fn is_stopping(&self) -> bool {
        self.fault.is_some()
    }

    /// The value of a cell that is not absent. `None` where its column is left out, or stops the import.
    pub(super) fn value(
        &mut self,
        at: usize,
        name: &str,
        cell: TableCell<'_>,
        place: FilePlace,
        comma: bool,
    ) -> Result<Option<f64>, ImportFault> {
        if self.columns.len() <= at {
            self.columns.resize(at + 1, MetricColumn::default());
        }
        let column = &mut self.columns[at];
        if column.content == Content::LeftOut {
            column.numbers_left_out += u64::from(cell.value(comma).is_ok());
            return Ok(None);
        }
        let fault = match cell.value(comma) {
            Ok(value) => {
                column.content = Content::Numbers;
                return Ok(Some(value));
            }
            Err(fault) => fault,
        };
        if let Some((value, unit)) = cell.value_with_unit(comma) {
            let first = column.unit.get_or_insert_with(|| unit.to_owned());
            if first != unit {
                let wrong = format!("{} has another unit than {first} before", cell.shown());
                return Err(ImportFault::wrong(wrong, "give all values in one unit").in_cell(place, name));
            }
            column.content = Content::Numbers;
            return Ok(Some(value));
        }
        if column.content == Content::Numbers || cell.is_number() {
            return Err(fault.in_cell(place, name));
        }
        column.content = Content::LeftOut;
        if !self.skip_text {
            self.fault.get_or_insert((place, fault));
        }
        self.wordy.push((at, name.to_owned(), cell.shown()));
        Ok(None)
    }

    /// Counts a row that is only looked at.
    pub(super) fn looked(&mut self) -> Result<(), ImportFault> {
        match self.rows_ahead.checked_sub(1) {
            Some(left) => {
                self.rows_ahead = left;
                Ok(())
            }
            None => Err(self.refusal().expect("rows are only looked at once a column stops the import")),
        }
    }

    /// Refuses the columns without numbers; says which units and columns were left out.
    pub(super) fn finish(mut self, batch: &mut PointBatch<'_>) -> Result<(), ImportFault> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        if !self.wordy.is_empty() {
            let of = |numbers: bool| -> Vec<&str> {
                let columns = &self.columns;
                let wordy =
                    self.wordy.iter().filter(|(at, ..)| (columns[*at].numbers_left_out > 0) == numbers);
                wordy.map(|(_, name, _)| name.as_str()).collect()
            };
            if !of(false).is_empty() {
                batch.remark(format!("left out columns that hold no numbers: {}", list(&of(false))));
            }
            if !of(true).is_empty() {
                let left_out: u64 = self.columns.iter().map(|column| column.numbers_left_out).sum();
                let names = list(&of(true));
                batch.remark(format!(
                    "left out columns that begin with text, with {left_out} numbers: {names}"
                ));
            }
        }
        let mut units: Vec<&str> = self.columns.iter().filter_map(|c| c.unit.as_deref()).collect();
        units.sort_unstable();
        units.dedup();
        if !units.is_empty() {
            batch.remark(format!("left out the units behind values: {}", units.join(", ")));
        }
        Ok(())
    }

    fn refusal(&mut self) -> Option<ImportFault> {
        let (place, fault) = self.fault.take()?;
        if let [(_, name, _)] = &self.wordy[..] {
            return Some(fault.in_cell(place, name).or(&REMEDY.replace("them", "it")));
        }
        self.wordy.sort_by_key(|(at, ..)| *at);
        let cells: Vec<String> =
            self.wordy.iter().take(12).map(|(_, name, cell)| format!("{} ({cell})", quoted(name))).collect();
        let more = match self.wordy.len().saturating_sub(cells.len()) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let wrong = format!("these columns hold no numbers: {}{more}", cells.join(", "));
        Some(ImportFault::wrong(wrong, REMEDY).in_row(place))
    }
}
