//! Answers from rollups: buckets stand for most points of a long row; the points at the ends of a range are read.
//!
//! Rollups are used only where the plan reads all rows that they summarize, and where they avoid reading pages. Where
//! they cannot be read, the points give the same answer.

use super::judged::Judged;
use super::query_plan::Plan;
use super::resolution::{Resolution, SeriesReach};
use super::resolved::Resolved;
use super::series::Planned;
use crate::parts::scan::RowRef;
use std::collections::HashSet;
use std::ops::Range;
use tidalite_model::{Result, Summary};
use tidalite_parts::{Part, RolledSeries};
use tidalite_query::Verdict;

/// A range of a series' points in one part that have to be read, by index, and whether the filter cuts it.
type OpenRange = (Range<u64>, bool);

impl Plan {
    /// Resolves the rows of one part by its rollups; what these leave open becomes pieces to read. `false` where
    /// there are no rollups, where they do not help, or where they count points that the plan leaves out.
    ///
    /// # Errors
    /// `Corrupt` where the series table has changed since it was opened.
    pub(super) fn resolve_rollups(
        &self,
        planned: &Planned,
        judged: &[Judged],
        resolution: &Resolution,
        resolved: &mut Resolved,
    ) -> Result<bool> {
        let parts = &self.snapshot.view.parts;
        let filter = self.filter_of(planned);
        let part = &parts[judged[0].at.part as usize];
        let cut = judged.iter().any(|row| row.verdict == Verdict::Unknown);
        if part.meta().rollups.is_none() || !(resolution.summaries || cut) {
            return Ok(false);
        }
        // A row of one page takes one read in any case.
        let worth = judged.iter().any(|row| match row.verdict {
            Verdict::NoPoint => false,
            Verdict::AllPoints => row.known.is_none(),
            Verdict::Unknown => {
                let row = row.at.of(parts);
                part.value_pages(row.tile, row.row_start..row.row_start + row.rows) > 1
            }
        });
        let Some(rollups) = part.rollups().filter(|_| worth) else { return Ok(false) };
        let Some(rolled) = rollups.of(&planned.key) else { return Ok(false) };
        let wanted: HashSet<u32> = judged.iter().map(|row| row.at.row).collect();
        let table = part.series();
        let accounted =
            |&r: &u32| wanted.contains(&r) || !planned.steps.meets(table.entry(r as usize).steps());
        if !rolled.rows.iter().all(accounted) {
            return Ok(false);
        }
        let reach = SeriesReach::of(rolled, table, resolution.times_us.is_some())?;
        let Some(tier) = resolution.tier(rolled, &reach, cut) else { return Ok(false) };
        let Ok((buckets, fetched)) = rollups.read(tier, resolution.columns(&filter)) else {
            return Ok(false);
        };
        if buckets.iter().map(|s| s.count).sum::<u64>() != rolled.points {
            return Ok(false);
        }
        self.meter.rollups(fetched);
        let open = self.resolve_buckets(planned, buckets, resolution, resolved);
        push_open(part, judged[0].at.part, rolled, &wanted, &open, resolved);
        Ok(true)
    }

    /// Takes the buckets that stand for their points, and returns the ranges to read for the others.
    fn resolve_buckets(
        &self,
        planned: &Planned,
        buckets: Vec<Summary>,
        resolution: &Resolution,
        resolved: &mut Resolved,
    ) -> Vec<OpenRange> {
        let filter = self.filter_of(planned);
        let (mut count, mut points) = (0, 0);
        let mut open: Vec<OpenRange> = Vec::new();
        let mut at = 0;
        for bucket in buckets {
            let (start, end) = (at, at + bucket.count);
            at = end;
            match filter.verdict(&bucket) {
                Verdict::NoPoint => {}
                Verdict::AllPoints if resolution.fits(&bucket) => {
                    (count, points) = (count + 1, points + bucket.count);
                    resolved.known.push(bucket);
                }
                verdict => match open.last_mut() {
                    Some((range, cut)) if range.end == start => {
                        range.end = end;
                        *cut |= verdict == Verdict::Unknown;
                    }
                    _ => open.push((start..end, verdict == Verdict::Unknown)),
                },
            }
        }
        self.meter.buckets(count, points);
        open
    }
}

/// Turns open ranges of a series' points into pieces of its rows.
fn push_open(
    part: &Part,
    part_index: u32,
    rolled: &RolledSeries,
    wanted: &HashSet<u32>,
    open: &[OpenRange],
    resolved: &mut Resolved,
) {
    let mut before = 0;
    for &index in &rolled.rows {
        let row = part.series().entry(index as usize);
        let of_row = before..before + u64::from(row.rows);
        before = of_row.end;
        if !wanted.contains(&index) {
            continue;
        }
        let first = open.partition_point(|(range, _)| range.end <= of_row.start);
        for (range, cut) in open[first..].iter().take_while(|(range, _)| range.start < of_row.end) {
            let within = |at: u64| {
                let rows = at.clamp(of_row.start, of_row.end) - of_row.start;
                row.row_start + u32::try_from(rows).expect("a row's points are counted in u32")
            };
            let at = RowRef { part: part_index, row: index };
            resolved.pieces.push(at.piece(&row, within(range.start)..within(range.end), *cut));
        }
    }
}
