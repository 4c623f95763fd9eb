//! A page of the points of a selection: some of them, from an offset on, in the order of the series or of a column.

use super::points::one_batch;
use super::selection::Selection;
use crate::plan::query_plan::Plan;
use arrow::array::RecordBatch;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use tidalite_model::{Result, SeriesKey};
use tidalite_parts::ColumnSet;
use tidalite_query::{PointSort, Points, PointsBuilder};

/// The fewest points beyond those wanted at which the points that come too late are dropped.
const SPARE_POINTS_MIN: usize = 4096;
/// The bytes of a row of points: two numbers of names, a step, a time, a value.
const ROW_BYTES: u64 = 36;

impl Selection {
    /// The points from the `offset`-th on, at most `limit` of them or all that follow: in the order of
    /// [`points`](Self::points), or sorted by a column. Points that are equal in it stay in that order. Columns as there.
    ///
    /// A sorted page reads every point of the selection, and holds as many as `offset` and `limit` together.
    ///
    /// ```
    /// use arrow::array::AsArray;
    /// use arrow::datatypes::Float64Type;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// for step in 0..100 { run.log(step, &[("loss", step as f64), ("acc", -step as f64)])?; }
    /// let greatest = store.select().points_page(Some("-value".parse()?), 0, Some(2))?;
    /// assert_eq!(greatest["value"].as_primitive::<Float64Type>().values(), &[99.0, 98.0]);
    /// let second = store.select().metric("loss").points_page(None, 10, Some(10))?;
    /// assert_eq!(second["value"].as_primitive::<Float64Type>().value(0), 10.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points); `Full` where the points of the page and those before it exceed the memory option.
    pub fn points_page(
        &self,
        sort: Option<PointSort>,
        offset: usize,
        limit: Option<usize>,
    ) -> Result<RecordBatch> {
        match sort {
            Some(sort) => self.sorted_page(sort, offset, limit),
            None => self.page_in_order(offset, limit),
        }
    }

    fn page_in_order(&self, offset: usize, limit: Option<usize>) -> Result<RecordBatch> {
        let (mut skip, mut left) = (offset, limit.unwrap_or(usize::MAX));
        let (mut kept, kept_bytes) = (Vec::new(), AtomicU64::new(0));
        let mut stream = self.points()?;
        while left > 0
            && let Some(batch) = stream.next().transpose()?
        {
            let start = skip.min(batch.num_rows());
            let rows = left.min(batch.num_rows() - start);
            (skip, left) = (skip - start, left - rows);
            if rows > 0 {
                kept.push(batch.slice(start, rows));
                stream.plan.keep(&kept_bytes, rows as u64 * ROW_BYTES)?;
            }
        }
        one_batch(kept)
    }

    fn sorted_page(&self, sort: PointSort, offset: usize, limit: Option<usize>) -> Result<RecordBatch> {
        let wanted = limit.map_or(usize::MAX, |limit| offset.saturating_add(limit));
        let mut plans = self.plans()?;
        let mut first = FirstPoints::new(wanted);
        let mut next = Some(plans.next().unwrap_or_else(|| self.plan()));
        while let Some(plan) = next {
            let plan = plan?.split_long_series()?.with_start_states()?;
            first.take_plan(&plan, sort)?;
            next = plans.next();
        }
        first.finish(offset)
    }
}

/// The first points in an order, of those that were seen.
struct FirstPoints {
    wanted: usize,
    keys: Vec<SeriesKey>,
    points: Vec<RankedPoint>,
    /// The rank of the last of the points wanted, once there were more. Of later points, those of less rank alone are taken:
    /// one of the same rank comes after all that are there, since series are taken in order.
    last_rank: Option<i64>,
}

/// A point with its place in the order.
struct RankedPoint {
    rank: i64,
    /// The series, by its place in the order of series.
    series: usize,
    /// Its place among the points of the series.
    place: u64,
    step: i64,
    time_us: i64,
    value: f64,
}

impl RankedPoint {
    fn order(&self) -> (i64, usize, u64) {
        (self.rank, self.series, self.place)
    }
}

impl FirstPoints {
    fn new(wanted: usize) -> FirstPoints {
        FirstPoints { wanted, keys: Vec::new(), points: Vec::new(), last_rank: None }
    }

    fn take_plan(&mut self, plan: &Plan, sort: PointSort) -> Result<()> {
        let state = plan.snapshot.state.clone();
        let columns = ColumnSet { step: true, time: true, ..ColumnSet::VALUE };
        let first_series = self.keys.len();
        self.keys.extend(plan.series.iter().map(|planned| planned.key.clone()));
        let mut batches: VecDeque<Range<usize>> = plan.batches().into();
        while !batches.is_empty() {
            let count = state.options.threads.clamp(1, batches.len());
            let round: Vec<Range<usize>> = batches.drain(..count).collect();
            let made = state.pool.each(&round, |batch| plan.load(batch.clone(), columns))?;
            for (series, points) in round.into_iter().flatten().zip(made.into_iter().flatten()) {
                self.take(&points, sort, first_series + series);
            }
            let bytes = (self.points.len() * size_of::<RankedPoint>()) as u64;
            if bytes > state.options.memory_bytes {
                return Err(plan.too_large(format!("the sorted points take {} MiB", bytes >> 20)));
            }
        }
        Ok(())
    }

    /// Takes the points of a series, or of a piece of one, that may come first.
    fn take(&mut self, points: &Points, sort: PointSort, series: usize) {
        let full = self.wanted.saturating_add((self.wanted / 4).max(SPARE_POINTS_MIN));
        for i in 0..points.len() {
            let rank = sort.rank(points, i);
            if self.last_rank.is_some_and(|last| rank >= last) {
                continue;
            }
            let (step, time_us, value) = (points.steps[i], points.times_us[i], points.values[i]);
            self.points.push(RankedPoint { rank, series, place: i as u64, step, time_us, value });
            if self.points.len() >= full {
                self.drop_late();
            }
        }
    }

    /// Drops the points beyond those wanted.
    fn drop_late(&mut self) {
        if self.points.len() <= self.wanted {
            return;
        }
        let Some(last) = self.wanted.checked_sub(1) else { return self.points.clear() };
        let (_, last, _) = self.points.select_nth_unstable_by_key(last, RankedPoint::order);
        self.last_rank = Some(last.rank);
        self.points.truncate(self.wanted);
    }

    fn finish(mut self, offset: usize) -> Result<RecordBatch> {
        self.drop_late();
        self.points.sort_unstable_by_key(RankedPoint::order);
        let mut builder = PointsBuilder::new();
        let page = self.points.get(offset..).unwrap_or_default();
        for of_series in page.chunk_by(|a, b| a.series == b.series) {
            let mut points = Points::default();
            points.steps.extend(of_series.iter().map(|point| point.step));
            points.times_us.extend(of_series.iter().map(|point| point.time_us));
            points.values.extend(of_series.iter().map(|point| point.value));
            builder.push_series(&self.keys[of_series[0].series], points);
        }
        one_batch(builder.finish())
    }
}
