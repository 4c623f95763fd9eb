//! A sample of each series: some of its points, evenly by their number.

use super::chart::line_bytes;
use super::points::one_batch;
use super::selection::Selection;
use arrow::array::RecordBatch;
use tidalite_model::{Error, Result};
use tidalite_parts::ColumnSet;
use tidalite_query::{PointsBuilder, sample};

impl Selection {
    /// About `points` points of each series, evenly by their number: the first, the last, and those between at equal distances;
    /// and besides these every NaN and ±Inf. Unlike [`lttb`](Self::lttb), it does not prefer extremes, so that what is computed of
    /// a sample is unbiased. Order and columns as for [`points`](Self::points).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..1000 { run.log(step, &[("loss", 1.0 / (step + 1) as f64)])?; }
    /// assert_eq!(store.select().metric("loss").sample(50)?.num_rows(), 50);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` for 0 points; `Full` where one series, or what is kept of all, exceeds the memory
    /// option.
    pub fn sample(&self, points: usize) -> Result<RecordBatch> {
        if points == 0 {
            return Err(Error::invalid("sample", "0 points per series were asked for", "ask for at least 1"));
        }
        let columns = ColumnSet { step: true, time: true, ..ColumnSet::VALUE };
        let sampled = self.plan_whole()?.each_whole(columns, line_bytes, |key, mut found| {
            sample(&mut found, points);
            (key.clone(), found)
        })?;
        let mut builder = PointsBuilder::new();
        sampled.into_iter().for_each(|(key, points)| builder.push_series(&key, points));
        one_batch(builder.finish())
    }
}
