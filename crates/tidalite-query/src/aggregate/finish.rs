//! From the states of all groups to the result: rows in order, one array per column.

use super::directory::GroupDirectory;
use super::function::Aggregate;
use super::param_column::{self, ParamColumn};
use super::plan::GroupPlan;
use super::row_order::{GroupColumn, RowOrder, group_columns};
use super::states::{EndPoint, GroupStates};
use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::record_batch::RecordBatch;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, ExactSquares, ExactSum, Result};

/// The result: one row per group, ascending by the group columns.
pub(crate) fn result(
    plan: &GroupPlan,
    directory: &GroupDirectory,
    mut states: GroupStates,
) -> Result<RecordBatch> {
    let groups = group_columns(plan, directory);
    let rows = RowOrder::of(&groups, directory);
    let mut columns: Vec<ArrayRef> = Vec::new();
    for group in &groups {
        columns.push(group.column(directory, &rows)?);
    }
    let nulls = NullMasks::of(&states, &rows);
    let mut percentiles = 0..;
    for aggregate in &plan.aggregates {
        let index = aggregate.exact_percent().and_then(|_| percentiles.next());
        columns.push(aggregate_column(*aggregate, index, &mut states, &rows, &nulls));
    }
    Ok(RecordBatch::try_new(plan.schema(), columns).expect("columns are built by the schema"))
}

/// The columns of aggregates of groups in their order.
pub(super) fn columns(aggregates: &[Aggregate], mut states: GroupStates, groups: usize) -> Vec<ArrayRef> {
    let rows = RowOrder::as_they_are(groups);
    let nulls = NullMasks::of(&states, &rows);
    aggregates
        .iter()
        .map(|aggregate| aggregate_column(*aggregate, None, &mut states, &rows, &nulls))
        .collect()
}

impl GroupColumn {
    fn column(&self, directory: &GroupDirectory, rows: &RowOrder) -> Result<ArrayRef> {
        Ok(match self {
            GroupColumn::Names { level, param, .. } => {
                let names = directory.names();
                let text = |names_of: u32| names.text(names.text_id(names_of, *level), *level);
                let texts: Vec<(Option<&str>, usize)> = rows
                    .names(directory)
                    .into_iter()
                    .map(|(names_of, count)| (text(names_of), count))
                    .collect();
                let nullable = names.has_absent(*level);
                match param {
                    Some(param) => param_column(*param, &texts, nullable)?,
                    None => Arc::new(strings(&texts, nullable)?),
                }
            }
            GroupColumn::Bucket { second, width, times } => {
                let keys = rows.states().map(|state| directory.key(state));
                let bucket = keys.map(|s| if *second { s.bucket2 } else { s.bucket });
                let starts: Vec<i64> = bucket.map(|b| width.range(b).first).collect();
                if *times { time_column(starts, None) } else { int_column(starts, None) }
            }
        })
    }
}

/// A column of params by their keys, each repeated for its number of rows.
fn param_column(column: ParamColumn, keys: &[(Option<&str>, usize)], nullable: bool) -> Result<ArrayRef> {
    fn repeated<'a, T: Copy + 'a>(
        keys: &'a [(Option<&'a str>, usize)],
        of: fn(&str) -> Option<T>,
    ) -> impl Iterator<Item = Option<T>> + 'a {
        keys.iter().flat_map(move |(key, count)| std::iter::repeat_n(key.and_then(of), *count))
    }
    Ok(match column {
        ParamColumn::Int => Arc::new(repeated(keys, param_column::int).collect::<Int64Array>()),
        ParamColumn::Float => Arc::new(repeated(keys, param_column::float).collect::<Float64Array>()),
        ParamColumn::Bool => Arc::new(repeated(keys, param_column::boolean).collect::<BooleanArray>()),
        ParamColumn::Text => {
            let shown: Vec<Option<String>> = keys.iter().map(|(k, _)| k.map(param_column::shown)).collect();
            let texts: Vec<_> = shown.iter().zip(keys).map(|(t, (_, n))| (t.as_deref(), *n)).collect();
            Arc::new(strings(&texts, nullable)?)
        }
    })
}

/// A column of texts, each repeated for its number of rows.
fn strings(texts: &[(Option<&str>, usize)], nullable: bool) -> Result<StringArray> {
    let bytes = texts.iter().map(|(text, count)| text.map_or(0, str::len).saturating_mul(*count));
    let bytes = bytes.fold(0, usize::saturating_add);
    if i32::try_from(bytes).is_err() {
        return Err(Error::new(
            ErrorKind::Full,
            "make result",
            format!("the names in a group column take {bytes} bytes, more than one batch can hold"),
            "ask for fewer groups, or select fewer series at a time",
        ));
    }
    let rows: usize = texts.iter().map(|(_, count)| count).sum();
    let mut all = Vec::with_capacity(bytes);
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0);
    for &(text, count) in texts {
        let text = text.unwrap_or_default().as_bytes();
        let ends = (1..=count).map(|i| all.len() + i * text.len());
        offsets.extend(ends.map(|end| i32::try_from(end).expect("the total fits")));
        repeat(&mut all, text, count);
    }
    let present = || texts.iter().flat_map(|(text, count)| std::iter::repeat_n(text.is_some(), *count));
    let nulls = nullable.then(|| NullBuffer::new(present().collect()));
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(StringArray::new(offsets, Buffer::from_vec(all), nulls))
}

/// Appends a text `count` times, doubling what is copied each time.
fn repeat(all: &mut Vec<u8>, text: &[u8], count: usize) {
    let (start, bytes) = (all.len(), text.len() * count);
    all.extend_from_slice(&text[..bytes.min(text.len())]);
    while all.len() < start + bytes {
        let held = all.len() - start;
        all.extend_from_within(start..start + held.min(bytes - held));
    }
}

fn int_column(values: Vec<i64>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(Int64Array::new(ScalarBuffer::from(values), nulls))
}

pub(super) fn time_column(values: Vec<i64>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::new(ScalarBuffer::from(values), nulls).with_timezone("UTC"))
}

fn float_column(values: Vec<f64>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(Float64Array::new(ScalarBuffer::from(values), nulls))
}

fn count_column(counts: impl Iterator<Item = u64>) -> ArrayRef {
    int_column(counts.map(|c| i64::try_from(c).expect("fewer points than 2^63")).collect(), None)
}

/// The masks of null rows, by reason; computed before columns are taken.
struct NullMasks {
    no_finite: Option<NullBuffer>,
    no_min: Option<NullBuffer>,
    no_max: Option<NullBuffer>,
    no_point: Option<NullBuffer>,
    no_nan: Option<NullBuffer>,
}

impl NullMasks {
    fn of(states: &GroupStates, rows: &RowOrder) -> Self {
        fn over<T: Copy>(rows: &RowOrder, column: &[T], has_value: impl Fn(T) -> bool) -> Option<NullBuffer> {
            if column.is_empty() { None } else { rows.nulls(|i| has_value(column[i])) }
        }
        NullMasks {
            no_finite: over(rows, &states.finites, |n| n > 0),
            no_min: over(rows, &states.mins, f64::is_finite),
            no_max: over(rows, &states.maxs, f64::is_finite),
            no_point: over(rows, &states.counts, |n| n > 0),
            no_nan: over(rows, &states.nans, |n| n > 0),
        }
    }
}

/// The column of an aggregate. Takes state columns that no other aggregate shows, and reads the others.
fn aggregate_column(
    aggregate: Aggregate,
    index: Option<usize>,
    states: &mut GroupStates,
    rows: &RowOrder,
    nulls: &NullMasks,
) -> ArrayRef {
    let (counts, finites) = (&states.counts, &states.finites);
    let end_values = |ends: &[EndPoint]| rows.states().map(|i| ends[i].value).collect();
    let end_steps = |ends: &[EndPoint]| rows.states().map(|i| ends[i].step).collect();
    let spread = |of: fn(&ExactSquares, u64, &ExactSum) -> Option<f64>| {
        let of = |i: usize| of(&states.squares[i], finites[i], &states.sums[i]).unwrap_or_default();
        float_column(rows.states().map(of).collect(), nulls.no_finite.clone())
    };
    let totals = |of: fn(&ExactSum, u64) -> f64| {
        let of = |i: usize| of(&states.sums[i], finites[i]);
        float_column(rows.states().map(of).collect(), nulls.no_finite.clone())
    };
    // Where −0 and 0 tie, the order of pushes decides which is kept; adding zero makes both 0.
    let extremes = |column: &mut Vec<f64>| {
        let mut values = rows.take(column);
        values.iter_mut().for_each(|v| *v += 0.0);
        values
    };
    match aggregate {
        Aggregate::Count => count_column(rows.states().map(|i| counts[i])),
        Aggregate::Finite => count_column(rows.states().map(|i| finites[i])),
        Aggregate::Nan => count_column(rows.states().map(|i| states.nans[i])),
        Aggregate::Inf => count_column(rows.states().map(|i| counts[i] - finites[i] - states.nans[i])),
        Aggregate::Sum => totals(|sum, _| sum.nearest()),
        Aggregate::Mean => totals(|sum, count| sum.mean(count).unwrap_or_default()),
        Aggregate::Var => spread(ExactSquares::var),
        Aggregate::Std => spread(ExactSquares::std),
        Aggregate::Min => float_column(extremes(&mut states.mins), nulls.no_min.clone()),
        Aggregate::Max => float_column(extremes(&mut states.maxs), nulls.no_max.clone()),
        Aggregate::ArgMin => int_column(rows.take(&mut states.min_steps), nulls.no_min.clone()),
        Aggregate::ArgMax => int_column(rows.take(&mut states.max_steps), nulls.no_max.clone()),
        Aggregate::ArgNan => int_column(rows.take(&mut states.nan_steps), nulls.no_nan.clone()),
        Aggregate::First => float_column(end_values(&states.firsts), nulls.no_point.clone()),
        Aggregate::Last => float_column(end_values(&states.lasts), nulls.no_point.clone()),
        Aggregate::StepFirst => int_column(end_steps(&states.firsts), nulls.no_point.clone()),
        Aggregate::StepLast => int_column(end_steps(&states.lasts), nulls.no_point.clone()),
        Aggregate::TimeMin => time_column(rows.take(&mut states.time_mins), nulls.no_point.clone()),
        Aggregate::TimeMax => time_column(rows.take(&mut states.time_maxs), nulls.no_point.clone()),
        Aggregate::TimeFirst => time_column(rows.take(&mut states.first_times), nulls.no_point.clone()),
        Aggregate::TimeLast => time_column(rows.take(&mut states.last_times), nulls.no_point.clone()),
        Aggregate::Median | Aggregate::Percentile(_) => {
            let index = index.expect("a percentile has an index");
            Arc::new(rows.states().map(|i| states.samples[i].quantile(index)).collect::<Float64Array>())
        }
        Aggregate::Approximate(percent) => {
            let fraction = percent.fraction();
            let about = rows.states().map(|i| states.sketches[i].quantile(fraction));
            Arc::new(about.collect::<Float64Array>())
        }
    }
}
