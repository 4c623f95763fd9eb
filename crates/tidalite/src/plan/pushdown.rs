//! Answers from summaries: the summary of a whole row of a part stands for the points in its pages.
//!
//! A summary stands for its points only where each of them counts: no step occurs twice or all are automatic, nothing is
//! inherited from another run, nothing is hidden, and the selected ranges contain all of them. Where that is uncertain
//! for a bucket, its points are read. Where it is uncertain for a series, all its points are read and merged. Rollups are
//! in `pushdown_rollups.rs`, thinned parts in `pushdown_thinned.rs`.

use super::batch_tails::BatchTails;
use super::judged::Judged;
use super::query_plan::Plan;
use super::resolution::Resolution;
use super::resolved::{Chunk, Resolved};
use super::series::{Planned, PlannedSource};
use crate::engine::tail_shape::TailShape;
use crate::parts::scan::{Piece, RowRef, read_pieces};
use crate::view::tombstones::Automatic;
use std::ops::Range;
use tidalite_log::SeriesId;
use tidalite_model::{Extent, Result};
use tidalite_parts::ColumnSet;
use tidalite_query::{Points, Repeats, Verdict, merge};

impl Plan {
    /// Splits a series into what summaries answer and what has to be read; `None` where all of it has to be merged.
    ///
    /// # Errors
    /// `Corrupt` where a series table has changed since it was opened, or where the rollups of a thinned part are
    /// needed and cannot be read; `Full` where points to merge with thinned ones exceed the memory option.
    pub(crate) fn resolve(&self, planned: &Planned, resolution: &Resolution) -> Result<Option<Resolved>> {
        if self.shaping.is_some() {
            return Ok(None);
        }
        let Some(own) = self.sole(planned) else { return Ok(None) };
        let shapes = self.shapes(planned, own)?;
        // Points of logs are gathered a batch at a time, and these are split only where they are merged.
        let few = shapes.iter().map(|shape| shape.points).sum::<u64>() <= self.batch_points();
        let apart = few
            && (self.apart(own) && self.is_separate(planned, own, &shapes)?
                || self.are_automatic(own, &shapes, resolution));
        if !apart {
            return self.resolve_mixed(planned, own, resolution);
        }
        let mut resolved = Resolved { has_tails: !shapes.is_empty(), ..Resolved::default() };
        let mut rows = own.rows.clone();
        rows.sort_by_key(|r| r.part);
        for of_part in rows.chunk_by(|a, b| a.part == b.part) {
            if of_part[0].is_thinned(&self.snapshot.view.parts) {
                for row in of_part {
                    self.resolve_thinned(planned, own, *row, resolution, &|_| false, &mut resolved)?;
                }
            } else {
                self.resolve_part(planned, of_part, resolution, &mut resolved)?;
            }
        }
        Ok(Some(resolved))
    }

    /// The pieces of a series that is read without a merge, ascending by step, of which summaries and rollups do not rule out
    /// every point.
    ///
    /// # Errors
    /// `Corrupt` where a series table has changed since it was opened.
    pub(super) fn pieces_to_read(&self, planned: &Planned, own: &PlannedSource) -> Result<Vec<Piece>> {
        let parts = &self.snapshot.view.parts;
        if self.filter.binds_steps_alone() || own.rows.iter().any(|row| row.is_thinned(parts)) {
            return Ok(own.rows.iter().map(|row| row.whole(parts, true)).collect());
        }
        let mut resolved = Resolved::default();
        let mut rows = own.rows.clone();
        rows.sort_by_key(|row| row.part);
        for of_part in rows.chunk_by(|a, b| a.part == b.part) {
            self.resolve_part(planned, of_part, &Resolution::of_points(), &mut resolved)?;
        }
        resolved.pieces.sort_by_key(|piece| (piece.row.steps(parts).first, piece.from));
        Ok(resolved.pieces)
    }

    /// Resolves the rows of a series in one part.
    fn resolve_part(
        &self,
        planned: &Planned,
        rows: &[RowRef],
        resolution: &Resolution,
        resolved: &mut Resolved,
    ) -> Result<()> {
        let parts = &self.snapshot.view.parts;
        let judged = self.judge(planned, rows, resolution)?;
        let undecided = judged.iter().any(|row| row.verdict != Verdict::NoPoint && row.known.is_none());
        if undecided && self.resolve_rollups(planned, &judged, resolution, resolved)? {
            return Ok(());
        }
        let (mut count, mut points) = (0, 0);
        for row in judged.into_iter().filter(|row| row.verdict != Verdict::NoPoint) {
            if let Some(summary) = row.known {
                (count, points) = (count + 1, points + summary.count);
                resolved.known.push(summary);
            } else {
                resolved.pieces.push(row.at.whole(parts, row.verdict == Verdict::Unknown));
            }
        }
        self.meter.summaries(count, points);
        Ok(())
    }

    /// Judges rows of one part. A row's summary is looked up only where steps do not decide or where it may answer.
    fn judge(&self, planned: &Planned, rows: &[RowRef], resolution: &Resolution) -> Result<Vec<Judged>> {
        let view = &self.snapshot.view;
        let filter = self.filter_of(planned);
        let part = &view.parts[rows[0].part as usize];
        // Without a series table a summary is made from the points, so they are read at once.
        let has_summaries = part.meta().has_series_table();
        let mut details = part.series().reader();
        let mut judged = Vec::with_capacity(rows.len());
        for &at in rows {
            let row = at.of(&view.parts);
            let by_steps = filter.steps_verdict(row.steps());
            let decided = by_steps == Verdict::NoPoint || filter.binds_steps_alone();
            if by_steps != Verdict::NoPoint && !has_summaries {
                let verdict = if decided { by_steps } else { Verdict::Unknown };
                judged.push(Judged { at, verdict, known: None });
                continue;
            }
            if decided && (by_steps != Verdict::AllPoints || !resolution.may_fit(at.steps(&view.parts))) {
                judged.push(Judged { at, verdict: by_steps, known: None });
                continue;
            }
            let summary = details.of(at.row as usize)?.summary;
            let verdict = filter.verdict(&summary);
            let known = (verdict == Verdict::AllPoints && resolution.fits(&summary)).then_some(summary);
            judged.push(Judged { at, verdict, known });
        }
        Ok(judged)
    }

    /// The answer for each series of a batch, in chunks. No page is read where a summary or a rollup suffices.
    /// `resolution` maps a series' index in the plan to the resolution of its answer.
    ///
    /// # Errors
    /// Those of reading; `Full` where `all_at_once` is set and the points to read of one series exceed the memory
    /// option.
    pub(crate) fn chunks(
        &self,
        batch: Range<usize>,
        columns: ColumnSet,
        resolution: &dyn Fn(usize) -> Resolution,
        all_at_once: bool,
    ) -> Result<Vec<Vec<Chunk>>> {
        if self.shaping.is_some() {
            let made = self.load(batch, columns)?.into_iter();
            return Ok(made.map(|points| vec![Chunk::Points(points)]).collect());
        }
        let parts = &self.snapshot.view.parts;
        let series = &self.series[batch.clone()];
        let resolved = batch.zip(series).map(|(i, s)| self.resolve(s, &resolution(i)));
        let resolved: Vec<Option<Resolved>> = resolved.collect::<Result<_>>()?;
        self.meter.merged(resolved.iter().filter(|t| t.is_none()).count());
        let pieces = |(s, t): (&Planned, &Option<Resolved>)| match t {
            Some(resolved) => resolved.pieces.clone(),
            None => s.rows().map(|r| r.whole(parts, false)).collect(),
        };
        let lists: Vec<Vec<Piece>> = series.iter().zip(&resolved).map(pieces).collect();
        let columns = if resolved.iter().all(Option::is_some) { columns } else { ColumnSet::ALL };
        for (planned, list) in series.iter().zip(&lists).filter(|_| all_at_once) {
            self.check_room(&planned.key, list.iter().map(|p| p.len() as u64).sum(), columns)?;
        }
        let needs_tails = |(_, r): &(&Planned, &Option<Resolved>)| r.as_ref().is_none_or(|r| r.has_tails);
        let logged = series.iter().zip(&resolved).filter(needs_tails).map(|(planned, _)| planned);
        let mut tails = self.tails_of(logged)?;
        let read = read_pieces(parts, &lists, columns, &self.filter, &self.meter, &self.damage)?;
        let mut found = Vec::with_capacity(series.len());
        for ((s, points_read), resolved) in series.iter().zip(read).zip(resolved) {
            let Some(resolved) = resolved else {
                found.push(vec![Chunk::Points(self.finish(s, points_read, &mut tails))]);
                continue;
            };
            let logged = self.resolved_tails(s, &resolved, &mut tails);
            let mut chunks: Vec<Chunk> = resolved.known.into_iter().map(Chunk::Summed).collect();
            for (piece, mut points) in resolved.pieces.iter().zip(points_read) {
                if piece.cut {
                    self.filter_of(s).apply(&mut points);
                }
                chunks.push(Chunk::Points(points));
            }
            chunks.extend(resolved.merged.into_iter().chain(logged).map(Chunk::Points));
            found.push(chunks);
        }
        Ok(found)
    }

    /// How the points in logs lie; tails without any are left out.
    fn shapes(&self, planned: &Planned, own: &PlannedSource) -> Result<Vec<TailShape>> {
        let steps = own.within(planned.steps);
        let shape = |&(t, id): &(usize, SeriesId)| self.snapshot.view.tails[t].shape(id, steps);
        let shapes: Vec<TailShape> = own.tails.iter().map(shape).collect::<Result<_>>()?;
        Ok(shapes.into_iter().filter(|shape| shape.steps.is_some()).collect())
    }

    /// Whether all points of a series have automatic steps, so that none takes another's place. Not where the answer needs
    /// first or last points: of several at one step, only their clocks tell which is the first.
    fn are_automatic(&self, own: &PlannedSource, shapes: &[TailShape], resolution: &Resolution) -> bool {
        let parts = &self.snapshot.view.parts;
        let mut rows = own.rows.iter().map(|row| Automatic::of(&row.of(parts)));
        !resolution.needs_ends()
            && !own.points_covered
            && rows.all(|row| row == Automatic::All)
            && shapes.iter().all(|shape| shape.automatic)
    }

    /// Whether the points of logs are in one tail, have each step once, and follow the rows of parts, so that nothing needs
    /// merging.
    fn is_separate(&self, planned: &Planned, own: &PlannedSource, shapes: &[TailShape]) -> Result<bool> {
        let last = own.rows.last().map(|r| self.last_step(own, r));
        let follows = |steps: Option<Extent>| last.zip(steps).is_none_or(|(last, steps)| steps.first > last);
        if own.tombstones.is_some() && !shapes.iter().any(|shape| shape.cold) {
            // Only visible points count.
            let found = self.tail_points(planned, own, &mut self.tails_of([planned])?);
            let ascends = |points: &Points| points.steps.windows(2).all(|w| w[0] < w[1]);
            return Ok(match &found[..] {
                [] => true,
                [points] => ascends(points) && follows(Extent::of(points.steps.iter().copied())),
                _ => false,
            });
        }
        Ok(match shapes {
            [] => true,
            [shape] => shape.distinct && follows(shape.steps),
            _ => false,
        })
    }

    /// The points of logs of a resolved series, filtered and ascending, one `Points` per tail.
    pub(crate) fn resolved_tails(
        &self,
        planned: &Planned,
        resolved: &Resolved,
        tails: &mut BatchTails,
    ) -> Vec<Points> {
        let Some(own) = self.sole(planned).filter(|_| resolved.has_tails) else { return Vec::new() };
        let ascending = |points: Points| {
            let mut points = merge(vec![points], Repeats::All);
            self.filter_of(planned).apply(&mut points);
            self.meter.log_points(points.len());
            points
        };
        self.tail_points(planned, own, tails).into_iter().map(ascending).collect()
    }
}
