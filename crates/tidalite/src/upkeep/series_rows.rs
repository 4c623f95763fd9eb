//! Rows of the series tables of several parts, by series, in two lists rather than one for each series: a job may have
//! hundreds of thousands of series.

use crate::parts::scan::RowRef;
use crate::parts::series_numbers::SeriesNumbers;
use std::sync::Arc;
use tidalite_model::SeriesKey;
use tidalite_parts::{Part, SeriesEntry};

/// The rows of numbered series. Those of one series are in the order of their parts.
#[derive(Debug, Default)]
pub(super) struct SeriesRows {
    rows: Vec<RowRef>,
    /// The end of each series in `rows`.
    ends: Vec<u32>,
}

impl SeriesRows {
    /// The rows that `takes` accepts, and their series, ascending by key, each with its number of points.
    pub(super) fn find(
        parts: &[Arc<Part>],
        takes: impl Fn(RowRef, &SeriesEntry) -> bool,
    ) -> (Vec<(SeriesKey, u64)>, SeriesRows) {
        let numbers = SeriesNumbers::of(parts);
        let rows = numbers.sort(rows_of(parts, takes));
        let (mut series, mut ends) = (Vec::new(), Vec::new());
        let mut end = 0;
        for of_series in rows.chunk_by(|a, b| numbers.series(*a) == numbers.series(*b)) {
            let points = of_series.iter().map(|row| u64::from(row.of(parts).rows)).sum();
            series.push((of_series[0].key(parts), points));
            end += of_series.len();
            ends.push(counted(end));
        }
        (series, SeriesRows { rows, ends })
    }

    /// The rows of the same series in other parts. `series` ascend by key.
    pub(super) fn of_same(parts: &[Arc<Part>], series: &[(SeriesKey, u64)]) -> SeriesRows {
        let numbers = SeriesNumbers::of(parts);
        let all = numbers.sort(rows_of(parts, |_, _| true));
        let mut found = all
            .chunk_by(|a, b| numbers.series(*a) == numbers.series(*b))
            .map(|rows| (rows[0].key(parts), rows));
        let mut next = found.next();
        let mut same = SeriesRows::default();
        for (key, _) in series {
            while next.as_ref().is_some_and(|(other, _)| other < key) {
                next = found.next();
            }
            if let Some((_, rows)) = next.as_ref().filter(|(other, _)| other == key) {
                same.rows.extend_from_slice(rows);
            }
            same.ends.push(counted(same.rows.len()));
        }
        same
    }

    /// So many series without rows.
    pub(super) fn none(series: usize) -> SeriesRows {
        SeriesRows { rows: Vec::new(), ends: vec![0; series] }
    }

    /// The rows of some of these series, which get the numbers from 0 on.
    pub(super) fn chosen(&self, series: impl Iterator<Item = usize>) -> SeriesRows {
        let mut chosen = SeriesRows::default();
        for i in series {
            chosen.rows.extend_from_slice(self.of(i));
            chosen.ends.push(counted(chosen.rows.len()));
        }
        chosen
    }

    pub(super) fn of(&self, series: usize) -> &[RowRef] {
        let start = series.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.rows[start..self.ends[series] as usize]
    }
}

/// The rows that `takes` accepts, in the order of their parts.
pub(super) fn rows_of(parts: &[Arc<Part>], takes: impl Fn(RowRef, &SeriesEntry) -> bool) -> Vec<RowRef> {
    let mut rows = Vec::new();
    for (p, part) in parts.iter().enumerate() {
        let of_part = part.series().entries().enumerate();
        let taken = of_part.map(|(r, row)| (RowRef::new(p, r), row)).filter(|(at, row)| takes(*at, row));
        rows.extend(taken.map(|(at, _)| at));
    }
    rows
}

fn counted(n: usize) -> u32 {
    u32::try_from(n).expect("rows of series tables are counted in u32")
}
