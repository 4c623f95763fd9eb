//! The arguments of `info`, `runs` and `metrics`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;
use tidalite::RunFilter;

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
}

/// What disk space is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SpaceBy {
    /// By run.
    Run,
    /// By metric, over all runs.
    Metric,
}

/// `runs`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite runs metrics
  tidalite runs metrics --run 'resnet-*' --sort started
  tidalite runs metrics --format json | jq 'select(.status == \"lost\") | .run'")]
pub(crate) struct RunsArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// Runs whose id matches. Repeatable; any may match.
    #[arg(short, long = "run", value_name = "GLOB")]
    pub(crate) runs: Vec<String>,
    /// Runs that match a filter, such as `params.lr > 1e-3 and tags has "baseline"`. Given several times, all must match.
    #[arg(short = 'w', long = "where", value_name = "FILTER")]
    pub(crate) filters: Vec<RunFilter>,
    /// Sort order; `started` is newest first, `points` is most first.
    #[arg(long, value_enum, default_value = "run")]
    pub(crate) sort: RunOrder,
    /// The most rows to print; 0 means all [default: 40 in a table, otherwise all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// The order of a list of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RunOrder {
    /// By id.
    Run,
    /// Newest first.
    Started,
    /// Most points first.
    Points,
    /// By status, then id.
    Status,
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
    /// Only in runs whose id matches. Repeatable; any may match.
    #[arg(short, long = "run", value_name = "GLOB")]
    pub(crate) runs: Vec<String>,
    /// Runs that match a filter, such as `params.lr > 1e-3 and tags has "baseline"`. Given several times, all must match.
    #[arg(short = 'w', long = "where", value_name = "FILTER")]
    pub(crate) filters: Vec<RunFilter>,
    /// The most rows to print; 0 means all [default: 40 in a table, otherwise all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}
