//! The points of one series as columns, owned or borrowed.
//!
//! Invariant: a column is as long as `values`, or empty. A column that is empty where values are not was not read;
//! each operation says which columns it needs.

use super::rising::rises;
use std::ops::Range;
use tidalite_model::{Point, Written};

/// Points of one series, column by column, in any order.
///
/// ```
/// use tidalite_query::Points;
/// let mut points = Points::default();
/// points.push(3, 7, 1_000, 0.5);
/// points.push(4, 8, 2_000, 0.25);
/// assert_eq!((points.len(), points.is_ascending()), (2, true));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Points {
    /// The caller's x-axis.
    pub steps: Vec<i64>,
    /// Places of the writes, as [`Seq::as_i64`](tidalite_model::Seq::as_i64) gives them.
    pub seqs: Vec<i64>,
    /// How the points were written, as [`Written::as_i64`](tidalite_model::Written::as_i64) gives it.
    pub written: Vec<i64>,
    /// Microseconds since 1970, UTC.
    pub times_us: Vec<i64>,
    /// The values; always read, so their number is the number of points.
    pub values: Vec<f64>,
}

/// Points of one series, borrowed, so that columns need no copy.
///
/// ```
/// use tidalite_query::PointsView;
/// let view = PointsView { steps: &[1, 2, 3], values: &[0.1, 0.2, 0.3], ..PointsView::default() };
/// assert_eq!((view.len(), view.slice(1..3).steps), (3, &[2, 3][..]));
/// assert_eq!(view.to_points().values, [0.1, 0.2, 0.3]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PointsView<'a> {
    /// The caller's x-axis.
    pub steps: &'a [i64],
    /// Places of the writes.
    pub seqs: &'a [i64],
    /// How the points were written.
    pub written: &'a [i64],
    /// Microseconds since 1970, UTC.
    pub times_us: &'a [i64],
    /// The values; always read.
    pub values: &'a [f64],
}

impl Points {
    /// No points, with capacity for `n`.
    pub fn with_capacity(n: usize) -> Self {
        let mut points = Points::default();
        points.reserve(n);
        points
    }

    /// The number of points.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Reserves capacity for `n` more points.
    pub fn reserve(&mut self, n: usize) {
        self.steps.reserve(n);
        self.seqs.reserve(n);
        self.written.reserve(n);
        self.times_us.reserve(n);
        self.values.reserve(n);
    }

    /// Adds one point that was written at its time, to all columns.
    #[inline]
    pub fn push(&mut self, step: i64, seq: i64, time_us: i64, value: f64) {
        self.push_written(step, seq, Written::AT_ITS_TIME, time_us, value);
    }

    /// Adds one point to all columns.
    #[inline]
    pub fn push_written(&mut self, step: i64, seq: i64, written: Written, time_us: i64, value: f64) {
        self.steps.push(step);
        self.seqs.push(seq);
        self.written.push(written.as_i64());
        self.times_us.push(time_us);
        self.values.push(value);
    }

    /// Appends `other`. A column that either of the two lacks is emptied.
    ///
    /// ```
    /// use tidalite_query::Points;
    /// let mut points = Points::default();
    /// points.push(1, 0, 0, 0.5);
    /// points.extend(&points.clone());
    /// assert_eq!(points.steps, [1, 1]);
    /// ```
    pub fn extend<'a>(&mut self, other: impl Into<PointsView<'a>>) {
        let other = other.into();
        if other.is_empty() {
            return;
        }
        let held = self.len();
        extend_column(&mut self.steps, held, other.steps);
        extend_column(&mut self.seqs, held, other.seqs);
        extend_column(&mut self.written, held, other.written);
        extend_column(&mut self.times_us, held, other.times_us);
        self.values.extend_from_slice(other.values);
    }

    /// Appends the points at these indexes. Panics where there is no such point.
    pub(crate) fn extend_at(&mut self, other: PointsView<'_>, indexes: &[u32]) {
        fn gather<T: Copy>(column: &mut Vec<T>, other: &[T], indexes: &[u32]) {
            if !other.is_empty() {
                column.extend(indexes.iter().map(|&i| other[i as usize]));
            }
        }
        gather(&mut self.steps, other.steps, indexes);
        gather(&mut self.seqs, other.seqs, indexes);
        gather(&mut self.written, other.written, indexes);
        gather(&mut self.times_us, other.times_us, indexes);
        gather(&mut self.values, other.values, indexes);
    }

    /// Empties all columns and keeps their memory.
    pub fn clear(&mut self) {
        self.steps.clear();
        self.seqs.clear();
        self.written.clear();
        self.times_us.clear();
        self.values.clear();
    }

    /// All points, borrowed.
    pub fn view(&self) -> PointsView<'_> {
        PointsView {
            steps: &self.steps,
            seqs: &self.seqs,
            written: &self.written,
            times_us: &self.times_us,
            values: &self.values,
        }
    }

    /// Whether the points ascend by (step, clock, seq); by step alone where seqs were not read.
    pub fn is_ascending(&self) -> bool {
        self.view().is_ascending()
    }

    /// About how much memory the columns take, in bytes.
    pub fn bytes(&self) -> usize {
        let columns = [&self.steps, &self.seqs, &self.written, &self.times_us];
        columns.iter().map(|c| c.capacity() * size_of::<i64>()).sum::<usize>()
            + self.values.capacity() * size_of::<f64>()
    }

    /// Reserves capacity for exactly `n` more points in the columns that are used.
    pub(crate) fn reserve_columns(&mut self, n: usize, seqs: bool, written: bool, times_us: bool) {
        self.steps.reserve_exact(n);
        self.seqs.reserve_exact(if seqs { n } else { 0 });
        self.written.reserve_exact(if written { n } else { 0 });
        self.times_us.reserve_exact(if times_us { n } else { 0 });
        self.values.reserve_exact(n);
    }

    /// Keeps the points whose mask is true; the mask has one entry per point. Panics where it has more.
    ///
    /// ```
    /// use tidalite_query::Points;
    /// let mut points = Points::default();
    /// (0..3).for_each(|step| points.push(step, 0, 0, 0.0));
    /// points.keep(&[true, false, true]);
    /// assert_eq!(points.steps, [0, 2]);
    /// ```
    pub fn keep(&mut self, mask: &[bool]) {
        keep_column(&mut self.steps, mask);
        keep_column(&mut self.seqs, mask);
        keep_column(&mut self.written, mask);
        keep_column(&mut self.times_us, mask);
        keep_column(&mut self.values, mask);
    }

    /// Gives back memory beyond that of `points` points.
    pub fn shrink_to(&mut self, points: usize) {
        let Points { steps, seqs, written, times_us, values } = self;
        [steps, seqs, written, times_us].into_iter().for_each(|column| column.shrink_to(points));
        values.shrink_to(points);
    }

    /// Keeps the points at these indexes. Panics where the range ends after the last point.
    ///
    /// ```
    /// use tidalite_query::Points;
    /// let mut points = Points::default();
    /// (0..5).for_each(|step| points.push(step, 0, 0, step as f64));
    /// points.keep_range(1..3);
    /// assert_eq!((points.steps, points.values), (vec![1, 2], vec![1.0, 2.0]));
    /// ```
    pub fn keep_range(&mut self, range: Range<usize>) {
        if range == (0..self.len()) {
            return;
        }
        for column in [&mut self.steps, &mut self.seqs, &mut self.written, &mut self.times_us] {
            column.truncate(range.end);
            column.drain(..range.start.min(column.len()));
            give_back(column);
        }
        self.values.truncate(range.end);
        self.values.drain(..range.start);
        give_back(&mut self.values);
    }
}

impl<'a> PointsView<'a> {
    /// The number of points.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The points at these indexes. Panics where the range ends after the last point.
    #[inline]
    pub fn slice(&self, range: Range<usize>) -> PointsView<'a> {
        PointsView {
            steps: slice_column(self.steps, &range),
            seqs: slice_column(self.seqs, &range),
            written: slice_column(self.written, &range),
            times_us: slice_column(self.times_us, &range),
            values: &self.values[range],
        }
    }

    /// The point at index `i`; a column that was not read gives 0. Panics where there is no such point.
    #[inline]
    pub fn point(&self, i: usize) -> Point {
        Point {
            step: self.steps.get(i).copied().unwrap_or_default(),
            time_us: self.times_us.get(i).copied().unwrap_or_default(),
            value: self.values[i],
        }
    }

    /// The clock of the point at index `i` and its place, which give the order of writing. Points without columns
    /// written and times count as written at one clock, points without seqs as written at one place. Panics where there
    /// is no such point.
    #[inline]
    pub fn order(&self, i: usize) -> (i64, i64) {
        let clock_us = match (self.written.get(i), self.times_us.get(i)) {
            (Some(&written), Some(&time_us)) => Written::from_i64(written).clock_us(time_us),
            _ => 0,
        };
        (clock_us, self.seqs.get(i).copied().unwrap_or_default())
    }

    /// Whether the points ascend by (step, clock, seq); by step alone where seqs were not read.
    pub fn is_ascending(&self) -> bool {
        if rises(self.steps, 1) {
            return true;
        }
        if self.seqs.is_empty() {
            return rises(self.steps, 0);
        }
        (0..self.steps.len()).is_sorted_by_key(|i| (self.steps[i], self.order(i)))
    }

    /// An owned copy.
    pub fn to_points(&self) -> Points {
        Points {
            steps: self.steps.to_vec(),
            seqs: self.seqs.to_vec(),
            written: self.written.to_vec(),
            times_us: self.times_us.to_vec(),
            values: self.values.to_vec(),
        }
    }
}

impl<'a> From<&'a Points> for PointsView<'a> {
    fn from(points: &'a Points) -> Self {
        points.view()
    }
}

#[inline]
fn slice_column<'a, T>(column: &'a [T], range: &Range<usize>) -> &'a [T] {
    if column.is_empty() { column } else { &column[range.start..range.end] }
}

fn extend_column<T: Copy>(column: &mut Vec<T>, held: usize, more: &[T]) {
    if column.len() == held && !more.is_empty() {
        column.extend_from_slice(more);
    } else {
        column.clear();
    }
}

/// Moves the elements to keep to the front. Every element is written, and only the write index depends on the mask,
/// so there is no branch to mispredict.
fn keep_column<T: Copy>(column: &mut Vec<T>, mask: &[bool]) {
    if column.is_empty() {
        return;
    }
    let mut kept = 0;
    for (i, &keep) in mask.iter().enumerate() {
        column[kept] = column[i];
        kept += usize::from(keep);
    }
    column.truncate(kept);
    give_back(column);
}

/// Gives back the memory of what was left out, if little is left: an answer may hold thousands of such columns. They are copied:
/// shrunk in place, each would stay where a large block was, and no other large block would fit there.
fn give_back<T: Copy>(column: &mut Vec<T>) {
    if column.len() <= column.capacity() / 4 {
        *column = column.as_slice().to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(steps: &[i64]) -> Points {
        let mut points = Points::default();
        for (i, &step) in steps.iter().enumerate() {
            points.push(step, i as i64, step * 10, step as f64);
        }
        points
    }

    #[test]
    fn what_is_kept_of_many_points_holds_little_memory() {
        let many: Vec<i64> = (0..10_000).collect();
        let (mut masked, mut cut) = (of(&many), of(&many));
        masked.keep(&many.iter().map(|step| step % 1000 == 0).collect::<Vec<_>>());
        cut.keep_range(5000..5010);
        for points in [masked, cut] {
            assert_eq!(points.len(), 10);
            assert!(points.steps.capacity() < 100 && points.values.capacity() < 100);
        }
    }

    #[test]
    fn a_column_that_one_side_lacks_is_emptied() {
        let mut points = of(&[1, 2]);
        let mut more = of(&[3]);
        more.times_us.clear();
        points.extend(&more);
        assert_eq!((points.len(), points.steps.len(), points.times_us.len()), (3, 3, 0));
        let mut empty = Points::default();
        empty.extend(&more);
        assert_eq!(empty, more);
        points.extend(&Points::default());
        assert_eq!(points.steps, [1, 2, 3], "no points lack no column");
    }

    #[test]
    fn ascending_is_by_step_then_clock_then_seq() {
        assert!(of(&[]).is_ascending() && of(&[5]).is_ascending() && of(&[1, 1, 2]).is_ascending());
        assert!(!of(&[2, 1]).is_ascending());
        let mut points = of(&[1, 1]);
        points.seqs = vec![9, 3];
        assert!(!points.is_ascending());
        points.times_us = vec![70, 80];
        assert!(points.is_ascending(), "the later clock comes later, whatever its seq");
        points.written[0] = Written::new(90, 70, false).as_i64();
        assert!(!points.is_ascending());
        points.seqs.clear();
        assert!(points.is_ascending());
    }

    #[test]
    fn slices_and_masks_leave_unread_columns_unread() {
        let mut points = of(&[1, 2, 3, 4]);
        points.seqs.clear();
        let slice = points.view().slice(1..3);
        assert_eq!((slice.steps, slice.seqs.len(), slice.values), (&[2, 3][..], 0, &[2.0, 3.0][..]));
        points.keep(&[true, false, false, true]);
        assert_eq!((points.steps.as_slice(), points.seqs.len()), (&[1, 4][..], 0));
        points.keep_range(1..2);
        assert_eq!((points.steps.as_slice(), points.seqs.len(), points.len()), (&[4][..], 0, 1));
    }
}
