//! What a series table holds of one series in one tile.

use tidalite_model::{SeriesKey, Summary};

/// One series in one tile, with all that a table says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesRow {
    /// Which series.
    pub key: SeriesKey,
    /// The tile's number in its part, from 0.
    pub tile: u32,
    /// Its first row in that tile.
    pub row_start: u32,
    /// How many rows it has there; at least 1.
    pub rows: u32,
    /// Least write order; in a thinned part, that of the last point.
    pub seq_min: i64,
    /// Greatest write order; in a thinned part, that of the last point.
    pub seq_max: i64,
    /// Whether a step comes twice within these rows; the summary counts each row all the same.
    pub repeats: bool,
    /// What these rows add up to; in a thinned part, all points of which they are what is left.
    pub summary: Summary,
}

/// What is at hand of one series in one tile. [`SeriesTable::key`] names the series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesEntry {
    /// Places of its run, metric and labels among those of the table, which ascend.
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
    /// Whether a step comes twice within these rows.
    pub repeats: bool,
}

impl SeriesEntry {
    /// Least and greatest step.
    pub fn steps(&self) -> (i64, i64) {
        (self.first_step, self.last_step)
    }

    /// The place of its metric among the table's [`metrics`](SeriesTable::metrics).
    pub fn metric(&self) -> usize {
        self.names[1] as usize
    }

    /// The place of its labels among [`all_labels`](SeriesTable::all_labels).
    pub fn labels(&self) -> usize {
        self.names[2] as usize
    }
}

/// What has to be decoded of one series in one tile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Details {
    /// Least write order.
    pub seq_min: i64,
    /// Greatest write order.
    pub seq_max: i64,
    /// What the rows add up to; as in [`SeriesRow`].
    pub summary: Summary,
}

impl Details {
    /// Least and greatest write order.
    pub fn seqs(&self) -> (i64, i64) {
        (self.seq_min, self.seq_max)
    }
}
