//! How a log is written: durability, segment sizes and the background job.

use crate::format::SEGMENT_BYTES_LIMIT;
use std::time::Duration;

/// When accepted data becomes durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// In the background, every [`LogOptions::sync_interval`].
    Process,
    /// In the background, at this interval; at least a millisecond.
    Interval(Duration),
    /// Before the append returns.
    Row,
}

/// How a log is written.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogOptions {
    /// When accepted data becomes durable. Default: `Process`.
    pub durability: Durability,
    /// Size of the first segment in bytes. Each full segment is followed by one twice as large. Default: 256 KiB.
    pub segment_bytes_min: u64,
    /// Maximum size of a segment in bytes, unless a larger frame must fit. Default: 64 MiB.
    pub segment_bytes_max: u64,
    /// Time between syncs at durability `Process`. Default: 1 s.
    pub sync_interval: Duration,
    /// Whether a background job syncs and creates segments ahead of need. Without it, only explicit calls and
    /// durability `Row` sync. Default: true.
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
    /// The same options with valid segment sizes.
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
        // The upper bound keeps the sum with the clock's time in range.
        interval.clamp(Duration::from_millis(1), Duration::from_secs(86_400))
    }
}
