//! The arguments of `top`.

use crate::values;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;
use tidalite::RunFilter;

/// `top`.
#[derive(Debug, Args)]
#[command(after_help = "\
Keys: up and down select a run, Enter shows its metrics as charts, Esc goes back, s changes the order,
/ filters runs by text, ? shows all keys, q quits.

Examples:
  tidalite top metrics
  tidalite top metrics -m loss -m 'val/*' --where 'tags has \"sweep\"'
  tidalite top metrics --interval 5
  tidalite top metrics --once --width 140")]
pub(crate) struct TopArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// A metric to show, or metrics that match as a glob; repeatable, in this order [default: one named like loss, then
    /// those that most runs have]
    #[arg(short, long = "metric", value_name = "NAME")]
    pub(crate) metrics: Vec<String>,
    /// The run of this id; if there is none, runs that match it as a glob. Repeatable; any may match.
    #[arg(short, long = "run", value_name = "ID")]
    pub(crate) runs: Vec<String>,
    /// Runs that match a filter, such as `params.lr > 1e-3 and tags has "baseline"`. Given several times, all must match.
    #[arg(short = 'w', long = "where", value_name = "FILTER")]
    pub(crate) filters: Vec<RunFilter>,
    /// How often to read the store.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = values::interval)]
    pub(crate) interval: Duration,
    /// Print the view once, as text, and exit. Needs no terminal.
    #[arg(long)]
    pub(crate) once: bool,
    /// Width of the text of --once in characters [default: 100]
    #[arg(long, value_name = "N", requires = "once", value_parser = clap::value_parser!(u16).range(20..=1000))]
    pub(crate) width: Option<u16>,
}
