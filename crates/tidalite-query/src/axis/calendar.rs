//! Buckets of time that follow a calendar: days, weeks, months and years of a time zone, and parts of its days.
//!
//! A bucket starts at the first instant of its date, so a day on which clocks are changed is 23 or 25 hours long. Weeks
//! start on Monday. Months and years are counted from the year 0, so `3mo` are quarters and `10y` are decades.
//!
//! Parts of a day: up to an hour they are equally long and counted from the start of the day; longer ones start at a time of
//! the clock, such as 06:00.
//!
//! Invariant: buckets ascend with time, and each i64 is in exactly one. What jiff's timestamps cannot hold, a day at the
//! ends of years −9999 and 9999, belongs to the first and the last bucket.

use jiff::civil::{Date, DateTime, Time, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use tidalite_model::{Error, Extent, Result};

/// Buckets of a calendar. As a word: a count with the unit `d`, `w`, `mo` or `y`, or with `s`, `m`, `min` or `h` for a
/// part of a day, and after an `@` the name of a time zone; without it, UTC.
///
/// ```
/// use tidalite_query::Calendar;
/// let days: Calendar = "1d@Europe/Berlin".parse()?;
/// assert_eq!(days.to_string(), "1d@Europe/Berlin");
/// assert!("1d@Europe/Berlim".parse::<Calendar>().is_err());
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    unit: CalendarUnit,
    count: u32,
    zone: TimeZone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum CalendarUnit {
    /// Seconds that divide a day; there are `count` of them in a bucket.
    Second,
    Day,
    Week,
    Month,
    Year,
}

const DAY_SECONDS: u32 = 86_400;
const HOUR_SECONDS: u32 = 3_600;
/// The day of the first Monday before 1970, in days from 1970 on.
const FIRST_MONDAY: i64 = -3;
const EPOCH: Date = date(1970, 1, 1);
/// A day of 25 hours has more parts than others. Each day has this many times the numbers that it needs.
const SPARE_PARTS: i64 = 2;

impl Calendar {
    /// Whether a width of time is one of a calendar: in whole weeks, months or years, or with a time zone. Other widths are
    /// even, and aligned at 1970 UTC.
    pub(crate) fn is_word(width: &str) -> bool {
        width.contains('@') || (width.ends_with(['w', 'o', 'y']) && !width.contains('.'))
    }

    /// The index of the bucket that holds a time, in µs since 1970 UTC.
    pub(crate) fn index(&self, us: i64) -> i64 {
        let local = self.zone.to_datetime(timestamp(us));
        let mut index = self.index_of(local, us);
        // Where clocks are set back over the start of a bucket, the local time alone says too little.
        while self.start(index) > us {
            index -= 1;
        }
        let mut next = self.start(index + 1);
        while next <= us && next < i64::MAX {
            index += 1;
            next = self.start(index + 1);
        }
        index
    }

    /// The first and the last µs of a bucket.
    pub(crate) fn range(&self, index: i64) -> Extent {
        let (first, next) = (self.start(index), self.start(index + 1));
        let last = if next == i64::MAX { next } else { next - 1 };
        Extent { first: first.min(last), last }
    }

    /// Whether each bucket of `narrow` lies in one of these.
    pub(crate) fn covers(&self, narrow: &Calendar) -> bool {
        let divides = self.count.is_multiple_of(narrow.count);
        let is_day =
            narrow.unit == CalendarUnit::Second || (narrow.unit == CalendarUnit::Day && narrow.count == 1);
        self.zone == narrow.zone
            && match (self.unit, narrow.unit) {
                // Parts of a day up to an hour count from its start, others follow the clock.
                (CalendarUnit::Second, CalendarUnit::Second) => {
                    divides && (self.count <= HOUR_SECONDS) == (narrow.count <= HOUR_SECONDS)
                }
                (CalendarUnit::Second, _) => false,
                (CalendarUnit::Year, CalendarUnit::Month) => (self.count * 12).is_multiple_of(narrow.count),
                (wide, unit) if wide == unit => divides,
                _ => is_day,
            }
    }

    /// Whether each bucket of so many µs, aligned at 1970 UTC, lies in one of these.
    pub(crate) fn covers_even(&self, us: u64) -> bool {
        let part = self.unit != CalendarUnit::Second && us > 0;
        part && self.zone == TimeZone::UTC && (u64::from(DAY_SECONDS) * 1_000_000).is_multiple_of(us)
    }

    /// About the width of a bucket, in µs.
    pub(crate) fn width_us(&self) -> u64 {
        let days = match self.unit {
            CalendarUnit::Second => return u64::from(self.count) * 1_000_000,
            CalendarUnit::Day => 1,
            CalendarUnit::Week => 7,
            CalendarUnit::Month => 30,
            CalendarUnit::Year => 365,
        };
        days * u64::from(self.count) * u64::from(DAY_SECONDS) * 1_000_000
    }

    fn index_of(&self, local: DateTime, us: i64) -> i64 {
        let count = i64::from(self.count);
        let months = || i64::from(local.year()) * 12 + i64::from(local.month()) - 1;
        match self.unit {
            CalendarUnit::Second => {
                let day = days_since_epoch(local.date());
                day * self.parts_of_day() + self.part_of(local, us)
            }
            CalendarUnit::Day => days_since_epoch(local.date()).div_euclid(count),
            CalendarUnit::Week => (days_since_epoch(local.date()) - FIRST_MONDAY).div_euclid(7 * count),
            CalendarUnit::Month => months().div_euclid(count),
            CalendarUnit::Year => months().div_euclid(12 * count),
        }
    }

    /// The numbers that each day has for its parts.
    fn parts_of_day(&self) -> i64 {
        SPARE_PARTS * i64::from(DAY_SECONDS / self.count)
    }

    fn part_of(&self, local: DateTime, us: i64) -> i64 {
        let seconds = if self.count <= HOUR_SECONDS {
            us.saturating_sub(self.start_of(local.date())).div_euclid(1_000_000)
        } else {
            let time = local.time();
            i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second())
        };
        (seconds / i64::from(self.count)).clamp(0, self.parts_of_day() - 1)
    }

    /// The first µs of a bucket.
    fn start(&self, index: i64) -> i64 {
        let count = i64::from(self.count);
        let days = match self.unit {
            CalendarUnit::Second => return self.start_of_part(index),
            CalendarUnit::Day => index.saturating_mul(count),
            CalendarUnit::Week => index.saturating_mul(7 * count).saturating_add(FIRST_MONDAY),
            CalendarUnit::Month => return self.start_of_month(index.saturating_mul(count)),
            CalendarUnit::Year => return self.start_of_month(index.saturating_mul(12 * count)),
        };
        self.start_of_day(days)
    }

    fn start_of_part(&self, index: i64) -> i64 {
        let parts = self.parts_of_day();
        let (day, part) = (index.div_euclid(parts), index.rem_euclid(parts));
        let end = self.start_of_day(day + 1);
        let seconds = part * i64::from(self.count);
        if self.count <= HOUR_SECONDS {
            return self.start_of_day(day).saturating_add(seconds * 1_000_000).min(end);
        }
        if seconds >= i64::from(DAY_SECONDS) {
            return end;
        }
        match date_of(day) {
            Some(date) => {
                let clock = Time::midnight() + SignedDuration::from_secs(seconds);
                self.instant(date.to_datetime(clock)).min(end)
            }
            None => end,
        }
    }

    fn start_of_day(&self, day: i64) -> i64 {
        date_of(day).map_or(if day < 0 { i64::MIN } else { i64::MAX }, |date| self.start_of(date))
    }

    /// `months` are counted from January of the year 0 on.
    fn start_of_month(&self, months: i64) -> i64 {
        let year = i16::try_from(months.div_euclid(12)).ok();
        let month = i8::try_from(months.rem_euclid(12) + 1).expect("a month is below 13");
        let first = year.and_then(|year| Date::new(year, month, 1).ok());
        first.map_or(if months < 0 { i64::MIN } else { i64::MAX }, |date| self.start_of(date))
    }

    fn start_of(&self, date: Date) -> i64 {
        self.instant(date.to_datetime(Time::midnight()))
    }

    /// The first instant with a local time; where clocks skip it, the instant at which they do. Times that jiff cannot hold
    /// are at the ends.
    fn instant(&self, local: DateTime) -> i64 {
        let found = self.zone.to_ambiguous_timestamp(local).compatible();
        found.map_or(if local.year() < 0 { i64::MIN } else { i64::MAX }, Timestamp::as_microsecond)
    }
}

fn timestamp(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap_or(if us < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

fn days_since_epoch(date: Date) -> i64 {
    date.duration_since(EPOCH).as_hours() / 24
}

fn date_of(day: i64) -> Option<Date> {
    EPOCH.checked_add(i32::try_from(day).ok()?.days()).ok()
}

impl Hash for Calendar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.unit, self.count, self.zone.iana_name()).hash(state);
    }
}

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            CalendarUnit::Second => "s",
            CalendarUnit::Day => "d",
            CalendarUnit::Week => "w",
            CalendarUnit::Month => "mo",
            CalendarUnit::Year => "y",
        };
        let word = format!("{}{unit}", self.count);
        let is_utc = self.zone == TimeZone::UTC;
        match self.zone.iana_name() {
            Some(zone) if !is_utc || !Calendar::is_word(&word) => write!(f, "{word}@{zone}"),
            _ => f.write_str(&word),
        }
    }
}

impl FromStr for Calendar {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let (width, zone) = word.split_once('@').map_or((word, None), |(width, zone)| (width, Some(zone)));
        let digits = width.find(|c: char| !c.is_ascii_digit()).unwrap_or(width.len());
        let (count, unit) = width.split_at(digits);
        let count = count.parse::<u32>().ok().filter(|&count| (1..=COUNT_MAX).contains(&count));
        let part = |seconds: u32| (CalendarUnit::Second, seconds);
        let unit = match unit {
            "s" => Some(part(1)),
            "m" | "min" => Some(part(60)),
            "h" => Some(part(HOUR_SECONDS)),
            "d" => Some((CalendarUnit::Day, 1)),
            "w" => Some((CalendarUnit::Week, 1)),
            "mo" => Some((CalendarUnit::Month, 1)),
            "y" => Some((CalendarUnit::Year, 1)),
            _ => None,
        };
        let Some((count, (unit, of))) = count.zip(unit) else {
            let wrong = format!("`{}` is not a width of a calendar", crate::words::shown(word));
            return Err(Error::invalid(DOING, wrong, "write it as in 1d, 1w, 3mo or 6h@Europe/Berlin"));
        };
        let count = count.saturating_mul(of);
        let divides = |width: u32| width <= DAY_SECONDS && DAY_SECONDS.is_multiple_of(width);
        if unit == CalendarUnit::Second
            && !(divides(count) && (count > HOUR_SECONDS || HOUR_SECONDS.is_multiple_of(count)))
        {
            let wrong = format!("`{}` does not divide an hour or a day", crate::words::shown(width));
            return Err(Error::invalid(
                DOING,
                wrong,
                "give 1, 5, 10, 15 or 30 min, 1, 2, 3, 4, 6, 8 or 12 h, or leave out the time zone",
            ));
        }
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| {
                let wrong = format!("there is no time zone `{}`", crate::words::shown(name));
                Error::invalid(DOING, wrong, "give a name of the IANA database such as Europe/Berlin, or UTC")
            })?,
        };
        Ok(Calendar { unit, count, zone })
    }
}

const DOING: &str = "read width";
/// More years than there are.
const COUNT_MAX: u32 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn calendar(word: &str) -> Calendar {
        word.parse().unwrap()
    }

    fn us(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    /// The start of the bucket that holds a time.
    fn start(word: &str, time: &str) -> String {
        let calendar = calendar(word);
        let first = calendar.range(calendar.index(us(time))).first;
        Timestamp::from_microsecond(first).unwrap().to_string()
    }

    #[test]
    fn buckets_start_where_the_calendar_says() {
        for (word, time, expected) in [
            ("1d", "2026-11-28T13:00:00Z", "2026-11-28T00:00:00Z"),
            ("1d@Europe/Berlin", "2026-11-28T23:30:00Z", "2026-11-28T23:00:00Z"),
            ("1d@Europe/Berlin", "2026-07-01T21:59:59Z", "2026-06-30T22:00:00Z"),
            ("1w", "2026-11-28T13:00:00Z", "2026-11-23T00:00:00Z"),
            ("2w", "1970-01-01T00:00:00Z", "1969-12-29T00:00:00Z"),
            ("1w@America/New_York", "2026-11-23T04:00:00Z", "2026-11-16T05:00:00Z"),
            ("1mo", "2024-02-29T12:00:00Z", "2024-02-01T00:00:00Z"),
            ("3mo@Asia/Kolkata", "2026-03-31T18:30:00Z", "2026-03-31T18:30:00Z"),
            ("1y", "1969-07-20T20:17:00Z", "1969-01-01T00:00:00Z"),
            ("10y", "2026-11-28T00:00:00Z", "2020-01-01T00:00:00Z"),
            ("6h@Europe/Berlin", "2026-11-28T05:00:00Z", "2026-11-28T05:00:00Z"),
            ("6h@Europe/Berlin", "2026-11-28T04:59:59Z", "2026-11-27T23:00:00Z"),
            ("1h@Asia/Kolkata", "2026-11-28T13:00:00Z", "2026-11-28T12:30:00Z"),
        ] {
            assert_eq!(start(word, time), expected, "{word} at {time}");
        }
    }

    #[test]
    fn days_on_which_clocks_change_have_23_and_25_hours() {
        let days = calendar("1d@Europe/Berlin");
        let hours = |time| {
            let Extent { first, last } = days.range(days.index(us(time)));
            (last + 1 - first) / 3_600_000_000
        };
        assert_eq!([hours("2026-03-29T10:00:00Z"), hours("2026-10-25T10:00:00Z")], [23, 25]);
        // 06:00 by the clock, on both days.
        assert_eq!(start("6h@Europe/Berlin", "2026-03-29T10:00:00Z"), "2026-03-29T10:00:00Z");
        assert_eq!(start("6h@Europe/Berlin", "2026-03-29T09:59:00Z"), "2026-03-29T04:00:00Z");
        assert_eq!(start("6h@Europe/Berlin", "2026-10-25T10:59:00Z"), "2026-10-25T05:00:00Z");
        // Each of the 25 hours by itself.
        let parts = calendar("1h@Europe/Berlin");
        let starts: Vec<i64> = (0..25)
            .map(|hour| us("2026-10-24T22:00:00Z") + hour * 3_600_000_000)
            .map(|at| parts.range(parts.index(at + 1)).first - at)
            .collect();
        assert_eq!(starts, [0; 25]);
    }

    #[test]
    fn wide_buckets_cover_narrow_ones_that_never_cross_their_ends() {
        for (wide, narrow, covers) in [
            ("1mo", "1d", true),
            ("1w@Europe/Berlin", "1d@Europe/Berlin", true),
            ("1d@Europe/Berlin", "1h@Europe/Berlin", true),
            ("1y", "3mo", true),
            ("2y", "5mo", false),
            ("6mo", "2mo", true),
            ("1mo", "1w", false),
            ("1y", "1w", false),
            ("1mo", "7d", false),
            ("1d", "1w", false),
            ("1mo", "1d@Europe/Berlin", false),
            ("30min@UTC", "15min@UTC", true),
            ("6h@UTC", "15min@UTC", false),
        ] {
            assert_eq!(calendar(wide).covers(&calendar(narrow)), covers, "{wide} of {narrow}");
        }
        assert!(calendar("1mo").covers_even(3_600_000_000) && calendar("1d").covers_even(86_400_000_000));
        assert!(
            !calendar("1d").covers_even(7_000_000) && !calendar("1d@Asia/Kolkata").covers_even(3_600_000_000)
        );
    }

    #[test]
    fn a_wrong_word_is_refused_with_an_example() {
        for word in
            ["", "d", "0d", "1", "1x", "1.5d", "-1d", "1d@", "1d@Nowhere/City", "7h@UTC", "25min", "100001y"]
        {
            let error = word.parse::<Calendar>().unwrap_err().to_string();
            assert!(error.contains("give") || error.contains("write it as in"), "{word}: {error}");
        }
    }

    proptest! {
        #[test]
        fn each_time_is_in_one_bucket_and_buckets_ascend(
            time in prop_oneof![any::<i64>(), -3_000_000_000_000_000..5_000_000_000_000_000i64,
                Just(i64::MIN), Just(i64::MAX)],
            word in prop::sample::select(vec!["1d", "1w", "2w", "1mo", "5mo", "1y", "7y", "1d@Europe/Berlin",
                "1d@America/Sao_Paulo", "1mo@Pacific/Apia", "1d@Pacific/Apia", "15min@Australia/Lord_Howe",
                "2h@America/New_York", "12h@Australia/Lord_Howe", "1h@America/Havana", "3d@Asia/Kathmandu"]),
        ) {
            let calendar = calendar(word);
            let index = calendar.index(time);
            let Extent { first, last } = calendar.range(index);
            prop_assert!(first <= time && time <= last, "{} at {}: {}..={}", word, time, first, last);
            prop_assert_eq!((calendar.index(first), calendar.index(last)), (index, index));
            prop_assert!(first == i64::MIN || calendar.index(first - 1) < index);
            prop_assert!(last == i64::MAX || calendar.index(last + 1) > index);
            prop_assert_eq!(&calendar.to_string().parse::<Calendar>().unwrap(), &calendar);
        }
    }
}
