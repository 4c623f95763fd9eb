//! Import: points from files of other tools, in CSV, JSON lines, Parquet and Arrow IPC.
//!
//! 1. The file's columns are matched with those of the long form, by name or as mapped (`map`).
//! 2. Its reader gives each row as cells (`csv`, `jsonl`, `parquet` and `ipc` over `columns`).
//! 3. Cells become points by one set of rules for all formats (`cell`), one a row (`long`) or one a metric (`wide`).
//! 4. Points are gathered and appended, each batch as one unit (`batch`).
//!
//! Invariant: a row is imported whole, or the import stops there and says where (`fault`). Nothing is passed over.

#![allow(clippy::disallowed_methods, reason = "the file is the user's, outside of the store")]

mod batch;
mod cell;
mod columns;
mod csv;
mod fault;
mod guard;
mod ipc;
mod json_object;
mod jsonl;
mod long;
mod map;
mod metered;
mod parquet;
mod wide;

#[cfg(test)]
mod tests;

use crate::file_format::FileFormat;
use crate::store::Store;
use batch::Batch;
use fault::Fault;
use std::cell::Cell;
use std::fs::File;
use std::path::Path;
use std::str::FromStr;
use tidalite_model::{Error, Result};

/// How a file is to be imported; [`Store::import`] does it. The defaults fit a file with the columns `run`, `metric`,
/// `step`, `time`, `value` and `labels`, such as an export, and a wide table with a `run` and one column a metric.
///
/// ```
/// use tidalite::{Import, Store, TimeUnit};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("metrics"))?;
/// let path = dir.path().join("losses.csv");
/// std::fs::write(&path, "epoch,_timestamp,loss,acc\n0,1780000000.5,0.7,0.4\n1,1780000001.5,0.5,\n")?;
/// let import = Import::new().run("resnet-42").map("step", "epoch").map("time", "_timestamp").time_unit(TimeUnit::Seconds);
/// let stats = store.import(&path, &import, &|_, _| {})?;
/// assert_eq!((stats.rows, stats.points, stats.empty), (2, 3, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "pass it to `Store::import`"]
pub struct Import {
    format: Option<FileFormat>,
    /// (column of the long form, column of the file)
    map: Vec<(String, String)>,
    ignore: Vec<String>,
    run: Option<String>,
    wide: Option<bool>,
    delimiter: Option<char>,
    time_unit: Option<TimeUnit>,
}

/// The unit of times that are plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeUnit {
    /// Seconds, perhaps with a fraction.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds; what is finer than a microsecond is cut.
    Nanos,
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ImportStats {
    /// Rows of the file, its header not counted.
    pub rows: u64,
    /// Points appended.
    pub points: u64,
    /// Batches, each of them one unit.
    pub batches: u64,
    /// Cells of a wide table that hold nothing, and so are no points.
    pub empty: u64,
}

impl Import {
    /// The defaults.
    pub fn new() -> Self {
        Import::default()
    }

    /// The file's format. By default its extension says it: those of [`FileFormat::from_extension`], and `.tsv` for CSV with tabs.
    pub fn format(mut self, format: FileFormat) -> Self {
        self.format = Some(format);
        self
    }

    /// Takes a column of another name for one of `run`, `metric`, `labels`, `step`, `time`, `value`.
    pub fn map(mut self, target: impl Into<String>, source: impl Into<String>) -> Self {
        self.map.push((target.into(), source.into()));
        self
    }

    /// Does not read a column of the file. Other columns that are unknown are an error in a long table, and metrics in
    /// a wide one.
    pub fn ignore(mut self, column: impl Into<String>) -> Self {
        self.ignore.push(column.into());
        self
    }

    /// The run that all points belong to, where no column says it.
    pub fn run(mut self, id: impl Into<String>) -> Self {
        self.run = Some(id.into());
        self
    }

    /// Whether the table is wide, with one column a metric. By default it is where there is neither a column `metric` nor
    /// a column `value`.
    pub fn wide(mut self, wide: bool) -> Self {
        self.wide = Some(wide);
        self
    }

    /// What stands between the fields of a CSV file: an ASCII character, by default a comma, or a tab in a `.tsv` file.
    pub fn delimiter(mut self, delimiter: char) -> Self {
        self.delimiter = Some(delimiter);
        self
    }

    /// The unit of times that are plain numbers; microseconds by default. Only seconds may have a fraction.
    pub fn time_unit(mut self, unit: TimeUnit) -> Self {
        self.time_unit = Some(unit);
        self
    }
}

impl FromStr for TimeUnit {
    type Err = Error;

    /// From `s`, `ms`, `us` or `ns`.
    fn from_str(text: &str) -> Result<TimeUnit> {
        match text {
            "s" => Ok(TimeUnit::Seconds),
            "ms" => Ok(TimeUnit::Millis),
            "us" => Ok(TimeUnit::Micros),
            "ns" => Ok(TimeUnit::Nanos),
            _ => Err(Error::invalid(
                "choose time unit",
                format!("{text:?} is no unit of time"),
                "use s, ms, us or ns",
            )),
        }
    }
}

impl Store {
    /// Appends the points of a file.
    ///
    /// A **long** table has one row a point and the columns `run`, `metric`, `value` and, if wanted, `step`, `time` and
    /// `labels` (text such as `host=a,rank=3`; in JSON also an object). A **wide** table has one column a metric, beside
    /// `run`, `step`, `time` and `labels`; an empty or null cell there is no point, and counted. Elsewhere it is an error,
    /// but for labels, where it stands for none.
    ///
    /// - Without `step`, each series counts up from 0 in the order of the file; in a wide table each run and labels do.
    /// - Without `time`, all points get the time of the import. Times are typed timestamps, text as in RFC 3339 (UTC where
    ///   it has no offset), or numbers in the [unit](Import::time_unit) said.
    /// - Values are numbers of any type, or such words as `NaN`, `inf`, `-Infinity`. Bits are kept.
    ///
    /// Rows are appended in batches of at most 262,144 points, each as one unit. A failed import keeps the batches before
    /// the fault, and the error says how many rows those are; after correcting the file, the whole of it can be imported
    /// again, since the newest point of a step counts by default. `progress` is told the bytes of the file that are done
    /// and those in all (0 where the size is not known).
    ///
    /// # Errors
    /// `Invalid`, naming the file, the line or row (from 1), the column, and what to do, for a cell of a wrong type, a missing or
    /// unknown column, a null, or a damaged file; `Unsupported` for an unknown extension or compression; `NotFound`, `Io`; and
    /// those of [`append`](Store::append).
    pub fn import(
        &self,
        path: impl AsRef<Path>,
        import: &Import,
        progress: &dyn Fn(u64, u64),
    ) -> Result<ImportStats> {
        let path = path.as_ref();
        let now_us = self.writable()?.vfs.now_us();
        let outright = |fault: Fault| fault.into_error(path, 0);
        import.check().map_err(outright)?;
        let is_tsv = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tsv"));
        let format = match import.format {
            Some(format) => format,
            None if is_tsv => FileFormat::Csv,
            None => FileFormat::from_extension(path)?,
        };
        let file = File::open(path).map_err(|e| outright(Fault::Read(e)))?;
        let about = file.metadata().map_err(|e| outright(Fault::Read(e)))?;
        if about.is_dir() {
            return Err(outright(Fault::wrong("it is a folder", "give the path of a file")));
        }
        let bytes_done = Cell::new(0);
        let mut batch = Batch::new(self, &bytes_done, about.len(), progress);
        let done = match format {
            FileFormat::Csv => {
                let delimiter = import.delimiter.unwrap_or(if is_tsv { '\t' } else { ',' });
                let delimiter = u8::try_from(delimiter).expect("checked to be ASCII");
                csv::load(&file, import, delimiter, &mut batch, now_us)
            }
            FileFormat::JsonLines => jsonl::load(&file, import, &mut batch, now_us),
            FileFormat::Parquet => parquet::load(&file, import, &mut batch, now_us),
            FileFormat::ArrowIpc => ipc::load(&file, import, &mut batch, now_us),
        };
        match done.and_then(|()| batch.flush()) {
            Ok(()) => Ok(batch.stats),
            Err(fault) => Err(fault.into_error(path, batch.stats.rows)),
        }
    }
}
