//! The flags that select points.

use crate::values::{self, RangeArg};
use clap::Args;
use tidalite::{History, Repeats, RunFilter, Transform};

/// Which points.
#[derive(Debug, Clone, Args)]
pub(crate) struct SelectionArgs {
    /// Metrics whose name matches (`*` any text, `?` one character, `[ab]`, `{a,b}`); may be given several times.
    #[arg(short, long = "metric", value_name = "GLOB")]
    pub(crate) metrics: Vec<String>,
    /// Runs whose id matches; may be given several times.
    #[arg(short, long = "run", value_name = "GLOB")]
    pub(crate) runs: Vec<String>,
    /// Metrics in whose name a regular expression matches; several times, and with --metric, any.
    #[arg(long = "metric-regex", value_name = "REGEX")]
    pub(crate) metrics_regex: Vec<String>,
    /// Runs in whose id a regular expression matches; several times, and with --run, any.
    #[arg(long = "run-regex", value_name = "REGEX")]
    pub(crate) runs_regex: Vec<String>,
    /// Runs that a filter takes, such as `params.lr > 1e-3 and tags has "baseline"`; several times, all must.
    #[arg(short = 'w', long = "where", value_name = "FILTER", value_parser = values::run_filter)]
    pub(crate) filters: Vec<RunFilter>,
    /// Series that carry this label; the value may be a glob. Given several times, all must match.
    #[arg(short, long = "label", value_name = "KEY=VALUE", value_parser = values::label)]
    pub(crate) labels: Vec<(String, String)>,
    /// Steps from a up to, not including, b: `100..200`, `1000..`, `..50`, or one step.
    #[arg(long, value_name = "A..B", value_parser = values::steps, allow_hyphen_values = true)]
    pub(crate) steps: Option<RangeArg<i64>>,
    /// Times from a up to b: RFC 3339, a date, µs since 1970, or back from now, such as `-1h..`.
    #[arg(long, value_name = "A..B", value_parser = values::times, allow_hyphen_values = true)]
    pub(crate) time: Option<RangeArg<i64>>,
    /// Values from lo up to hi; NaN never is.
    #[arg(long, value_name = "LO..HI", value_parser = values::floats, allow_hyphen_values = true)]
    pub(crate) values: Option<RangeArg<f64>>,
    /// Which of several points of one step and series count.
    #[arg(long, value_name = "RULE", default_value = "last", value_parser = values::repeats)]
    pub(crate) repeats: Repeats,
    /// Show points too that a rewind hid.
    #[arg(long)]
    pub(crate) include_rewound: bool,
    /// What is read of the history that forked runs took over: `own` (nothing), `inherited`, or `all`, telemetry too.
    #[arg(long, value_name = "RULE", default_value = "inherited", value_parser = values::history)]
    pub(crate) history: History,
    /// What to make of each series before anything else, one after the other: ema:0.9, half-life:100 (steps) or
    /// half-life:10s, mean:50 (points), rate, derivative:step, derivative:time.
    #[arg(short, long, value_name = "LIST", value_delimiter = ',', value_parser = values::transform)]
    pub(crate) transform: Vec<Transform>,
}
