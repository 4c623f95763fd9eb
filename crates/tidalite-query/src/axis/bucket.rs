//! Buckets of one axis: equal widths, aligned at zero, floor division; or those of a calendar.
//!
//! Invariant: every i64 has a bucket and no arithmetic overflows. A bucket that would start below the least i64, or
//! end above the greatest, is cut there.

use super::calendar::Calendar;
use crate::points::rises;
use std::sync::Arc;
use tidalite_model::Extent;

/// The width of buckets, at least 1. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Width(WidthKind);

/// Powers of two, which charts use, take a shift where others take a division.
#[derive(Debug, Clone, PartialEq, Eq)]
enum WidthKind {
    /// Two to this power, at most 63.
    Power(u32),
    /// Any other.
    Other(u64),
    /// Microseconds, by a calendar.
    Calendar(Arc<Calendar>),
}

impl Width {
    /// Panics where `width` is 0.
    pub(crate) fn new(width: u64) -> Self {
        assert!(width > 0, "a bucket is at least 1 wide");
        Width(match width.is_power_of_two() {
            true => WidthKind::Power(width.trailing_zeros()),
            false => WidthKind::Other(width),
        })
    }

    /// The buckets of a calendar, for times in µs.
    pub(crate) fn of_calendar(calendar: &Calendar) -> Self {
        Width(WidthKind::Calendar(Arc::new(calendar.clone())))
    }

    /// The width, where all buckets have the same.
    #[inline]
    fn even(&self) -> Option<u64> {
        match self.0 {
            WidthKind::Power(shift) => Some(1 << shift),
            WidthKind::Other(width) => Some(width),
            WidthKind::Calendar(_) => None,
        }
    }

    /// The width, or about that of a calendar's buckets.
    pub fn about(&self) -> u64 {
        match &self.0 {
            WidthKind::Calendar(calendar) => calendar.width_us(),
            _ => self.even().unwrap_or(1),
        }
    }

    /// Whether all of an extent lies in one bucket.
    pub fn holds(&self, extent: Extent) -> bool {
        self.bucket_of(extent).is_some()
    }

    /// The index of the bucket that holds `x`.
    #[inline]
    pub(crate) fn index(&self, x: i64) -> i64 {
        match &self.0 {
            WidthKind::Power(shift) => x >> shift,
            WidthKind::Calendar(calendar) => calendar.index(x),
            &WidthKind::Other(width) => match i64::try_from(width) {
                // For a positive divisor the Euclidean quotient is the floor.
                Ok(width) => x.div_euclid(width),
                // Wider than all positive i64: one bucket on each side of zero.
                Err(_) => -i64::from(x < 0),
            },
        }
    }

    /// The index of the bucket that holds all of an extent; `None` where it spans several.
    pub(crate) fn bucket_of(&self, extent: Extent) -> Option<i64> {
        let index = self.index(extent.first);
        (self.index(extent.last) == index).then_some(index)
    }

    /// The least and the greatest i64 in a bucket that holds one.
    #[inline]
    pub(crate) fn range(&self, index: i64) -> Extent {
        match &self.0 {
            WidthKind::Calendar(calendar) => calendar.range(index),
            WidthKind::Power(shift) => {
                let start = index << shift;
                Extent { first: start, last: start | (((1u64 << shift) - 1).cast_signed()) }
            }
            &WidthKind::Other(width) => {
                let start = i64::try_from(width).ok().and_then(|width| index.checked_mul(width));
                let last = start.and_then(|start| start.checked_add_unsigned(width - 1));
                start.zip(last).map(|(first, last)| Extent { first, last }).unwrap_or_else(|| {
                    let start = i128::from(index) * i128::from(width);
                    Extent { first: clamp(start), last: clamp(start + i128::from(width) - 1) }
                })
            }
        }
    }
}

/// Whether two numbers lie in one bucket of this width, aligned at 0.
///
/// ```
/// use tidalite_query::same_bucket;
/// assert!(same_bucket(8, 15, 8) && !same_bucket(7, 8, 8) && !same_bucket(-1, 0, 8));
/// ```
///
/// # Panics
/// Where the width is 0.
pub fn same_bucket(a: i64, b: i64, width: u64) -> bool {
    let width = Width::new(width);
    width.index(a) == width.index(b)
}

fn clamp(x: i128) -> i64 {
    i64::try_from(x).unwrap_or(if x < 0 { i64::MIN } else { i64::MAX })
}

/// A column cut into runs that lie in one bucket each: the bucket, and the index after its run.
#[derive(Debug)]
pub(crate) struct BucketRuns<'a> {
    column: &'a [i64],
    width: Width,
    ascending: bool,
    /// The index at which the next run starts.
    at: usize,
    /// The bucket of the previous run, the greatest number of that bucket, and the length of that run.
    bucket: i64,
    last: i64,
    length: usize,
}

impl<'a> BucketRuns<'a> {
    /// Cuts a column in any order.
    pub(crate) fn of(column: &'a [i64], width: Width) -> Self {
        Self::of_ascending(column, width, rises(column, 0))
    }

    /// Cuts a column, whose caller knows whether it ascends.
    pub(crate) fn of_ascending(column: &'a [i64], width: Width, ascending: bool) -> Self {
        BucketRuns { column, width, ascending, at: 0, bucket: 0, last: i64::MIN, length: 0 }
    }

    /// Moves to the bucket of a number. Mostly that is the next bucket, which takes no division.
    #[inline]
    fn turn(&mut self, x: i64) {
        let next = self.width.even().and_then(|width| self.last.checked_add_unsigned(width));
        let next = next.filter(|&last| self.length > 0 && self.last < x && x <= last);
        (self.bucket, self.last) = match next {
            Some(last) => (self.bucket + 1, last),
            None => {
                let bucket = self.width.index(x);
                (bucket, self.width.range(bucket).last)
            }
        };
    }

    /// The index after the run that starts here.
    #[inline]
    fn end(&self) -> usize {
        if !self.ascending {
            let first = self.width.range(self.bucket).first;
            let within = self.column[self.at..].iter().take_while(|&&x| first <= x && x <= self.last);
            return self.at + within.count();
        }
        // A run is mostly as long as the previous one.
        let guess = self.at + self.length;
        let holds = |i: usize| self.column[i] <= self.last;
        let met = guess > self.at && guess <= self.column.len() && holds(guess - 1);
        if met && (guess == self.column.len() || !holds(guess)) {
            return guess;
        }
        end_of_ascending(self.column, self.at, self.last)
    }
}

impl Iterator for BucketRuns<'_> {
    type Item = (i64, usize);

    #[inline]
    fn next(&mut self) -> Option<(i64, usize)> {
        self.turn(*self.column.get(self.at)?);
        let end = self.end();
        (self.length, self.at) = (end - self.at, end);
        Some((self.bucket, end))
    }
}

/// The index after the numbers from `from` on that are at most `last`, in an ascending column: doubling strides, then
/// halving. A run of n numbers takes about log n comparisons, a run of one takes one.
fn end_of_ascending(column: &[i64], from: usize, last: i64) -> usize {
    if column.get(from + 1).is_none_or(|&x| x > last) {
        return from + 1;
    }
    let mut stride = 2;
    while from + stride < column.len() && column[from + stride] <= last {
        stride *= 2;
    }
    let (lo, hi) = (from + stride / 2, (from + stride).min(column.len()));
    lo + column[lo..hi].partition_point(|&x| x <= last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_width() -> impl Strategy<Value = u64> {
        let power = (0..64u32).prop_map(|shift| 1 << shift);
        prop_oneof![1..20u64, any::<u64>().prop_map(|w| w.max(1)), power, Just(u64::MAX)]
    }

    fn any_x() -> impl Strategy<Value = i64> {
        prop_oneof![-50..50i64, any::<i64>(), Just(i64::MIN), Just(i64::MAX)]
    }

    proptest! {
        #[test]
        fn a_bucket_is_the_floor_of_the_division_and_holds_its_range(width in any_width(), x in any_x()) {
            let w = Width::new(width);
            let index = w.index(x);
            prop_assert_eq!(i128::from(index), i128::from(x).div_euclid(i128::from(width)));
            let Extent { first, last } = w.range(index);
            prop_assert!(first <= x && x <= last);
            prop_assert_eq!((w.index(first), w.index(last)), (index, index));
            prop_assert!(first == i64::MIN || w.index(first - 1) == index - 1);
            prop_assert!(last == i64::MAX || w.index(last + 1) == index + 1);
        }

        #[test]
        fn a_run_holds_the_neighbours_that_share_a_bucket(
            xs in prop::collection::vec(any_x(), 0..60), width in any_width(), ascending in any::<bool>(),
        ) {
            let (mut xs, w) = (xs, Width::new(width));
            if ascending {
                xs.sort_unstable();
            }
            let mut expected = Vec::new();
            let mut end = 0;
            for same in xs.chunk_by(|a, b| w.index(*a) == w.index(*b)) {
                end += same.len();
                expected.push((w.index(same[0]), end));
            }
            prop_assert_eq!(BucketRuns::of(&xs, w.clone()).collect::<Vec<_>>(), expected);
        }
    }
}
