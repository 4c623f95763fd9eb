//! What replay delivers: names first, then rows, batches, changes and parts in the order of writing.
//!
//! Nothing is copied: a [`Row`] and a [`BatchRef`] borrow the checked bytes of the frame.

use crate::format::{POINTS_AUTOMATIC, POINTS_FIXED_BYTES, i64_at, u32_at, u64_at};
use tidalite_model::{Result, RunChange, Seq, SeriesKey, WriteOrder, Written};
use uuid::Uuid;

/// A series' handle, valid for one writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub u32);

/// The handle of a list of series that are logged together as rows, valid for one writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayoutId(pub u32);

/// Receives the contents of a log. By default each method ignores what it gets.
///
/// An error stops the replay, which returns it. The next poll starts with what was refused.
pub trait LogSink {
    /// A series, before anything that refers to it. May be repeated with the same meaning.
    fn series(&mut self, _id: SeriesId, _key: &SeriesKey) -> Result<()> {
        Ok(())
    }

    /// A layout, after its series and before its rows. May be repeated with the same meaning.
    fn layout(&mut self, _id: LayoutId, _series: &[SeriesId]) -> Result<()> {
        Ok(())
    }

    /// A row. It has one value for each series of its layout.
    fn row(&mut self, _row: Row<'_>) -> Result<()> {
        Ok(())
    }

    /// A batch of points that became visible together.
    fn points(&mut self, _batch: BatchRef<'_>) -> Result<()> {
        Ok(())
    }

    /// A change to a run.
    fn change(&mut self, _order: WriteOrder, _run: &str, _change: RunChange) -> Result<()> {
        Ok(())
    }

    /// A staged part, with the metadata that was appended with it.
    fn part(&mut self, _order: WriteOrder, _part: Uuid, _meta: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Its place in the order of writing.
    pub seq: Seq,
    /// Which series its values belong to.
    pub layout: LayoutId,
    /// Its step.
    pub step: i64,
    /// Its time, µs since 1970 UTC.
    pub time_us: i64,
    /// Its clock, and whether its step is automatic.
    pub written: Written,
    /// Its values, one for each series of the layout.
    pub values: Values<'a>,
}

/// Values in the log's encoding.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a>(&'a [[u8; 8]]);

impl<'a> Values<'a> {
    /// Wraps bytes whose length is a multiple of eight.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Values(bytes.as_chunks().0)
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Value `i`, bit for bit as it was given. Panics if there is none.
    pub fn get(&self, i: usize) -> f64 {
        f64::from_le_bytes(self.0[i])
    }

    /// All values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = f64> + 'a {
        self.0.iter().map(|b| f64::from_le_bytes(*b))
    }
}

/// A batch of points, borrowed from its frame.
#[derive(Debug, Clone, Copy)]
pub struct BatchRef<'a> {
    seq: Seq,
    clock_us: i64,
    automatic: bool,
    len: usize,
    steps: &'a [u8],
    times: &'a [u8],
    values: &'a [u8],
    series: &'a [u8],
}

impl<'a> BatchRef<'a> {
    /// The batch in a frame's payload. `None` if the length does not match the count.
    pub(crate) fn new(seq: Seq, payload: &'a [u8]) -> Option<Self> {
        let (head, columns) = payload.split_at_checked(POINTS_FIXED_BYTES)?;
        let len = usize::try_from(u32_at(head, 0)).ok()?;
        let words = len.checked_mul(8)?;
        let (steps, rest) = columns.split_at_checked(words)?;
        let (times, rest) = rest.split_at_checked(words)?;
        let (values, series) = rest.split_at_checked(words)?;
        let flags = u32_at(head, 4);
        (series.len() == words / 2 && flags & !POINTS_AUTOMATIC == 0).then_some(BatchRef {
            seq,
            clock_us: i64_at(head, 8),
            automatic: flags & POINTS_AUTOMATIC != 0,
            len,
            steps,
            times,
            values,
            series,
        })
    }

    /// The batch's place in the order of writing. All its points share it.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The batch's clock, µs since 1970 UTC. All its points share it.
    pub fn clock_us(&self) -> i64 {
        self.clock_us
    }

    /// The clock of point `i`, and whether its step is automatic. Panics if there is no such point.
    pub fn written(&self, i: usize) -> Written {
        Written::new(self.clock_us, self.time_us(i), self.automatic)
    }

    /// The number of points.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The series of point `i`. This and the following methods panic if there is no such point.
    pub fn series(&self, i: usize) -> SeriesId {
        SeriesId(u32_at(self.series, i * 4))
    }

    /// The step of point `i`.
    pub fn step(&self, i: usize) -> i64 {
        i64_at(self.steps, i * 8)
    }

    /// The time of point `i`, µs since 1970 UTC.
    pub fn time_us(&self, i: usize) -> i64 {
        i64_at(self.times, i * 8)
    }

    /// The value of point `i`, bit for bit as it was given.
    pub fn value(&self, i: usize) -> f64 {
        f64::from_bits(u64_at(self.values, i * 8))
    }
}
