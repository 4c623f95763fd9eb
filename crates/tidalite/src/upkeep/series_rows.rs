//! Rows of the series tables of several parts, by series, in two lists rather than one for each series: a job may have
//! hundreds of thousands of series.

use crate::parts::scan::RowRef;
use std::sync::Arc;
use tidalite_model::SeriesKey;
use tidalite_parts::Part;

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
        takes: impl Fn(RowRef, &SeriesKey) -> bool,
    ) -> (Vec<(SeriesKey, u64)>, SeriesRows) {
        let mut rows: Vec<RowRef> = Vec::new();
        for (p, part) in parts.iter().enumerate() {
            let table = part.series();
            let taken = table.entries().enumerate();
            let taken = taken.map(|(r, row)| (RowRef::new(p, r), table.key(&row)));
            rows.extend(taken.filter(|(row, key)| takes(*row, key)).map(|(row, _)| row));
        }
        let names = |row: &RowRef| {
            let (table, entry) = (parts[row.part as usize].series(), row.of(parts));
            (table.run(&entry), table.metric(&entry), table.labels(&entry))
        };
        rows.sort_unstable_by(|a, b| names(a).cmp(&names(b)).then(a.cmp(b)));
        let (mut series, mut ends) = (Vec::new(), Vec::new());
        let mut end = 0;
        for of_series in rows.chunk_by(|a, b| names(a) == names(b)) {
            let points = of_series.iter().map(|row| u64::from(row.of(parts).rows)).sum();
            let key = parts[of_series[0].part as usize].series().key(&of_series[0].of(parts));
            series.push((key, points));
            end += of_series.len();
            ends.push(counted(end));
        }
        (series, SeriesRows { rows, ends })
    }

    /// The rows of the same series in other parts.
    pub(super) fn of_same(parts: &[Arc<Part>], series: &[(SeriesKey, u64)]) -> SeriesRows {
        let (found, all) =
            SeriesRows::find(parts, |_, key| series.binary_search_by(|(known, _)| known.cmp(key)).is_ok());
        let mut found = found.iter().enumerate().peekable();
        let mut of_same = |(key, _): &(SeriesKey, u64)| match found.next_if(|(_, (other, _))| other == key) {
            Some((i, _)) => all.ends[i],
            None => 0,
        };
        let mut ends: Vec<u32> = series.iter().map(&mut of_same).collect();
        // A series without rows ends where the one before it ends.
        let mut before = 0;
        for end in &mut ends {
            before = before.max(*end);
            *end = before;
        }
        SeriesRows { rows: all.rows, ends }
    }

    /// No rows of so many series.
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

fn counted(n: usize) -> u32 {
    u32::try_from(n).expect("rows of series tables are counted in u32")
}
