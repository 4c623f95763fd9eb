//! Lines: each series by few of its points, which are chosen in several passes over it. So a long series is read in pieces,
//! and never held whole.

use super::points::one_batch;
use super::selection::Selection;
use crate::plan::query_plan::Plan;
use arrow::array::RecordBatch;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use tidalite_model::{Error, Result, SeriesKey};
use tidalite_parts::ColumnSet;
use tidalite_query::{LineCount, Points, PointsBuilder};

/// Bytes of a point that an answer keeps: three columns here, and three columns and names in the batch.
const KEPT_POINT_BYTES: u64 = 60;
/// A line of fewer points has no bucket between its ends.
const LINE_POINTS_MIN: usize = 3;
/// What a point of a line is.
pub(super) const LINE_COLUMNS: ColumnSet = ColumnSet { step: true, time: true, ..ColumnSet::VALUE };

impl Selection {
    /// At most `points` points of each series, those that keep the shape of its line, by
    /// Largest-Triangle-Three-Buckets (S. Steinarsson, "Downsampling Time Series for Visual Representation", MSc
    /// thesis, University of Iceland, 2013); x is the step. NaN and ±Inf are left out. A series with at most `points`
    /// other points keeps all of these. Order and columns as for [`points`](Self::points).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..1000 { run.log(step, &[("loss", 1.0 / (step + 1) as f64)])?; }
    /// assert_eq!(store.select().metric("loss").lttb(50)?.num_rows(), 50);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` for fewer than 3 points, since the first and the last are always kept;
    /// `Full` where what is kept of all series exceeds the memory option.
    pub fn lttb(&self, points: usize) -> Result<RecordBatch> {
        check_line(points)?;
        let plan = self.plan_in_pieces()?;
        // Times are needed only of the points that are kept.
        let drawn = ColumnSet { time: !plan.filter.times_us.is_all(), ..LINE_COLUMNS };
        let lines = each_series(&plan, LINE_COLUMNS, line_bytes, |series| {
            let columns = |is_last: bool| if is_last { LINE_COLUMNS } else { drawn };
            let line = series.line(points, |is_last, take| series.each(columns(is_last), take))?;
            Ok((series.key().clone(), line))
        })?;
        lines_batch(lines)
    }
}

/// Lines as a batch of points.
pub(super) fn lines_batch(lines: Vec<(SeriesKey, Points)>) -> Result<RecordBatch> {
    let mut builder = PointsBuilder::new();
    lines.into_iter().for_each(|(key, line)| builder.push_series(&key, line));
    one_batch(builder.finish())
}

/// The bytes that a line takes, in the answer too.
pub(super) fn line_bytes((_, points): &(SeriesKey, Points)) -> u64 {
    points.len() as u64 * KEPT_POINT_BYTES
}

/// Refuses a line without a bucket between its ends.
pub(crate) fn check_line(points: usize) -> Result<()> {
    if points >= LINE_POINTS_MIN {
        return Ok(());
    }
    Err(Error::invalid(
        "draw lines",
        format!("{points} points per series were asked for"),
        format!("ask for at least {LINE_POINTS_MIN}: the first, the last, and one between"),
    ))
}

/// A series that is read as often as needed.
pub(super) struct ReadSeries<'a> {
    plan: &'a Plan,
    /// Its pieces in the plan.
    pieces: Range<usize>,
    /// Its points, if it is a single piece.
    held: Option<Points>,
}

impl ReadSeries<'_> {
    pub(super) fn key(&self) -> &SeriesKey {
        &self.plan.series[self.pieces.start].key
    }

    /// Whether it is read in pieces.
    pub(super) fn is_long(&self) -> bool {
        self.held.is_none()
    }

    /// Calls `take` with its pieces in the order of steps. One that is held has all columns that were asked for at first.
    pub(super) fn each(&self, columns: ColumnSet, take: &mut dyn FnMut(&Points)) -> Result<()> {
        if let Some(points) = &self.held {
            take(points);
            return Ok(());
        }
        for piece in self.pieces.clone() {
            self.plan.load(piece..piece + 1, columns)?.iter().filter(|p| !p.is_empty()).for_each(&mut *take);
        }
        Ok(())
    }

    /// All its points.
    ///
    /// # Errors
    /// `Full` where they do not fit into memory at once.
    pub(super) fn whole(&self, columns: ColumnSet) -> Result<Points> {
        let mut count = 0;
        self.each(ColumnSet::VALUE, &mut |points| count += points.len())?;
        self.plan.check_room(self.key(), count as u64, columns)?;
        let mut whole = Points::default();
        self.each(columns, &mut |points| whole.extend(points))?;
        Ok(whole)
    }

    /// At most `n` points of its line, by [`lttb`](tidalite_query::lttb). `pass` calls a function with each piece of the line in
    /// the order of x, and is told whether points are kept in this pass.
    pub(super) fn line(
        &self,
        n: usize,
        pass: impl Fn(bool, &mut dyn FnMut(&Points)) -> Result<()>,
    ) -> Result<Points> {
        let mut count = LineCount::default();
        pass(false, &mut |points| count.push(points))?;
        self.plan.check_room(self.key(), count.points().min(n) as u64, LINE_COLUMNS)?;
        let mut means = count.means(n);
        pass(false, &mut |points| means.push(points))?;
        let mut choice = means.choice();
        pass(true, &mut |points| choice.push(points))?;
        Ok(choice.finish())
    }
}

/// Calls `work` with each series of a plan in pieces, in the store's threads. Results are in the order of series. `bytes` says
/// what a result takes.
///
/// # Errors
/// Those of reading and of `work`; `Full` where what is kept of all together exceeds the memory option.
pub(super) fn each_series<T: Send>(
    plan: &Plan,
    columns: ColumnSet,
    bytes: impl Fn(&T) -> u64 + Sync,
    work: impl Fn(&ReadSeries<'_>) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let kept = AtomicU64::new(0);
    let of_item = |item: &Range<usize>| -> Result<Vec<T>> {
        let held = |(i, points)| ReadSeries { plan, pieces: i..i + 1, held: Some(points) };
        let series: Vec<ReadSeries<'_>> = match is_one_series(plan, item) {
            true => vec![ReadSeries { plan, pieces: item.clone(), held: None }],
            false => item.clone().zip(plan.load(item.clone(), columns)?).map(held).collect(),
        };
        let mut found = Vec::new();
        for series in series.iter().filter(|s| s.held.as_ref().is_none_or(|points| !points.is_empty())) {
            found.push(work(series)?);
            plan.keep(&kept, found.last().map_or(0, &bytes))?;
        }
        Ok(found)
    };
    let found = plan.snapshot.state.pool.each(&items(plan), of_item)?;
    Ok(found.into_iter().flatten().collect())
}

/// Whether these are several pieces of one series.
fn is_one_series(plan: &Plan, item: &Range<usize>) -> bool {
    item.len() > 1 && plan.series[item.start].key == plan.series[item.start + 1].key
}

/// What a thread takes at once: all pieces of a long series, or several series of a single piece each.
fn items(plan: &Plan) -> Vec<Range<usize>> {
    let continues = |i: usize| i > 0 && plan.series.get(i).is_some_and(|s| s.key == plan.series[i - 1].key);
    let mut items: Vec<Range<usize>> = Vec::new();
    for batch in plan.batches() {
        for i in batch.clone() {
            let after_long = continues(i.saturating_sub(1));
            match items.last_mut() {
                Some(last) if continues(i) || (i > batch.start && !continues(i + 1) && !after_long) => {
                    last.end = i + 1;
                }
                _ => items.push(i..i + 1),
            }
        }
    }
    items
}
