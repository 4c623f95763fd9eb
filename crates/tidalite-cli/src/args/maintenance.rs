//! The arguments of `flush`, `compact`, `files`, `thin`, `delete` and `verify`.

use super::targets::TargetArgs;
use crate::values;
use clap::Args;
use std::path::PathBuf;

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

/// `files`.
#[derive(Debug, Args)]
#[command(after_help = "\
The rows of these files together are exactly the points that `query` gives with --history own. \
They stay until a later flush or compaction replaces them.

Examples:
  tidalite files metrics
  duckdb -c \"select count(*) from read_parquet($(tidalite files metrics --format json))\"")]
pub(crate) struct FilesArgs {
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

A run that a process still writes to is an error if it is named, and is skipped if a glob or filter \
chooses it. A series stays unchanged if a bucket would hold fewer than 32 points; use fewer \
buckets to thin more.

Examples:
  tidalite thin metrics resnet-42 resnet-43 --buckets 200
  tidalite thin metrics --match 'sweep-3-*' --dry-run
  tidalite thin metrics --before -30d --where 'not tags has \"keep\"' --yes")]
pub(crate) struct ThinArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    #[command(flatten)]
    pub(crate) targets: TargetArgs,
    /// The most buckets per series. Charts with at most this many buckets do not change.
    #[arg(short = 'n', long, value_name = "N", default_value = "1024", value_parser = values::buckets)]
    pub(crate) buckets: usize,
    /// Report what would be done, without doing it; looks only at flushed points.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `delete`.
#[derive(Debug, Args)]
#[command(after_help = "\
Lists the runs and asks. Then everything written to them so far disappears from every answer,
permanently. `compact` frees the disk space. If one of the ids is of no run, nothing is deleted.

Examples:
  tidalite delete metrics resnet-42 resnet-43
  tidalite delete metrics --match 'sweep-3-*' --where 'status = \"failed\"'
  tidalite delete metrics --before -90d --yes && tidalite compact metrics")]
pub(crate) struct DeleteArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    #[command(flatten)]
    pub(crate) targets: TargetArgs,
}

/// `verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 4 means damage: bytes that differ from what was written. A torn end that a crash leaves in
a log is reported too, but is not damage. Nothing is changed. What was not read is listed with the reason.

Examples:
  tidalite verify metrics
  tidalite verify metrics --quick
  tidalite verify metrics --format json | jq '.findings[].path'")]
pub(crate) struct VerifyArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// Check the structure only: marker, manifests, tables, footers, and the frames of logs that are not flushed. The pages of
    /// parts are not read.
    #[arg(long)]
    pub(crate) quick: bool,
}

/// `salvage`.
#[derive(Debug, Args)]
#[command(after_help = "\
Makes a new store of all that can be read and is what was written: runs, rows of logs, and parts page by
page. The damaged store is only read. What is missing is listed by file, run, series, steps and rows, as
far as it can be determined; then the exit code is 4. The new store does not know what it lacks: keep the
list.

Examples:
  tidalite salvage metrics rescued
  tidalite salvage metrics rescued --format json > missing.json")]
pub(crate) struct SalvageArgs {
    /// The folder of the damaged store.
    pub(crate) damaged: PathBuf,
    /// The folder of the new store; absent or empty.
    #[arg(value_name = "NEW")]
    pub(crate) destination: PathBuf,
}
