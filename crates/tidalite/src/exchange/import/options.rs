//! Import options and results.

use crate::exchange::file_format::FileFormat;
use std::str::FromStr;
use tidalite_model::{Assign, Error, Param, Result, RunEdit, Status};

/// Options of [`Store::import`](crate::Store::import). The defaults fit a file with the columns `run`, `metric`,
/// `step`, `time`, `value` and `labels`, such as an export, and a wide table with a `run` and one column per metric.
///
/// ```
/// use tidalite::{Import, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("metrics"))?;
/// let path = dir.path().join("losses.csv");
/// std::fs::write(&path, "epoch,_timestamp,phase,loss,acc\n0,1780000000.5,train,0.7,0.4\n1,1780000001.5,train,0.5,\n")?;
/// let import = Import::new().run("resnet-42").label_column("phase").param("lr", 0.1);
/// let stats = store.import(&path, &import)?;
/// assert_eq!((stats.rows, stats.points, stats.empty), (2, 3, 1));
/// assert_eq!(stats.remarks[0], "took column \"epoch\" as step");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "pass it to `Store::import`"]
pub struct Import {
    pub(super) format: Option<FileFormat>,
    /// (column of the long form, column of the file)
    pub(super) map: Vec<(String, String)>,
    pub(super) ignore: Vec<String>,
    pub(super) run: Option<String>,
    pub(super) metric: Option<String>,
    pub(super) label_columns: Vec<String>,
    /// The metrics of a wide table, if not all other columns.
    pub(super) metrics: Option<Vec<String>>,
    pub(super) wide: Option<bool>,
    pub(super) delimiter: Option<char>,
    /// The names of the columns of a CSV file without a header.
    pub(super) columns: Option<Vec<String>>,
    pub(super) time_unit: Option<TimeUnit>,
    /// Texts that stand for an absent value, besides those that always do.
    pub(super) nulls: Vec<String>,
    pub(super) nan_is_absent: bool,
    pub(super) refuse_absent: bool,
    pub(super) skip_text: bool,
    /// What becomes known of the run.
    pub(super) edit: RunEdit,
    /// The metric of a file of values, after the file's name.
    pub(super) file_metric: Option<String>,
    /// Whether the steps in the file were counted up by the store that it was exported from.
    pub(super) automatic: bool,
}

/// The unit of times given as plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeUnit {
    /// Seconds, optionally with a fraction.
    Seconds,
    /// Milliseconds, optionally with a fraction.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds, rounded down to microseconds.
    Nanos,
}

/// Counts of an import, and what it took for granted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ImportStats {
    /// Runs of an exported folder that the store did not have.
    pub runs: u64,
    /// Rows of the file, without the header.
    pub rows: u64,
    /// Points appended.
    pub points: u64,
    /// Batches appended, each as one unit.
    pub batches: u64,
    /// Absent values, which give no points.
    pub empty: u64,
    /// What the import inferred from the file, or left out, in words: one sentence each, without a full stop.
    pub remarks: Vec<String>,
}

impl Import {
    /// The defaults.
    pub fn new() -> Self {
        Import::default()
    }

    /// Whether no option was given.
    pub(super) fn is_plain(&self) -> bool {
        let Import { format, map, ignore, run, metric, label_columns, metrics, wide, .. } = self;
        let Import {
            delimiter,
            columns,
            time_unit,
            nulls,
            nan_is_absent,
            refuse_absent,
            skip_text,
            edit,
            automatic,
            ..
        } = self;
        let lists = [map.is_empty(), ignore.is_empty(), label_columns.is_empty(), nulls.is_empty()];
        let choices = [format.is_none(), wide.is_none(), delimiter.is_none(), time_unit.is_none()];
        let names = [run.is_none(), metric.is_none(), metrics.is_none(), columns.is_none()];
        [lists, choices, names].concat().into_iter().all(|absent| absent)
            && !nan_is_absent
            && !refuse_absent
            && !skip_text
            && !automatic
            && *edit == RunEdit::default()
    }

    /// The file's format. Default: by its extension, see [`FileFormat::from_extension`]; also `.tsv` for CSV with tabs.
    pub fn format(mut self, format: FileFormat) -> Self {
        self.format = Some(format);
        self
    }

    /// Reads the column `source` as `target`: `run`, `metric`, `labels`, `step`, `time` or `value`.
    pub fn map(mut self, target: impl Into<String>, source: impl Into<String>) -> Self {
        self.map.push((target.into(), source.into()));
        self
    }

    /// Ignores a column of the file. Other unknown columns are an error in a long table, and metrics in a wide one.
    pub fn ignore(mut self, column: impl Into<String>) -> Self {
        self.ignore.push(column.into());
        self
    }

    /// The run of all points, for a file without a run column.
    pub fn run(mut self, id: impl Into<String>) -> Self {
        self.run = Some(id.into());
        self
    }

    /// The metric of all points, for a file with a column of values and none of metrics. Default: the name of the file,
    /// without its extension.
    pub fn metric(mut self, name: impl Into<String>) -> Self {
        self.metric = Some(name.into());
        self
    }

    /// Reads a column as a label of the row: its name is the key, and its cells are the values. An absent cell gives no label.
    pub fn label_column(mut self, column: impl Into<String>) -> Self {
        self.label_columns.push(column.into());
        self
    }

    /// The metrics of a wide table. Other columns without a use are then ignored. Default: all other columns.
    pub fn metrics<T: Into<String>>(mut self, columns: impl IntoIterator<Item = T>) -> Self {
        self.metrics = Some(columns.into_iter().map(Into::into).collect());
        self.wide = Some(true);
        self
    }

    /// Whether the table is wide, with one column per metric. Default: true if it has neither a `metric` nor a `value`
    /// column.
    pub fn wide(mut self, wide: bool) -> Self {
        self.wide = Some(wide);
        self
    }

    /// The ASCII character between fields of a CSV file. Default: a comma, or a tab for a `.tsv` file; a semicolon or tab
    /// if the first line has it and no comma.
    pub fn delimiter(mut self, delimiter: char) -> Self {
        self.delimiter = Some(delimiter);
        self
    }

    /// The names of the columns of a CSV file that has no header. A column with an empty name is ignored.
    pub fn columns<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.columns = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// The unit of times given as plain numbers. Default: by the magnitude of the first one, which has to lie in 1980 or
    /// later. Seconds and milliseconds may have a fraction.
    pub fn time_unit(mut self, unit: TimeUnit) -> Self {
        self.time_unit = Some(unit);
        self
    }

    /// A text that stands for an absent value, as an empty cell, `NA`, `N/A`, `null`, `None` and `<NA>` always do.
    pub fn null(mut self, text: impl Into<String>) -> Self {
        self.nulls.push(text.into());
        self
    }

    /// Whether a NaN stands for an absent value. Default: no, it is the value NaN.
    pub fn nan_is_absent(mut self, absent: bool) -> Self {
        self.nan_is_absent = absent;
        self
    }

    /// Whether an absent value is an error. Default: no, it gives no point and is counted.
    pub fn refuse_absent(mut self, refuse: bool) -> Self {
        self.refuse_absent = refuse;
        self
    }

    /// Leaves out the columns of a wide table that hold no numbers, and says so in a remark. By default they are an error.
    pub fn skip_text(mut self, skip: bool) -> Self {
        self.skip_text = skip;
        self
    }

    /// Sets a param of the run. As the other facts about the run, it takes effect after the points, and needs
    /// [`run`](Self::run).
    pub fn param(mut self, key: impl Into<String>, value: impl Into<Param>) -> Self {
        self.edit.params.insert(key.into(), value.into());
        self
    }

    /// Adds a tag to the run.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.edit.add_tags.insert(tag.into());
        self
    }

    /// Sets the name that is shown for the run.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.edit.name = Assign::Set(name.into());
        self
    }

    /// Sets the status of the run.
    pub fn status(mut self, status: Status) -> Self {
        self.edit.status = Assign::Set(status);
        self
    }

    /// Sets the time of the run's start, µs since 1970 UTC.
    pub fn started_us(mut self, time_us: i64) -> Self {
        self.edit.started_us = Assign::Set(time_us);
        self
    }
}

impl FromStr for TimeUnit {
    type Err = Error;

    /// Parses `s`, `ms`, `us` or `ns`.
    fn from_str(text: &str) -> Result<TimeUnit> {
        match text {
            "s" => Ok(TimeUnit::Seconds),
            "ms" => Ok(TimeUnit::Millis),
            "us" => Ok(TimeUnit::Micros),
            "ns" => Ok(TimeUnit::Nanos),
            _ => Err(Error::invalid(
                "choose time unit",
                format!("{text:?} is not a unit of time"),
                "use s, ms, us or ns",
            )),
        }
    }
}

impl TimeUnit {
    pub(super) fn words(self) -> &'static str {
        match self {
            TimeUnit::Seconds => "seconds",
            TimeUnit::Millis => "milliseconds",
            TimeUnit::Micros => "microseconds",
            TimeUnit::Nanos => "nanoseconds",
        }
    }
}
