//! Series chosen by what they hold: an aggregate over their points at some steps, compared with a number.
//!
//! One aggregation covers all series, from summaries where these are exact and from points elsewhere. So it costs no
//! more than that aggregate.

use super::selection::{Selection, SeriesCondition};
use crate::plan::series::SeriesVerdicts;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use tidalite_model::{Error, Labels, Result, SeriesKey};
use tidalite_query::{Aggregate, By, Grouping, compare_int_float};

/// Which of the series of `all` satisfy a condition.
pub(super) fn verdicts(condition: &SeriesCondition, all: &Selection) -> Result<SeriesVerdicts> {
    let by = vec![By::Run, By::Metric, By::Labels];
    let table = all.whole_at(condition.steps).grouped(&Grouping::new(by, vec![condition.aggregate])?)?;
    let text = |column: usize, row: usize| table.column(column).as_string::<i32>().value(row);
    let mut by_key: BTreeMap<SeriesKey, bool> = BTreeMap::new();
    for row in 0..table.num_rows() {
        let labels = Labels::parse(text(2, row))?;
        let order = order(table.column(3), row, condition.value)?;
        let holds = order.is_some_and(|order| condition.compare.holds(order));
        by_key.insert(SeriesKey::new(text(0, row), text(1, row), labels), holds);
    }
    // A series without a point at these steps has no row, and a count of 0.
    let counts =
        matches!(condition.aggregate, Aggregate::Count | Aggregate::Finite | Aggregate::Nan | Aggregate::Inf);
    let otherwise = counts && condition.compare.holds(0.0.partial_cmp(&condition.value));
    Ok(SeriesVerdicts { by_key, otherwise })
}

/// Compares a cell with a number: `None` where the cell is null, `Some(None)` where either is NaN.
fn order(column: &ArrayRef, row: usize, value: f64) -> Result<Option<Option<Ordering>>> {
    if column.is_null(row) {
        return Ok(None);
    }
    Ok(Some(match column.data_type() {
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).partial_cmp(&value),
        DataType::Int64 => compare_int_float(column.as_primitive::<Int64Type>().value(row), value),
        DataType::Timestamp(..) => {
            compare_int_float(column.as_primitive::<TimestampMicrosecondType>().value(row), value)
        }
        other => {
            return Err(Error::invalid(
                "choose series",
                format!("an aggregate of type {other} cannot be compared with a number"),
                "choose by another aggregate",
            ));
        }
    }))
}
