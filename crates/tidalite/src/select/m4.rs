//! Selections drawn in a given number of pixel columns, each series by the points that its line needs.
//!
//! Steps: find the extent of steps, since all series share the columns; reduce each series, a long one in pieces;
//! then reduce the joined pieces once more. All of it sees one snapshot.

use super::line::line_bytes;
use super::points::one_batch;
use super::selection::Selection;
use arrow::array::RecordBatch;
use tidalite_model::{Error, Result, SeriesKey};
use tidalite_parts::ColumnSet;
use tidalite_query::{PixelColumns, Points, PointsBuilder};

impl Selection {
    /// The points of each series that draw the same line as all its points, in a picture of the given number of pixel
    /// columns. Each column keeps its first and last point and those of the least and the greatest value (U. Jugel
    /// and others, "M4: A Visualization-Oriented Time Series Data Aggregation", VLDB 2014). The columns are equal
    /// ranges of steps, from the least selected step of all series to the greatest. NaN and ±Inf are left out. Order
    /// and columns as for [`points`](Self::points).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..1000 { run.log(step, &[("loss", (step % 7) as f64)])?; }
    /// let points = store.select().metric("loss").m4(50)?;
    /// assert!(points.num_rows() <= 4 * 50);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` for 0 columns; `Full` where what is kept of all series exceeds the
    /// memory option.
    pub fn m4(&self, columns: usize) -> Result<RecordBatch> {
        check_columns(columns)?;
        let fixed = self.fixed()?;
        let Some(steps) = fixed.step_extent()? else { return one_batch(Vec::new()) };
        let picture = PixelColumns::new(steps.first, steps.last, columns);
        let plan = fixed.plan_in_pieces()?;
        let wanted = ColumnSet { step: true, time: true, ..ColumnSet::VALUE };
        let pieces = plan.each_kept(wanted, line_bytes, |key, points| (key.clone(), picture.m4(points)))?;
        let mut builder = PointsBuilder::new();
        for (key, points) in series_of(pieces) {
            builder.push_series(&key, picture.m4(points));
        }
        one_batch(builder.finish())
    }
}

/// Refuses a picture without width.
pub(crate) fn check_columns(columns: usize) -> Result<()> {
    if columns > 0 {
        return Ok(());
    }
    Err(Error::invalid("draw lines", "0 pixel columns were asked for", "ask for at least one"))
}

/// Joins the pieces of each series.
fn series_of(pieces: Vec<(SeriesKey, Points)>) -> Vec<(SeriesKey, Points)> {
    let mut series: Vec<(SeriesKey, Points)> = Vec::new();
    for (key, mut points) in pieces {
        // Only some pieces are read with the order of writing.
        points.seqs = Vec::new();
        match series.last_mut() {
            Some((last, whole)) if *last == key => whole.extend(&points),
            _ => series.push((key, points)),
        }
    }
    series
}
