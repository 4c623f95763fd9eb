//! The arguments of `info`, `runs`, `diff`, `metrics` and `labels`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::str::FromStr;
use tidalite::{Error, RunColumn, RunFilter, RunSort};

/// `info`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite info metrics
  tidalite info metrics --by metric
  tidalite info metrics --format json | jq .points")]
pub(crate) struct InfoArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// List the bytes that each run or metric takes in the parts, largest first.
    #[arg(long, value_name = "WHAT")]
    pub(crate) by: Option<SpaceBy>,
    /// List how each column of each part is encoded, and what it takes.
    #[arg(long, conflicts_with = "by")]
    pub(crate) encodings: bool,
}

/// What disk space is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SpaceBy {
    /// By run.
    Run,
    /// By metric, over all runs.
    Metric,
}

/// `diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite diff metrics lr-1 lr-2
  tidalite diff metrics lr-1 lr-2 lr-3 --all
  tidalite diff metrics lr-1 lr-2 --format json | jq 'select(.kind == \"param\")'")]
pub(crate) struct DiffArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// The ids of the runs, at least two.
    #[arg(required = true, num_args = 2..)]
    pub(crate) runs: Vec<String>,
    /// Show also what is the same in all of them.
    #[arg(short, long)]
    pub(crate) all: bool,
    /// The most rows to print; 0 means all [default: 40 in a table, otherwise all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// `runs`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite runs metrics
  tidalite runs metrics --run 'resnet-*' --sort started
  tidalite runs metrics --columns val/loss:min,params.lr,status --sort val/loss:min --limit 10
  tidalite runs metrics --run resnet-42 --participants
  tidalite runs metrics --format json | jq 'select(.status == \"lost\") | .run'")]
pub(crate) struct RunsArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// The run of this id; if there is none, runs that match it as a glob (`*` any text, `?` one character, `[ab]`,
    /// `{a,b}`). Repeatable; any may match.
    #[arg(short, long = "run", value_name = "ID")]
    pub(crate) runs: Vec<String>,
    /// Runs that match a filter, such as `params.lr > 1e-3 and tags has "baseline"`. Given several times, all must match.
    #[arg(short = 'w', long = "where", value_name = "FILTER")]
    pub(crate) filters: Vec<RunFilter>,
    /// List the processes that took part in the runs: one row each, with labels, host, times, status and last step.
    #[arg(long)]
    pub(crate) participants: bool,
    /// Show these columns instead: METRIC:AGGREGATE such as `val/loss:min`, `params.NAME`, or another field of runs, such as
    /// `name` or `started`. Separate several by commas, or repeat.
    #[arg(short, long, value_name = "COLUMN", value_delimiter = ',', conflicts_with = "participants")]
    pub(crate) columns: Vec<RunColumn>,
    /// Sort by `run`, `started` (newest first), `points` (most first), `status`, or a column as in --columns, such as
    /// `val/loss:min`; after `-` the greatest comes first. Separate several columns by commas, or repeat.
    #[arg(
        long,
        value_name = "COLUMN",
        value_delimiter = ',',
        allow_hyphen_values = true,
        conflicts_with = "participants"
    )]
    pub(crate) sort: Vec<RunOrder>,
    /// Leave out the first N runs of the order.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) offset: usize,
    /// Show all columns, also those in which the runs do not differ.
    #[arg(short, long, conflicts_with_all = ["columns", "participants"])]
    pub(crate) verbose: bool,
    /// The most rows to print; 0 means all [default: 40 in a table, otherwise all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// One key of the order of a list of runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RunOrder {
    /// By id.
    Run,
    /// Newest first.
    Started,
    /// Most points first.
    Points,
    /// By status, then id.
    Status,
    /// By a column.
    Column(RunSort),
}

impl FromStr for RunOrder {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(match text {
            "run" => RunOrder::Run,
            "started" => RunOrder::Started,
            "points" => RunOrder::Points,
            "status" => RunOrder::Status,
            _ => RunOrder::Column(text.parse()?),
        })
    }
}

/// `metrics`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite metrics metrics
  tidalite metrics metrics --run 'resnet-*' --format csv")]
pub(crate) struct MetricsArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// Only in the run of this id; if there is none, in runs that match it as a glob. Repeatable; any may match.
    #[arg(short, long = "run", value_name = "ID")]
    pub(crate) runs: Vec<String>,
    /// Runs that match a filter, such as `params.lr > 1e-3 and tags has "baseline"`. Given several times, all must match.
    #[arg(short = 'w', long = "where", value_name = "FILTER")]
    pub(crate) filters: Vec<RunFilter>,
    /// The most rows to print; 0 means all [default: 40 in a table, otherwise all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// `labels`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite labels metrics
  tidalite labels metrics -m loss --values --format csv")]
pub(crate) struct LabelsArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// Only of the metric of this name; if there is none, of metrics that match it as a glob. Repeatable; any may match.
    #[arg(short, long = "metric", value_name = "NAME")]
    pub(crate) metrics: Vec<String>,
    /// Only in the run of this id; if there is none, in runs that match it as a glob. Repeatable; any may match.
    #[arg(short, long = "run", value_name = "ID")]
    pub(crate) runs: Vec<String>,
    /// Runs that match a filter, such as `params.lr > 1e-3 and tags has "baseline"`. Given several times, all must match.
    #[arg(short = 'w', long = "where", value_name = "FILTER")]
    pub(crate) filters: Vec<RunFilter>,
    /// One row per value of each label, with the number of series that carry it.
    #[arg(long)]
    pub(crate) values: bool,
    /// The most rows to print; 0 means all [default: 40 in a table, otherwise all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}
