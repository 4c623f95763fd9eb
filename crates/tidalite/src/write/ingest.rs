//! Bulk ingest: appends an Arrow record batch in long form as one unit.
//!
//! A small batch is one frame of the log, and so are batches of moderate size once a process has appended some. A large
//! batch is sorted, written to a staged part and synced; then one frame that refers to the part accepts it. So a batch of
//! any size is visible whole or not at all, and its write order is that of its frame. The part is written before this
//! order is known; readers take it from the frame.

use super::batch_rows::{BatchRows, BatchSeries};
use crate::engine::room::JobRoom;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::files::paths::staged_part;
use crate::files::staged::write_meta;
use crate::parts::tiles::{PointSource, write_part};
use crate::upkeep::maintain;
use arrow::array::RecordBatch;
use std::ops::ControlFlow;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tidalite_model::{Result, Seq, SeriesKey, StepRange, Written};
use tidalite_query::{Points, Repeats, merge};

/// Batches of at most this many rows are one frame of the log: 28 bytes per row, under half a megabyte. Larger batches
/// are worth files of their own.
const FRAME_ROWS_MAX: usize = 16_384;
/// A process may append many batches of moderate size, such as one per series. As parts, each would leave three files. So
/// only the first few become parts. The others become frames of the log, which a flush merges.
const STAGED_FREE: u64 = 8;
/// The most rows of such a batch: seven megabytes as a frame. Still larger ones always become parts.
const FRAME_ROWS_LARGEST: usize = 262_144;

impl Store {
    /// Appends the points of a record batch, whole or not at all. Every process sees them when this returns.
    ///
    /// Columns, in any order: `run`, `metric` (text, plain or dictionary), `value` (any number or boolean), and
    /// optionally `step` (any integer), `time` (a timestamp of any unit, or integer µs since 1970 UTC; by default the
    /// current time) and `labels` (text such as `host=a,rank=3`). Without `step`, the steps are automatic, as those of
    /// [`Run::log`](crate::Run::log): each series counts on after the greatest step of its run, in order of time, then of
    /// the batch. A whole number that an `f64` cannot hold exactly is an error. A timestamp finer than a microsecond is
    /// rounded down.
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
            for range in group.rows.ranges() {
                series[range].fill(id);
            }
        }
        return log
            .append_points(&series, &rows.steps, &rows.times_us, &rows.values, rows.automatic)
            .map(Some);
    }
    // A staged part without a segment is damage: see `is_staged`.
    log.begin()?;
    let place = staged_part(log.dir(), state.vfs.uuid());
    let mut source = BatchSource::new(rows);
    let room = JobRoom::by_hand(state)?;
    let rollup_bytes = room.rollup_bytes(source.rows.values.len() as u64);
    source.has_rollups = rollup_bytes.is_some();
    let room = room.beside(source.bytes() + rollup_bytes.unwrap_or(0));
    let accepted =
        write_part(state, &place, &source, &room, &|_| state.unless_closed(ControlFlow::Continue(())))
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

/// The seq of points whose frame is not written yet; see [`PartMeta::placed_at`](tidalite_parts::PartMeta::placed_at).
const NOT_PLACED: i64 = 0;

/// A batch as a source of points.
struct BatchSource {
    rows: BatchRows,
    series: Vec<(SeriesKey, u64)>,
    /// A very large batch gets its rollups when it is compacted.
    has_rollups: bool,
}

impl BatchSource {
    fn new(rows: BatchRows) -> Self {
        let count = |g: &BatchSeries| g.rows.len() as u64;
        let series = rows.groups.iter().map(|g| (g.key.clone(), count(g))).collect();
        BatchSource { rows, series, has_rollups: true }
    }

    /// The bytes of the lists of rows.
    fn bytes(&self) -> u64 {
        self.rows.groups.iter().map(|group| group.rows.bytes()).sum()
    }
}

impl PointSource for BatchSource {
    fn series(&self) -> &[(SeriesKey, u64)] {
        &self.series
    }

    fn has_rollups(&self) -> bool {
        self.has_rollups
    }

    fn sample_steps(&self, series: usize, nth: usize) -> Result<Vec<i64>> {
        let rows = self.rows.groups[series].rows.ranges().flatten();
        Ok(rows.step_by(nth).map(|r| self.rows.steps[r]).collect())
    }

    fn gather(&self, series: Range<usize>, within: StepRange) -> Result<Vec<Points>> {
        let rows = &self.rows;
        let StepRange { lo, hi } = within;
        // One clock for all, so that points of a step keep the order of the batch. Readers take that of the frame.
        let written = Written::at(rows.read_us.max(1), rows.automatic);
        let gather_one = |group: &BatchSeries| {
            let mut points = Points::default();
            for range in group.rows.ranges() {
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
