//! Selections as tables: one row per x, one column per series.

use super::selection::Selection;
use crate::plan::query_plan::Plan;
use arrow::array::RecordBatch;
use rayon::prelude::*;
use tidalite_model::{Error, Result, SeriesKey};
use tidalite_parts::ColumnSet;
use tidalite_query::{AlignOn, Alignment, Fill, Points};

/// The most series of a table; more are better read as points, in rows.
const SERIES_MAX: usize = 10_000;

impl Selection {
    /// The selected series as columns: one row for each step, or time, at which any of them has a point, ascending,
    /// and one column per series, in their order. Series without a selected point have none.
    ///
    /// The first column is `step` (int64) or `time` (timestamp, µs, UTC). The others are float64, and null where a
    /// series has no point and `fill` gives nothing. NaN and ±Inf are values. On time, a series' points are ordered
    /// by time, then step, and the last of several at one time counts.
    ///
    /// A column's name joins those of run, metric and labels that differ between the series, in this order, with
    /// spaces; labels are in braces: `run-1 loss {rank=0}`. It is the metric where only that differs, or nothing
    /// does. A name that is already in use gets the suffix ` (2)`, or the next free number. Each field's metadata has
    /// `run`, `metric` and `labels` in full.
    ///
    /// ```
    /// use arrow::array::{AsArray, types::Float64Type};
    /// use tidalite::{AlignOn, Fill};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// for step in 0..10 { run.log(step, &[("loss", step as f64)])?; }
    /// run.log(4, &[("val", 0.5)])?;
    /// let table = store.select().run("a").align(AlignOn::Step, Fill::Previous)?;
    /// let val = table["val"].as_primitive::<Float64Type>();
    /// assert_eq!((table.num_rows(), val.iter().nth(3), val.iter().nth(9)), (10, Some(None), Some(Some(0.5))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` for more than 10,000 series; `Full` where all points, or the table,
    /// exceed the memory option.
    pub fn align(&self, on: AlignOn, fill: Fill) -> Result<RecordBatch> {
        let plan = self.plan_whole()?;
        check_series(&plan)?;
        let columns = ColumnSet {
            step: true,
            time: on == AlignOn::Time || !plan.filter.times_us.is_all(),
            ..ColumnSet::VALUE
        };
        let series = plan.each_whole(columns, columns_bytes, |key, points| {
            let (seqs, written) = (Vec::new(), Vec::new());
            let times_us = if on == AlignOn::Time { points.times_us } else { Vec::new() };
            (key.clone(), Points { seqs, written, times_us, ..points })
        })?;
        let kept = series.iter().map(columns_bytes).sum();
        finish(&plan, Alignment::new(series, on), kept, fill)
    }
}

/// The bytes that a series takes before it is a column: its values, and its place on the axis.
pub(crate) fn columns_bytes((_, points): &(SeriesKey, Points)) -> u64 {
    8 * (points.steps.len() + points.times_us.len() + points.values.len()) as u64
}

/// Refuses more series than a table may have columns.
pub(crate) fn check_series(plan: &Plan) -> Result<()> {
    // A long series may be in several pieces.
    let series = plan.series.chunk_by(|a, b| a.key == b.key).count();
    if series <= SERIES_MAX {
        return Ok(());
    }
    Err(Error::invalid(
        "align series",
        format!("the selection has {series} series, and a column for each"),
        format!("select at most {SERIES_MAX} series, or ask for their points, which come in rows"),
    ))
}

/// Below this many bytes, filling columns is faster than waking a thread.
const THREADS_BYTES_MIN: u64 = 1 << 19;

/// The table, whose columns are filled by the store's threads. The series take `kept` bytes meanwhile.
pub(crate) fn finish(plan: &Plan, aligned: Alignment, kept: u64, fill: Fill) -> Result<RecordBatch> {
    let state = &plan.snapshot.state;
    let all = aligned.bytes().saturating_add(kept);
    if all > state.options.memory_bytes {
        let (rows, series) = (aligned.rows(), aligned.series());
        let what = format!("{rows} rows of {series} series take {} MiB while they are aligned", all >> 20);
        return Err(plan.too_large(what));
    }
    let column = |place| aligned.column(place, fill);
    let places = 0..aligned.series();
    let columns: Vec<_> = match aligned.bytes() {
        ..THREADS_BYTES_MIN => places.map(column).collect(),
        _ => state.pool.get()?.install(|| places.into_par_iter().map(column).collect()),
    };
    Ok(aligned.finish_with(columns))
}
