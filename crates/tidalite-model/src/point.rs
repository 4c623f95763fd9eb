//! Points, the series they belong to, and the order in which they were written.

use crate::{Error, Labels, Result};
use std::sync::Arc;

/// One observation of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The caller's x-axis.
    pub step: i64,
    /// Microseconds since 1970, UTC.
    pub time_us: i64,
    /// The value; its bits are kept.
    pub value: f64,
}

/// A series: run × metric × labels. Ordered by run, then metric, then the labels' canonical text. Parts and results
/// are in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// The run's id.
    pub run: Arc<str>,
    /// The metric's name.
    pub metric: Arc<str>,
    /// The labels, possibly none.
    pub labels: Labels,
}

impl SeriesKey {
    /// A key from its three parts, unchecked.
    pub fn new(run: impl Into<Arc<str>>, metric: impl Into<Arc<str>>, labels: Labels) -> Self {
        SeriesKey { run: run.into(), metric: metric.into(), labels }
    }
}

/// The place of a write: its writer, and the frame's ordinal within that writer. It says which write a point comes
/// from, and orders the writes of one writer. Those of several writers are ordered by [`WriteOrder`].
///
/// One 63-bit number: the writer's ordinal in the upper 23 bits, the frame's ordinal in the lower 40. So comparing
/// numbers compares (writer, ordinal). 2^40 frames last one process 12 days at a million frames per second. There can
/// be 8 million writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(u64);

/// Bits of the frame's ordinal in a [`Seq`].
pub const SEQ_ORDINAL_BITS: u32 = 40;
/// The greatest frame ordinal of one writer.
pub const SEQ_ORDINAL_MAX: u64 = (1 << SEQ_ORDINAL_BITS) - 1;
/// The greatest writer ordinal.
pub const WRITER_MAX: u32 = (1 << (63 - SEQ_ORDINAL_BITS)) - 1;

impl Seq {
    /// The place of frame `ordinal` of `writer`. Panics beyond [`WRITER_MAX`] or [`SEQ_ORDINAL_MAX`]; the log refuses
    /// to write such frames.
    pub fn new(writer: u32, ordinal: u64) -> Self {
        assert!(writer <= WRITER_MAX && ordinal <= SEQ_ORDINAL_MAX, "writer and ordinal fit their bits");
        Seq((u64::from(writer) << SEQ_ORDINAL_BITS) | ordinal)
    }

    /// The value stored in a part's `seq` column. Never negative.
    pub fn as_i64(self) -> i64 {
        self.0 as i64
    }

    /// Reads a value of a part's `seq` column. `None` if it is negative.
    pub fn from_i64(raw: i64) -> Option<Self> {
        u64::try_from(raw).ok().map(Seq)
    }

    /// The writer's ordinal.
    pub fn writer(self) -> u32 {
        (self.0 >> SEQ_ORDINAL_BITS) as u32
    }

    /// The frame's ordinal within its writer.
    pub fn ordinal(self) -> u64 {
        self.0 & SEQ_ORDINAL_MAX
    }
}

/// When a write happened, in the order of all writers of a store: by its clock, then by its place.
///
/// The clock is a hybrid logical clock in µs since 1970 UTC: the wall clock, but never less than the clock of any write
/// that its writer had made or seen before. So a write is greater than every write that its writer had seen, also if a
/// wall clock steps back. Writes at the same µs, or by writers whose wall clocks differ, have a fixed order too. See
/// Kulkarni et al., "Logical Physical Clocks" (2014).
///
/// ```
/// use tidalite_model::{Seq, WriteOrder};
/// let (early, late) = (WriteOrder::new(5, Seq::new(2, 0)), WriteOrder::new(6, Seq::new(1, 0)));
/// assert!(early < late && early < WriteOrder::new(5, Seq::new(2, 1)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WriteOrder {
    /// The clock of the write, µs since 1970 UTC.
    pub clock_us: i64,
    /// The place of the write. Decides between equal clocks.
    pub seq: Seq,
}

impl WriteOrder {
    /// The order of the write `seq` at this clock.
    pub fn new(clock_us: i64, seq: Seq) -> Self {
        WriteOrder { clock_us, seq }
    }
}

/// How a point was written: the clock of its write, and whether its step is automatic.
///
/// One integer, as a part's column `written` stores it: bit 0 is set if the step is automatic. The other bits are the
/// clock in µs since 1970 UTC, or 0 if the clock is the point's time. Most points are logged at the current time with
/// a step, so the column is mostly zeros.
///
/// ```
/// use tidalite_model::Written;
/// let (now, earlier) = (Written::new(70, 70, false), Written::new(70, 50, true));
/// assert_eq!((now, now.clock_us(70), now.is_automatic()), (Written::AT_ITS_TIME, 70, false));
/// assert_eq!((earlier.clock_us(50), earlier.is_automatic()), (70, true));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Written(i64);

impl Written {
    /// At its time, at a step that the caller chose.
    pub const AT_ITS_TIME: Written = Written(0);

    /// A point with this time, written at this clock, which is not 0. Both are within [`TIME_US_MIN`] and
    /// [`TIME_US_MAX`].
    #[inline]
    pub fn new(clock_us: i64, time_us: i64, automatic: bool) -> Self {
        let clock = if clock_us == time_us { 0 } else { clock_us };
        Written(clock << 1 | i64::from(automatic))
    }

    /// Written at this clock, whatever its time. The clock is not 0.
    #[inline]
    pub fn at(clock_us: i64, automatic: bool) -> Self {
        Written(clock_us << 1 | i64::from(automatic))
    }

    /// The clock of the write, for a point with this time.
    #[inline]
    pub fn clock_us(self, time_us: i64) -> i64 {
        match self.0 >> 1 {
            0 => time_us,
            clock => clock,
        }
    }

    /// Whether the store counted the step up. Such a point is never a repeat.
    #[inline]
    pub fn is_automatic(self) -> bool {
        self.0 & 1 == 1
    }

    /// The value stored in a part's `written` column.
    #[inline]
    pub fn as_i64(self) -> i64 {
        self.0
    }

    /// Reads a value of a part's `written` column.
    #[inline]
    pub fn from_i64(raw: i64) -> Self {
        Written(raw)
    }
}

/// 0001-01-01T00:00:00 UTC, the earliest time every reader of Parquet timestamps can show.
pub const TIME_US_MIN: i64 = -62_135_596_800_000_000;
/// 9999-12-31T23:59:59.999999 UTC, the latest such time.
pub const TIME_US_MAX: i64 = 253_402_300_799_999_999;

/// Checks that a time is within the years 1 to 9999.
///
/// # Errors
/// `Invalid` otherwise. The likely cause is a wrong unit, so the message names the expected one.
pub fn check_time(time_us: i64) -> Result<()> {
    if (TIME_US_MIN..=TIME_US_MAX).contains(&time_us) {
        return Ok(());
    }
    Err(Error::invalid(
        "check time",
        format!("time {time_us} is outside the years 1 to 9999"),
        "give times in microseconds since 1970 (nanoseconds divided by 1,000)",
    ))
}

/// The wrapping sum of the values' bits: equal for equal sets of values in any order, so that a copy of values can be
/// checked against its source.
///
/// ```
/// use tidalite_model::value_bits_sum;
/// assert_eq!(value_bits_sum(&[1.0, f64::NAN]), value_bits_sum(&[f64::NAN, 1.0]));
/// ```
pub fn value_bits_sum(values: &[f64]) -> u64 {
    values.iter().fold(0, |sum, v| sum.wrapping_add(v.to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seq_orders_by_writer_then_ordinal() {
        assert!(Seq::new(1, SEQ_ORDINAL_MAX) < Seq::new(2, 0));
        let s = Seq::new(WRITER_MAX, SEQ_ORDINAL_MAX);
        assert_eq!((s.writer(), s.ordinal()), (WRITER_MAX, SEQ_ORDINAL_MAX));
        assert_eq!(s.as_i64(), i64::MAX);
        assert_eq!(Seq::from_i64(s.as_i64()), Some(s));
        assert_eq!(Seq::from_i64(-1), None);
    }

    #[test]
    fn nanoseconds_are_refused_as_microseconds() {
        check_time(1_780_000_000_000_000).unwrap();
        assert!(check_time(1_780_000_000_000_000_000).is_err());
    }
}
