//! Selections over an x-axis other than the step: time, time since the run's start, or the value of another metric.
//!
//! Points are sorted by the axis, so all of them are in memory. Another metric is joined as of the step: a point's x
//! is the last finite value of that metric in the same run, at that step or an earlier one. The metric's series is
//! the one with the same labels, or else the one without labels. A run starts at its recorded start, or else at the
//! earliest of its points. All of it sees one snapshot.

use super::m4::check_columns;
use super::selection::Selection;
use crate::plan::query_plan::Plan;
use arrow::array::RecordBatch;
use std::collections::HashMap;
use std::sync::Arc;
use tidalite_model::{Error, Labels, Result, SeriesKey};
use tidalite_parts::ColumnSet;
use tidalite_query::{By, Fill, OverAxis, Placement, Points, XAxis};

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
    /// As [`Selection::points`]; `Full` where all points need more than the memory option.
    pub fn points(&self) -> Result<RecordBatch> {
        self.read()?.points()
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
        self.read()?.chart(buckets)
    }

    /// Statistics over the selected runs in at most `buckets` buckets of the axis, as [`Selection::band`] gives for
    /// steps; columns as in [`over_band_schema`](crate::over_band_schema).
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` as for [`Selection::band`].
    pub fn band(&self, buckets: usize, by: &[By]) -> Result<RecordBatch> {
        super::band::check_band(buckets, by)?;
        let fixed = self.select.fixed()?;
        let snapshot = fixed.snapshot()?;
        let over = self.over(&fixed, &fixed.plan_whole()?)?;
        let selected = fixed.series_filter(&snapshot)?.runs;
        over.band(buckets, by, |grouping| snapshot.with_params(grouping, &selected))
    }

    /// At most `points` points of each series that keep the shape of its line, as [`Selection::lttb`]; columns as for
    /// [`points`](Self::points).
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` for fewer than 3.
    pub fn lttb(&self, points: usize) -> Result<RecordBatch> {
        super::chart::check_line(points)?;
        self.read()?.lttb(points)
    }

    /// The points of each series that its line needs in `columns` pixel columns, as [`Selection::m4`]; columns as for
    /// [`points`](Self::points).
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` for 0 columns.
    pub fn m4(&self, columns: usize) -> Result<RecordBatch> {
        check_columns(columns)?;
        self.read()?.m4(columns)
    }

    /// The series as columns, as [`Selection::align`] gives them, with one row for each x that any of them has. The
    /// first column is `x`. Where a series has several points at one x, that of the greatest step counts.
    ///
    /// # Errors
    /// As [`Selection::align`]; `Invalid` for linear fill over another metric.
    pub fn align(&self, fill: Fill) -> Result<RecordBatch> {
        OverAxis::check_fill(&self.x, fill)?;
        let fixed = self.select.fixed()?;
        let plan = fixed.plan_whole()?;
        super::align::check_series(&plan)?;
        let aligned = self.over(&fixed, &plan)?.align();
        super::align::finish(&plan, aligned, fill)
    }

    fn read(&self) -> Result<OverAxis> {
        let fixed = self.select.fixed()?;
        self.over(&fixed, &fixed.plan_whole()?)
    }

    /// The series of a plan over the axis.
    fn over(&self, fixed: &Selection, plan: &Plan) -> Result<OverAxis> {
        let columns = ColumnSet { step: true, time: true, ..ColumnSet::VALUE };
        let series = plan.each_whole(columns, true, |key, points| (key.clone(), points))?;
        let mut over = OverAxis::new(self.x.clone());
        match &self.x {
            XAxis::Time => {
                series.into_iter().for_each(|(key, points)| over.push(key, points, Placement::Since(0)))
            }
            XAxis::Elapsed => {
                let starts = starts(fixed, &series)?;
                for (key, points) in series {
                    let start = starts.get(&key.run).copied().unwrap_or_default();
                    over.push(key, points, Placement::Since(start));
                }
            }
            XAxis::Metric(name) => {
                let others = others(fixed, name)?;
                for (key, points) in series {
                    let of = |labels: Labels| others.get(&(key.run.clone(), labels));
                    // Without that metric, points have no x.
                    if let Some(along) = of(key.labels.clone()).or_else(|| of(Labels::none())) {
                        over.push(key, points, along.clone());
                    }
                }
            }
            _ => series.into_iter().for_each(|(key, points)| over.push(key, points, Placement::Step)),
        }
        Ok(over)
    }
}

/// When each run of some series started.
fn starts(fixed: &Selection, series: &[(SeriesKey, Points)]) -> Result<HashMap<Arc<str>, i64>> {
    let snapshot = fixed.snapshot()?;
    let said: HashMap<String, i64> =
        snapshot.runs().into_iter().filter_map(|run| Some((run.id, run.started_us?))).collect();
    let mut starts = HashMap::new();
    for run in series.iter().map(|(key, _)| &key.run) {
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
    let found = plan.each_whole(columns, true, |key, points| {
        ((key.run.clone(), key.labels.clone()), Placement::series(points))
    })?;
    Ok(found.into_iter().collect())
}
