//! Aggregates of aggregates: the last loss of each run, then its mean and deviation over the seeds of a config; the power of
//! each GPU in each minute, then the sum over all.
//!
//! The first level is an ordinary grouping. Each of its rows gives one value to the second level, whose groups are columns
//! of the first, or coarser buckets of one.

use super::by::By;
use super::finish::time_column;
use super::function::Aggregate;
use super::grouping::Grouping;
use super::needs::AggregateNeeds;
use crate::axis::Width;
use crate::batch::timestamp;
use crate::points::Points;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Labels, Result, SeriesKey};

/// A checked plan of two levels of aggregates.
///
/// A group of the second level has the rows of the first that agree on everything grouped by. A row whose aggregate is null
/// counts nowhere. Steps and times are those of the starts of the first level's buckets: `argmin` and the like need buckets of
/// steps, `time_first` and `time_last` buckets of time, and `first` and `last` go by the steps, or else the times.
///
/// ```
/// use arrow::array::{AsArray, types::Float64Type};
/// use tidalite_model::{Labels, SeriesKey};
/// use tidalite_query::{Aggregate, By, Points, TwoLevels};
/// let levels = TwoLevels::new(&[Aggregate::Last], &[By::Run], &[Aggregate::Mean], &[])?;
/// let mut first = levels.first().partial();
/// for (run, last) in [("a", 1.0), ("b", 3.0)] {
///     let mut points = Points::default();
///     (0..8).for_each(|step| points.push(step, 0, 0, last));
///     first.push_series(&SeriesKey::new(run, "loss", Labels::none()), &points);
/// }
/// let means = levels.finish(&first.finish()?)?;
/// assert_eq!(means["mean(last)"].as_primitive::<Float64Type>().values(), &[2.0]);
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug)]
pub struct TwoLevels {
    first: Grouping,
    /// The aggregates of the first level that were asked for, and where their columns begin.
    values: Vec<Aggregate>,
    values_at: usize,
    then: Grouping,
    keys: Vec<GroupKeySource>,
}

/// Where a column of the second level's groups comes from.
#[derive(Debug)]
struct GroupKeySource {
    /// The column of the first level.
    column: usize,
    /// Wider buckets than its own.
    wider: Option<Width>,
}

const DOING: &str = "aggregate twice";

impl TwoLevels {
    /// Plans `aggregates` by `by`, then `then` of each of these by `then_by`. Columns of the result: those of `then_by`,
    /// then for each aggregate and each of `then` one such as `mean(last)`.
    ///
    /// # Errors
    /// As [`Grouping::new`]; `Invalid` where a column of `then_by` does not follow from the first level, where the first level
    /// gives times, or where `then` needs steps or times that the first level does not have.
    pub fn new(aggregates: &[Aggregate], by: &[By], then: &[Aggregate], then_by: &[By]) -> Result<Self> {
        let is_time = |aggregate: &&Aggregate| {
            let times = [Aggregate::TimeFirst, Aggregate::TimeLast, Aggregate::TimeMin, Aggregate::TimeMax];
            times.contains(aggregate)
        };
        if let Some(times) = aggregates.iter().find(is_time) {
            return Err(Error::invalid(DOING, format!("`{times}` is a time, not a number"), "leave it out"));
        }
        let needs = AggregateNeeds::of(then);
        let has = |bucket: fn(&By) -> bool| by.iter().any(bucket);
        let has_times = has(|by| by.is_bucket() && !matches!(by, By::StepBucket(_)));
        let has_steps = has(|by| matches!(by, By::StepBucket(_)));
        let needs_steps = needs.min_step || needs.max_step || needs.nan_step || needs.ends() && !has_times;
        if needs_steps && !has_steps {
            return Err(lacks(then, "steps", "step:WIDTH"));
        }
        if needs.times() && !has_times {
            return Err(lacks(then, "times", "time:WIDTH"));
        }
        // A param or label of what is grouped by does not split the groups.
        let mut first_by = by.to_vec();
        for again in then_by {
            let follows = match again {
                By::Param(_) => by.contains(&By::Run),
                By::Label(_) => by.contains(&By::Labels),
                _ => false,
            };
            if follows && !first_by.contains(again) {
                first_by.push(again.clone());
            }
        }
        let keys =
            then_by.iter().map(|again| GroupKeySource::find(again, &first_by)).collect::<Result<_>>()?;
        // The second level groups by the numbers of groups, which stand for runs.
        Grouping::new(then_by.to_vec(), then.to_vec())?;
        let then = Grouping::new(vec![By::Run], then.to_vec())?;
        let values_at = first_by.len();
        let first = Grouping::new(first_by, aggregates.to_vec())?;
        Ok(TwoLevels { first, values: aggregates.to_vec(), values_at, then, keys })
    }

    /// The first level.
    pub fn first(&self) -> &Grouping {
        &self.first
    }

    /// The result, from the rows of the first level.
    ///
    /// # Errors
    /// `Full` where the names in the result take 2 GiB or more, which one batch cannot hold.
    pub fn finish(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let keys: Vec<ArrayRef> = self.keys.iter().map(|key| key.of(rows)).collect();
        let groups = groups_of(&keys, rows.num_rows()).map_err(too_large)?;
        let mut fields: Vec<Field> = Vec::new();
        let mut columns: Vec<ArrayRef> = Vec::new();
        let starts = UInt32Array::from_iter_values(groups.iter().filter_map(|group| group.first().copied()));
        let schema = rows.schema();
        for (source, key) in self.keys.iter().zip(&keys) {
            fields.push(schema.field(source.column).clone());
            columns.push(take(key, &starts, None).map_err(too_large)?);
        }
        for (i, of) in self.values.iter().enumerate() {
            let values = self.again(rows, rows.column(self.values_at + i), &groups)?;
            for (field, column) in values.schema().fields().iter().zip(values.columns()).skip(1) {
                fields.push(field.as_ref().clone().with_name(format!("{}({of})", field.name())));
                columns.push(column.clone());
            }
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(too_large)
    }

    /// The second level of one column: a row for each group, after the column of their numbers.
    fn again(&self, rows: &RecordBatch, values: &ArrayRef, groups: &[Vec<u32>]) -> Result<RecordBatch> {
        let values = cast(values, &DataType::Float64).map_err(too_large)?;
        let values = values.as_primitive::<Float64Type>();
        let times = self.bucket(rows, |by| by.is_bucket() && !matches!(by, By::StepBucket(_)));
        let steps = self.bucket(rows, |by| matches!(by, By::StepBucket(_))).or_else(|| times.clone());
        let at = |column: &Option<Int64Array>, row: usize| column.as_ref().map_or(0, |c| c.value(row));
        let mut partial = self.then.partial();
        for (number, group) in groups.iter().enumerate() {
            let mut points = Points::default();
            for row in group.iter().map(|&row| row as usize).filter(|&row| values.is_valid(row)) {
                points.push(at(&steps, row), 0, at(&times, row), values.value(row));
            }
            partial.push_series(&SeriesKey::new(format!("{number:010}"), "", Labels::none()), &points);
        }
        with_empty_groups(&partial.finish()?, groups.len())
    }

    /// The starts of the first level's buckets.
    fn bucket(&self, rows: &RecordBatch, is: fn(&By) -> bool) -> Option<Int64Array> {
        let column = rows.column(self.first.by().iter().position(is)?);
        let whole = cast(column, &DataType::Int64).expect("starts of buckets are integers and times");
        Some(whole.as_primitive::<Int64Type>().clone())
    }
}

impl GroupKeySource {
    fn find(again: &By, first: &[By]) -> Result<Self> {
        if let Some(column) = first.iter().position(|by| by == again) {
            return Ok(GroupKeySource { column, wider: None });
        }
        let found = first.iter().enumerate().find_map(|(column, by)| {
            let wider = match (by, again) {
                (By::StepBucket(narrow), By::StepBucket(wide))
                | (By::TimeBucket(narrow), By::TimeBucket(wide)) => {
                    (*narrow > 0 && *wide > 0 && wide.is_multiple_of(*narrow)).then(|| Width::new(*wide))
                }
                (By::Calendar(narrow), By::Calendar(wide)) => {
                    wide.covers(narrow).then(|| Width::of_calendar(wide))
                }
                (By::TimeBucket(narrow), By::Calendar(wide)) => {
                    wide.covers_even(*narrow).then(|| Width::of_calendar(wide))
                }
                _ => None,
            };
            Some(GroupKeySource { column, wider: Some(wider?) })
        });
        found.ok_or_else(|| {
            let known = first.iter().map(By::to_string).collect::<Vec<_>>().join(", ");
            let wrong =
                format!("the second level is grouped by `{again}`, and the first by {}", or_nothing(&known));
            Error::invalid(
                DOING,
                wrong,
                "group the first level by it too, or by buckets that lie within its own",
            )
        })
    }

    fn of(&self, rows: &RecordBatch) -> ArrayRef {
        let column = rows.column(self.column);
        let Some(width) = &self.wider else { return column.clone() };
        let start = |x: i64| width.range(width.index(x)).first;
        if column.data_type() == &timestamp() {
            let starts =
                column.as_primitive::<TimestampMicrosecondType>().values().iter().copied().map(start);
            return time_column(starts.collect(), None);
        }
        Arc::new(column.as_primitive::<Int64Type>().unary::<_, Int64Type>(start))
    }
}

/// The rows of each group, in order of the groups; null comes first. Without columns all rows are one group, which may be
/// empty.
fn groups_of(keys: &[ArrayRef], count: usize) -> std::result::Result<Vec<Vec<u32>>, ArrowError> {
    let rows = 0..u32::try_from(count).map_err(|e| ArrowError::ComputeError(e.to_string()))?;
    if keys.is_empty() {
        return Ok(vec![rows.collect()]);
    }
    let fields = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
    let texts = RowConverter::new(fields)?.convert_columns(keys)?;
    let mut order: Vec<u32> = rows.collect();
    order.sort_by(|&a, &b| texts.row(a as usize).cmp(&texts.row(b as usize)));
    let same = |a: &u32, b: &u32| texts.row(*a as usize) == texts.row(*b as usize);
    Ok(order.chunk_by(same).map(<[u32]>::to_vec).collect())
}

/// The rows of groups by number, with those that had no value: counts are 0, everything else null.
fn with_empty_groups(rows: &RecordBatch, groups: usize) -> Result<RecordBatch> {
    if rows.num_rows() == groups {
        return Ok(rows.clone());
    }
    let numbers = rows.column(0).as_string::<i32>().iter().flatten().map(|number| number.parse::<usize>());
    let mut places: Vec<Option<u32>> = vec![None; groups];
    for (row, number) in (0..).zip(numbers) {
        places[number.expect("a number was written")] = Some(row);
    }
    let places = UInt32Array::from(places);
    let column = |(field, column): (&Arc<Field>, &ArrayRef)| -> std::result::Result<ArrayRef, ArrowError> {
        let taken = take(column, &places, None)?;
        Ok(match taken.as_primitive_opt::<Int64Type>() {
            Some(counts) if !field.is_nullable() => {
                Arc::new(Int64Array::from_iter_values(counts.iter().map(|n| n.unwrap_or(0))))
            }
            _ => taken,
        })
    };
    let schema = rows.schema();
    let columns = schema.fields().iter().zip(rows.columns()).skip(1).map(column);
    let numbers = StringArray::from_iter_values((0..groups).map(|number| format!("{number:010}")));
    let mut all: Vec<ArrayRef> = vec![Arc::new(numbers)];
    for one in columns {
        all.push(one.map_err(too_large)?);
    }
    RecordBatch::try_new(schema, all).map_err(too_large)
}

fn lacks(then: &[Aggregate], what: &str, example: &str) -> Error {
    let needs = |aggregate: &&Aggregate| {
        let needs = AggregateNeeds::of(std::slice::from_ref(aggregate));
        if what == "times" { needs.times() } else { needs.steps() }
    };
    let words = then.iter().filter(needs).map(Aggregate::to_string).collect::<Vec<_>>().join(", ");
    let wrong = format!("`{words}` needs {what}, and the rows of the first level have none");
    Error::invalid(DOING, wrong, format!("group the first level by {example} too"))
}

fn or_nothing(known: &str) -> &str {
    if known.is_empty() { "nothing" } else { known }
}

fn too_large(e: ArrowError) -> Error {
    Error::new(ErrorKind::Full, DOING, e.to_string(), "ask for fewer groups, or select less")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn words(words: &[&str]) -> Vec<Aggregate> {
        Aggregate::parse_list(words).unwrap()
    }

    fn by(words: &[&str]) -> Vec<By> {
        words.iter().map(|word| word.parse().unwrap()).collect()
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![5 => (-9..9i32).prop_map(f64::from), 2 => Just(f64::NAN), 1 => Just(f64::INFINITY)]
    }

    /// The columns of a result, by name: integers and numbers as f64.
    fn numbers(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
        let column = cast(&batch[name], &DataType::Float64).unwrap();
        column.as_primitive::<Float64Type>().iter().collect()
    }

    proptest! {
        #[test]
        fn the_second_level_aggregates_the_rows_of_the_first(
            series in prop::collection::btree_map(
                (0..3usize, 0..3usize),
                prop::collection::btree_map(0..20i64, value(), 1..12),
                0..8,
            ),
        ) {
            let levels = TwoLevels::new(
                &words(&["mean", "count"]),
                &by(&["run", "metric", "step:4"]),
                &words(&["sum", "count", "nan", "max", "median", "argmax", "last"]),
                &by(&["metric", "step:8"]),
            )
            .unwrap();
            let mut first = levels.first().partial();
            for ((run, metric), points) in &series {
                let mut all = Points::default();
                points.iter().for_each(|(&step, &value)| all.push(step, 0, 0, value));
                first.push_series(&SeriesKey::new(format!("r{run}"), format!("m{metric}"), Labels::none()), &all);
            }
            let first = first.finish().unwrap();
            let found = levels.finish(&first).unwrap();
            // (metric, wide bucket) to (narrow bucket, mean, count) of each row of the first level.
            type Rows = Vec<(f64, Option<f64>, f64)>;
            let mut expected: BTreeMap<(String, i64), Rows> = BTreeMap::new();
            let metrics = first["metric"].as_string::<i32>();
            let (steps, means) = (numbers(&first, "step_bucket"), numbers(&first, "mean"));
            let counts = numbers(&first, "count");
            for row in 0..first.num_rows() {
                let step = steps[row].unwrap();
                let group = (metrics.value(row).to_string(), (step as i64).div_euclid(8) * 8);
                expected.entry(group).or_default().push((step, means[row], counts[row].unwrap()));
            }
            prop_assert_eq!(found.num_rows(), expected.len());
            let column = |name| numbers(&found, name);
            for (row, ((metric, step), rows)) in expected.iter().enumerate() {
                prop_assert_eq!(found["metric"].as_string::<i32>().value(row), metric);
                prop_assert_eq!(column("step_bucket")[row], Some(*step as f64));
                let mut means: Vec<(f64, f64)> = rows.iter().filter_map(|(s, mean, _)| Some((*s, (*mean)?))).collect();
                prop_assert_eq!(column("count(mean)")[row], Some(means.len() as f64));
                let sum = (!means.is_empty()).then(|| means.iter().map(|m| m.1).sum::<f64>());
                prop_assert!(column("sum(mean)")[row].zip(sum).is_none_or(|(a, b)| (a - b).abs() < 1e-9));
                prop_assert_eq!(column("sum(mean)")[row].is_some(), sum.is_some());
                let max = means.iter().map(|m| m.1).reduce(f64::max);
                prop_assert_eq!(column("max(mean)")[row], max);
                let at = means.iter().filter(|m| Some(m.1) == max).map(|m| m.0).reduce(f64::min);
                prop_assert_eq!(column("argmax(mean)")[row], at);
                means.sort_by(|a, b| a.1.total_cmp(&b.1));
                let middle = means.len() / 2;
                let median = match means.len() {
                    0 => None,
                    n if n % 2 == 1 => Some(means[middle].1),
                    _ => Some((means[middle - 1].1 + means[middle].1) / 2.0),
                };
                prop_assert!(column("median(mean)")[row].zip(median).is_none_or(|(a, b)| (a - b).abs() < 1e-9));
                prop_assert_eq!(column("median(mean)")[row].is_some(), median.is_some());
                let counted: f64 = rows.iter().map(|r| r.2).sum();
                prop_assert_eq!(column("sum(count)")[row], Some(counted));
                prop_assert_eq!(column("count(count)")[row], Some(rows.len() as f64));
            }
        }
    }

    #[test]
    fn what_does_not_follow_from_the_first_level_is_refused_with_what_to_add() {
        let plan = |first: &[&str], groups: &[&str], then: &[&str], again: &[&str]| {
            TwoLevels::new(&words(first), &by(groups), &words(then), &by(again)).map(|_| ())
        };
        assert!(plan(&["last"], &["run"], &["mean"], &["param:lr"]).is_ok());
        assert!(plan(&["last"], &["labels"], &["mean"], &["label:rank"]).is_ok());
        assert!(plan(&["mean"], &["run", "time:10s"], &["sum"], &["time:1m"]).is_ok());
        assert!(plan(&["mean"], &["time:1d@Asia/Tokyo"], &["max"], &["time:1mo@Asia/Tokyo"]).is_ok());
        assert!(plan(&["mean"], &["time:1h"], &["max"], &["time:1w"]).is_ok());
        assert!(plan(&["mean"], &["run", "time:10s"], &["time_last", "first"], &[]).is_ok());
        assert!(plan(&["mean"], &["run", "time:10s"], &["argmax"], &[]).is_err());
        for (first, groups, then, again, hint) in [
            (["last"], ["metric"], ["mean"], vec!["run"], "group the first level by it"),
            (["last"], ["metric"], ["mean"], vec!["param:lr"], "group the first level by it"),
            (["mean"], ["step:10"], ["mean"], vec!["step:15"], "buckets that lie within"),
            (["mean"], ["step:10"], ["mean"], vec!["time:10s"], "group the first level by it"),
            (["time_last"], ["run"], ["mean"], vec![], "leave it out"),
            (["last"], ["run"], ["first"], vec![], "step:WIDTH"),
            (["last"], ["step:10"], ["time_first"], vec![], "time:WIDTH"),
            (["last"], ["run"], ["mean"], vec!["run", "run"], "give it once"),
        ] {
            let error = plan(&first, &groups, &then, &again).unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn without_rows_there_is_one_row_without_groups_and_none_with() {
        let levels = |again: &[&str]| {
            let levels =
                TwoLevels::new(&words(&["last"]), &by(&["run"]), &words(&["count", "mean"]), &by(again))
                    .unwrap();
            levels.finish(&levels.first().partial().finish().unwrap()).unwrap()
        };
        assert_eq!(levels(&["run"]).num_rows(), 0);
        let one = levels(&[]);
        assert_eq!(
            (numbers(&one, "count(last)"), numbers(&one, "mean(last)")),
            (vec![Some(0.0)], vec![None])
        );
    }
}
