//! The outline of one series: whether it can be thinned, and what remains of it.
//!
//! Its rows in parts are read stretch by stretch. A stretch is the rows whose steps overlap; they are merged, range by
//! range of steps where they are long. So a long series is never in memory whole. Each point read is counted, with the
//! bits of its value, since it is removed from its part. Hidden points are dropped permanently.

use crate::engine::on_damage::DamageReport;
use crate::parts::anchors::StepAnchors;
use crate::parts::meter::Meter;
use crate::parts::scan::{POINT_BYTES, Piece, RowRef, read_pieces};
use crate::parts::thinned::Thinned;
use crate::upkeep::parts_source::keep_steps;
use crate::view::tombstones::{Automatic, Coverage, Tombstones};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tidalite_model::{Extent, Result, SeriesKey, StepRange, value_bits_sum};
use tidalite_parts::{ColumnSet, Part};
use tidalite_query::{Outline, PointFilter, Points, Repeats, chart_width, merge};

/// The widest buckets that rollups have, as a power of two.
const SHIFT_MAX: u32 = 62;

/// Makes the outlines of series.
pub(crate) struct Outliner<'a> {
    pub(crate) parts: &'a [Arc<Part>],
    /// The greatest number of buckets per series.
    pub(crate) buckets: usize,
    /// The points that a bucket must have on average.
    pub(crate) bucket_points: u64,
    /// What the points of one series may take that are read at a time.
    pub(crate) memory_bytes: u64,
}

/// The outcome for one series.
pub(crate) enum ThinOutcome {
    Thinned(Box<Outlined>),
    /// Left unchanged, since thinning would not save space.
    NoGain,
    /// Left unchanged, since it was thinned before and then written to or rewound within its thinned steps, or since only
    /// some of its steps are automatic.
    Mixed,
    /// It has no points, or is already thinned this far.
    Nothing,
}

/// A thinned series.
pub(crate) struct Outlined {
    pub(crate) series: Thinned,
    /// Its rows in parts that are not thinned.
    pub(crate) read: Vec<RowTaken>,
    /// Its rows in thinned parts, which it replaces.
    pub(crate) replaced: Vec<RowRef>,
    /// Points that were hidden or replaced by a repeat.
    pub(crate) dropped: u64,
}

/// The points of one row of a series table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowTaken {
    pub(crate) part: u32,
    pub(crate) points: u64,
    pub(crate) bits: u64,
}

impl Outliner<'_> {
    /// Outlines one series.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn outline(
        &self,
        key: &SeriesKey,
        rows: &[RowRef],
        tombstones: Option<&Tombstones>,
    ) -> Result<ThinOutcome> {
        let mut verdicts = HashMap::new();
        for row in rows {
            verdicts.insert(*row, self.verdict(row, tombstones)?);
        }
        let verdict = |r: &RowRef| verdicts[r];
        if self.is_partly_automatic(rows.iter().filter(|r| verdict(r) != Coverage::All)) {
            return Ok(ThinOutcome::Mixed);
        }
        let (replaced, mut plain): (Vec<RowRef>, Vec<RowRef>) =
            rows.iter().partition(|r| r.is_thinned(self.parts));
        let old: Vec<&RowRef> = replaced.iter().filter(|r| verdict(r) != Coverage::All).collect();
        if old.len() > 1 || old.iter().any(|r| verdict(r) == Coverage::Some) {
            return Ok(ThinOutcome::Mixed);
        }
        let old = old.first().map(|r| self.thinned(r)).transpose()?;
        plain.sort_by_key(|r| self.steps(r).first);
        let hidden = plain.iter().any(|r| verdict(r) == Coverage::Some);
        let new = match hidden {
            true => self.read_extent(&plain, tombstones)?,
            false => {
                let seen = plain.iter().filter(|r| verdict(r) == Coverage::Nothing);
                seen.map(|r| self.steps(r)).reduce(Extent::join)
            }
        };
        let before = old.as_ref().and_then(|o| steps_of_points(&o.points));
        if before.zip(new).is_some_and(|(a, b)| a.meets(b)) {
            return Ok(ThinOutcome::Mixed);
        }
        let both = before.into_iter().chain(new).reduce(Extent::join);
        let Some(steps) = both else { return Ok(ThinOutcome::Nothing) };
        let width = chart_width(steps.first, steps.last, self.buckets);
        let shift = old.as_ref().map_or(0, |o| o.shift).max(width.trailing_zeros());
        let wider = old.as_ref().is_some_and(|o| o.shift < shift);
        if old.is_some() && new.is_none() && !wider {
            return Ok(ThinOutcome::Nothing);
        }
        // A bucket has at most as many points as steps.
        if shift == 0 || shift > SHIFT_MAX || (1 << shift) < self.bucket_points {
            return Ok(ThinOutcome::NoGain);
        }
        let mut outline = Outline::new(shift);
        let behind = before.zip(new).is_some_and(|(old, new)| new.last < old.first);
        if let Some(old) = old.as_ref().filter(|_| !behind) {
            outline.push_outline(&old.points, &old.buckets);
        }
        let read = self.each_stretch(&plain, tombstones, &mut |points| outline.push(points))?;
        if let Some(old) = old.as_ref().filter(|_| behind) {
            outline.push_outline(&old.points, &old.buckets);
        }
        let known = old.as_ref().map_or(0, |o| o.account().points);
        let found: u64 = read.iter().map(|r| r.points).sum();
        let seen = outline.count() - known;
        let (points, buckets) = outline.finish();
        let stored = seen + old.as_ref().map_or(0, |o| o.points.len() as u64);
        // A thinned series that has grown only a little is not worth a rewrite.
        let grown = old.is_none() || wider || points.len() as u64 * 2 <= stored;
        let gains = grown && (known + seen) / self.bucket_points >= buckets.len() as u64;
        if !gains {
            return Ok(ThinOutcome::NoGain);
        }
        let series = Thinned { key: key.clone(), points, shift, buckets };
        let dropped = found - seen;
        Ok(ThinOutcome::Thinned(Box::new(Outlined { series, read, replaced, dropped })))
    }

    /// Whether only some of the points in these rows have automatic steps.
    fn is_partly_automatic<'r>(&self, rows: impl Iterator<Item = &'r RowRef>) -> bool {
        let found: Vec<Automatic> = rows.map(|r| Automatic::of(&r.of(self.parts))).collect();
        found.contains(&Automatic::Some) || found.windows(2).any(|w| w[0] != w[1])
    }

    fn steps(&self, row: &RowRef) -> Extent {
        row.steps(self.parts)
    }

    fn verdict(&self, row: &RowRef, tombstones: Option<&Tombstones>) -> Result<Coverage> {
        let Some(tombstones) = tombstones else { return Ok(Coverage::Nothing) };
        let seqs = self.parts[row.part as usize].series().reader().of(row.row as usize)?.seqs();
        Ok(tombstones.coverage(self.steps(row), seqs, Automatic::of(&row.of(self.parts))))
    }

    fn thinned(&self, row: &RowRef) -> Result<Thinned> {
        let part = &self.parts[row.part as usize];
        Thinned::read(part, &part.series().row(row.row as usize)?)
    }

    /// The extent of the visible points, read where the series tables cannot give it.
    fn read_extent(&self, rows: &[RowRef], tombstones: Option<&Tombstones>) -> Result<Option<Extent>> {
        let mut extent: Option<Extent> = None;
        self.each_stretch(rows, tombstones, &mut |points| {
            extent = extent.into_iter().chain(steps_of_points(&points)).reduce(Extent::join);
        })?;
        Ok(extent)
    }

    /// Passes the visible points to `take`, stretch by stretch, each step once. The rows must ascend by first step.
    fn each_stretch(
        &self,
        rows: &[RowRef],
        tombstones: Option<&Tombstones>,
        take: &mut dyn FnMut(Points),
    ) -> Result<Vec<RowTaken>> {
        let taken = |row: &RowRef| (*row, RowTaken { part: row.part, points: 0, bits: 0 });
        let mut read: BTreeMap<RowRef, RowTaken> = rows.iter().map(taken).collect();
        let mut rest = rows;
        while let Some(first) = rest.first() {
            let mut last = self.steps(first).last;
            let mut together = 1;
            while let Some(row) = rest.get(together)
                && self.steps(row).first <= last
            {
                last = last.max(self.steps(row).last);
                together += 1;
            }
            let (stretch, others) = rest.split_at(together);
            rest = others;
            let anchors = StepAnchors::default();
            for steps in self.ranges(stretch, &anchors)? {
                let pieces = anchors.pieces(self.parts, stretch, steps)?;
                let points = self.merged(&pieces, steps, tombstones, &mut read)?;
                if !points.is_empty() {
                    take(points);
                }
            }
        }
        Ok(read.into_values().collect())
    }

    /// Ranges of steps that split a stretch, so that the points of each fit into memory. Those of one step are in one range.
    fn ranges(&self, stretch: &[RowRef], anchors: &StepAnchors) -> Result<Vec<StepRange>> {
        let points: u64 = stretch.iter().map(|row| u64::from(row.of(self.parts).rows)).sum();
        let ranges = points.saturating_mul(POINT_BYTES).div_ceil(self.memory_bytes.max(1));
        if ranges <= 1 {
            return Ok(vec![StepRange::ALL]);
        }
        let mut steps: Vec<i64> = Vec::new();
        for row in stretch {
            steps.extend_from_slice(&anchors.of(self.parts, *row)?);
        }
        steps.sort_unstable();
        let each = steps.len().div_ceil(usize::try_from(ranges).unwrap_or(usize::MAX)).max(1);
        let mut ends: Vec<Option<i64>> = steps.into_iter().step_by(each).skip(1).map(Some).collect();
        ends.dedup();
        let starts = std::iter::once(None).chain(ends.clone());
        Ok(starts.zip(ends.iter().copied().chain([None])).map(|(lo, hi)| StepRange { lo, hi }).collect())
    }

    /// The visible points of some pieces within a range of steps, each step once. What is read is counted.
    fn merged(
        &self,
        pieces: &[Piece],
        steps: StepRange,
        tombstones: Option<&Tombstones>,
        read: &mut BTreeMap<RowRef, RowTaken>,
    ) -> Result<Points> {
        let meter = Meter::of_job();
        let lists = [pieces.to_vec()];
        let mut chunks = read_pieces(
            self.parts,
            &lists,
            ColumnSet::ALL,
            &PointFilter::default(),
            &meter,
            &DamageReport::default(),
        )?
        .pop()
        .unwrap_or_default();
        for (piece, points) in pieces.iter().zip(&mut chunks) {
            keep_steps(points, steps);
            if let Some(taken) = read.get_mut(&piece.row) {
                taken.points += points.len() as u64;
                taken.bits = taken.bits.wrapping_add(value_bits_sum(&points.values));
            }
            if let Some(tombstones) = tombstones {
                tombstones.apply(points);
            }
        }
        // Hidden parts come first, so that rows of one batch keep their order.
        let mut placed: Vec<(u32, Points)> = pieces.iter().map(|piece| piece.row.part).zip(chunks).collect();
        placed.sort_by_key(|(part, _)| *part);
        Ok(merge(placed.into_iter().map(|(_, points)| points).collect(), Repeats::Last))
    }
}

/// The extent of points in ascending order of step.
fn steps_of_points(points: &Points) -> Option<Extent> {
    points.steps.first().zip(points.steps.last()).map(|(&first, &last)| Extent::new(first, last))
}
