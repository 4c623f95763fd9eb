//! What of a plan may be answered without points: summaries of whole rows of parts in place of their pages, and the
//! extent of steps.
//!
//! A summary stands for its points only where each of them counts: no step comes twice, nothing was taken over from
//! another run, and the ranges asked for hold all of them. Where that is not certain the points are read and merged.

use crate::plan::{Plan, Planned};
use crate::scan::{RowRef, read_rows};
use crate::tail::View;
use std::ops::Range;
use tidalite_model::{Result, Summary};
use tidalite_parts::Columns;
use tidalite_query::{Points, Verdict};

/// Whether a summary may stand for its points.
pub(crate) type Takes<'a> = &'a (dyn Fn(&Summary) -> bool + Sync);

/// A stretch of one series, in ascending order of steps.
pub(crate) enum Stretch {
    /// All points that a summary sums up, and nothing else.
    Summed(Summary),
    /// Points, filtered.
    Points(Points),
}

impl Plan {
    /// The points of a batch as stretches a series, with summaries where a whole row of a part counts and `takes` accepts
    /// them: then its pages are not read at all.
    pub(crate) fn stretches(
        &self,
        batch: Range<usize>,
        columns: Columns,
        takes: Takes<'_>,
    ) -> Result<Vec<Vec<Stretch>>> {
        if self.shaping.is_some() {
            let made = self.load(batch, columns)?.into_iter();
            return Ok(made.map(|points| vec![Stretch::Points(points)]).collect());
        }
        let parts = &self.snapshot.view.parts;
        let series = &self.series[batch];
        let mut lists: Vec<Vec<RowRef>> = Vec::with_capacity(series.len());
        let mut separate: Vec<Option<Vec<Points>>> = Vec::with_capacity(series.len());
        for s in series {
            let tails = self.separate_tail(s);
            let undecided = |r: &RowRef| tails.is_none() || self.verdict(s, r, takes) == Verdict::Unknown;
            lists.push(s.rows().copied().filter(undecided).collect());
            separate.push(tails);
        }
        let all = separate.iter().all(Option::is_some);
        let read = read_rows(parts, &lists, if all { columns } else { Columns::ALL })?;
        let mut found = Vec::with_capacity(series.len());
        for ((s, chunks), tails) in series.iter().zip(read).zip(separate) {
            let Some(tails) = tails else {
                found.push(vec![Stretch::Points(self.finish(s, chunks))]);
                continue;
            };
            let mut chunks = chunks.into_iter();
            let mut stretches = Vec::new();
            for r in s.rows() {
                match self.verdict(s, r, takes) {
                    Verdict::NoPoint => {}
                    Verdict::AllPoints => stretches.push(Stretch::Summed(r.of(parts).summary)),
                    Verdict::Unknown => {
                        let mut points =
                            chunks.next().expect("one chunk is read for each row that is undecided");
                        self.filter_of(s).apply(&mut points);
                        stretches.push(Stretch::Points(points));
                    }
                }
            }
            for mut points in tails {
                self.filter_of(s).apply(&mut points);
                stretches.push(Stretch::Points(points));
            }
            found.push(stretches);
        }
        Ok(found)
    }

    /// What a row's summary decides, where each row can be taken by itself. A summary that is not taken decides nothing.
    fn verdict(&self, planned: &Planned, row: &RowRef, takes: Takes<'_>) -> Verdict {
        let summary = &row.of(&self.snapshot.view.parts).summary;
        match self.filter_of(planned).verdict(summary) {
            Verdict::AllPoints if !takes(summary) => Verdict::Unknown,
            verdict => verdict,
        }
    }

    /// The tail's points, where no step of the series comes twice and its parts and tail follow each other: then each can be
    /// taken by itself. `None` where points have to be merged.
    fn separate_tail(&self, planned: &Planned) -> Option<Vec<Points>> {
        let own = self.sole(planned).filter(|own| self.disjoint(own))?;
        let tails = self.tail_points(planned, own);
        if tails.is_empty() {
            return Some(tails);
        }
        let [tail] = &tails[..] else { return None };
        let ascends = tail.steps.windows(2).all(|w| w[0] < w[1]);
        let last = own.rows.last().and_then(|r| r.of(&self.snapshot.view.parts).summary.last);
        let follows = last.is_none_or(|l| tail.steps.first().is_none_or(|&s| s > l.step));
        (ascends && follows).then_some(tails)
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
                let Summary { first: Some(first), last: Some(last), .. } = r.of(parts).summary else {
                    continue;
                };
                if steps.contains(first.step) && steps.contains(last.step) && !source.rows_hide {
                    widen(&mut extent, (first.step, last.step));
                } else {
                    cut.push((*r, steps, first.step, last.step, source));
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
            let columns = Columns { step: true, seq, time: false, value: seq };
            let mut read = read_rows(parts, &[vec![r]], columns)?;
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
