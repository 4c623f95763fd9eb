//! Bands: statistics per bucket over members, namely the mean over them and their spread. Members are runs, or what else
//! is asked for, such as the ranks of a run.
//!
//! There are two levels. First, a [`Grouping`] from [`band_grouping`] gives the mean of each member per group and
//! bucket. Then [`band`] summarizes these means over the members, so a run counts once however often it logged.

use crate::aggregate::{Aggregate, By, Grouping};
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, UInt64Array};
use arrow::compute::{partition, take};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use std::ops::Range;
use std::sync::Arc;
use tidalite_model::{Error, Point, Result, Summary};

/// The columns of a band: those of `by`, as aggregates have them; `step` Int64, the bucket's start, and `width`
/// Int64, its number of steps; `runs` Int64, the number of runs with a finite value in it, or `members` where these are not
/// runs; `mean`, `std`, `min` and `max` over these, Float64 and null where there are none; `nonfinite` Int64, the number of
/// points that are NaN or ±Inf.
///
/// # Errors
/// `Invalid` where there are no members, where `by` and `over` together have a bucket or anything twice, or where `by` has the
/// run.
///
/// ```
/// use tidalite_query::{By, band_schema};
/// assert_eq!(band_schema(&[By::Metric], &[By::Run])?.field(1).name(), "step");
/// assert!(band_schema(&[By::Run], &[By::Label("rank".into())]).is_err());
/// # Ok::<(), tidalite_model::Error>(())
/// ```
pub fn band_schema(by: &[By], over: &[By]) -> Result<SchemaRef> {
    Ok(schema_of(by, over, &band_grouping(by, over, 1)?.schema()))
}

/// The columns of the band over rows with these columns.
fn schema_of(by: &[By], over: &[By], runs: &SchemaRef) -> SchemaRef {
    let whole = |name: &str| Field::new(name, DataType::Int64, false);
    let real = |name: &str| Field::new(name, DataType::Float64, true);
    let mut fields: Vec<Field> = runs.fields()[..by.len()].iter().map(|f| f.as_ref().clone()).collect();
    let members = if over == [By::Run] { "runs" } else { "members" };
    fields.extend(["step", "width", members].map(whole));
    fields.extend(["mean", "std", "min", "max"].map(real));
    fields.push(whole("nonfinite"));
    Arc::new(Schema::new(fields))
}

/// The first level: the mean of each member in each bucket of `width` steps. Its rows are ordered by group, then bucket,
/// then member, as [`band`] needs them.
///
/// ```
/// use tidalite_query::{By, band_grouping};
/// let grouping = band_grouping(&[By::Metric], &[By::Run], 4)?;
/// assert_eq!(grouping.by(), [By::Metric, By::StepBucket(4), By::Run]);
/// # Ok::<(), tidalite_model::Error>(())
/// ```
///
/// # Errors
/// As [`band_schema`]; `Invalid` for a width of 0.
pub fn band_grouping(by: &[By], over: &[By], width: u64) -> Result<Grouping> {
    if let Some(wrong) = by.iter().find(|b| matches!(b, By::Run) || b.is_bucket()) {
        return Err(Error::invalid(
            "plan band",
            format!("`{}` was given, but a band is over runs in buckets of steps", wrong.column()),
            "group it by metric, labels, single labels or params",
        ));
    }
    if over.is_empty() || over.iter().any(By::is_bucket) {
        let remedy = "give run, or any of labels, single labels, metric and params";
        return Err(Error::invalid("plan band", "what the band is over is not a name", remedy));
    }
    let mut by = by.to_vec();
    by.push(By::StepBucket(width));
    by.extend_from_slice(over);
    Grouping::new(by, vec![Aggregate::Count, Aggregate::Finite, Aggregate::Mean])
}

/// The second level: from the rows of [`band_grouping`] for the same arguments to one row per group and bucket, in
/// the same order; columns as in [`band_schema`].
///
/// `std` is the population standard deviation (divided by the number of runs), so one run alone has 0.
///
/// # Errors
/// As [`band_schema`]. Panics where the rows are of another grouping.
///
/// ```
/// use arrow::array::{AsArray, types::Float64Type};
/// use tidalite_model::{Labels, SeriesKey};
/// use tidalite_query::{By, Points, band, band_grouping};
/// let mut runs = band_grouping(&[By::Metric], &[By::Run], 4)?.partial();
/// for (run, value) in [("a", 1.0), ("b", 3.0)] {
///     let mut points = Points::default();
///     (0..8).for_each(|step| points.push(step, 0, 0, value));
///     runs.push_series(&SeriesKey::new(run, "loss", Labels::none()), &points);
/// }
/// let batch = band(&[By::Metric], &[By::Run], 4, &runs.finish()?)?;
/// assert_eq!(batch["mean"].as_primitive::<Float64Type>().values(), &[2.0, 2.0]);
/// assert_eq!(batch["std"].as_primitive::<Float64Type>().values(), &[1.0, 1.0]);
/// # Ok::<(), tidalite_model::Error>(())
/// ```
pub fn band(by: &[By], over: &[By], width: u64, runs: &RecordBatch) -> Result<RecordBatch> {
    let (schema, planned) = (schema_of(by, over, &runs.schema()), band_grouping(by, over, width)?.schema());
    // The type of a param's column depends on its values.
    let names = |schema: &SchemaRef| schema.fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
    assert!(names(&runs.schema()) == names(&planned), "the rows are those of the band's grouping");
    // The columns of the group and of the bucket.
    let keys = &runs.columns()[..=by.len()];
    let groups: Vec<Range<usize>> =
        partition(keys).expect("a grouping has columns of one length, and a bucket").ranges();
    let sums: Vec<RunSums> = groups.iter().map(|rows| RunSums::of(runs, rows.clone())).collect();
    let starts = UInt64Array::from_iter_values(groups.iter().map(|rows| rows.start as u64));
    let shown = |key: &ArrayRef| take(key, &starts, None).expect("each start is a row");
    let mut columns: Vec<ArrayRef> = keys.iter().map(shown).collect();
    let whole = |of: &dyn Fn(&RunSums) -> u64| -> ArrayRef {
        let numbers = sums.iter().map(|s| i64::try_from(of(s)).unwrap_or(i64::MAX));
        Arc::new(Int64Array::from_iter_values(numbers))
    };
    let real = |of: fn(&Summary) -> Option<f64>| -> ArrayRef {
        Arc::new(sums.iter().map(|s| of(&s.values)).collect::<Float64Array>())
    };
    columns.extend([
        whole(&|_| width),
        whole(&|s| s.values.finite),
        real(Summary::mean),
        real(Summary::std),
        real(|s| s.min.map(|m| m.value)),
        real(|s| s.max.map(|m| m.value)),
        whole(&|s| s.nonfinite),
    ]);
    Ok(RecordBatch::try_new(schema, columns).expect("columns are built by the schema"))
}

/// The runs of one group and bucket, summarized.
struct RunSums {
    /// The summary of the runs' means.
    values: Summary,
    /// The number of points that are not finite.
    nonfinite: u64,
}

impl RunSums {
    fn of(runs: &RecordBatch, rows: Range<usize>) -> Self {
        let counts = |name: &str| {
            let column = runs[name].as_primitive::<Int64Type>();
            rows.clone().map(|row| column.value(row).cast_unsigned()).sum::<u64>()
        };
        let means = runs["mean"].as_primitive::<Float64Type>();
        let mut values = Summary::default();
        // A run without a finite value has no mean.
        for row in rows.clone().filter(|&row| means.is_valid(row)) {
            values.push(Point { step: 0, time_us: 0, value: means.value(row) });
        }
        RunSums { values, nonfinite: counts("count") - counts("finite") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::Points;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use tidalite_model::{Labels, SeriesKey};

    type BandSeries = BTreeMap<(usize, usize, usize), BTreeMap<i64, f64>>;

    /// From (label, bucket) to each run's finite values, and the number of others.
    type BandGroups = BTreeMap<(Option<String>, i64), (BTreeMap<usize, Vec<f64>>, u64)>;

    fn labels(of: usize) -> Labels {
        Labels::parse(["", "part=a", "part=b"][of]).unwrap()
    }

    fn oracle(series: &BandSeries, width: i64) -> BandGroups {
        let mut groups = BandGroups::new();
        for (&(run, _, of), points) in series {
            for (&step, &value) in points {
                let start = step.div_euclid(width) * width;
                let group = groups.entry((labels(of).get("part"), start)).or_default();
                if value.is_finite() {
                    group.0.entry(run).or_default().push(value);
                } else {
                    group.1 += 1;
                }
            }
        }
        groups
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![5 => -9.0..9.0f64, 1 => Just(f64::NAN), 1 => Just(f64::NEG_INFINITY)]
    }

    proptest! {
        #[test]
        fn a_band_is_the_mean_and_the_spread_of_means(
            series in prop::collection::btree_map(
                (0..4usize, 0..2usize, 0..3usize),
                prop::collection::btree_map(-30..30i64, value(), 0..12),
                0..16,
            ),
            width in 1..9u64,
        ) {
            let by = [By::Label("part".into())];
            let mut runs = band_grouping(&by, &[By::Run], width).unwrap().partial();
            for (&(run, metric, of), rows) in &series {
                let mut points = Points::default();
                rows.iter().for_each(|(&step, &value)| points.push(step, 0, 0, value));
                runs.push_series(&SeriesKey::new(format!("r{run}"), format!("m{metric}"), labels(of)), &points);
            }
            let batch = band(&by, &[By::Run], width, &runs.finish().unwrap()).unwrap();
            prop_assert_eq!(batch.schema(), band_schema(&by, &[By::Run]).unwrap());
            let expected = oracle(&series, width.cast_signed());
            prop_assert_eq!(batch.num_rows(), expected.len());
            let part = batch["label:part"].as_string::<i32>();
            let whole = |name: &str, row| batch[name].as_primitive::<Int64Type>().value(row);
            let real = |name: &str, row: usize| batch[name].as_primitive::<Float64Type>().iter().nth(row).flatten();
            for (row, ((label, start), (values, nonfinite))) in expected.into_iter().enumerate() {
                prop_assert_eq!(part.iter().nth(row).flatten(), label.as_deref());
                prop_assert_eq!((whole("step", row), whole("width", row)), (start, width.cast_signed()));
                prop_assert_eq!(whole("nonfinite", row).cast_unsigned(), nonfinite);
                prop_assert_eq!(whole("runs", row), i64::try_from(values.len()).unwrap());
                let means: Vec<f64> =
                    values.values().map(|v| v.iter().sum::<f64>() / v.len() as f64).collect();
                let n = means.len() as f64;
                let mean = (n > 0.0).then(|| means.iter().sum::<f64>() / n);
                let std = mean.map(|m| (means.iter().map(|v| (v - m).powi(2)).sum::<f64>() / n).sqrt());
                let close = |a: Option<f64>, b: Option<f64>| match (a, b) {
                    (Some(a), Some(b)) => (a - b).abs() < 1e-9,
                    (a, b) => a.is_none() && b.is_none(),
                };
                prop_assert!(close(real("mean", row), mean) && close(real("std", row), std));
                prop_assert!(close(real("min", row), means.iter().copied().reduce(f64::min)));
                prop_assert!(close(real("max", row), means.iter().copied().reduce(f64::max)));
            }
        }
    }

    #[test]
    fn runs_and_buckets_are_refused_as_groups() {
        for by in [By::Run, By::StepBucket(4), By::TimeBucket(4)] {
            let error = band_schema(&[By::Metric, by.clone()], &[By::Run]).unwrap_err();
            assert!(error.to_string().contains(&by.column()), "{error}");
        }
        assert!(band_schema(&[By::Metric, By::Metric], &[By::Run]).is_err());
        for over in [vec![], vec![By::StepBucket(4)], vec![By::Metric], vec![By::Run, By::Run]] {
            assert!(band_schema(&[By::Metric], &over).is_err(), "{over:?}");
        }
    }

    #[test]
    fn without_points_a_band_is_empty() {
        let none =
            band(&[], &[By::Run], 4, &band_grouping(&[], &[By::Run], 4).unwrap().partial().finish().unwrap())
                .unwrap();
        assert_eq!((none.num_rows(), none.schema()), (0, band_schema(&[], &[By::Run]).unwrap()));
    }
}
