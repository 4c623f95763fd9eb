//! Charts: each series in few buckets. A long series is read in pieces.

use super::selection::Selection;
use crate::plan::query_plan::Plan;
use crate::plan::resolution::Resolution;
use crate::plan::resolved::Chunk;
use arrow::array::RecordBatch;
use std::collections::BTreeMap;
use std::ops::Range;
use tidalite_model::{Error, Extent, Result, SeriesKey};
use tidalite_parts::ColumnSet;
use tidalite_query::{ChartBuckets, ChartMerge, Points, chart_batch, chart_width};

impl Selection {
    /// Each series in at most `buckets` buckets, whose width is a power of two: minimum, maximum, mean, first and
    /// last value of each bucket. Ordered by series.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// for step in 0..1000 { run.log(step, &[("loss", step as f64)])?; }
    /// let (_, chart) = &store.select().metric("loss").chart(10)?[0];
    /// assert_eq!((chart.width, chart.buckets.len()), (128, 8));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` for 0 buckets.
    pub fn chart(&self, buckets: usize) -> Result<Vec<(SeriesKey, ChartBuckets)>> {
        if buckets == 0 {
            return Err(Error::invalid("chart", "0 buckets were asked for", "ask for at least one"));
        }
        if self.has_transforms() {
            return charts_of_pieces(&self.plan_in_pieces()?, buckets);
        }
        let plan = self.plan()?;
        let of_batch = |batch: &Range<usize>| chart_batch_of(&plan, batch.clone(), buckets);
        let found = plan.snapshot.state.pool.each(&plan.batches(), of_batch)?;
        Ok(found.into_iter().flatten().collect())
    }

    /// What [`chart`](Self::chart) gives, as one batch: one row per bucket, ordered by series, then step. Columns as
    /// in [`chart_schema`](crate::chart_schema): `run`, `metric`, `labels`, `step`, `width`, `count`, `nonfinite`,
    /// `min`, `max`, `mean`, `first`, `last`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..100 { run.log(step, &[("loss", 1.0 / (step + 1) as f64)])?; }
    /// let batch = store.select().metric("loss").chart_batch(25)?;
    /// assert_eq!((batch.num_rows(), batch.schema()), (25, tidalite::chart_schema()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`chart`](Self::chart); `Full` where the names of the series reach 2 GiB.
    pub fn chart_batch(&self, buckets: usize) -> Result<RecordBatch> {
        chart_batch(&self.chart(buckets)?)
    }
}

/// Reads the pieces of a series, one after the other.
fn each_piece(pieces: &Plan, columns: ColumnSet, mut take: impl FnMut(&Points)) -> Result<()> {
    for batch in pieces.batches() {
        pieces.load(batch, columns)?.iter().for_each(&mut take);
    }
    Ok(())
}

/// The charts of series whose points have to be read. Pieces of long series are read twice: once for the extent of their
/// steps, once for the chart.
fn charts_of_pieces(plan: &Plan, buckets: usize) -> Result<Vec<(SeriesKey, ChartBuckets)>> {
    let columns = ColumnSet { step: true, ..ColumnSet::VALUE };
    let mut reach: BTreeMap<SeriesKey, Extent> = BTreeMap::new();
    let ends = plan.each_kept(columns, |_| 0, |key, points| (key.clone(), ends(&points)))?;
    for (key, steps) in ends.into_iter().filter_map(|(key, steps)| Some((key, steps?))) {
        reach.entry(key).and_modify(|all| *all = all.join(steps)).or_insert(steps);
    }
    let bytes = |(_, chart): &(SeriesKey, ChartMerge)| chart.bytes();
    let drawn = plan.each_kept(columns, bytes, |key, points| {
        let width = reach.get(key).map_or(1, |steps| chart_width(steps.first, steps.last, buckets));
        let mut chart = ChartMerge::new(width);
        chart.push(&points);
        (key.clone(), chart)
    })?;
    let mut charts: Vec<(SeriesKey, ChartMerge)> = Vec::new();
    for (key, piece) in drawn {
        match charts.last_mut() {
            Some((last, chart)) if *last == key => chart.append(piece),
            _ => charts.push((key, piece)),
        }
    }
    Ok(charts.into_iter().map(|(key, chart)| (key, chart.finish())).collect())
}

/// The charts of consecutive series.
fn chart_batch_of(
    plan: &Plan,
    batch: Range<usize>,
    buckets: usize,
) -> Result<Vec<(SeriesKey, ChartBuckets)>> {
    let columns = ColumnSet { step: true, time: !plan.filter.times_us.is_all(), ..ColumnSet::VALUE };
    // Summaries bound a series' steps, and so its width.
    let guess = |i: usize| -> Result<u64> {
        let steps = plan.reach(&plan.series[i])?;
        Ok(steps.map_or(1, |e| chart_width(e.first, e.last, buckets)))
    };
    let guesses: Vec<u64> = batch.clone().map(guess).collect::<Result<_>>()?;
    let resolution = |i: usize| Resolution::of_chart(guesses[i - batch.start]);
    if let Some(long) = plan.long_series(batch.clone())
        && plan.resolve(&plan.series[long], &resolution(long))?.is_none()
    {
        return chart_in_pieces(plan, long, columns, buckets);
    }
    let found = plan.chunks(batch.clone(), columns, &resolution, true)?;
    let mut charts = Vec::new();
    for ((i, chunks), guess) in batch.clone().zip(found).zip(&guesses) {
        let Some(steps) = extent(&chunks) else { continue };
        let width = chart_width(steps.first, steps.last, buckets);
        let summed = chunks.iter().any(|s| matches!(s, Chunk::Summed(_)));
        // The filters left fewer steps than the summaries have. The buckets are then narrower, and a summary may cross
        // them.
        let chunks = if summed && width < *guess {
            let again = plan.chunks(i..i + 1, columns, &|_| Resolution::of_chart(width), true)?;
            again.into_iter().flatten().collect()
        } else {
            chunks
        };
        let mut chart = ChartMerge::new(width);
        for chunk in &chunks {
            match chunk {
                Chunk::Summed(summary) => chart.push_summary(summary),
                Chunk::Points(points) => chart.push(points),
            }
        }
        charts.push((plan.series[i].key.clone(), chart.finish()));
    }
    Ok(charts)
}

/// The chart of a long series whose points have to be merged, piece by piece.
fn chart_in_pieces(
    plan: &Plan,
    series: usize,
    columns: ColumnSet,
    buckets: usize,
) -> Result<Vec<(SeriesKey, ChartBuckets)>> {
    let key = plan.series[series].key.clone();
    let pieces = plan.pieces_of(series)?;
    let mut steps: Option<Extent> = None;
    if plan.filter.binds_steps_alone() {
        steps = pieces.step_extent()?;
    } else {
        each_piece(&pieces, columns, |points| {
            steps = steps.into_iter().chain(ends(points)).reduce(Extent::join)
        })?;
    }
    let Some(steps) = steps else { return Ok(Vec::new()) };
    let mut chart = ChartMerge::new(chart_width(steps.first, steps.last, buckets));
    each_piece(&pieces, columns, |points| chart.push(points))?;
    Ok(vec![(key, chart.finish())])
}

/// The extent of some chunks, whose points ascend.
fn extent(chunks: &[Chunk]) -> Option<Extent> {
    let extents = chunks.iter().filter_map(|chunk| match chunk {
        Chunk::Summed(summary) => summary.steps(),
        Chunk::Points(points) => ends(points),
    });
    extents.reduce(Extent::join)
}

fn ends(points: &Points) -> Option<Extent> {
    // In a damaged page, steps may descend.
    Extent::of(points.steps.first().into_iter().chain(points.steps.last()).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extent_of_steps_that_descend_is_that_of_the_same_steps_ascending() {
        let of = |steps: &[i64]| ends(&Points { steps: steps.to_vec(), ..Points::default() });
        assert_eq!(of(&[9, 2]), Some(Extent::new(2, 9)));
        assert_eq!((of(&[2, 9]), of(&[])), (Some(Extent::new(2, 9)), None));
    }
}
