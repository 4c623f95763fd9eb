//! A cell of a table, and its meaning in each column. All formats use it, so text, numbers and typed columns follow the
//! same rules.

use super::fault::{ImportFault, quoted};
use super::options::TimeUnit;
use crate::exchange::nan_text;
use std::borrow::Cow;
use tidalite_model::{TIME_US_MAX, TIME_US_MIN};
use tidalite_query::parse_time;

/// A cell, with the type that the format gives it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TableCell<'a> {
    /// Empty.
    Null,
    Int(i64),
    UInt(u64),
    Float(f64),
    Text(&'a str),
    /// A typed timestamp, µs since 1970 UTC.
    TimeUs(i64),
    /// A type that no column accepts; the words name it in messages.
    Other(&'a str),
}

/// Whole numbers up to this one are exact in a float64, so a float is exactly one step.
const FLOAT_WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

impl<'a> TableCell<'a> {
    /// Whether the cell is null or empty text.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, TableCell::Null | TableCell::Text(""))
    }

    /// The cell as a name. An integer becomes its digits.
    pub(crate) fn name(self) -> Result<Cow<'a, str>, ImportFault> {
        match self {
            TableCell::Text(text) => Ok(Cow::Borrowed(text)),
            TableCell::Int(n) => Ok(Cow::Owned(n.to_string())),
            TableCell::UInt(n) => Ok(Cow::Owned(n.to_string())),
            TableCell::Null => Err(ImportFault::wrong("it is empty", "fill it, or drop the row")),
            other => Err(other.wrong("is not a name", "give text")),
        }
    }

    /// The cell as a step.
    pub(crate) fn step(self) -> Result<i64, ImportFault> {
        const REMEDY: &str = "give a whole number between -2^63 and 2^63 - 1";
        let whole = |x: f64| (x.fract() == 0.0 && x.abs() <= FLOAT_WHOLE_MAX).then_some(x as i64);
        let step = match self {
            TableCell::Int(n) => Some(n),
            TableCell::UInt(n) => i64::try_from(n).ok(),
            TableCell::Float(x) => whole(x),
            TableCell::Text(text) if !text.is_empty() => {
                let text = text.trim_ascii();
                text.parse().ok().or_else(|| {
                    // An integer that does not fit an i64 is out of range. Parsing it as a float would round it.
                    let float = text.contains(['.', 'e', 'E']);
                    text.parse().ok().filter(|_| float).and_then(whole)
                })
            }
            TableCell::Null | TableCell::Text(_) => {
                return Err(ImportFault::wrong(
                    "there is no step",
                    "fill it, or drop the row; ignore the column to count steps up instead",
                ));
            }
            TableCell::TimeUs(_) | TableCell::Other(_) => None,
        };
        step.ok_or_else(|| self.wrong("is not a step", REMEDY))
    }

    /// The cell as a value.
    pub(crate) fn value(self) -> Result<f64, ImportFault> {
        match self {
            TableCell::Int(n) => Ok(n as f64),
            TableCell::UInt(n) => Ok(n as f64),
            TableCell::Float(x) => Ok(x),
            TableCell::Text(text) if !text.is_empty() => {
                let text = text.trim_ascii();
                if let Some(nan) = nan_text::parse(text) {
                    return Ok(nan);
                }
                match text.parse::<f64>() {
                    // Refuses a number too large for a float64 instead of storing infinity.
                    Ok(x) if x.is_infinite() && text.contains(|c: char| c.is_ascii_digit()) => {
                        Err(self.wrong("is beyond the range of a float64", "write inf if you mean infinity"))
                    }
                    Ok(x) => Ok(x),
                    Err(_) => Err(self.wrong("is not a number", "give a number, NaN, inf or -inf")),
                }
            }
            TableCell::Null | TableCell::Text(_) => Err(ImportFault::wrong(
                "there is no value",
                "drop the row, or write NaN for a value that is not a number",
            )),
            TableCell::TimeUs(_) | TableCell::Other(_) => Err(self.wrong("is not a number", "give numbers")),
        }
    }

    /// The cell as a time, µs since 1970 UTC. `unit` applies to plain numbers.
    pub(crate) fn time_us(self, unit: Option<TimeUnit>) -> Result<i64, ImportFault> {
        let us = match self {
            TableCell::TimeUs(us) => Some(us),
            TableCell::Int(n) => whole_time(i128::from(n), unit),
            TableCell::UInt(n) => whole_time(i128::from(n), unit),
            TableCell::Float(x) => return self.float_time(x, unit),
            TableCell::Text(text) if !text.is_empty() => {
                let text = text.trim_ascii();
                match (text.parse::<i128>(), text.parse::<f64>()) {
                    (Ok(n), _) => whole_time(n, unit),
                    (_, Ok(x)) => return self.float_time(x, unit),
                    _ => match parse_time(text) {
                        Some(us) => Some(us),
                        None => {
                            let remedy = "write it as 2026-01-31T12:00:00Z (RFC 3339), or as a number and give its unit";
                            return Err(self.wrong("is not a time", remedy));
                        }
                    },
                }
            }
            TableCell::Null | TableCell::Text(_) => {
                return Err(ImportFault::wrong("there is no time", "fill it, or drop the row"));
            }
            TableCell::Other(_) => {
                return Err(self.wrong("is not a time", "give a timestamp, RFC 3339 text, or an integer"));
            }
        };
        match us {
            Some(us) if (TIME_US_MIN..=TIME_US_MAX).contains(&us) => Ok(us),
            _ => Err(self.wrong(
                "is a time outside the years 1 to 9999",
                "give the time unit (s, ms, us, ns; us by default)",
            )),
        }
    }

    fn float_time(self, x: f64, unit: Option<TimeUnit>) -> Result<i64, ImportFault> {
        if unit != Some(TimeUnit::Seconds) {
            return Err(self.wrong("is a time with a fraction", "set the time unit to s, or give integers"));
        }
        let us = (x * 1e6).round();
        if us >= TIME_US_MIN as f64 && us <= TIME_US_MAX as f64 {
            return Ok(us as i64);
        }
        Err(self.wrong("is a time outside the years 1 to 9999", "correct the time"))
    }

    fn wrong(self, what: &str, remedy: &str) -> ImportFault {
        let shown = match self {
            TableCell::Null => "nothing".to_owned(),
            TableCell::Int(n) => n.to_string(),
            TableCell::UInt(n) => n.to_string(),
            TableCell::Float(x) => x.to_string(),
            TableCell::Text(text) => quoted(text),
            TableCell::TimeUs(_) => "a timestamp".to_owned(),
            TableCell::Other(words) => words.to_owned(),
        };
        ImportFault::wrong(format!("{shown} {what}"), remedy)
    }
}

fn whole_time(n: i128, unit: Option<TimeUnit>) -> Option<i64> {
    let us = match unit.unwrap_or(TimeUnit::Micros) {
        TimeUnit::Seconds => n.checked_mul(1_000_000)?,
        TimeUnit::Millis => n.checked_mul(1_000)?,
        TimeUnit::Micros => n,
        TimeUnit::Nanos => n.div_euclid(1_000),
    };
    i64::try_from(us).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_whole_numbers_in_any_notation() {
        for (cell, step) in [
            (TableCell::Int(-3), -3),
            (TableCell::UInt(7), 7),
            (TableCell::Float(12.0), 12),
            (TableCell::Text(" 5 "), 5),
            (TableCell::Text("5.0"), 5),
            (TableCell::Text("1e3"), 1000),
            (TableCell::Text("-9223372036854775808"), i64::MIN),
        ] {
            assert_eq!(cell.step().unwrap(), step);
        }
        let bad = ["", "x", "1.5", "9223372036854775808", "nan", "1e300", "9007199254740994.0"]
            .map(TableCell::Text);
        for cell in bad.into_iter().chain([
            TableCell::Null,
            TableCell::UInt(u64::MAX),
            TableCell::Float(0.5),
            TableCell::Other("a list"),
        ]) {
            assert!(cell.step().is_err(), "{cell:?}");
        }
    }

    #[test]
    fn values_are_exact_and_too_large_ones_are_refused() {
        for (text, value) in [
            ("0.1", 0.1),
            ("-0", -0.0),
            ("5e-324", 5e-324),
            ("+Inf", f64::INFINITY),
            ("-infinity", f64::NEG_INFINITY),
        ] {
            assert_eq!(TableCell::Text(text).value().unwrap().to_bits(), value.to_bits(), "{text}");
        }
        for text in ["1e999", "-1e400", "abc", "0x10", "1,5", "NaN(", "NaN(0x0)", "nano", ""] {
            assert!(TableCell::Text(text).value().is_err(), "{text}");
        }
    }

    #[test]
    fn plain_times_have_the_given_unit() {
        let us = 1_780_000_000_000_000;
        for (text, unit) in [
            ("1780000000000000", None),
            ("1780000000", Some(TimeUnit::Seconds)),
            ("1780000000.0", Some(TimeUnit::Seconds)),
            ("1780000000000", Some(TimeUnit::Millis)),
            ("1780000000000000999", Some(TimeUnit::Nanos)),
            ("2026-05-28T20:26:40Z", Some(TimeUnit::Nanos)),
        ] {
            assert_eq!(TableCell::Text(text).time_us(unit).unwrap(), us, "{text}");
        }
        assert_eq!(TableCell::Float(-0.25).time_us(Some(TimeUnit::Seconds)).unwrap(), -250_000);
        for (text, unit) in [
            ("1780000000.5", None),
            ("1780000000000000000", None),
            ("yesterday", None),
            ("1e300", Some(TimeUnit::Seconds)),
            ("nan", Some(TimeUnit::Seconds)),
        ] {
            assert!(TableCell::Text(text).time_us(unit).is_err(), "{text}");
        }
    }
}
