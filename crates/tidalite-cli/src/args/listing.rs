//! The arguments of `info`, `runs` and `metrics`.

use crate::values;
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
    /// The store.
    pub(crate) store: PathBuf,
    /// Instead, a row for each run or metric with the bytes that it takes in the parts, most first.
    #[arg(long, value_name = "WHAT")]
    pub(crate) by: Option<SpaceBy>,
}

/// What takes room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SpaceBy {
    /// A run.
    Run,
    /// A metric, of all runs.
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
    /// The store.
    pub(crate) store: PathBuf,
    /// Runs whose id matches; may be given several times.
    #[arg(short, long = "run", value_name = "GLOB")]
    pub(crate) runs: Vec<String>,
    /// Runs that a filter takes, such as `params.lr > 1e-3 and tags has "baseline"`; several times, all must.
    #[arg(short = 'w', long = "where", value_name = "FILTER", value_parser = values::run_filter)]
    pub(crate) filters: Vec<RunFilter>,
    /// By what to order; all but `run` greatest or newest first.
    #[arg(long, value_enum, default_value = "run")]
    pub(crate) sort: RunOrder,
    /// At most so many rows; 0 for all [default: 40 in a table, else all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// An order of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RunOrder {
    /// By id.
    Run,
    /// Newest first.
    Started,
    /// Longest first.
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
    /// The store.
    pub(crate) store: PathBuf,
    /// Of runs whose id matches; may be given several times.
    #[arg(short, long = "run", value_name = "GLOB")]
    pub(crate) runs: Vec<String>,
    /// Runs that a filter takes, such as `params.lr > 1e-3 and tags has "baseline"`; several times, all must.
    #[arg(short = 'w', long = "where", value_name = "FILTER", value_parser = values::run_filter)]
    pub(crate) filters: Vec<RunFilter>,
    /// At most so many rows; 0 for all [default: 40 in a table, else all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}
