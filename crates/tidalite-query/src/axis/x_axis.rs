//! X-axes by their words, and their columns.

use super::scale::{XScale, XValue};
use crate::batch::timestamp;
use crate::words::shown;
use arrow::array::{ArrayRef, Float64Array, Int64Array, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use tidalite_model::{Error, Result};

/// What points are ordered by and drawn over.
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
    /// The value of another metric of the run, at the point's step or the last before it, Float64; word `metric:NAME`.
    Metric(String),
    /// The value of another metric of the run, at the point's step or the first after it, Float64; word `next:NAME`. It is for
    /// metrics that are logged at the end of what they count, such as an epoch.
    NextMetric(String),
}

const MICROS_PER_SECOND: f64 = 1e6;

impl FromStr for XAxis {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let named = |prefix: &str| word.strip_prefix(prefix).filter(|name| !name.is_empty());
        match (word, named("metric:"), named("next:")) {
            ("step", ..) => Ok(XAxis::Step),
            ("time", ..) => Ok(XAxis::Time),
            ("elapsed", ..) => Ok(XAxis::Elapsed),
            (_, Some(name), _) => Ok(XAxis::Metric(name.into())),
            (_, _, Some(name)) => Ok(XAxis::NextMetric(name.into())),
            _ => Err(Error::invalid(
                "read x-axis",
                format!("`{}` is not an axis", shown(word)),
                "use any of step, time, elapsed, metric:NAME, next:NAME",
            )),
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
            XAxis::NextMetric(name) => write!(f, "next:{name}"),
        }
    }
}

impl XAxis {
    /// The metric whose values it has.
    pub fn metric(&self) -> Option<&str> {
        match self {
            XAxis::Metric(name) | XAxis::NextMetric(name) => Some(name),
            XAxis::Step | XAxis::Time | XAxis::Elapsed => None,
        }
    }

    /// The column that holds its values.
    pub(crate) fn field(&self) -> Field {
        let data_type = match self {
            XAxis::Step => DataType::Int64,
            XAxis::Time => timestamp(),
            XAxis::Elapsed | XAxis::Metric(_) | XAxis::NextMetric(_) => DataType::Float64,
        };
        Field::new("x", data_type, false)
    }

    /// The column of x. Values of a time axis are µs since 1970, of an elapsed axis µs since the start.
    pub(crate) fn column(&self, values: impl Iterator<Item = XValue>) -> ArrayRef {
        match self {
            XAxis::Step => Arc::new(Int64Array::from_iter_values(values.map(XValue::int))),
            XAxis::Time => {
                let times = TimestampMicrosecondArray::from_iter_values(values.map(XValue::int));
                Arc::new(times.with_timezone("UTC"))
            }
            XAxis::Elapsed => {
                let seconds = values.map(|x| x.int() as f64 / MICROS_PER_SECOND);
                Arc::new(Float64Array::from_iter_values(seconds))
            }
            XAxis::Metric(_) | XAxis::NextMetric(_) => {
                Arc::new(Float64Array::from_iter_values(values.map(XValue::float)))
            }
        }
    }

    /// A width in integers of the scale, in the unit of the column; seconds for time.
    pub(crate) fn width(&self, width: u64, scale: XScale) -> f64 {
        match self {
            XAxis::Step => width as f64,
            XAxis::Time | XAxis::Elapsed => width as f64 / MICROS_PER_SECOND,
            XAxis::Metric(_) | XAxis::NextMetric(_) => width as f64 * scale.unit(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_axis_reads_back_from_its_word(
            axis in prop_oneof![
                prop::sample::select(vec![XAxis::Step, XAxis::Time, XAxis::Elapsed]),
                ".{1,9}".prop_map(XAxis::Metric),
                ".{1,9}".prop_map(XAxis::NextMetric),
            ],
        ) {
            prop_assert_eq!(axis.to_string().parse::<XAxis>().unwrap(), axis);
        }
    }

    #[test]
    fn each_word_reads_back_and_wrong_ones_are_refused() {
        for word in ["step", "time", "elapsed", "metric:a:b", "next:a:b"] {
            assert_eq!(word.parse::<XAxis>().unwrap().to_string(), word);
        }
        for bad in ["", "metric", "metric:", "next:", "Time", "epoch"] {
            let text = bad.parse::<XAxis>().unwrap_err().to_string();
            assert!(text.contains("step, time, elapsed, metric:NAME"), "{text}");
        }
    }
}
