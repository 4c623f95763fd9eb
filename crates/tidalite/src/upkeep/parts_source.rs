//! Several parts as one source of points for a new part: tiles to copy unchanged, and series to merge.
//!
//! Points of deleted runs are left out and counted.

use super::deleted::Deleted;
use crate::parts::scan::{RowRef, read_rows, steps_of};
use crate::parts::tiles::{PointSource, TileCopy};
use crate::view::tombstones::Tombstones;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidalite_model::{Extent, Result, SeriesKey, StepRange, value_bits_sum};
use tidalite_parts::{ColumnSet, Part};
use tidalite_query::{Points, Repeats, merge};

/// A tile with at least one eighth of the usual rows is large enough to copy.
const TILE_SHARE: usize = 8;

/// Tiles to copy unchanged, as (part, tile): large enough, without a series of a run with a deletion or a series that
/// is left out, and without a series that has other rows within its steps in the tile.
pub(super) fn unchanged(
    parts: &[Arc<Part>],
    deleted: &Deleted,
    without: &HashSet<SeriesKey>,
    tile_rows: usize,
) -> BTreeSet<(usize, u32)> {
    let mut tiles: BTreeMap<(usize, u32), usize> = BTreeMap::new();
    // (series, steps, part and tile)
    let mut rows: Vec<(SeriesKey, Extent, (usize, u32))> = Vec::new();
    let mut touched: BTreeSet<(usize, u32)> = BTreeSet::new();
    for (p, part) in parts.iter().enumerate() {
        let table = part.series();
        for row in table.entries() {
            let (key, at) = (table.key(row), (p, row.tile));
            *tiles.entry(at).or_default() += row.rows as usize;
            if deleted.contains_key(&*key.run) || without.contains(&key) {
                touched.insert(at);
            }
            rows.push((key, steps_of(row), at));
        }
    }
    rows.sort();
    for of_series in rows.chunk_by(|a, b| a.0 == b.0) {
        // The row with the greatest last step so far.
        let mut farthest = &of_series[0];
        for row in &of_series[1..] {
            if row.1.first <= farthest.1.last {
                touched.extend([row.2, farthest.2]);
            }
            if row.1.last >= farthest.1.last {
                farthest = row;
            }
        }
    }
    let large = |rows: usize| rows >= (tile_rows / TILE_SHARE).max(1);
    tiles.into_iter().filter(|(at, rows)| large(*rows) && !touched.contains(at)).map(|(at, _)| at).collect()
}

/// Several parts as one source of points.
pub(crate) struct PartsSource<'a> {
    parts: &'a [Arc<Part>],
    series: Vec<(SeriesKey, u64)>,
    rows: Vec<Vec<RowRef>>,
    copies: Vec<TileCopy>,
    deleted: &'a Deleted,
    dropped: AtomicU64,
    /// The wrapping sum of the bits of their values.
    bits_dropped: AtomicU64,
}

impl<'a> PartsSource<'a> {
    pub(super) fn new(
        parts: &'a [Arc<Part>],
        deleted: &'a Deleted,
        without: &HashSet<SeriesKey>,
        copied: BTreeSet<(usize, u32)>,
    ) -> Self {
        let mut found: BTreeMap<SeriesKey, (u64, Vec<RowRef>)> = BTreeMap::new();
        for (p, part) in parts.iter().enumerate() {
            let table = part.series();
            for (r, row) in table.entries().iter().enumerate() {
                let key = table.key(row);
                if copied.contains(&(p, row.tile)) || without.contains(&key) {
                    continue;
                }
                let entry = found.entry(key).or_default();
                entry.0 += u64::from(row.rows);
                entry.1.push(RowRef::new(p, r));
            }
        }
        let (series, rows) = found.into_iter().map(|(k, (n, r))| ((k, n), r)).unzip();
        let copies = copied.into_iter().map(|(p, tile)| TileCopy { part: parts[p].clone(), tile }).collect();
        PartsSource { parts, series, rows, copies, deleted, dropped: 0.into(), bits_dropped: 0.into() }
    }

    /// The number of points left out, and the wrapping sum of the bits of their values. Valid since each point is
    /// gathered once.
    pub(super) fn dropped(&self) -> (u64, u64) {
        (self.dropped.load(Ordering::Relaxed), self.bits_dropped.load(Ordering::Relaxed))
    }

    fn leave_out(&self, tombstones: &Tombstones, points: &mut Points) {
        let (before, bits_before) = (points.len(), value_bits_sum(&points.values));
        tombstones.apply(points);
        self.dropped.fetch_add((before - points.len()) as u64, Ordering::Relaxed);
        self.bits_dropped
            .fetch_add(bits_before.wrapping_sub(value_bits_sum(&points.values)), Ordering::Relaxed);
    }
}

impl PointSource for PartsSource<'_> {
    fn series(&self) -> &[(SeriesKey, u64)] {
        &self.series
    }

    /// Spreads the steps of each series-table row evenly: exact enough to choose where to cut.
    fn sample_steps(&self, series: usize, nth: usize) -> Result<Vec<i64>> {
        Ok(self.rows[series].iter().flat_map(|r| r.sample_steps(self.parts, nth)).collect())
    }

    fn copies(&self) -> &[TileCopy] {
        &self.copies
    }

    fn gather(&self, series: Range<usize>, steps: StepRange) -> Result<Vec<Points>> {
        let lists: Vec<Vec<RowRef>> = self.rows[series.clone()]
            .iter()
            .map(|rows| rows.iter().copied().filter(|r| steps.meets(r.steps(self.parts))).collect())
            .collect();
        let read = read_rows(self.parts, &lists, ColumnSet::ALL)?;
        let cut = |(mut chunks, (key, _)): (Vec<Points>, &(SeriesKey, u64))| {
            let tombstones = self.deleted.get(&*key.run);
            for points in &mut chunks {
                keep_steps(points, steps);
                if let Some(tombstones) = tombstones {
                    self.leave_out(tombstones, points);
                }
            }
            merge(chunks, Repeats::All)
        };
        Ok(read.into_iter().zip(&self.series[series]).map(cut).collect())
    }
}

/// Cuts points in ascending order of step to a range.
pub(super) fn keep_steps(points: &mut Points, StepRange { lo, hi }: StepRange) {
    let start = lo.map_or(0, |lo| points.steps.partition_point(|&s| s < lo));
    let end = hi.map_or(points.len(), |hi| points.steps.partition_point(|&s| s < hi)).max(start);
    points.keep_range(start..end);
}
