//! Answers from thinned parts, where most points are known only by summaries and buckets.
//!
//! Invariants: where a summary or a bucket can answer, it does. Beside it, the outline answers what no summary does:
//! percentiles, and the step of a NaN. So no aggregate depends on which others are asked for. Buckets that are needed and
//! cannot be read are an error, since no points are left to fall back on.

use super::load::in_order_of_parts;
use super::query_plan::Plan;
use super::resolution::Resolution;
use super::resolved::Resolved;
use super::series::{Planned, PlannedSource};
use crate::parts::scan::{Piece, RowRef, read_pieces};
use crate::view::tombstones::Automatic;
use tidalite_model::{Error, Extent, Result, SeriesKey, StepRange, Summary};
use tidalite_parts::{ColumnSet, Part};
use tidalite_query::{PointFilter, Points, Verdict, merge};

/// Steps of a row whose points have to be read, and whether the filter cuts them.
type OpenSteps = (Extent, bool);

impl Plan {
    /// Resolves a series where plain points may fall between thinned ones. Plain points are merged with the points
    /// left of the buckets that they fall into; the other buckets stand for their points. `None` where nothing is
    /// thinned.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub(super) fn resolve_mixed(
        &self,
        planned: &Planned,
        own: &PlannedSource,
        resolution: &Resolution,
    ) -> Result<Option<Resolved>> {
        let parts = &self.snapshot.view.parts;
        let (thinned, plain): (Vec<RowRef>, Vec<RowRef>) = own.rows.iter().partition(|r| r.is_thinned(parts));
        let [row] = thinned[..] else { return Ok(None) };
        self.meter.merged(1);
        let read = |pieces: Vec<Piece>| -> Result<Vec<Points>> {
            self.check_room(&planned.key, pieces.iter().map(|p| p.len() as u64).sum(), ColumnSet::ALL)?;
            let mut read = read_pieces(
                parts,
                &[pieces],
                ColumnSet::ALL,
                &PointFilter::default(),
                &self.meter,
                &self.damage,
            )?
            .pop()
            .unwrap_or_default();
            if let Some(tombstones) = own.tombstones.as_ref().filter(|_| own.rows_covered) {
                read.iter_mut().for_each(|points| tombstones.apply(points));
            }
            Ok(read)
        };
        let chunks = read(plain.iter().map(|r| r.whole(parts, true)).collect())?;
        let mut chunks = in_order_of_parts(&plain, chunks);
        chunks.extend(self.tail_points(planned, own, &mut self.tails_of([planned])?));
        let points = merge(chunks, self.rules.repeats);
        // Points with automatic steps are there besides all others.
        let automatic = Automatic::of(&row.of(parts)) == Automatic::All;
        let met = |steps: Extent| {
            if automatic {
                return false;
            }
            let at = points.steps.partition_point(|&step| step < steps.first);
            points.steps.get(at).is_some_and(|&step| step <= steps.last)
        };
        let mut resolved = Resolved::default();
        self.resolve_thinned(planned, own, row, resolution, &met, &mut resolved)?;
        let mut left = read(std::mem::take(&mut resolved.pieces))?;
        left.push(points);
        let mut points = merge(left, self.rules.repeats);
        self.filter_of(planned).apply(&mut points);
        resolved.merged.push(points);
        Ok(Some(resolved))
    }

    /// Resolves a row of a thinned part by its summary or its buckets. Where the filter cuts one of these, or it is
    /// `met` by other points, the points left of it answer.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub(super) fn resolve_thinned(
        &self,
        planned: &Planned,
        own: &PlannedSource,
        row: RowRef,
        resolution: &Resolution,
        met: &dyn Fn(Extent) -> bool,
        resolved: &mut Resolved,
    ) -> Result<()> {
        let parts = &self.snapshot.view.parts;
        let part = &parts[row.part as usize];
        let summary = part.series().reader().of(row.row as usize)?.summary;
        let mut filter = self.filter_of(planned);
        let seen = StepRange::new(None, own.thinned_end.and_then(|end| end.checked_add(1)));
        filter.steps = filter.steps.clip(seen);
        let all = row.steps(parts);
        let (verdict, alone) = (filter.verdict(&summary), !met(all));
        if verdict == Verdict::NoPoint && alone {
            return Ok(());
        }
        if verdict == Verdict::AllPoints && alone && resolution.fits_outlined(&summary) {
            self.meter.summaries(1, summary.count);
            if resolution.needs_outline(&summary) {
                resolved.outlines.push(row.whole(parts, false));
            }
            resolved.known.push(summary);
            return Ok(());
        }
        let (mut open, mut outlined): (Vec<OpenSteps>, Vec<OpenSteps>) = Default::default();
        if resolution.outlined && filter.values.is_all() {
            let (mut count, mut points) = (0, 0);
            for bucket in self.buckets_of(part, &planned.key, &filter, resolution, verdict)? {
                let Some(steps) = bucket.steps() else { continue };
                let alone = alone || !met(steps);
                match filter.verdict(&bucket) {
                    Verdict::NoPoint if alone => {}
                    Verdict::AllPoints if alone && resolution.fits_outlined(&bucket) => {
                        (count, points) = (count + 1, points + bucket.count);
                        if resolution.needs_outline(&bucket) {
                            outlined.push((steps, false));
                        }
                        resolved.known.push(bucket);
                    }
                    verdict => open.push((steps, verdict == Verdict::Unknown)),
                }
            }
            self.meter.buckets(count, points);
        } else {
            open.push((all, verdict == Verdict::Unknown));
        }
        self.push_steps(row, &filter, open, &mut resolved.pieces)?;
        self.push_steps(row, &filter, outlined, &mut resolved.outlines)
    }

    /// Turns steps of a row into pieces of it.
    fn push_steps(
        &self,
        row: RowRef,
        filter: &PointFilter,
        open: Vec<OpenSteps>,
        pieces: &mut Vec<Piece>,
    ) -> Result<()> {
        if open.is_empty() {
            return Ok(());
        }
        let parts = &self.snapshot.view.parts;
        let of = row.of(parts);
        let all = of.row_start..of.row_start + of.rows;
        let only = ColumnSet { step: true, ..ColumnSet::default() };
        let steps = parts[row.part as usize].read(of.tile, std::slice::from_ref(&all), only)?.steps;
        let before =
            |end: usize| of.row_start + u32::try_from(end).expect("a row's points are counted in u32");
        for (Extent { first, last }, cut) in open {
            let last = filter.steps.hi.map_or(last, |hi| last.min(hi.saturating_sub(1)));
            let from = before(steps.partition_point(|&s| s < first));
            let to = before(steps.partition_point(|&s| s <= last));
            match pieces.last_mut() {
                Some(piece) if piece.row == row && piece.to == from => {
                    piece.to = to.max(from);
                    piece.cut |= cut;
                }
                _ if from < to => pieces.push(row.piece(&of, from..to, cut)),
                _ => {}
            }
        }
        Ok(())
    }

    /// The buckets of a thinned series, at the tier that fits the answer best.
    fn buckets_of(
        &self,
        part: &Part,
        key: &SeriesKey,
        filter: &PointFilter,
        resolution: &Resolution,
        verdict: Verdict,
    ) -> Result<Vec<Summary>> {
        let lost = |wrong: &str| Error::corrupt("read rollups", &part.paths().rollups, 0, wrong);
        let rollups = part.thinned_rollups()?;
        let rolled = rollups.of(key).ok_or_else(|| lost("a thinned series has no buckets"))?;
        let whole = verdict == Verdict::AllPoints && resolution.times_us.is_none();
        let tier = resolution.aligned(rolled).filter(|_| whole).or(rolled.tiers.first());
        let tier = tier.ok_or_else(|| lost("a thinned series has no buckets"))?;
        let (buckets, fetched) = rollups.read(tier, resolution.columns(filter))?;
        self.meter.rollups(fetched);
        if buckets.iter().map(|s| s.count).sum::<u64>() != rolled.points {
            return Err(lost("the buckets of a thinned series are not those of its summary"));
        }
        Ok(buckets)
    }
}
