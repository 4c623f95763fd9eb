//! Rows of a series table: one series in one tile.

use tidalite_model::{Extent, SeriesKey, Summary};

/// One series in one tile: a full row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesRow {
    /// The series.
    pub key: SeriesKey,
    /// The tile's number in its part, from 0.
    pub tile: u32,
    /// Its first row in that tile.
    pub row_start: u32,
    /// How many rows it has there; at least 1.
    pub rows: u32,
    /// Least write order; in a thinned part, the last point's.
    pub seq_min: i64,
    /// Greatest write order; in a thinned part, the last point's.
    pub seq_max: i64,
    /// How many of these rows have automatic steps. They are never repeats.
    pub automatic: u32,
    /// Whether a step occurs twice in these rows. The summary counts each row nevertheless.
    pub repeats: bool,
    /// The summary of these rows; in a thinned part, of all points that the series had before thinning.
    pub summary: Summary,
}

impl SeriesRow {
    /// Everything but the series and its summary.
    pub(crate) fn position(&self) -> (u32, u32, u32, i64, i64, u32, bool) {
        (self.tile, self.row_start, self.rows, self.seq_min, self.seq_max, self.automatic, self.repeats)
    }

    /// Whether both rows are the same, with summaries of the same bits.
    pub(crate) fn same_bits(&self, other: &SeriesRow) -> bool {
        self.key == other.key && self.position() == other.position() && self.summary.same_bits(&other.summary)
    }
}

/// The part of a row that is kept in memory. [`SeriesTable::key`](crate::SeriesTable::key) names the series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesEntry {
    /// Indices of its run, metric and labels in the table's sorted lists.
    pub(crate) names: [u32; 3],
    /// The tile's number in its part, from 0.
    pub tile: u32,
    /// Its first row in that tile.
    pub row_start: u32,
    /// How many rows it has there; at least 1.
    pub rows: u32,
    /// Least step.
    pub first_step: i64,
    /// Greatest step.
    pub last_step: i64,
    /// How many of these rows have automatic steps.
    pub automatic: u32,
    /// Whether a step occurs twice in these rows.
    pub repeats: bool,
}

impl SeriesEntry {
    /// The steps of its points.
    pub fn steps(&self) -> Extent {
        Extent { first: self.first_step, last: self.last_step }
    }

    /// Whether its steps could not be read, in a part without a file of its series table: then they are all steps.
    pub fn has_unknown_steps(&self) -> bool {
        self.steps() == Extent { first: i64::MIN, last: i64::MAX } && self.repeats
    }

    /// The index of its run in the table's [`runs`](crate::SeriesTable::runs).
    pub fn run(&self) -> usize {
        self.names[0] as usize
    }

    /// The index of its metric in the table's [`metrics`](crate::SeriesTable::metrics).
    pub fn metric(&self) -> usize {
        self.names[1] as usize
    }

    /// The index of its labels in the table's [`all_labels`](crate::SeriesTable::all_labels).
    pub fn labels(&self) -> usize {
        self.names[2] as usize
    }
}

/// The part of a row that is decoded on demand.
#[derive(Debug, Clone, PartialEq)]
pub struct Details {
    /// Least write order.
    pub seq_min: i64,
    /// Greatest write order.
    pub seq_max: i64,
    /// The summary, as in [`SeriesRow`].
    pub summary: Summary,
}

impl Details {
    /// Least and greatest write order.
    pub fn seqs(&self) -> (i64, i64) {
        (self.seq_min, self.seq_max)
    }
}
