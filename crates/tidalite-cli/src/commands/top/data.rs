//! What the view draws: plain values, read by `read.rs` and drawn by `table.rs` and `charts.rs`.

use crate::draw::chart::Chart;
use tidalite::Status;

/// Everything on the screen.
#[derive(Debug, Clone, Default)]
pub(super) struct TopData {
    /// The store, as it was named.
    pub(super) store: String,
    /// Runs in the store, running ones among them, and runs that the filters leave.
    pub(super) runs: usize,
    pub(super) running: usize,
    pub(super) left: usize,
    /// The metrics of the columns.
    pub(super) metrics: Vec<String>,
    /// The runs on the screen.
    pub(super) rows: Vec<TopRow>,
    /// Readings of the machine of the selected run; empty without telemetry.
    pub(super) machine: Vec<String>,
    /// The charts on the screen, and how many the run has.
    pub(super) charts: Vec<Chart>,
    pub(super) charts_in_all: usize,
    /// What the user should know.
    pub(super) remarks: Vec<String>,
}

/// A run.
#[derive(Debug, Clone)]
pub(super) struct TopRow {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) status: Status,
    /// Why it failed.
    pub(super) reason: Option<String>,
    /// Seconds since it began.
    pub(super) age: Option<f64>,
    /// Seconds since its last point.
    pub(super) idle: Option<f64>,
    pub(super) step: Option<i64>,
    /// Steps per second.
    pub(super) rate: Option<f64>,
    /// One per column of a metric.
    pub(super) cells: Vec<TopCell>,
    /// Its params, as text.
    pub(super) params: String,
}

/// A metric of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct TopCell {
    /// The last value.
    pub(super) last: Option<f64>,
    /// The means of consecutive buckets of steps.
    pub(super) trend: Vec<f64>,
}

/// How much is on the screen, for keys that scroll.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TopShown {
    /// The runs that the filters leave, and how many fit on the screen.
    pub(super) runs: usize,
    pub(super) rows: usize,
    /// Columns of metrics.
    pub(super) columns: usize,
    /// Charts of the selected run, how many fit on the screen, and how many beside each other.
    pub(super) charts: usize,
    pub(super) charts_on_screen: usize,
    pub(super) chart_columns: usize,
}

impl TopShown {
    /// How many charts may come first on the screen; more would leave it empty below.
    pub(super) fn charts_past_screen(&self) -> usize {
        let columns = self.chart_columns.max(1);
        let lines = self.charts.div_ceil(columns);
        lines.saturating_sub(self.charts_on_screen / columns) * columns + 1
    }
}
