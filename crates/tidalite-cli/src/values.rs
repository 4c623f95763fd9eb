//! Parses the values of flags: ranges, times, durations, sizes, groups.
//!
//! Each public function is a clap value parser. It checks only the form of its text. Its error is one line, which clap
//! prints after the name of the flag.

use std::fmt::Display;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidalite::{Bounds, Param, Status, moment_us, param_from_json};

/// `a..b`, `a..=b`, `a..`, `..b`, or `a` alone, of steps.
pub(crate) fn steps(text: &str) -> Result<Bounds<i64>, String> {
    let step = |t: &str| t.replace('_', "").parse::<i64>().map_err(|_| format!("{t:?} is not a step"));
    // Nothing follows the greatest step, so a range that includes it has no upper bound.
    let after = |t: &str| step(t).map(|s| s.checked_add(1));
    let span = match text.split_once("..") {
        None => Bounds { lo: Some(step(text)?), hi: after(text)? },
        Some((a, b)) => match b.strip_prefix('=') {
            Some(b) => Bounds { lo: end(a, step)?, hi: after(b)? },
            None => Bounds { lo: end(a, step)?, hi: end(b, step)? },
        },
    };
    ordered(span)
}

/// `lo..hi` of values.
pub(crate) fn floats(text: &str) -> Result<Bounds<f64>, String> {
    let number = |t: &str| {
        let value = t.parse::<f64>().ok().filter(|v| !v.is_nan());
        value.ok_or_else(|| format!("{t:?} is not a number"))
    };
    let (a, b) = text.split_once("..").ok_or("give a range such as 0..1, 0.5.. or ..2")?;
    ordered(Bounds { lo: end(a, number)?, hi: end(b, number)? })
}

/// `a..b` of times, in µs since 1970 UTC.
pub(crate) fn times(text: &str) -> Result<Bounds<i64>, String> {
    let now = now_us();
    let (a, b) = text.split_once("..").ok_or("give a range such as -1h.. or 2026-01-31..2026-02-01")?;
    ordered(Bounds { lo: end(a, |t| time(t, now))?, hi: end(b, |t| time(t, now))? })
}

/// One time, in µs since 1970 UTC.
pub(crate) fn moment(text: &str) -> Result<i64, String> {
    time(text, now_us())
}

fn time(text: &str, now_us: i64) -> Result<i64, String> {
    moment_us(text, now_us).map_err(|e| e.to_string())
}

fn now_us() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => micros(after).unwrap_or(i64::MAX),
        Err(before) => micros(before.duration()).map_or(i64::MIN, |us| -us),
    }
}

fn end<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    let text = text.trim();
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

fn ordered<T: PartialOrd + Display>(span: Bounds<T>) -> Result<Bounds<T>, String> {
    match (&span.lo, &span.hi) {
        (Some(lo), Some(hi)) if lo >= hi => {
            Err(format!("the range {lo}..{hi} is empty; its second end must be greater"))
        }
        _ => Ok(span),
    }
}

/// A duration with its unit: `250ms`, `10s`, `1.5h`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        _ => return Err(format!("{text:?} has no time unit; write 500ms, 10s, 5m, 1h, 2d or 1w")),
    };
    let number: f64 = number.parse().map_err(|_| format!("{text:?} is not a duration"))?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| format!("{text:?} is too long"))
}

/// A number of seconds, or a duration with its unit.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(s) => Duration::try_from_secs_f64(s).map_err(|_| format!("{text:?} is not a duration")),
        Err(_) => duration(text),
    }
}

/// The time between two readings, from a tenth of a second to a day.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let within = Duration::from_millis(100)..=Duration::from_secs(86_400);
    Some(seconds(text)?)
        .filter(|span| within.contains(span))
        .ok_or_else(|| format!("{text:?} is not between 0.1 s and a day"))
}

/// A number of bytes: `256MiB`, `64MB`, `1GiB`, or without a unit.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a size; write 64MiB, 2GB, or a number of bytes");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|n| n.checked_mul(scale)).filter(|&n| n > 0).ok_or_else(wrong)
}

/// What is added to the ids of runs.
pub(crate) fn suffix(text: &str) -> Result<String, String> {
    match text.is_empty() {
        true => Err("it is empty; give at least one character, such as -b".into()),
        false => Ok(text.to_string()),
    }
}

/// The most buckets of a thinned series.
pub(crate) fn buckets(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|&n| n > 0)
        .ok_or_else(|| format!("{text:?} is not a number of buckets; give at least 1"))
}

/// `key=value`.
pub(crate) fn label(text: &str) -> Result<(String, String), String> {
    pair(text).ok_or_else(|| format!("{text:?} is not a label; write KEY=VALUE"))
}

/// `target=source`.
pub(crate) fn mapping(text: &str) -> Result<(String, String), String> {
    pair(text)
        .ok_or_else(|| format!("{text:?} is not a mapping; write TARGET=SOURCE, such as step=global_step"))
}

fn pair(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    (!key.is_empty() && !value.is_empty()).then(|| (key.to_owned(), value.to_owned()))
}

/// One word of a list: an aggregate, a group or a transform. Spaces around it are allowed, as after the list's commas.
pub(crate) fn word<T: FromStr<Err = tidalite::Error>>(text: &str) -> tidalite::Result<T> {
    text.trim().parse()
}

/// `name=value` of a param. The value is JSON, or text.
pub(crate) fn param(text: &str) -> Result<(String, Param), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("give name=value")?;
    let read = serde_json::from_str(value).ok().and_then(|json| param_from_json(&json));
    Ok((name.to_string(), read.unwrap_or_else(|| value.into())))
}

/// A value, or what follows by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrAuto<T> {
    /// `auto`.
    Auto,
    /// The value.
    Set(T),
}

impl<T> OrAuto<T> {
    /// The value, if there is one.
    pub(crate) fn set(self) -> Option<T> {
        match self {
            OrAuto::Auto => None,
            OrAuto::Set(value) => Some(value),
        }
    }
}

/// A status of a run, or `auto`.
pub(crate) fn status(text: &str) -> Result<OrAuto<Status>, String> {
    let words = || Status::ALL.map(Status::as_str).join(", ");
    match text {
        "auto" => Ok(OrAuto::Auto),
        word => Status::parse(word).map(OrAuto::Set).ok_or_else(|| format!("give one of {}, auto", words())),
    }
}

/// A status of a run.
pub(crate) fn given_status(text: &str) -> Result<Status, String> {
    Status::parse(text).ok_or_else(|| format!("give one of {}", Status::ALL.map(Status::as_str).join(", ")))
}

/// A time in µs since 1970 UTC, or `auto`.
pub(crate) fn time_or_auto(text: &str) -> Result<OrAuto<i64>, String> {
    if text == "auto" { Ok(OrAuto::Auto) } else { moment(text).map(OrAuto::Set) }
}

fn micros(span: Duration) -> Option<i64> {
    i64::try_from(span.as_micros()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidalite::By;

    fn span<T: Copy + PartialOrd>(lo: impl Into<Option<T>>, hi: impl Into<Option<T>>) -> Bounds<T> {
        Bounds::new(lo.into(), hi.into())
    }

    #[test]
    fn steps_are_half_open_ranges() {
        assert_eq!(steps("100..200"), Ok(span(100, 200)));
        assert_eq!(steps("-5..=5"), Ok(span(-5, 6)));
        assert_eq!(steps("1_000.."), Ok(span(1000, None)));
        assert_eq!(steps(".."), Ok(span(None, None)));
        assert_eq!(steps("7"), Ok(span(7, 8)));
        assert_eq!(steps("9223372036854775807"), Ok(span(i64::MAX, None)));
        for bad in ["", "a..b", "5..5", "9..1", "1..2..3", "1.5..2"] {
            assert!(steps(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_are_ranges_of_numbers() {
        assert_eq!(floats("-1.5..1e3"), Ok(span(-1.5, 1000.0)));
        assert_eq!(floats("..0"), Ok(span(None, 0.0)));
        assert_eq!(floats("0..inf"), Ok(span(0.0, f64::INFINITY)));
        for bad in ["1", "nan..", "x..1"] {
            assert!(floats(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_ranges_of_moments() {
        assert!(times("-1h..").is_ok() && times("-1h..-2h").is_err() && times("-1h").is_err());
        assert!(times("yesterday..").unwrap_err().contains("2026-01-31") && moment("-1h").is_ok());
    }

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        assert_eq!(
            [bytes("256MiB"), bytes("64mb"), bytes("4096")],
            [Ok(256 << 20), Ok(64_000_000), Ok(4096)]
        );
        for bad in ["", "0", "12 parsecs", "-1MiB", "99999999999GiB", "1.5GiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn params_are_json_or_text() {
        let read = |text: &str| param(text).unwrap().1;
        assert_eq!([read("x=3"), read("x=3e-4"), read("x=true")], [3.into(), 3e-4.into(), true.into()]);
        assert_eq!([read("x=adam"), read("x=\"3\""), read("x=")], ["adam".into(), "3".into(), "".into()]);
        assert_eq!((read("x=null"), read("x=[1]")), (Param::Null, Param::List(vec![1.into()])));
        assert_eq!(param("a=b=c").unwrap(), ("a".into(), "b=c".into()));
        assert!(param("x").is_err() && param("=3").is_err());
    }

    #[test]
    fn a_status_or_a_time_may_follow_by_itself() {
        assert_eq!((status("auto"), status("lost")), (Ok(OrAuto::Auto), Ok(OrAuto::Set(Status::Lost))));
        assert_eq!(time_or_auto("1970-01-01"), Ok(OrAuto::Set(0)));
        assert!(status("done").unwrap_err().contains("finished") && time_or_auto("never").is_err());
    }

    #[test]
    fn words_durations_and_labels_are_parsed() {
        assert_eq!(word::<By>(" label:rank").unwrap(), By::Label("rank".into()));
        assert!(word::<By>("runs").is_err());
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("2m"), Ok(Duration::from_secs(120)));
        assert!(seconds("-1").is_err() && seconds("soon").is_err());
        assert_eq!(label("rank=3=x"), Ok(("rank".into(), "3=x".into())));
        assert!(label("rank").is_err() && label("=3").is_err());
    }
}
