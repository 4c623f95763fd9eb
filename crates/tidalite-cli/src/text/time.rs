//! Times and durations as text.

use super::number::{short_number, trim_zeros};
use jiff::SignedDuration;
use jiff::civil::DateTime;
use std::time::Duration;

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

const DAY_S: f64 = 86400.0;

/// Formats a time to the microsecond: `2026-01-31T12:00:00.000000Z`, or for people with a space and without `Z`.
pub(crate) fn time_text(time_us: i64, people: bool) -> String {
    let (second, rest) = (time_us.div_euclid(1_000_000), time_us.rem_euclid(1_000_000));
    // A store holds times of the years 1 to 9999. Any other time is printed as a number.
    let Ok(at) = EPOCH.checked_add(SignedDuration::from_secs(second)) else { return time_us.to_string() };
    let (between, zone) = if people { (' ', "") } else { ('T', "Z") };
    format!("{}{between}{}.{rest:06}{zone}", at.date(), at.time())
}

/// Formats a duration in one or two units: `850 µs`, `3.2 s`, `2m 5s`.
pub(crate) fn human_duration(span: Duration) -> String {
    time_span(span.as_secs_f64())
}

/// Formats a duration in seconds, in one or two units: `850 µs`, `1.25 ms`, `3.2 s`, `2m 5s`, `1h 2m`, `3d 4h`.
pub(crate) fn time_span(seconds: f64) -> String {
    if !seconds.is_finite() {
        return short_number(seconds);
    }
    let size = seconds.abs();
    let sign = if seconds < 0.0 { "-" } else { "" };
    let (scale, unit) = match size {
        0.0 => return "0 s".into(),
        s if s < 999.5e-9 => (1e9, "ns"),
        s if s < 999.5e-6 => (1e6, "µs"),
        s if s < 0.9995 => (1e3, "ms"),
        s if s < 59.95 => (1.0, "s"),
        _ => return format!("{sign}{}", long_span(size)),
    };
    let scaled = size * scale;
    let decimals = (2 - scaled.log10().floor() as i32).clamp(0, 2) as usize;
    format!("{sign}{} {unit}", trim_zeros(format!("{scaled:.decimals$}"), ""))
}

/// Formats a duration of a minute or more in two units.
fn long_span(seconds: f64) -> String {
    let (large, small, ratio, names) = match seconds {
        s if s < 3599.5 => (s / 60.0, s, 60.0, ("m", "s")),
        s if s < DAY_S - 30.0 => (s / 3600.0, s / 60.0, 60.0, ("h", "m")),
        s => (s / DAY_S, s / 3600.0, 24.0, ("d", "h")),
    };
    // Round in the smaller unit first, so that 119.9 s is "2m", not "1m 60s".
    let small = small.round();
    debug_assert!(large >= 0.9);
    let (whole, rest) = ((small / ratio).floor(), small % ratio);
    if rest == 0.0 { format!("{whole}{}", names.0) } else { format!("{whole}{} {rest}{}", names.0, names.1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_microseconds() {
        assert_eq!(time_text(-1, false), "1969-12-31T23:59:59.999999Z");
        assert_eq!(time_text(0, true), "1970-01-01 00:00:00.000000");
        assert_eq!(time_text(tidalite::TIME_US_MAX, false), "9999-12-31T23:59:59.999999Z");
        assert_eq!(time_text(tidalite::TIME_US_MIN, false), "0001-01-01T00:00:00.000000Z");
    }

    #[test]
    fn durations_have_one_or_two_units() {
        let spans = [0.0, 2.5e-8, 850e-6, 0.001_25, 3.2, 125.0, 119.9, 3720.0, 3599.9, 100_800.0, -90.0];
        assert_eq!(
            spans.map(time_span),
            ["0 s", "25 ns", "850 µs", "1.25 ms", "3.2 s", "2m 5s", "2m", "1h 2m", "1h", "1d 4h", "-1m 30s"]
        );
        assert_eq!(human_duration(Duration::from_micros(1250)), "1.25 ms");
    }
}
