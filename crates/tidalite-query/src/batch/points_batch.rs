//! Points as Arrow record batches in long form: one row per point, names as dictionaries.
//!
//! A batch made of one piece takes over the piece's columns without a copy; small pieces share a batch.

use super::column::{name_columns, name_fields, timestamp};
use crate::points::Points;
use arrow::array::{ArrayRef, Float64Array, Int64Array, TimestampMicrosecondArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use std::sync::Arc;
use tidalite_model::SeriesKey;

/// Rows per batch, at most: columns of 2 MiB, which means few calls for a reader and little memory.
const BATCH_ROWS_MAX: usize = 262_144;

/// Series share a piece up to this many rows: columns of their own would take more memory than a few points.
const PIECE_ROWS: usize = 4096;

/// The columns of points: `run`, `metric` and `labels` Dictionary(Int32, Utf8), `step` Int64, `time` Timestamp(µs,
/// UTC), `value` Float64; none is nullable. Labels are their canonical text, empty where there are none.
///
/// ```
/// assert_eq!(tidalite_query::points_schema().field(5).name(), "value");
/// ```
pub fn points_schema() -> SchemaRef {
    let mut fields = name_fields();
    fields.extend([
        Field::new("step", DataType::Int64, false),
        Field::new("time", timestamp(), false),
        Field::new("value", DataType::Float64, false),
    ]);
    Arc::new(Schema::new(fields))
}

/// Makes batches of points in the order in which series are pushed.
///
/// ```
/// use tidalite_model::{Labels, SeriesKey};
/// use tidalite_query::{Points, PointsBuilder, points_schema};
/// let mut points = Points::default();
/// points.push(1, 0, 1_780_000_000_000_000, 0.5);
/// let mut builder = PointsBuilder::new();
/// builder.push_series(&SeriesKey::new("run-1", "loss", Labels::none()), points);
/// let batches = builder.finish();
/// assert_eq!((batches[0].num_rows(), batches[0].schema()), (1, points_schema()));
/// ```
#[derive(Debug)]
pub struct PointsBuilder {
    schema: SchemaRef,
    rows_max: usize,
    /// The series of the next batch, each with its rows.
    pending: Vec<(SeriesKey, usize)>,
    /// Their points, in the same order. Short series share a piece.
    pieces: Vec<Points>,
    pending_rows: usize,
    ready: Vec<RecordBatch>,
}

impl Default for PointsBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl PointsBuilder {
    /// No points yet; batches of at most 262,144 rows.
    pub fn new() -> Self {
        Self::with_rows_max(BATCH_ROWS_MAX)
    }

    /// No points yet; batches of at most `rows_max` rows (at least 1).
    pub fn with_rows_max(rows_max: usize) -> Self {
        PointsBuilder {
            schema: points_schema(),
            rows_max: rows_max.max(1),
            pending: Vec::new(),
            pieces: Vec::new(),
            pending_rows: 0,
            ready: Vec::new(),
        }
    }

    /// Appends points of a series. Needs steps, times and values; panics where one is missing.
    pub fn push_series(&mut self, key: &SeriesKey, mut points: Points) {
        let n = points.len();
        assert!(
            points.steps.len() == n && points.times_us.len() == n,
            "a batch of points needs steps, times and values"
        );
        if n == 0 {
            return;
        }
        if self.pending_rows > 0 && self.pending_rows + n > self.rows_max {
            self.close();
        }
        self.pending_rows += n;
        self.pending.push((key.clone(), n));
        (points.seqs, points.written) = (Vec::new(), Vec::new());
        match self.pieces.last_mut() {
            Some(last) if last.len() + n <= PIECE_ROWS => last.extend(&points),
            _ => self.pieces.push(points),
        }
        if self.pending_rows >= self.rows_max {
            self.close();
        }
    }

    /// Takes the batches that are complete.
    pub fn take_ready(&mut self) -> Vec<RecordBatch> {
        std::mem::take(&mut self.ready)
    }

    /// The batches that were not taken; none where there were no points.
    pub fn finish(mut self) -> Vec<RecordBatch> {
        self.close();
        self.ready
    }

    /// Makes one batch of the pending pieces, or several of a single piece that is longer than a batch may be.
    fn close(&mut self) {
        let (series, pieces) = (std::mem::take(&mut self.pending), std::mem::take(&mut self.pieces));
        let rows = std::mem::take(&mut self.pending_rows);
        if rows == 0 {
            return;
        }
        // All batches of a single long piece have the same names, so they share the keys of one batch.
        let named = rows.min(self.rows_max);
        let columns = name_columns(series.iter().map(|(key, n)| (key, *n)), named);
        let points = joined(pieces, rows);
        let steps = Int64Array::new(ScalarBuffer::from(points.steps), None);
        let times =
            TimestampMicrosecondArray::new(ScalarBuffer::from(points.times_us), None).with_timezone("UTC");
        let values = Float64Array::new(ScalarBuffer::from(points.values), None);
        for start in (0..rows).step_by(named) {
            let n = named.min(rows - start);
            let mut columns: Vec<ArrayRef> = columns.iter().map(|c| c.slice(0, n)).collect();
            columns.push(Arc::new(steps.slice(start, n)));
            columns.push(Arc::new(times.slice(start, n)));
            columns.push(Arc::new(values.slice(start, n)));
            let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns);
            self.ready.push(batch.expect("columns are built by the schema"));
        }
    }
}

fn joined(pieces: Vec<Points>, rows: usize) -> Points {
    let mut pieces = pieces.into_iter();
    let mut points = pieces.next().unwrap_or_default();
    if points.len() < rows {
        let missing = rows - points.len();
        points.steps.reserve_exact(missing);
        points.times_us.reserve_exact(missing);
        points.values.reserve_exact(missing);
    }
    for piece in pieces {
        points.extend(&piece);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, StringArray};
    use arrow::datatypes::{Float64Type, Int32Type, Int64Type};
    use tidalite_model::Labels;

    fn key(run: &str, metric: &str) -> SeriesKey {
        SeriesKey::new(run, metric, Labels::none())
    }

    fn points(from: i64, n: i64) -> Points {
        let mut points = Points::default();
        (from..from + n).for_each(|i| points.push(i, i, i * 10, i as f64));
        points
    }

    fn column(batch: &RecordBatch, name: &str) -> Vec<String> {
        let dictionary = batch[name].as_dictionary::<Int32Type>().downcast_dict::<StringArray>().unwrap();
        dictionary.into_iter().map(|v| v.unwrap().to_string()).collect()
    }

    #[test]
    fn rows_come_in_the_order_pushed_and_batches_keep_their_limit() {
        for rows_max in [1, 2, 3, 5, 7, 100] {
            let mut builder = PointsBuilder::with_rows_max(rows_max);
            let mut batches = Vec::new();
            for (run, metric, from, n) in
                [("a", "x", 0, 3), ("a", "y", 3, 0), ("b", "x", 3, 4), ("a", "x", 7, 5)]
            {
                builder.push_series(&key(run, metric), points(from, n));
                batches.extend(builder.take_ready());
            }
            batches.extend(builder.finish());
            assert!(batches.iter().all(|b| (1..=rows_max).contains(&b.num_rows())));
            let all = arrow::compute::concat_batches(&points_schema(), &batches).unwrap();
            let expected: Vec<i64> = (0..12).collect();
            assert_eq!(all["step"].as_primitive::<Int64Type>().values(), &expected[..]);
            assert_eq!(all["value"].as_primitive::<Float64Type>().value(11), 11.0);
            assert_eq!(column(&all, "run").concat(), "aaabbbbaaaaa");
            assert_eq!(column(&all, "metric").concat(), "x".repeat(12));
            assert_eq!(column(&all, "labels").concat(), "");
        }
    }

    #[test]
    fn a_single_piece_is_taken_over_without_a_copy() {
        let points = points(0, 1000);
        let before = points.values.as_ptr();
        let mut builder = PointsBuilder::new();
        builder.push_series(&key("r", "m"), points);
        let batches = builder.finish();
        assert_eq!(batches[0]["value"].as_primitive::<Float64Type>().values().as_ptr(), before);
    }

    #[test]
    fn no_points_make_no_batch() {
        assert!(PointsBuilder::new().finish().is_empty());
    }
}
