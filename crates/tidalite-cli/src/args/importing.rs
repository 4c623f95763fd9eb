//! The arguments of `import`.

use crate::values;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use tidalite::{FileFormat, Param, Status};

/// `import`.
#[derive(Debug, Args)]
#[command(after_help = "\
A long table has the columns run, metric and value, and optionally step, time and labels. A wide
table has one column per metric. A table with step or time and a column value has one metric, named
as --metric or the file. Where no column is named step or time, one named _step, global_step,
iteration, epoch or t is the step, and one named _timestamp, timestamp, ts, datetime, date or
wall_time the time.

The extension gives the format: .csv, .tsv, .jsonl, .parquet, .arrow. CSV and JSON lines may be
compressed (.csv.gz, .jsonl.zst). - is the standard input; its rows are visible about a second
after they come. A folder stands for the files in it, and * and ? in a file's name for all that
match. A folder that `export` wrote brings its runs as well: all that is known of them, if the
store does not have them yet.

A folder with TensorBoard event files in it or below is imported as TensorBoard reads it: each folder
with such files is a run. Scalars become points, hyperparameters params, and a restart rewinds its run.
A second import adds what is new; --follow goes on until Ctrl-C.

Without step, steps count up after the greatest step of the run, so that a second file adds to the
first; a file that is imported twice then adds twice.

Examples:
  tidalite import metrics points.parquet
  tidalite import metrics log.csv --run resnet-42 --param lr=3e-4 --tag baseline
  tidalite import metrics log.csv --run resnet-42 --map step=batch --label-column phase
  tidalite import metrics 'results/*.csv.gz' --skip-text
  vmstat -n 1 | awk '...' | tidalite import metrics - --run host-a
  tidalite import metrics exported/
  tidalite import metrics lightning_logs/ --follow")]
pub(crate) struct ImportArgs {
    /// The store; created if absent.
    pub(crate) store: PathBuf,
    /// The files to import; - is the standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Read run, metric, step, time, value or labels (TARGET) from the column SOURCE. Repeatable.
    #[arg(long, value_name = "TARGET=SOURCE", value_parser = values::mapping)]
    pub(crate) map: Vec<(String, String)>,
    /// Ignore a column. Repeatable.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) ignore: Vec<String>,
    /// Read a column as a label: its name is the key. Repeatable.
    #[arg(long = "label-column", value_name = "COLUMN")]
    pub(crate) label_columns: Vec<String>,
    /// Leave out columns that hold no numbers, instead of stopping there.
    #[arg(long)]
    pub(crate) skip_text: bool,
    /// A text that stands for an absent value, besides NA, N/A, null, None and empty cells. Repeatable.
    #[arg(long = "null", value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) nulls: Vec<String>,
    /// The run of all points, if the file has no run column; of event files, what their runs' ids begin with.
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// The metric of all points, if the file has one column of values [default: the file's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) metric: Option<String>,
    /// Read one metric per column [default: inferred from the columns]
    #[arg(long)]
    pub(crate) wide: bool,
    /// Format of the files: parquet, csv, jsonl or arrow [default: from the extension]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) file_format: Option<FileFormat>,
    /// Separator of CSV fields [default: a comma; a tab for .tsv; what the first line has]
    #[arg(long, value_name = "CHARACTER")]
    pub(crate) delimiter: Option<char>,
    /// The CSV file has no header; --columns names its columns.
    #[arg(long, requires = "columns")]
    pub(crate) no_header: bool,
    /// The names of the columns of a CSV file without a header, as step,time,loss. An empty name ignores a column.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) columns: Option<Vec<String>>,
    /// Unit of times that are plain numbers [default: inferred from the first one]
    #[arg(long, value_enum, value_name = "UNIT")]
    pub(crate) time_unit: Option<TimeUnitArg>,
    /// Go on with what event files get later, until Ctrl-C.
    #[arg(long)]
    pub(crate) follow: bool,
    /// Set a param of the run. Repeatable. Needs --run, as the flags that follow.
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = values::param, help_heading = "The run")]
    pub(crate) params: Vec<(String, Param)>,
    /// Add a tag to the run. Repeatable.
    #[arg(short, long = "tag", value_name = "TAG", help_heading = "The run")]
    pub(crate) tags: Vec<String>,
    /// The name that is shown for the run.
    #[arg(long, value_name = "TEXT", help_heading = "The run")]
    pub(crate) name: Option<String>,
    /// When the run started.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = values::moment, help_heading = "The run")]
    pub(crate) started: Option<i64>,
    /// The status of the run: running, finished, failed or lost.
    #[arg(long, value_name = "STATUS", value_parser = values::given_status, help_heading = "The run")]
    pub(crate) status: Option<Status>,
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
