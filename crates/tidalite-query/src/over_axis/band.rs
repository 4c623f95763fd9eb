//! Bands over another x-axis: statistics over runs, per bucket of the axis. The x of each point replaces its step.

use super::schema::over_buckets;
use super::series::{OverAxis, with_x_as_steps};
use crate::aggregate::{By, Grouping};
use crate::axis::XAxis;
use crate::drawing::{band, band_grouping, band_schema, chart_width};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use tidalite_model::{Extent, Result};

/// The columns of bands over an axis: those of [`band_schema`] with `x`, a bucket's start, in place of `step`, and `width`
/// Float64: in what `x` counts, of time in seconds.
///
/// # Errors
/// As [`band_schema`].
pub fn over_band_schema(x: &XAxis, by: &[By]) -> Result<SchemaRef> {
    Ok(over_buckets(x, &*band_schema(by)?))
}

impl OverAxis {
    /// The runs of each group together, in at most `buckets` buckets of the axis, whose width is a power of two (of time, of
    /// microseconds); columns as in [`over_band_schema`]. `known` adds to a grouping what it needs to know of the runs.
    ///
    /// # Errors
    /// As [`band_schema`]; `Full` where the names come to 2 GiB or more, which one batch cannot hold.
    pub fn band(
        &self,
        buckets: usize,
        by: &[By],
        known: impl FnOnce(Grouping) -> Grouping,
    ) -> Result<RecordBatch> {
        let scale = self.distance_scale();
        let Extent { first, last } = self.extent(scale);
        let width = chart_width(first, last, buckets);
        let mut runs = known(band_grouping(by, width)?).partial();
        for (key, points, placement) in &self.series {
            runs.push_series(key, &with_x_as_steps(points, placement, scale));
        }
        Ok(self.along_axis(&band(by, width, &runs.finish()?)?, width, scale))
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

    /// Two runs that count tokens at different speeds: over tokens they do the same.
    #[test]
    fn runs_are_put_together_where_they_stand_on_the_axis() {
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
        let batch = over.band(8, &[By::Metric], |grouping| grouping).unwrap();
        assert_eq!(batch.schema(), over_band_schema(&over.x, &[By::Metric]).unwrap());
        let real = |name: &str| batch[name].as_primitive::<Float64Type>().values().to_vec();
        assert_eq!(real("x"), (0..8).map(|i| 16.0 * f64::from(i)).collect::<Vec<_>>());
        assert_eq!(real("width"), [16.0; 8]);
        // Run a ends at 63; its mean in a bucket of whole numbers is half a step above that of every second one.
        assert_eq!(batch["runs"].as_primitive::<Int64Type>().values(), &[2, 2, 2, 2, 1, 1, 1, 1]);
        assert_eq!(real("mean")[..2], [(7.5 + 17.0) / 2.0, (23.5 + 33.0) / 2.0]);
        assert_eq!(real("mean")[7], 112.0 + 7.0 + 10.0);
        assert!(over.band(8, &[By::Run], |grouping| grouping).is_err());
        let none = OverAxis::new(XAxis::Time).band(8, &[By::Metric], |grouping| grouping).unwrap();
        assert_eq!(none.num_rows(), 0);
    }
}
