//! Many series side by side: one row for each x that any of them has, one column per series.
//!
//! Steps: each series is sorted by the axis, one value per x. The axes are united, halves first, so that each level
//! of halving costs one pass, and series that share their axis cost one comparison. Each column is then filled by
//! itself.

use super::column_names::column_names;
use super::fill::{AlignOn, Fill, column};
use crate::axis::{XAxis, XScale};
use crate::batch::timestamp;
use crate::points::Points;
use arrow::array::{ArrayRef, Int64Array, TimestampMicrosecondArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use tidalite_model::SeriesKey;

/// Series on one axis, before their columns are filled.
///
/// ```
/// use arrow::array::{AsArray, types::Float64Type};
/// use tidalite_model::{Labels, SeriesKey};
/// use tidalite_query::{AlignOn, Alignment, Fill, Points};
/// let series = |metric: &str, steps: &[i64]| {
///     let mut points = Points::default();
///     steps.iter().for_each(|&step| points.push(step, 0, 0, step as f64));
///     (SeriesKey::new("run-1", metric, Labels::none()), points)
/// };
/// let aligned = Alignment::new(vec![series("acc", &[0, 10]), series("loss", &[0, 5, 10])], AlignOn::Step);
/// let batch = aligned.finish(Fill::Linear);
/// assert_eq!(batch["acc"].as_primitive::<Float64Type>().values(), &[0.0, 5.0, 10.0]);
/// ```
#[derive(Debug)]
pub struct Alignment {
    axis_kind: AxisKind,
    keys: Vec<SeriesKey>,
    aligned: Vec<AlignedSeries>,
    axis: ScalarBuffer<i64>,
}

/// What the axis counts, which decides its column.
#[derive(Debug)]
enum AxisKind {
    On(AlignOn),
    Over(XAxis, XScale),
}

/// A series on the axis: ascending, one value per x.
#[derive(Debug)]
struct AlignedSeries {
    xs: Vec<i64>,
    values: ScalarBuffer<f64>,
}

impl Alignment {
    /// Aligns series on one axis. Those without a point are left out.
    ///
    /// Needs values and steps, and times to align on these. Of several points at one time, the one at the greatest
    /// step counts; of several repeats, the last one. Panics where a column is missing.
    pub fn new(series: Vec<(SeriesKey, Points)>, on: AlignOn) -> Self {
        Self::placement(series, on, AxisKind::On(on))
    }

    /// Aligns series on another axis; their steps are the x as integers.
    pub(crate) fn over(series: Vec<(SeriesKey, Points)>, x: XAxis, scale: XScale) -> Self {
        Self::placement(series, AlignOn::Step, AxisKind::Over(x, scale))
    }

    fn placement(series: Vec<(SeriesKey, Points)>, on: AlignOn, axis_kind: AxisKind) -> Self {
        let (mut keys, mut aligned) = (Vec::new(), Vec::new());
        for (key, points) in series.into_iter().filter(|(_, points)| !points.is_empty()) {
            keys.push(key);
            aligned.push(AlignedSeries::of(points, on));
        }
        let axes: Vec<&[i64]> = aligned.iter().map(|a| &a.xs[..]).collect();
        let axis = ScalarBuffer::from(united(&axes).into_owned());
        Alignment { axis_kind, keys, aligned, axis }
    }

    /// The number of rows, which is the number of distinct x.
    pub fn rows(&self) -> usize {
        self.axis.len()
    }

    /// The number of series.
    pub fn series(&self) -> usize {
        self.aligned.len()
    }

    /// The approximate memory of the filled columns, in bytes.
    pub fn bytes(&self) -> u64 {
        // A value and a validity bit, rounded up.
        (self.rows() as u64).saturating_mul(self.series() as u64 + 1).saturating_mul(9)
    }

    /// The columns of the result: `step` Int64, `time` Timestamp(µs, UTC), or `x` in the type of its axis, never
    /// null; then one Float64 per series, nullable, in order.
    ///
    /// The name of a series' column has those of run, metric and labels that differ between the series, in this
    /// order, joined by spaces, labels in braces: `run-1 loss {rank=0}`. Where nothing differs, or the metric alone,
    /// the name is the metric. A duplicate name gets the suffix ` (2)`, or the next number that is free. The field's
    /// metadata has the `run`, `metric` and `labels` of the series.
    pub fn schema(&self) -> SchemaRef {
        let x = match &self.axis_kind {
            AxisKind::On(AlignOn::Step) => Field::new("step", DataType::Int64, false),
            AxisKind::On(AlignOn::Time) => Field::new("time", timestamp(), false),
            AxisKind::Over(x, _) => x.field(),
        };
        let names = column_names(&self.keys, x.name());
        let mut fields = vec![x];
        fields.extend(names.into_iter().zip(&self.keys).map(|(name, key)| {
            let parts = [("run", &*key.run), ("metric", &*key.metric), ("labels", key.labels.as_str())];
            let metadata: HashMap<String, String> =
                parts.into_iter().map(|(part, name)| (part.to_string(), name.to_string())).collect();
            Field::new(name, DataType::Float64, true).with_metadata(metadata)
        }));
        Arc::new(Schema::new(fields))
    }

    /// The filled column of the series at this index; takes time linear in the rows. Panics where there is no such
    /// series.
    pub fn column(&self, index: usize, fill: Fill) -> ArrayRef {
        let one = &self.aligned[index];
        Arc::new(column(&self.axis, &one.xs, &one.values, fill))
    }

    /// The result from all columns, in order, as [`column`](Self::column) fills them; the caller may fill them in
    /// threads. Panics where one is missing.
    pub fn finish_with(self, columns: impl IntoIterator<Item = ArrayRef>) -> RecordBatch {
        let schema = self.schema();
        let x: ArrayRef = match &self.axis_kind {
            AxisKind::On(AlignOn::Step) => Arc::new(Int64Array::new(self.axis, None)),
            AxisKind::On(AlignOn::Time) => {
                Arc::new(TimestampMicrosecondArray::new(self.axis, None).with_timezone("UTC"))
            }
            AxisKind::Over(x, scale) => x.column(self.axis.iter().map(|&p| scale.to_x(p))),
        };
        let columns = std::iter::once(x).chain(columns).collect();
        RecordBatch::try_new(schema, columns).expect("there is a column for each series, as long as the axis")
    }

    /// The result.
    pub fn finish(self, fill: Fill) -> RecordBatch {
        let columns: Vec<ArrayRef> = (0..self.series()).map(|index| self.column(index, fill)).collect();
        self.finish_with(columns)
    }
}

impl AlignedSeries {
    fn of(points: Points, on: AlignOn) -> Self {
        let n = points.len();
        assert!(points.steps.len() == n, "series are aligned with their steps");
        let xs = match on {
            AlignOn::Step => &points.steps,
            AlignOn::Time => &points.times_us,
        };
        assert!(xs.len() == n, "series have the column to align on");
        if !xs.windows(2).all(|w| w[0] < w[1]) {
            return Self::sorted(xs, &points);
        }
        let xs = if on == AlignOn::Time { points.times_us } else { points.steps };
        AlignedSeries { xs, values: points.values.into() }
    }

    /// Sorts by x, then step, then position, and keeps the last of equal x.
    fn sorted(xs: &[i64], points: &Points) -> Self {
        let mut places: Vec<usize> = (0..xs.len()).collect();
        // Stable, so that repeats keep their order.
        places.sort_by_key(|&i| (xs[i], points.steps[i]));
        let next = places.iter().skip(1).map(Some).chain([None]);
        let last_at_x =
            |(&i, next): (&usize, Option<&usize>)| next.is_none_or(|&j| xs[j] != xs[i]).then_some(i);
        let kept: Vec<usize> = places.iter().zip(next).filter_map(last_at_x).collect();
        AlignedSeries {
            xs: kept.iter().map(|&i| xs[i]).collect(),
            values: kept.iter().map(|&i| points.values[i]).collect::<Vec<f64>>().into(),
        }
    }
}

/// The union of all axes, ascending.
pub(super) fn united<'a>(axes: &[&'a [i64]]) -> Cow<'a, [i64]> {
    match axes {
        [] => Cow::Borrowed(&[]),
        [one] => Cow::Borrowed(one),
        _ => {
            let (left, right) = axes.split_at(axes.len() / 2);
            let (left, right) = (united(left), united(right));
            // The common case: series that were logged together.
            if left == right { left } else { Cow::Owned(merged(&left, &right)) }
        }
    }
}

fn merged(a: &[i64], b: &[i64]) -> Vec<i64> {
    let mut all = Vec::with_capacity(a.len().max(b.len()));
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        let (x, y) = (a[i], b[j]);
        all.push(x.min(y));
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    all.extend_from_slice(&a[i..]);
    all.extend_from_slice(&b[j..]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alignment::fill::on_line;
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};
    use tidalite_model::Labels;

    type AlignRow = (i64, i64, f64);

    fn key(metric: usize) -> SeriesKey {
        SeriesKey::new("r", format!("m{metric}"), Labels::none())
    }

    fn points(rows: &[AlignRow]) -> Points {
        let mut points = Points::default();
        rows.iter().for_each(|&(step, time, value)| points.push(step, 0, time, value));
        points
    }

    /// A map from x to value. Of points that share an x, the one at the later step counts; of one step, the later
    /// position.
    fn map(rows: &[AlignRow], on: AlignOn) -> BTreeMap<i64, f64> {
        let mut rows = rows.to_vec();
        rows.sort_by_key(|r| r.0);
        rows.iter()
            .map(|&(step, time, value)| (if on == AlignOn::Step { step } else { time }, value))
            .collect()
    }

    fn at(map: &BTreeMap<i64, f64>, x: i64, fill: Fill) -> Option<f64> {
        let before = map.range(..=x).next_back().map(|(&x, &v)| (x, v));
        let after = map.range(x..).next().map(|(&x, &v)| (x, v));
        match fill {
            _ if map.contains_key(&x) => Some(map[&x]),
            Fill::None => None,
            Fill::Previous => before.map(|p| p.1),
            Fill::Linear => before.zip(after).map(|(a, b)| on_line(x, a, b)),
        }
    }

    fn x() -> impl Strategy<Value = i64> {
        prop_oneof![9 => -15..15i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![6 => -9.0..9.0f64, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => Just(f64::MAX)]
    }

    proptest! {
        #[test]
        fn aligning_equals_a_lookup_in_the_map_of_each_series(
            series in prop::collection::vec(prop::collection::vec((x(), x(), value()), 0..20), 0..9),
            on in prop::sample::select(vec![AlignOn::Step, AlignOn::Time]),
            fill in prop::sample::select(vec![Fill::None, Fill::Previous, Fill::Linear]),
        ) {
            let given = series.iter().enumerate().map(|(i, rows)| (key(i), points(rows))).collect();
            let aligned = Alignment::new(given, on);
            let maps: Vec<_> = series.iter().map(|r| map(r, on)).filter(|m| !m.is_empty()).collect();
            prop_assert_eq!(aligned.series(), maps.len());
            let batch = aligned.finish(fill);
            let axis: BTreeSet<i64> = maps.iter().flat_map(|m| m.keys().copied()).collect();
            let axis: Vec<i64> = axis.into_iter().collect();
            let found = match on {
                AlignOn::Step => batch.column(0).as_primitive::<Int64Type>().values(),
                AlignOn::Time => batch.column(0).as_primitive::<TimestampMicrosecondType>().values(),
            };
            prop_assert_eq!(&found[..], &axis[..]);
            for (place, map) in maps.iter().enumerate() {
                let column = batch.column(place + 1).as_primitive::<Float64Type>();
                for (row, &x) in axis.iter().enumerate() {
                    let value = column.is_valid(row).then(|| column.value(row).to_bits());
                    prop_assert_eq!(value, at(map, x, fill).map(f64::to_bits));
                }
            }
        }

        #[test]
        fn united_axes_are_the_set_of_all_x(axes in prop::collection::vec(prop::collection::btree_set(x(), 0..9), 0..12)) {
            let lists: Vec<Vec<i64>> = axes.iter().map(|a| a.iter().copied().collect()).collect();
            let lists: Vec<&[i64]> = lists.iter().map(|l| &l[..]).collect();
            let expected: BTreeSet<i64> = axes.into_iter().flatten().collect();
            prop_assert_eq!(united(&lists).into_owned(), expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn series_that_share_their_axis_are_not_copied() {
        let rows: Vec<AlignRow> = (0..100).map(|i| (i, i, i as f64)).collect();
        let series: Vec<_> = (0..3).map(|m| (key(m), points(&rows))).collect();
        let before: Vec<_> = series.iter().map(|(_, p)| p.values.as_ptr()).collect();
        let batch = Alignment::new(series, AlignOn::Step).finish(Fill::None);
        for (place, before) in before.into_iter().enumerate() {
            let column = batch.column(place + 1).as_primitive::<Float64Type>();
            assert_eq!((column.values().as_ptr(), column.null_count()), (before, 0));
        }
    }

    #[test]
    fn a_field_names_its_series() {
        let labels = Labels::parse("rank=0").unwrap();
        let series = vec![(SeriesKey::new("r", "time", labels), points(&[(0, 7, 1.0)]))];
        let schema = Alignment::new(series, AlignOn::Time).schema();
        let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        assert_eq!(names, ["time", "time (2)"]);
        assert_eq!(schema.field(1).metadata()["labels"], "rank=0");
        assert!(!schema.field(0).is_nullable() && schema.field(1).is_nullable());
    }

    #[test]
    fn without_points_the_axis_is_empty() {
        let batch = Alignment::new(vec![(key(0), Points::default())], AlignOn::Step).finish(Fill::Linear);
        assert_eq!((batch.num_rows(), batch.num_columns()), (0, 1));
    }
}
