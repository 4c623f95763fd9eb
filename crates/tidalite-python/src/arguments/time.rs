//! Times and durations as whole microseconds; times count from 1970 UTC.
//!
//! A bare int is microseconds. Datetimes and pandas timestamps without a zone are UTC, as is `numpy.datetime64`. Text is
//! ISO 8601, or relative to now as for the command: `-1h`. Fractions of a microsecond are dropped.

use crate::errors::{invalid, raise};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidalite::moment_us;

/// Objects of the `datetime` module.
struct Clock {
    datetime: Py<PyAny>,
    timedelta: Py<PyAny>,
    /// 1970 with the zone UTC, and without a zone.
    epoch: Py<PyAny>,
    epoch_naive: Py<PyAny>,
    microsecond: Py<PyAny>,
}

/// The value in a cell, made on first use. Making it may run the collector and so a finalizer that needs it as well. So
/// nothing is locked meanwhile, and of two values the first one stays.
pub(crate) fn once<'a, T>(
    py: Python<'_>,
    cell: &'a PyOnceLock<T>,
    make: impl FnOnce() -> PyResult<T>,
) -> PyResult<&'a T> {
    if let Some(made) = cell.get(py) {
        return Ok(made);
    }
    let made = make()?;
    Ok(cell.get_or_init(py, || made))
}

fn clock(py: Python<'_>) -> PyResult<&'static Clock> {
    static CLOCK: PyOnceLock<Clock> = PyOnceLock::new();
    once(py, &CLOCK, || {
        let module = py.import("datetime")?;
        let datetime = module.getattr("datetime")?;
        let timedelta = module.getattr("timedelta")?;
        let utc = module.getattr("timezone")?.getattr("utc")?;
        let epoch_naive = datetime.call1((1970, 1, 1))?;
        let epoch = datetime.call1((1970, 1, 1, 0, 0, 0, 0, utc))?;
        let microsecond = timedelta.call1((0, 0, 1))?;
        Ok(Clock {
            datetime: datetime.unbind(),
            timedelta: timedelta.unbind(),
            epoch: epoch.unbind(),
            epoch_naive: epoch_naive.unbind(),
            microsecond: microsecond.unbind(),
        })
    })
}

/// Microseconds since 1970 UTC.
pub(crate) fn to_us(time: &Bound<'_, PyAny>) -> PyResult<i64> {
    let py = time.py();
    if let Ok(us) = time.cast_exact::<PyInt>() {
        return whole(us.as_any());
    }
    let clock = clock(py)?;
    if time.is_instance(clock.datetime.bind(py))? {
        // The NaT of pandas is a datetime that differs from itself.
        if time.ne(time)? {
            return Err(not_a_time());
        }
        let naive = time.getattr("tzinfo")?.is_none();
        let epoch = if naive { &clock.epoch_naive } else { &clock.epoch };
        let since = time.sub(epoch.bind(py))?;
        // For a pandas timestamp this is a pandas timedelta, in nanoseconds; the division is the same.
        return whole(&since.floor_div(clock.microsecond.bind(py))?);
    }
    if let Ok(text) = time.cast::<PyString>() {
        // Eight digits are a date, not microseconds.
        return match clock.datetime.bind(py).call_method1("fromisoformat", (text,)) {
            Ok(parsed) => to_us(&parsed),
            Err(_) => moment_us(text.to_str()?, now_us()).map_err(raise),
        };
    }
    if time.getattr("dtype").and_then(|d| d.getattr("kind")).is_ok_and(|k| k.eq("M").unwrap_or(false)) {
        let one = py.import("numpy")?.call_method1("atleast_1d", (time,))?;
        return match datetimes_us(&one)?.first() {
            Some(Some(us)) => Ok(*us),
            _ => Err(not_a_time()),
        };
    }
    if time.is_instance_of::<PyBool>() || time.is_instance_of::<PyFloat>() {
        return Err(PyTypeError::new_err(format!(
            "time {time} is of type {}; give whole microseconds since 1970 (int(seconds * 1e6)), or a datetime",
            time.get_type().name()?
        )));
    }
    whole(time).map_err(|_| {
        let kind = time.get_type().fully_qualified_name().map_or_else(|_| "object".into(), |n| n.to_string());
        PyTypeError::new_err(format!(
            "time is of type {kind}; give whole microseconds since 1970, a datetime, or ISO 8601 text"
        ))
    })
}

#[allow(
    clippy::disallowed_methods,
    reason = "an hour ago is by the clock of the caller, and no store is at hand"
)]
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn not_a_time() -> PyErr {
    invalid("read time", "it is NaT, not a time", "leave such points out")
}

/// The datetimes of a NumPy array in µs since 1970 UTC, rounded down; `None` for NaT. NumPy's own conversion wraps around
/// where a time does not fit.
pub(crate) fn datetimes_us(array: &Bound<'_, PyAny>) -> PyResult<Vec<Option<i64>>> {
    let numpy = array.py().import("numpy")?;
    let dtype = array.getattr("dtype")?;
    let (unit, count) = numpy.call_method1("datetime_data", (dtype,))?.extract::<(String, i64)>()?;
    // Of one unit, how many µs, or the part of one µs.
    let (multiply, divide): (i128, i128) = match unit.as_str() {
        "W" => (7 * 86_400_000_000, 1),
        "D" => (86_400_000_000, 1),
        "h" => (3_600_000_000, 1),
        "m" => (60_000_000, 1),
        "s" => (1_000_000, 1),
        "ms" => (1_000, 1),
        "us" => (1, 1),
        "ns" => (1, 1_000),
        "ps" => (1, 1_000_000),
        "fs" => (1, 1_000_000_000),
        "as" => (1, 1_000_000_000_000),
        // Years and months have no fixed length. Those of the years that a time may have fit in days.
        _ => return calendar_us(array),
    };
    numbers_of(array)?
        .into_iter()
        .map(|n| match n {
            i64::MIN => Ok(None),
            n => {
                let us = (i128::from(n) * i128::from(count) * multiply).div_euclid(divide);
                i64::try_from(us).map(Some).map_err(|_| out_of_range(us))
            }
        })
        .collect()
}

fn calendar_us(array: &Bound<'_, PyAny>) -> PyResult<Vec<Option<i64>>> {
    /// More months than lie between 1970 and the year 9999, or the year 1.
    const FAR: u64 = 200_000;
    if let Some(far) = numbers_of(array)?.into_iter().find(|n| *n != i64::MIN && n.unsigned_abs() > FAR) {
        return Err(out_of_range(i128::from(far)));
    }
    datetimes_us(&array.call_method1("astype", ("datetime64[D]",))?)
}

fn numbers_of(array: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    array.call_method1("astype", ("int64",))?.call_method0("tolist")?.extract()
}

fn out_of_range(number: i128) -> PyErr {
    invalid(
        "read time",
        format!("a datetime64 ({number}) is outside the years 1 to 9999"),
        "correct the time",
    )
}

fn whole(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    value.extract::<i64>().map_err(|e| {
        if e.is_instance_of::<pyo3::exceptions::PyOverflowError>(value.py()) {
            invalid(
                "read time",
                format!("{value} is outside the years 1 to 9999"),
                "give microseconds since 1970 UTC",
            )
        } else {
            e
        }
    })
}

/// Microseconds since 1970 UTC as a datetime in UTC.
pub(crate) fn from_us(py: Python<'_>, us: i64) -> PyResult<Bound<'_, PyAny>> {
    let clock = clock(py)?;
    clock.epoch.bind(py).add(clock.timedelta.bind(py).call1((0, 0, us))?)
}

/// A duration: seconds as a number, or a `timedelta`; `what` describes it in errors.
pub(crate) fn duration(what: &str, value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let py = value.py();
    let seconds = if value.is_instance(clock(py)?.timedelta.bind(py))? {
        value.call_method0("total_seconds")?.extract::<f64>()?
    } else if value.is_instance_of::<PyBool>() || value.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(format!("{what} is {value:?}; give seconds, or a timedelta")));
    } else {
        value
            .extract::<f64>()
            .map_err(|_| PyTypeError::new_err(format!("{what} is {value:?}; give seconds, or a timedelta")))?
    };
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| invalid(what, format!("{seconds} seconds is not a duration"), "give a number above 0"))
}

/// The width of a time bucket in microseconds, from an int or a `timedelta`.
pub(crate) fn width_us(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    let py = value.py();
    let us = if value.is_instance(clock(py)?.timedelta.bind(py))? {
        value.floor_div(clock(py)?.microsecond.bind(py))?.extract::<i64>()?
    } else {
        value.extract::<i64>().map_err(|_| {
            PyTypeError::new_err(format!(
                "time_bucket: {value:?} is not a width; give text such as '1s', a timedelta, or microseconds"
            ))
        })?
    };
    u64::try_from(us)
        .ok()
        .filter(|&us| us > 0)
        .ok_or_else(|| invalid("time_bucket", format!("the width is {us} µs"), "give at least 1 µs"))
}
