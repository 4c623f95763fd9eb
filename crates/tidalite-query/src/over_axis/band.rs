//! Bands over another x-axis: statistics over runs, per bucket of the axis. The x of each point replaces its step.

use super::schema::over_buckets;
use super::series::OverAxis;
use crate::aggregate::{By, Grouping};
use crate::axis::XAxis;
use crate::drawing::band_schema;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use tidalite_model::Result;

/// The columns of bands over an axis: those of [`band_schema`], with `x`, a bucket's start, in place of `step`, and
/// `width` Float64 in the unit of `x`, seconds for time.
///
/// ```
/// use tidalite_query::{By, XAxis, over_band_schema};
/// assert_eq!(over_band_schema(&XAxis::Elapsed, &[By::Metric], &[By::Run])?.field(1).name(), "x");
/// # Ok::<(), tidalite_model::Error>(())
/// ```
///
/// # Errors
/// As [`band_schema`].
pub fn over_band_schema(x: &XAxis, by: &[By], over: &[By]) -> Result<SchemaRef> {
    Ok(over_buckets(x, &*band_schema(by, over)?))
}

impl OverAxis {
    /// Bands of each group in at most `buckets` buckets of the axis, whose width is a power of two (for time, in
    /// microseconds); columns as in [`over_band_schema`]. `known` adds the params of the runs to the grouping, if it
    /// needs them.
    ///
    /// # Errors
    /// As [`band_schema`]; `Full` where the names take 2 GiB or more, which one batch cannot hold.
    pub fn band(
        &self,
        buckets: usize,
        (by, over): (&[By], &[By]),
        known: impl FnOnce(Grouping) -> Grouping,
    ) -> Result<RecordBatch> {
        let frame = self.frame();
        let mut band = frame.band(buckets, (by, over), known)?;
        band.push(self);
        band.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Placement;
    use crate::points::Points;
    use arrow::array::AsArray;
    use arrow::datatypes::{Float64Type, Int64Type};
    use tidalite_model::{Labels, SeriesKey};

    /// Two runs that consume tokens at different speeds, so that their curves meet over tokens and not over steps.
    #[test]
    fn a_band_joins_runs_by_their_x() {
        let mut over = OverAxis::new(XAxis::Metric("tokens".into()));
        for (run, speed) in [("a", 1.0), ("b", 2.0)] {
            let (mut loss, mut tokens) = (Points::default(), Points::default());
            for step in 0..64 {
                let x = step as f64 * speed;
                tokens.push(step, 0, 0, x);
                loss.push(step, 0, 0, x + if run == "a" { 0.0 } else { 10.0 });
            }
            over.push(SeriesKey::new(run, "loss", Labels::none()), loss, Placement::series(tokens));
        }
        let batch = over.band(8, (&[By::Metric], &[By::Run]), |grouping| grouping).unwrap();
        assert_eq!(batch.schema(), over_band_schema(&over.x, &[By::Metric], &[By::Run]).unwrap());
        let real = |name: &str| batch[name].as_primitive::<Float64Type>().values().to_vec();
        assert_eq!(real("x"), (0..8).map(|i| 16.0 * f64::from(i)).collect::<Vec<_>>());
        assert_eq!(real("width"), [16.0; 8]);
        // Run a ends at x = 63. It has every integer of a bucket and run b every second one, so its mean is half a
        // step higher.
        assert_eq!(batch["runs"].as_primitive::<Int64Type>().values(), &[2, 2, 2, 2, 1, 1, 1, 1]);
        assert_eq!(real("mean")[..2], [(7.5 + 17.0) / 2.0, (23.5 + 33.0) / 2.0]);
        assert_eq!(real("mean")[7], 112.0 + 7.0 + 10.0);
        assert!(over.band(8, (&[By::Run], &[By::Run]), |grouping| grouping).is_err());
        let none =
            OverAxis::new(XAxis::Time).band(8, (&[By::Metric], &[By::Run]), |grouping| grouping).unwrap();
        assert_eq!(none.num_rows(), 0);
    }
}
