//! Turns the selection flags into a selection, and says why a selection matches nothing.

use crate::args::SelectionArgs;
use crate::error::{CliError, CliResult};
use crate::text::printable;
use std::ops::Bound;
use tidalite::{Bounds, History, Labels, Pattern, Repeats, RunFilter, Selection, SeriesKey, Snapshot, XAxis};

impl SelectionArgs {
    /// What lists series: each series and point once, in the run that it was written to.
    pub(crate) fn written(metrics: &[String], runs: &[String], filters: &[RunFilter]) -> Self {
        SelectionArgs {
            metrics: metrics.to_vec(),
            runs: runs.to_vec(),
            metrics_regex: Vec::new(),
            runs_regex: Vec::new(),
            filters: filters.to_vec(),
            labels: Vec::new(),
            labels_regex: Vec::new(),
            excluded_metrics: Vec::new(),
            excluded_labels: Vec::new(),
            steps: None,
            time: None,
            values: None,
            repeats: Repeats::Last,
            history: History::Own,
            include_rewound: false,
            transform: Vec::new(),
        }
    }

    /// The selection of these flags in a snapshot.
    pub(crate) fn over(&self, snapshot: &Snapshot) -> Selection {
        self.narrow(snapshot.select())
    }

    /// Narrows a selection by these flags.
    pub(crate) fn narrow(&self, select: Selection) -> Selection {
        let mut select = self
            .by_name(select)
            .repeats(self.repeats)
            .history(self.history)
            .include_rewound(self.include_rewound);
        if let Some(steps) = self.steps {
            select = select.steps(bounds(steps));
        }
        if let Some(times) = self.time {
            select = select.times_us(bounds(times));
        }
        if let Some(values) = self.values {
            select = select.values(values.lo, values.hi);
        }
        self.transform.iter().fold(select, |select, transform| select.transform(*transform))
    }

    fn run_patterns(&self) -> impl Iterator<Item = Pattern> {
        self.runs.iter().map(Pattern::from).chain(self.runs_regex.iter().map(Pattern::regex))
    }

    fn metric_patterns(&self) -> impl Iterator<Item = Pattern> {
        self.metrics.iter().map(Pattern::from).chain(self.metrics_regex.iter().map(Pattern::regex))
    }

    /// Narrows by runs, metrics and labels, but not by ranges.
    pub(crate) fn by_name(&self, mut select: Selection) -> Selection {
        for run in self.run_patterns() {
            select = select.runs(run);
        }
        for filter in &self.filters {
            select = select.where_runs(filter.clone());
        }
        for metric in self.metric_patterns() {
            select = select.metrics(metric);
        }
        for (key, value) in &self.labels {
            select = select.label(key, value);
        }
        for (key, regex) in &self.labels_regex {
            select = select.label(key, Pattern::regex(regex));
        }
        for metric in &self.excluded_metrics {
            select = select.exclude_metrics(metric);
        }
        for (key, value) in &self.excluded_labels {
            select = select.exclude_label(key, value);
        }
        select
    }

    /// Explains why this selection has no points on an x-axis; the metric of the axis may have no values.
    ///
    /// # Errors
    /// Those of [`nothing`](Self::nothing).
    pub(crate) fn nothing_over(&self, x: &XAxis, snapshot: &Snapshot) -> CliResult<CliError> {
        if let Some(name) = x.metric()
            && !self.over(snapshot).summaries()?.is_empty()
        {
            let name = printable(name);
            let side = if matches!(x, XAxis::NextMetric(_)) { "after" } else { "before" };
            let text = format!(
                "nothing matches: no selected run has a finite value of {name} at or {side} its points"
            );
            return Ok(CliError::Nothing(text));
        }
        self.nothing(snapshot)
    }

    /// Explains why this selection has no points in the snapshot.
    ///
    /// # Errors
    /// Errors of reading the store. The explanation itself is the `Ok` value, a `CliError::Nothing`.
    pub(crate) fn nothing(&self, snapshot: &Snapshot) -> CliResult<CliError> {
        // Nothing was found in this snapshot, so there is a reason.
        let why = self.over(snapshot).why_nothing()?.unwrap_or_else(|| "no point has a value to show".into());
        Ok(CliError::Nothing(format!("nothing matches: {}", printable(&why))))
    }
}

fn bounds(span: Bounds<i64>) -> (Bound<i64>, Bound<i64>) {
    (span.lo.map_or(Bound::Unbounded, Bound::Included), span.hi.map_or(Bound::Unbounded, Bound::Excluded))
}

/// The shortest names that distinguish the series: by run, metric, labels, or several of them.
pub(crate) fn short_names(keys: &[&SeriesKey]) -> Vec<String> {
    let differs = |of: fn(&SeriesKey) -> &str| keys.windows(2).any(|w| of(w[0]) != of(w[1]));
    let runs = differs(|k| &k.run);
    let metrics = differs(|k| &k.metric);
    let labels = differs(|k| k.labels.as_str());
    let name = |key: &&SeriesKey| {
        let mut words: Vec<&str> = Vec::new();
        if runs || !(metrics || labels) {
            words.push(&key.run);
        }
        if metrics {
            words.push(&key.metric);
        }
        if labels && key.labels != Labels::none() {
            words.push(key.labels.as_str());
        }
        words.join(" ")
    };
    keys.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_named_by_what_distinguishes_them() {
        let key = |run: &str, metric: &str, labels: &str| {
            SeriesKey::new(run, metric, Labels::parse(labels).unwrap())
        };
        let (a, b, c) = (key("a", "loss", ""), key("b", "loss", ""), key("a", "acc", "rank=1"));
        assert_eq!(short_names(&[&a]), ["a"]);
        assert_eq!(short_names(&[&a, &b]), ["a", "b"]);
        assert_eq!(short_names(&[&a, &c]), ["loss", "acc rank=1"]);
        assert_eq!(short_names(&[&a, &b, &c]), ["a loss", "b loss", "a acc rank=1"]);
    }
}
