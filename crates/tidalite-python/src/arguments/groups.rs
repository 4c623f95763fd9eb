//! Groups: by the words of the engine, or by buckets of steps or time.

use super::time::width_us;
use crate::errors::{invalid, raise};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use tidalite::By;

/// Groups by buckets of steps or of time. Made by `step_bucket` and `time_bucket`.
#[pyclass(name = "Bucket", frozen, eq, hash, module = "tidalite", from_py_object)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GroupBucket(By);

#[pymethods]
impl GroupBucket {
    fn __repr__(&self) -> String {
        match &self.0 {
            By::StepBucket(width) => format!("step_bucket({width})"),
            By::TimeBucket(width) => format!("time_bucket({width})"),
            By::Calendar(calendar) => match calendar.to_string().split_once('@') {
                Some((width, zone)) => format!("time_bucket({width:?}, tz={zone:?})"),
                None => format!("time_bucket(\"{calendar}\")"),
            },
            other => other.column(),
        }
    }
}

/// Groups by buckets of `width` steps, aligned at step 0. The column `step_bucket` holds the first step of each bucket.
///
/// >>> tidalite.step_bucket(100)
/// step_bucket(100)
#[pyfunction]
pub fn step_bucket(width: i64) -> PyResult<GroupBucket> {
    let width = u64::try_from(width).ok().filter(|&w| w > 0);
    width
        .map(|w| GroupBucket(By::StepBucket(w)))
        .ok_or_else(|| invalid("step_bucket", "the width is below 1 step", "give at least 1"))
}

/// Groups by buckets of time. The column `time_bucket` holds the start of each bucket.
///
/// `width` is text such as '500ms', '1s', '5m', '1h', '1d', a timedelta, or whole microseconds; these are aligned at 1970
/// UTC. Text in whole weeks, months or years ('1w', '3mo', '1y') follows the calendar; weeks start on Monday.
///
/// With a time zone, days and longer buckets start at its midnight, and hours at those of its clock. `width` is then text, and a
/// part of an hour or of a day divides it.
///
/// >>> tidalite.time_bucket("1s")
/// time_bucket(1000000)
/// >>> tidalite.time_bucket("1d", tz="Europe/Berlin")
/// time_bucket("1d", tz="Europe/Berlin")
#[pyfunction]
#[pyo3(signature = (width, tz=None))]
pub fn time_bucket(width: &Bound<'_, PyAny>, tz: Option<&Bound<'_, PyAny>>) -> PyResult<GroupBucket> {
    let Ok(word) = width.cast::<PyString>() else {
        if tz.is_some() {
            return Err(invalid(
                "time_bucket",
                "the width is not text",
                "with tz, write it as in '1d' or '6h'",
            ));
        }
        return Ok(GroupBucket(By::TimeBucket(width_us(width)?)));
    };
    let word = word.to_str()?;
    // The text of a `zoneinfo.ZoneInfo` is its name.
    let by = match tz {
        Some(zone) => format!("time:{word}@{}", zone.str()?),
        None => format!("time:{word}"),
    };
    Ok(GroupBucket(by.parse().map_err(raise)?))
}

/// The groups of `by=`: one or several.
pub(crate) fn groups(by: &Bound<'_, PyAny>) -> PyResult<Vec<By>> {
    if by.is_instance_of::<PyString>() || by.is_instance_of::<GroupBucket>() {
        return Ok(vec![group(by)?]);
    }
    let items =
        by.try_iter().map_err(|_| PyTypeError::new_err(format!("by={by:?} is not a group; {WORDS}")))?;
    items.map(|item| group(&item?)).collect()
}

const WORDS: &str = "give any of 'run', 'metric', 'labels', 'label:<key>', 'param:<name>', 'step:<width>', 'time:<width>', step_bucket(n), time_bucket('1s', tz=None)";

fn group(by: &Bound<'_, PyAny>) -> PyResult<By> {
    if let Ok(bucket) = by.extract::<GroupBucket>() {
        return Ok(bucket.0);
    }
    let Ok(word) = by.cast::<PyString>() else {
        return Err(PyTypeError::new_err(format!("by={by:?} is not a group; {WORDS}")));
    };
    word.to_str()?.parse().map_err(raise)
}
