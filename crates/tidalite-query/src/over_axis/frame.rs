//! What series over one axis share: the scale of the axis and its ends.
//!
//! Very many series are drawn one at a time: a first pass joins their reaches, a second one draws each within the frame that
//! follows. [`OverAxis`] holds all series and does both itself.

use super::schema::{over_buckets, over_points_schema};
use super::series::{OverAxis, exact, order_scale, placed, sorted, with_x_as_steps};
use crate::aggregate::{By, Grouping, Partial};
use crate::axis::{Placement, XAxis, XScale, XValue};
use crate::batch::{PointsBuilder, points_schema};
use crate::drawing::{ChartBuckets, PixelColumns, band, band_grouping, chart_batch, chart_width, lttb};
use crate::points::Points;
use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Int64Type};
use arrow::record_batch::RecordBatch;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Extent, Result, SeriesKey};

/// The names of series may take so many bytes in one batch. The offsets of a column of texts have 31 bits.
const NAME_BYTES_MAX: usize = 1 << 30;

/// How far series reach on an axis.
#[derive(Debug, Clone, Copy, Default)]
pub struct AxisReach {
    /// The greatest magnitude of another metric.
    pub(super) greatest: f64,
    /// The least and the greatest x, on the scale that only orders them.
    pub(super) ends: Option<Extent>,
}

impl AxisReach {
    /// How far both reach together.
    pub fn join(self, other: AxisReach) -> AxisReach {
        let ends = self.ends.into_iter().chain(other.ends).reduce(Extent::join);
        AxisReach { greatest: self.greatest.max(other.greatest), ends }
    }
}

/// The scale and the ends of an axis, for series that are drawn one at a time.
#[derive(Debug, Clone)]
pub struct AxisFrame {
    pub(super) x: XAxis,
    /// Where distances in x count.
    pub(super) scale: XScale,
    /// On that scale; zero alone where there are no points.
    pub(super) extent: Extent,
}

impl OverAxis {
    /// All points, ordered by series, then x, then step; columns as in [`over_points_schema`](crate::over_points_schema).
    ///
    /// # Errors
    /// `Full` where there are more than one batch can hold.
    pub fn points(&self) -> Result<RecordBatch> {
        let frame = self.frame();
        frame.lines_batch(frame.points(self))
    }

    /// At most `n` points of each series, by [`lttb`](crate::lttb) over the axis; columns as for [`points`](Self::points).
    ///
    /// # Errors
    /// As [`points`](Self::points).
    pub fn lttb(&self, n: usize) -> Result<RecordBatch> {
        let frame = self.frame();
        frame.lines_batch(frame.lttb(self, n))
    }

    /// The points of each series by [`PixelColumns::m4`](crate::PixelColumns::m4), with pixel columns that all series share;
    /// columns as for [`points`](Self::points). Panics for no columns.
    ///
    /// # Errors
    /// As [`points`](Self::points).
    pub fn m4(&self, columns: usize) -> Result<RecordBatch> {
        let frame = self.frame();
        frame.lines_batch(frame.m4(self, columns))
    }

    /// Each series in at most `buckets` buckets of the axis. All series have one width, a power of two (for time, in
    /// microseconds). Columns are as in [`over_chart_schema`](crate::over_chart_schema); `first` and `last` are by x,
    /// then step.
    ///
    /// # Errors
    /// `Full` where the names of the series take 2 GiB or more, which one batch cannot hold.
    pub fn chart(&self, buckets: usize) -> Result<RecordBatch> {
        let frame = self.frame();
        frame.chart_batch(&frame.charts(self, buckets), buckets)
    }

    /// How far the series reach.
    pub fn reach(&self) -> AxisReach {
        let order = order_scale(&self.x);
        let mut reach = AxisReach::default();
        for (_, points, placement) in &self.series {
            let xs = placement.x_values(points.view()).flatten().map(|x| order.to_int(x));
            let greatest = match placement {
                Placement::Series(other) | Placement::NextOfSeries(other) => {
                    other.values.iter().fold(0.0, |m: f64, v| m.max(v.abs()))
                }
                Placement::Step | Placement::Since(_) => 0.0,
            };
            reach = reach.join(AxisReach { greatest, ends: Extent::of(xs) });
        }
        reach
    }

    /// What the series share.
    pub(super) fn frame(&self) -> AxisFrame {
        AxisFrame::new(self.x.clone(), self.reach())
    }
}

/// The points that are left of a series, with their x.
#[derive(Debug)]
pub struct AxisLine {
    pub(super) key: SeriesKey,
    pub(super) points: Points,
    pub(super) xs: Vec<XValue>,
}

impl AxisLine {
    /// The bytes that a point takes here, and again in the answer.
    pub const POINT_BYTES: u64 = 64;

    /// The series.
    pub fn key(&self) -> &SeriesKey {
        &self.key
    }

    /// The bytes that the line takes here, and again in the answer.
    pub fn bytes(&self) -> u64 {
        self.xs.len() as u64 * Self::POINT_BYTES
    }
}

impl AxisFrame {
    /// The frame of series that reach so far.
    pub fn new(x: XAxis, reach: AxisReach) -> Self {
        let scale = match &x {
            XAxis::Metric(_) | XAxis::NextMetric(_) => XScale::fixed_point(reach.greatest),
            _ => XScale::Int,
        };
        let order = order_scale(&x);
        let place = |int| scale.to_int(order.to_x(int));
        let extent = reach.ends.map_or(Extent { first: 0, last: 0 }, |ends| Extent {
            first: place(ends.first),
            last: place(ends.last),
        });
        AxisFrame { x, scale, extent }
    }

    pub(super) fn width(&self, buckets: usize) -> u64 {
        chart_width(self.extent.first, self.extent.last, buckets)
    }

    /// All points of some series.
    pub fn points(&self, over: &OverAxis) -> Vec<AxisLine> {
        Self::lines(over, order_scale(&self.x), |points| points)
    }

    /// Points of a series in the order of the axis: their x on its scale in place of their steps, and their steps in place of the
    /// order of writing. Points without an x are left out.
    pub fn place(&self, points: &Points, placement: &Placement) -> Points {
        with_x_as_steps(&placed(points, placement), placement, self.scale)
    }

    /// The line of a series by [placed](Self::place) points.
    pub fn line(&self, key: &SeriesKey, points: Points, placement: &Placement) -> AxisLine {
        line(key.clone(), sorted(points), placement, self.scale)
    }

    /// The points that [`OverAxis::lttb`] leaves of some series.
    pub(super) fn lttb(&self, over: &OverAxis, n: usize) -> Vec<AxisLine> {
        Self::lines(over, self.scale, |points| lttb(points, n))
    }

    /// The points that [`OverAxis::m4`] leaves of some series.
    pub fn m4(&self, over: &OverAxis, columns: usize) -> Vec<AxisLine> {
        let picture = PixelColumns::new(self.extent.first, self.extent.last, columns);
        Self::lines(over, self.scale, |points| picture.m4(points))
    }

    fn lines(over: &OverAxis, scale: XScale, keep: impl Fn(Points) -> Points) -> Vec<AxisLine> {
        let of_series = |(key, points, placement): &(SeriesKey, Points, _)| {
            line(key.clone(), sorted(keep(with_x_as_steps(points, placement, scale))), placement, scale)
        };
        over.series.iter().map(of_series).collect()
    }

    /// Lines as a batch, with columns as in [`over_points_schema`].
    ///
    /// # Errors
    /// `Full` where there are more points than one batch can hold.
    pub fn lines_batch(&self, lines: Vec<AxisLine>) -> Result<RecordBatch> {
        let rows = lines.iter().map(|line| line.xs.len()).sum();
        let names = |line: &AxisLine| {
            let SeriesKey { run, metric, labels } = &line.key;
            run.len() + metric.len() + labels.as_str().len()
        };
        // Batches that are joined at the end take twice the memory.
        let is_one = lines.iter().map(names).sum::<usize>() <= NAME_BYTES_MAX;
        let mut builder = if is_one { PointsBuilder::with_rows_max(rows) } else { PointsBuilder::new() };
        let mut xs: Vec<Vec<XValue>> = Vec::with_capacity(lines.len());
        for line in lines {
            builder.push_series(&line.key, line.points);
            xs.push(line.xs);
        }
        let mut batches = builder.finish();
        let all = match batches.len() {
            1 => batches.remove(0),
            _ => concat_batches(&points_schema(), &batches).map_err(|e| {
                Error::new(
                    ErrorKind::Full,
                    "gather points",
                    e.to_string(),
                    "select fewer series or a range of steps",
                )
            })?,
        };
        let x = self.x.column(xs.into_iter().flatten());
        let columns = all.columns().iter().cloned().chain([x]).collect();
        Ok(RecordBatch::try_new(over_points_schema(&self.x), columns).expect("each point has an x"))
    }

    /// Charts of the frame as a batch, with columns as in [`over_chart_schema`](crate::over_chart_schema).
    ///
    /// # Errors
    /// `Full` where the names of the series take 2 GiB or more, which one batch cannot hold.
    pub fn chart_batch(&self, charts: &[(SeriesKey, ChartBuckets)], buckets: usize) -> Result<RecordBatch> {
        Ok(self.along_axis(&chart_batch(charts)?, self.width(buckets)))
    }

    /// A band by groups and over members, in at most `buckets` buckets of the frame, without series yet. `known` adds the
    /// params of the runs to the grouping, if it needs them.
    ///
    /// # Errors
    /// As [`band_schema`](crate::band_schema).
    pub fn band(
        &self,
        buckets: usize,
        (by, over): (&[By], &[By]),
        known: impl FnOnce(Grouping) -> Grouping,
    ) -> Result<AxisBand<'_>> {
        let width = self.width(buckets);
        let runs = known(band_grouping(by, over, width)?).partial();
        Ok(AxisBand { frame: self, width, by: by.to_vec(), over: over.to_vec(), runs })
    }

    /// Turns buckets of the integers of the scale into buckets of the axis.
    fn along_axis(&self, batch: &RecordBatch, width: u64) -> RecordBatch {
        let schema = over_buckets(&self.x, &batch.schema());
        let starts = batch["step"].as_primitive::<Int64Type>().values().iter();
        let starts = self.x.column(starts.map(|&start| self.scale.to_x(start)));
        let width = self.x.width(width, self.scale);
        let widths: ArrayRef = Arc::new(Float64Array::from_iter_values((0..batch.num_rows()).map(|_| width)));
        let column = |(field, column): (&Arc<Field>, &ArrayRef)| match field.name().as_str() {
            "x" => starts.clone(),
            "width" => widths.clone(),
            _ => column.clone(),
        };
        let columns = schema.fields().iter().zip(batch.columns()).map(column).collect();
        RecordBatch::try_new(schema, columns).expect("columns are built by the schema")
    }
}

/// A line of points whose x are their steps, and whose steps are their seqs.
pub(super) fn line(key: SeriesKey, kept: Points, placement: &Placement, scale: XScale) -> AxisLine {
    // Found by the steps, since the integer of an x may be rounded.
    let xs: Vec<XValue> = exact(&kept, placement, scale).collect();
    AxisLine { key, points: Points { steps: kept.seqs, seqs: Vec::new(), ..kept }, xs }
}

/// A band over an axis, series by series.
#[derive(Debug)]
pub struct AxisBand<'a> {
    frame: &'a AxisFrame,
    width: u64,
    by: Vec<By>,
    over: Vec<By>,
    runs: Partial,
}

impl AxisBand<'_> {
    /// Adds series.
    pub fn push(&mut self, over: &OverAxis) {
        for (key, points, placement) in &over.series {
            self.runs.push_series(key, &with_x_as_steps(points, placement, self.frame.scale));
        }
    }

    /// The approximate memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.runs.bytes()
    }

    /// The band, with columns as in [`over_band_schema`](crate::over_band_schema).
    ///
    /// # Errors
    /// `Full` where the names take 2 GiB or more, which one batch cannot hold.
    pub fn finish(self) -> Result<RecordBatch> {
        Ok(self.frame.along_axis(&band(&self.by, &self.over, self.width, &self.runs.finish()?)?, self.width))
    }
}
