//! The arguments of `Store.select` and `Snapshot.select`: what they select, and how a selection's repr shows them.

use crate::arguments::names::{labels, names};
use crate::arguments::ranges::{half_open, range};
use crate::arguments::time::to_us;
use crate::errors::raise;
use crate::run_arguments::{run_filters, runs};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use tidalite::{RunInfo, Selection};

pub(crate) struct SelectArguments<'a, 'py> {
    pub(crate) metrics: Option<&'a Bound<'py, PyAny>>,
    pub(crate) runs: Option<&'a Bound<'py, PyAny>>,
    pub(crate) filters: Option<&'a Bound<'py, PyAny>>,
    pub(crate) labels: Option<&'a Bound<'py, PyAny>>,
    pub(crate) exclude_metrics: Option<&'a Bound<'py, PyAny>>,
    pub(crate) exclude_labels: Option<&'a Bound<'py, PyAny>>,
    pub(crate) steps: Option<&'a Bound<'py, PyAny>>,
    pub(crate) time: Option<&'a Bound<'py, PyAny>>,
    pub(crate) values: Option<&'a Bound<'py, PyAny>>,
    pub(crate) repeats: &'a str,
    pub(crate) history: &'a str,
    pub(crate) include_rewound: bool,
    pub(crate) on_damage: &'a str,
}

impl Default for SelectArguments<'_, '_> {
    /// What `select()` without arguments has.
    fn default() -> Self {
        SelectArguments {
            metrics: None,
            runs: None,
            filters: None,
            labels: None,
            exclude_metrics: None,
            exclude_labels: None,
            steps: None,
            time: None,
            values: None,
            repeats: "last",
            history: "inherited",
            include_rewound: false,
            on_damage: "error",
        }
    }
}

impl<'py> SelectArguments<'_, 'py> {
    /// What is selected of `all` points of a store or of a snapshot.
    pub(crate) fn select(&self, all: Selection) -> PyResult<Selection> {
        let mut select = all
            .repeats(self.repeats.parse().map_err(raise)?)
            .history(self.history.parse().map_err(raise)?)
            .include_rewound(self.include_rewound)
            .on_damage(self.on_damage.parse().map_err(raise)?);
        for metric in self.metrics.map_or(Ok(Vec::new()), |m| names("a metric", m))? {
            select = select.metrics(metric);
        }
        for run in self.runs.map_or(Ok(Vec::new()), runs)? {
            select = select.runs(run);
        }
        for filter in self.filters.map_or(Ok(Vec::new()), run_filters)? {
            select = select.where_runs(filter);
        }
        for (key, value) in self.labels.map_or(Ok(Vec::new()), labels)? {
            select = select.label(key, value);
        }
        for metric in self.exclude_metrics.map_or(Ok(Vec::new()), |m| names("a metric", m))? {
            select = select.exclude_metrics(metric);
        }
        for (key, value) in self.exclude_labels.map_or(Ok(Vec::new()), labels)? {
            select = select.exclude_label(key, value);
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

    /// The arguments that were given, by name.
    pub(crate) fn given(&self, py: Python<'py>) -> PyResult<Vec<(&'static str, Bound<'py, PyAny>)>> {
        let named = [
            ("metrics", self.metrics),
            ("runs", self.runs),
            ("where", self.filters),
            ("labels", self.labels),
            ("exclude_metrics", self.exclude_metrics),
            ("exclude_labels", self.exclude_labels),
            ("steps", self.steps),
            ("time", self.time),
            ("values", self.values),
        ];
        let mut given: Vec<(&'static str, Bound<'py, PyAny>)> =
            named.iter().filter_map(|(name, value)| Some((*name, (*value)?.clone()))).collect();
        given.push(("repeats", self.repeats.into_bound_py_any(py)?));
        given.push(("history", self.history.into_bound_py_any(py)?));
        given.push(("include_rewound", self.include_rewound.into_bound_py_any(py)?));
        given.push(("on_damage", self.on_damage.into_bound_py_any(py)?));
        Ok(given)
    }

    /// The arguments that were given, as Python writes them.
    pub(crate) fn shown(&self) -> String {
        let given = [
            ("", self.metrics),
            ("runs=", self.runs),
            ("labels=", self.labels),
            ("exclude_metrics=", self.exclude_metrics),
            ("exclude_labels=", self.exclude_labels),
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
        if self.on_damage != "error" {
            shown.push(format!("on_damage={:?}", self.on_damage));
        }
        shown.join(", ")
    }
}

/// The runs that match the filters given, if any.
pub(crate) fn matching_runs(
    given: Option<&Bound<'_, PyAny>>,
    runs: impl FnOnce() -> PyResult<Vec<RunInfo>>,
) -> PyResult<Vec<RunInfo>> {
    let filters = given.map_or(Ok(Vec::new()), run_filters)?;
    let mut runs = runs()?;
    runs.retain(|run| filters.iter().all(|f| f.matches(run)));
    Ok(runs)
}
