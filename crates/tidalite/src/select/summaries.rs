//! One summary per series, from series tables and rollups where these stand for all points.

use super::points::one_batch;
use super::selection::Selection;
use crate::plan::resolution::Resolution;
use crate::plan::resolved::Chunk;
use crate::view::snapshot::Snapshot;
use arrow::array::RecordBatch;
use std::ops::Range;
use tidalite_model::{Result, SeriesKey, Summary};
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
        self.each_summary(true, &mut |key, summary| {
            let Some(last) = summary.last else { return };
            let mut point = Points::default();
            point.push(last.step, 0, last.time_us, last.value);
            builder.push_series(&key, point);
        })?;
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
        self.each_summary(false, &mut |key, summary| found.push((key, summary)))?;
        Ok(found)
    }

    /// Calls `take` with the summary of each series, in order. With `only_last`, a summary has the last point; of the
    /// other points it has only those that were read to find it.
    pub(super) fn each_summary(
        &self,
        only_last: bool,
        take: &mut dyn FnMut(SeriesKey, Summary),
    ) -> Result<()> {
        let columns = ColumnSet { step: true, time: true, ..ColumnSet::VALUE };
        // The series that the next piece may continue.
        let mut open: Option<(SeriesKey, Summary)> = None;
        for plan in self.plans()? {
            let mut plan = plan?;
            if only_last {
                plan.narrow_to_last()?;
            }
            let plan = plan.split_long_series()?.with_start_states()?;
            let of_batch = |batch: &Range<usize>| -> Result<Vec<(SeriesKey, Summary)>> {
                let chunks = plan.chunks(batch.clone(), columns, &|_| Resolution::whole(), false)?;
                let series = plan.series[batch.clone()].iter().map(|planned| planned.key.clone());
                let summed = series.zip(chunks.into_iter().map(sum_up));
                Ok(summed.filter(|(_, s)| s.count > 0).collect())
            };
            let found = plan.snapshot.state.pool.each(&plan.batches(), of_batch)?;
            for (key, summary) in found.into_iter().flatten() {
                match &mut open {
                    Some((last, total)) if *last == key => total.merge(&summary),
                    _ => {
                        if let Some((key, total)) = open.replace((key, summary)) {
                            take(key, total);
                        }
                    }
                }
            }
        }
        if let Some((key, total)) = open {
            take(key, total);
        }
        Ok(())
    }
}

impl Snapshot {
    /// The greatest step of a run, over its series of the metrics that `of` accepts.
    pub(crate) fn step_max(&self, run: &str, of: impl Fn(&str) -> bool) -> Result<Option<i64>> {
        let mut max = None;
        self.select_the_rest().run(run).each_summary(true, &mut |key, summary| {
            if of(&key.metric) {
                max = max.max(summary.last.map(|last| last.step));
            }
        })?;
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
