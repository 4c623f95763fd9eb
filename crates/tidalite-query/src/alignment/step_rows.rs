//! Points as rows: one row for each step of a run and its labels, one column per metric.
//!
//! Steps: the series are put in groups of one run and one label set. The steps of a group are united into its rows. Each column
//! is then filled group by group.

use super::aligned::united;
use super::column_names::free;
use crate::batch::{name_field, names, timestamp};
use crate::points::Points;
use arrow::array::{ArrayRef, Float64Array, Int64Array, TimestampMicrosecondArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use tidalite_model::SeriesKey;

/// Points as rows, before the columns are filled.
///
/// ```
/// use arrow::array::{Array, AsArray};
/// use arrow::datatypes::{Float64Type, Int64Type};
/// use tidalite_model::{Labels, SeriesKey};
/// use tidalite_query::{Points, StepRows};
/// let series = |metric: &str, steps: &[i64]| {
///     let mut points = Points::default();
///     steps.iter().for_each(|&step| points.push(step, 0, 1_000 + step, step as f64));
///     (SeriesKey::new("run-1", metric, Labels::none()), points)
/// };
/// let batch = StepRows::new(&[series("acc", &[0, 10]), series("loss", &[0, 5, 10])]).finish();
/// assert_eq!(batch["step"].as_primitive::<Int64Type>().values(), &[0, 5, 10]);
/// let acc = batch["acc"].as_primitive::<Float64Type>();
/// assert!(acc.value(2) == 10.0 && acc.is_null(1));
/// ```
#[derive(Debug)]
pub struct StepRows<'a> {
    groups: Vec<RowGroup<'a>>,
    /// The metrics, ascending.
    metrics: Vec<&'a str>,
    rows: usize,
}

/// The rows of one run and one label set.
#[derive(Debug)]
struct RowGroup<'a> {
    series: Vec<(&'a SeriesKey, &'a Points)>,
    /// Ascending, each once.
    steps: Vec<i64>,
}

impl<'a> StepRows<'a> {
    /// The rows of some series, each given once. Series without a point add nothing. Needs steps, times and values. Points of a
    /// series ascend by step; of several at one step the last one counts.
    pub fn new(series: &'a [(SeriesKey, Points)]) -> Self {
        let mut all: Vec<_> = series
            .iter()
            .filter(|(_, points)| !points.is_empty())
            .map(|(key, points)| (key, points))
            .collect();
        all.sort_by(|(a, _), (b, _)| (&a.run, &a.labels, &a.metric).cmp(&(&b.run, &b.labels, &b.metric)));
        let metrics: BTreeSet<&str> = all.iter().map(|(key, _)| &*key.metric).collect();
        let same = |a: &SeriesKey, b: &SeriesKey| a.run == b.run && a.labels == b.labels;
        let groups: Vec<RowGroup<'a>> = all.chunk_by(|a, b| same(a.0, b.0)).map(RowGroup::of).collect();
        let rows = groups.iter().map(|group| group.steps.len()).sum();
        StepRows { groups, metrics: metrics.into_iter().collect(), rows }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of metrics, each of which is a column.
    pub fn metrics(&self) -> usize {
        self.metrics.len()
    }

    /// The approximate memory of the filled columns, in bytes.
    pub fn bytes(&self) -> u64 {
        // A value and a validity bit, rounded up; two names, a step and a time.
        (self.rows as u64).saturating_mul(9 * self.metrics.len() as u64 + 24)
    }

    /// `run` and `labels` Dictionary(Int32, Utf8), `step` Int64, `time` Timestamp(µs, UTC), never null; then one Float64 per
    /// metric, nullable, ascending by name. A metric whose name is in use gets the suffix ` (2)`, or the next number that is free.
    /// The field's metadata has the `metric`.
    pub fn schema(&self) -> SchemaRef {
        let mut fields = vec![
            name_field("run"),
            name_field("labels"),
            Field::new("step", DataType::Int64, false),
            Field::new("time", timestamp(), false),
        ];
        let mut used: HashSet<String> = fields.iter().map(|field| field.name().clone()).collect();
        fields.extend(self.metrics.iter().map(|metric| {
            let metadata = HashMap::from([("metric".to_string(), (*metric).to_string())]);
            let name = free((*metric).to_string(), &mut used);
            Field::new(name, DataType::Float64, true).with_metadata(metadata)
        }));
        Arc::new(Schema::new(fields))
    }

    /// The rows, ordered by run, labels and step. The time of a row is the latest of its points.
    pub fn finish(&self) -> RecordBatch {
        let keys = self.groups.iter().map(|group| (group.series[0].0, group.steps.len()));
        let steps = self.groups.iter().flat_map(|group| group.steps.iter().copied());
        let times = self.groups.iter().flat_map(RowGroup::times_us);
        let mut columns: Vec<ArrayRef> = vec![
            names(keys.clone(), self.rows, |key| &key.run),
            names(keys, self.rows, |key| key.labels.as_str()),
            Arc::new(Int64Array::from_iter_values(steps)),
            Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        ];
        // The series of each group ascend by metric, as the columns do.
        let mut next = vec![0; self.groups.len()];
        columns.extend(self.metrics.iter().map(|metric| self.column(metric, &mut next)));
        RecordBatch::try_new(self.schema(), columns).expect("columns are built by the schema")
    }

    /// The column of a metric. `next` has the first series of each group that is not filled yet.
    fn column(&self, metric: &str, next: &mut [usize]) -> ArrayRef {
        let (mut values, mut valid) = (vec![0.0; self.rows], vec![false; self.rows]);
        let mut start = 0;
        for (group, next) in self.groups.iter().zip(next) {
            let end = start + group.steps.len();
            if let Some((key, points)) = group.series.get(*next)
                && *key.metric == *metric
            {
                *next += 1;
                each_row(&group.steps, points, |row, i| {
                    (values[start + row], valid[start + row]) = (points.values[i], true);
                });
            }
            start = end;
        }
        let nulls = NullBuffer::new(BooleanBuffer::from(valid));
        Arc::new(Float64Array::new(values.into(), Some(nulls).filter(|n| n.null_count() > 0)))
    }
}

impl<'a> RowGroup<'a> {
    fn of(series: &[(&'a SeriesKey, &'a Points)]) -> Self {
        let axes: Vec<Vec<i64>> = series.iter().map(|(_, points)| distinct(&points.steps)).collect();
        let axes: Vec<&[i64]> = axes.iter().map(Vec::as_slice).collect();
        RowGroup { series: series.to_vec(), steps: united(&axes).into_owned() }
    }

    /// The latest time of the points of each row.
    fn times_us(&self) -> Vec<i64> {
        let mut times = vec![i64::MIN; self.steps.len()];
        for (_, points) in &self.series {
            each_row(&self.steps, points, |row, i| times[row] = times[row].max(points.times_us[i]));
        }
        times
    }
}

fn distinct(ascending: &[i64]) -> Vec<i64> {
    let mut distinct = ascending.to_vec();
    distinct.dedup();
    distinct
}

/// Calls `with` with the row and the index of each point, in the order of the points. The rows have every step of the points.
fn each_row(rows: &[i64], points: &Points, mut with: impl FnMut(usize, usize)) {
    let mut row = 0;
    for (i, step) in points.steps.iter().enumerate() {
        while rows[row] != *step {
            row += 1;
        }
        with(row, i);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use tidalite_model::Labels;

    /// Step, time and value.
    type StepPoint = (i64, i64, f64);
    /// The time, and the value of each metric.
    type ExpectedRow = (i64, BTreeMap<usize, f64>);

    fn key(run: &str, metric: &str, labels: &str) -> SeriesKey {
        SeriesKey::new(run, metric, Labels::parse(labels).unwrap())
    }

    fn points(rows: &[StepPoint]) -> Points {
        let mut points = Points::default();
        rows.iter().for_each(|&(step, time, value)| points.push(step, 0, time, value));
        points
    }

    fn texts(batch: &RecordBatch, column: &str) -> Vec<String> {
        let texts = batch[column].as_dictionary::<Int32Type>().downcast_dict::<arrow::array::StringArray>();
        texts.unwrap().into_iter().map(|text| text.unwrap().to_string()).collect()
    }

    proptest! {
        #[test]
        fn rows_equal_a_map_of_all_points(
            series in prop::collection::vec(
                (0..3usize, 0..3usize, 0..2usize, prop::collection::vec((0..9i64, -5..5i64, -9.0..9.0f64), 0..9)),
                0..12,
            ),
        ) {
            let mut given: BTreeMap<(usize, usize, usize), Vec<StepPoint>> = BTreeMap::new();
            for (run, metric, rank, mut rows) in series {
                rows.sort_by_key(|row| row.0);
                given.insert((run, metric, rank), rows);
            }
            let mut expected: BTreeMap<(usize, usize, i64), ExpectedRow> = BTreeMap::new();
            for (&(run, metric, rank), rows) in &given {
                for &(step, time, value) in rows {
                    let row = expected.entry((run, rank, step)).or_insert((time, BTreeMap::new()));
                    row.0 = row.0.max(time);
                    row.1.insert(metric, value);
                }
            }
            let all: Vec<(SeriesKey, Points)> = given.iter().map(|(&(run, metric, rank), rows)| {
                (key(&format!("r{run}"), &format!("m{metric}"), &format!("rank={rank}")), points(rows))
            }).collect();
            let table = StepRows::new(&all);
            let batch = table.finish();
            prop_assert_eq!(batch.num_rows(), expected.len());
            prop_assert_eq!(batch.num_columns(), 4 + table.metrics());
            let steps = batch["step"].as_primitive::<Int64Type>();
            let times = batch["time"].as_primitive::<TimestampMicrosecondType>();
            let (runs, labels) = (texts(&batch, "run"), texts(&batch, "labels"));
            for (at, ((run, rank, step), (time, values))) in expected.into_iter().enumerate() {
                prop_assert_eq!((&runs[at], &labels[at]), (&format!("r{run}"), &format!("rank={rank}")));
                prop_assert_eq!((steps.value(at), times.value(at)), (step, time));
                for metric in 0..3 {
                    let found = batch.column_by_name(&format!("m{metric}")).map(|c| c.as_primitive::<Float64Type>());
                    let found = found.filter(|column| column.is_valid(at)).map(|column| column.value(at));
                    prop_assert_eq!(found, values.get(&metric).copied());
                }
            }
        }
    }

    #[test]
    fn a_metric_named_as_a_column_gets_a_number() {
        let all = [(key("r", "time", ""), points(&[(0, 7, 1.0)])), (key("r", "time (2)", ""), points(&[]))];
        let schema = StepRows::new(&all).finish().schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["run", "labels", "step", "time", "time (2)"]);
        assert_eq!(schema.field(4).metadata()["metric"], "time");
    }

    #[test]
    fn no_points_have_no_rows_and_no_columns_of_metrics() {
        let batch = StepRows::new(&[]).finish();
        assert_eq!((batch.num_rows(), batch.num_columns()), (0, 4));
    }
}
