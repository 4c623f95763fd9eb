//! Series chosen by what they hold: an aggregate over the points at some steps, compared with a number.
//!
//! One aggregation answers it for all series, from summaries where these are exact and from points where not, so that
//! it costs no more than that aggregate does. `select.rs` calls this with the series that are selected otherwise.

use crate::select::Select;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use tidalite_model::{Bounds, Error, Labels, Result, SeriesKey};
use tidalite_query::{Aggregate, By, Compare, Grouping, compare_int_float};

/// A condition on series.
#[derive(Debug, Clone)]
pub(crate) struct Having {
    pub(crate) aggregate: Aggregate,
    pub(crate) compare: Compare,
    pub(crate) value: f64,
    pub(crate) steps: Bounds<i64>,
}

impl Having {
    /// Which of the selected series hold it.
    pub(crate) fn over(&self, all: &Select) -> Result<Holding> {
        let by = vec![By::Run, By::Metric, By::Labels];
        let table = all.whole_at(self.steps).grouped(&Grouping::new(by, vec![self.aggregate])?)?;
        let text = |column: usize, row: usize| table.column(column).as_string::<i32>().value(row);
        let mut found: BTreeMap<SeriesKey, bool> = BTreeMap::new();
        for row in 0..table.num_rows() {
            let labels = Labels::parse(text(2, row))?;
            let order = order(table.column(3), row, self.value)?;
            let holds = order.is_some_and(|order| self.compare.holds(order));
            found.insert(SeriesKey::new(text(0, row), text(1, row), labels), holds);
        }
        // A series without a point at these steps has no row, and a count of 0.
        let counts =
            matches!(self.aggregate, Aggregate::Count | Aggregate::Finite | Aggregate::Nan | Aggregate::Inf);
        let empty = counts && self.compare.holds(0.0.partial_cmp(&self.value));
        Ok(Holding { found, empty })
    }
}

/// Which series hold a condition.
#[derive(Debug)]
pub(crate) struct Holding {
    found: BTreeMap<SeriesKey, bool>,
    /// Whether one without points does.
    empty: bool,
}

impl Holding {
    pub(crate) fn holds(&self, key: &SeriesKey) -> bool {
        self.found.get(key).copied().unwrap_or(self.empty)
    }
}

/// How a cell stands to a number: none where the cell is null, no order where one of the two is NaN.
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
