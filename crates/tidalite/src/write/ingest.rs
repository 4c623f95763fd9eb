//! Bulk ingest: appends an Arrow record batch in long form as one unit.
//!
//! A small batch is one frame of the log, and so are batches of moderate size once a process has appended some. A large
//! batch is sorted, written to a staged part and synced; then one frame that refers to the part accepts it. So a batch of any size is visible whole or not at all, and its write order is
//! that of its frame. The part is written before this order is known; readers take it from the frame.

use super::automatic::{CountedGroup, automatic_steps};
use crate::engine::room::JobRoom;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::files::paths::staged_part;
use crate::files::staged::write_meta;
use crate::parts::tiles::{PointSource, write_part};
use crate::upkeep::maintain;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tidalite_model::{
    Error, Labels, Result, Seq, SeriesKey, StepRange, TIME_US_MAX, TIME_US_MIN, Written, check_name,
    check_time,
};
use tidalite_query::{Points, Repeats, merge};

/// Batches of at most this many rows are one frame of the log: 28 bytes per row, under half a megabyte. Larger batches
/// are worth files of their own.
const FRAME_ROWS_MAX: usize = 16_384;
/// A process that appends many batches of a size between, as one per series, would leave three files for each. So only
/// the first few of them become parts, and the others frames of the log, which a flush merges.
const STAGED_FREE: u64 = 8;
/// The most rows of such a batch: seven megabytes as a frame. Still larger ones always become parts.
const FRAME_ROWS_LARGEST: usize = 262_144;

impl Store {
    /// Appends the points of a record batch, whole or not at all. Every process sees them when this returns.
    ///
    /// Columns, in any order: `run`, `metric` (text, plain or dictionary), `value` (any number), and optionally `step`
    /// (any integer), `time` (a timestamp of any unit, or integer µs since 1970 UTC; by default the current time) and
    /// `labels` (text such as `host=a,rank=3`). Without `step`, the steps are automatic, as those of
    /// [`Run::log`](crate::Run::log): each series counts on after the greatest step of its run, in order of time, then of
    /// the batch. An unsigned or wide integer value becomes the nearest `f64`. A
    /// timestamp finer than a microsecond is truncated.
    ///
    /// ```
    /// use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
    /// use std::sync::Arc;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let batch = RecordBatch::try_from_iter([
    ///     ("run", Arc::new(StringArray::from(vec!["a", "a"])) as ArrayRef),
    ///     ("metric", Arc::new(StringArray::from(vec!["loss", "loss"]))),
    ///     ("step", Arc::new(Int64Array::from(vec![0, 1]))),
    ///     ("value", Arc::new(Float64Array::from(vec![1.0, 0.5]))),
    /// ])?;
    /// store.append(&batch)?;
    /// assert_eq!(store.select().run("a").points()?.collect()?.num_rows(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid`, naming column and row, for a missing or unknown column, a wrong type, a null, a time outside the
    /// years 1 to 9999, or a wrong name; `Full`, `Io`, `Poisoned` as for [`Run::log`](crate::Run::log). On an error,
    /// nothing is appended.
    pub fn append(&self, batch: &RecordBatch) -> Result<Option<Seq>> {
        let state = self.writable()?;
        let mut rows = BatchRows::read(batch, state.vfs.now_us())?;
        if batch.column_by_name("step").is_none() {
            rows.count_steps(state)?;
        }
        append_rows(state, rows)
    }

    /// As [`append`](Self::append), for a batch whose steps were counted up.
    pub(crate) fn append_counted(&self, batch: &RecordBatch) -> Result<Option<Seq>> {
        let state = self.writable()?;
        let rows = BatchRows::read(batch, state.vfs.now_us())?;
        append_rows(state, BatchRows { automatic: true, ..rows })
    }
}

fn append_rows(state: &Arc<StoreState>, rows: BatchRows) -> Result<Option<Seq>> {
    if rows.values.is_empty() {
        return Ok(None);
    }
    let log = maintain::log(state)?;
    if is_frame(state, rows.steps.len()) {
        let mut series = vec![tidalite_log::SeriesId(0); rows.steps.len()];
        for group in &rows.groups {
            let id = log.series(&group.key)?;
            for range in &group.rows {
                series[range.clone()].fill(id);
            }
        }
        return log
            .append_points(&series, &rows.steps, &rows.times_us, &rows.values, rows.automatic)
            .map(Some);
    }
    let place = staged_part(log.dir(), state.vfs.uuid());
    let source = BatchSource::new(rows);
    let accepted = write_part(state, &place, &source, &JobRoom::by_hand(state)?, &|_| {
        state.unless_closed(ControlFlow::Continue(()))
    })
    .and_then(|meta| {
        state.vfs.sync_dir(log.dir())?;
        let meta = meta.expect("the batch has rows");
        log.append_part(place.id, &write_meta(&meta))
    });
    if accepted.is_err() {
        // No frame refers to these files. Any that cannot be removed now go when the folder is collected.
        for path in place.files() {
            let _ = state.vfs.remove(path);
        }
    }
    accepted.map(Some).or_else(|e| state.if_there(Err(e)))
}

/// Whether a batch of so many rows becomes a frame of the log, and not a staged part.
fn is_frame(state: &StoreState, rows: usize) -> bool {
    let between = FRAME_ROWS_MAX + 1..=FRAME_ROWS_LARGEST;
    rows <= FRAME_ROWS_MAX
        || (between.contains(&rows) && state.large_batches.fetch_add(1, Ordering::Relaxed) >= STAGED_FREE)
}

/// A batch, checked and converted to the engine's types.
struct BatchRows {
    steps: Vec<i64>,
    times_us: Vec<i64>,
    values: Vec<f64>,
    groups: Vec<BatchSeries>,
    /// Whether the steps were counted up.
    automatic: bool,
    /// When the batch was read, µs since 1970 UTC.
    read_us: i64,
}

/// The rows of one series, as ranges in batch order.
struct BatchSeries {
    key: SeriesKey,
    rows: Vec<Range<usize>>,
}

impl BatchRows {
    fn read(batch: &RecordBatch, now_us: i64) -> Result<BatchRows> {
        for field in batch.schema().fields() {
            if !["run", "metric", "labels", "step", "time", "value"].contains(&field.name().as_str()) {
                return Err(wrong(
                    format!("there is an unknown column {:?}", field.name()),
                    "use the columns run, metric, value and optionally step, time and labels; rename or drop others",
                ));
            }
            if batch.schema().fields().iter().filter(|f| f.name() == field.name()).count() > 1 {
                return Err(wrong(
                    format!("column {:?} occurs twice", field.name()),
                    "give each column once",
                ));
            }
        }
        let steps = match batch.column_by_name("step") {
            Some(column) => integers(column)?,
            None => vec![0; batch.num_rows()],
        };
        let values = numbers(&required(batch, "value")?)?;
        let times_us = match batch.column_by_name("time") {
            Some(column) => times(column)?,
            None => {
                check_time(now_us)?;
                vec![now_us; batch.num_rows()]
            }
        };
        let runs = CodedTexts::read("run", &required(batch, "run")?)?;
        let metrics = CodedTexts::read("metric", &required(batch, "metric")?)?;
        let labels = batch.column_by_name("labels").map(|c| CodedTexts::read("labels", c)).transpose()?;
        let groups = group(&runs, &metrics, labels.as_ref(), batch.num_rows())?;
        Ok(BatchRows { steps, times_us, values, groups, automatic: false, read_us: now_us })
    }

    /// Gives each series steps that count up.
    fn count_steps(&mut self, inner: &Arc<StoreState>) -> Result<()> {
        let counted = |group: &BatchSeries| CountedGroup {
            run: group.key.run.clone(),
            places: group.rows.iter().cloned().flatten().collect(),
        };
        let groups = self.groups.iter().map(counted).collect();
        self.steps = automatic_steps(inner, groups, &self.times_us, |_, _| false)?;
        self.automatic = true;
        Ok(())
    }
}

/// A dictionary-coded text column: rows of equal code have equal text.
struct CodedTexts {
    name: &'static str,
    codes: Vec<i32>,
    texts: Vec<Arc<str>>,
}

impl CodedTexts {
    fn read(name: &'static str, column: &ArrayRef) -> Result<CodedTexts> {
        let of = match column.data_type() {
            DataType::Dictionary(_, of) => of.as_ref(),
            other => other,
        };
        if !matches!(of, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
            return Err(wrong_type(name, column, "text"));
        }
        refuse_nulls(name, column)?;
        let coded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let column = cast(name, column, &coded)?;
        let dictionary = column.as_dictionary::<Int32Type>();
        let texts = dictionary.values().as_string::<i32>();
        let texts =
            (0..texts.len()).map(|i| Arc::from(if texts.is_null(i) { "" } else { texts.value(i) })).collect();
        Ok(CodedTexts { name, codes: dictionary.keys().values().to_vec(), texts })
    }

    fn at(&self, row: usize) -> &Arc<str> {
        let code = usize::try_from(self.codes[row]).expect("there are no nulls");
        &self.texts[code]
    }
}

/// The series of a batch, in ascending order of key.
fn group(
    runs: &CodedTexts,
    metrics: &CodedTexts,
    labels: Option<&CodedTexts>,
    rows: usize,
) -> Result<Vec<BatchSeries>> {
    let codes = |row: usize| (runs.codes[row], metrics.codes[row], labels.map_or(0, |l| l.codes[row]));
    let mut place: HashMap<(i32, i32, i32), usize> = HashMap::new();
    let mut groups: Vec<BatchSeries> = Vec::new();
    let mut start = 0;
    while start < rows {
        let code = codes(start);
        let end = (start + 1..rows).find(|&r| codes(r) != code).unwrap_or(rows);
        let at = match place.get(&code) {
            Some(&at) => at,
            None => {
                for column in [runs, metrics] {
                    check_name(column.name, column.at(start))
                        .map_err(|e| wrong(format!("row {start}: {}", e.wrong()), "correct the name"))?;
                }
                let labels = match labels {
                    Some(l) => Labels::parse(l.at(start)).map_err(|e| {
                        wrong(
                            format!("labels in row {start}: {}", e.wrong()),
                            "write labels as key=value,key=value",
                        )
                    })?,
                    None => Labels::none(),
                };
                groups.push(BatchSeries {
                    key: SeriesKey::new(runs.at(start).clone(), metrics.at(start).clone(), labels),
                    rows: Vec::new(),
                });
                place.insert(code, groups.len() - 1);
                groups.len() - 1
            }
        };
        groups[at].rows.push(start..end);
        start = end;
    }
    // Two codes may mean one series: a dictionary may hold a text twice, and labels may come in any order.
    groups.sort_by(|a, b| a.key.cmp(&b.key));
    let mut merged: Vec<BatchSeries> = Vec::with_capacity(groups.len());
    for group in groups {
        match merged.last_mut() {
            Some(last) if last.key == group.key => {
                last.rows.extend(group.rows);
                last.rows.sort_by_key(|r| r.start);
            }
            _ => merged.push(group),
        }
    }
    Ok(merged)
}

/// The seq of points whose frame is not written yet; see [`PartMeta::placed_at`](tidalite_parts::PartMeta::placed_at).
const NOT_PLACED: i64 = 0;

/// A batch as a source of points.
struct BatchSource {
    rows: BatchRows,
    series: Vec<(SeriesKey, u64)>,
}

impl BatchSource {
    fn new(rows: BatchRows) -> Self {
        let count = |g: &BatchSeries| g.rows.iter().map(|r| r.len() as u64).sum();
        let series = rows.groups.iter().map(|g| (g.key.clone(), count(g))).collect();
        BatchSource { rows, series }
    }
}

impl PointSource for BatchSource {
    fn series(&self) -> &[(SeriesKey, u64)] {
        &self.series
    }

    fn sample_steps(&self, series: usize, nth: usize) -> Result<Vec<i64>> {
        let rows = self.rows.groups[series].rows.iter().cloned().flatten();
        Ok(rows.step_by(nth).map(|r| self.rows.steps[r]).collect())
    }

    fn gather(&self, series: Range<usize>, within: StepRange) -> Result<Vec<Points>> {
        let rows = &self.rows;
        let StepRange { lo, hi } = within;
        // One clock for all, so that points of a step keep the order of the batch. Readers take that of the frame.
        let written = Written::at(rows.read_us.max(1), rows.automatic);
        let gather_one = |group: &BatchSeries| {
            let mut points = Points::default();
            for range in &group.rows {
                let steps = &rows.steps[range.clone()];
                if steps.is_sorted() {
                    let start = range.start + lo.map_or(0, |lo| steps.partition_point(|&s| s < lo));
                    let end = range.start + hi.map_or(steps.len(), |hi| steps.partition_point(|&s| s < hi));
                    let cut = start..end.max(start);
                    points.steps.extend_from_slice(&rows.steps[cut.clone()]);
                    points.times_us.extend_from_slice(&rows.times_us[cut.clone()]);
                    points.values.extend_from_slice(&rows.values[cut.clone()]);
                    points.seqs.resize(points.steps.len(), NOT_PLACED);
                    points.written.resize(points.steps.len(), written.as_i64());
                } else {
                    for r in range.clone() {
                        if within.contains(rows.steps[r]) {
                            points.push_written(
                                rows.steps[r],
                                NOT_PLACED,
                                written,
                                rows.times_us[r],
                                rows.values[r],
                            );
                        }
                    }
                }
            }
            merge(vec![points], Repeats::All)
        };
        Ok(rows.groups[series].iter().map(gather_one).collect())
    }
}

fn wrong(what: impl Into<String>, remedy: impl Into<String>) -> Error {
    Error::invalid("append batch", what, remedy)
}

fn wrong_type(name: &str, column: &ArrayRef, wanted: &str) -> Error {
    wrong(format!("column {name:?} has the type {}", column.data_type()), format!("make it {wanted}"))
}

fn required(batch: &RecordBatch, name: &str) -> Result<ArrayRef> {
    batch.column_by_name(name).cloned().ok_or_else(|| {
        wrong(
            format!("there is no column {name:?}"),
            "give the columns run, metric, value and optionally step, time and labels",
        )
    })
}

fn refuse_nulls(name: &str, column: &ArrayRef) -> Result<()> {
    match column.logical_nulls().filter(|n| n.null_count() > 0) {
        None => Ok(()),
        Some(nulls) => {
            let row = nulls.iter().position(|valid| !valid).unwrap_or(0);
            let remedy = match name {
                "value" => "drop such rows, or fill them; a missing value may be NaN",
                "step" => "drop such rows, or fill them; leave the column out to count all steps up",
                _ => "drop such rows, or fill them",
            };
            Err(wrong(format!("column {name:?} is null in row {row}"), remedy))
        }
    }
}

/// Casts a column. A value that does not fit is an error that names its row.
fn cast(name: &str, column: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let done = cast_with_options(column, to, &options)
        .map_err(|e| wrong(format!("column {name:?}: {e}"), "give it another type"))?;
    if let Some(nulls) = done.logical_nulls().filter(|n| n.null_count() > 0) {
        let row = nulls.iter().position(|valid| !valid).unwrap_or(0);
        return Err(wrong(format!("column {name:?} is out of range in row {row}"), "correct the value"));
    }
    Ok(done)
}

fn integers(column: &ArrayRef) -> Result<Vec<i64>> {
    if !column.data_type().is_integer() {
        return Err(wrong_type("step", column, "an integer"));
    }
    refuse_nulls("step", column)?;
    Ok(cast("step", column, &DataType::Int64)?.as_primitive::<Int64Type>().values().to_vec())
}

fn numbers(column: &ArrayRef) -> Result<Vec<f64>> {
    if !column.data_type().is_numeric() {
        return Err(wrong_type("value", column, "a number"));
    }
    refuse_nulls("value", column)?;
    Ok(cast("value", column, &DataType::Float64)?.as_primitive::<Float64Type>().values().to_vec())
}

fn times(column: &ArrayRef) -> Result<Vec<i64>> {
    refuse_nulls("time", column)?;
    let times: Vec<i64> = match column.data_type() {
        DataType::Timestamp(_, zone) => {
            let to = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
            cast("time", column, &to)?.as_primitive::<TimestampMicrosecondType>().values().to_vec()
        }
        t if t.is_integer() => {
            cast("time", column, &DataType::Int64)?.as_primitive::<Int64Type>().values().to_vec()
        }
        _ => return Err(wrong_type("time", column, "a timestamp, or integer microseconds since 1970")),
    };
    match times.iter().position(|t| !(TIME_US_MIN..=TIME_US_MAX).contains(t)) {
        None => Ok(times),
        Some(row) => Err(wrong(
            format!("time {} in row {row} is outside the years 1 to 9999", times[row]),
            "give integer times in microseconds since 1970 (nanoseconds divided by 1,000), or a timestamp type",
        )),
    }
}
