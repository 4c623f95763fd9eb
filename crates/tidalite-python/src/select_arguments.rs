//! The arguments of `Store.select`: what they select, and how a selection's repr shows them.

use crate::arguments::names::{NamePattern, names};
use crate::arguments::params::{label_pairs, texts};
use crate::arguments::ranges::{half_open, range};
use crate::arguments::time::to_us;
use crate::errors::raise;
use crate::run::Run;
use pyo3::prelude::*;
use tidalite::{RunFilter, Selection, Store};

pub(crate) struct SelectArguments<'a, 'py> {
    pub(crate) metrics: Option<&'a Bound<'py, PyAny>>,
    pub(crate) runs: Option<&'a Bound<'py, PyAny>>,
    pub(crate) filters: Option<&'a Bound<'py, PyAny>>,
    pub(crate) labels: Option<&'a Bound<'py, PyAny>>,
    pub(crate) steps: Option<&'a Bound<'py, PyAny>>,
    pub(crate) time: Option<&'a Bound<'py, PyAny>>,
    pub(crate) values: Option<&'a Bound<'py, PyAny>>,
    pub(crate) repeats: &'a str,
    pub(crate) history: &'a str,
    pub(crate) include_rewound: bool,
}

impl SelectArguments<'_, '_> {
    pub(crate) fn select(&self, store: &Store) -> PyResult<Selection> {
        let mut select = store
            .select()
            .repeats(self.repeats.parse().map_err(raise)?)
            .history(self.history.parse().map_err(raise)?)
            .include_rewound(self.include_rewound);
        if let Some(metrics) = self.metrics {
            for name in names("a metric", metrics)? {
                select = match name {
                    NamePattern::Glob(glob) => select.metrics(glob),
                    NamePattern::Regex(regex) => select.metrics_regex(regex),
                };
            }
        }
        if let Some(runs) = self.runs {
            select = match runs.cast::<Run>() {
                Ok(run) => select.run(run.get().id()),
                Err(_) => names("a run", runs)?.into_iter().fold(select, |select, name| match name {
                    NamePattern::Glob(glob) => select.runs(glob),
                    NamePattern::Regex(regex) => select.runs_regex(regex),
                }),
            };
        }
        for filter in self.filters.map_or(Ok(Vec::new()), run_filters)? {
            select = select.where_runs(filter);
        }
        for (key, value) in self.labels.map_or(Ok(Vec::new()), label_pairs)? {
            select = select.label(key, value);
        }
        if let Some(steps) = self.steps {
            select = select.steps(half_open(range("steps", steps, |v| v.extract::<i64>())?));
        }
        if let Some(time) = self.time {
            select = select.times_us(half_open(range("time", time, to_us)?));
        }
        if let Some(values) = self.values {
            let (lo, hi) = range("values", values, |v| v.extract::<f64>())?;
            select = select.values(lo, hi);
        }
        Ok(select)
    }

    /// The arguments that were given, as Python writes them.
    pub(crate) fn shown(&self) -> String {
        let given = [
            ("", self.metrics),
            ("runs=", self.runs),
            ("labels=", self.labels),
            ("steps=", self.steps),
            ("time=", self.time),
            ("values=", self.values),
            ("where=", self.filters),
        ];
        let shown =
            given.iter().filter_map(|(name, value)| Some(format!("{name}{}", value.as_ref()?.repr().ok()?)));
        let mut shown: Vec<String> = shown.collect();
        if self.repeats != "last" {
            shown.push(format!("repeats={:?}", self.repeats));
        }
        if self.history != "inherited" {
            shown.push(format!("history={:?}", self.history));
        }
        if self.include_rewound {
            shown.push("include_rewound=True".into());
        }
        shown.join(", ")
    }
}

/// One filter of runs as text, or several that must all match.
pub(crate) fn run_filters(given: &Bound<'_, PyAny>) -> PyResult<Vec<RunFilter>> {
    texts("a filter of runs", given)?.iter().map(|text| text.parse().map_err(raise)).collect()
}
