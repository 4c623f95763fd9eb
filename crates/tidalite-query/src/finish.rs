//! From the states of all groups to the result: rows in order, one array a column. `partial.rs` calls this.
//!
//! States are mostly in the order of their rows already, and their columns then become the result's without a copy.

use crate::bucket::Width;
use crate::directory::{Directory, Names};
use crate::grouping::Plan;
use crate::states::{End, States};
use crate::{Aggregate, By};
use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::record_batch::RecordBatch;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Result};

/// One row a group, ascending by the group columns.
pub(crate) fn result(plan: &Plan, directory: &Directory, mut states: States) -> Result<RecordBatch> {
    let axes = axes(plan, directory);
    let rows = Rows::of(&axes, directory);
    let mut columns: Vec<ArrayRef> = Vec::new();
    for axis in &axes {
        columns.push(axis.column(directory, &rows)?);
    }
    let mut percentiles = 0..;
    for aggregate in &plan.aggregates {
        let place = aggregate.percent().and_then(|_| percentiles.next());
        columns.push(aggregate_column(*aggregate, place, &mut states, &rows));
    }
    Ok(RecordBatch::try_new(plan.schema(), columns).expect("columns are built by the schema"))
}

/// What a group column is made of.
enum Axis<'a> {
    /// A text for each set of names, and its rank among these texts.
    Names(Vec<Option<&'a str>>, Vec<u32>),
    /// Buckets, the first ones of a slot or the second, and their width.
    Bucket { second: bool, width: Width, times: bool },
}

fn axes<'a>(plan: &Plan, directory: &'a Directory) -> Vec<Axis<'a>> {
    let names = directory.names();
    let mut labels = 0..;
    let axis = |by: &By| match by {
        By::Run => Axis::names(&names, |n| n.run.as_deref()),
        By::Metric => Axis::names(&names, |n| n.metric.as_deref()),
        By::Labels => Axis::names(&names, |n| n.labels.as_ref().map(|l| l.as_str())),
        By::Label(_) => {
            let place = labels.next().expect("places do not end");
            Axis::names(&names, |n| n.label_values[place].as_deref())
        }
        By::StepBucket(width) => Axis::Bucket { second: false, width: Width::new(*width), times: false },
        By::TimeBucket(width) => {
            Axis::Bucket { second: plan.step_width.is_some(), width: Width::new(*width), times: true }
        }
    };
    plan.by.iter().map(axis).collect()
}

impl<'a> Axis<'a> {
    fn names(names: &[&'a Names], text: impl Fn(&'a Names) -> Option<&'a str>) -> Self {
        let texts: Vec<Option<&str>> = names.iter().map(|n| text(n)).collect();
        let mut ranks: HashMap<Option<&str>, u32> = texts.iter().map(|t| (*t, 0)).collect();
        let mut sorted: Vec<Option<&str>> = ranks.keys().copied().collect();
        sorted.sort_unstable();
        for (rank, text) in (0..).zip(sorted) {
            ranks.insert(text, rank);
        }
        let ranks = texts.iter().map(|t| ranks[t]).collect();
        Axis::Names(texts, ranks)
    }

    fn compare(&self, directory: &Directory, a: usize, b: usize) -> Ordering {
        let (a, b) = (directory.slot(a), directory.slot(b));
        match self {
            Axis::Names(_, ranks) => ranks[a.names as usize].cmp(&ranks[b.names as usize]),
            Axis::Bucket { second: false, .. } => a.bucket.cmp(&b.bucket),
            Axis::Bucket { second: true, .. } => a.bucket_too.cmp(&b.bucket_too),
        }
    }

    fn column(&self, directory: &Directory, rows: &Rows) -> Result<ArrayRef> {
        let slots = rows.states().map(|state| directory.slot(state));
        Ok(match self {
            Axis::Names(texts, _) => Arc::new(strings(slots.map(|s| texts[s.names as usize]))?),
            Axis::Bucket { second, width, times } => {
                let bucket = slots.map(|s| if *second { s.bucket_too } else { s.bucket });
                let starts: Vec<i64> = bucket.map(|b| width.range(b).0).collect();
                if *times { times_column(starts, None) } else { whole_column(starts, None) }
            }
        })
    }
}

/// Which state each row shows.
struct Rows {
    count: usize,
    /// `None` where the rows are the states in their order.
    order: Option<Vec<u32>>,
}

impl Rows {
    fn of(axes: &[Axis<'_>], directory: &Directory) -> Self {
        let count = directory.len();
        let compare = |a: usize, b: usize| {
            axes.iter().map(|x| x.compare(directory, a, b)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
        };
        if (1..count).all(|i| compare(i - 1, i).is_lt()) {
            return Rows { count, order: None };
        }
        let mut order: Vec<u32> = (0..u32::try_from(count).expect("states are counted in u32")).collect();
        // Stable, since that sort makes use of what is in order already: mostly each series' buckets.
        order.sort_by(|&a, &b| compare(a as usize, b as usize));
        Rows { count, order: Some(order) }
    }

    fn states(&self) -> impl Iterator<Item = usize> + Clone + '_ {
        (0..self.count).map(|row| self.order.as_ref().map_or(row, |o| o[row] as usize))
    }

    /// A column of states as a column of rows.
    fn take<T: Copy>(&self, column: &mut Vec<T>) -> Vec<T> {
        match &self.order {
            None => std::mem::take(column),
            Some(order) => order.iter().map(|&i| column[i as usize]).collect(),
        }
    }

    /// Null where a state has no value.
    fn nulls(&self, has_value: impl Fn(usize) -> bool) -> Option<NullBuffer> {
        let mut states = self.states();
        let valid = BooleanBuffer::collect_bool(self.count, |_| states.next().is_some_and(&has_value));
        Some(NullBuffer::new(valid)).filter(|n| n.null_count() > 0)
    }
}

fn strings<'a>(texts: impl Iterator<Item = Option<&'a str>> + Clone) -> Result<StringArray> {
    let bytes: usize = texts.clone().map(|t| t.map_or(0, str::len)).sum();
    if i32::try_from(bytes).is_err() {
        return Err(Error::new(
            ErrorKind::Full,
            "make result",
            format!("the names in a group column come to {bytes} bytes, more than one batch can hold"),
            "ask for fewer groups, or select fewer series at a time",
        ));
    }
    let mut text = Vec::with_capacity(bytes);
    let mut offsets = Vec::with_capacity(texts.size_hint().0 + 1);
    offsets.push(0i32);
    for t in texts.clone() {
        text.extend_from_slice(t.unwrap_or_default().as_bytes());
        offsets.push(i32::try_from(text.len()).expect("the total fits"));
    }
    let nulls = NullBuffer::new(texts.map(|t| t.is_some()).collect());
    let nulls = Some(nulls).filter(|n| n.null_count() > 0);
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(StringArray::new(offsets, Buffer::from_vec(text), nulls))
}

fn whole_column(values: Vec<i64>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(Int64Array::new(ScalarBuffer::from(values), nulls))
}

fn times_column(values: Vec<i64>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::new(ScalarBuffer::from(values), nulls).with_timezone("UTC"))
}

fn float_column(values: Vec<f64>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(Float64Array::new(ScalarBuffer::from(values), nulls))
}

fn count_column(counts: impl Iterator<Item = u64>) -> ArrayRef {
    whole_column(counts.map(|c| i64::try_from(c).expect("fewer points than 2^63")).collect(), None)
}

/// A column may be taken once: only where no other aggregate shows it too is it moved.
fn aggregate_column(
    aggregate: Aggregate,
    place: Option<usize>,
    states: &mut States,
    rows: &Rows,
) -> ArrayRef {
    let counts = &states.counts;
    let finites = &states.finites;
    let any_finite = || rows.nulls(|i| finites[i] > 0);
    let any_point = || rows.nulls(|i| counts[i] > 0);
    let end_values = |ends: &[End]| rows.states().map(|i| ends[i].value).collect();
    // Where −0 and 0 tie it depends on the order which one is kept; adding zero makes both 0.
    let extremes = |values: &[f64]| -> Vec<f64> { rows.states().map(|i| values[i] + 0.0).collect() };
    let variance = |i: usize| (states.m2s[i] / finites[i] as f64).max(0.0);
    match aggregate {
        Aggregate::Count => count_column(rows.states().map(|i| counts[i])),
        Aggregate::Finite => count_column(rows.states().map(|i| finites[i])),
        Aggregate::Nan => count_column(rows.states().map(|i| states.nans[i])),
        Aggregate::Inf => count_column(rows.states().map(|i| counts[i] - finites[i] - states.nans[i])),
        Aggregate::Sum => float_column(rows.take(&mut states.sums), any_finite()),
        Aggregate::Mean => float_column(rows.take(&mut states.means), any_finite()),
        Aggregate::Var => float_column(rows.states().map(variance).collect(), any_finite()),
        Aggregate::Std => float_column(rows.states().map(|i| variance(i).sqrt()).collect(), any_finite()),
        Aggregate::Min => float_column(extremes(&states.mins), rows.nulls(|i| states.mins[i].is_finite())),
        Aggregate::Max => float_column(extremes(&states.maxs), rows.nulls(|i| states.maxs[i].is_finite())),
        Aggregate::ArgMin => {
            whole_column(rows.take(&mut states.min_steps), rows.nulls(|i| states.mins[i].is_finite()))
        }
        Aggregate::ArgMax => {
            whole_column(rows.take(&mut states.max_steps), rows.nulls(|i| states.maxs[i].is_finite()))
        }
        Aggregate::First => float_column(end_values(&states.firsts), any_point()),
        Aggregate::Last => float_column(end_values(&states.lasts), any_point()),
        Aggregate::TimeFirst => times_column(rows.take(&mut states.first_times), any_point()),
        Aggregate::TimeLast => times_column(rows.take(&mut states.last_times), any_point()),
        Aggregate::Median | Aggregate::Percentile(_) => {
            let place = place.expect("a percentile has a place among the percentiles");
            Arc::new(rows.states().map(|i| states.samples[i].quantile(place)).collect::<Float64Array>())
        }
    }
}
