//! What of a plan may be answered without points: summaries of whole rows of parts in place of their pages, buckets of
//! rollups in place of most of a long row, and the extent of steps.
//!
//! A summary stands for its points only where each of them counts: no step comes twice, nothing was taken over from
//! another run, nothing is hidden, and the ranges asked for hold all of them. Where that is not certain of a bucket its
//! points are read; where it is not certain of a series all of them are, and merged. What differs of
//! thinned parts is in `stretch_thinned.rs`.

use crate::plan::{Plan, Planned, Source};
use crate::scan::{Piece, RowRef, meets, read_pieces};
use crate::tail::View;
use std::collections::HashSet;
use std::ops::Range;
use tidalite_model::{Result, Summary, SummaryFacts};
use tidalite_parts::{ColumnSet, RolledSeries, RollupTier, SeriesTable};
use tidalite_query::{Grouping, PointFilter, Points, Verdict, same_bucket};

/// Which summaries are of use: those that lie in one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Grain {
    /// Whether any are.
    pub(crate) summaries: bool,
    /// Steps a bucket; none where all steps are one.
    steps: Option<u64>,
    /// Microseconds a bucket; none where all times are one.
    pub(crate) times_us: Option<u64>,
    /// Whether the steps of NaNs are wanted, which no summary tells.
    nan_steps: bool,
    facts: SummaryFacts,
}

/// So many points a bucket hold some pages whole, so that buckets of rollups within it spare reading these.
const WIDE_POINTS: u128 = 16_384;

impl Grain {
    /// Any summary at all.
    pub(crate) fn whole() -> Grain {
        let facts = SummaryFacts {
            sum: true,
            m2: true,
            ends: true,
            extremes: true,
            extreme_steps: true,
            times: true,
        };
        Grain { summaries: true, facts, ..Grain::default() }
    }

    pub(crate) fn of(grouping: &Grouping) -> Grain {
        let (steps, times_us) = grouping.bucket_widths();
        let (summaries, nan_steps) = (grouping.takes_summaries(), grouping.needs_nan_steps());
        Grain { summaries, steps, times_us, nan_steps, facts: grouping.facts() }
    }

    /// Buckets of a chart.
    pub(crate) fn of_chart(width: u64) -> Grain {
        let facts = SummaryFacts { ends: true, extremes: true, ..SummaryFacts::default() };
        Grain { summaries: true, steps: Some(width), facts, ..Grain::default() }
    }

    /// Whether a summary of these steps may be of use, as far as they tell.
    fn may_fit(&self, (first, last): (i64, i64)) -> bool {
        self.summaries && self.steps.is_none_or(|width| same_bucket(first, last, width))
    }

    pub(crate) fn fits(&self, s: &Summary) -> bool {
        let one = |width: Option<u64>, ends: Option<(i64, i64)>| {
            width.is_none_or(|width| ends.is_some_and(|(a, b)| same_bucket(a, b, width)))
        };
        self.summaries
            && !(self.nan_steps && s.nan > 0)
            && one(self.steps, s.first.map(|p| p.step).zip(s.last.map(|p| p.step)))
            && one(self.times_us, s.time_min_us.zip(s.time_max_us))
    }

    /// The tier that answers with the least reading: the widest where all of it counts and its buckets lie within those
    /// asked for, else the finest, which leaves the fewest points to be read at the ends.
    fn tier<'a>(&self, rolled: &'a RolledSeries, of: &Reach, cut: bool) -> Option<&'a RollupTier> {
        let wide =
            |width: u64, extent: u64| u128::from(width) * of.points >= WIDE_POINTS * u128::from(extent);
        if self.times_us.is_some_and(|width| !wide(width, of.times_us)) {
            return None;
        }
        if !cut && self.times_us.is_none() {
            let widest = self.aligned(rolled);
            if widest.is_some() {
                return widest;
            }
        }
        let ragged =
            |t: &&RollupTier| self.is_aligned(t) || self.steps.is_none_or(|width| wide(width, of.steps));
        rolled.tiers.iter().find(ragged)
    }

    /// The widest tier whose buckets lie within those asked for.
    pub(crate) fn aligned<'a>(&self, rolled: &'a RolledSeries) -> Option<&'a RollupTier> {
        rolled.tiers.iter().rev().find(|t| self.is_aligned(t))
    }

    fn is_aligned(&self, tier: &RollupTier) -> bool {
        self.steps.is_none_or(|width| width.is_multiple_of(tier.width))
    }

    /// What is to be read of buckets, where points are cut by a filter.
    pub(crate) fn columns(&self, filter: &PointFilter) -> SummaryFacts {
        SummaryFacts {
            sum: self.facts.sum,
            m2: self.facts.m2,
            ends: self.facts.ends,
            extremes: self.facts.extremes,
            extreme_steps: self.facts.extreme_steps,
            times: self.facts.times || self.times_us.is_some() || !filter.times_us.is_all(),
        }
    }
}

/// How far the points of a series reach in a part, and how many they are.
struct Reach {
    points: u128,
    steps: u64,
    times_us: u64,
}

/// A series whose points need not be merged, sorted out.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Summaries that stand for their points: of rows, and of buckets.
    pub(crate) known: Vec<Summary>,
    /// What is to be read.
    pub(crate) pieces: Vec<Piece>,
    /// Points of the log, filtered.
    pub(crate) tails: Vec<Points>,
}

/// A row of a series table, and what it is to a selection.
struct Judged {
    at: RowRef,
    verdict: Verdict,
    /// Its summary, where that stands for its points.
    known: Option<Summary>,
}

/// A stretch of one series.
pub(crate) enum Stretch {
    /// All points that a summary sums up, and nothing else.
    Summed(Summary),
    /// Points, filtered.
    Points(Points),
}

impl Plan {
    /// What of a series is known without its points, and what is to be read; `None` where all of it has to be merged.
    ///
    /// # Errors
    /// `Corrupt` where a series table has changed since it was opened, or the rollups of a thinned part are needed and cannot be
    /// read.
    pub(crate) fn take(&self, planned: &Planned, grain: &Grain) -> Result<Option<Taken>> {
        if self.shaping.is_some() {
            return Ok(None);
        }
        let Some(own) = self.sole(planned) else { return Ok(None) };
        let apart = self.apart(own).then(|| self.separate_tail(planned, own)).flatten();
        let Some(tails) = apart else { return self.take_mixed(planned, own, grain) };
        let mut taken = Taken { tails, ..Taken::default() };
        for points in &mut taken.tails {
            self.filter_of(planned).apply(points);
            self.meter.log_points(points.len());
        }
        let mut rows = own.rows.clone();
        rows.sort_by_key(|r| r.part);
        for of_part in rows.chunk_by(|a, b| a.part == b.part) {
            if of_part[0].is_thinned(&self.snapshot.view.parts) {
                for row in of_part {
                    self.take_thinned(planned, own, *row, grain, &|_, _| false, &mut taken)?;
                }
            } else {
                self.take_part(planned, of_part, grain, &mut taken)?;
            }
        }
        Ok(Some(taken))
    }

    /// Sorts out the rows that one part has of a series.
    fn take_part(&self, planned: &Planned, rows: &[RowRef], grain: &Grain, taken: &mut Taken) -> Result<()> {
        let parts = &self.snapshot.view.parts;
        let judged = self.judge(planned, rows, grain)?;
        let undecided = judged.iter().any(|row| row.verdict != Verdict::NoPoint && row.known.is_none());
        if undecided && self.take_rollups(planned, &judged, grain, taken)? {
            return Ok(());
        }
        let (mut count, mut points) = (0, 0);
        for row in judged.iter().filter(|row| row.verdict != Verdict::NoPoint) {
            if let Some(summary) = row.known {
                (count, points) = (count + 1, points + summary.count);
                taken.known.push(summary);
            } else {
                taken.pieces.push(row.at.whole(parts, row.verdict == Verdict::Unknown));
            }
        }
        self.meter.summaries(count, points);
        Ok(())
    }

    /// What rows of one part are to a selection. Summaries are looked up only where steps do not decide.
    fn judge(&self, planned: &Planned, rows: &[RowRef], grain: &Grain) -> Result<Vec<Judged>> {
        let view = &self.snapshot.view;
        let filter = self.filter_of(planned);
        let mut details = view.parts[rows[0].part as usize].series().reader();
        let mut judged = Vec::with_capacity(rows.len());
        for &at in rows {
            let row = at.of(&view.parts);
            let by_steps = filter.steps_verdict(row.first_step, row.last_step);
            let decided = by_steps == Verdict::NoPoint || filter.binds_steps_alone();
            if decided && (by_steps != Verdict::AllPoints || !grain.may_fit(row.steps())) {
                judged.push(Judged { at, verdict: by_steps, known: None });
                continue;
            }
            let summary = details.of(at.row as usize)?.summary;
            let verdict = filter.verdict(&summary);
            let known = (verdict == Verdict::AllPoints && grain.fits(&summary)).then_some(summary);
            judged.push(Judged { at, verdict, known });
        }
        Ok(judged)
    }

    /// Answers for the rows by rollups, and leaves to be read what these leave open; whether it did. It does not where there
    /// are none, or none of use, or where they account for points that the plan leaves out.
    fn take_rollups(
        &self,
        planned: &Planned,
        judged: &[Judged],
        grain: &Grain,
        taken: &mut Taken,
    ) -> Result<bool> {
        let parts = &self.snapshot.view.parts;
        let filter = self.filter_of(planned);
        let part = &parts[judged[0].at.part as usize];
        if part.meta().rollups.is_none() || !grain.summaries || !filter.values.is_all() {
            return Ok(false);
        }
        let cut = judged.iter().any(|row| row.verdict == Verdict::Unknown);
        // A row of one page is read by one read whatever is known of it.
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
        let rows = part.series().entries();
        let steps = (planned.steps.lo, planned.steps.hi);
        let accounted = |&r: &u32| wanted.contains(&r) || !meets(&rows[r as usize], steps);
        if !rolled.rows.iter().all(accounted) {
            return Ok(false);
        }
        let reach = Reach::of(rolled, part.series(), grain.times_us.is_some())?;
        let Some(tier) = grain.tier(rolled, &reach, cut) else { return Ok(false) };
        // Where they cannot be read, the points say the same.
        let Ok((buckets, fetched)) = rollups.read(tier, grain.columns(&filter)) else { return Ok(false) };
        if buckets.iter().map(|s| s.count).sum::<u64>() != rolled.points {
            return Ok(false);
        }
        self.meter.rollups(fetched);
        let (mut count, mut points) = (0, 0);
        // Places among the points of the series in this part, and whether the filter cuts there.
        let mut open: Vec<(Range<u64>, bool)> = Vec::new();
        let mut at = 0;
        for bucket in buckets {
            let (start, end) = (at, at + bucket.count);
            at = end;
            match bucket_verdict(&filter, &bucket) {
                Verdict::NoPoint => {}
                Verdict::AllPoints if grain.fits(&bucket) => {
                    (count, points) = (count + 1, points + bucket.count);
                    taken.known.push(bucket);
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
        let mut before = 0;
        for &place in &rolled.rows {
            let row = &rows[place as usize];
            let of_row = before..before + u64::from(row.rows);
            before = of_row.end;
            if !wanted.contains(&place) {
                continue;
            }
            let first = open.partition_point(|(range, _)| range.end <= of_row.start);
            for (range, cut) in open[first..].iter().take_while(|(range, _)| range.start < of_row.end) {
                let within = |at: u64| {
                    let rows = at.clamp(of_row.start, of_row.end) - of_row.start;
                    row.row_start + u32::try_from(rows).expect("a row's points are counted in u32")
                };
                let row = RowRef { part: judged[0].at.part, row: place };
                taken.pieces.push(Piece { row, from: within(range.start), to: within(range.end), cut: *cut });
            }
        }
        Ok(true)
    }

    /// The points of a batch as stretches a series; no page is read where a summary or a rollup will do. `grain` is asked by
    /// the place of a series in the plan.
    ///
    /// # Errors
    /// Those of reading; `Full` where what is to be read of one series is `all_at_once` and beyond the memory option.
    pub(crate) fn stretches(
        &self,
        batch: Range<usize>,
        columns: ColumnSet,
        grain: &dyn Fn(usize) -> Grain,
        all_at_once: bool,
    ) -> Result<Vec<Vec<Stretch>>> {
        if self.shaping.is_some() {
            let made = self.load(batch, columns)?.into_iter();
            return Ok(made.map(|points| vec![Stretch::Points(points)]).collect());
        }
        let parts = &self.snapshot.view.parts;
        let series = &self.series[batch.clone()];
        let taken = batch.zip(series).map(|(i, s)| self.take(s, &grain(i)));
        let taken: Vec<Option<Taken>> = taken.collect::<Result<_>>()?;
        self.meter.merged(taken.iter().filter(|t| t.is_none()).count());
        let pieces = |(s, t): (&Planned, &Option<Taken>)| match t {
            Some(taken) => taken.pieces.clone(),
            None => s.rows().map(|r| r.whole(parts, true)).collect(),
        };
        let lists: Vec<Vec<Piece>> = series.iter().zip(&taken).map(pieces).collect();
        for (planned, list) in series.iter().zip(&lists).filter(|_| all_at_once) {
            self.check_room(&planned.key, list.iter().map(|p| p.len() as u64).sum())?;
        }
        let all = taken.iter().all(Option::is_some);
        let read = read_pieces(parts, &lists, if all { columns } else { ColumnSet::ALL }, &self.meter)?;
        let mut found = Vec::with_capacity(series.len());
        for ((s, chunks), taken) in series.iter().zip(read).zip(taken) {
            let Some(taken) = taken else {
                found.push(vec![Stretch::Points(self.finish(s, chunks))]);
                continue;
            };
            let mut stretches: Vec<Stretch> = taken.known.into_iter().map(Stretch::Summed).collect();
            for (piece, mut points) in taken.pieces.iter().zip(chunks) {
                if piece.cut {
                    self.filter_of(s).apply(&mut points);
                }
                stretches.push(Stretch::Points(points));
            }
            stretches.extend(taken.tails.into_iter().map(Stretch::Points));
            found.push(stretches);
        }
        Ok(found)
    }

    /// The tail's points, where they follow the rows of parts and ascend: then each can be taken by itself. `None` where
    /// points have to be merged.
    fn separate_tail(&self, planned: &Planned, own: &Source) -> Option<Vec<Points>> {
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

    /// The least and the greatest step that a series may have within the selected steps, from summaries and its log.
    pub(crate) fn reach(&self, planned: &Planned) -> Option<(i64, i64)> {
        let parts = &self.snapshot.view.parts;
        let ends = planned.rows().map(|r| r.of(parts).steps());
        let tails = planned.sources.iter().flat_map(|s| &s.tails).filter_map(|&(t, id)| {
            let tail = &self.snapshot.view.tails[t];
            let view = View { steps: (planned.steps.lo, planned.steps.hi), seqs: tail.seqs };
            tail.read().data.step_extent(id, view)
        });
        let (first, last) = ends.chain(tails).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        let first = planned.steps.lo.map_or(first, |lo| first.max(lo));
        let last = planned.steps.hi.map_or(last, |hi| last.min(hi.saturating_sub(1)));
        Some((first.min(last), last))
    }

    /// The least and the greatest selected step, where times and values are not bound; `None` where there is no point.
    /// Nothing is merged: whichever of several points of a step counts, the step is there. Pages are read only of rows
    /// that reach over an end of the selected steps, and of these only where they may say something new.
    pub(crate) fn step_extent(&self) -> Result<Option<(i64, i64)>> {
        let parts = &self.snapshot.view.parts;
        let mut extent: Option<(i64, i64)> = None;
        let widen = |extent: &mut Option<(i64, i64)>, (first, last): (i64, i64)| {
            *extent = Some(extent.map_or((first, last), |(lo, hi)| (lo.min(first), hi.max(last))));
        };
        let mut cut = Vec::new();
        for (planned, source) in self.series.iter().flat_map(|p| p.sources.iter().map(move |s| (p, s))) {
            let steps = source.within(planned.steps);
            for r in &source.rows {
                let (first, last) = r.of(parts).steps();
                if steps.contains(first) && steps.contains(last) && !source.rows_hide {
                    widen(&mut extent, (first, last));
                } else {
                    cut.push((*r, steps, first, last, source));
                }
            }
            if source.hides.is_some() {
                for &step in self.tail_points(planned, source).iter().flat_map(|p| &p.steps) {
                    widen(&mut extent, (step, step));
                }
                continue;
            }
            for &(t, id) in &source.tails {
                let tail = &self.snapshot.view.tails[t];
                let view = View { steps: (steps.lo, steps.hi), seqs: tail.seqs };
                if let Some(found) = tail.read().data.step_extent(id, view) {
                    widen(&mut extent, found);
                }
            }
        }
        for (r, steps, first, last, source) in cut {
            let least = steps.lo.map_or(first, |lo| first.max(lo));
            let greatest = steps.hi.map_or(last, |hi| last.min(hi.saturating_sub(1)));
            if extent.is_some_and(|(lo, hi)| lo <= least && greatest <= hi) {
                continue;
            }
            let hides = source.hides.as_ref().filter(|_| source.rows_hide);
            let seq = hides.is_some();
            let columns = ColumnSet { step: true, seq, time: false, value: seq };
            let mut read = read_pieces(parts, &[vec![r.whole(parts, true)]], columns, &self.meter)?;
            if let Some(hides) = hides {
                read.iter_mut().flatten().for_each(|points| hides.apply(points));
            }
            for &step in read.iter().flatten().flat_map(|p| &p.steps).filter(|&&s| steps.contains(s)) {
                widen(&mut extent, (step, step));
            }
        }
        Ok(extent)
    }
}

/// The first and the last step.
pub(crate) fn ends(summary: &Summary) -> Option<(i64, i64)> {
    summary.first.zip(summary.last).map(|(first, last)| (first.step, last.step))
}

/// What is known of the points of a bucket, given that no value is bound and that times are there where they are.
pub(crate) fn bucket_verdict(filter: &PointFilter, bucket: &Summary) -> Verdict {
    match filter.times_us.is_all() {
        true => filter.step_verdict(bucket),
        false => filter.verdict(bucket),
    }
}

impl Reach {
    /// Times only where these are wanted.
    fn of(rolled: &RolledSeries, table: &SeriesTable, times: bool) -> Result<Reach> {
        let steps = rolled.rows.iter().map(|&r| table.entries()[r as usize].steps());
        let mut times_us = Vec::new();
        let mut details = table.reader();
        for &row in rolled.rows.iter().filter(|_| times) {
            let summary = details.of(row as usize)?.summary;
            times_us.extend(summary.time_min_us.zip(summary.time_max_us));
        }
        let extent = |ends: Option<(i64, i64)>| ends.map_or(0, |(a, b)| b.abs_diff(a)).saturating_add(1);
        let join = |a: (i64, i64), b: (i64, i64)| (a.0.min(b.0), a.1.max(b.1));
        Ok(Reach {
            points: u128::from(rolled.points),
            steps: extent(steps.reduce(join)),
            times_us: extent(times_us.into_iter().reduce(join)),
        })
    }
}
