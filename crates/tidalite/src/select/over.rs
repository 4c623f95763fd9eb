//! Selections over an x-axis other than the step: time, time since the run's start, or the value of another metric.
//!
//! Series are read one at a time, and sorted by the axis: once to find how far the axis reaches, and once for the answer. Another metric is joined as of the step: a point's x
//! is the last finite value of that metric in the same run, at that step or an earlier one. The metric's series is
//! the one with the same labels, or else the one without labels. A run starts at its recorded start, or else at the
//! earliest of its points. All of it sees one snapshot.

use super::m4::{COLUMN_POINTS, check_columns};
use super::selection::Selection;
use crate::plan::query_plan::Plan;
use arrow::array::RecordBatch;
use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use tidalite_model::{Error, Labels, Result, SeriesKey};
use tidalite_parts::ColumnSet;
use tidalite_query::{
    AxisFrame, AxisLine, AxisReach, By, ChartBucket, Fill, OverAxis, Placement, Points, XAxis,
};

/// A selection over a chosen x-axis; made by [`Selection::over`].
#[derive(Debug, Clone)]
#[must_use = "a selection reads nothing until it is asked for an answer"]
pub struct Over {
    select: Selection,
    x: XAxis,
}

impl Selection {
    /// The selection over another x-axis. It selects the same points, by ranges of steps too; its answers are drawn
    /// over, or ordered by, the column `x`.
    ///
    /// ```
    /// use arrow::array::{AsArray, types::Float64Type};
    /// use tidalite::XAxis;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// for step in 0..100 { run.log(step, &[("loss", 1.0 / (step + 1) as f64), ("tokens", (step * 512) as f64)])?; }
    /// let over = store.select().metric("loss").over(XAxis::Metric("tokens".into()));
    /// assert_eq!(over.points()?["x"].as_primitive::<Float64Type>().value(3), 1536.0);
    /// assert!(over.chart(10)?.num_rows() <= 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn over(&self, x: XAxis) -> Over {
        Over { select: self.clone(), x }
    }
}

impl Over {
    /// The points, ordered by series, then x, then step; columns as in
    /// [`over_points_schema`](crate::over_points_schema).
    ///
    /// # Errors
    /// As [`Selection::points`]; `Full` where one series, or all points, need more than the memory option.
    pub fn points(&self) -> Result<RecordBatch> {
        let placed = self.placed()?;
        // Only the order of x counts.
        let frame = AxisFrame::new(self.x.clone(), AxisReach::default());
        placed.lines(&frame, u64::MAX, |over| frame.points(over))
    }

    /// Each series in at most `buckets` buckets of the axis, whose width is the same for all series and a power of
    /// two (for time: of microseconds); columns as in [`over_chart_schema`](crate::over_chart_schema).
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` for 0 buckets.
    pub fn chart(&self, buckets: usize) -> Result<RecordBatch> {
        if buckets == 0 {
            return Err(Error::invalid("chart", "0 buckets were asked for", "ask for at least one"));
        }
        let placed = self.placed()?;
        let frame = placed.frame()?;
        let keeps = |found: u64| found.min(buckets as u64) * size_of::<ChartBucket>() as u64;
        let charts = placed.each(keeps, |over| frame.charts(&over, buckets))?;
        frame.chart_batch(&charts.into_iter().flatten().collect::<Vec<_>>(), buckets)
    }

    /// Statistics over the selected runs in at most `buckets` buckets of the axis, as [`Selection::band`] gives for
    /// steps; columns as in [`over_band_schema`](crate::over_band_schema).
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` as for [`Selection::band`].
    pub fn band(&self, buckets: usize, by: &[By]) -> Result<RecordBatch> {
        super::band::check_band(buckets, by)?;
        let placed = self.placed()?;
        let snapshot = placed.fixed.snapshot()?;
        let selected = placed.fixed.series_filter(&snapshot)?.runs;
        let frame = placed.frame()?;
        let band = frame.band(buckets, by, |grouping| snapshot.with_params(grouping, &selected))?;
        let band = Mutex::new(band);
        // What a series adds is counted below, since groups are shared.
        placed.each(
            |_| 0,
            |over| {
                let mut band = band.lock().unwrap_or_else(PoisonError::into_inner);
                band.push(&over);
            },
        )?;
        let band = band.into_inner().unwrap_or_else(PoisonError::into_inner);
        placed.plan.keep(&AtomicU64::new(0), band.bytes() as u64)?;
        band.finish()
    }

    /// At most `points` points of each series that keep the shape of its line, as [`Selection::lttb`]; columns as for
    /// [`points`](Self::points).
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` for fewer than 3.
    pub fn lttb(&self, points: usize) -> Result<RecordBatch> {
        super::chart::check_line(points)?;
        let placed = self.placed()?;
        let frame = placed.frame()?;
        placed.lines(&frame, points as u64, |over| frame.lttb(over, points))
    }

    /// The points of each series that its line needs in `columns` pixel columns, as [`Selection::m4`]; columns as for
    /// [`points`](Self::points).
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` for 0 columns.
    pub fn m4(&self, columns: usize) -> Result<RecordBatch> {
        check_columns(columns)?;
        let placed = self.placed()?;
        let frame = placed.frame()?;
        let most = (columns as u64).saturating_mul(COLUMN_POINTS);
        placed.lines(&frame, most, |over| frame.m4(over, columns))
    }

    /// The series as columns, as [`Selection::align`] gives them, with one row for each x that any of them has. The
    /// first column is `x`. Where a series has several points at one x, that of the greatest step counts.
    ///
    /// # Errors
    /// As [`Selection::align`]; `Invalid` for linear fill over another metric.
    pub fn align(&self, fill: Fill) -> Result<RecordBatch> {
        OverAxis::check_fill(&self.x, fill)?;
        let placed = self.placed()?;
        super::align::check_series(&placed.plan)?;
        // Steps, times and values are kept, and the x and values once more.
        let series = placed.each_points(|found| found * 40, |key, points| (key.clone(), points))?;
        let mut over = OverAxis::new(self.x.clone());
        for (key, points) in series {
            if let Some(placement) = placed.placement(&key) {
                over.push(key, points, placement);
            }
        }
        super::align::finish(&placed.plan, over.align(), fill)
    }

    fn placed(&self) -> Result<Placed> {
        let fixed = self.select.fixed()?;
        let plan = fixed.plan_whole()?;
        let along = match &self.x {
            XAxis::Elapsed => Along::Starts(starts(&fixed, plan.series.iter().map(|s| &s.key.run))?),
            XAxis::Metric(name) => Along::Metric(others(&fixed, name)?),
            XAxis::Time => Along::Time,
            _ => Along::Step,
        };
        Ok(Placed { x: self.x.clone(), fixed, plan, along })
    }
}

/// Series and where their x comes from. They are read one at a time, once for the frame and once for the answer.
struct Placed {
    x: XAxis,
    fixed: Selection,
    plan: Plan,
    along: Along,
}

/// Where the x of series comes from.
enum Along {
    Step,
    Time,
    /// When each run started.
    Starts(HashMap<Arc<str>, i64>),
    /// The series of another metric, by run and labels.
    Metric(HashMap<(Arc<str>, Labels), Placement>),
}

impl Placed {
    /// Where the x of a series comes from; `None` where the other metric has no such series: then points have no x.
    fn placement(&self, key: &SeriesKey) -> Option<Placement> {
        match &self.along {
            Along::Step => Some(Placement::Step),
            Along::Time => Some(Placement::Since(0)),
            Along::Starts(starts) => {
                Some(Placement::Since(starts.get(&key.run).copied().unwrap_or_default()))
            }
            Along::Metric(others) => {
                let of = |labels: Labels| others.get(&(key.run.clone(), labels));
                of(key.labels.clone()).or_else(|| of(Labels::none())).cloned()
            }
        }
    }

    fn each_points<T: Send>(
        &self,
        keeps: impl Fn(u64) -> u64 + Sync,
        work: impl Fn(&SeriesKey, Points) -> T + Sync,
    ) -> Result<Vec<T>> {
        let columns = ColumnSet { step: true, time: true, ..ColumnSet::VALUE };
        self.plan.each_whole(columns, keeps, |key, points| {
            let (seqs, written) = (Vec::new(), Vec::new());
            work(key, Points { seqs, written, ..points })
        })
    }

    /// Calls `work` with each series alone over the axis.
    fn each<T: Send>(
        &self,
        keeps: impl Fn(u64) -> u64 + Sync,
        work: impl Fn(OverAxis) -> T + Sync,
    ) -> Result<Vec<T>> {
        self.each_points(keeps, |key, points| {
            let mut over = OverAxis::new(self.x.clone());
            if let Some(placement) = self.placement(key) {
                over.push(key.clone(), points, placement);
            }
            work(over)
        })
    }

    fn frame(&self) -> Result<AxisFrame> {
        let reaches = self.each(|_| 0, |over| over.reach())?;
        let reach = reaches.into_iter().fold(AxisReach::default(), AxisReach::join);
        Ok(AxisFrame::new(self.x.clone(), reach))
    }

    /// The batch of what `line` leaves of each series, at most `most` points.
    fn lines(
        &self,
        frame: &AxisFrame,
        most: u64,
        line: impl Fn(&OverAxis) -> Vec<AxisLine> + Sync,
    ) -> Result<RecordBatch> {
        let keeps = |found: u64| found.min(most).saturating_mul(AxisLine::POINT_BYTES);
        let lines = self.each(keeps, |over| line(&over))?;
        frame.lines_batch(lines.into_iter().flatten().collect())
    }
}

/// When runs started.
fn starts<'a>(fixed: &Selection, runs: impl Iterator<Item = &'a Arc<str>>) -> Result<HashMap<Arc<str>, i64>> {
    let snapshot = fixed.snapshot()?;
    let said: HashMap<String, i64> =
        snapshot.runs().into_iter().filter_map(|run| Some((run.id, run.started_us?))).collect();
    let mut starts = HashMap::new();
    for run in runs {
        if starts.contains_key(run) {
            continue;
        }
        let start = match said.get(&**run) {
            Some(&start) => Some(start),
            None => {
                let all = snapshot.select().run(&**run).summaries()?;
                all.iter().filter_map(|(_, summary)| summary.time_min_us).min()
            }
        };
        starts.extend(start.map(|start| (run.clone(), start)));
    }
    Ok(starts)
}

/// The series of another metric as written, at all steps, by run and labels.
fn others(fixed: &Selection, name: &str) -> Result<HashMap<(Arc<str>, Labels), Placement>> {
    let plan = fixed.of_metric(name).plan()?;
    let columns = ColumnSet { step: true, ..ColumnSet::VALUE };
    let found = plan.each_whole(
        columns,
        |found| found * 16,
        |key, points| ((key.run.clone(), key.labels.clone()), Placement::series(points)),
    )?;
    Ok(found.into_iter().collect())
}
