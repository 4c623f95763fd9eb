//! The step, time and labels of a row.

use tidalite_model::Labels;

/// The step, time and labels of a row. Each is optional.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RowAt {
    /// The step; if absent, the last step plus one.
    pub step: Option<i64>,
    /// The time in µs since 1970 UTC; if absent, the current time.
    pub time_us: Option<i64>,
    /// Labels, added to the run's own.
    pub labels: Option<Labels>,
}

impl RowAt {
    /// A row at this step.
    pub fn step(step: impl Into<Option<i64>>) -> Self {
        RowAt { step: step.into(), ..RowAt::default() }
    }

    /// Sets the time, in µs since 1970 UTC.
    pub fn time_us(mut self, time_us: impl Into<Option<i64>>) -> Self {
        self.time_us = time_us.into();
        self
    }

    /// Adds these labels to the run's own.
    pub fn labels(mut self, labels: impl Into<Option<Labels>>) -> Self {
        self.labels = labels.into();
        self
    }
}
