//! Metrics and labels that a selection leaves out.

use std::fmt;
use tidalite_query::Pattern;

/// Metrics and labels whose series are not selected.
#[derive(Debug, Clone, Default)]
pub(super) struct Exclusions {
    pub(super) metrics: Vec<Pattern>,
    pub(super) labels: Vec<(String, Pattern)>,
}

impl Exclusions {
    pub(super) fn is_empty(&self) -> bool {
        self.metrics.is_empty() && self.labels.is_empty()
    }

    pub(super) fn excludes_labels(&self) -> bool {
        !self.labels.is_empty()
    }

    pub(super) fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.metrics.iter().chain(self.labels.iter().map(|(_, value)| value))
    }

    pub(super) fn patterns_mut(&mut self) -> impl Iterator<Item = &mut Pattern> {
        self.metrics.iter_mut().chain(self.labels.iter_mut().map(|(_, value)| value))
    }
}

impl fmt::Display for Exclusions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metrics = self.metrics.iter().map(|name| format!("metric {name}"));
        let labels = self.labels.iter().map(|(key, value)| format!("label {key}={value}"));
        f.write_str(&metrics.chain(labels).collect::<Vec<_>>().join(", "))
    }
}
