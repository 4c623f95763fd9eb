//! The flags that every command takes.

use crate::values;
use clap::{Args, ValueEnum};

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct GlobalArgs {
    /// How answers are written: tables for people, or JSON lines, CSV, or an Arrow IPC stream for programs.
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Memory for flush, compaction and queries together, such as 64MiB or 2GB.
    #[arg(long, global = true, value_name = "SIZE", default_value = "256MiB", value_parser = values::bytes)]
    pub(crate) memory: u64,
    /// Whether to colour; `auto` colours on a terminal unless NO_COLOR is set.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorWhen,
    /// Say nothing but answers and errors.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns for people.
    Table,
    /// An object a line; one document from `info` and `verify`.
    Json,
    /// With a header.
    Csv,
    /// An Arrow IPC stream.
    Arrow,
    /// Files of `export` alone.
    #[value(hide = true)]
    Parquet,
}

/// When to do something that suits a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}
