//! Series over one axis.
//!
//! The x of a point replaces its step, and its step replaces the write order, so that the points that are kept are
//! found again.

use super::schema::{over_buckets, over_points_schema};
use crate::alignment::{Alignment, Fill};
use crate::axis::{Placement, XAxis, XScale, XValue};
use crate::batch::{PointsBuilder, points_schema};
use crate::drawing::{PixelColumns, chart_at, chart_batch, chart_width, lttb};
use crate::points::{Points, Repeats, merge};
use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Int64Type};
use arrow::record_batch::RecordBatch;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Extent, Result, SeriesKey};

/// Series over one x-axis.
///
/// ```
/// use arrow::array::{AsArray, types::Float64Type};
/// use tidalite_model::{Labels, SeriesKey};
/// use tidalite_query::{OverAxis, Placement, Points, XAxis};
/// let (mut loss, mut tokens) = (Points::default(), Points::default());
/// (0..4).for_each(|step| loss.push(step, 0, 0, 1.0));
/// [(0, 0.0), (2, 512.0)].into_iter().for_each(|(step, value)| tokens.push(step, 0, 0, value));
/// let mut over = OverAxis::new(XAxis::Metric("tokens".into()));
/// over.push(SeriesKey::new("run-1", "loss", Labels::none()), loss, Placement::series(tokens));
/// assert_eq!(over.points()?["x"].as_primitive::<Float64Type>().values(), &[0.0, 0.0, 512.0, 512.0]);
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug)]
pub struct OverAxis {
    pub(crate) x: XAxis,
    pub(crate) series: Vec<(SeriesKey, Points, Placement)>,
}

impl OverAxis {
    /// No series.
    pub fn new(x: XAxis) -> Self {
        OverAxis { x, series: Vec::new() }
    }

    /// Appends a series, whose points ascend by step, with repeats resolved. Needs steps, times and values. Points
    /// without an x are left out.
    pub fn push(&mut self, key: SeriesKey, mut points: Points, placement: Placement) {
        if matches!(placement, Placement::Series(_)) {
            let placed: Vec<bool> = placement.x_values(points.view()).map(|x| x.is_some()).collect();
            points.keep(&placed);
        }
        if !points.is_empty() {
            self.series.push((key, points, placement));
        }
    }

    /// The number of points.
    pub fn len(&self) -> usize {
        self.series.iter().map(|(_, points, _)| points.len()).sum()
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// All points, ordered by series, then x, then step; columns as in [`over_points_schema`].
    ///
    /// # Errors
    /// `Full` where there are more than one batch can hold.
    pub fn points(&self) -> Result<RecordBatch> {
        self.points_batch(self.order_scale(), |points| points)
    }

    /// At most `n` points of each series, by [`lttb`] over the axis; columns as in [`over_points_schema`].
    ///
    /// # Errors
    /// As [`points`](Self::points).
    pub fn lttb(&self, n: usize) -> Result<RecordBatch> {
        self.points_batch(self.distance_scale(), |points| lttb(points, n))
    }

    /// The points of each series by [`PixelColumns::m4`], with pixel columns that all series share; columns as in
    /// [`over_points_schema`]. Panics for no columns.
    ///
    /// # Errors
    /// As [`points`](Self::points).
    pub fn m4(&self, columns: usize) -> Result<RecordBatch> {
        let scale = self.distance_scale();
        let Extent { first, last } = self.extent(scale);
        let picture = PixelColumns::new(first, last, columns);
        self.points_batch(scale, |points| picture.m4(points))
    }

    /// Each series in at most `buckets` buckets of the axis. All series have one width, a power of two (for time, in
    /// microseconds). Columns are as in [`over_chart_schema`](crate::over_chart_schema); `first` and `last` are by x,
    /// then step.
    ///
    /// # Errors
    /// `Full` where the names of the series take 2 GiB or more, which one batch cannot hold.
    pub fn chart(&self, buckets: usize) -> Result<RecordBatch> {
        let scale = self.distance_scale();
        let Extent { first, last } = self.extent(scale);
        let width = chart_width(first, last, buckets);
        let drawn = |(key, points, placement): &(SeriesKey, Points, Placement)| {
            (key.clone(), chart_at(&with_x_as_steps(points, placement, scale), width))
        };
        let charts: Vec<_> = self.series.iter().map(drawn).collect();
        Ok(self.along_axis(&chart_batch(&charts)?, width, scale))
    }

    /// Turns buckets of the integers of a scale into buckets of the axis.
    pub(crate) fn along_axis(&self, batch: &RecordBatch, width: u64, scale: XScale) -> RecordBatch {
        let schema = over_buckets(&self.x, &batch.schema());
        let starts = batch["step"].as_primitive::<Int64Type>().values().iter();
        let starts = self.x.column(starts.map(|&start| scale.to_x(start)));
        let width = self.x.width(width, scale);
        let widths: ArrayRef = Arc::new(Float64Array::from_iter_values((0..batch.num_rows()).map(|_| width)));
        let column = |(field, column): (&Arc<Field>, &ArrayRef)| match field.name().as_str() {
            "x" => starts.clone(),
            "width" => widths.clone(),
            _ => column.clone(),
        };
        let columns = schema.fields().iter().zip(batch.columns()).map(column).collect();
        RecordBatch::try_new(schema, columns).expect("columns are built by the schema")
    }

    /// The series side by side as an [`Alignment`], one row for each x that any of them has; the first column is `x`.
    /// Of several points of a series at one x, the one at the greatest step counts.
    pub fn align(&self) -> Alignment {
        let scale = self.order_scale();
        let placed = self.series.iter().map(|(key, points, placement)| {
            // The last of equal x counts, and among these the steps ascend.
            (key.clone(), Points { seqs: Vec::new(), ..with_x_as_steps(points, placement, scale) })
        });
        Alignment::over(placed.collect(), self.x.clone(), scale)
    }

    /// Refuses a fill that is not defined on this axis.
    ///
    /// ```
    /// use tidalite_query::{Fill, OverAxis, XAxis};
    /// assert!(OverAxis::check_fill(&XAxis::Elapsed, Fill::Linear).is_ok());
    /// assert!(OverAxis::check_fill(&XAxis::Metric("tokens".into()), Fill::Linear).is_err());
    /// ```
    ///
    /// # Errors
    /// `Invalid` for linear interpolation over another metric, where one x may have several values.
    pub fn check_fill(x: &XAxis, fill: Fill) -> Result<()> {
        if matches!(x, XAxis::Metric(_)) && fill == Fill::Linear {
            return Err(Error::invalid(
                "align series",
                "linear interpolation over another metric is not defined, since the metric may return to a value",
                "fill with the previous value or with null",
            ));
        }
        Ok(())
    }

    /// The scale where only the order of x counts.
    fn order_scale(&self) -> XScale {
        if matches!(self.x, XAxis::Metric(_)) { XScale::OrderedBits } else { XScale::Int }
    }

    /// The scale where distances in x count.
    pub(crate) fn distance_scale(&self) -> XScale {
        if !matches!(self.x, XAxis::Metric(_)) {
            return XScale::Int;
        }
        let greatest = |placement: &Placement| match placement {
            Placement::Series(other) => other.values.iter().fold(0.0, |m: f64, v| m.max(v.abs())),
            Placement::Step | Placement::Since(_) => 0.0,
        };
        XScale::fixed_point(
            self.series.iter().map(|(_, _, placement)| greatest(placement)).fold(0.0, f64::max),
        )
    }

    /// The extent of the x of all points, as integers; zero alone where there are no points.
    pub(super) fn extent(&self, scale: XScale) -> Extent {
        let xs = self.series.iter().flat_map(|(_, points, placement)| placement.x_values(points.view()));
        Extent::of(xs.flatten().map(|x| scale.to_int(x))).unwrap_or(Extent { first: 0, last: 0 })
    }

    /// The points that `keep` leaves of each series, with their x.
    fn points_batch(&self, scale: XScale, keep: impl Fn(Points) -> Points) -> Result<RecordBatch> {
        let mut builder = PointsBuilder::new();
        let mut xs: Vec<XValue> = Vec::new();
        for (key, points, placement) in &self.series {
            let kept = sorted(keep(with_x_as_steps(points, placement, scale)));
            // Found by the steps, since the integer of an x may be rounded.
            xs.extend(exact(&kept, placement, scale));
            builder.push_series(key, Points { steps: kept.seqs, seqs: Vec::new(), ..kept });
        }
        let all = concat_batches(&points_schema(), &builder.finish()).map_err(|e| {
            Error::new(
                ErrorKind::Full,
                "gather points",
                e.to_string(),
                "select fewer series or a range of steps",
            )
        })?;
        let columns = all.columns().iter().cloned().chain([self.x.column(xs.into_iter())]).collect();
        Ok(RecordBatch::try_new(over_points_schema(&self.x), columns).expect("each point has an x"))
    }
}

/// The exact x of points from [`with_x_as_steps`].
fn exact<'a>(kept: &'a Points, placement: &'a Placement, scale: XScale) -> impl Iterator<Item = XValue> + 'a {
    (0..kept.len()).map(move |i| match placement {
        Placement::Series(other) => {
            let last = other.steps.partition_point(|&step| step <= kept.seqs[i]);
            XValue::Float(other.values[last - 1])
        }
        Placement::Step | Placement::Since(_) => scale.to_x(kept.steps[i]),
    })
}

/// The points with their x as steps and their steps as write order, sorted by both.
pub(crate) fn with_x_as_steps(points: &Points, placement: &Placement, scale: XScale) -> Points {
    let xs = placement.x_values(points.view()).map(|x| x.map(|x| scale.to_int(x)).unwrap_or_default());
    sorted(Points {
        steps: xs.collect(),
        seqs: points.steps.clone(),
        written: Vec::new(),
        times_us: points.times_us.clone(),
        values: points.values.clone(),
    })
}

fn sorted(points: Points) -> Points {
    if points.is_ascending() { points } else { merge(vec![points], Repeats::All) }
}
