//! Collects imported points into batches and appends each batch as one unit.
//!
//! Invariant: between rows of the file, a batch holds only whole rows. So each row of a wide table is stored whole or
//! not at all, and the rows stored are the rows of the appended batches.

use super::fault::ImportFault;
use super::map::Role;
use super::options::ImportStats;
use crate::engine::cancel::go_on;
use crate::engine::store::Store;
use crate::write::automatic::{CountedGroup, automatic_steps};
use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidalite_model::{Labels, check_name};

/// The most points of a batch: 11 MiB in memory, and enough to be worth a separate part.
pub(crate) const BATCH_POINTS_MAX: usize = 262_144;

/// Rows of a pipe wait so long for others before they are appended.
pub(crate) const LIVE_DELAY: Duration = Duration::from_secs(1);

/// The most bytes of distinct names in a batch. Names may be 4 KiB long, so a limit on points does not bound memory.
const NAME_BYTES_MAX: usize = 16 << 20;

/// The batch being collected, and the counts of the batches before it.
pub(crate) struct PointBatch<'a> {
    store: &'a Store,
    runs: NameCodes,
    metrics: NameCodes,
    labels: NameCodes,
    points: PointColumns,
    /// Whether each row of the file is one point. Otherwise all points of a row share an automatic step.
    long: bool,
    /// Whether the steps that the file gives are automatic.
    automatic: bool,
    /// Rows of the file in this batch.
    rows: u64,
    /// Empty metric cells of these rows.
    empty: u64,
    pub(crate) stats: ImportStats,
    /// Bytes of the file read so far, set by the reader.
    pub(crate) bytes_done: &'a Cell<u64>,
    pub(crate) bytes_total: u64,
    progress: &'a dyn Fn(u64, u64) -> ControlFlow<()>,
    /// For a file that may grow while it is read: when a batch was appended last.
    live: Option<Instant>,
}

#[derive(Default)]
struct PointColumns {
    runs: Vec<i32>,
    metrics: Vec<i32>,
    labels: Vec<i32>,
    /// The row of the file within the batch.
    rows: Vec<u64>,
    /// Empty if the steps are automatic.
    steps: Vec<i64>,
    times_us: Vec<i64>,
    values: Vec<f64>,
}

/// A series, as the codes of its three names. Valid until the row ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SeriesCodes {
    pub(crate) run: i32,
    pub(crate) metric: i32,
    pub(crate) labels: i32,
}

impl<'a> PointBatch<'a> {
    pub(crate) fn new(
        store: &'a Store,
        automatic: bool,
        bytes_done: &'a Cell<u64>,
        bytes_total: u64,
        progress: &'a dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Self {
        PointBatch {
            store,
            runs: NameCodes::new(Role::Run),
            metrics: NameCodes::new(Role::Metric),
            labels: NameCodes::new(Role::Labels),
            points: PointColumns::default(),
            long: true,
            automatic,
            rows: 0,
            empty: 0,
            stats: ImportStats::default(),
            bytes_done,
            bytes_total,
            progress,
            live: None,
        }
    }

    /// Makes rows of a pipe visible within about a second after they came.
    pub(crate) fn set_live(&mut self) {
        self.live = Some(Instant::now());
    }

    /// Whether the file may grow while it is read.
    pub(crate) fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Appends what came, while the file gives nothing more for now.
    pub(crate) fn pause(&mut self) -> Result<(), ImportFault> {
        match self.rows {
            0 => go_on((self.progress)(self.bytes_done.get(), self.bytes_total)).map_err(ImportFault::Store),
            _ => self.flush(),
        }
    }

    /// Adds a remark to the result, once.
    pub(crate) fn remark(&mut self, text: String) {
        if !self.stats.remarks.contains(&text) {
            self.stats.remarks.push(text);
        }
    }

    /// Flushes if a row of at most `points` points might not fit.
    pub(crate) fn begin_row(&mut self, points: usize) -> Result<(), ImportFault> {
        let name_bytes = self.runs.bytes + self.metrics.bytes + self.labels.bytes;
        let full = self.points.values.len() + points > BATCH_POINTS_MAX || name_bytes > NAME_BYTES_MAX;
        let late = self.live.is_some_and(|last| self.rows > 0 && last.elapsed() > LIVE_DELAY);
        if full || late {
            self.flush()?;
        }
        Ok(())
    }

    /// Whether no row came since the last flush. Codes of names are counted anew then.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(crate) fn end_row(&mut self) {
        self.rows += 1;
    }

    pub(crate) fn run(&mut self, text: &str) -> Result<i32, ImportFault> {
        self.runs.code(text)
    }

    pub(crate) fn metric(&mut self, text: &str) -> Result<i32, ImportFault> {
        self.metrics.code(text)
    }

    pub(crate) fn labels(&mut self, text: &str) -> Result<i32, ImportFault> {
        self.labels.code(text)
    }

    /// Adds a point of the current row. Either all points of a file have steps or none.
    pub(crate) fn push(&mut self, series: SeriesCodes, step: Option<i64>, time_us: i64, value: f64) {
        self.points.runs.push(series.run);
        self.points.metrics.push(series.metric);
        self.points.labels.push(series.labels);
        self.points.rows.push(self.rows);
        self.points.steps.extend(step);
        self.points.times_us.push(time_us);
        self.points.values.push(value);
    }

    /// Says that the table has one column per metric, so that all points of a row share an automatic step.
    pub(crate) fn set_wide(&mut self) {
        self.long = false;
    }

    /// Automatic steps for all points: each series of a long table counts up, and the rows of each run and labels of a wide
    /// one.
    fn count_steps(&self, points: &PointColumns) -> Result<Vec<i64>, ImportFault> {
        let mut groups: HashMap<(&str, &str, &str), CountedGroup> = HashMap::new();
        for place in 0..points.values.len() {
            let run = self.runs.stored(points.runs[place]);
            let metric = if self.long { self.metrics.stored(points.metrics[place]) } else { "" };
            let labels = self.labels.stored(points.labels[place]);
            let group = groups.entry((run, labels, metric));
            let new = || CountedGroup { run: run.into(), places: Vec::new() };
            group.or_insert_with(new).places.push(place);
        }
        let same_row = |a: usize, b: usize| !self.long && points.rows[a] == points.rows[b];
        let state = self.store.writable().map_err(ImportFault::Store)?;
        automatic_steps(state, groups.into_values().collect(), &points.times_us, same_row)
            .map_err(ImportFault::Store)
    }

    /// Counts an empty metric cell of a wide table.
    pub(crate) fn push_empty(&mut self) {
        self.empty += 1;
    }

    /// Appends the batch and reports progress.
    pub(crate) fn flush(&mut self) -> Result<(), ImportFault> {
        let points = std::mem::take(&mut self.points);
        let count = points.values.len() as u64;
        if count > 0 {
            let counted = points.steps.is_empty();
            let steps = if counted { self.count_steps(&points)? } else { points.steps };
            let columns: [(&str, ArrayRef); 6] = [
                ("run", self.runs.take(points.runs)),
                ("metric", self.metrics.take(points.metrics)),
                ("labels", self.labels.take(points.labels)),
                ("step", Arc::new(Int64Array::from(steps))),
                ("time", Arc::new(Int64Array::from(points.times_us))),
                ("value", Arc::new(Float64Array::from(points.values))),
            ];
            let batch = RecordBatch::try_from_iter(columns).expect("the columns are as long as each other");
            let done = if counted || self.automatic {
                self.store.append_counted(&batch)
            } else {
                self.store.append(&batch)
            };
            done.map_err(ImportFault::Store)?;
            self.stats.batches += 1;
        }
        self.stats.points += count;
        self.stats.rows += std::mem::take(&mut self.rows);
        self.stats.empty += std::mem::take(&mut self.empty);
        if let Some(last) = &mut self.live {
            *last = Instant::now();
        }
        go_on((self.progress)(self.bytes_done.get(), self.bytes_total)).map_err(ImportFault::Store)
    }
}

/// The distinct texts of one column of a batch. Each is checked once.
struct NameCodes {
    role: Role,
    codes: HashMap<Arc<str>, i32>,
    /// By code: the text as read, and as stored.
    texts: Vec<(Arc<str>, Arc<str>)>,
    /// The last code. Rows of a file are often grouped by series.
    last: usize,
    bytes: usize,
}

impl NameCodes {
    fn new(role: Role) -> Self {
        NameCodes { role, codes: HashMap::new(), texts: Vec::new(), last: 0, bytes: 0 }
    }

    fn code(&mut self, text: &str) -> Result<i32, ImportFault> {
        let code = |at: usize| i32::try_from(at).expect("a batch has fewer names than i32 counts");
        if self.texts.get(self.last).is_some_and(|(read, _)| **read == *text) {
            return Ok(code(self.last));
        }
        if let Some(&found) = self.codes.get(text) {
            self.last = usize::try_from(found).expect("codes are places in a list");
            return Ok(found);
        }
        let read: Arc<str> = Arc::from(text);
        let stored = match self.role {
            Role::Labels => {
                let remedy = "write labels as key=value,key=value, with \\ before , = or \\ inside them";
                let labels = Labels::parse(&without_empty_values(text))
                    .map_err(|e| ImportFault::wrong(e.wrong(), remedy))?;
                if labels.as_str() == text { read.clone() } else { Arc::from(labels.as_str()) }
            }
            role => {
                check_name(role.name(), text)
                    .map_err(|e| ImportFault::wrong(e.wrong(), "give a name of 1 to 4096 bytes"))?;
                read.clone()
            }
        };
        self.last = self.texts.len();
        self.bytes += read.len() + stored.len();
        self.codes.insert(read.clone(), code(self.last));
        self.texts.push((read, stored));
        Ok(code(self.last))
    }

    /// The text of a code as it is stored.
    fn stored(&self, code: i32) -> &str {
        &self.texts[usize::try_from(code).expect("codes are places in a list")].1
    }

    /// A column of these codes. Clears the names.
    fn take(&mut self, codes: Vec<i32>) -> ArrayRef {
        let texts = StringArray::from_iter_values(self.texts.iter().map(|(_, stored)| stored));
        *self = NameCodes::new(self.role);
        Arc::new(DictionaryArray::new(Int32Array::from(codes), Arc::new(texts)))
    }
}

/// The text of labels without the pairs that have no value, as `host=,rank=3` from a table with a gap.
fn without_empty_values(text: &str) -> Cow<'_, str> {
    let is_valued = |pair: &str| match pair.strip_suffix('=') {
        // A pair with more than one `=` is refused, or has an escaped one in its value.
        Some(key) => key.is_empty() || key.contains('=') || key.ends_with('\\'),
        None => true,
    };
    let mut pairs = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        if c == ',' && !escaped {
            pairs.push(&text[start..at]);
            start = at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    pairs.push(&text[start..]);
    match pairs.iter().all(|pair| is_valued(pair)) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(pairs.into_iter().filter(|pair| is_valued(pair)).collect::<Vec<_>>().join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_without_a_value_are_left_out() {
        for (text, left) in [
            ("host=,rank=3", "rank=3"),
            ("rank=3,host=", "rank=3"),
            ("host=", ""),
            (r"a=x\=,b=", r"a=x\="),
            (r"a=x\,b=,c=1", r"a=x\,b=,c=1"),
            ("=,a=1", "=,a=1"),
            ("a=1", "a=1"),
            ("", ""),
        ] {
            assert_eq!(without_empty_values(text), left, "{text}");
        }
    }
}
