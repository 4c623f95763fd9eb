//! The arguments of `import`, `export` and `backup`.

use super::selection::SelectionArgs;
use crate::values;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use tidalite::FileFormat;

/// `import`.
#[derive(Debug, Args)]
#[command(after_help = "\
A long table has the columns run, metric and value, and if it likes step, time and labels; a wide
one has a column a metric. Formats follow from the extension: .csv, .tsv, .jsonl, .parquet, .arrow.

Examples:
  tidalite import metrics points.parquet
  tidalite import metrics log.csv --run resnet-42 --map step=epoch --map time=at --time-unit s
  tidalite import metrics wide.csv --wide --run sweep-7")]
pub(crate) struct ImportArgs {
    /// The store; made if absent.
    pub(crate) store: PathBuf,
    /// The files.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// A column under another name: run, metric, step, time, value or labels = the file's column.
    #[arg(long, value_name = "TARGET=SOURCE", value_parser = values::mapping)]
    pub(crate) map: Vec<(String, String)>,
    /// A column to leave out; may be given several times.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) ignore: Vec<String>,
    /// The run that all points belong to, where no column says it.
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// One column a metric [default: as the columns suggest]
    #[arg(long)]
    pub(crate) wide: bool,
    /// Format of the files: parquet, csv, jsonl or arrow [default: as the extension says]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) file_format: Option<FileFormat>,
    /// What stands between the fields of CSV [default: a comma; a tab in .tsv]
    #[arg(long, value_name = "CHARACTER")]
    pub(crate) delimiter: Option<char>,
    /// Unit of times that are plain numbers.
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
The format follows from the extension (.parquet, .csv, .jsonl, .arrow), or from --format, which
takes parquet, csv, json and arrow.

Examples:
  tidalite export metrics -o all.parquet
  tidalite export metrics -o losses.csv -m loss --steps ..1000
  tidalite export metrics -o recent.arrow --time -24h..")]
pub(crate) struct ExportArgs {
    /// The store.
    pub(crate) store: PathBuf,
    /// The file to write; one of that name is replaced.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    // Last: its heading holds for all that follow.
    #[command(flatten, next_help_heading = "Selection")]
    pub(crate) selection: SelectionArgs,
}

/// `backup`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite backup metrics /backup/metrics-monday")]
pub(crate) struct BackupArgs {
    /// The store.
    pub(crate) store: PathBuf,
    /// The folder of the copy: absent or empty.
    #[arg(value_name = "DEST")]
    pub(crate) destination: PathBuf,
}
