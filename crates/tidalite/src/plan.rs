//! From a selection to points: which series, where their points lie, and reading them in pieces of bounded size.
//!
//! A plan lists the selected series, ascending by key, each with its rows in parts and its places in log tails. It is
//! then worked off in batches of consecutive series, so that results come in order and memory stays bounded: a batch
//! holds about [`BATCH_POINTS`], or one series where that has more.

use crate::scan::{RowRef, meets, read_rows};
use crate::snapshot::Snapshot;
use crate::tail::View;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use tidalite_log::SeriesId;
use tidalite_model::{Error, ErrorKind, Result, SeriesKey, Summary};
use tidalite_parts::{Columns, SeriesRow};
use tidalite_query::{Bounds, PointFilter, Points, Repeats, SeriesFilter, Verdict, merge};

/// Points that a batch holds at most, unless one series alone has more.
const BATCH_POINTS: u64 = 1 << 20;
/// Between the steps of a tail that are sampled to cut a long series.
const TAIL_SAMPLE_NTH: usize = 1024;
/// Bytes of a point while it is merged: four columns, twice.
const POINT_BYTES: u64 = 64;

/// What a selection has to read.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) snapshot: Snapshot,
    pub(crate) series: Vec<Planned>,
    pub(crate) filter: PointFilter,
    pub(crate) repeats: Repeats,
}

/// One series and where its points lie.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) key: SeriesKey,
    rows: Vec<RowRef>,
    /// (tail, series in it)
    tails: Vec<(usize, SeriesId)>,
    points_max: u64,
    /// The selection's steps, or, of a series that is read in pieces, this piece's.
    steps: Bounds<i64>,
}

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
    /// # Errors
    /// `Corrupt` where a part that may hold selected points cannot be opened.
    pub(crate) fn new(
        snapshot: Snapshot,
        wanted: &SeriesFilter,
        filter: PointFilter,
        repeats: Repeats,
    ) -> Result<Plan> {
        let view = snapshot.view.clone();
        for (meta, error) in &view.broken {
            let bounds = (meta.run_min.as_str()..=meta.run_max.as_str(), meta.step_min, meta.step_max);
            let run =
                wanted.runs.as_exact().is_none_or(|runs| runs.iter().any(|r| bounds.0.contains(&r.as_str())));
            let steps = filter.steps.lo.is_none_or(|lo| bounds.2 >= lo)
                && filter.steps.hi.is_none_or(|hi| bounds.1 < hi);
            if run && steps {
                return Err(error.duplicate());
            }
        }
        let mut found: BTreeMap<SeriesKey, Planned> = BTreeMap::new();
        let mut entry = |key: &SeriesKey, take: &mut dyn FnMut(&mut Planned)| match found.get_mut(key) {
            Some(planned) => take(planned),
            None => {
                let mut planned = Planned {
                    key: key.clone(),
                    rows: Vec::new(),
                    tails: Vec::new(),
                    points_max: 0,
                    steps: filter.steps,
                };
                take(&mut planned);
                found.insert(key.clone(), planned);
            }
        };
        for (p, part) in view.parts.iter().enumerate() {
            // Rows of a series follow each other tile by tile; neighbours often share their run and metric.
            for (r, row) in part.series().rows.iter().enumerate() {
                if meets(row, (filter.steps.lo, filter.steps.hi)) && wanted.matches(&row.key) {
                    let at = |n: usize| u32::try_from(n).expect("parts and their series are counted in u32");
                    entry(&row.key, &mut |planned| {
                        planned.rows.push(RowRef { part: at(p), row: at(r) });
                        planned.points_max += u64::from(row.rows);
                    });
                }
            }
        }
        for (t, tail) in view.tails.iter().enumerate() {
            let held = tail.read();
            for (id, key) in held.data.keys() {
                let count = held.data.count_within(id, tail.seqs);
                if count > 0 && wanted.matches(key) {
                    entry(key, &mut |planned| {
                        planned.tails.push((t, id));
                        planned.points_max += count;
                    });
                }
            }
        }
        let mut series: Vec<Planned> = found.into_values().collect();
        for planned in &mut series {
            let first = |r: &RowRef| r.of(&view.parts).summary.first.map(|p| p.step);
            planned.rows.sort_by_key(first);
        }
        Ok(Plan { snapshot, series, filter, repeats })
    }

    /// Cuts series that are longer than a batch into pieces of consecutive steps, so that they too are read in bounded
    /// memory. All points of one step are in one piece, so repeats are told apart within it.
    pub(crate) fn split_long_series(mut self) -> Plan {
        let limit = self.batch_points();
        let whole = std::mem::take(&mut self.series);
        for planned in whole {
            if planned.points_max <= limit {
                self.series.push(planned);
                continue;
            }
            let mut lo = planned.steps.lo;
            for hi in self.cuts(&planned, limit).into_iter().map(Some).chain([planned.steps.hi]) {
                let steps = Bounds { lo, hi };
                let rows: Vec<RowRef> = planned
                    .rows
                    .iter()
                    .copied()
                    .filter(|r| meets(r.of(&self.snapshot.view.parts), (lo, hi)))
                    .collect();
                let (key, tails) = (planned.key.clone(), planned.tails.clone());
                self.series.push(Planned { key, rows, tails, points_max: limit, steps });
                lo = hi;
            }
        }
        self
    }

    /// Steps, ascending, between which a series has about `limit` points.
    fn cuts(&self, planned: &Planned, limit: u64) -> Vec<i64> {
        let parts = &self.snapshot.view.parts;
        // (step, points that begin about there)
        let mut weights: Vec<(i64, u64)> = Vec::new();
        for row in planned.rows.iter().map(|r| r.of(parts)) {
            weights.extend(row.summary.first.map(|p| (p.step, u64::from(row.rows))));
        }
        for &(t, id) in &planned.tails {
            let steps = self.snapshot.view.tails[t].read().data.sample_steps(id, TAIL_SAMPLE_NTH);
            weights.extend(steps.into_iter().map(|s| (s, TAIL_SAMPLE_NTH as u64)));
        }
        weights.sort_unstable();
        let inside = |step: i64| {
            planned.steps.lo.is_none_or(|lo| step > lo) && planned.steps.hi.is_none_or(|hi| step < hi)
        };
        let mut cuts = Vec::new();
        let mut points = 0;
        for (step, weight) in weights {
            if points > 0 && points + weight > limit && inside(step) && cuts.last() != Some(&step) {
                cuts.push(step);
                points = 0;
            }
            points += weight;
        }
        cuts
    }

    fn filter_of(&self, planned: &Planned) -> PointFilter {
        PointFilter { steps: planned.steps, ..self.filter }
    }

    fn batch_points(&self) -> u64 {
        let options = &self.snapshot.inner.options;
        (options.memory_bytes / POINT_BYTES / options.threads as u64 / 2).min(BATCH_POINTS)
    }

    /// Consecutive series, about [`BATCH_POINTS`] each time.
    pub(crate) fn batches(&self) -> Vec<Range<usize>> {
        let batch_points = self.batch_points();
        let mut batches = Vec::new();
        let (mut start, mut points) = (0, 0);
        for (i, planned) in self.series.iter().enumerate() {
            if points > 0 && points + planned.points_max > batch_points {
                batches.push(start..i);
                (start, points) = (i, 0);
            }
            points += planned.points_max;
        }
        if start < self.series.len() {
            batches.push(start..self.series.len());
        }
        batches
    }

    /// Refuses a series that has to be in memory whole and cannot.
    pub(crate) fn check_memory(&self) -> Result<()> {
        // Each thread works on a batch of its own, and one of them on the longest series.
        let inner = &self.snapshot.inner;
        let largest = self.series.iter().map(|s| s.points_max).max().unwrap_or(0).max(1);
        let needed = largest.saturating_mul(POINT_BYTES);
        if needed <= inner.options.memory_bytes {
            return Ok(());
        }
        let key = self.series.iter().find(|s| s.points_max == largest).map(|s| &s.key);
        Err(Error::new(
            ErrorKind::Full,
            "query",
            format!(
                "series {:?} of run {:?} has up to {largest} points in the selection, which take {} MiB to merge",
                key.map_or("", |k| &k.metric),
                key.map_or("", |k| &k.run),
                needed >> 20
            ),
            "select a range of steps, or allow more memory",
        ))
    }

    /// Refuses an answer that holds up to `series_max` points of each series at once and cannot.
    pub(crate) fn check_total(&self, series_max: u64) -> Result<()> {
        let memory_bytes = self.snapshot.inner.options.memory_bytes;
        let points = self.series.iter().map(|s| s.points_max.min(series_max)).fold(0, u64::saturating_add);
        let needed = points.saturating_mul(POINT_BYTES);
        if needed <= memory_bytes {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Full,
            "query",
            format!(
                "the {} series of the selection have up to {points} points to hold at once, which take {} MiB",
                self.series.len(),
                needed >> 20
            ),
            "select a range of steps or fewer series, or allow more memory",
        ))
    }

    /// Works on the points of each series that has any, in the store's threads; what is found is in the order of series.
    pub(crate) fn each<T: Send>(
        &self,
        columns: Columns,
        work: impl Fn(&SeriesKey, Points) -> T + Sync,
    ) -> Result<Vec<T>> {
        let found: Vec<Vec<T>> = self.snapshot.inner.pool()?.install(|| {
            self.batches()
                .into_par_iter()
                .map(|batch| {
                    let points = self.load(batch.clone(), columns)?;
                    let work = |(planned, points): (&Planned, Points)| {
                        (!points.is_empty()).then(|| work(&planned.key, points))
                    };
                    Ok(self.series[batch].iter().zip(points).filter_map(work).collect())
                })
                .collect::<Result<_>>()
        })?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The least and the greatest selected step, where times and values are not bound; `None` where there is no point.
    /// Nothing is merged: whichever of several points of a step counts, the step is there. Pages are read only of rows
    /// that reach over an end of the selected steps, and of these only where they may say something new.
    pub(crate) fn step_extent(&self) -> Result<Option<(i64, i64)>> {
        let parts = &self.snapshot.view.parts;
        let steps = self.filter.steps;
        let mut extent: Option<(i64, i64)> = None;
        let widen = |extent: &mut Option<(i64, i64)>, (first, last): (i64, i64)| {
            *extent = Some(extent.map_or((first, last), |(lo, hi)| (lo.min(first), hi.max(last))));
        };
        let mut cut = Vec::new();
        for planned in &self.series {
            for r in &planned.rows {
                let Summary { first: Some(first), last: Some(last), .. } = r.of(parts).summary else {
                    continue;
                };
                if steps.contains(first.step) && steps.contains(last.step) {
                    widen(&mut extent, (first.step, last.step));
                } else {
                    cut.push((*r, first.step, last.step));
                }
            }
            for &(t, id) in &planned.tails {
                let tail = &self.snapshot.view.tails[t];
                let view = View { steps: (steps.lo, steps.hi), seqs: tail.seqs };
                if let Some(found) = tail.read().data.step_extent(id, view) {
                    widen(&mut extent, found);
                }
            }
        }
        for (r, first, last) in cut {
            let least = steps.lo.map_or(first, |lo| first.max(lo));
            let greatest = steps.hi.map_or(last, |hi| last.min(hi.saturating_sub(1)));
            if extent.is_some_and(|(lo, hi)| lo <= least && greatest <= hi) {
                continue;
            }
            let columns = Columns { step: true, seq: false, time: false, value: false };
            let read = read_rows(parts, &[vec![r]], columns)?;
            for &step in read.iter().flatten().flat_map(|p| &p.steps).filter(|&&s| steps.contains(s)) {
                widen(&mut extent, (step, step));
            }
        }
        Ok(extent)
    }

    /// The points of a batch, merged and filtered, one `Points` a series.
    pub(crate) fn load(&self, batch: Range<usize>, columns: Columns) -> Result<Vec<Points>> {
        let series = &self.series[batch];
        let lists: Vec<Vec<RowRef>> = series.iter().map(|s| s.rows.clone()).collect();
        // Without the order of writing, repeats could not be told apart.
        let single = |s: &Planned| s.tails.is_empty() && self.disjoint(s);
        let columns = if series.iter().all(single) { columns } else { Columns::ALL };
        let read = read_rows(&self.snapshot.view.parts, &lists, columns)?;
        Ok(series.iter().zip(read).map(|(s, chunks)| self.finish(s, chunks)).collect())
    }

    fn finish(&self, planned: &Planned, mut chunks: Vec<Points>) -> Points {
        chunks.extend(self.tail_points(planned));
        let mut points = merge(chunks, self.repeats);
        self.filter_of(planned).apply(&mut points);
        points
    }

    fn tail_points(&self, planned: &Planned) -> Vec<Points> {
        let gather = |&(t, id): &(usize, SeriesId)| {
            let tail = &self.snapshot.view.tails[t];
            let mut points = Points::default();
            tail.read().data.gather(
                id,
                View { steps: (planned.steps.lo, planned.steps.hi), seqs: tail.seqs },
                &mut points,
            );
            points
        };
        planned.tails.iter().map(gather).filter(|p| !p.is_empty()).collect()
    }

    /// The points of a batch as stretches a series, with summaries where a whole row of a part counts and `takes` accepts
    /// them: then its pages are not read at all.
    pub(crate) fn stretches(
        &self,
        batch: Range<usize>,
        columns: Columns,
        takes: Takes<'_>,
    ) -> Result<Vec<Vec<Stretch>>> {
        let parts = &self.snapshot.view.parts;
        let series = &self.series[batch];
        let mut lists: Vec<Vec<RowRef>> = Vec::with_capacity(series.len());
        let mut separate: Vec<Option<Vec<Points>>> = Vec::with_capacity(series.len());
        for s in series {
            let tails = self.separate_tail(s);
            lists.push(match &tails {
                Some(_) => {
                    s.rows.iter().copied().filter(|r| self.verdict(s, r, takes) == Verdict::Unknown).collect()
                }
                None => s.rows.clone(),
            });
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
            let mut stretches = Vec::with_capacity(s.rows.len());
            for r in &s.rows {
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
        if !self.disjoint(planned) {
            return None;
        }
        let tails = self.tail_points(planned);
        if tails.is_empty() {
            return Some(tails);
        }
        let [tail] = &tails[..] else { return None };
        let ascends = tail.steps.windows(2).all(|w| w[0] < w[1]);
        let last = planned.rows.last().and_then(|r| r.of(&self.snapshot.view.parts).summary.last);
        let follows = last.is_none_or(|l| tail.steps.first().is_none_or(|&s| s > l.step));
        (ascends && follows).then_some(tails)
    }

    /// Whether the rows of a series in parts hold no step twice. They are sorted by their first step.
    fn disjoint(&self, planned: &Planned) -> bool {
        let parts = &self.snapshot.view.parts;
        let row = |r: &RowRef| -> &SeriesRow { r.of(parts) };
        let follows = |w: &[RowRef]| match (row(&w[0]).summary.last, row(&w[1]).summary.first) {
            (Some(a), Some(b)) => a.step < b.step,
            _ => false,
        };
        planned.rows.iter().all(|r| !row(r).repeats) && planned.rows.windows(2).all(follows)
    }
}
