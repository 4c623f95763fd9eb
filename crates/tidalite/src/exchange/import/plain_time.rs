//! Times of cells. Plain numbers have the unit that is given, or one that the first of them tells by its magnitude.

use super::cell::TableCell;
use super::fault::ImportFault;
use super::options::TimeUnit;
use std::borrow::Cow;
use tidalite_model::{TIME_US_MAX, TIME_US_MIN};
use tidalite_query::parse_time;

/// 1980 in seconds. No number that is a time since then in one unit is one in another, up to the year 11,000. Before it,
/// small numbers such as seconds since the start of a program would look like times.
const YEAR_1980_S: f64 = 315_532_800.0;

/// How a file's plain numbers are read as times.
#[derive(Debug)]
pub(super) struct PlainTimes {
    given: Option<TimeUnit>,
    inferred: Option<TimeUnit>,
}

impl PlainTimes {
    pub(super) fn new(given: Option<TimeUnit>) -> PlainTimes {
        PlainTimes { given, inferred: None }
    }

    /// The unit that the numbers so far told.
    pub(super) fn inferred(&self) -> Option<TimeUnit> {
        self.inferred
    }

    /// The cell as a time, µs since 1970 UTC.
    pub(super) fn time_us(&mut self, cell: TableCell<'_>) -> Result<i64, ImportFault> {
        let us = match cell {
            TableCell::TimeUs(us) => Some(us),
            TableCell::Int(n) => return self.whole(cell, i128::from(n)),
            TableCell::UInt(n) => return self.whole(cell, i128::from(n)),
            TableCell::Float(x) => return self.float(cell, x),
            TableCell::Text(text) if !text.trim_ascii().is_empty() => {
                let text = text.trim_ascii();
                match (text.parse::<i128>(), text.parse::<f64>()) {
                    (Ok(n), _) => return self.whole(cell, n),
                    (_, Ok(x)) => return self.float(cell, x),
                    _ => match parse_time(&rfc_3339(text)) {
                        Some(us) => Some(us),
                        None => {
                            let remedy = "write it as 2026-01-31T12:00:00Z (RFC 3339), or as a number";
                            return Err(cell.wrong("is not a time", remedy));
                        }
                    },
                }
            }
            TableCell::Null | TableCell::Text(_) => {
                return Err(ImportFault::wrong("there is no time", "fill it, or drop the row"));
            }
            TableCell::Bool(_) | TableCell::Other(_) => {
                return Err(cell.wrong("is not a time", "give a timestamp, RFC 3339 text, or a number"));
            }
        };
        in_range(cell, us)
    }

    /// The unit for a number, which is inferred from the first one.
    fn unit(&mut self, cell: TableCell<'_>, number: f64) -> Result<TimeUnit, ImportFault> {
        if let Some(unit) = self.given.or(self.inferred) {
            return Ok(unit);
        }
        let units = [
            (1e9, TimeUnit::Nanos),
            (1e6, TimeUnit::Micros),
            (1e3, TimeUnit::Millis),
            (1.0, TimeUnit::Seconds),
        ];
        match units.into_iter().find(|(scale, _)| number >= YEAR_1980_S * scale) {
            Some((_, unit)) => {
                self.inferred = Some(unit);
                Ok(unit)
            }
            None => Err(too_early(cell)),
        }
    }

    fn whole(&mut self, cell: TableCell<'_>, n: i128) -> Result<i64, ImportFault> {
        let us = match self.unit(cell, n as f64)? {
            TimeUnit::Seconds => n.checked_mul(1_000_000),
            TimeUnit::Millis => n.checked_mul(1_000),
            TimeUnit::Micros => Some(n),
            TimeUnit::Nanos => Some(n.div_euclid(1_000)),
        };
        let us = in_range(cell, us.and_then(|us| i64::try_from(us).ok()))?;
        self.late_enough(cell, us)
    }

    fn float(&mut self, cell: TableCell<'_>, x: f64) -> Result<i64, ImportFault> {
        if !x.is_finite() {
            return Err(cell.wrong("is not a time", "correct the time, or drop the row"));
        }
        // Writers of tables turn whole numbers into floats where a column has a gap.
        if x.fract() == 0.0 && x.abs() < 1e30 {
            return self.whole(cell, x as i128);
        }
        let us = match self.unit(cell, x)? {
            TimeUnit::Seconds => (x * 1e6).round(),
            TimeUnit::Millis => (x * 1e3).round(),
            TimeUnit::Micros | TimeUnit::Nanos => {
                return Err(cell.wrong(
                    "is a time with a fraction",
                    "set the time unit to s or ms, or give whole numbers",
                ));
            }
        };
        let fits = us >= TIME_US_MIN as f64 && us <= TIME_US_MAX as f64;
        let us = in_range(cell, fits.then_some(us as i64))?;
        self.late_enough(cell, us)
    }

    /// Refuses a time before 1980 in a unit that is only inferred.
    fn late_enough(&self, cell: TableCell<'_>, us: i64) -> Result<i64, ImportFault> {
        match self.given.is_none() && us < (YEAR_1980_S * 1e6) as i64 {
            true => Err(too_early(cell)),
            false => Ok(us),
        }
    }
}

fn too_early(cell: TableCell<'_>) -> ImportFault {
    cell.wrong("would be a time before 1980", "give the time unit (s, ms, us or ns), or correct the time")
}

fn in_range(cell: TableCell<'_>, us: Option<i64>) -> Result<i64, ImportFault> {
    match us {
        Some(us) if (TIME_US_MIN..=TIME_US_MAX).contains(&us) => Ok(us),
        _ => Err(cell.wrong(
            "is a time outside the years 1 to 9999",
            "give the time unit (s, ms, us or ns), or correct the time",
        )),
    }
}

/// A time as RFC 3339 writes it, from the forms `2026/01/31 12:00:00.5` and `2026-01-31 12:00:00 UTC` of system tools.
fn rfc_3339(text: &str) -> Cow<'_, str> {
    let (text, zone) = match text.strip_suffix(" UTC").or_else(|| text.strip_suffix(" GMT")) {
        Some(rest) => (rest, "Z"),
        None => (text, ""),
    };
    let bytes = text.as_bytes();
    let slashes = bytes.get(4) == Some(&b'/') && bytes.get(7) == Some(&b'/');
    match slashes {
        true => Cow::Owned(format!("{}{zone}", text.replacen('/', "-", 2))),
        false if zone.is_empty() => Cow::Borrowed(text),
        false => Cow::Owned(format!("{text}{zone}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_US: i64 = 1_780_000_000_000_000;

    fn one(text: &str, unit: Option<TimeUnit>) -> Result<i64, ImportFault> {
        PlainTimes::new(unit).time_us(TableCell::Text(text))
    }

    #[test]
    fn the_magnitude_of_the_first_number_tells_the_unit() {
        for (text, unit) in [
            ("1780000000", TimeUnit::Seconds),
            ("1780000000.0", TimeUnit::Seconds),
            ("1.78e9", TimeUnit::Seconds),
            ("1780000000000", TimeUnit::Millis),
            ("1780000000000.0", TimeUnit::Millis),
            ("1780000000000000", TimeUnit::Micros),
            ("1780000000000000999", TimeUnit::Nanos),
        ] {
            let mut times = PlainTimes::new(None);
            assert_eq!(times.time_us(TableCell::Text(text)).unwrap(), AT_US, "{text}");
            assert_eq!(times.inferred(), Some(unit), "{text}");
        }
        for early in ["0", "-1", "1.5", "3600", "315532799", "-1780000000000"] {
            assert!(one(early, None).is_err(), "{early}");
        }
        assert_eq!(one("315532800", None).unwrap(), 315_532_800_000_000);
    }

    #[test]
    fn a_number_of_another_magnitude_is_refused() {
        let mut times = PlainTimes::new(None);
        times.time_us(TableCell::Int(1_780_000_000_000)).unwrap();
        assert!(times.time_us(TableCell::Int(1_780_000_000)).is_err());
        let mut times = PlainTimes::new(None);
        times.time_us(TableCell::Int(1_780_000_000)).unwrap();
        assert!(times.time_us(TableCell::Int(1_780_000_000_000)).is_err());
    }

    #[test]
    fn a_given_unit_holds_for_every_number() {
        for (text, unit, us) in [
            ("0", TimeUnit::Micros, 0),
            ("1", TimeUnit::Seconds, 1_000_000),
            ("-0.25", TimeUnit::Seconds, -250_000),
            ("0.5", TimeUnit::Millis, 500),
            ("-1", TimeUnit::Nanos, -1),
            ("-1000", TimeUnit::Nanos, -1),
            ("-1001", TimeUnit::Nanos, -2),
            ("2026-05-28T20:26:40Z", TimeUnit::Nanos, AT_US),
        ] {
            assert_eq!(one(text, Some(unit)).unwrap(), us, "{text}");
        }
        for (text, unit) in [
            ("1780000000.5", TimeUnit::Micros),
            ("1780000000000000000", TimeUnit::Micros),
            ("yesterday", TimeUnit::Micros),
            ("1e300", TimeUnit::Seconds),
            ("nan", TimeUnit::Seconds),
        ] {
            assert!(one(text, Some(unit)).is_err(), "{text}");
        }
    }

    #[test]
    fn times_of_system_tools_are_read() {
        for text in [
            "2026/05/28 20:26:40.000",
            "2026-05-28 20:26:40 UTC",
            "2026/05/28 20:26:40 GMT",
            " 2026-05-28 20:26:40",
        ] {
            assert_eq!(one(text, None).unwrap(), AT_US, "{text}");
        }
        assert!(one("2026/13/28", None).is_err());
    }
}
