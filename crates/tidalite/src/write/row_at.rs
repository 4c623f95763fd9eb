//! Where a row belongs: its step, its time, its labels.

use tidalite_model::Labels;

/// Where and when a row belongs, as far as the caller says.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RowAt {
    /// The step; one more than the last where absent.
    pub step: Option<i64>,
    /// The time in µs since 1970 UTC; now where absent.
    pub time_us: Option<i64>,
    /// Labels on top of the run's own.
    pub labels: Option<Labels>,
}

impl RowAt {
    /// At this step, now.
    pub fn step(step: impl Into<Option<i64>>) -> Self {
        RowAt { step: step.into(), ..RowAt::default() }
    }

    /// At this time, µs since 1970 UTC.
    pub fn time_us(mut self, time_us: impl Into<Option<i64>>) -> Self {
        self.time_us = time_us.into();
        self
    }

    /// With these labels on top of the run's own.
    pub fn labels(mut self, labels: impl Into<Option<Labels>>) -> Self {
        self.labels = labels.into();
        self
    }
}
