//! Times as RFC 3339 text.
//!
//! Calendar arithmetic is jiff's civil time: jiff's timestamps end a day before the year 9999 does, and a stored time
//! may lie in that day.

use jiff::SignedDuration;
use jiff::civil::{DateTime, Time};
use jiff::fmt::temporal::Pieces;

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
const SECOND_US: i64 = 1_000_000;

/// Writes times of the years 1 to 9999 as `2026-01-31T12:00:00.000000Z`. It keeps the text of the last second, since
/// points of one second often follow each other.
///
/// ```
/// let mut text = Vec::new();
/// tidalite_query::TimeText::default().write(1, &mut text);
/// assert_eq!(text, b"1970-01-01T00:00:00.000001Z");
/// ```
#[derive(Debug, Default)]
pub struct TimeText {
    second: Option<i64>,
    head: String,
}

impl TimeText {
    /// Appends the text of `time_us`.
    ///
    /// # Panics
    /// Where the year is not 1 to 9999.
    pub fn write(&mut self, time_us: i64, out: &mut Vec<u8>) {
        let second = time_us.div_euclid(SECOND_US);
        if self.second != Some(second) {
            let at = EPOCH
                .checked_add(SignedDuration::from_secs(second))
                .expect("stored times lie in the years 1 to 9999");
            self.head = format!(
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.",
                at.year(),
                at.month(),
                at.day(),
                at.hour(),
                at.minute(),
                at.second()
            );
            self.second = Some(second);
        }
        out.extend_from_slice(self.head.as_bytes());
        let mut digits = *b"000000Z";
        let mut rest = time_us.rem_euclid(SECOND_US);
        for digit in digits[..6].iter_mut().rev() {
            *digit += u8::try_from(rest % 10).expect("a digit is below 10");
            rest /= 10;
        }
        out.extend_from_slice(&digits);
    }
}

/// Parses an RFC 3339 time to µs since 1970 UTC. Without an offset it is UTC, without a time of day midnight; digits
/// finer than a microsecond are cut. `None` where the text is not such a time, or names a time zone.
///
/// ```
/// assert_eq!(tidalite_query::parse_time("1970-01-02"), Some(86_400_000_000));
/// ```
pub fn parse_time(text: &str) -> Option<i64> {
    let pieces = Pieces::parse(text).ok()?;
    if pieces.time_zone_annotation().is_some() {
        return None;
    }
    let at = pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight()));
    let offset = pieces.to_numeric_offset().map_or(0, |o| i128::from(o.seconds()));
    let ns = at.duration_since(EPOCH).as_nanos() - offset * 1_000_000_000;
    i64::try_from(ns.div_euclid(1_000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidalite_model::{TIME_US_MAX, TIME_US_MIN};

    fn text(time_us: i64) -> String {
        let mut out = Vec::new();
        TimeText::default().write(time_us, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_stored_time_is_written_and_read_back() {
        assert_eq!(text(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(text(-1), "1969-12-31T23:59:59.999999Z");
        assert_eq!(text(TIME_US_MIN), "0001-01-01T00:00:00.000000Z");
        assert_eq!(text(TIME_US_MAX), "9999-12-31T23:59:59.999999Z");
        for us in [TIME_US_MIN, -1, 0, 1, 1_780_000_000_123_456, TIME_US_MAX - SECOND_US, TIME_US_MAX] {
            assert_eq!(parse_time(&text(us)), Some(us));
        }
    }

    #[test]
    fn offsets_are_applied_and_naive_times_are_utc() {
        let noon = parse_time("2026-02-03T12:00:00Z").unwrap();
        for same in [
            "2026-02-03 12:00:00",
            "2026-02-03T12:00:00.0000009",
            "2026-02-03t14:30:00+02:30",
            "2026-02-03T11:00:00-01:00",
        ] {
            assert_eq!(parse_time(same), Some(noon), "{same}");
        }
        assert_eq!(parse_time("2026-02-03"), Some(noon - 12 * 3600 * SECOND_US));
    }

    #[test]
    fn other_text_is_not_a_time() {
        for bad in
            ["", "noon", "2026-13-01", "12:00", "2026-02-03T12:00:00[Europe/Berlin]", "2026-02-03T25:00:00Z"]
        {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }
}
