//! The first groups by an aggregate, such as the ten runs with the least loss.

use super::selection::Selection;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices, nullif, take_record_batch};
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_query::{Aggregate, By};

impl Selection {
    /// The `k` groups with the least first aggregate, least first, with the other aggregates as further columns.
    /// Groups where it is null or NaN are left out; ties keep the order of the groups. The selection decides which
    /// points count: `steps` for a window, several metrics for all of these together.
    ///
    /// ```
    /// use arrow::array::AsArray;
    /// use tidalite::{Aggregate, By};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for (run, best) in [("a", 0.3), ("b", 0.1), ("c", 0.2)] {
    ///     store.run(run).start()?.log(0, &[("val/loss", best)])?;
    /// }
    /// let best = store.select().metric("val/loss").bottom(2, &[Aggregate::Min, Aggregate::ArgMin], &[By::Run])?;
    /// let runs: Vec<_> = best["run"].as_string::<i32>().iter().flatten().collect();
    /// assert_eq!(runs, ["b", "c"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`aggregate`](Self::aggregate).
    pub fn bottom(&self, k: usize, aggregates: &[Aggregate], by: &[By]) -> Result<RecordBatch> {
        first(self.aggregate(aggregates, by)?, by.len(), k, false)
    }

    /// The `k` groups in which the first aggregate is greatest, greatest first. Otherwise as [`bottom`](Self::bottom).
    ///
    /// ```
    /// use arrow::array::AsArray;
    /// use tidalite::{Aggregate, By};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for (run, acc) in [("a", 0.3), ("b", 0.1), ("c", 0.2)] {
    ///     store.run(run).start()?.log(0, &[("acc", acc)])?;
    /// }
    /// let best = store.select().metric("acc").top(1, &[Aggregate::Max], &[By::Run])?;
    /// assert_eq!(best["run"].as_string::<i32>().value(0), "a");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`aggregate`](Self::aggregate).
    pub fn top(&self, k: usize, aggregates: &[Aggregate], by: &[By]) -> Result<RecordBatch> {
        first(self.aggregate(aggregates, by)?, by.len(), k, true)
    }
}

/// The first `k` rows in the order of a column; rows without a value in it are left out.
fn first(table: RecordBatch, column: usize, k: usize, descending: bool) -> Result<RecordBatch> {
    let failed = |e: ArrowError| {
        Error::new(ErrorKind::Full, "rank groups", e.to_string(), "ask for fewer groups, or select less")
    };
    let values = not_nan(table.column(column)).map_err(failed)?;
    let k = k.min(values.len() - values.null_count());
    let rows =
        u32::try_from(table.num_rows()).map_err(|e| failed(ArrowError::ComputeError(e.to_string())))?;
    let keys = [
        SortColumn { values, options: Some(SortOptions { descending, nulls_first: false }) },
        // The sort alone is not stable.
        SortColumn { values: Arc::new(UInt32Array::from_iter_values(0..rows)), options: None },
    ];
    let order = lexsort_to_indices(&keys, Some(k)).map_err(failed)?;
    take_record_batch(&table, &order).map_err(failed)
}

/// The column with NaN as null.
pub(super) fn not_nan(column: &ArrayRef) -> std::result::Result<ArrayRef, ArrowError> {
    if column.data_type() != &DataType::Float64 {
        return Ok(column.clone());
    }
    let nan: BooleanArray =
        column.as_primitive::<Float64Type>().iter().map(|v| Some(v.is_some_and(f64::is_nan))).collect();
    nullif(column, &nan)
}
