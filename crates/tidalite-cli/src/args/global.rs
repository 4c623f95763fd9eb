//! The flags that every command takes.

use crate::values;
use clap::{Args, ValueEnum};
use tidalite::OnDamage;

/// The flags of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct GlobalArgs {
    /// Output format: a table for people; JSON lines, CSV or an Arrow IPC stream for programs [default: table; for
    /// export, by extension]
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Memory budget shared by flush, compaction and queries, such as 64MiB or 2GB.
    #[arg(long, global = true, value_name = "SIZE", default_value = "256MiB", value_parser = values::bytes)]
    pub(crate) memory: u64,
    /// When to use colour; `auto` means on a terminal, unless NO_COLOR is set.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorWhen,
    /// What becomes of an answer that could have held rows of a damaged place: an error, or the answer without them, the places
    /// on standard error, and exit code 4.
    #[arg(long, global = true, value_name = "WHAT", default_value = "error")]
    pub(crate) on_damage: OnDamage,
    /// Print only answers and errors: no progress bars, no remarks.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// The format of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns, for people.
    Table,
    /// One object per line; one document from commands that report a single result.
    Json,
    /// Comma-separated values with a header.
    Csv,
    /// An Arrow IPC stream.
    Arrow,
    /// A Parquet file; only for `export`.
    #[value(hide = true)]
    Parquet,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// If standard output is a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
