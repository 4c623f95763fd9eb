//! What an answer was made from, counted while it is read.
//!
//! Sources, cheapest first: ranges in the manifest rule out whole parts; summaries of series tables, in memory, stand
//! for all points of a series in a tile; rollups stand for those of a bucket of steps; pages are read where nothing
//! else suffices; points that are not flushed come from the logs, also in memory.

use super::selection::Selection;
use crate::parts::meter::Meter;
use crate::view::snapshot::Snapshot;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tidalite_model::Result;

/// What an answer was made from. See [`Selection::explain`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explain {
    /// Series selected, before conditions on what they hold.
    pub series: u64,
    /// Series whose points had to be merged, since their parts overlap, or they have repeats, rewound points or
    /// history. A long series may count more than once.
    pub series_merged: u64,
    /// Selected series that were thinned, wholly or in part (see [`Store::thin`](crate::Store::thin)).
    pub series_thinned: u64,
    /// Summaries of whole tiles of a series, from series tables.
    pub summaries: u64,
    /// Points that the summaries stand for.
    pub summary_points: u64,
    /// Buckets of rollups.
    pub buckets: u64,
    /// Points that the buckets stand for.
    pub bucket_points: u64,
    /// Points decoded from pages.
    pub page_points: u64,
    /// Points taken from logs.
    pub log_points: u64,
    /// Parts of the snapshot.
    pub parts: u64,
    /// Parts ruled out by their ranges in the manifest.
    pub parts_skipped: u64,
    /// Tiles of all parts.
    pub tiles: u64,
    /// Tiles of which pages were read.
    pub tiles_read: u64,
    /// Pages of all parts.
    pub pages: u64,
    /// Pages read; one that is read twice counts twice.
    pub pages_read: u64,
    /// Bytes of all pages of all parts.
    pub bytes: u64,
    /// Bytes of the pages read.
    pub bytes_read: u64,
    /// Pages of rollups read.
    pub rollup_pages_read: u64,
    /// Bytes of the rollup pages read.
    pub rollup_bytes_read: u64,
    /// Pages that were not read, since the reader had cached them decoded.
    pub pages_cached: u64,
    /// Elapsed time in microseconds.
    pub elapsed_us: u64,
}

impl Explain {
    /// All counts by their names, in the order of the fields.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
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
        .into_iter()
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

impl Selection {
    /// An answer, and what it was made from: how many points each source stood for, and what was read and skipped.
    /// The counts are those of the reading itself. A [`PointStream`](crate::PointStream) reads while it is drained,
    /// so drain it within `ask`.
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
    pub fn explain<T>(&self, ask: impl FnOnce(&Selection) -> Result<T>) -> Result<(T, Explain)> {
        let meter = Arc::new(Meter::default());
        let select = self.fixed()?.metered(meter.clone());
        let start = Instant::now();
        let answer = ask(&select)?;
        let elapsed = start.elapsed();
        let mut told = explained(&meter, &select.planning()?.snapshot);
        told.elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        Ok((answer, told))
    }
}

/// The counts of a meter, with the totals of the snapshot that the answer was made from.
fn explained(meter: &Meter, snapshot: &Snapshot) -> Explain {
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let parts = &snapshot.view.parts;
    Explain {
        series: get(&meter.series),
        series_merged: get(&meter.merged),
        series_thinned: get(&meter.thinned),
        summaries: get(&meter.summaries),
        summary_points: get(&meter.summary_points),
        buckets: get(&meter.buckets),
        bucket_points: get(&meter.bucket_points),
        page_points: get(&meter.page_points),
        log_points: get(&meter.log_points),
        parts: parts.len() as u64,
        parts_skipped: get(&meter.parts_skipped),
        tiles: parts.iter().map(|p| u64::from(p.meta().tiles)).sum(),
        tiles_read: meter.tiles_read(),
        pages: parts.iter().map(|p| p.pages()).sum(),
        pages_read: get(&meter.pages),
        bytes: parts.iter().map(|p| p.meta().bytes - p.meta().footer_bytes).sum(),
        bytes_read: get(&meter.bytes),
        rollup_pages_read: get(&meter.rollup_pages),
        rollup_bytes_read: get(&meter.rollup_bytes),
        pages_cached: get(&meter.cached),
        elapsed_us: 0,
    }
}
