//! Rows of one layout, in memory.

use super::cold::ColdRows;
use super::tail_shape::TailRange;
use std::ops::Range;
use tidalite_log::Row;
use tidalite_model::{Extent, StepRange, Written};
use tidalite_query::Points;

/// Memory of a row without its values.
const ROW_BYTES: usize = 32;

/// Rows of one layout, in the order of their frames.
#[derive(Debug)]
pub(super) struct RowBlock {
    width: usize,
    steps: Vec<i64>,
    seqs: Vec<i64>,
    written: Vec<Written>,
    times_us: Vec<i64>,
    /// Row-major, `width` values per row.
    values: Vec<f64>,
    /// Whether steps never decrease, so that a range of steps is a range of rows.
    ascending: bool,
    /// Whether each step is greater than the one before.
    pub(super) strict: bool,
    /// Whether all steps are automatic.
    pub(super) automatic: bool,
}

impl RowBlock {
    pub(super) fn new(width: usize) -> RowBlock {
        RowBlock {
            width,
            steps: Vec::new(),
            seqs: Vec::new(),
            written: Vec::new(),
            times_us: Vec::new(),
            values: Vec::new(),
            ascending: true,
            strict: true,
            automatic: true,
        }
    }

    /// The memory of a row.
    pub(super) fn row_bytes(width: usize) -> usize {
        ROW_BYTES + 8 * width
    }

    pub(super) fn push(&mut self, row: &Row<'_>) {
        if let Some(&last) = self.steps.last() {
            self.ascending &= last <= row.step;
            self.strict &= last < row.step;
        }
        self.automatic &= row.written.is_automatic();
        self.steps.push(row.step);
        self.seqs.push(row.seq.as_i64());
        self.written.push(row.written);
        self.times_us.push(row.time_us);
        self.values.extend(row.values.iter());
    }

    pub(super) fn steps(&self) -> &[i64] {
        &self.steps
    }

    /// The rows that a view may contain. All of them are within its steps if steps never decrease.
    pub(super) fn rows(&self, view: TailRange) -> Range<usize> {
        let StepRange { lo, hi } = view.steps;
        let mut rows = self.rows_within(view.seqs);
        if self.ascending {
            let end = hi.map_or(self.steps.len(), |h| self.steps.partition_point(|&s| s < h));
            rows.start = rows.start.max(lo.map_or(0, |l| self.steps.partition_point(|&s| s < l)));
            rows.end = rows.end.min(end).max(rows.start);
        }
        rows
    }

    /// The rows in frames [lo, hi).
    pub(super) fn rows_within(&self, (lo, hi): (i64, i64)) -> Range<usize> {
        let start = self.seqs.partition_point(|&q| q < lo);
        start..self.seqs.partition_point(|&q| q < hi).max(start)
    }

    /// Appends the points of a column within a view.
    pub(super) fn gather(&self, column: usize, view: TailRange, into: &mut Points) {
        let rows = self.rows(view);
        into.reserve(rows.len());
        for row in rows {
            if view.takes(self.steps[row], self.seqs[row]) {
                let value = self.values[row * self.width + column];
                into.push_written(
                    self.steps[row],
                    self.seqs[row],
                    self.written[row],
                    self.times_us[row],
                    value,
                );
            }
        }
    }

    /// The least and the greatest step within a view.
    pub(super) fn steps_within(&self, view: TailRange) -> Option<Extent> {
        let rows = self.rows(view);
        if self.ascending {
            let ends = rows.clone().next().zip(rows.last());
            return ends.map(|(i, j)| Extent::new(self.steps[i], self.steps[j]));
        }
        Extent::of(rows.filter(|&i| view.takes(self.steps[i], self.seqs[i])).map(|i| self.steps[i]))
    }

    /// Removes the rows of all frames before `end`, and passes each to `take`. Keeps memory for as many more as are left.
    pub(super) fn drain(&mut self, end: i64, mut take: impl FnMut(ColdRows, usize)) {
        let rows = self.seqs.partition_point(|&seq| seq < end);
        for i in 0..rows {
            take(ColdRows::one(self.steps[i], self.seqs[i], self.written[i].is_automatic()), self.width);
        }
        self.steps.drain(..rows);
        self.seqs.drain(..rows);
        self.written.drain(..rows);
        self.times_us.drain(..rows);
        self.values.drain(..rows * self.width);
        let most = 2 * self.steps.len();
        self.steps.shrink_to(most);
        self.seqs.shrink_to(most);
        self.written.shrink_to(most);
        self.times_us.shrink_to(most);
        self.values.shrink_to(most * self.width);
        if self.steps.is_empty() {
            (self.ascending, self.strict, self.automatic) = (true, true, true);
        }
    }
}
