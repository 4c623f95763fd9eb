//! The arguments of `flush`, `compact`, `thin`, `delete` and `verify`.

use crate::values;
use clap::Args;
use std::path::PathBuf;
use tidalite::RunFilter;

/// `flush`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite flush metrics
  tidalite flush metrics && duckdb -c \"from 'metrics/parts/*.parquet' limit 5\"")]
pub(crate) struct FlushArgs {
    /// The store.
    pub(crate) store: PathBuf,
}

/// `compact`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite compact metrics
  tidalite compact metrics --memory 1GiB")]
pub(crate) struct CompactArgs {
    /// The store.
    pub(crate) store: PathBuf,
}

/// `thin`.
#[derive(Debug, Args)]
#[command(after_help = "\
Of each series stay, in each bucket of steps, the first point, the last, those of the least and \
the greatest value and the first NaN and infinities, with the exact count, sum, mean, spread and \
extremes of all points there. Totals, and charts and aggregates in buckets at least as wide, answer \
as before. What is finer (points, percentiles, ranges of values, transforms, ranges that cut a \
bucket) is answered from the points that are left. Nothing brings the others back; rewound and \
repeated ones go too.

Runs that a process still writes to are refused where --run names them, and passed over otherwise. \
A series stays as it is where a bucket would stand for fewer than 32 points: fewer buckets thin more.

Examples:
  tidalite thin metrics --run 'sweep-3-*' --dry-run
  tidalite thin metrics --where 'ended < \"2026-01-01\" and not tags has \"keep\"'
  tidalite thin metrics --run resnet-42 --buckets 200")]
pub(crate) struct ThinArgs {
    /// The store.
    pub(crate) store: PathBuf,
    /// Runs whose id matches; may be given several times.
    #[arg(short, long = "run", value_name = "GLOB", required_unless_present = "filters")]
    pub(crate) runs: Vec<String>,
    /// Runs that a filter takes, such as `ended < "2026-01-01"`; several times, and with --run, all must.
    #[arg(short = 'w', long = "where", value_name = "FILTER", value_parser = values::run_filter)]
    pub(crate) filters: Vec<RunFilter>,
    /// Buckets that a series keeps at most: charts of so many or fewer stay what they were.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1024)]
    pub(crate) buckets: usize,
    /// Only say what would be done with what is flushed by now.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `delete`.
#[derive(Debug, Args)]
#[command(after_help = "\
All that was written to the run until now is gone from every answer at once, and nothing takes that
back. Its room on the disk is given back by `compact`.

Examples:
  tidalite delete metrics resnet-42
  tidalite delete metrics resnet-42 --yes && tidalite compact metrics")]
pub(crate) struct DeleteArgs {
    /// The store.
    pub(crate) store: PathBuf,
    /// The run's id; no glob.
    pub(crate) run: String,
    /// Do not ask first.
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// `verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 4 means damage: bytes that are not what was written. The torn end that a crash leaves in
a log is reported and is no damage. Nothing is changed.

Examples:
  tidalite verify metrics
  tidalite verify metrics --format json | jq '.findings[].path'")]
pub(crate) struct VerifyArgs {
    /// The store.
    pub(crate) store: PathBuf,
}
