//! Aggregates of a selection by groups.
//!
//! Steps: find the series that have to be merged; push the summaries and buckets of the others; read their remaining
//! points tile by tile, across series, and push them straight from the decoded columns; load and merge the remaining
//! series in batches. Each unit of work has a state of its own. Between rounds of work the states are merged and
//! their memory is checked. Exact quantiles of more values than memory holds are computed a few groups at a time.

use super::selection::Selection;
use crate::engine::room::too_large;
use crate::engine::state::StoreState;
use crate::parts::scan::{Piece, read_tile};
use crate::plan::query_plan::Plan;
use crate::plan::resolution::Resolution;
use crate::plan::resolved::Resolved;
use crate::plan::series::Planned;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_parts::ColumnSet;
use tidalite_query::{Aggregate, By, Grouping, Partial, PercentileJob, PointFilter, Points, TwoLevels};

/// The least and the most points of a unit of work, unless one tile alone has more.
const WORK_POINTS: (usize, usize) = (1 << 14, 1 << 20);

impl Selection {
    /// Aggregates by groups: one row per group, ordered by the groups. Without `by` there is one row.
    ///
    /// ```
    /// use arrow::array::{AsArray, types::Float64Type};
    /// use tidalite::{Aggregate, By};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for (id, loss) in [("a", 0.3), ("b", 0.1)] {
    ///     let run = store.run(id).start()?;
    ///     for step in 0..10 { run.log(step, &[("loss", loss)])?; }
    /// }
    /// let table = store.select().metric("loss").aggregate(&[Aggregate::Count, Aggregate::Min], &[By::Run])?;
    /// assert_eq!(table["run"].as_string::<i32>().value(1), "b");
    /// assert_eq!(table["min"].as_primitive::<Float64Type>().values(), &[0.3, 0.1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points); `Full` where the groups, or the values for exact quantiles of one group, exceed
    /// the memory option; `NotFound` for a label that no series of the store has, and for a param that no run has.
    pub fn aggregate(&self, aggregates: &[Aggregate], by: &[By]) -> Result<RecordBatch> {
        self.grouped(&Grouping::new(by.to_vec(), aggregates.to_vec())?)
    }

    /// Aggregates of aggregates: `aggregates` by `by`, then `then` of each of their columns by `then_by`. Examples: the
    /// mean over the seeds of a config of the last loss of each run; for each minute, the sum over GPUs of the mean power
    /// of each.
    ///
    /// Columns: those of `then_by`, then one for each pair of an aggregate and a function of `then`, such as
    /// `mean(last)`. Each group of `then_by` is in `by` or follows from it: params follow from the run, single labels
    /// from the labels, wide buckets from narrow ones.
    ///
    /// ```
    /// use arrow::array::{AsArray, types::Float64Type};
    /// use tidalite::{Aggregate, By};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for (id, lr, loss) in [("a", 0.1, 1.0), ("b", 0.1, 3.0), ("c", 0.2, 5.0)] {
    ///     store.run(id).param("lr", lr).start()?.log(0, &[("loss", loss)])?;
    /// }
    /// let last = store.select().metric("loss");
    /// let (mean, lr) = ([Aggregate::Mean, Aggregate::Std], By::Param("lr".into()));
    /// let table = last.aggregate_twice(&[Aggregate::Last], &[By::Run], &mean, &[lr])?;
    /// assert_eq!(table["mean(last)"].as_primitive::<Float64Type>().values(), &[2.0, 5.0]);
    /// assert_eq!(table["std(last)"].as_primitive::<Float64Type>().values(), &[1.0, 0.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`aggregate`](Self::aggregate); `Invalid` where a group of `then_by` does not follow from `by`, an aggregate is
    /// a time, or `then` needs steps or times and `by` has no buckets of them.
    pub fn aggregate_twice(
        &self,
        aggregates: &[Aggregate],
        by: &[By],
        then: &[Aggregate],
        then_by: &[By],
    ) -> Result<RecordBatch> {
        let levels = TwoLevels::new(aggregates, by, then, then_by)?;
        levels.finish(&self.grouped(levels.first())?)
    }

    /// One row per group of a grouping.
    pub(crate) fn grouped(&self, grouping: &Grouping) -> Result<RecordBatch> {
        let table = self.grouped_unchecked(grouping)?;
        self.check_groups(grouping.by(), &table)?;
        Ok(table)
    }

    fn grouped_unchecked(&self, grouping: &Grouping) -> Result<RecordBatch> {
        let (plain, plans) =
            if grouping.takes_summaries() { self.plans_beside_plain()? } else { (Vec::new(), self.plans()?) };
        let state = plans.snapshot.state.clone();
        let selected = self.series_filter(&plans.snapshot)?.runs;
        let grouping = plans.snapshot.with_params(grouping.clone(), &selected);
        if grouping.takes_summaries() {
            let mut total = grouping.partial();
            let (plan, most) = (plans.empty(), plans.planner.span_series());
            let rest = plan.fold_plain(
                &plain,
                &Resolution::of(&grouping),
                || Ok(grouping.partial().whole_series()),
                |whole, of, known| whole.push(of, known),
                |whole| {
                    total.merge(whole.finish());
                    check_bytes(&state, &total)
                },
            )?;
            return answer(&state, plan.of_plain(&rest, most).chain(plans), &grouping, total);
        }
        if !grouping.holds_values() {
            return answer(&state, plans, &grouping, grouping.partial());
        }
        let rounds = rounds(plans.whole()?, &grouping).into_iter();
        let answers: Vec<RecordBatch> = rounds
            .map(|plan| answer(&state, [Ok(plan)], &grouping, grouping.partial()))
            .collect::<Result<_>>()?;
        if let [one] = &answers[..] {
            return Ok(one.clone());
        }
        concat_batches(&grouping.schema(), &answers)
            .map_err(|e| Error::new(ErrorKind::Full, "aggregate", e.to_string(), "ask for fewer groups"))
    }
}

/// Splits a plan into several, each of whole groups, where the values for exact quantiles do not fit into memory at
/// once. Their answers in sequence are the plan's answer.
fn rounds(mut plan: Plan, grouping: &Grouping) -> Vec<Plan> {
    // Half of the memory, since selecting quantiles copies the values.
    let room = plan.snapshot.state.options.memory_bytes / 2 / size_of::<f64>() as u64;
    let points = |series: &[Planned]| series.iter().map(|s| s.points_max).fold(0, u64::saturating_add);
    if points(&plan.series) <= room || !grouping.names_come_first() {
        return vec![plan];
    }
    let named = std::mem::take(&mut plan.series).into_iter().map(|s| (grouping.names_of(&s.key), s));
    let mut groups: BTreeMap<Vec<Option<String>>, Vec<Planned>> = BTreeMap::new();
    named.for_each(|(names, series)| groups.entry(names).or_default().push(series));
    let mut rounds: Vec<Vec<Planned>> = Vec::new();
    for group in groups.into_values() {
        match rounds.last_mut() {
            Some(round) if points(round).saturating_add(points(&group)) <= room => round.extend(group),
            _ => rounds.push(group),
        }
    }
    rounds.into_iter().map(|series| plan.with_series(series)).collect()
}

/// Refuses groups that do not fit into memory.
fn check_bytes(state: &StoreState, total: &Partial) -> Result<()> {
    if total.bytes() as u64 <= state.options.memory_bytes {
        return Ok(());
    }
    let what = format!("the groups and percentiles asked for take {} MiB", total.bytes() >> 20);
    let ask_for_less = "ask for fewer groups, for percentiles from sketches such as p99~, or for fewer runs, \
                        series or steps";
    Err(too_large(&state.options, "aggregate", what, ask_for_less))
}

/// One row per group, over what a state has and the series of all given plans.
fn answer(
    state: &StoreState,
    plans: impl IntoIterator<Item = Result<Plan>>,
    grouping: &Grouping,
    mut total: Partial,
) -> Result<RecordBatch> {
    let pool = state.pool.get()?;
    for plan in plans {
        sum_up(plan?, grouping, pool, &mut total)?;
    }
    total.finish_with(|jobs| pool.install(|| jobs.into_par_iter().for_each(PercentileJob::run)))
}

/// Adds the series of a plan to a state.
fn sum_up(mut plan: Plan, grouping: &Grouping, pool: &rayon::ThreadPool, total: &mut Partial) -> Result<()> {
    let state = plan.snapshot.state.clone();
    let sorted = Sorted::of(&mut plan, &Resolution::of(grouping), pool)?;
    let plan = plan.split_long_series()?.with_start_states()?;
    let columns = ColumnSet {
        step: grouping.needs_steps() || !plan.filter.steps.is_all(),
        time: grouping.needs_times() || !plan.filter.times_us.is_all(),
        ..ColumnSet::VALUE
    };
    let works = sorted.works(&plan, pool.current_num_threads());
    // A round is what the threads do at once; memory is checked between rounds.
    for round in works.chunks(state.options.threads.max(1) * 4) {
        let work = |work: &Work| {
            let mut partial = grouping.partial();
            match work {
                Work::Known(series) => sorted.push_known(&plan, series.clone(), &mut partial)?,
                Work::Tiles(pieces) => sorted.push_tiles(&plan, pieces.clone(), columns, &mut partial)?,
                Work::Merge(batch) => {
                    let points = plan.load(batch.clone(), columns)?;
                    for (planned, points) in plan.series[batch.clone()].iter().zip(&points) {
                        partial.push_series(&planned.key, points);
                    }
                }
            }
            Ok(partial)
        };
        for partial in state.pool.each(round, work)? {
            total.merge(partial);
        }
        check_bytes(&state, total)?;
    }
    Ok(())
}

/// A unit of work.
enum Work {
    /// Summaries, buckets and log points of series that need no merging.
    Known(Range<usize>),
    /// Pieces to read.
    Tiles(Range<usize>),
    /// A batch of the series that have to be merged.
    Merge(Range<usize>),
}

/// A piece to read, and the index of its series.
struct PieceOfSeries {
    piece: Piece,
    series: usize,
    /// Whether a summary stands for its points already.
    is_outline: bool,
}

/// The series that need no merging.
struct Sorted {
    series: Vec<(Planned, Resolved)>,
    /// All their pieces by part and tile.
    pieces: Vec<PieceOfSeries>,
    filter: PointFilter,
}

/// The least number of series for which another thread pays off.
const SORT_SERIES_MIN: usize = 512;

impl Sorted {
    /// Takes the series that need no merging out of a plan.
    fn of(plan: &mut Plan, resolution: &Resolution, pool: &rayon::ThreadPool) -> Result<Sorted> {
        let rolled = plan.snapshot.view.parts.iter().any(|p| p.meta().rollups.is_some());
        let whole = std::mem::take(&mut plan.series);
        let take = |planned: &Planned| plan.resolve(planned, resolution);
        let resolved: Vec<Result<Option<Resolved>>> =
            if whole.len() < if rolled { 2 } else { SORT_SERIES_MIN } {
                whole.iter().map(take).collect()
            } else {
                pool.install(|| whole.par_iter().map(take).collect())
            };
        let mut series = Vec::with_capacity(whole.len());
        for (planned, resolved) in whole.into_iter().zip(resolved) {
            match resolved? {
                Some(resolved) => series.push((planned, resolved)),
                None => plan.series.push(planned),
            }
        }
        let mut pieces = Vec::new();
        for (i, (_, resolved)) in series.iter().enumerate() {
            let of = |is_outline| move |&piece: &Piece| PieceOfSeries { piece, series: i, is_outline };
            pieces.extend(resolved.pieces.iter().map(of(false)));
            pieces.extend(resolved.outlines.iter().map(of(true)));
        }
        pieces.sort_by_key(|p| (p.piece.tile(), p.piece.from));
        Ok(Sorted { series, pieces, filter: plan.filter })
    }

    fn works(&self, plan: &Plan, threads: usize) -> Vec<Work> {
        let mut works: Vec<Work> = self.known(plan, threads).into_iter().map(Work::Known).collect();
        let points: usize = self.pieces.iter().map(|p| p.piece.len()).sum();
        let enough = (points / (threads.max(1) * 4)).clamp(WORK_POINTS.0, WORK_POINTS.1);
        let (mut start, mut at, mut held) = (0, 0, 0);
        for tile in self.pieces.chunk_by(|a, b| a.piece.tile() == b.piece.tile()) {
            at += tile.len();
            held += tile.iter().map(|p| p.piece.len()).sum::<usize>();
            if held >= enough {
                works.push(Work::Tiles(start..at));
                (start, held) = (at, 0);
            }
        }
        if start < at {
            works.push(Work::Tiles(start..at));
        }
        works.extend(plan.batches().into_iter().map(Work::Merge));
        works
    }

    /// Ranges of the series that have summaries, buckets or points in logs. The points in logs of one range fit into a
    /// batch.
    fn known(&self, plan: &Plan, threads: usize) -> Vec<Range<usize>> {
        let series_max = self.series.len().div_ceil(threads.max(1)).max(SORT_SERIES_MIN);
        let mut ranges = Vec::new();
        let (mut start, mut points) = (0, 0);
        for (i, (planned, resolved)) in self.series.iter().enumerate() {
            let logged = if resolved.has_tails { planned.points_max } else { 0 };
            if i - start >= series_max || (i > start && points + logged > plan.batch_points()) {
                ranges.push(start..i);
                (start, points) = (i, 0);
            }
            points += logged;
        }
        ranges.push(start..self.series.len());
        let knows = |r: &Resolved| r.has_tails || !(r.known.is_empty() && r.merged.is_empty());
        ranges.retain(|series| self.series[series.clone()].iter().any(|(_, resolved)| knows(resolved)));
        ranges
    }

    fn push_known(&self, plan: &Plan, series: Range<usize>, partial: &mut Partial) -> Result<()> {
        let series = &self.series[series];
        let logged = series.iter().filter(|(_, resolved)| resolved.has_tails).map(|(planned, _)| planned);
        let mut tails = plan.tails_of(logged)?;
        for (planned, resolved) in series {
            let key = &planned.key;
            for summary in &resolved.known {
                // If points are needed as well, they are among the pieces.
                let pushed = partial.push_outlined(key, summary);
                assert!(pushed, "a grouping takes each summary of its resolution");
            }
            resolved.merged.iter().for_each(|points| partial.push_series(key, points));
            for points in plan.resolved_tails(planned, resolved, &mut tails) {
                partial.push_series(key, &points);
            }
        }
        Ok(())
    }

    fn push_tiles(
        &self,
        plan: &Plan,
        pieces: Range<usize>,
        columns: ColumnSet,
        partial: &mut Partial,
    ) -> Result<()> {
        let parts = &plan.snapshot.view.parts;
        let mut scratch = Points::default();
        for tile in self.pieces[pieces].chunk_by(|a, b| a.piece.tile() == b.piece.tile()) {
            let list: Vec<Piece> = tile.iter().map(|p| p.piece).collect();
            read_tile(parts, &list, columns, &self.filter, &plan.meter, &mut |i, view| {
                let PieceOfSeries { piece, series, is_outline } = tile[i];
                let view = if piece.cut { self.filter.select(view, &mut scratch) } else { view };
                let key = &self.series[series].0.key;
                match is_outline {
                    true => partial.push_outline(key, view),
                    false => partial.push_series(key, view),
                }
            })?;
        }
        Ok(())
    }
}
