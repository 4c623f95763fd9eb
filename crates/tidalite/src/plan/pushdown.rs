//! Answers from summaries: the summary of a whole row of a part stands for the points in its pages.
//!
//! A summary stands for its points only where each of them counts: no step occurs twice or all are automatic, nothing is
//! inherited from another run, nothing is hidden, and the selected ranges contain all of them. Where that is uncertain for a bucket,
//! its points are read. Where it is uncertain for a series, all its points are read and merged. Rollups are in
//! `pushdown_rollups.rs`, thinned parts in `pushdown_thinned.rs`.

use super::judged::Judged;
use super::query_plan::Plan;
use super::resolution::Resolution;
use super::resolved::{Chunk, Resolved};
use super::series::{Planned, PlannedSource};
use crate::parts::scan::{Piece, RowRef, read_pieces};
use crate::view::tombstones::Automatic;
use std::ops::Range;
use tidalite_model::{Result, Written};
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
        let apart = self.apart(own).then(|| self.separate_tail(planned, own)).flatten();
        let apart = apart.or_else(|| self.automatic_tails(planned, own, resolution));
        let Some(tails) = apart else { return self.resolve_mixed(planned, own, resolution) };
        let mut resolved = Resolved { tails, ..Resolved::default() };
        for points in &mut resolved.tails {
            self.filter_of(planned).apply(points);
            self.meter.log_points(points.len());
        }
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
        let mut details = view.parts[rows[0].part as usize].series().reader();
        let mut judged = Vec::with_capacity(rows.len());
        for &at in rows {
            let row = at.of(&view.parts);
            let by_steps = filter.steps_verdict(row.first_step, row.last_step);
            let decided = by_steps == Verdict::NoPoint || filter.binds_steps_alone();
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
            None => s.rows().map(|r| r.whole(parts, true)).collect(),
        };
        let lists: Vec<Vec<Piece>> = series.iter().zip(&resolved).map(pieces).collect();
        let columns = if resolved.iter().all(Option::is_some) { columns } else { ColumnSet::ALL };
        for (planned, list) in series.iter().zip(&lists).filter(|_| all_at_once) {
            self.check_room(&planned.key, list.iter().map(|p| p.len() as u64).sum(), columns)?;
        }
        let read = read_pieces(parts, &lists, columns, &self.meter)?;
        let mut found = Vec::with_capacity(series.len());
        for ((s, points_read), resolved) in series.iter().zip(read).zip(resolved) {
            let Some(resolved) = resolved else {
                found.push(vec![Chunk::Points(self.finish(s, points_read))]);
                continue;
            };
            let mut chunks: Vec<Chunk> = resolved.known.into_iter().map(Chunk::Summed).collect();
            for (piece, mut points) in resolved.pieces.iter().zip(points_read) {
                if piece.cut {
                    self.filter_of(s).apply(&mut points);
                }
                chunks.push(Chunk::Points(points));
            }
            chunks.extend(resolved.tails.into_iter().map(Chunk::Points));
            found.push(chunks);
        }
        Ok(found)
    }

    /// The points of the tails, where all points of a series have automatic steps, so that none takes another's place.
    /// `None` where points have to be merged, or where the answer needs first or last points: of several at one step, only
    /// their clocks tell which is the first.
    fn automatic_tails(
        &self,
        planned: &Planned,
        own: &PlannedSource,
        resolution: &Resolution,
    ) -> Option<Vec<Points>> {
        let parts = &self.snapshot.view.parts;
        let rows = || own.rows.iter().map(|row| Automatic::of(row.of(parts)));
        if resolution.needs_ends() || own.points_covered || rows().any(|row| row != Automatic::All) {
            return None;
        }
        let tails = self.tail_points(planned, own);
        let is_automatic = |&written: &i64| Written::from_i64(written).is_automatic();
        let all = tails.iter().flat_map(|points| &points.written).all(is_automatic);
        all.then(|| tails.into_iter().map(|points| merge(vec![points], Repeats::All)).collect())
    }

    /// The points of the only tail, where they ascend and follow the rows of parts, so that nothing needs merging.
    /// `None` where points have to be merged.
    fn separate_tail(&self, planned: &Planned, own: &PlannedSource) -> Option<Vec<Points>> {
        let tails = self.tail_points(planned, own);
        if tails.is_empty() {
            return Some(tails);
        }
        let [tail] = &tails[..] else { return None };
        let ascends = tail.steps.windows(2).all(|w| w[0] < w[1]);
        let last = own.rows.last().map(|r| self.last_step(own, r));
        let follows = last.is_none_or(|last| tail.steps.first().is_none_or(|&s| s > last));
        (ascends && follows).then_some(tails)
    }
}
