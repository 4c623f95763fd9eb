//! The arguments of `export`, `backup` and `merge`.

use super::selection::SelectionArgs;
use crate::values;
use clap::Args;
use std::path::PathBuf;

/// `export`.
#[derive(Debug, Args)]
#[command(after_help = "\
The extension gives the format (.parquet, .csv, .jsonl, .arrow), unless --format says parquet, csv,
json or arrow. A file has the points alone. A path that ends with / is a folder: it gets the points,
and runs.jsonl with params, tags, names, notes, groups, status and participants of the runs. `import`
of the folder gives them back.

Examples:
  tidalite export metrics -o all.parquet
  tidalite export metrics -o exported/
  tidalite export metrics -o losses.csv -m loss --steps ..1000
  tidalite export metrics -o recent.arrow --time -24h..")]
pub(crate) struct ExportArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// The file to write; an existing file is replaced. With / at its end, an empty or new folder.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    // Last, because clap applies the heading to all arguments that follow.
    #[command(flatten, next_help_heading = "Selection")]
    pub(crate) selection: SelectionArgs,
}

/// `backup`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite backup metrics /backup/metrics-monday")]
pub(crate) struct BackupArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// The folder of the copy; absent or empty.
    #[arg(value_name = "DEST")]
    pub(crate) destination: PathBuf,
}

/// `merge`.
#[derive(Debug, Args)]
#[command(after_help = "\
FROM is only read, and both stores may be written to meanwhile. What both hold, as two copies of one
store do, is not doubled, and of two edits the later one wins, whichever store it was made in. Merging
again brings only what is new in FROM. If a merge is interrupted, the store is as before; run it again.
What is damaged in FROM fails the merge. With --on-damage report it is left out, a later merge does not
bring it, and INTO lists it as lost.

Two runs are the same if one was copied from the other, not if only their ids are equal: runs of one id
that were begun independently are refused, unless --rename or --join says what to do. A run that is
running in FROM shows as lost, until a merge brings its end.

Examples:
  tidalite merge metrics /mnt/laptop/metrics
  tidalite merge metrics node7/metrics --rename -node7")]
pub(crate) struct MergeArgs {
    /// The folder of the store to merge into.
    #[arg(value_name = "INTO")]
    pub(crate) store: PathBuf,
    /// The folder of the other store.
    #[arg(value_name = "FROM")]
    pub(crate) from: PathBuf,
    /// Add this text to the ids of FROM's runs whose ids other runs of INTO have.
    #[arg(long, value_name = "SUFFIX", allow_hyphen_values = true, value_parser = values::suffix)]
    pub(crate) rename: Option<String>,
    /// Make one run of each two that have the same id.
    #[arg(long, conflicts_with = "rename")]
    pub(crate) join: bool,
}
