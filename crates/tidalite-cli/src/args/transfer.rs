//! The arguments of `import`, `export` and `backup`.

use super::selection::SelectionArgs;
use crate::values;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use tidalite::FileFormat;

/// `import`.
#[derive(Debug, Args)]
#[command(after_help = "\
A long table has the columns run, metric and value, and optionally step, time and labels. A wide
table has one column per metric. The extension gives the format: .csv, .tsv, .jsonl, .parquet,
.arrow. Without step, steps count up after the greatest step of the run, so that a second file
adds to the first; a file that is imported twice then adds twice.

Examples:
  tidalite import metrics points.parquet
  tidalite import metrics log.csv --run resnet-42 --map step=epoch --map time=at --time-unit s
  tidalite import metrics wide.csv --wide --run sweep-7")]
pub(crate) struct ImportArgs {
    /// The store; created if absent.
    pub(crate) store: PathBuf,
    /// The files to import.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Read run, metric, step, time, value or labels (TARGET) from the column SOURCE. Repeatable.
    #[arg(long, value_name = "TARGET=SOURCE", value_parser = values::mapping)]
    pub(crate) map: Vec<(String, String)>,
    /// Ignore a column. Repeatable.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) ignore: Vec<String>,
    /// The run of all points, if the file has no run column.
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// Read one metric per column [default: inferred from the columns]
    #[arg(long)]
    pub(crate) wide: bool,
    /// Format of the files: parquet, csv, jsonl or arrow [default: from the extension]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) file_format: Option<FileFormat>,
    /// Separator of CSV fields [default: a comma; a tab for .tsv]
    #[arg(long, value_name = "CHARACTER")]
    pub(crate) delimiter: Option<char>,
    /// Unit of times that are plain numbers [default: us]
    #[arg(long, value_enum, value_name = "UNIT")]
    pub(crate) time_unit: Option<TimeUnitArg>,
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimeUnitArg {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

/// `export`.
#[derive(Debug, Args)]
#[command(after_help = "\
The extension gives the format (.parquet, .csv, .jsonl, .arrow), unless --format says parquet, csv,
json or arrow.

Examples:
  tidalite export metrics -o all.parquet
  tidalite export metrics -o losses.csv -m loss --steps ..1000
  tidalite export metrics -o recent.arrow --time -24h..")]
pub(crate) struct ExportArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// The file to write; an existing file is replaced.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    // Last, because clap applies the heading to all arguments that follow.
    #[command(flatten, next_help_heading = "Selection")]
    pub(crate) selection: SelectionArgs,
}

/// `backup`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite backup metrics /backup/metrics-monday")]
pub(crate) struct BackupArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// The folder of the copy; absent or empty.
    #[arg(value_name = "DEST")]
    pub(crate) destination: PathBuf,
}
