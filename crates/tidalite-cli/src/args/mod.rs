//! The flags of the command, as clap reads them, and the texts of `--help`.
//!
//! Nothing is decided here: each flag is checked for its form alone (by [`values`]), so that wrong usage
//! is exit code 2 before anything is opened. Every command's help ends with examples.

mod demo;
mod global;
mod listing;
mod maintenance;
mod points;
mod selection;
mod transfer;

pub(crate) use demo::{DemoArgs, DemoTrainArgs, DemoWatchArgs};
pub(crate) use global::{ColorWhen, Format, GlobalArgs};
pub(crate) use listing::{InfoArgs, MetricsArgs, RunOrder, RunsArgs, SpaceBy};
pub(crate) use maintenance::{CompactArgs, DeleteArgs, FlushArgs, ThinArgs, VerifyArgs};
pub(crate) use points::{ChartArgs, FollowArgs, QueryArgs};
pub(crate) use selection::SelectionArgs;
pub(crate) use transfer::{BackupArgs, ExportArgs, ImportArgs, TimeUnitArg};

use clap::{Parser, Subcommand};

/// An embedded columnar store for streams of metrics.
///
/// A store is one folder: crash-safe logs that every process may write and read at once, and plain Parquet. These
/// commands read a store while others write to it, and never wait for them.
#[derive(Debug, Parser)]
#[command(name = "tidalite", version, propagate_version = true, max_term_width = 100, after_help = TOP_HELP)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten, next_help_heading = "Everywhere")]
    pub(crate) global: GlobalArgs,
}

const TOP_HELP: &str = "\
Examples:
  tidalite demo
  tidalite runs metrics
  tidalite chart metrics -m loss --log-y
  tidalite query metrics -m 'val/*' --aggregate last,min --by run,metric --format csv

Exit codes:
  0    done (also where the reader of a pipe went away)
  1    the operation failed
  2    wrong usage
  3    nothing in the store matches the selection
  4    `verify` found damage
  130  interrupted by Ctrl-C";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train four small networks at once, live, kill one, and show what a store makes of it.
    Demo(DemoArgs),
    /// What a store holds, in numbers.
    Info(InfoArgs),
    /// List the runs.
    Runs(RunsArgs),
    /// List the metrics.
    Metrics(MetricsArgs),
    /// Read points, or aggregates of them.
    Query(QueryArgs),
    /// Draw series in the terminal, or as SVG.
    Chart(ChartArgs),
    /// Print points as they are written.
    Follow(FollowArgs),
    /// Bring in points from CSV, JSON lines, Parquet or Arrow files.
    Import(ImportArgs),
    /// Write a selection to a Parquet, CSV, JSON lines or Arrow file.
    Export(ExportArgs),
    /// Move all rows from logs into Parquet.
    Flush(FlushArgs),
    /// Flush, then merge the Parquet files into few.
    Compact(CompactArgs),
    /// Thin old runs to their outline and exact sums, and give the rest of their room back.
    Thin(ThinArgs),
    /// Delete a run and all its points.
    Delete(DeleteArgs),
    /// Read every byte and report what is damaged.
    Verify(VerifyArgs),
    /// Copy a store while others write to it.
    Backup(BackupArgs),
    /// A trainer of the demonstration.
    #[command(hide = true)]
    DemoTrain(DemoTrainArgs),
    /// The machine's telemetry, for the demonstration.
    #[command(hide = true)]
    DemoWatch(DemoWatchArgs),
}
