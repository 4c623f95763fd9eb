//! Selections as rows: one per step of a run, with a column per metric.

use super::line::line_bytes;
use super::selection::Selection;
use arrow::array::RecordBatch;
use std::collections::BTreeSet;
use tidalite_model::{Error, Result};
use tidalite_parts::ColumnSet;
use tidalite_query::StepRows;

/// The most metrics of a table; more are better read as points.
const METRICS_MAX: usize = 10_000;

impl Selection {
    /// The points as rows: one row for each step of a run and its labels, one column per metric, as they were logged.
    ///
    /// Columns: `run` and `labels` (dictionary text), `step` (int64), `time` (timestamp, µs, UTC: the latest of the row), then
    /// the metrics by name (float64; null where the row has no value). A metric whose name is in use gets the suffix ` (2)`, or
    /// the next free number; its field's metadata has the `metric`. Rows are ordered by run, labels and step.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// run.log(0, &[("loss", 1.0)])?;
    /// run.log(1, &[("loss", 0.5), ("acc", 0.8)])?;
    /// let rows = store.select().rows()?;
    /// let names: Vec<_> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
    /// assert_eq!((rows.num_rows(), names.join(" ")), (2, "run labels step time acc loss".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` for more than 10,000 metrics; `Full` where the points and the rows exceed the
    /// memory option.
    pub fn rows(&self) -> Result<RecordBatch> {
        let plan = self.plan_whole()?;
        let metrics: BTreeSet<&str> = plan.series.iter().map(|series| &*series.key.metric).collect();
        if metrics.len() > METRICS_MAX {
            return Err(Error::invalid(
                "read rows",
                format!("the selection has {} metrics, and a column for each", metrics.len()),
                format!("select at most {METRICS_MAX} metrics, or ask for their points"),
            ));
        }
        let columns = ColumnSet { step: true, time: true, ..ColumnSet::VALUE };
        let series = plan.each_whole(columns, line_bytes, |key, points| (key.clone(), points))?;
        let table = StepRows::new(&series);
        let kept: u64 = series.iter().map(line_bytes).sum();
        let all = table.bytes().saturating_add(kept);
        if all > plan.snapshot.state.options.memory_bytes {
            let (rows, metrics) = (table.rows(), table.metrics());
            let what = format!("{rows} rows of {metrics} metrics take {} MiB while they are made", all >> 20);
            return Err(plan.too_large(what));
        }
        Ok(table.finish())
    }
}
