//! In which order points of many series come: by a column, ascending or descending.

use super::columns::Points;
use crate::words::{read_word, write_word};
use std::fmt;
use std::str::FromStr;
use tidalite_model::{Error, Result};

/// The order of points of all series together.
///
/// As text it is the column, with `-` before it for descending: `time`, `-time`.
///
/// ```
/// use tidalite_query::{PointField, PointSort};
/// let newest: PointSort = "-time".parse()?;
/// assert_eq!(newest, PointSort { by: PointField::Time, descending: true });
/// assert_eq!(newest.to_string(), "-time");
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PointSort {
    /// The column.
    pub by: PointField,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// A column that orders points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PointField {
    /// The step; word `step`.
    Step,
    /// The time; word `time`.
    Time,
    /// The value; word `value`. NaN comes last in both orders.
    Value,
}

const COLUMNS: [(&str, PointField); 3] =
    [("step", PointField::Step), ("time", PointField::Time), ("value", PointField::Value)];

impl PointSort {
    /// An integer for the point at this index: points are ordered as these integers are. Needs the column.
    pub fn rank(self, points: &Points, index: usize) -> i64 {
        let rank = match self.by {
            PointField::Step => points.steps[index],
            PointField::Time => points.times_us[index],
            PointField::Value if points.values[index].is_nan() => return i64::MAX,
            PointField::Value => rank_of_float(points.values[index]),
        };
        // The complement turns the order round and never overflows.
        if self.descending { !rank } else { rank }
    }
}

/// The bits of a float, of which those of negative numbers are turned round; both zeros are 0.
fn rank_of_float(value: f64) -> i64 {
    let bits = (value + 0.0).to_bits().cast_signed();
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

impl FromStr for PointSort {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (descending, column) = text.strip_prefix('-').map_or((false, text), |column| (true, column));
        Ok(PointSort { by: read_word("read the order of points", &COLUMNS, column)?, descending })
    }
}

impl fmt::Display for PointSort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.descending { "-" } else { "" })?;
        write_word(f, &COLUMNS, &self.by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values in this order.
    fn sorted(sort: &str, values: &[f64]) -> Vec<f64> {
        let mut points = Points::default();
        values.iter().for_each(|&value| points.push(0, 0, 0, value));
        let sort: PointSort = sort.parse().unwrap();
        let mut places: Vec<usize> = (0..values.len()).collect();
        places.sort_by_key(|&i| sort.rank(&points, i));
        places.into_iter().map(|i| values[i]).collect()
    }

    #[test]
    fn values_are_ordered_as_numbers_and_nan_is_last_in_both_orders() {
        let values = [2.0, f64::NAN, -1.0, f64::INFINITY, 0.0, f64::NEG_INFINITY, -3.5];
        let ascending = sorted("value", &values);
        assert_eq!(ascending[..6], [f64::NEG_INFINITY, -3.5, -1.0, 0.0, 2.0, f64::INFINITY]);
        assert!(ascending[6].is_nan());
        let descending = sorted("-value", &values);
        assert_eq!(descending[..6], [f64::INFINITY, 2.0, 0.0, -1.0, -3.5, f64::NEG_INFINITY]);
        assert!(descending[6].is_nan());
        let zeros: Vec<bool> =
            sorted("-value", &[-0.0, 0.0, -0.0]).iter().map(|v| v.is_sign_negative()).collect();
        assert_eq!(zeros, [true, false, true], "zeros are equal and keep their order");
    }

    #[test]
    fn an_unknown_column_is_refused_with_those_that_exist() {
        let message = "-loss".parse::<PointSort>().unwrap_err().to_string();
        assert!(message.contains("step, time, value"), "{message}");
    }
}
