//! Series over another x-axis than the step: brought in its order, drawn small, and told as Arrow batches.
//!
//! Steps: each point gets its place on the axis (`x_axis.rs`) and the series is sorted by it; what charts and lines take
//! are the places in place of the steps, with the steps in place of the order of writing, so that the points that are
//! kept are found again. Selections call this.

use crate::align::Alignment;
use crate::batch::points_schema;
use crate::chart::chart_at;
use crate::chart_batch::{chart_batch, chart_schema};
use crate::x_axis::{Along, Place, X};
use crate::{Fill, PixelColumns, Points, PointsBuilder, Repeats, XAxis, chart_width, lttb, merge};
use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Result, SeriesKey};

/// The columns of points over an axis: those of [`points_schema`], then `x`: Int64 for steps, Timestamp(µs, UTC) for
/// times, Float64 for seconds since a run's start and for another metric.
pub fn over_points_schema(x: &XAxis) -> SchemaRef {
    let mut fields = fields_of(&points_schema());
    fields.push(x.field());
    Arc::new(Schema::new(fields))
}

/// The columns of charts over an axis: those of [`chart_schema`] with `x`, a bucket's start, in place of `step`, and
/// `width` Float64: in what `x` counts, of time in seconds.
pub fn over_chart_schema(x: &XAxis) -> SchemaRef {
    over_buckets(x, &chart_schema())
}

/// The columns of buckets of steps, of an axis instead.
pub(crate) fn over_buckets(x: &XAxis, steps: &Schema) -> SchemaRef {
    let replaced = |field: Field| match field.name().as_str() {
        "step" => x.field(),
        "width" => Field::new("width", DataType::Float64, false),
        _ => field,
    };
    Arc::new(Schema::new(fields_of(steps).into_iter().map(replaced).collect::<Vec<_>>()))
}

fn fields_of(schema: &Schema) -> Vec<Field> {
    schema.fields().iter().map(|f| f.as_ref().clone()).collect()
}

/// Series over one axis.
///
/// ```
/// use arrow::array::{AsArray, types::Float64Type};
/// use tidalite_model::{Labels, SeriesKey};
/// use tidalite_query::{Along, OverAxis, Points, XAxis};
/// let (mut loss, mut tokens) = (Points::default(), Points::default());
/// (0..4).for_each(|step| loss.push(step, 0, 0, 1.0));
/// [(0, 0.0), (2, 512.0)].into_iter().for_each(|(step, value)| tokens.push(step, 0, 0, value));
/// let mut over = OverAxis::new(XAxis::Metric("tokens".into()));
/// over.push(SeriesKey::new("run-1", "loss", Labels::none()), loss, Along::series(tokens));
/// assert_eq!(over.points()?["x"].as_primitive::<Float64Type>().values(), &[0.0, 0.0, 512.0, 512.0]);
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug)]
pub struct OverAxis {
    pub(crate) x: XAxis,
    pub(crate) series: Vec<(SeriesKey, Points, Along)>,
}

impl OverAxis {
    /// No series yet.
    pub fn new(x: XAxis) -> Self {
        OverAxis { x, series: Vec::new() }
    }

    /// Adds a series behind the others; points ascend by step, with repeats resolved. Needs steps, times and values.
    /// Points that have no place on the axis are left out.
    pub fn push(&mut self, key: SeriesKey, mut points: Points, along: Along) {
        if matches!(along, Along::Series(_)) {
            let placed: Vec<bool> = along.places(points.view()).map(|x| x.is_some()).collect();
            points.keep(&placed);
        }
        if !points.is_empty() {
            self.series.push((key, points, along));
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
        self.told(self.order(), |points| points)
    }

    /// Of each series at most `n` points, by [`lttb`] with the axis as x; columns as in [`over_points_schema`].
    ///
    /// # Errors
    /// As [`points`](Self::points).
    pub fn lttb(&self, n: usize) -> Result<RecordBatch> {
        self.told(self.distance(), |points| lttb(points, n))
    }

    /// Of each series the points of [`PixelColumns::m4`] for so many columns, which all series share; columns as in
    /// [`over_points_schema`]. Panics for no columns.
    ///
    /// # Errors
    /// As [`points`](Self::points).
    pub fn m4(&self, columns: usize) -> Result<RecordBatch> {
        let place = self.distance();
        let (first, last) = self.extent(place);
        let picture = PixelColumns::new(first, last, columns);
        self.told(place, |points| picture.m4(points))
    }

    /// Each series in at most `buckets` buckets of the axis, whose width is a power of two (of time, of microseconds) and
    /// the same for all series; columns as in [`over_chart_schema`]. `first` and `last` are by x, then step.
    ///
    /// # Errors
    /// `Full` where the names of the series come to 2 GiB or more, which one batch cannot hold.
    pub fn chart(&self, buckets: usize) -> Result<RecordBatch> {
        let place = self.distance();
        let (first, last) = self.extent(place);
        let width = chart_width(first, last, buckets);
        let drawn = |(key, points, along): &(SeriesKey, Points, Along)| {
            (key.clone(), chart_at(&placed(points, along, place), width))
        };
        let charts: Vec<_> = self.series.iter().map(drawn).collect();
        Ok(self.along_axis(&chart_batch(&charts)?, width, place))
    }

    /// Buckets of one width of the places, told as buckets of the axis.
    pub(crate) fn along_axis(&self, batch: &RecordBatch, width: u64, place: Place) -> RecordBatch {
        let schema = over_buckets(&self.x, &batch.schema());
        let starts = batch["step"].as_primitive::<Int64Type>().values().iter();
        let starts = self.x.column(starts.map(|&start| place.back(start)));
        let width = self.x.width(width, place);
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
        let place = self.order();
        let placed = self.series.iter().map(|(key, points, along)| {
            // The last of equal places counts, and within these the steps ascend.
            (key.clone(), Points { seqs: Vec::new(), ..placed(points, along, place) })
        });
        Alignment::over(placed.collect(), self.x.clone(), place)
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
    fn order(&self) -> Place {
        if matches!(self.x, XAxis::Metric(_)) { Place::Order } else { Place::Whole }
    }

    /// Places of which the distance counts.
    pub(crate) fn distance(&self) -> Place {
        if !matches!(self.x, XAxis::Metric(_)) {
            return Place::Whole;
        }
        let greatest = |along: &Along| match along {
            Along::Series(other) => other.values.iter().fold(0.0, |m: f64, v| m.max(v.abs())),
            Along::Step | Along::Since(_) => 0.0,
        };
        Place::fixed(self.series.iter().map(|(_, _, along)| greatest(along)).fold(0.0, f64::max))
    }

    /// The least and the greatest place; zeros where there is none.
    pub(crate) fn extent(&self, place: Place) -> (i64, i64) {
        let places = self.series.iter().flat_map(|(_, points, along)| along.places(points.view()));
        let ends = places.flatten().map(|x| place.of(x)).map(|at| (at, at));
        ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or_default()
    }

    /// What is kept of each series, as points with their x.
    fn told(&self, place: Place, keep: impl Fn(Points) -> Points) -> Result<RecordBatch> {
        let mut builder = PointsBuilder::new();
        let mut xs: Vec<X> = Vec::new();
        for (key, points, along) in &self.series {
            let kept = sorted(keep(placed(points, along, place)));
            // Told by the steps, since a place may be rounded.
            xs.extend(exact(&kept, along, place));
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
fn exact<'a>(kept: &'a Points, along: &'a Along, place: Place) -> impl Iterator<Item = X> + 'a {
    (0..kept.len()).map(move |i| match along {
        Along::Series(other) => {
            let last = other.steps.partition_point(|&step| step <= kept.seqs[i]);
            X::Real(other.values[last - 1])
        }
        Along::Step | Along::Since(_) => place.back(kept.steps[i]),
    })
}

/// The points with their places as steps, and their steps as the order of writing; sorted by both.
pub(crate) fn placed(points: &Points, along: &Along, place: Place) -> Points {
    let places = along.places(points.view()).map(|x| x.map(|x| place.of(x)).unwrap_or_default());
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

#[cfg(test)]
mod tests;
