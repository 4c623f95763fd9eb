//! Comparing lists of runs, and aggregates of whole runs, with the oracle's points.

use crate::aggregates::Naive;
use crate::difference::{CheckResult, same_value, unexpected};
use crate::oracle::ExpectedPoints;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use std::collections::{BTreeMap, BTreeSet};
use tidalite::{Aggregate, By, Point, RunColumn, RunPage, Selection, SeriesKey};

/// The aggregates compared.
const AGGREGATES: [Aggregate; 5] =
    [Aggregate::Count, Aggregate::Min, Aggregate::Max, Aggregate::Mean, Aggregate::Last];

/// The points of the runs and metrics: as a summary of all their series sees them.
type OfRuns = BTreeMap<(String, String), Vec<Point>>;

/// The values of each run and metric, in a list of runs and as groups of an aggregate. Thinned runs are left out.
pub(crate) fn run_values(
    select: &Selection,
    expected: &ExpectedPoints,
    thinned: &BTreeSet<SeriesKey>,
) -> CheckResult {
    let mut of_runs = OfRuns::new();
    for (key, points) in expected {
        of_runs.entry((key.run.to_string(), key.metric.to_string())).or_default().extend(points);
    }
    // The last of several series at one step is that of the greatest, and the sort is stable.
    of_runs.values_mut().for_each(|points| points.sort_by_key(|p| p.step));
    let is_thinned = |run: &str| thinned.iter().any(|key| *key.run == *run);
    let table = select.aggregate(&AGGREGATES, &[By::Run, By::Metric]).map_err(|e| unexpected(&e))?;
    if table.num_rows() != of_runs.len() {
        return Err(format!(
            "there should be {} runs and metrics, there are {}",
            of_runs.len(),
            table.num_rows()
        ));
    }
    for (row, ((run, metric), points)) in of_runs.iter().enumerate() {
        if !is_thinned(run) {
            let column = |aggregate: Aggregate| aggregate.to_string();
            same_row(&table, row, &column, points)
                .map_err(|e| format!("{metric} of {run}, by groups: {e}"))?;
        }
    }
    let metrics: BTreeSet<&String> = of_runs.keys().map(|(_, metric)| metric).collect();
    let column = |metric: &str, aggregate| RunColumn::Metric(metric.to_string(), aggregate);
    let columns: Vec<RunColumn> =
        metrics.iter().flat_map(|metric| AGGREGATES.map(|aggregate| column(metric, aggregate))).collect();
    let list = select.list_runs(&columns, &RunPage::default()).map_err(|e| unexpected(&e))?;
    let ids = list.rows.column(0).as_string::<i32>();
    let runs: BTreeSet<&str> = ids.iter().flatten().collect();
    if let Some((run, _)) = of_runs.keys().find(|(run, _)| !runs.contains(run.as_str())) {
        return Err(format!("run {run} has points and is not in the list of runs"));
    }
    for (row, run) in ids.iter().flatten().enumerate().filter(|(_, run)| !is_thinned(run)) {
        for metric in &metrics {
            let points = of_runs.get(&(run.to_string(), metric.to_string())).map_or(&[][..], Vec::as_slice);
            let column = |aggregate: Aggregate| column(metric, aggregate).to_string();
            same_row(&list.rows, row, &column, points)
                .map_err(|e| format!("{metric} of {run}, in a list: {e}"))?;
        }
    }
    Ok(())
}

/// Compares one row of aggregates, given the name of each column.
fn same_row(
    table: &RecordBatch,
    row: usize,
    name: &dyn Fn(Aggregate) -> String,
    points: &[Point],
) -> CheckResult {
    let column =
        |aggregate| table.column_by_name(&name(aggregate)).expect("a column for each aggregate asked");
    let number = |aggregate| {
        let column = column(aggregate).as_primitive::<Float64Type>();
        (!column.is_null(row)).then(|| column.value(row))
    };
    let n = Naive::of(points);
    let count = column(Aggregate::Count).as_primitive::<Int64Type>().value(row);
    let last = number(Aggregate::Last);
    let fits = u64::try_from(count) == Ok(n.count)
        && same_value(number(Aggregate::Min), n.min)
        && same_value(number(Aggregate::Max), n.max)
        && same_value(number(Aggregate::Mean), n.mean)
        && last.map(f64::to_bits) == n.last.map(f64::to_bits);
    if fits {
        return Ok(());
    }
    let found = (count, number(Aggregate::Min), number(Aggregate::Max), number(Aggregate::Mean), last);
    Err(format!("should be {n:?}, is {found:?}"))
}
