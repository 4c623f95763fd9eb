//! Fields of runs as columns of a table.

use crate::aggregate::ParamColumn;
use crate::filter::RunField;
use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use std::borrow::Cow;
use std::sync::Arc;
use tidalite_model::{Param, RunInfo};

impl RunField {
    /// A column of the field, with one row per run; null where a run lacks it. Starts and ends are Timestamp(µs, UTC). A param's
    /// column has the type of its values: integers, floats, booleans or text alone; floats, if there are integers and floats;
    /// otherwise text. Every other field is Utf8.
    ///
    /// ```
    /// use arrow::array::AsArray;
    /// use tidalite_model::RunRecord;
    /// use tidalite_query::RunField;
    /// let runs = ["a", "b"].map(|id| RunRecord::default().info(id, |_| true));
    /// assert_eq!(RunField::Id.column(&runs).as_string::<i32>().value(1), "b");
    /// ```
    pub fn column(&self, runs: &[RunInfo]) -> ArrayRef {
        let values: Vec<Option<Cow<'_, Param>>> = runs.iter().map(|run| self.of(run)).collect();
        let present = || values.iter().map(|value| value.as_deref());
        let int = |value: Option<&Param>| match value {
            Some(Param::Int(i)) => Some(*i),
            _ => None,
        };
        let column = match self {
            RunField::Started | RunField::Ended => {
                let times: TimestampMicrosecondArray = present().map(int).collect();
                return Arc::new(times.with_timezone("UTC"));
            }
            RunField::Param(_) | RunField::Environment(_) => ParamColumn::of(present().flatten()),
            _ => ParamColumn::Text,
        };
        match column {
            ParamColumn::Int => Arc::new(present().map(int).collect::<Int64Array>()),
            ParamColumn::Float => {
                let float = |value: Option<&Param>| match value {
                    Some(Param::Float(x)) => Some(*x),
                    other => int(other).map(|i| i as f64),
                };
                Arc::new(present().map(float).collect::<Float64Array>())
            }
            ParamColumn::Bool => {
                let boolean = |value: Option<&Param>| matches!(value, Some(Param::Bool(true)));
                let boolean =
                    |value: Option<&Param>| value.filter(|v| **v != Param::Null).map(|v| boolean(Some(v)));
                Arc::new(present().map(boolean).collect::<BooleanArray>())
            }
            ParamColumn::Text => {
                let text = |value: Option<&Param>| match value {
                    None | Some(Param::Null) => None,
                    Some(Param::Text(text)) => Some(text.clone()),
                    Some(other) => Some(other.to_string()),
                };
                Arc::new(present().map(text).collect::<StringArray>())
            }
        }
    }
}
