//! The arguments of `flush`, `compact`, `thin`, `delete` and `verify`.

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
    /// The folder of the store.
    pub(crate) store: PathBuf,
}

/// `compact`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite compact metrics
  tidalite compact metrics --memory 1GiB")]
pub(crate) struct CompactArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
}

/// `thin`.
#[derive(Debug, Args)]
#[command(after_help = "\
Divides the steps of each series into buckets. Each bucket keeps the first and last point, the \
points with the least and greatest value, the first NaN and the first infinities, and the exact \
count, sum, mean, spread and extremes of all its points. The other points are deleted permanently, \
including rewound and repeated ones.

Totals stay exact, and so do charts and aggregates in buckets at least as wide. Finer questions \
(points, percentiles, ranges of values, transforms, ranges that cut a bucket) see only the points \
that are left.

A run that a process still writes to is an error if --run names it, and is skipped if a pattern or \
filter matches it. A series stays unchanged if a bucket would hold fewer than 32 points; use fewer \
buckets to thin more.

Examples:
  tidalite thin metrics --run 'sweep-3-*' --dry-run
  tidalite thin metrics --where 'ended < \"2026-01-01\" and not tags has \"keep\"'
  tidalite thin metrics --run resnet-42 --buckets 200")]
pub(crate) struct ThinArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// Runs whose id matches. Repeatable; any may match.
    #[arg(short, long = "run", value_name = "GLOB", required_unless_present = "filters")]
    pub(crate) runs: Vec<String>,
    /// Runs that match a filter, such as `ended < "2026-01-01"`. Repeatable; all must match, and --run too.
    #[arg(short = 'w', long = "where", value_name = "FILTER")]
    pub(crate) filters: Vec<RunFilter>,
    /// The most buckets per series. Charts with at most this many buckets do not change.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1024)]
    pub(crate) buckets: usize,
    /// Report what would be done, without doing it; looks only at flushed points.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `delete`.
#[derive(Debug, Args)]
#[command(after_help = "\
Everything written to the run so far disappears from every answer at once, permanently. `compact`
frees the disk space.

Examples:
  tidalite delete metrics resnet-42
  tidalite delete metrics resnet-42 --yes && tidalite compact metrics")]
pub(crate) struct DeleteArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// The run's exact id, not a glob.
    pub(crate) run: String,
    /// Do not ask for confirmation.
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// `verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 4 means damage: bytes that differ from what was written. A torn end that a crash leaves in
a log is reported too, but is not damage. Nothing is changed.

Examples:
  tidalite verify metrics
  tidalite verify metrics --format json | jq '.findings[].path'")]
pub(crate) struct VerifyArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
}
