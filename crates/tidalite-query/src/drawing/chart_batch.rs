//! Charts as one Arrow record batch in long form: one row per bucket, names as dictionaries.
//!
//! The columns that name a series are those of [`points_schema`](crate::points_schema), so the two join directly.

use super::chart::{ChartBucket, ChartBuckets};
use crate::batch::{name_columns, name_fields};
use arrow::array::{ArrayRef, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Result, SeriesKey};

/// The columns of charts: `run`, `metric` and `labels` as in [`points_schema`](crate::points_schema); `step` Int64,
/// the bucket's start, and `width` Int64, the steps per bucket of this series; `count` and `nonfinite` Int64; `min`,
/// `max` and `mean` of the finite values, Float64 and null where there are none; `first` and `last` Float64, finite
/// or not.
///
/// ```
/// assert_eq!(tidalite_query::chart_schema().field(3).name(), "step");
/// ```
pub fn chart_schema() -> SchemaRef {
    let mut fields = name_fields();
    let whole = |name: &str| Field::new(name, DataType::Int64, false);
    let real = |name: &str, nullable| Field::new(name, DataType::Float64, nullable);
    fields.extend(["step", "width", "count", "nonfinite"].map(whole));
    fields.extend(["min", "max", "mean"].map(|name| real(name, true)));
    fields.extend(["first", "last"].map(|name| real(name, false)));
    Arc::new(Schema::new(fields))
}

/// Charts of several series as one batch, one row per bucket, in the order given; columns as in [`chart_schema`]. The
/// greatest width, 2^63, appears as the greatest i64.
///
/// # Errors
/// `Full` where the names of the series take 2 GiB or more, which one batch cannot hold.
///
/// ```
/// use tidalite_model::{Labels, SeriesKey};
/// use tidalite_query::{Points, chart, chart_batch, chart_schema};
/// let mut points = Points::default();
/// (0..8).for_each(|step| points.push(step, 0, 0, step as f64));
/// let batch = chart_batch(&[(SeriesKey::new("run-1", "loss", Labels::none()), chart(&points, 2))])?;
/// assert_eq!((batch.num_rows(), batch.schema()), (2, chart_schema()));
/// # Ok::<(), tidalite_model::Error>(())
/// ```
pub fn chart_batch(charts: &[(SeriesKey, ChartBuckets)]) -> Result<RecordBatch> {
    // An upper bound: equal names are kept once.
    let longest = |k: &SeriesKey| k.run.len().max(k.metric.len()).max(k.labels.as_str().len());
    let name_bytes: usize = charts.iter().map(|(key, _)| longest(key)).sum();
    if i32::try_from(name_bytes).is_err() {
        return Err(Error::new(
            ErrorKind::Full,
            "make batch of charts",
            format!("the names of {} series take up to {name_bytes} bytes", charts.len()),
            "select fewer series at a time",
        ));
    }
    let rows = charts.iter().map(|(_, chart)| chart.buckets.len()).sum();
    let lengths = charts.iter().map(|(key, chart)| (key, chart.buckets.len()));
    let mut columns = name_columns(lengths, rows).to_vec();
    let buckets = || charts.iter().flat_map(|(_, chart)| chart.buckets.iter().map(move |b| (chart.width, b)));
    let whole = |of: fn(u64, &ChartBucket) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(buckets().map(|(width, b)| of(width, b))))
    };
    let real = |of: fn(&ChartBucket) -> Option<f64>| -> ArrayRef {
        Arc::new(buckets().map(|(_, b)| of(b)).collect::<Float64Array>())
    };
    columns.extend([
        whole(|_, b| b.start),
        whole(|width, _| width.try_into().unwrap_or(i64::MAX)),
        whole(|_, b| b.count.try_into().unwrap_or(i64::MAX)),
        whole(|_, b| b.nonfinite.try_into().unwrap_or(i64::MAX)),
        real(|b| b.min),
        real(|b| b.max),
        real(|b| b.mean),
        real(|b| Some(b.first)),
        real(|b| Some(b.last)),
    ]);
    Ok(RecordBatch::try_new(chart_schema(), columns).expect("columns are built by the schema"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drawing::chart;
    use crate::points::Points;
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float64Type, Int32Type, Int64Type};
    use tidalite_model::Labels;

    fn charted(values: &[(i64, f64)], buckets: usize) -> ChartBuckets {
        let mut points = Points::default();
        values.iter().for_each(|&(step, value)| points.push(step, 0, 0, value));
        chart(&points, buckets)
    }

    #[test]
    fn each_bucket_is_a_row_that_names_its_series() {
        let key = |run: &str| SeriesKey::new(run, "loss", Labels::parse("rank=0").unwrap());
        let charts = [
            (key("a"), charted(&[(0, 1.0), (1, 3.0), (2, f64::NAN)], 2)),
            (key("b"), charted(&[], 2)),
            (key("c"), charted(&[(-4, f64::INFINITY)], 2)),
        ];
        let batch = chart_batch(&charts).unwrap();
        let whole = |name: &str| batch[name].as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(whole("step"), [0, 2, -4]);
        assert_eq!(whole("width"), [2, 2, 1]);
        assert_eq!(whole("count"), [2, 1, 1]);
        assert_eq!(whole("nonfinite"), [0, 1, 1]);
        let runs = batch["run"].as_dictionary::<Int32Type>();
        assert_eq!(runs.keys().values().to_vec(), [0, 0, 2], "a series without buckets has no rows");
        let real = |name: &str| batch[name].as_primitive::<Float64Type>().iter().collect::<Vec<_>>();
        assert_eq!(real("mean"), [Some(2.0), None, None]);
        assert_eq!((real("min")[0], real("max")[0]), (Some(1.0), Some(3.0)));
        assert!(real("first")[1].unwrap().is_nan() && batch["last"].null_count() == 0);
    }

    #[test]
    fn the_greatest_width_saturates() {
        let chart = charted(&[(i64::MIN, 0.0), (i64::MAX, 1.0)], 2);
        let batch = chart_batch(&[(SeriesKey::new("r", "m", Labels::none()), chart)]).unwrap();
        assert_eq!(batch["width"].as_primitive::<Int64Type>().values(), &[i64::MAX; 2]);
    }

    #[test]
    fn no_charts_make_an_empty_batch_of_the_same_columns() {
        let batch = chart_batch(&[]).unwrap();
        assert_eq!((batch.num_rows(), batch.schema()), (0, chart_schema()));
    }
}
