//! How a log is written: durability, segment sizes and the background thread.

use crate::format::SEGMENT_BYTES_LIMIT;
use std::time::Duration;

/// When what was accepted becomes durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// In the background, each [`LogOptions::sync_interval`].
    Process,
    /// In the background, each such interval; at least a millisecond.
    Interval(Duration),
    /// Before the append returns.
    Row,
}

/// How a log is written.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogOptions {
    /// When what was accepted becomes durable. Default: `Process`.
    pub durability: Durability,
    /// Size of the first segment in bytes; each full one is followed by one twice as large. Default: 256 KiB.
    pub segment_bytes_min: u64,
    /// The greatest size of a segment in bytes, save for one that must fit a larger frame. Default: 64 MiB.
    pub segment_bytes_max: u64,
    /// Time between syncs at durability `Process`. Default: 1 s.
    pub sync_interval: Duration,
    /// Whether a thread of the log's own syncs and makes segments ahead of need. Without it nothing is synced but
    /// on request, and at durability `Row`. Default: true.
    pub background: bool,
}

impl Default for LogOptions {
    fn default() -> Self {
        LogOptions {
            durability: Durability::Process,
            segment_bytes_min: 256 << 10,
            segment_bytes_max: 64 << 20,
            sync_interval: Duration::from_secs(1),
            background: true,
        }
    }
}

impl LogOptions {
    /// The same with sizes that a segment can have.
    pub(super) fn bounded(mut self) -> Self {
        self.segment_bytes_max =
            self.segment_bytes_max.clamp(4096, SEGMENT_BYTES_LIMIT).next_multiple_of(4096);
        let min = self.segment_bytes_min.clamp(4096, self.segment_bytes_max);
        self.segment_bytes_min = min.next_multiple_of(4096);
        self
    }

    pub(super) fn interval(&self) -> Duration {
        let interval = match self.durability {
            Durability::Interval(d) => d,
            Durability::Process | Durability::Row => self.sync_interval,
        };
        // An upper bound keeps the sum with the clock's time in range.
        interval.clamp(Duration::from_millis(1), Duration::from_secs(86_400))
    }
}
