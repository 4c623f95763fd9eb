//! Counts what one answer reads. The counts change no result. They have one effect: an answer that has read a lot stops
//! adding pages to the cache.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tidalite_parts::Fetched;
use uuid::Uuid;

/// Counters of one answer, shared by its threads.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) series: AtomicU64,
    pub(crate) merged: AtomicU64,
    pub(crate) thinned: AtomicU64,
    pub(crate) parts_skipped: AtomicU64,
    pub(crate) summaries: AtomicU64,
    pub(crate) summary_points: AtomicU64,
    pub(crate) buckets: AtomicU64,
    pub(crate) bucket_points: AtomicU64,
    pub(crate) page_points: AtomicU64,
    pub(crate) log_points: AtomicU64,
    pub(crate) pages: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) rollup_pages: AtomicU64,
    pub(crate) rollup_bytes: AtomicU64,
    pub(crate) cached: AtomicU64,
    tiles: Mutex<BTreeSet<(Uuid, u32)>>,
    /// Whether a job reads, and no answer: its pages are never cached, since it reads each part once.
    of_job: bool,
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

impl Meter {
    /// A meter of a job, such as a compaction.
    pub(crate) fn of_job() -> Self {
        Meter { of_job: true, ..Meter::default() }
    }

    /// Whether pages are cached. An answer that reads more than half the cache would evict pages that are still in use. A
    /// point counts 16 bytes.
    pub(crate) fn keeps_pages(&self, cache_bytes: u64) -> bool {
        !self.of_job && self.points_read().saturating_mul(16) < cache_bytes / 2
    }

    /// Records a plan. Of several plans in one answer, the last counts.
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

    /// Points read from pages so far.
    fn points_read(&self) -> u64 {
        self.page_points.load(Ordering::Relaxed)
    }

    /// Number of tiles that pages were read from.
    pub(crate) fn tiles_read(&self) -> u64 {
        self.tiles.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }
}
