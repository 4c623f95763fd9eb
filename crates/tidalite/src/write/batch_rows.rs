//! A batch in the engine's types, and which rows belong to which series.
//!
//! Beside the batch itself this takes four bytes a row at most: steps, times and values are shared with the batch, names are
//! looked at slice by slice, and the rows of a series are a list of ranges.

use super::automatic::{CountedGroup, automatic_steps};
use super::batch_columns::{cast, integers, numbers, refuse_nulls, required, times, wrong, wrong_type};
use crate::engine::state::StoreState;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Int32Type};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use tidalite_model::{Labels, Result, SeriesKey, check_name, check_time};

/// A batch, checked and converted to the engine's types.
pub(super) struct BatchRows {
    pub(super) steps: ScalarBuffer<i64>,
    pub(super) times_us: ScalarBuffer<i64>,
    pub(super) values: ScalarBuffer<f64>,
    /// Ascending by key.
    pub(super) groups: Vec<BatchSeries>,
    /// Whether the steps were counted up.
    pub(super) automatic: bool,
    /// When the batch was read, µs since 1970 UTC.
    pub(super) read_us: i64,
}

/// The rows of one series, in the order of the batch.
pub(super) struct BatchSeries {
    pub(super) key: SeriesKey,
    pub(super) rows: RowList,
}

/// Ascending rows of a batch, in ranges. A range of one row is one number. A longer one is two: its first row with
/// [`RANGE`] set, and its end.
#[derive(Debug, Default)]
pub(super) struct RowList(Vec<u32>);

/// Marks the first row of a range of several.
const RANGE: u32 = 1 << 31;
/// The most rows of a batch, which leaves the mark free.
const ROWS_MAX: usize = RANGE as usize - 1;
/// Rows whose names are looked at together.
const SLICE_ROWS: usize = 1 << 16;

impl RowList {
    fn push(&mut self, rows: Range<usize>) {
        let row = |n: usize| u32::try_from(n).expect("a batch has fewer rows than u32 counts");
        match rows.len() {
            1 => self.0.push(row(rows.start)),
            _ => self.0.extend([row(rows.start) | RANGE, row(rows.end)]),
        }
    }

    /// The ranges, ascending.
    pub(super) fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        let mut numbers = self.0.iter();
        std::iter::from_fn(move || {
            let &first = numbers.next()?;
            let start = (first & !RANGE) as usize;
            Some(match first & RANGE {
                0 => start..start + 1,
                _ => start..*numbers.next()? as usize,
            })
        })
    }

    pub(super) fn len(&self) -> usize {
        self.ranges().map(|rows| rows.len()).sum()
    }

    /// The memory that it takes.
    pub(super) fn bytes(&self) -> u64 {
        (self.0.capacity() * size_of::<u32>()) as u64
    }

    /// Adds the rows of another list, none of which are in this one.
    fn join(&mut self, other: &RowList) {
        let mut ranges: Vec<Range<usize>> = self.ranges().chain(other.ranges()).collect();
        ranges.sort_by_key(|rows| rows.start);
        self.0.clear();
        ranges.into_iter().for_each(|rows| self.push(rows));
    }
}

impl BatchRows {
    pub(super) fn read(batch: &RecordBatch, now_us: i64) -> Result<BatchRows> {
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
        if batch.num_rows() > ROWS_MAX {
            return Err(wrong(
                format!("the batch has {} rows, and {ROWS_MAX} are allowed", batch.num_rows()),
                "append it in several batches",
            ));
        }
        let steps = match batch.column_by_name("step") {
            Some(column) => integers(column)?,
            None => vec![0; batch.num_rows()].into(),
        };
        let values = numbers(&required(batch, "value")?)?;
        let times_us = match batch.column_by_name("time") {
            Some(column) => times(column)?,
            None => {
                check_time(now_us)?;
                vec![now_us; batch.num_rows()].into()
            }
        };
        let (runs, metrics) = (required(batch, "run")?, required(batch, "metric")?);
        let groups = Grouped::of(&runs, &metrics, batch.column_by_name("labels"))?;
        Ok(BatchRows { steps, times_us, values, groups, automatic: false, read_us: now_us })
    }

    /// Gives each series steps that count up.
    pub(super) fn count_steps(&mut self, state: &Arc<StoreState>) -> Result<()> {
        let counted = |group: &BatchSeries| CountedGroup {
            run: group.key.run.clone(),
            places: group.rows.ranges().flatten().collect(),
        };
        let groups = self.groups.iter().map(counted).collect();
        self.steps = automatic_steps(state, groups, &self.times_us, |_, _| false)?.into();
        self.automatic = true;
        Ok(())
    }
}

/// The texts of a column, numbered as they are met.
struct Texts {
    name: &'static str,
    numbers: HashMap<Arc<str>, i32>,
    texts: Vec<Arc<str>>,
}

impl Texts {
    fn new(name: &'static str) -> Texts {
        Texts { name, numbers: HashMap::new(), texts: Vec::new() }
    }

    /// Refuses a column that holds no texts, or nulls.
    fn check(&self, column: &ArrayRef) -> Result<()> {
        let of = match column.data_type() {
            DataType::Dictionary(_, of) => of.as_ref(),
            other => other,
        };
        if !matches!(of, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
            return Err(wrong_type(self.name, column, "text"));
        }
        refuse_nulls(self.name, column)
    }

    /// The number of the text of each of some rows.
    fn code(&mut self, column: &ArrayRef, rows: Range<usize>) -> Result<Vec<i32>> {
        let slice = column.slice(rows.start, rows.len());
        let coded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let slice = cast(self.name, &slice, &coded)?;
        let dictionary = slice.as_dictionary::<Int32Type>();
        let texts = dictionary.values().as_string::<i32>();
        // A slice may share a large dictionary of which it uses few texts.
        let mut numbers: Vec<Option<i32>> = vec![None; texts.len()];
        let mut codes = Vec::with_capacity(rows.len());
        for &key in dictionary.keys().values() {
            let key = usize::try_from(key).expect("there are no nulls");
            let number = match numbers[key] {
                Some(number) => number,
                None => {
                    *numbers[key].insert(self.number(if texts.is_null(key) { "" } else { texts.value(key) }))
                }
            };
            codes.push(number);
        }
        Ok(codes)
    }

    fn number(&mut self, text: &str) -> i32 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = i32::try_from(self.texts.len()).expect("a batch has fewer rows than i32 counts");
        let text: Arc<str> = text.into();
        self.numbers.insert(text.clone(), number);
        self.texts.push(text);
        number
    }

    fn at(&self, code: i32) -> &Arc<str> {
        &self.texts[usize::try_from(code).expect("codes are places in a list")]
    }
}

/// The series of a batch as they are found.
struct Grouped {
    runs: Texts,
    metrics: Texts,
    labels: Texts,
    place: HashMap<(i32, i32, i32), usize>,
    groups: Vec<BatchSeries>,
}

impl Grouped {
    /// The series of the columns of runs, metrics and, where there is one, labels; ascending by key.
    fn of(runs: &ArrayRef, metrics: &ArrayRef, labels: Option<&ArrayRef>) -> Result<Vec<BatchSeries>> {
        let mut grouped = Grouped {
            runs: Texts::new("run"),
            metrics: Texts::new("metric"),
            labels: Texts::new("labels"),
            place: HashMap::new(),
            groups: Vec::new(),
        };
        grouped.runs.check(runs)?;
        grouped.metrics.check(metrics)?;
        if let Some(labels) = labels {
            grouped.labels.check(labels)?;
        }
        let mut open: Option<((i32, i32, i32), usize)> = None;
        for start in (0..runs.len()).step_by(SLICE_ROWS) {
            let rows = start..runs.len().min(start + SLICE_ROWS);
            let of_runs = grouped.runs.code(runs, rows.clone())?;
            let of_metrics = grouped.metrics.code(metrics, rows.clone())?;
            let of_labels = match labels {
                Some(labels) => Some(grouped.labels.code(labels, rows.clone())?),
                None => None,
            };
            for (i, row) in rows.enumerate() {
                let code = (of_runs[i], of_metrics[i], of_labels.as_ref().map_or(0, |l| l[i]));
                match open {
                    Some((last, _)) if last == code => {}
                    _ => {
                        if let Some((last, first)) = open.replace((code, row)) {
                            grouped.push(last, first..row, labels.is_some())?;
                        }
                    }
                }
            }
        }
        if let Some((last, first)) = open {
            grouped.push(last, first..runs.len(), labels.is_some())?;
        }
        Ok(grouped.finish())
    }

    /// Adds a range of rows of one series.
    fn push(&mut self, code: (i32, i32, i32), rows: Range<usize>, labelled: bool) -> Result<()> {
        let at = match self.place.get(&code) {
            Some(&at) => at,
            None => {
                let first = rows.start;
                for (texts, code) in [(&self.runs, code.0), (&self.metrics, code.1)] {
                    check_name(texts.name, texts.at(code))
                        .map_err(|e| wrong(format!("row {first}: {}", e.wrong()), "correct the name"))?;
                }
                let labels = match labelled {
                    true => Labels::parse(self.labels.at(code.2)).map_err(|e| {
                        wrong(
                            format!("labels in row {first}: {}", e.wrong()),
                            "write labels as key=value,key=value",
                        )
                    })?,
                    false => Labels::none(),
                };
                let key =
                    SeriesKey::new(self.runs.at(code.0).clone(), self.metrics.at(code.1).clone(), labels);
                self.groups.push(BatchSeries { key, rows: RowList::default() });
                self.place.insert(code, self.groups.len() - 1);
                self.groups.len() - 1
            }
        };
        self.groups[at].rows.push(rows);
        Ok(())
    }

    fn finish(mut self) -> Vec<BatchSeries> {
        // Two codes may mean one series, since labels may come in any order.
        self.groups.sort_by(|a, b| a.key.cmp(&b.key));
        let mut merged: Vec<BatchSeries> = Vec::with_capacity(self.groups.len());
        for mut group in self.groups {
            group.rows.0.shrink_to_fit();
            match merged.last_mut() {
                Some(last) if last.key == group.key => last.rows.join(&group.rows),
                _ => merged.push(group),
            }
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_gives_back_its_runs_in_order() {
        let ranges = [0..1, 1..2, 5..9, 9..10, 20..300_000];
        let mut list = RowList::default();
        ranges.iter().cloned().for_each(|rows| list.push(rows));
        assert_eq!(list.ranges().collect::<Vec<_>>(), ranges);
        let mut other = RowList::default();
        [3..4, 10..20].into_iter().for_each(|rows| other.push(rows));
        list.join(&other);
        assert_eq!(list.ranges().collect::<Vec<_>>(), [0..1, 1..2, 3..4, 5..9, 9..10, 10..20, 20..300_000]);
        assert_eq!((list.len(), other.len()), (300_000 - 20 + 7 + 11, 11));
    }
}
