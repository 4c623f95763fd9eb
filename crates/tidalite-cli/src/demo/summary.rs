//! The summary at the end of the demo: the runs, the losses, the measurements, and commands to try next.

use super::children::LogTiming;
use super::plan::MACHINE_RUN;
use crate::draw::chart::{Chart, ChartLine, LineBucket};
use crate::draw::{line::terminal, spark::spark};
use crate::error::CliResult;
use crate::program::{Program, shell};
use crate::table::{Align, TextTable, terminal_width};
use crate::text::{human_bytes, human_count, human_duration, short_number};
use std::path::Path;
use std::time::{Duration, Instant};
use tidalite::{CompactStats, FlushStats, Stats, Store, Summary};

/// The most columns of the final chart, and its lines.
const SIZE: (usize, usize) = (100, 18);
/// Width of a sparkline, in characters.
const SPARK: usize = 16;

/// What the demo measures.
#[derive(Debug, Default)]
pub(super) struct Measurements {
    /// The timing of each trainer that was not killed.
    pub(super) timings: Vec<LogTiming>,
    /// The median time from a row being logged to it being read here.
    pub(super) live: Duration,
    /// The flush during logging.
    pub(super) flushed: FlushStats,
    log_bytes: u64,
    last_flush: (FlushStats, Duration),
    compacted: (CompactStats, Duration),
    /// The number of losses, and how long it took to query them all.
    queried: (usize, Duration),
    after: Stats,
    sound: bool,
}

impl Measurements {
    /// Flushes while other processes log.
    pub(super) fn flush(&mut self, store: &Store) -> CliResult {
        self.flushed = store.flush()?;
        Ok(())
    }

    /// Flushes, compacts, queries and verifies after all other processes have exited.
    pub(super) fn measure(&mut self, store: &Store) -> CliResult {
        self.log_bytes = store.stats()?.log_bytes;
        let start = Instant::now();
        self.last_flush = (store.flush()?, start.elapsed());
        let start = Instant::now();
        self.compacted = (store.compact()?, start.elapsed());
        let start = Instant::now();
        let losses = store.select().metric("loss").points()?.collect()?;
        self.queried = (losses.num_rows(), start.elapsed());
        self.after = store.stats()?;
        self.sound = store.verify()?.is_sound();
        Ok(())
    }

    fn describe(&self) -> String {
        let each = |bytes: u64, points: u64| bytes as f64 / points.max(1) as f64;
        let rate =
            |points: u64, took: Duration| human_count((points as f64 / took.as_secs_f64().max(1e-9)) as u64);
        let range = |of: fn(&LogTiming) -> u64| {
            let all = || self.timings.iter().map(of);
            let (least, most) = (all().min().unwrap_or(0), all().max().unwrap_or(0));
            [least, most].map(|ns| human_duration(Duration::from_nanos(ns))).join(" to ")
        };
        let mut table = TextTable::new(&[("measured", Align::Left), ("", Align::Left)]);
        let rows = [
            ("one log() of 8 metrics", format!("p50 {}, p99 {}", range(|t| t.p50_ns), range(|t| t.p99_ns))),
            ("log() to seen here", format!("p50 {}", human_duration(self.live))),
            ("log", format!("{} on disk before the last flush", human_bytes(self.log_bytes))),
            ("flush", self.describe_flush(rate)),
            (
                "compaction",
                format!(
                    "{} parts into {}, {} points in {}: {} points/s",
                    self.compacted.0.parts_in,
                    self.compacted.0.parts_out,
                    human_count(self.compacted.0.points),
                    human_duration(self.compacted.1),
                    rate(self.compacted.0.points, self.compacted.1)
                ),
            ),
            (
                "Parquet",
                format!(
                    "{} for {} points: {:.2} bytes per point, plus {} of summaries",
                    human_bytes(self.after.parts_bytes),
                    human_count(self.after.points),
                    each(self.after.parts_bytes, self.after.points),
                    human_bytes(self.after.series_bytes)
                ),
            ),
            (
                "query of all losses",
                format!("{} points in {}", self.queried.0, human_duration(self.queried.1)),
            ),
            ("verify", if self.sound { "sound".into() } else { "DAMAGED".to_owned() }),
        ];
        for (name, text) in rows {
            table.row([name.to_owned(), text]);
        }
        table.render(terminal_width())
    }

    fn describe_flush(&self, rate: impl Fn(u64, Duration) -> String) -> String {
        let (stats, took) = self.last_flush;
        format!(
            "{} points in {}: {} points/s",
            human_count(stats.points),
            human_duration(took),
            rate(stats.points, took)
        )
    }
}

/// The whole summary.
pub(super) fn text(
    store: &Store,
    measurements: &Measurements,
    color: bool,
    program: &Program,
    path: &Path,
    took: Duration,
) -> CliResult<String> {
    let columns = terminal_width().unwrap_or(SIZE.0).min(SIZE.0);
    let chart = terminal(&losses(store, columns * 2)?, columns, SIZE.1, color);
    let samples = points_of(store, MACHINE_RUN)?;
    let (program, path) = (program.typed(), shell(path));
    Ok(format!(
        "{}\nThe run {MACHINE_RUN} holds {samples} points of telemetry.\n\n{chart}\n{}\n\
         The demo took {}. The store is {path}. Try next:\n\
         \x20 {program} chart {path} -m 'grad_norm/*' -r 'lr-*' --log-y\n\
         \x20 {program} query {path} -m test/accuracy --aggregate max,argmax,last --by run\n\
         \x20 {program} chart {path} -r machine -m cpu/total_percent --x time\n",
        runs(store)?,
        measurements.describe(),
        human_duration(took),
    ))
}

/// The table of the trainers, one row each.
fn runs(store: &Store) -> CliResult<String> {
    let snapshot = store.snapshot()?;
    let mut table = TextTable::new(&[
        ("run", Align::Left),
        ("lr", Align::Right),
        ("status", Align::Left),
        ("steps", Align::Right),
        ("last loss", Align::Right),
        ("best test", Align::Right),
        ("NaN", Align::Right),
        ("loss", Align::Left),
    ]);
    for run in snapshot.runs()? {
        let Some(lr) = run.params.get("lr").and_then(tidalite::Param::as_f64) else { continue };
        let of = |metric: &str| -> CliResult<Summary> {
            let found = snapshot.select().run(&run.id).metric(metric).summaries()?;
            Ok(found.first().map(|(_, s)| s.clone()).unwrap_or_default())
        };
        let (loss, accuracy) = (of("loss")?, of("test/accuracy")?);
        let chart = snapshot.select().run(&run.id).metric("loss").chart(4096)?;
        let buckets = chart.first().map(|(_, c)| c.buckets.as_slice()).unwrap_or_default();
        // Losses span orders of magnitude.
        let logs: Vec<f64> = buckets.iter().map(|b| b.mean.map_or(f64::NAN, f64::log10)).collect();
        let percent = accuracy.max.map_or("–".into(), |m| format!("{:.1} %", m.value * 100.0));
        let last = loss.last.map_or(f64::NAN, |p| p.value);
        table.row([
            run.id.clone(),
            short_number(lr),
            run.status.as_str().to_owned(),
            loss.count.to_string(),
            short_number(last),
            percent,
            loss.nan.to_string(),
            spark(&logs, SPARK),
        ]);
    }
    Ok(table.render(terminal_width()))
}

fn losses(store: &Store, buckets: usize) -> CliResult<Chart> {
    let mut lines = Vec::new();
    for (key, chart) in store.select().metric("loss").chart(buckets)? {
        let points = chart.buckets.iter().map(|b| LineBucket {
            x: b.start as f64,
            lo: b.min.unwrap_or(f64::NAN),
            hi: b.max.unwrap_or(f64::NAN),
            mean: b.mean.unwrap_or(f64::NAN),
            nonfinite: b.nonfinite > 0,
        });
        lines.push(ChartLine { name: key.run.to_string(), points: points.collect() });
    }
    Ok(Chart { y_name: "loss".into(), x_name: "step".into(), log_y: true, lines, ..Chart::default() })
}

/// The number of points of a run.
fn points_of(store: &Store, run: &str) -> CliResult<u64> {
    Ok(store.select().run(run).summaries()?.iter().map(|(_, s)| s.count).sum())
}
