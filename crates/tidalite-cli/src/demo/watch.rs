//! The live view of the demo: a chart of the losses, redrawn on a terminal, or a line of progress per second elsewhere.

use crate::draw::chart::{Chart, ChartLine, LineBucket};
use crate::draw::line::terminal;
use crate::error::CliResult;
use crate::table::terminal_width;
use crate::text::short_number;
use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidalite::{Follow, Store};

/// The time between two drawings.
const REDRAW: Duration = Duration::from_millis(200);
/// The time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(1);
/// The most columns of the live chart, and its lines.
const SIZE: (usize, usize) = (100, 14);

/// The losses seen so far, by run.
pub(super) struct Losses {
    follow: Follow,
    runs: BTreeMap<String, Vec<(i64, f64)>>,
    /// The time from a row being logged to it being read here, in µs.
    latencies_us: Vec<i64>,
}

impl Losses {
    /// Follows the losses of all runs from the beginning.
    pub(super) fn follow(store: &Store) -> CliResult<Losses> {
        let follow = store.select().metric("loss").follow()?;
        Ok(Losses { follow, runs: BTreeMap::new(), latencies_us: Vec::new() })
    }

    /// Reads new points, waiting at most `wait` for them.
    pub(super) fn poll(&mut self, wait: Duration) -> CliResult {
        let batches = self.follow.wait(wait)?;
        let now_us = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(0));
        batches.iter().for_each(|b| self.take(b, now_us));
        Ok(())
    }

    fn take(&mut self, batch: &RecordBatch, now_us: i64) {
        let column = |name: &str| batch.column_by_name(name).expect("points have run, step, time and value");
        let runs = cast(column("run"), &DataType::Utf8).expect("a run's id is text");
        let runs = runs.as_string::<i32>();
        let steps = column("step").as_primitive::<Int64Type>();
        let times = column("time").as_primitive::<TimestampMicrosecondType>();
        let values = column("value").as_primitive::<Float64Type>();
        for i in 0..batch.num_rows() {
            self.runs.entry(runs.value(i).to_owned()).or_default().push((steps.value(i), values.value(i)));
            self.latencies_us.push(now_us - times.value(i));
        }
    }

    /// The last step read of a run; −1 before the first.
    pub(super) fn last(&self, run: &str) -> i64 {
        self.runs.get(run).and_then(|r| r.last()).map_or(-1, |p| p.0)
    }

    /// The median time from a row being logged to it being read here.
    pub(super) fn median_latency(&self) -> Duration {
        let mut sorted = self.latencies_us.clone();
        sorted.sort_unstable();
        Duration::from_micros(sorted.get(sorted.len() / 2).map_or(0, |us| us.unsigned_abs()))
    }

    fn chart(&self, columns: usize) -> Chart {
        let longest = self.runs.values().map(Vec::len).max().unwrap_or(0);
        let width = (longest / (columns * 2)).max(1).next_power_of_two();
        let bucket = |share: &[(i64, f64)]| {
            let finite: Vec<f64> = share.iter().map(|p| p.1).filter(|v| v.is_finite()).collect();
            let mean = finite.iter().sum::<f64>() / finite.len() as f64;
            LineBucket {
                x: share[0].0 as f64,
                lo: mean,
                hi: mean,
                mean,
                nonfinite: finite.len() < share.len(),
            }
        };
        let line = |(run, points): (&String, &Vec<(i64, f64)>)| ChartLine {
            name: run.clone(),
            points: points.chunks(width).map(bucket).collect(),
        };
        Chart {
            y_name: "loss, live".into(),
            x_name: "step".into(),
            log_y: true,
            lines: self.runs.iter().map(line).collect(),
            ..Chart::default()
        }
    }

    fn describe(&self) -> String {
        let rows: usize = self.runs.values().map(Vec::len).sum();
        let last = self.runs.iter().map(|(run, points)| {
            let (step, loss) = points.last().copied().unwrap_or((0, f64::NAN));
            format!("{run} {} at {step}", short_number(loss))
        });
        format!("{rows} rows seen live; loss: {}", last.collect::<Vec<_>>().join(", "))
    }
}

/// Standard output with a chart at its end that is redrawn in place.
pub(super) struct Screen {
    /// Columns of the terminal, if it supports escape sequences.
    columns: Option<usize>,
    color: bool,
    drawn_lines: usize,
    start: Instant,
    shown: Instant,
}

impl Screen {
    /// Creates a screen.
    pub(super) fn new(color: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|t| t == "dumb");
        let columns = terminal_width().filter(|_| stdout().is_terminal() && !dumb);
        Screen { columns, color, drawn_lines: 0, start: Instant::now(), shown: Instant::now() }
    }

    /// Prints permanent text above the chart.
    pub(super) fn print(&mut self, text: &str) -> CliResult {
        self.clear()?;
        let mut out = stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }

    /// Erases the chart.
    pub(super) fn clear(&mut self) -> CliResult {
        if self.drawn_lines > 0 {
            let mut out = stdout().lock();
            // Moves to the first line of the chart and erases from there.
            write!(out, "\x1b[{}F\x1b[J", self.drawn_lines)?;
            out.flush()?;
            self.drawn_lines = 0;
        }
        Ok(())
    }

    /// Draws the losses if enough time has passed.
    pub(super) fn show(&mut self, losses: &Losses) -> CliResult {
        let every = if self.columns.is_some() { REDRAW } else { PROGRESS };
        if self.shown.elapsed() < every || losses.runs.is_empty() {
            return Ok(());
        }
        self.shown = Instant::now();
        let Some(columns) = self.columns else {
            let seconds = self.start.elapsed().as_secs_f64();
            return self.print(&format!("{seconds:4.1} s  {}", losses.describe()));
        };
        let columns = columns.min(SIZE.0);
        let text = terminal(&losses.chart(columns), columns, SIZE.1, self.color);
        self.clear()?;
        let mut out = stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        self.drawn_lines = text.lines().count();
        Ok(())
    }
}
