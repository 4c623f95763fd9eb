//! The command-line arguments, as clap parses them, and the texts of `--help`.
//!
//! Parsing checks only the form of a value (`crate::values`) and opens nothing, so wrong usage always exits with
//! code 2. The help of every command ends with examples.
//!
//! May use: `values.rs` and no folder.

mod demo;
mod editing;
mod global;
mod importing;
mod listing;
mod maintenance;
mod points;
mod selection;
mod targets;
mod top;
mod transfer;

pub(crate) use demo::{DemoArgs, DemoTrainArgs, DemoWatchArgs};
pub(crate) use editing::EditArgs;
pub(crate) use global::{ColorWhen, Format, GlobalArgs};
pub(crate) use importing::{ImportArgs, TimeUnitArg};
pub(crate) use listing::{DiffArgs, InfoArgs, LabelsArgs, MetricsArgs, RunOrder, RunsArgs, SpaceBy};
pub(crate) use maintenance::{
    CompactArgs, DeleteArgs, FilesArgs, FlushArgs, SalvageArgs, ThinArgs, VerifyArgs,
};
pub(crate) use points::{ChartArgs, FollowArgs, QueryArgs};
pub(crate) use selection::SelectionArgs;
pub(crate) use targets::TargetArgs;
pub(crate) use top::TopArgs;
pub(crate) use transfer::{BackupArgs, ExportArgs, MergeArgs};

use clap::{Parser, Subcommand};

/// An embedded columnar store for streams of metrics.
///
/// A store is one folder of crash-safe logs and plain Parquet files. Many processes can write to it and read from it at
/// the same time. These commands never wait for a writer.
#[derive(Debug, Parser)]
#[command(name = "tidalite", version, propagate_version = true, max_term_width = 100, after_help = TOP_HELP)]
pub(crate) struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten, next_help_heading = "Options of every command")]
    pub(crate) global: GlobalArgs,
}

const TOP_HELP: &str = "\
Examples:
  tidalite demo
  tidalite runs metrics
  tidalite chart metrics -m loss --log-y
  tidalite query metrics -m 'val/*' --aggregate last,min --by run,metric --format csv

Exit codes:
  0    success (also if the reader of a pipe closed it)
  1    the operation failed
  2    wrong usage
  3    the selection matches nothing in the store
  4    damage: `verify` or `salvage` found some, or an answer was given without what could not be read
  130  interrupted by Ctrl-C";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train four small networks into one store, kill one, and show that nothing is lost.
    Demo(DemoArgs),
    /// Show what a store contains: counts, sizes, health.
    Info(InfoArgs),
    /// List the runs.
    Runs(RunsArgs),
    /// Show in what runs differ: params, environment, last values.
    Diff(DiffArgs),
    /// List the metrics.
    Metrics(MetricsArgs),
    /// List the labels of series, and how many values each has.
    Labels(LabelsArgs),
    /// Read points or aggregates.
    Query(QueryArgs),
    /// Draw series in the terminal or as SVG.
    Chart(ChartArgs),
    /// Print points as they are written.
    Follow(FollowArgs),
    /// Watch the runs live in the terminal.
    Top(TopArgs),
    /// Import points from CSV, JSON lines, Parquet or Arrow files.
    Import(ImportArgs),
    /// Export selected points to a Parquet, CSV, JSON lines or Arrow file.
    Export(ExportArgs),
    /// Move all rows from the logs into Parquet.
    Flush(FlushArgs),
    /// Flush, then merge small Parquet files into larger ones.
    Compact(CompactArgs),
    /// List the Parquet files that hold exactly the visible points.
    Files(FilesArgs),
    /// Reduce old runs to an outline and exact summaries, to free disk space.
    Thin(ThinArgs),
    /// Change what is known of a run: params, tags, name, notes, group, status, times.
    Edit(EditArgs),
    /// Delete runs and all their points.
    Delete(DeleteArgs),
    /// Read every byte and report what is damaged.
    Verify(VerifyArgs),
    /// Copies what is sound of a damaged store to a new one, and lists what is missing.
    Salvage(SalvageArgs),
    /// Copy a store, even while others write to it.
    Backup(BackupArgs),
    /// Bring into a store what another one holds: runs and points, each once.
    Merge(MergeArgs),
    /// Train one network of the demo.
    #[command(hide = true)]
    DemoTrain(DemoTrainArgs),
    /// Sample this machine for the demo.
    #[command(hide = true)]
    DemoWatch(DemoWatchArgs),
}
