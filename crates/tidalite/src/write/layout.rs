//! Layouts: the series of a row's values. The log declares each layout once.

use std::collections::HashMap;
use std::sync::Arc;
use tidalite_log::{LayoutId, Log};
use tidalite_model::{Error, Labels, Result, SeriesKey, check_name};

/// The layout of these metrics. Labels in `over` override the run's own.
pub(super) fn new_layout(
    log: &Log,
    run: &Arc<str>,
    own: &Labels,
    over: Option<&Labels>,
    values: &[(&str, f64)],
) -> Result<LayoutId> {
    if values.is_empty() {
        return Err(Error::invalid("log to run", "the row has no values", "give at least one metric"));
    }
    let labels = match over {
        Some(over) => own.merged(over)?,
        None => own.clone(),
    };
    let mut seen = HashMap::new();
    let mut series = Vec::with_capacity(values.len());
    for (name, _) in values {
        check_name("metric name", name)?;
        if seen.insert(*name, ()).is_some() {
            return Err(Error::invalid(
                "log to run",
                format!("metric {name:?} occurs twice in one row"),
                "give each metric once",
            ));
        }
        series.push(log.series(&SeriesKey::new(run.clone(), *name, labels.clone()))?);
    }
    log.layout(&series)
}
