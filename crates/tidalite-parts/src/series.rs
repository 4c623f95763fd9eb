//! The series table of a part: which series it holds, where, and their summaries.
//!
//! Built while tiles are encoded; kept in a file of its own, so that a summary of every series, or the choice of
//! what to read, needs no page of the points file.

use tidalite_model::{SeriesKey, Summary};

/// One series in one tile.
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

/// All series of a part, in file order: tiles in turn, and within a tile ascending by key, rows without a gap.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeriesTable {
    /// The rows.
    pub rows: Vec<SeriesRow>,
}

impl SeriesTable {
    /// The rows of one tile.
    pub fn tile(&self, tile: u32) -> &[SeriesRow] {
        let start = self.rows.partition_point(|r| r.tile < tile);
        let end = self.rows.partition_point(|r| r.tile <= tile);
        &self.rows[start..end]
    }

    /// Whether the rows describe tiles of `tile_rows` rows, each filled without gap or overlap, keys ascending. Only those of a
    /// thinned part may sum up more points than they hold.
    pub(crate) fn fits(&self, tile_rows: &[u32], thinned: bool) -> bool {
        let mut rest = self.rows.as_slice();
        for (tile, &rows) in (0u32..).zip(tile_rows) {
            let mut at = 0;
            let mut last: Option<&SeriesKey> = None;
            while at < rows {
                let Some((row, others)) = rest.split_first() else { return false };
                let follows = row.tile == tile && row.row_start == at && last.is_none_or(|k| *k < row.key);
                let held = u64::from(row.rows);
                let counted = row.summary.count == held || (thinned && row.summary.count > held);
                if !follows || row.rows == 0 || row.rows > rows - at || !counted {
                    return false;
                }
                at += row.rows;
                last = Some(&row.key);
                rest = others;
            }
        }
        rest.is_empty()
    }
}

/// The rows of a series table in another order: series by series, ascending by key, and of each ascending by their first
/// step.
#[derive(Debug)]
pub struct BySeries {
    /// Places in the table.
    rows: Vec<u32>,
    /// Where each series ends among them.
    ends: Vec<u32>,
}

impl BySeries {
    pub(crate) fn of(table: &SeriesTable) -> Self {
        let of = |row: u32| &table.rows[row as usize];
        let mut rows: Vec<u32> = (0u32..).take(table.rows.len()).collect();
        let first = |row: u32| of(row).summary.first.map(|p| p.step);
        rows.sort_by(|&a, &b| of(a).key.cmp(&of(b).key).then_with(|| first(a).cmp(&first(b))));
        let mut ends = Vec::new();
        for at in 1..=rows.len() {
            if at == rows.len() || of(rows[at]).key != of(rows[at - 1]).key {
                ends.push(u32::try_from(at).expect("a table's rows are counted in u32"));
            }
        }
        BySeries { rows, ends }
    }

    /// The rows of each series, as places in the table.
    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.rows[start as usize..end as usize])
    }
}
