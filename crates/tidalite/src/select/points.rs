//! The points of a selection, as a stream of Arrow batches.

use super::selection::Selection;
use crate::plan::plans::Plans;
use crate::plan::query_plan::Plan;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use std::collections::VecDeque;
use std::ops::Range;
use tidalite_model::{Error, ErrorKind, Result, Written};
use tidalite_parts::ColumnSet;
use tidalite_query::{Points, PointsBuilder, points_schema};

impl Selection {
    /// The points as Arrow batches, ordered by run, metric, labels, step. Columns: `run`, `metric`, `labels`
    /// (dictionary text), `step` (int64), `time` (timestamp, µs, UTC), `value` (float64).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// for step in 0..10 { run.log(step, &[("loss", 1.0)])?; }
    /// let mut rows = 0;
    /// for batch in store.select().metric("loss").points()? {
    ///     rows += batch?.num_rows();
    /// }
    /// assert_eq!(rows, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` for a wrong pattern; `Corrupt` where a needed part is damaged; `Full` beyond the memory option.
    pub fn points(&self) -> Result<PointStream> {
        let mut plans = self.plans()?;
        let plan = plans.next().unwrap_or_else(|| self.plan())?.split_long_series()?.with_start_states()?;
        let batches = plan.batches().into();
        Ok(PointStream { plans, plan, batches, automatic: self.automatic, ready: VecDeque::new() })
    }
}

/// Joins batches of points; the result is empty where there are none.
pub(crate) fn one_batch(batches: Vec<RecordBatch>) -> Result<RecordBatch> {
    concat_batches(&points_schema(), &batches).map_err(|e| {
        Error::new(ErrorKind::Full, "gather points", e.to_string(), "take the batches one by one")
    })
}

/// The points with automatic steps, or the others.
fn with_steps(points: &Points, automatic: bool) -> Points {
    let mut kept = Points::default();
    for i in (0..points.len()).filter(|&i| Written::from_i64(points.written[i]).is_automatic() == automatic) {
        kept.steps.push(points.steps[i]);
        kept.times_us.push(points.times_us[i]);
        kept.values.push(points.values[i]);
    }
    kept
}

/// The points of a selection, batch by batch, in bounded memory.
#[derive(Debug)]
pub struct PointStream {
    /// The plans that follow.
    plans: Plans,
    pub(super) plan: Plan,
    batches: VecDeque<Range<usize>>,
    /// Takes only points with automatic steps, or only others.
    automatic: Option<bool>,
    ready: VecDeque<RecordBatch>,
}

impl PointStream {
    /// The batches' schema.
    pub fn schema(&self) -> SchemaRef {
        points_schema()
    }

    /// All batches as one.
    ///
    /// # Errors
    /// As the batches; `Full` where one batch cannot hold them.
    pub fn collect(self) -> Result<RecordBatch> {
        let batches: Vec<RecordBatch> = Iterator::collect::<Result<_>>(self)?;
        one_batch(batches)
    }

    /// Moves to the next plan, where there is one.
    fn go_on(&mut self) -> Option<Result<()>> {
        let plan = self.plans.next()?.and_then(|plan| plan.split_long_series()?.with_start_states());
        Some(plan.map(|plan| {
            self.batches = plan.batches().into();
            self.plan = plan;
        }))
    }

    fn round(&mut self) -> Result<()> {
        let state = self.plan.snapshot.state.clone();
        let count = state.options.threads.clamp(1, self.batches.len().max(1));
        let round: Vec<Range<usize>> = self.batches.drain(..count.min(self.batches.len())).collect();
        let (plan, automatic) = (&self.plan, self.automatic);
        let made = state.pool.each(&round, |batch| {
            let columns =
                ColumnSet { step: true, time: true, written: automatic.is_some(), ..ColumnSet::VALUE };
            let points = plan.load(batch.clone(), columns)?;
            let mut builder = PointsBuilder::new();
            for (planned, mut points) in plan.series[batch.clone()].iter().zip(points) {
                if let Some(wanted) = automatic {
                    points = with_steps(&points, wanted);
                }
                builder.push_series(&planned.key, points);
            }
            Ok(builder.finish())
        })?;
        self.ready.extend(made.into_iter().flatten());
        Ok(())
    }
}

impl Iterator for PointStream {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() {
            let done = match self.batches.is_empty() {
                true => self.go_on()?,
                false => self.round(),
            };
            if let Err(e) = done {
                self.batches.clear();
                self.plans.spans.clear();
                return Some(Err(e));
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
