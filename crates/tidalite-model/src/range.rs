//! Ranges of steps, times and values: [`Bounds`] is half-open and may be unbounded, [`Extent`] includes its two ends.
//!
//! A selection is a `Bounds`; the range that data covers is an `Extent`. The greatest integer is a valid step, so an
//! `Extent` that ends there has no half-open form with an upper bound: [`Extent::to_range`] leaves it unbounded.

/// A half-open range, lo ≤ x < hi. A `None` bound is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Bounds<T> {
    /// The least value inside.
    pub lo: Option<T>,
    /// The least value above the range.
    pub hi: Option<T>,
}

/// A half-open range of steps, lo ≤ step < hi.
pub type StepRange = Bounds<i64>;

impl<T: PartialOrd + Copy> Bounds<T> {
    /// The range that contains everything.
    pub const ALL: Self = Bounds { lo: None, hi: None };

    /// A range from its two bounds.
    pub fn new(lo: Option<T>, hi: Option<T>) -> Self {
        Bounds { lo, hi }
    }

    /// Whether both ends are unbounded.
    pub fn is_all(&self) -> bool {
        self.lo.is_none() && self.hi.is_none()
    }

    /// Whether `x` is in the range. NaN is only in the unbounded range.
    #[inline]
    pub fn contains(&self, x: T) -> bool {
        self.lo.is_none_or(|lo| x >= lo) && self.hi.is_none_or(|hi| x < hi)
    }
}

impl Bounds<i64> {
    /// The values in both ranges.
    ///
    /// ```
    /// use tidalite_model::StepRange;
    /// let range = StepRange::new(Some(3), None).clip(StepRange::new(Some(1), Some(9)));
    /// assert_eq!(range, StepRange::new(Some(3), Some(9)));
    /// ```
    pub fn clip(self, other: Self) -> Self {
        let lo = self.lo.max(other.lo);
        let hi = match (self.hi, other.hi) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Bounds { lo, hi }
    }

    /// Whether any value of `extent` is in the range.
    pub fn meets(&self, extent: Extent) -> bool {
        self.lo.is_none_or(|lo| extent.last >= lo) && self.hi.is_none_or(|hi| extent.first < hi)
    }

    /// Whether every value of `extent` is in the range.
    pub fn covers(&self, extent: Extent) -> bool {
        self.contains(extent.first) && self.contains(extent.last)
    }
}

/// The least and the greatest of some steps or times. Both are included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Extent {
    /// The least value.
    pub first: i64,
    /// The greatest value; never below `first`.
    pub last: i64,
}

impl Extent {
    /// An extent from its two ends. Panics in debug builds if `last` is below `first`.
    pub fn new(first: i64, last: i64) -> Self {
        debug_assert!(first <= last, "an extent ends at or after its start");
        Extent { first, last }
    }

    /// The extent of values in any order. `None` if there are none.
    pub fn of(values: impl IntoIterator<Item = i64>) -> Option<Self> {
        values.into_iter().map(|x| Extent { first: x, last: x }).reduce(Self::join)
    }

    /// The smallest extent that contains both.
    ///
    /// ```
    /// use tidalite_model::Extent;
    /// assert_eq!(Extent::new(0, 3).join(Extent::new(7, 9)), Extent::new(0, 9));
    /// ```
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Extent { first: self.first.min(other.first), last: self.last.max(other.last) }
    }

    /// Whether the extents have a value in common.
    pub fn meets(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Whether `x` is in the extent.
    pub fn contains(self, x: i64) -> bool {
        self.first <= x && x <= self.last
    }

    /// The part of the extent that is in `range`. `None` if no value is.
    pub fn clip(self, range: StepRange) -> Option<Self> {
        let first = range.lo.map_or(self.first, |lo| self.first.max(lo));
        let last = match range.hi {
            None => self.last,
            Some(hi) => self.last.min(hi.checked_sub(1)?),
        };
        (first <= last).then_some(Extent { first, last })
    }

    /// The same values as a half-open range. It is unbounded above if the last value is the greatest integer.
    pub fn to_range(self) -> StepRange {
        Bounds { lo: Some(self.first), hi: self.last.checked_add(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_a_range_keeps_the_narrower_bound_at_each_end() {
        let wide = StepRange::new(Some(-5), Some(10));
        assert_eq!(wide.clip(StepRange::ALL), wide);
        assert_eq!(StepRange::ALL.clip(wide), wide);
        assert_eq!(wide.clip(StepRange::new(Some(0), Some(20))), StepRange::new(Some(0), Some(10)));
        assert_eq!(wide.clip(StepRange::new(None, Some(3))), StepRange::new(Some(-5), Some(3)));
    }

    #[test]
    fn a_range_meets_an_extent_where_one_value_lies_in_both() {
        let range = StepRange::new(Some(3), Some(5));
        let met = |first, last| range.meets(Extent::new(first, last));
        assert_eq!([met(0, 2), met(0, 3), met(4, 9), met(5, 9)], [false, true, true, false]);
        assert_eq!([range.covers(Extent::new(3, 4)), range.covers(Extent::new(3, 5))], [true, false]);
    }

    #[test]
    fn an_extent_is_clipped_to_nothing_outside_the_range() {
        let extent = Extent::new(3, 8);
        assert_eq!(extent.clip(StepRange::new(Some(5), None)), Some(Extent::new(5, 8)));
        assert_eq!(extent.clip(StepRange::new(None, Some(5))), Some(Extent::new(3, 4)));
        assert_eq!(extent.clip(StepRange::new(Some(9), None)), None);
        assert_eq!(extent.clip(StepRange::new(None, Some(i64::MIN))), None);
        assert_eq!(extent.clip(StepRange::ALL), Some(extent));
    }

    #[test]
    fn the_greatest_integer_has_an_open_range() {
        assert_eq!(Extent::new(0, i64::MAX).to_range(), StepRange::new(Some(0), None));
        assert_eq!(Extent::new(0, 4).to_range(), StepRange::new(Some(0), Some(5)));
    }

    #[test]
    fn the_extent_of_values_in_any_order_spans_them() {
        assert_eq!(Extent::of([5, -1, 3]), Some(Extent::new(-1, 5)));
        assert_eq!(Extent::of([]), None);
        assert!(Extent::new(-1, 5).contains(5) && !Extent::new(-1, 5).contains(6));
        assert!(Extent::new(0, 2).meets(Extent::new(2, 3)) && !Extent::new(0, 2).meets(Extent::new(3, 4)));
    }
}
