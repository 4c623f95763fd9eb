//! The arguments that choose runs for a change which cannot be undone.

use crate::values;
use clap::{ArgGroup, Args};
use tidalite::RunFilter;

/// The runs that `thin` and `delete` change.
#[derive(Debug, Args)]
#[command(group(
    ArgGroup::new("chosen").args(["ids", "run", "globs", "filters", "before"]).required(true).multiple(true)
))]
pub(crate) struct TargetArgs {
    /// The exact ids of runs; no character has a special meaning.
    #[arg(value_name = "RUN")]
    pub(crate) ids: Vec<String>,
    /// The exact id of a run, as RUN. Repeatable.
    #[arg(short, long, value_name = "RUN")]
    pub(crate) run: Vec<String>,
    /// Runs whose id matches a glob (`*` any text, `?` one character, `[ab]`, `{a,b}`). Repeatable; added to those named.
    #[arg(long = "match", value_name = "GLOB")]
    pub(crate) globs: Vec<String>,
    /// Only runs that match a filter, such as `status = "failed"`. Repeatable; all must match.
    #[arg(short = 'w', long = "where", value_name = "FILTER")]
    pub(crate) filters: Vec<RunFilter>,
    /// Only runs that ended before a time: RFC 3339, a date, µs since 1970, `now`, or relative to now: `-30d`.
    #[arg(long, value_name = "TIME", value_parser = values::moment, allow_hyphen_values = true)]
    pub(crate) before: Option<i64>,
    /// Do not ask for confirmation; required without a terminal.
    #[arg(short, long)]
    pub(crate) yes: bool,
}
