//! What an answer was made from: counted where it is read, told when it is asked for.
//!
//! The sources, the cheapest first: the ranges in the manifest leave out whole parts; summaries of series tables, which are
//! in memory, stand for all points of a series in a tile; rollups for those of a bucket of steps; pages are read where
//! nothing else will do; and what is not flushed yet comes from the logs, in memory too.

use crate::select::Select;
use crate::snapshot::Snapshot;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tidalite_model::Result;
use tidalite_parts::Fetched;
use uuid::Uuid;

/// What an answer was made from. See [`Select::explain`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explain {
    /// Series selected.
    pub series: u64,
    /// Of these, series whose points had to be merged: their parts overlap, or they have repeats, rewound points or history.
    pub series_merged: u64,
    /// Of the selected, series that were thinned, wholly or in part (see [`Store::thin`](crate::Store::thin)).
    pub series_thinned: u64,
    /// Summaries of whole tiles of a series, from series tables.
    pub summaries: u64,
    /// Points that these stand for.
    pub summary_points: u64,
    /// Buckets of rollups.
    pub buckets: u64,
    /// Points that these stand for.
    pub bucket_points: u64,
    /// Points decoded from pages.
    pub page_points: u64,
    /// Points taken from logs.
    pub log_points: u64,
    /// Parts of the snapshot.
    pub parts: u64,
    /// Of these, parts left out by what the manifest says of them.
    pub parts_skipped: u64,
    /// Tiles of all parts.
    pub tiles: u64,
    /// Of these, tiles of which pages were read.
    pub tiles_read: u64,
    /// Pages of all parts.
    pub pages: u64,
    /// Pages read; one that was read twice counts twice.
    pub pages_read: u64,
    /// Bytes of all pages of all parts.
    pub bytes: u64,
    /// Bytes of the pages read.
    pub bytes_read: u64,
    /// Pages of rollups read.
    pub rollup_pages_read: u64,
    /// Bytes of these.
    pub rollup_bytes_read: u64,
    /// Pages that were not read, since the reader had kept them decoded.
    pub pages_cached: u64,
    /// How long it took, in microseconds.
    pub elapsed_us: u64,
}

impl Explain {
    /// All counts by their names, in the order of the fields.
    pub fn counts(&self) -> [(&'static str, u64); 21] {
        [
            ("series", self.series),
            ("series_merged", self.series_merged),
            ("series_thinned", self.series_thinned),
            ("summaries", self.summaries),
            ("summary_points", self.summary_points),
            ("buckets", self.buckets),
            ("bucket_points", self.bucket_points),
            ("page_points", self.page_points),
            ("log_points", self.log_points),
            ("parts", self.parts),
            ("parts_skipped", self.parts_skipped),
            ("tiles", self.tiles),
            ("tiles_read", self.tiles_read),
            ("pages", self.pages),
            ("pages_read", self.pages_read),
            ("bytes", self.bytes),
            ("bytes_read", self.bytes_read),
            ("rollup_pages_read", self.rollup_pages_read),
            ("rollup_bytes_read", self.rollup_bytes_read),
            ("pages_cached", self.pages_cached),
            ("elapsed_us", self.elapsed_us),
        ]
    }
}

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skipped = |all: u64, read: u64| all.saturating_sub(read);
        writeln!(f, "{:<14} {:>14} {:>14}", "source", "pieces", "points")?;
        writeln!(f, "{:<14} {:>14} {:>14}", "series tables", self.summaries, self.summary_points)?;
        writeln!(f, "{:<14} {:>14} {:>14}", "rollups", self.buckets, self.bucket_points)?;
        writeln!(f, "{:<14} {:>14} {:>14}", "pages", self.pages_read, self.page_points)?;
        writeln!(f, "{:<14} {:>14} {:>14}", "logs", "", self.log_points)?;
        writeln!(f)?;
        writeln!(f, "{:<14} {:>14} {:>14}", "", "read", "skipped")?;
        let parts = skipped(self.parts, self.parts_skipped);
        writeln!(f, "{:<14} {:>14} {:>14}", "parts", parts, self.parts_skipped)?;
        let tiles = skipped(self.tiles, self.tiles_read);
        writeln!(f, "{:<14} {:>14} {:>14}", "tiles", self.tiles_read, tiles)?;
        let pages = skipped(self.pages, self.pages_read);
        writeln!(f, "{:<14} {:>14} {:>14}", "pages", self.pages_read, pages)?;
        let bytes = skipped(self.bytes, self.bytes_read);
        writeln!(f, "{:<14} {:>14} {:>14}", "bytes", self.bytes_read, bytes)?;
        writeln!(f, "{:<14} {:>14}", "rollup bytes", self.rollup_bytes_read)?;
        writeln!(f, "{:<14} {:>14}", "cached pages", self.pages_cached)?;
        writeln!(f)?;
        let (series, merged) = (self.series, self.series_merged);
        let thinned = match self.series_thinned {
            0 => String::new(),
            n => format!(", {n} thinned"),
        };
        let elapsed = self.elapsed_us as f64 / 1e3;
        write!(f, "{series} series, {merged} of them merged{thinned}; {elapsed:.2} ms")
    }
}

impl Select {
    /// An answer, and what it was made from: which source stood for how many points, and what was read and skipped. The
    /// counts are those of the reading itself. A [`PointStream`](crate::PointStream) reads as it is drained, so that is to
    /// happen within `ask`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// for step in 0..1000 { run.log(step, &[("loss", 1.0)])?; }
    /// store.flush()?;
    /// let (sums, how) = store.select().metric("loss").explain(|s| s.summaries())?;
    /// assert_eq!((sums.len(), how.summary_points, how.pages_read), (1, 1000, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of the answer.
    pub fn explain<T>(&self, ask: impl FnOnce(&Select) -> Result<T>) -> Result<(T, Explain)> {
        let meter = Arc::new(Meter::default());
        let select = self.fixed()?.metered(meter.clone());
        let start = Instant::now();
        let answer = ask(&select)?;
        let elapsed = start.elapsed();
        let mut told = meter.told(&select.snapshot()?);
        told.elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        Ok((answer, told))
    }
}

/// Counters of one answer; threads share it.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    series: AtomicU64,
    merged: AtomicU64,
    thinned: AtomicU64,
    parts_skipped: AtomicU64,
    summaries: AtomicU64,
    summary_points: AtomicU64,
    buckets: AtomicU64,
    bucket_points: AtomicU64,
    page_points: AtomicU64,
    log_points: AtomicU64,
    pages: AtomicU64,
    bytes: AtomicU64,
    rollup_pages: AtomicU64,
    rollup_bytes: AtomicU64,
    cached: AtomicU64,
    tiles: Mutex<BTreeSet<(Uuid, u32)>>,
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

impl Meter {
    /// A plan was made. An answer that makes several tells the last one's.
    pub(crate) fn planned(&self, series: usize, parts_skipped: u64, thinned: usize) {
        self.thinned.store(thinned as u64, Ordering::Relaxed);
        self.series.store(series as u64, Ordering::Relaxed);
        self.parts_skipped.store(parts_skipped, Ordering::Relaxed);
    }

    pub(crate) fn merged(&self, series: usize) {
        add(&self.merged, series as u64);
    }

    pub(crate) fn summaries(&self, n: u64, points: u64) {
        add(&self.summaries, n);
        add(&self.summary_points, points);
    }

    pub(crate) fn buckets(&self, n: u64, points: u64) {
        add(&self.buckets, n);
        add(&self.bucket_points, points);
    }

    pub(crate) fn rollups(&self, fetched: Fetched) {
        add(&self.rollup_pages, fetched.pages);
        add(&self.rollup_bytes, fetched.bytes);
    }

    pub(crate) fn log_points(&self, points: usize) {
        add(&self.log_points, points as u64);
    }

    pub(crate) fn tile(&self, part: Uuid, tile: u32, fetched: Fetched, points: u64) {
        add(&self.pages, fetched.pages);
        add(&self.bytes, fetched.bytes);
        add(&self.page_points, points);
        add(&self.cached, fetched.cached);
        self.tiles.lock().unwrap_or_else(PoisonError::into_inner).insert((part, tile));
    }

    /// Points taken from pages so far.
    pub(crate) fn points_read(&self) -> u64 {
        self.page_points.load(Ordering::Relaxed)
    }

    fn told(&self, snapshot: &Snapshot) -> Explain {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let parts = &snapshot.view.parts;
        Explain {
            series: get(&self.series),
            series_merged: get(&self.merged),
            series_thinned: get(&self.thinned),
            summaries: get(&self.summaries),
            summary_points: get(&self.summary_points),
            buckets: get(&self.buckets),
            bucket_points: get(&self.bucket_points),
            page_points: get(&self.page_points),
            log_points: get(&self.log_points),
            parts: parts.len() as u64,
            parts_skipped: get(&self.parts_skipped),
            tiles: parts.iter().map(|p| u64::from(p.meta().tiles)).sum(),
            tiles_read: self.tiles.lock().unwrap_or_else(PoisonError::into_inner).len() as u64,
            pages: parts.iter().map(|p| p.pages()).sum(),
            pages_read: get(&self.pages),
            bytes: parts.iter().map(|p| p.meta().bytes - p.meta().footer_bytes).sum(),
            bytes_read: get(&self.bytes),
            rollup_pages_read: get(&self.rollup_pages),
            rollup_bytes_read: get(&self.rollup_bytes),
            pages_cached: get(&self.cached),
            elapsed_us: 0,
        }
    }
}
