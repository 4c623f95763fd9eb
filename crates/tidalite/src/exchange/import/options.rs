//! Import options and results.

use crate::exchange::file_format::FileFormat;
use std::str::FromStr;
use tidalite_model::{Error, Result};

/// Options of [`Store::import`](crate::Store::import). The defaults fit a file with the columns `run`, `metric`,
/// `step`, `time`, `value` and `labels`, such as an export, and a wide table with a `run` and one column per metric.
///
/// ```
/// use tidalite::{Import, Store, TimeUnit};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("metrics"))?;
/// let path = dir.path().join("losses.csv");
/// std::fs::write(&path, "epoch,_timestamp,loss,acc\n0,1780000000.5,0.7,0.4\n1,1780000001.5,0.5,\n")?;
/// let import = Import::new().run("resnet-42").map("step", "epoch").map("time", "_timestamp").time_unit(TimeUnit::Seconds);
/// let stats = store.import(&path, &import)?;
/// assert_eq!((stats.rows, stats.points, stats.empty), (2, 3, 1));
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
    pub(super) wide: Option<bool>,
    pub(super) delimiter: Option<char>,
    pub(super) time_unit: Option<TimeUnit>,
    /// Whether the steps in the file were counted up by the store that it was exported from.
    pub(super) automatic: bool,
}

/// The unit of times given as plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeUnit {
    /// Seconds, optionally with a fraction.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds, rounded down to microseconds.
    Nanos,
}

/// Counts of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
    /// Empty metric cells of a wide table, which give no points.
    pub empty: u64,
}

impl Import {
    /// The defaults.
    pub fn new() -> Self {
        Import::default()
    }

    /// Whether no option was given.
    pub(super) fn is_plain(&self) -> bool {
        let Import { format, map, ignore, run, wide, delimiter, time_unit, automatic } = self;
        let texts = map.is_empty() && ignore.is_empty() && run.is_none();
        texts
            && format.is_none()
            && wide.is_none()
            && delimiter.is_none()
            && time_unit.is_none()
            && !automatic
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

    /// Whether the table is wide, with one column per metric. Default: true if it has neither a `metric` nor a `value`
    /// column.
    pub fn wide(mut self, wide: bool) -> Self {
        self.wide = Some(wide);
        self
    }

    /// The ASCII character between fields of a CSV file. Default: a comma, or a tab for a `.tsv` file.
    pub fn delimiter(mut self, delimiter: char) -> Self {
        self.delimiter = Some(delimiter);
        self
    }

    /// The unit of times given as plain numbers. Default: microseconds. Only seconds may have a fraction.
    pub fn time_unit(mut self, unit: TimeUnit) -> Self {
        self.time_unit = Some(unit);
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
