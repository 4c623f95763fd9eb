//! How series are put side by side: on which axis, and what fills a column where its series has no point.

use crate::words::{read_word, write_word};
use arrow::array::Float64Array;
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use std::fmt;
use std::str::FromStr;
use tidalite_model::{Error, Result};

/// The axis that series share when they are put side by side.
///
/// ```
/// use tidalite_query::AlignOn;
/// assert_eq!("time".parse::<AlignOn>()?, AlignOn::Time);
/// assert!("epoch".parse::<AlignOn>().unwrap_err().to_string().contains("step, time"));
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum AlignOn {
    /// The step; word `step`.
    #[default]
    Step,
    /// The time; word `time`.
    Time,
}

/// The value in a series' column where it has no point of its own. NaN and ±Inf are values like any other.
///
/// ```
/// use tidalite_query::Fill;
/// assert_eq!("previous".parse::<Fill>()?.to_string(), "previous");
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Fill {
    /// Null; word `none`.
    #[default]
    None,
    /// The value of the previous point; null before the first; word `previous`.
    Previous,
    /// Linear interpolation between the previous and the next point; null outside the range of the series, and NaN
    /// where one of the two is not finite; word `linear`.
    Linear,
}

const AXES: [(&str, AlignOn); 2] = [("step", AlignOn::Step), ("time", AlignOn::Time)];
const FILLS: [(&str, Fill); 3] =
    [("none", Fill::None), ("previous", Fill::Previous), ("linear", Fill::Linear)];

impl FromStr for AlignOn {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        read_word("read axis to align on", &AXES, word)
    }
}

impl FromStr for Fill {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        read_word("read fill", &FILLS, word)
    }
}

impl fmt::Display for AlignOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_word(f, &AXES, self)
    }
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_word(f, &FILLS, self)
    }
}

/// The values of one series at all x of the axis. Both ascend without repeats, and the axis has each x of the series.
pub(crate) fn column(axis: &[i64], xs: &[i64], values: &ScalarBuffer<f64>, fill: Fill) -> Float64Array {
    if xs.len() == axis.len() {
        // The series has every x: its values are the column, without a copy.
        return Float64Array::new(values.clone(), None);
    }
    let mut filled = vec![0.0; axis.len()];
    let mut valid = vec![false; axis.len()];
    // The number of points of the series at or before x.
    let mut passed = 0;
    for (row, &x) in axis.iter().enumerate() {
        let own = xs.get(passed) == Some(&x);
        passed += usize::from(own);
        let value = match fill {
            _ if own => Some(values[passed - 1]),
            Fill::None => None,
            Fill::Previous => passed.checked_sub(1).map(|before| values[before]),
            Fill::Linear if passed == 0 || passed == xs.len() => None,
            Fill::Linear => {
                let (before, after) = (passed - 1, passed);
                Some(on_line(x, (xs[before], values[before]), (xs[after], values[after])))
            }
        };
        if let Some(value) = value {
            (filled[row], valid[row]) = (value, true);
        }
    }
    let nulls = NullBuffer::new(BooleanBuffer::from(valid));
    Float64Array::new(ScalarBuffer::from(filled), Some(nulls).filter(|n| n.null_count() > 0))
}

/// Linear interpolation at `x`, which lies between the two points.
pub(crate) fn on_line(x: i64, a: (i64, f64), b: (i64, f64)) -> f64 {
    if !(a.1.is_finite() && b.1.is_finite()) {
        return f64::NAN;
    }
    // Every distance of two i64 fits u64. The two values are weighted, since their difference could overflow.
    let part = x.abs_diff(a.0) as f64 / b.0.abs_diff(a.0) as f64;
    let value = a.1 * (1.0 - part) + b.1 * part;
    // Rounding must not leave the range between the values: a flat line stays flat.
    value.clamp(a.1.min(b.1), a.1.max(b.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Array;
    use proptest::prelude::*;

    #[test]
    fn each_word_reads_back_and_an_unknown_one_is_refused_with_the_known_ones() {
        for (word, axis) in AXES {
            assert_eq!((word.parse::<AlignOn>().unwrap(), axis.to_string()), (axis, word.to_string()));
        }
        for (word, fill) in FILLS {
            assert_eq!((word.parse::<Fill>().unwrap(), fill.to_string()), (fill, word.to_string()));
        }
        let text = "Linear".parse::<Fill>().unwrap_err().to_string();
        assert!(text.contains("`Linear`") && text.contains("none, previous, linear"), "{text}");
    }

    fn filled(axis: &[i64], points: &[(i64, f64)], fill: Fill) -> Vec<Option<f64>> {
        let (xs, values): (Vec<i64>, Vec<f64>) = points.iter().copied().unzip();
        column(axis, &xs, &values.into(), fill).iter().collect()
    }

    #[test]
    fn each_fill_has_its_values() {
        let (axis, points) = ([0, 1, 2, 3, 4, 5], [(1, 2.0), (4, 8.0)]);
        let (one, two) = (Some(2.0), Some(8.0));
        assert_eq!(filled(&axis, &points, Fill::None), [None, one, None, None, two, None]);
        assert_eq!(filled(&axis, &points, Fill::Previous), [None, one, one, one, two, two]);
        assert_eq!(filled(&axis, &points, Fill::Linear), [None, one, Some(4.0), Some(6.0), two, None]);
    }

    #[test]
    fn a_value_that_is_not_finite_fills_but_does_not_interpolate() {
        let (axis, points) = ([0, 1, 2, 3, 4], [(0, f64::INFINITY), (2, f64::INFINITY), (4, 1.0)]);
        let previous = filled(&axis, &points, Fill::Previous);
        assert_eq!(previous, [f64::INFINITY, f64::INFINITY, f64::INFINITY, f64::INFINITY, 1.0].map(Some));
        let linear = filled(&axis, &points, Fill::Linear);
        assert_eq!((linear[0], linear[4]), (Some(f64::INFINITY), Some(1.0)));
        assert!(linear[1].unwrap().is_nan() && linear[3].unwrap().is_nan());
    }

    #[test]
    fn a_series_that_has_every_x_is_not_copied() {
        let values = ScalarBuffer::from(vec![1.0, f64::NAN]);
        let column = column(&[3, 9], &[3, 9], &values, Fill::None);
        assert_eq!((column.values().as_ptr(), column.null_count()), (values.as_ptr(), 0));
    }

    proptest! {
        #[test]
        fn interpolation_stays_between_the_values(a in any::<i64>(), b in any::<i64>(), x in any::<i64>(), y in any::<f64>(), z in any::<f64>()) {
            let (lo, hi) = (a.min(b), a.max(b).max(a.min(b).saturating_add(1)));
            prop_assume!(lo < hi);
            let x = x.clamp(lo, hi);
            let value = on_line(x, (lo, y), (hi, z));
            if y.is_finite() && z.is_finite() {
                prop_assert!(y.min(z) <= value && value <= y.max(z));
            } else {
                prop_assert!(value.is_nan());
            }
        }
    }
}
