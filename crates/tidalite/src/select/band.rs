//! Bands over a selection: statistics over its runs in buckets of steps.
//!
//! Steps: find the extent of steps, from summaries where these suffice, since it decides the width; aggregate one
//! value per run and bucket; compute the band from these values. All of it sees one snapshot.

use super::selection::Selection;
use arrow::array::RecordBatch;
use tidalite_model::{Error, Extent, Result};
use tidalite_query::{By, band, band_grouping, band_schema, chart_width};

/// Refuses a wrong request before anything is read.
pub(crate) fn check_band(buckets: usize, by: &[By], over: &[By]) -> Result<()> {
    if buckets == 0 {
        return Err(Error::invalid("draw band", "0 buckets were asked for", "ask for at least one"));
    }
    band_schema(by, over).map(|_| ())
}

impl Selection {
    /// Mean, spread and extremes over the selected runs, in at most `buckets` buckets of steps. The width is a power
    /// of two, the same for all groups (at least two buckets where steps are on both sides of zero). Buckets are
    /// aligned at step 0, so that buckets of one zoom level lie within those of another.
    ///
    /// The finite points of one run in one group and bucket count as one value, their mean. `mean`, `std` (of the
    /// population), `min` and `max` are over these values, and `runs` is their number. Columns are those of
    /// [`band_schema`](crate::band_schema): the groups of `by`, then `step`, `width`, `runs`, `mean`, `std`, `min`,
    /// `max`, `nonfinite`; rows ascend by group, then step. Buckets without a point have no row.
    ///
    /// ```
    /// use arrow::array::{AsArray, types::Float64Type};
    /// use tidalite::By;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for (seed, loss) in [("seed-1", 1.0), ("seed-2", 3.0)] {
    ///     let run = store.run(seed).start()?;
    ///     for step in 0..100 { run.log(step, &[("loss", loss)])?; }
    /// }
    /// let band = store.select().runs("seed-*").metric("loss").band(50, &[By::Metric])?;
    /// assert_eq!(band["mean"].as_primitive::<Float64Type>().values(), &[2.0; 50]);
    /// assert_eq!(band["std"].as_primitive::<Float64Type>().values(), &[1.0; 50]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` for 0 buckets, and where `by` has the run, a bucket, or anything twice;
    /// `Full` where groups, runs and buckets together exceed the memory option.
    pub fn band(&self, buckets: usize, by: &[By]) -> Result<RecordBatch> {
        self.band_over(buckets, by, &[By::Run])
    }

    /// As [`band`](Self::band), over other members than runs: the ranks of a run by `[By::Label("rank".into())]`, each series
    /// by `[By::Run, By::Labels]`. A column `members` with their number takes the place of `runs`.
    ///
    /// ```
    /// use arrow::array::{AsArray, types::{Float64Type, Int64Type}};
    /// use tidalite::By;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for (rank, loss) in [("0", 1.0), ("1", 3.0)] {
    ///     let run = store.run("train").label("rank", rank).start()?;
    ///     for step in 0..100 { run.log(step, &[("loss", loss)])?; }
    /// }
    /// let band = store.select().metric("loss").band_over(50, &[By::Metric], &[By::Label("rank".into())])?;
    /// assert_eq!(band["std"].as_primitive::<Float64Type>().values(), &[1.0; 50]);
    /// assert_eq!(band["members"].as_primitive::<Int64Type>().values(), &[2; 50]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`band`](Self::band); `Invalid` where `over` is empty, has a bucket, or has what `by` has.
    pub fn band_over(&self, buckets: usize, by: &[By], over: &[By]) -> Result<RecordBatch> {
        check_band(buckets, by, over)?;
        let fixed = self.fixed()?;
        let width = fixed.step_extent()?.map_or(1, |e| chart_width(e.first, e.last, buckets));
        let members = fixed.grouped(&band_grouping(by, over, width)?)?;
        band(by, over, width, &members)
    }

    /// The least and the greatest step of the selected points.
    pub(crate) fn step_extent(&self) -> Result<Option<Extent>> {
        let filter = self.point_filter();
        if filter.times_us.is_all() && filter.values.is_all() && !self.has_transforms() {
            return self.plan()?.step_extent();
        }
        Ok(self.summaries()?.into_iter().filter_map(|(_, s)| s.steps()).reduce(Extent::join))
    }
}
