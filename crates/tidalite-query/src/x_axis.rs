//! X-axes other than the step: what they count, and where on them each point stands.
//!
//! Whatever an axis counts, charts and lines are drawn on whole numbers, in place of the steps. Times are whole numbers
//! already. The values of a metric become such by a power of two, the greatest that leaves room for all of them: so a
//! bucket whose width is a power of two is one on the axis too, aligned at zero, and its start is exact. Where only the
//! order counts the values' own bits are taken, which lose nothing. `over_batch.rs` and selections call this.

use crate::grouping::timestamp;
use crate::{Points, PointsView};
use arrow::array::{ArrayRef, Float64Array, Int64Array, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use tidalite_model::{Error, Result};

/// What an x-axis counts.
///
/// ```
/// use tidalite_query::XAxis;
/// assert_eq!("metric:tokens".parse::<XAxis>()?, XAxis::Metric("tokens".into()));
/// assert!("epoch".parse::<XAxis>().unwrap_err().to_string().contains("elapsed"));
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum XAxis {
    /// Steps, Int64; word `step`.
    #[default]
    Step,
    /// Time, Timestamp(µs, UTC); word `time`.
    Time,
    /// Seconds since the run's start, Float64; word `elapsed`.
    Elapsed,
    /// The value of another metric of the run, Float64; word `metric:NAME`.
    Metric(String),
}

const MICROS_PER_SECOND: f64 = 1e6;

impl FromStr for XAxis {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match (word, word.strip_prefix("metric:")) {
            ("step", _) => Ok(XAxis::Step),
            ("time", _) => Ok(XAxis::Time),
            ("elapsed", _) => Ok(XAxis::Elapsed),
            (_, Some(name)) if !name.is_empty() => Ok(XAxis::Metric(name.into())),
            _ => {
                let word: String = word.chars().take(40).collect();
                Err(Error::invalid(
                    "read x-axis",
                    format!("`{word}` is no axis"),
                    "use any of step, time, elapsed, metric:NAME",
                ))
            }
        }
    }
}

impl fmt::Display for XAxis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            XAxis::Step => f.write_str("step"),
            XAxis::Time => f.write_str("time"),
            XAxis::Elapsed => f.write_str("elapsed"),
            XAxis::Metric(name) => write!(f, "metric:{name}"),
        }
    }
}

impl XAxis {
    /// The column that holds its values.
    pub(crate) fn field(&self) -> Field {
        let data_type = match self {
            XAxis::Step => DataType::Int64,
            XAxis::Time => timestamp(),
            XAxis::Elapsed | XAxis::Metric(_) => DataType::Float64,
        };
        Field::new("x", data_type, false)
    }

    /// Values as such a column; of a time axis these are µs since 1970, of an elapsed one µs since the start.
    pub(crate) fn column(&self, values: impl Iterator<Item = X>) -> ArrayRef {
        match self {
            XAxis::Step => Arc::new(Int64Array::from_iter_values(values.map(X::whole))),
            XAxis::Time => {
                let times = TimestampMicrosecondArray::from_iter_values(values.map(X::whole));
                Arc::new(times.with_timezone("UTC"))
            }
            XAxis::Elapsed => {
                let seconds = values.map(|x| x.whole() as f64 / MICROS_PER_SECOND);
                Arc::new(Float64Array::from_iter_values(seconds))
            }
            XAxis::Metric(_) => Arc::new(Float64Array::from_iter_values(values.map(X::real))),
        }
    }

    /// A width in what `place` says, as what the column counts; of time, seconds.
    pub(crate) fn width(&self, width: u64, place: Place) -> f64 {
        match self {
            XAxis::Step => width as f64,
            XAxis::Time | XAxis::Elapsed => width as f64 / MICROS_PER_SECOND,
            XAxis::Metric(_) => width as f64 * place.unit(),
        }
    }
}

/// A place on an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum X {
    Whole(i64),
    Real(f64),
}

impl X {
    fn whole(self) -> i64 {
        match self {
            X::Whole(x) => x,
            X::Real(x) => x as i64,
        }
    }

    fn real(self) -> f64 {
        match self {
            X::Whole(x) => x as f64,
            X::Real(x) => x,
        }
    }
}

/// How places on an axis are told as whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// They are such.
    Whole,
    /// Real numbers by their bits, in their order: nothing is lost, but distances mean nothing.
    Order,
    /// Real numbers times two to this power, rounded down.
    Fixed(i32),
}

/// The room for a fixed number: two to this power.
const FIXED_BITS: i32 = 62;

impl Place {
    /// Fixed numbers that hold all up to this magnitude.
    pub(crate) fn fixed(greatest: f64) -> Self {
        // The exponent of a power of two that is greater; of subnormal numbers, that of the greatest one.
        let biased = (greatest.abs().to_bits() >> 52) & 0x7ff;
        let above = i32::try_from(biased).expect("eleven bits") - 1022;
        // A power of two beyond the greatest f64 cannot be multiplied by.
        Place::Fixed((FIXED_BITS - above).min(1000))
    }

    /// The whole number for a place.
    pub(crate) fn of(self, x: X) -> i64 {
        match (self, x) {
            (Place::Whole, x) => x.whole(),
            (Place::Order, x) => {
                // Minus zero is zero.
                let bits = (x.real() + 0.0).to_bits().cast_signed();
                if bits < 0 { bits ^ i64::MAX } else { bits }
            }
            (Place::Fixed(power), x) => (x.real() * 2f64.powi(power)).floor() as i64,
        }
    }

    /// The place for a whole number: exactly where it came from, or where that was rounded down to.
    pub(crate) fn back(self, whole: i64) -> X {
        match self {
            Place::Whole => X::Whole(whole),
            Place::Order => {
                X::Real(f64::from_bits(if whole < 0 { whole ^ i64::MAX } else { whole }.cast_unsigned()))
            }
            // A bucket of the greatest numbers may begin beyond them.
            Place::Fixed(_) => X::Real((whole as f64 * self.unit()).clamp(f64::MIN, f64::MAX)),
        }
    }

    /// What a whole number counts.
    fn unit(self) -> f64 {
        match self {
            Place::Fixed(power) => 2f64.powi(-power),
            Place::Whole | Place::Order => 1.0,
        }
    }
}

/// Where the points of a series stand on an axis; made once for each series.
#[derive(Debug, Clone)]
pub enum Along {
    /// At their steps.
    Step,
    /// So many microseconds after this time.
    Since(i64),
    /// At the values of another series: that of its last point at the same step or an earlier one.
    Series(Points),
}

impl Along {
    /// At the values of another series, where these are finite. Its points ascend by step; needs steps and values.
    pub fn series(mut points: Points) -> Self {
        let finite: Vec<bool> = points.values.iter().map(|v| v.is_finite()).collect();
        points.keep(&finite);
        points.times_us = Vec::new();
        points.seqs = Vec::new();
        Along::Series(points)
    }

    /// The place of each point, in their order; none for one that is ahead of all of the other series. Points ascend by
    /// step; needs steps, and times for an axis of time.
    pub(crate) fn places<'a>(&'a self, points: PointsView<'a>) -> impl Iterator<Item = Option<X>> + 'a {
        let mut next = 0;
        (0..points.len()).map(move |i| match self {
            Along::Step => Some(X::Whole(points.steps[i])),
            Along::Since(start) => Some(X::Whole(points.times_us[i].saturating_sub(*start))),
            Along::Series(other) => {
                while other.steps.get(next).is_some_and(|&step| step <= points.steps[i]) {
                    next += 1;
                }
                next.checked_sub(1).map(|last| X::Real(other.values[last]))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn real() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => -1e3..1e3f64,
            2 => any::<f64>().prop_filter("finite", |x| x.is_finite()),
            1 => prop::sample::select(vec![0.0, -0.0, f64::MAX, f64::MIN, 5e-324, 1.0]),
        ]
    }

    proptest! {
        #[test]
        fn order_keeps_all_and_fixed_numbers_keep_what_is_near_the_greatest(a in real(), b in real()) {
            let (order, fixed) = (Place::Order, Place::fixed(a.abs().max(b.abs())));
            let (x, y) = (order.of(X::Real(a)), order.of(X::Real(b)));
            prop_assert_eq!(x.cmp(&y), a.partial_cmp(&b).unwrap());
            prop_assert_eq!(order.back(x).real(), a);
            let (x, y) = (fixed.of(X::Real(a)), fixed.of(X::Real(b)));
            let ordered = if a <= b { x <= y } else { x >= y };
            prop_assert!(ordered);
            prop_assert!(x.unsigned_abs() <= 1 << 62 && y.unsigned_abs() <= 1 << 62);
            let off = a - fixed.back(x).real();
            let greatest = a.abs().max(b.abs());
            prop_assert!(off.abs() <= (greatest / 2f64.powi(52)).max(2f64.powi(-1000)), "{a} {off}");
        }

        #[test]
        fn a_bucket_of_fixed_numbers_is_one_of_the_axis(a in real(), power in 1..62i32) {
            let place = Place::fixed(a);
            let width = 2f64.powi(power) * place.unit();
            prop_assume!(width > f64::MIN_POSITIVE && a.abs() < 1e300);
            let start = place.back((place.of(X::Real(a)) >> power) << power).real();
            prop_assert!(start <= a && (a - start < width || a - start == width && a < 0.0), "{start} {a} {width}");
            prop_assert_eq!((start / width).fract(), 0.0);
        }

        #[test]
        fn a_point_stands_at_the_last_value_of_the_other_series(
            steps in prop::collection::btree_set(-20..20i64, 0..20),
            other in prop::collection::btree_map(-20..20i64, prop_oneof![4 => real(), 1 => Just(f64::NAN)], 0..20),
        ) {
            let mut x = Points::default();
            other.iter().for_each(|(&step, &value)| x.push(step, 0, 0, value));
            let mut points = Points::default();
            steps.iter().for_each(|&step| points.push(step, 0, step * 10, 0.0));
            let along = Along::series(x);
            for (place, step) in along.places(points.view()).zip(&steps) {
                let before = other.range(..=step).rev().find(|(_, v)| v.is_finite());
                prop_assert_eq!(place, before.map(|(_, &v)| X::Real(v)));
            }
            let since: Vec<_> = Along::Since(7).places(points.view()).collect();
            prop_assert_eq!(since, steps.iter().map(|s| Some(X::Whole(s * 10 - 7))).collect::<Vec<_>>());
        }
    }

    #[test]
    fn each_word_reads_back_and_wrong_ones_are_refused() {
        for word in ["step", "time", "elapsed", "metric:a:b"] {
            assert_eq!(word.parse::<XAxis>().unwrap().to_string(), word);
        }
        for bad in ["", "metric", "metric:", "Time", "epoch"] {
            let text = bad.parse::<XAxis>().unwrap_err().to_string();
            assert!(text.contains("step, time, elapsed, metric:NAME"), "{text}");
        }
    }
}
