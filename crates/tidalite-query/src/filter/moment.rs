//! A moment as a person writes it: relative to now, in µs since 1970, a date, or a date and a time.

use super::rfc3339::parse_time;
use crate::words::{MICROS, micros};
use tidalite_model::{Error, Result};

const DOING: &str = "read time";

/// A moment in µs since 1970 UTC: `now`, `-1h` or `+5m` relative to `now_us`, a number of µs since 1970, `2026-01-31`, or
/// `2026-01-31T12:00:00Z`; without an offset in UTC. Units are us, ms, s, m or min, h, d and w.
///
/// ```
/// use tidalite_query::moment_us;
/// assert_eq!(moment_us("-1h", 3_600_000_001)?, 1);
/// assert_eq!(moment_us("1970-01-02", 0)?, 86_400_000_000);
/// assert!(moment_us("yesterday", 0).is_err());
/// # Ok::<(), tidalite_model::Error>(())
/// ```
///
/// # Errors
/// `Invalid` for any other text.
pub fn moment_us(text: &str, now_us: i64) -> Result<i64> {
    if text == "now" {
        return Ok(now_us);
    }
    if let Ok(us) = text.parse::<i64>() {
        return Ok(us);
    }
    if let Some(span) = text.strip_prefix('-').or_else(|| text.strip_prefix('+')) {
        return relative(text.starts_with('-'), span, now_us);
    }
    parse_time(text).ok_or_else(|| {
        let remedy = "write 2026-01-31T12:00:00Z, 2026-01-31, µs since 1970, or -1h for an hour ago";
        Error::invalid(DOING, format!("{text:?} is not a time"), remedy)
    })
}

fn relative(is_before: bool, span: &str, now_us: i64) -> Result<i64> {
    let us = micros(span, &MICROS, f64::round).ok_or_else(|| {
        let wrong = format!("{span:?} is not a time span");
        Error::invalid(DOING, wrong, "write a number and its unit: 500ms, 10s, 5m, 1h, 2d or 1w")
    })?;
    let at = i64::try_from(us).ok().and_then(|us| now_us.checked_add(if is_before { -us } else { us }));
    at.ok_or_else(|| Error::invalid(DOING, format!("{span:?} is too far from now"), "write a shorter span"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_absolute_or_relative_to_now() {
        let now = 1_780_000_000_000_000;
        for (text, us) in [
            ("-1h", now - 3_600_000_000),
            ("-1.5h", now - 5_400_000_000),
            ("+250ms", now + 250_000),
            ("now", now),
            ("-17", -17),
            ("1970-01-02", 86_400_000_000),
            ("1970-01-01T02:00:00+01:00", 3_600_000_000),
        ] {
            assert_eq!(moment_us(text, now).unwrap(), us, "{text}");
        }
        for bad in ["", "-", "yesterday", "-5 parsecs", "2026-13-01", "12:00", "-999999999999w"] {
            assert!(moment_us(bad, now).is_err(), "{bad}");
        }
    }
}
