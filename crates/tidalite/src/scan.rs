//! Reading series out of parts: from (part, row of its series table) to points.
//!
//! Rows of one tile are read together, whichever series they belong to, so that a tile's pages are found and checked
//! once. Queries and compaction share this.

use crate::tiles::Steps;
use std::ops::Range;
use std::sync::Arc;
use tidalite_model::Result;
use tidalite_parts::{Columns, Part, SeriesRow};
use tidalite_query::Points;

/// A row of a part's series table: one series' points in one tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowRef {
    pub(crate) part: u32,
    pub(crate) row: u32,
}

impl RowRef {
    pub(crate) fn of<'a>(&self, parts: &'a [Arc<Part>]) -> &'a SeriesRow {
        &parts[self.part as usize].series().rows[self.row as usize]
    }
}

/// Whether a row's steps meet a half-open range.
pub(crate) fn meets(row: &SeriesRow, steps: Steps) -> bool {
    let (Some(first), Some(last)) = (row.summary.first, row.summary.last) else { return false };
    steps.0.is_none_or(|lo| last.step >= lo) && steps.1.is_none_or(|hi| first.step < hi)
}

/// The points of each list of rows, one `Points` a row, in the order given. Columns that are not
/// asked for are empty.
pub(crate) fn read_rows(
    parts: &[Arc<Part>],
    lists: &[Vec<RowRef>],
    columns: Columns,
) -> Result<Vec<Vec<Points>>> {
    // (part, tile, first row in the tile, list, place in the list)
    let mut wanted: Vec<(u32, u32, u32, usize, usize)> = Vec::new();
    for (l, list) in lists.iter().enumerate() {
        for (i, r) in list.iter().enumerate() {
            let row = r.of(parts);
            wanted.push((r.part, row.tile, row.row_start, l, i));
        }
    }
    wanted.sort_unstable();
    let mut found: Vec<Vec<Points>> = lists.iter().map(|l| vec![Points::default(); l.len()]).collect();
    for group in wanted.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let (part, tile) = (group[0].0, group[0].1);
        let rows =
            |&(_, _, start, l, i): &(u32, u32, u32, usize, usize)| start..start + lists[l][i].of(parts).rows;
        // A row that several lists hold, as a run and its forks do, is read once.
        let mut ranges: Vec<Range<u32>> = group.iter().map(rows).collect();
        ranges.dedup();
        let read = parts[part as usize].read(tile, &ranges, columns)?;
        let mut at = 0;
        for same in group.chunk_by(|a, b| a.2 == b.2) {
            let next = at + rows(&same[0]).len();
            for &(_, _, _, l, i) in same {
                found[l][i] = Points {
                    steps: slice(&read.steps, at..next),
                    seqs: slice(&read.seqs, at..next),
                    times_us: slice(&read.times_us, at..next),
                    values: slice(&read.values, at..next),
                };
            }
            at = next;
        }
    }
    Ok(found)
}

fn slice<T: Copy>(column: &[T], rows: Range<usize>) -> Vec<T> {
    if column.is_empty() { Vec::new() } else { column[rows].to_vec() }
}
