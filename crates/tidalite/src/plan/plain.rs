//! Plain series: all their points lie in one part, and all of them count.
//!
//! Most series of a compacted store are plain, and there may be very many of them. A plain series is two numbers until its
//! points are needed, so an answer from summaries costs little more than to look the summaries up.
//!
//! Invariant: what is said here of a plain series is what [`Plan::resolve`] says of it as a [`Planned`] one.

use super::planner::{PlainRuns, Planner};
use super::query_plan::Plan;
use super::resolution::Resolution;
use super::series::{Planned, PlannedSource};
use crate::engine::log_tail::TailView;
use crate::parts::scan::RowRef;
use std::sync::Arc;
use tidalite_model::{ErrorKind, Result, SeriesKey, StepRange, Summary, SummaryFacts};
use tidalite_parts::{DetailsReader, Part, SeriesEntry};
use tidalite_query::{SeriesNames, Verdict};

/// A plain series, by its part and its place there among the series by key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlainSeries {
    part: u32,
    series: u32,
}

/// A series table's group of rows has about as many; so few series are not worth a thread of their own.
const SERIES_MIN: usize = 2048;
/// The most series that a thread takes at once.
const SERIES_MAX: usize = 1 << 16;
/// Of a part without a series table, whole groups of series are summed up. That costs less than a plan for each series if there
/// is a selected series for this many points.
const POINTS_PER_SERIES_MAX: u64 = 64;

impl PlainSeries {
    pub(super) fn new(part: usize, series: usize) -> PlainSeries {
        let index = |n: usize| u32::try_from(n).expect("parts and their series are counted in u32");
        PlainSeries { part: index(part), series: index(series) }
    }

    /// The series.
    pub(crate) fn key(&self, parts: &[Arc<Part>]) -> SeriesKey {
        let table = parts[self.part as usize].series();
        table.key(&table.entry(self.rows(parts)[0] as usize))
    }

    /// Its rows in the series table of its part, ascending by their first step.
    fn rows<'a>(&self, parts: &'a [Arc<Part>]) -> &'a [u32] {
        parts[self.part as usize].by_series().series(self.series as usize)
    }

    /// What the plan of any other series has.
    pub(crate) fn planned(&self, parts: &[Arc<Part>], steps: StepRange) -> Planned {
        let table = parts[self.part as usize].series();
        let row_of = |row: u32| RowRef::new(self.part as usize, row as usize);
        let met = |row: &RowRef| steps.meets(row.steps(parts));
        let rows: Vec<RowRef> = self.rows(parts).iter().map(|&row| row_of(row)).filter(met).collect();
        let points_max = rows.iter().map(|row| u64::from(table.entry(row.row as usize).rows)).sum();
        let sources = vec![PlannedSource { rows, ..PlannedSource::default() }];
        Planned { key: self.key(parts), sources, points_max, steps, start_state: None }
    }
}

impl Planner {
    /// Takes the plain series out of those to plan: they are left out of [`spans`](Self::spans) and of what is planned. In the
    /// order of series.
    pub(crate) fn take_plain(&mut self) -> Vec<PlainSeries> {
        let mut runs = self.plain_runs();
        let parts = &self.snapshot.view.parts;
        // (run, part, place of the run in the part)
        let mut found: Vec<(&Arc<str>, usize, usize)> = Vec::with_capacity(runs.len());
        for (p, part) in parts.iter().enumerate() {
            let table = part.series();
            let here = |run: &usize| runs.get(&table.runs()[*run]).is_some_and(|at| *at as usize == p);
            found
                .extend(self.runs_of(table).into_iter().filter(here).map(|run| (&table.runs()[run], p, run)));
        }
        found.sort();
        let mut wanted: Vec<_> = parts.iter().map(|part| self.wanted_names(part)).collect();
        let mut plain = Vec::new();
        for (_, p, run) in found {
            plain.extend(wanted[p].of_run(run).into_iter().map(|series| PlainSeries::new(p, series)));
        }
        drop(wanted);
        let mut selected = vec![0u64; parts.len()];
        plain.iter().for_each(|series| selected[series.part as usize] += 1);
        let is_worth_it = |part: u32| {
            let meta = parts[part as usize].meta();
            meta.has_series_table() || selected[part as usize] * POINTS_PER_SERIES_MAX >= meta.rows
        };
        plain.retain(|series| is_worth_it(series.part));
        runs.retain(|_, part| is_worth_it(*part));
        self.plain = runs;
        plain
    }

    /// The selected runs whose points lie in one part, where none is hidden, thinned, inherited, or has descendants.
    fn plain_runs(&self) -> PlainRuns {
        const NONE: u32 = u32::MAX;
        let view = &self.snapshot.view;
        let mut runs = PlainRuns::new();
        for (p, part) in (0u32..).zip(&view.parts).filter(|(_, part)| self.may_hold(part)) {
            let meta = part.meta();
            let plain = !meta.is_thinned() && meta.hidden_as_of().is_none();
            for run in self.runs_of(part.series()) {
                let at = if plain { p } else { NONE };
                let run = &part.series().runs()[run];
                runs.entry(run.clone()).and_modify(|part| *part = NONE).or_insert(at);
            }
        }
        for tail in view.tails.iter().map(TailView::read) {
            let mut latest: Option<&str> = None;
            for run in tail.data.keys().map(|(_, key)| &*key.run) {
                if latest != Some(run) {
                    runs.remove(run);
                    latest = Some(run);
                }
            }
        }
        for (run, descendants) in &self.descendants {
            runs.remove(&**run);
            for descendant in descendants {
                runs.remove(&descendant.run);
            }
        }
        runs.retain(|run, part| *part != NONE && self.selects(run) && !self.has_tombstones(run));
        runs
    }
}

/// Where the summaries of plain series of one part are looked up.
struct PlainLookup<'a> {
    part: &'a Part,
    details: DetailsReader<'a>,
    facts: SummaryFacts,
    /// The tiles of which points were read, where the part has no series table.
    tiles: Vec<u32>,
}

impl Plan {
    /// Folds the summaries of plain series in the store's threads, a bounded number of series at a time: each thread pushes to a
    /// state of its own, and `merge` takes the states in the order of series. Returns the series whose points are needed.
    ///
    /// # Errors
    /// Those of `empty` and `merge`; `Corrupt` where a series table has changed since it was opened.
    pub(crate) fn fold_plain<T: Send>(
        &self,
        series: &[PlainSeries],
        resolution: &Resolution,
        empty: impl Fn() -> Result<T> + Sync,
        push: impl Fn(&mut T, SeriesNames<'_>, &mut Vec<Summary>) + Sync,
        mut merge: impl FnMut(T) -> Result<()>,
    ) -> Result<Vec<PlainSeries>> {
        let state = &self.snapshot.state;
        let threads = state.options.threads.max(1);
        let chunk = series.len().div_ceil(threads).clamp(SERIES_MIN, SERIES_MAX);
        let chunks: Vec<&[PlainSeries]> = series.chunks(chunk).collect();
        let mut others = Vec::new();
        for round in chunks.chunks(threads) {
            let folded = state.pool.each(round, |series: &&[PlainSeries]| {
                let mut of_chunk = empty()?;
                let rest = self.plain_summaries(series, resolution, &mut |of, known| {
                    push(&mut of_chunk, of, known);
                })?;
                Ok((of_chunk, rest))
            })?;
            for (of_chunk, rest) in folded {
                merge(of_chunk)?;
                others.extend(rest);
            }
        }
        Ok(others)
    }

    /// Calls `take` with the summaries of plain series, as long as they stand for all selected points of these: with none, if
    /// no point is selected. Returns the others.
    ///
    /// # Errors
    /// `Corrupt` where a series table has changed since it was opened.
    fn plain_summaries(
        &self,
        series: &[PlainSeries],
        resolution: &Resolution,
        take: &mut dyn FnMut(SeriesNames<'_>, &mut Vec<Summary>),
    ) -> Result<Vec<PlainSeries>> {
        let parts = &self.snapshot.view.parts;
        let facts = resolution.columns(&self.filter);
        let mut rest = Vec::new();
        let mut known: Vec<Summary> = Vec::new();
        for of_part in series.chunk_by(|a, b| a.part == b.part) {
            let part = &parts[of_part[0].part as usize];
            let mut looking = PlainLookup { details: part.series().reader(), facts, part, tiles: Vec::new() };
            let (mut count, mut points) = (0, 0);
            for plain in of_part {
                known.clear();
                let Some(entry) = self.look_up(plain.rows(parts), resolution, &mut looking, &mut known)?
                else {
                    rest.push(*plain);
                    continue;
                };
                count += known.len() as u64;
                points += known.iter().map(|summary| summary.count).sum::<u64>();
                let table = part.series();
                let (run, metric, labels) = (table.run(&entry), table.metric(&entry), table.labels(&entry));
                take(SeriesNames { run, metric, labels }, &mut known);
            }
            if part.meta().has_series_table() {
                self.meter.summaries(count, points);
                continue;
            }
            let mut fetched = looking.details.fetched();
            for tile in looking.tiles {
                let (fetched, points) = (std::mem::take(&mut fetched), std::mem::take(&mut points));
                self.meter.tile(part.meta().id, tile, fetched, points);
            }
        }
        Ok(rest)
    }

    /// Adds the summaries of a series' rows to `known`. Returns one of its entries, or none where the summaries do not stand for all
    /// selected points.
    fn look_up(
        &self,
        rows: &[u32],
        resolution: &Resolution,
        looking: &mut PlainLookup<'_>,
        known: &mut Vec<Summary>,
    ) -> Result<Option<SeriesEntry>> {
        let table = looking.part.series();
        let is_stored = looking.part.meta().has_series_table();
        let mut latest: Option<SeriesEntry> = None;
        for &row in rows {
            let entry = table.entry(row as usize);
            let apart = latest.is_none_or(|latest| latest.last_step < entry.first_step);
            let by_steps = self.filter.steps_verdict(entry.steps());
            let may_fit = by_steps == Verdict::NoPoint || resolution.may_fit(entry.steps());
            if entry.repeats || !apart || by_steps == Verdict::Unknown || !may_fit {
                return Ok(None);
            }
            latest = Some(entry);
            if by_steps == Verdict::NoPoint {
                continue;
            }
            let summary = match looking.details.summary_of(row as usize, &entry, looking.facts) {
                // Points are damaged, and not a table: reading those of each series tells which.
                Err(e) if e.kind() == ErrorKind::Corrupt && !is_stored => return Ok(None),
                read => read?,
            };
            if !is_stored && looking.tiles.last() != Some(&entry.tile) {
                looking.tiles.push(entry.tile);
            }
            match self.filter.verdict(&summary) {
                Verdict::NoPoint => {}
                Verdict::AllPoints if resolution.fits(&summary) => known.push(summary),
                _ => return Ok(None),
            }
        }
        Ok(Some(latest.expect("a series has rows")))
    }

    /// The same plan with other series.
    pub(crate) fn with_series(&self, series: Vec<Planned>) -> Plan {
        Plan {
            series,
            snapshot: self.snapshot.clone(),
            shaping: self.shaping.clone(),
            meter: self.meter.clone(),
            damage: self.damage.clone(),
            ..*self
        }
    }

    /// Plans of plain series as any others are planned, `most` series each.
    pub(crate) fn of_plain(&self, plain: &[PlainSeries], most: usize) -> impl Iterator<Item = Result<Plan>> {
        let parts = &self.snapshot.view.parts;
        let of = |series: &PlainSeries| series.planned(parts, self.filter.steps);
        plain.chunks(most).map(move |series| {
            Ok(self.with_series(series.iter().map(of).filter(|planned| planned.points_max > 0).collect()))
        })
    }
}
