//! The keywords of `append`.

use crate::arguments::params::{kind, text, texts};
use arrow::datatypes::Schema;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tidalite::Import;

/// How a table is to be read.
#[derive(Default)]
pub(crate) struct AppendOptions {
    run: Option<String>,
    /// Columns that are labels.
    pub(crate) labels: Vec<String>,
    /// Columns that are metrics.
    pub(crate) metrics: Option<Vec<String>>,
    /// Whether a missing value is an error. Where nothing is said, it is one in a table of points only.
    refuse_missing: Option<bool>,
    pub(crate) nan_is_missing: bool,
}

impl AppendOptions {
    pub(crate) fn read(keywords: Option<&Bound<'_, PyDict>>) -> PyResult<AppendOptions> {
        let mut options = AppendOptions::default();
        for (name, given) in keywords.into_iter().flat_map(|keywords| keywords.iter()) {
            let name = text("a keyword", &name)?;
            match name.as_str() {
                _ if given.is_none() => {}
                "run" => options.run = Some(text("run", &given)?),
                "labels" => options.labels = texts("labels", &given)?,
                "metrics" => options.metrics = Some(texts("metrics", &given)?),
                "missing" => {
                    options.refuse_missing = Some(match text("missing", &given)?.as_str() {
                        "refuse" => true,
                        "skip" => false,
                        other => {
                            return Err(PyValueError::new_err(format!(
                                "append: missing is {other:?}; give 'refuse' or 'skip'"
                            )));
                        }
                    })
                }
                "nan_is_missing" => {
                    options.nan_is_missing = given.extract().map_err(|_| {
                        PyTypeError::new_err(format!(
                            "append: nan_is_missing is of type {}, not a bool",
                            kind(&given)
                        ))
                    })?;
                }
                _ => {
                    return Err(PyTypeError::new_err(format!(
                        "append: there is no keyword {name:?}; there are run, labels, metrics, missing and nan_is_missing"
                    )));
                }
            }
        }
        Ok(options)
    }

    /// Whether the table may have columns of metrics.
    pub(crate) fn is_wide(&self) -> bool {
        self.metrics.is_some() || self.run.is_some() || !self.labels.is_empty()
    }

    /// The options of an import of a table with these columns. `None` for a table of points that the engine takes as it is.
    pub(crate) fn import(&self, columns: &Schema) -> Option<Import> {
        if !self.is_wide() && self.refuse_missing != Some(false) && !self.nan_is_missing {
            return None;
        }
        let mut import = Import::new().nan_is_absent(self.nan_is_missing);
        // Plain numbers in the column `time` are microseconds, as everywhere in this package. A column that another program
        // named has the unit of that program, which their magnitude tells.
        if columns.index_of("time").is_ok() {
            import = import.time_unit(tidalite::TimeUnit::Micros);
        }
        import = match self.is_wide() {
            true => import.refuse_absent(self.refuse_missing == Some(true)),
            false => import.wide(false).refuse_absent(self.refuse_missing == Some(true)),
        };
        for label in &self.labels {
            import = import.label_column(label);
        }
        if let Some(metrics) = &self.metrics {
            import = import.metrics(metrics);
        }
        if let Some(run) = &self.run {
            import = import.run(run);
        }
        Some(import)
    }
}
