//! Selections over an x-axis other than the step: time, time since the run's start, or the value of another metric.
//!
//! Series are read one at a time, and sorted by the axis: once to find how far the axis reaches, and once for the answer.
//! Each piece of a long series is reduced to what the answer needs, and the pieces are joined. Another metric is joined
//! by step: a point's x is the last finite value of that metric in the same run, at that step or an earlier one. The
//! metric's series is the one with the same labels, or else the one without labels. A run starts at its recorded start,
//! or else at the earliest of its points. All of it sees one snapshot.

use super::line::{LINE_COLUMNS, ReadSeries, check_line, each_series};
use super::m4::check_columns;
use super::selection::Selection;
use crate::plan::query_plan::Plan;
use arrow::array::RecordBatch;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use tidalite_model::{Error, Labels, Result, SeriesKey, SummaryFacts};
use tidalite_parts::ColumnSet;
use tidalite_query::{
    AxisFrame, AxisLine, AxisReach, By, ChartMerge, Fill, OverAxis, Placement, Points, XAxis, lttb,
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
        let placed = self.placed(Pieces::Joined)?;
        // Only the order of x counts.
        let frame = AxisFrame::new(self.x.clone(), AxisReach::default());
        let lines = placed.each(AxisLine::bytes, |over| frame.points(&over))?;
        placed.lines(&frame, lines, |pieces, placement| frame.join_points(pieces, placement))
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
        let placed = self.placed(Pieces::Joined)?;
        let frame = placed.frame()?;
        let of_pieces = placed.each(
            |(_, chart): &(SeriesKey, ChartMerge)| chart.bytes(),
            |over| frame.begin_charts(&over, buckets),
        )?;
        let mut charts: Vec<(SeriesKey, ChartMerge)> = Vec::new();
        for (key, chart) in of_pieces {
            match charts.last_mut() {
                Some((last, whole)) if *last == key => whole.append(chart),
                _ => charts.push((key, chart)),
            }
        }
        let charts: Vec<_> = charts.into_iter().map(|(key, chart)| (key, chart.finish())).collect();
        frame.chart_batch(&charts, buckets)
    }

    /// Statistics over the selected runs in at most `buckets` buckets of the axis, as [`Selection::band`] gives for
    /// steps; columns as in [`over_band_schema`](crate::over_band_schema).
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` as for [`Selection::band`].
    pub fn band(&self, buckets: usize, by: &[By]) -> Result<RecordBatch> {
        self.band_over(buckets, by, &[By::Run])
    }

    /// As [`band`](Self::band), over other members than runs, as [`Selection::band_over`] for steps.
    ///
    /// # Errors
    /// As [`band`](Self::band); `Invalid` as for [`Selection::band_over`].
    pub fn band_over(&self, buckets: usize, by: &[By], over: &[By]) -> Result<RecordBatch> {
        super::band::check_band(buckets, by, over)?;
        let placed = self.placed(Pieces::Joined)?;
        let snapshot = placed.fixed.snapshot()?;
        let selected = placed.fixed.series_filter(&snapshot)?.runs;
        let frame = placed.frame()?;
        let band = frame.band(buckets, (by, over), |grouping| snapshot.with_params(grouping, &selected))?;
        let band = Mutex::new(band);
        // Groups are shared by series, so their memory is counted once, below.
        placed.each(
            |()| 0,
            |over| {
                let mut band = band.lock().unwrap_or_else(PoisonError::into_inner);
                band.push(&over);
                Vec::new()
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
        check_line(points)?;
        let placed = self.placed(Pieces::Joined)?;
        let frame = placed.frame()?;
        let lines = each_series(
            &placed.plan,
            LINE_COLUMNS,
            |line: &Option<AxisLine>| line.as_ref().map_or(0, AxisLine::bytes),
            |series| placed.line(series, &frame, points),
        )?;
        frame.lines_batch(lines.into_iter().flatten().collect())
    }

    /// The points of each series that its line needs in `columns` pixel columns, as [`Selection::m4`]; columns as for
    /// [`points`](Self::points).
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` for 0 columns.
    pub fn m4(&self, columns: usize) -> Result<RecordBatch> {
        check_columns(columns)?;
        let placed = self.placed(Pieces::Joined)?;
        let frame = placed.frame()?;
        let lines = placed.each(AxisLine::bytes, |over| frame.m4(&over, columns))?;
        placed.lines(&frame, lines, |pieces, placement| frame.join_m4(pieces, placement, columns))
    }

    /// The series as columns, as [`Selection::align`] gives them, with one row for each x that any of them has. The
    /// first column is `x`. Where a series has several points at one x, that of the greatest step counts.
    ///
    /// # Errors
    /// As [`Selection::align`]; `Invalid` for linear fill over another metric.
    pub fn align(&self, fill: Fill) -> Result<RecordBatch> {
        OverAxis::check_fill(&self.x, fill)?;
        let placed = self.placed(Pieces::Whole)?;
        super::align::check_series(&placed.plan)?;
        // A second copy of the x and the values is kept.
        let bytes = |(_, points): &(SeriesKey, Points)| points.len() as u64 * ALIGNED_POINT_BYTES;
        let series = placed.each_points(bytes, |key, points| (key.clone(), points))?;
        let kept = series.iter().map(bytes).sum();
        let mut over = OverAxis::new(self.x.clone());
        for (key, points) in series {
            if let Some(placement) = placed.placement(&key) {
                over.push(key, points, placement);
            }
        }
        super::align::finish(&placed.plan, over.align(), kept, fill)
    }

    fn placed(&self, pieces: Pieces) -> Result<Placed> {
        let fixed = self.select.fixed()?;
        let plan = match pieces {
            Pieces::Joined => fixed.plan_in_pieces()?,
            Pieces::Whole => fixed.plan_whole()?,
        };
        let along = match &self.x {
            XAxis::Elapsed => Along::Starts(starts(&fixed, plan.series.iter().map(|s| &s.key.run))?),
            XAxis::Metric(name) => Along::Metric(others(&fixed, name, Placement::series)?),
            XAxis::NextMetric(name) => Along::Metric(others(&fixed, name, Placement::next_of_series)?),
            XAxis::Time => Along::Time,
            _ => Along::Step,
        };
        Ok(Placed { x: self.x.clone(), fixed, plan, pieces, along })
    }
}

/// Bytes of a point of an aligned series: its step, time and value, and its x and value.
const ALIGNED_POINT_BYTES: u64 = 40;

/// How an answer takes a series that is longer than a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pieces {
    /// Piece by piece, each reduced and then joined to those before it.
    Joined,
    /// All its points at once.
    Whole,
}

/// Series and where their x comes from. They are read one at a time, once for the frame and once for the answer.
struct Placed {
    x: XAxis,
    fixed: Selection,
    plan: Plan,
    pieces: Pieces,
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
        bytes: impl Fn(&T) -> u64 + Sync,
        work: impl Fn(&SeriesKey, Points) -> T + Sync,
    ) -> Result<Vec<T>> {
        let columns = ColumnSet { step: true, time: true, ..ColumnSet::VALUE };
        let work = |key: &SeriesKey, points| {
            let (seqs, written) = (Vec::new(), Vec::new());
            work(key, Points { seqs, written, ..points })
        };
        match self.pieces {
            Pieces::Joined => self.plan.each_kept(columns, bytes, work),
            Pieces::Whole => self.plan.each_whole(columns, bytes, work),
        }
    }

    /// Calls `work` with each series, or each piece of a long one, over the axis. The results are in the order of series
    /// and pieces.
    fn each<T: Send>(
        &self,
        bytes: impl Fn(&T) -> u64 + Sync,
        work: impl Fn(OverAxis) -> Vec<T> + Sync,
    ) -> Result<Vec<T>> {
        let of_all = |found: &Vec<T>| found.iter().map(&bytes).sum();
        let found = self.each_points(of_all, |key, points| {
            let mut over = OverAxis::new(self.x.clone());
            if let Some(placement) = self.placement(key) {
                over.push(key.clone(), points, placement);
            }
            work(over)
        })?;
        Ok(found.into_iter().flatten().collect())
    }

    fn frame(&self) -> Result<AxisFrame> {
        let reaches = self.each(|_| 0, |over| vec![over.reach()])?;
        let reach = reaches.into_iter().fold(AxisReach::default(), AxisReach::join);
        Ok(AxisFrame::new(self.x.clone(), reach))
    }

    /// A series by at most `n` points of its line. A long one whose x does not rise with its steps has to be sorted.
    ///
    /// # Errors
    /// Those of reading; `Full` where such a series does not fit into memory at once.
    fn line(&self, series: &ReadSeries<'_>, frame: &AxisFrame, n: usize) -> Result<Option<AxisLine>> {
        let Some(placement) = self.placement(series.key()) else { return Ok(None) };
        let mut last = i64::MIN;
        let mut rises = true;
        if series.is_long() {
            series.each(LINE_COLUMNS, &mut |piece| {
                let xs = frame.place(piece, &placement).steps;
                rises &= xs.first().is_none_or(|&first| first >= last);
                last = xs.last().map_or(last, |&end| end.max(last));
            })?;
        }
        let kept = match rises {
            true => series.line(n, |_, take| {
                series.each(LINE_COLUMNS, &mut |piece| take(&frame.place(piece, &placement)))
            })?,
            false => lttb(frame.place(&series.whole(LINE_COLUMNS)?, &placement), n),
        };
        Ok((!kept.is_empty()).then(|| frame.line(series.key(), kept, &placement)))
    }

    /// The batch of lines. The pieces of a series are joined to one line.
    fn lines(
        &self,
        frame: &AxisFrame,
        lines: Vec<AxisLine>,
        join: impl Fn(Vec<AxisLine>, &Placement) -> Option<AxisLine>,
    ) -> Result<RecordBatch> {
        let mut joined = Vec::new();
        let mut lines = lines.into_iter().peekable();
        while let Some(first) = lines.next() {
            let mut pieces = vec![first];
            while let Some(next) = lines.next_if(|next| next.key() == pieces[0].key()) {
                pieces.push(next);
            }
            match self.placement(pieces[0].key()) {
                Some(placement) if pieces.len() > 1 => joined.extend(join(pieces, &placement)),
                _ => joined.append(&mut pieces),
            }
        }
        frame.lines_batch(joined)
    }
}

/// When runs started.
fn starts<'a>(fixed: &Selection, runs: impl Iterator<Item = &'a Arc<str>>) -> Result<HashMap<Arc<str>, i64>> {
    let snapshot = fixed.snapshot()?;
    let said: HashMap<String, i64> =
        snapshot.each_run().filter_map(|run| Some((run.id, run.started_us?))).collect();
    let mut starts: HashMap<Arc<str>, i64> = HashMap::new();
    // Runs whose start nobody recorded.
    let mut unsaid: BTreeSet<&str> = BTreeSet::new();
    for run in runs {
        match said.get(&**run) {
            Some(&start) => drop(starts.insert(run.clone(), start)),
            None => drop(unsaid.insert(run)),
        }
    }
    if !unsaid.is_empty() {
        let all = unsaid.into_iter().fold(snapshot.select(), Selection::run).reporting_to(&fixed.damage);
        let times = SummaryFacts { times: true, ..SummaryFacts::default() };
        all.each_summary(times, false, &mut |key, summary| {
            let Some(first) = summary.time_min_us else { return };
            starts.entry(key.run).and_modify(|start| *start = (*start).min(first)).or_insert(first);
        })?;
    }
    Ok(starts)
}

/// The series of another metric as written, at all steps, by run and labels.
fn others(
    fixed: &Selection,
    name: &str,
    placement: fn(Points) -> Placement,
) -> Result<HashMap<(Arc<str>, Labels), Placement>> {
    let plan = fixed.of_metric(name).plan()?;
    let columns = ColumnSet { step: true, ..ColumnSet::VALUE };
    let bytes = |(_, placement): &((Arc<str>, Labels), Placement)| placement.bytes();
    let found = plan.each_whole(columns, bytes, |key, points| {
        ((key.run.clone(), key.labels.clone()), placement(points))
    })?;
    Ok(found.into_iter().collect())
}
