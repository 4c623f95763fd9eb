//! The rows of a long table that are shown: its head and its tail.

use super::cells::CellColumn;
use crate::error::CliResult;
use crate::table::{Align, TextTable, terminal_width};
use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, SchemaRef};
use std::collections::VecDeque;

/// The first and the last rows of a table. Memory holds the batches that contain them, not the rows between.
pub(super) struct TableWindow {
    head_rows: usize,
    tail_rows: usize,
    head: Vec<RecordBatch>,
    head_len: usize,
    tail: VecDeque<RecordBatch>,
    tail_len: usize,
    total: usize,
}

impl TableWindow {
    pub(super) fn new(rows: usize) -> Self {
        let tail_rows = rows / 2;
        let (head, tail) = (Vec::new(), VecDeque::new());
        TableWindow { head_rows: rows - tail_rows, tail_rows, head, head_len: 0, tail, tail_len: 0, total: 0 }
    }

    pub(super) fn push(&mut self, batch: &RecordBatch) {
        self.total += batch.num_rows();
        let taken = batch.num_rows().min(self.head_rows - self.head_len);
        if taken > 0 {
            self.head.push(batch.slice(0, taken));
            self.head_len += taken;
        }
        let rest = batch.slice(taken, batch.num_rows() - taken);
        if rest.num_rows() > 0 {
            self.tail_len += rest.num_rows();
            self.tail.push_back(rest);
        }
        while let Some(first) = self.tail.front()
            && self.tail_len - first.num_rows() >= self.tail_rows
        {
            self.tail_len -= first.num_rows();
            self.tail.pop_front();
        }
        if self.tail_len > self.tail_rows
            && let Some(first) = self.tail.front_mut()
        {
            let cut = self.tail_len - self.tail_rows;
            *first = first.slice(cut, first.num_rows() - cut);
            self.tail_len -= cut;
        }
    }

    pub(super) fn render(&self, schema: &SchemaRef) -> CliResult<String> {
        let left_out = self.total - self.head_len - self.tail_len;
        let shown: Vec<&RecordBatch> = self.head.iter().chain(&self.tail).collect();
        // Leave out optional columns that are empty in all rows shown.
        let filled = |c: &usize| {
            let optional = matches!(
                schema.field(*c).name().as_str(),
                "name" | "group" | "reason" | "notes" | "labels" | "tags" | "params" | "parent"
            );
            !optional || shown.iter().any(|b| !is_blank(b.column(*c)))
        };
        let columns: Vec<usize> = (0..schema.fields().len()).filter(filled).collect();
        let gap = (left_out > 0).then_some(self.head.len());
        let mut text = rendered(schema, &columns, &shown, gap, terminal_width())?;
        if left_out > 0 {
            text.push_str(&format!(
                "{left_out} of {} rows are left out; --limit 0 or --format csv prints all\n",
                self.total
            ));
        }
        Ok(text)
    }
}

/// All rows of batches, with all columns, whatever the width of the terminal.
pub(crate) fn table_text(schema: &SchemaRef, batches: &[RecordBatch]) -> CliResult<String> {
    let columns: Vec<usize> = (0..schema.fields().len()).collect();
    rendered(schema, &columns, &batches.iter().collect::<Vec<_>>(), None, None)
}

/// The rows as aligned text; a row of ellipses comes before the batch number `gap`.
fn rendered(
    schema: &SchemaRef,
    columns: &[usize],
    batches: &[&RecordBatch],
    gap: Option<usize>,
    width: Option<usize>,
) -> CliResult<String> {
    let fields: Vec<&Field> = columns.iter().map(|&c| schema.field(c)).collect();
    let heads: Vec<(&str, Align)> =
        fields.iter().map(|f| (f.name().as_str(), align(f.data_type()))).collect();
    let mut table = TextTable::new(&heads);
    for (i, batch) in batches.iter().enumerate() {
        if gap == Some(i) {
            table.row(columns.iter().map(|_| "…"));
        }
        let cells: Vec<CellColumn> = columns
            .iter()
            .map(|&c| CellColumn::new(schema.field(c), batch.column(c)))
            .collect::<CliResult<_>>()?;
        for row in 0..batch.num_rows() {
            table.row(cells.iter().map(|c| c.table_text(row)));
        }
    }
    Ok(table.render(width))
}

fn is_blank(column: &ArrayRef) -> bool {
    if column.null_count() == column.len() {
        return true;
    }
    match cast(column, &DataType::Utf8) {
        Ok(texts) => texts.as_string::<i32>().iter().all(|t| matches!(t, None | Some("" | "{}" | "[]"))),
        Err(_) => false,
    }
}

fn align(kind: &DataType) -> Align {
    match kind {
        DataType::Int64 | DataType::Float64 => Align::Right,
        _ => Align::Left,
    }
}
