//! A sample of each series: some of its points, evenly by their number.

use super::line::{LINE_COLUMNS, each_series, line_bytes, lines_batch};
use super::selection::Selection;
use arrow::array::RecordBatch;
use tidalite_model::{Error, Result};
use tidalite_parts::ColumnSet;
use tidalite_query::{Points, sample_piece};

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
    /// As [`points`](Self::points); `Invalid` for 0 points; `Full` where what is kept of all series exceeds the memory option.
    pub fn sample(&self, points: usize) -> Result<RecordBatch> {
        if points == 0 {
            return Err(Error::invalid("sample", "0 points per series were asked for", "ask for at least 1"));
        }
        let plan = self.plan_in_pieces()?;
        let sampled = each_series(&plan, LINE_COLUMNS, line_bytes, |series| {
            let mut count = 0;
            series.each(ColumnSet::VALUE, &mut |piece| count += piece.len())?;
            let (mut start, mut kept) = (0, Points::default());
            series.each(LINE_COLUMNS, &mut |piece| {
                kept.extend(&sample_piece(piece, start, count, points));
                start += piece.len();
            })?;
            Ok((series.key().clone(), kept))
        })?;
        lines_batch(sampled)
    }
}
