//! One summary per series, from series tables and rollups where these stand for all points.

use super::points::one_batch;
use super::selection::Selection;
use crate::plan::plain::PlainSeries;
use crate::plan::query_plan::Plan;
use crate::plan::resolution::Resolution;
use crate::plan::resolved::Chunk;
use crate::view::snapshot::Snapshot;
use arrow::array::RecordBatch;
use std::collections::VecDeque;
use std::ops::Range;
use tidalite_model::{Result, SeriesKey, Summary, SummaryFacts};
use tidalite_parts::ColumnSet;
use tidalite_query::{Points, PointsBuilder};

impl Selection {
    /// The last point of each series, by step; columns as for [`points`](Self::points).
    ///
    /// ```
    /// use arrow::array::{AsArray, types::Int64Type};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// for step in 0..10 { run.log(step, &[("loss", 1.0), ("acc", 0.5)])?; }
    /// let last = store.select().latest()?;
    /// assert_eq!(last["step"].as_primitive::<Int64Type>().values(), &[9, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points).
    pub fn latest(&self) -> Result<RecordBatch> {
        let mut builder = PointsBuilder::new();
        self.each_summary(
            SummaryFacts { ends: true, times: true, ..SummaryFacts::default() },
            true,
            &mut |key, summary| {
                let Some(last) = summary.last else { return };
                let mut point = Points::default();
                point.push(last.step, 0, last.time_us, last.value);
                builder.push_series(&key, point);
            },
        )?;
        one_batch(builder.finish())
    }

    /// The summary of each series: count, extremes, mean, first and last point. Ordered by series.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// for (step, loss) in [(0, 4.0), (1, 2.0), (2, f64::NAN)] { run.log(step, &[("loss", loss)])?; }
    /// let (key, summary) = &store.select().summaries()?[0];
    /// assert_eq!((&*key.run, &*key.metric), ("a", "loss"));
    /// assert_eq!((summary.count, summary.nan, summary.mean()), (3, 1, Some(3.0)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points).
    pub fn summaries(&self) -> Result<Vec<(SeriesKey, Summary)>> {
        let mut found = Vec::new();
        self.each_summary(SummaryFacts::ALL, false, &mut |key, summary| found.push((key, summary)))?;
        Ok(found)
    }

    /// Calls `take` with the summary of each series, in order. It holds what `facts` names. With `only_last`, it holds the last
    /// point, and of the others those that were read for it.
    pub(super) fn each_summary(
        &self,
        facts: SummaryFacts,
        only_last: bool,
        take: &mut dyn FnMut(SeriesKey, Summary),
    ) -> Result<()> {
        let summing = Summarizer::of(facts, only_last);
        let (plain, plans) = self.plans_beside_plain()?;
        let (plan, most) = (plans.empty(), plans.planner.span_series());
        let mut plain = PlainSummaries { plan, rest: &plain, most, ready: VecDeque::new() };
        for plan in plans {
            for (key, summary) in summing.of_plan(plan?)? {
                plain.take_before(Some(&key), &summing, take)?;
                take(key, summary);
            }
        }
        plain.take_before(None, &summing, take)
    }
}

/// What is summed up of each series.
pub(super) struct Summarizer {
    pub(super) resolution: Resolution,
    only_last: bool,
}

impl Summarizer {
    pub(super) fn of(facts: SummaryFacts, only_last: bool) -> Summarizer {
        Summarizer { resolution: Resolution::whole(facts), only_last }
    }

    /// The summary of each series of a plan that has points, in order.
    pub(super) fn of_plan(&self, mut plan: Plan) -> Result<Vec<(SeriesKey, Summary)>> {
        let columns = ColumnSet { step: true, time: true, ..ColumnSet::VALUE };
        if self.only_last {
            plan.narrow_to_last()?;
        }
        let plan = plan.split_long_series()?.with_start_states()?;
        let of_batch = |batch: &Range<usize>| -> Result<Vec<(SeriesKey, Summary)>> {
            let chunks = plan.chunks(batch.clone(), columns, &|_| self.resolution.clone(), false)?;
            let series = plan.series[batch.clone()].iter().map(|planned| planned.key.clone());
            let summed = series.zip(chunks.into_iter().map(sum_up));
            Ok(summed.filter(|(_, s)| s.count > 0).collect())
        };
        let found = plan.snapshot.state.pool.each(&plan.batches(), of_batch)?;
        let mut all: Vec<(SeriesKey, Summary)> = Vec::with_capacity(found.iter().map(Vec::len).sum());
        for (key, summary) in found.into_iter().flatten() {
            match all.last_mut() {
                // A long series comes in pieces.
                Some((last, total)) if *last == key => total.merge(&summary),
                _ => all.push((key, summary)),
            }
        }
        Ok(all)
    }

    /// The summary of each plain series that has points, in order.
    fn of_plain(&self, plan: &Plan, plain: &[PlainSeries]) -> Result<Vec<(SeriesKey, Summary)>> {
        let mut all = Vec::with_capacity(plain.len());
        let rest = plan.fold_plain(
            plain,
            &self.resolution,
            || Ok(Vec::new()),
            |found: &mut Vec<(SeriesKey, Summary)>, of, known| {
                let mut known = known.drain(..);
                let Some(mut total) = known.next() else { return };
                known.for_each(|summary| total.merge(&summary));
                found.push((of.into(), total));
            },
            |found| {
                all.extend(found);
                Ok(())
            },
        )?;
        if !rest.is_empty() {
            for plan in plan.of_plain(&rest, rest.len()) {
                all.extend(self.of_plan(plan?)?);
            }
            all.sort_by(|a, b| a.0.cmp(&b.0));
        }
        Ok(all)
    }
}

/// The summaries of plain series, a bounded number of them at a time.
struct PlainSummaries<'a> {
    plan: Plan,
    rest: &'a [PlainSeries],
    /// How many series are summed up at a time.
    most: usize,
    ready: VecDeque<(SeriesKey, Summary)>,
}

impl PlainSummaries<'_> {
    /// Calls `take` with those before a key, or with all that are left.
    fn take_before(
        &mut self,
        key: Option<&SeriesKey>,
        summing: &Summarizer,
        take: &mut dyn FnMut(SeriesKey, Summary),
    ) -> Result<()> {
        loop {
            while let Some((next, summary)) =
                self.ready.pop_front_if(|(next, _)| key.is_none_or(|key| *next < *key))
            {
                take(next, summary);
            }
            if !self.ready.is_empty() || self.rest.is_empty() {
                return Ok(());
            }
            let (now, later) = self.rest.split_at(self.most.min(self.rest.len()));
            self.rest = later;
            self.ready = summing.of_plain(&self.plan, now)?.into();
        }
    }
}

impl Snapshot {
    /// The greatest step of a run, over its series of the metrics that `of` accepts.
    pub(crate) fn step_max(&self, run: &str, of: impl Fn(&str) -> bool) -> Result<Option<i64>> {
        let mut max = None;
        self.select_the_rest().run(run).each_summary(
            SummaryFacts::default(),
            true,
            &mut |key, summary| {
                if of(&key.metric) {
                    max = max.max(summary.last.map(|last| last.step));
                }
            },
        )?;
        Ok(max)
    }
}

fn sum_up(chunks: Vec<Chunk>) -> Summary {
    let mut total = Summary::default();
    for chunk in chunks {
        match chunk {
            Chunk::Summed(summary) => total.merge(&summary),
            Chunk::Points(points) => (0..points.len()).for_each(|i| total.push(points.view().point(i))),
        }
    }
    total
}
