//! Series over one axis.
//!
//! The x of a point replaces its step, and its step replaces the write order, so that the points that are kept are found
//! again.

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

/// Series over one axis.
///
/// ```
/// use arrow::array::{AsArray, types::Float64Type};
/// use tidalite_model::{Labels, SeriesKey};
/// use tidalite_query::{Placement, OverAxis, Points, XAxis};
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
    /// No series yet.
    pub fn new(x: XAxis) -> Self {
        OverAxis { x, series: Vec::new() }
    }

    /// Adds a series behind the others; points ascend by step, with repeats resolved. Needs steps, times and values.
    /// Points that have no place on the axis are left out.
    pub fn push(&mut self, key: SeriesKey, mut points: Points, placement: Placement) {
        if matches!(placement, Placement::Series(_)) {
            let placed: Vec<bool> = placement.x_values(points.view()).map(|x| x.is_some()).collect();
            points.keep(&placed);
        }
        if !points.is_empty() {
            self.series.push((key, points, placement));
        }
    }

    /// How many points there are.
    pub fn len(&self) -> usize {
        self.series.iter().map(|(_, points, _)| points.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// All points, ordered by series, then x, then step; columns as in [`over_points_schema`].
    ///
    /// # Errors
    /// `Full` where they are more than one batch can hold.
    pub fn points(&self) -> Result<RecordBatch> {
        self.points_batch(self.order_scale(), |points| points)
    }

    /// Of each series at most `n` points, by [`lttb`] with the axis as x; columns as in [`over_points_schema`].
    ///
    /// # Errors
    /// As [`points`](Self::points).
    pub fn lttb(&self, n: usize) -> Result<RecordBatch> {
        self.points_batch(self.distance_scale(), |points| lttb(points, n))
    }

    /// Of each series the points of [`PixelColumns::m4`] for so many columns, which all series share; columns as in
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

    /// Each series in at most `buckets` buckets of the axis, whose width is a power of two (of time, of microseconds) and
    /// the same for all series; columns as in [`over_chart_schema`]. `first` and `last` are by x, then step.
    ///
    /// # Errors
    /// `Full` where the names of the series come to 2 GiB or more, which one batch cannot hold.
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

    /// Buckets of one width of the places, told as buckets of the axis.
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

    /// The series side by side, one row for each x that any of them has, as an [`Alignment`]; the first column is `x`. Of
    /// several points of a series at one x that of the greatest step counts.
    pub fn align(&self) -> Alignment {
        let scale = self.order_scale();
        let placed = self.series.iter().map(|(key, points, placement)| {
            // The last of equal places counts, and within these the steps ascend.
            (key.clone(), Points { seqs: Vec::new(), ..with_x_as_steps(points, placement, scale) })
        });
        Alignment::over(placed.collect(), self.x.clone(), scale)
    }

    /// Refuses a fill that makes no sense on this axis.
    ///
    /// # Errors
    /// `Invalid` for the line between neighbours over another metric: there may be several values at one x.
    pub fn check_fill(x: &XAxis, fill: Fill) -> Result<()> {
        if matches!(x, XAxis::Metric(_)) && fill == Fill::Linear {
            return Err(Error::invalid(
                "align series",
                "the line between neighbours was asked for over another metric, which may come back to a value",
                "fill with the previous value or with nothing",
            ));
        }
        Ok(())
    }

    /// Places of which the order counts.
    fn order_scale(&self) -> XScale {
        if matches!(self.x, XAxis::Metric(_)) { XScale::OrderedBits } else { XScale::Int }
    }

    /// Places of which the distance counts.
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

    /// What is kept of each series, as points with their x.
    fn points_batch(&self, scale: XScale, keep: impl Fn(Points) -> Points) -> Result<RecordBatch> {
        let mut builder = PointsBuilder::new();
        let mut xs: Vec<XValue> = Vec::new();
        for (key, points, placement) in &self.series {
            let kept = sorted(keep(with_x_as_steps(points, placement, scale)));
            // Told by the steps, since a place may be rounded.
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

/// The x of points that were placed, to the last bit.
fn exact<'a>(kept: &'a Points, placement: &'a Placement, scale: XScale) -> impl Iterator<Item = XValue> + 'a {
    (0..kept.len()).map(move |i| match placement {
        Placement::Series(other) => {
            let last = other.steps.partition_point(|&step| step <= kept.seqs[i]);
            XValue::Float(other.values[last - 1])
        }
        Placement::Step | Placement::Since(_) => scale.to_x(kept.steps[i]),
    })
}

/// The points with their places as steps, and their steps as the order of writing; sorted by both.
pub(crate) fn with_x_as_steps(points: &Points, placement: &Placement, scale: XScale) -> Points {
    let places = placement.x_values(points.view()).map(|x| x.map(|x| scale.to_int(x)).unwrap_or_default());
    sorted(Points {
        steps: places.collect(),
        seqs: points.steps.clone(),
        times_us: points.times_us.clone(),
        values: points.values.clone(),
    })
}

fn sorted(points: Points) -> Points {
    if points.is_ascending() { points } else { merge(vec![points], Repeats::All) }
}
