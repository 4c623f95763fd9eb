//! `Store.table` and `Snapshot.table`: the runs with values of metrics and fields, sorted, a page at a time.

use crate::arguments::params::{kind, text, texts};
use crate::arguments::ranges::row_number;
use crate::errors::raise;
use crate::table::{AnswerTable, ReadRows, RowSource};
use crate::warning::warn;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use tidalite::{RunColumn, RunPage, RunSort, Selection, Snapshot, similar_names};

/// The arguments of `table`, without those that select runs and points.
pub(crate) struct RunTableArguments<'a, 'py> {
    pub(crate) columns: &'a Bound<'py, PyAny>,
    pub(crate) sort: Option<&'a Bound<'py, PyAny>>,
    pub(crate) offset: i64,
    pub(crate) limit: Option<i64>,
}

impl RunTableArguments<'_, '_> {
    /// The table. Warns of metrics that no selected run has.
    pub(crate) fn answer(
        &self,
        py: Python<'_>,
        snapshot: &Snapshot,
        select: &Selection,
    ) -> PyResult<AnswerTable> {
        let columns = columns(self.columns)?;
        let order = self.sort.map_or(Ok(Vec::new()), |sort| texts("a column to sort by", sort))?;
        let order: Vec<RunSort> =
            order.iter().map(|text| text.parse()).collect::<tidalite::Result<_>>().map_err(raise)?;
        let limit = self.limit.map(|limit| row_number("list runs", "limit", limit)).transpose()?;
        let page = RunPage { order, offset: row_number("list runs", "offset", self.offset)?, limit };
        let list = py.detach(|| select.list_runs(&columns, &page)).map_err(raise)?;
        if !list.missing.is_empty() {
            let names = py.detach(|| snapshot.metrics()).map_err(raise)?;
            for metric in &list.missing {
                let similar = similar_names(metric, names.iter().map(String::as_str));
                let hint = if similar.is_empty() {
                    String::new()
                } else {
                    format!("; similar: {}", similar.join(", "))
                };
                warn(py, &format!("no selected run has the metric {metric:?}{hint}"))?;
            }
        }
        let damage = select.damage();
        let (schema, total) = (list.rows.schema(), Some(list.total));
        Ok(AnswerTable::new(RowSource::Read(ReadRows {
            schema,
            batches: vec![list.rows],
            damage,
            kind: "runs",
            total,
        })))
    }
}

/// The columns: a text or a list of texts, or a dict from a metric to an aggregate or a list of them; there, `None` marks a field.
fn columns(given: &Bound<'_, PyAny>) -> PyResult<Vec<RunColumn>> {
    let parsed = |text: &str| text.parse::<RunColumn>().map_err(raise);
    let Ok(by_metric) = given.cast::<PyDict>() else {
        if !given.is_instance_of::<PyString>() && given.try_iter().is_err() {
            let what = format!(
                "columns is a {}; give texts such as 'val/loss:min', or a dict such as ",
                kind(given)
            );
            return Err(PyTypeError::new_err(what + "{'val/loss': ['last', 'min'], 'params.lr': None}"));
        }
        return texts("a column", given)?.iter().map(|text| parsed(text)).collect();
    };
    let mut columns = Vec::new();
    for (name, aggregates) in by_metric {
        let name = text("a column", &name)?;
        if aggregates.is_none() {
            columns.push(parsed(&name)?);
            continue;
        }
        for word in texts("an aggregate", &aggregates)? {
            columns.push(RunColumn::Metric(name.clone(), word.parse().map_err(raise)?));
        }
    }
    Ok(columns)
}
