//! Buckets of one axis: equal widths, aligned at zero, floor division.
//!
//! Invariant: every i64 has a bucket and no arithmetic overflows. A bucket that would start below the least i64, or
//! end above the greatest, is cut there. Aggregates and charts call this.

/// A width of at least 1. Powers of two, which charts use, need a shift where others need a division.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// Two to this power, at most 63.
    Power(u32),
    /// Any other.
    Other(u64),
}

impl Width {
    /// Panics where `width` is 0, which callers refuse before.
    pub(crate) fn new(width: u64) -> Self {
        assert!(width > 0, "a bucket is at least 1 wide");
        if width.is_power_of_two() { Width::Power(width.trailing_zeros()) } else { Width::Other(width) }
    }

    /// Which bucket holds `x`.
    #[inline]
    pub(crate) fn index(self, x: i64) -> i64 {
        match self {
            Width::Power(shift) => x >> shift,
            Width::Other(width) => match i64::try_from(width) {
                // For a positive divisor the Euclidean quotient is the floor.
                Ok(width) => x.div_euclid(width),
                // Wider than all the positive numbers: one bucket on each side of zero.
                Err(_) => -i64::from(x < 0),
            },
        }
    }

    /// The least and the greatest i64 in a bucket that holds any.
    #[inline]
    pub(crate) fn range(self, index: i64) -> (i64, i64) {
        match self {
            Width::Power(shift) => {
                let start = index << shift;
                (start, start | (((1u64 << shift) - 1).cast_signed()))
            }
            Width::Other(width) => {
                let width = i128::from(width);
                let start = i128::from(index) * width;
                (clamp(start), clamp(start + width - 1))
            }
        }
    }
}

/// Whether two numbers lie in one bucket of a width of at least 1, aligned at 0.
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

/// Where the points from `from` on, ascending, leave the bucket that ends with `last`: doubling strides, then halves,
/// so that wide buckets cost few looks and narrow ones one.
#[inline]
pub(crate) fn end_of_ascending(column: &[i64], from: usize, last: i64) -> usize {
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

/// The same where points come in any order: the end of the run of points that stay in the bucket.
#[inline]
pub(crate) fn end_of_run(column: &[i64], from: usize, to: usize, (first, last): (i64, i64)) -> usize {
    let run = column[from..to].iter().take_while(|&&x| first <= x && x <= last).count();
    from + run
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
        fn a_bucket_is_the_floor_and_holds_its_range(width in any_width(), x in any_x()) {
            let w = Width::new(width);
            let index = w.index(x);
            prop_assert_eq!(i128::from(index), i128::from(x).div_euclid(i128::from(width)));
            let (first, last) = w.range(index);
            prop_assert!(first <= x && x <= last);
            prop_assert_eq!((w.index(first), w.index(last)), (index, index));
            prop_assert!(first == i64::MIN || w.index(first - 1) == index - 1);
            prop_assert!(last == i64::MAX || w.index(last + 1) == index + 1);
        }

        #[test]
        fn the_end_is_the_first_point_beyond(
            steps in prop::collection::vec(any_x(), 1..60), from in 0..60usize, last in any_x(),
        ) {
            let mut steps = steps;
            steps.sort_unstable();
            let from = from % steps.len();
            let last = last.max(steps[from]);
            let expected = (from..steps.len()).find(|&i| steps[i] > last).unwrap_or(steps.len());
            prop_assert_eq!(end_of_ascending(&steps, from, last), expected);
            prop_assert_eq!(end_of_run(&steps, from, steps.len(), (i64::MIN, last)), expected);
        }
    }
}
