//! The flags that select points.

use crate::values;
use clap::Args;
use tidalite::{Bounds, History, Repeats, RunFilter, Transform};

/// The selection: runs, metrics, labels and ranges.
#[derive(Debug, Clone, Args)]
pub(crate) struct SelectionArgs {
    /// A metric of this name; if there is none, metrics that match it as a glob (`*` any text, `?` one character,
    /// `[ab]`, `{a,b}`). Repeatable; any may match.
    #[arg(short, long = "metric", value_name = "NAME")]
    pub(crate) metrics: Vec<String>,
    /// The run of this id; if there is none, runs that match it as a glob. Repeatable; any may match.
    #[arg(short, long = "run", value_name = "ID")]
    pub(crate) runs: Vec<String>,
    /// Metrics whose name contains a match of a regular expression. Repeatable; any of these or of --metric may match.
    #[arg(long = "metric-regex", value_name = "REGEX")]
    pub(crate) metrics_regex: Vec<String>,
    /// Runs whose id contains a match of a regular expression. Repeatable; any of these or of --run may match.
    #[arg(long = "run-regex", value_name = "REGEX")]
    pub(crate) runs_regex: Vec<String>,
    /// Runs that match a filter, such as `params.lr > 1e-3 and tags has "baseline"`. Given several times, all must match.
    #[arg(short = 'w', long = "where", value_name = "FILTER")]
    pub(crate) filters: Vec<RunFilter>,
    /// Series with this label; if none has this value, with a value that matches it as a glob. Repeatable; any value of
    /// a key may match, and each key must.
    #[arg(short, long = "label", value_name = "KEY=VALUE", value_parser = values::label)]
    pub(crate) labels: Vec<(String, String)>,
    /// Series whose label contains a match of a regular expression. Repeatable, as --label.
    #[arg(long = "label-regex", value_name = "KEY=REGEX", value_parser = values::label)]
    pub(crate) labels_regex: Vec<(String, String)>,
    /// Leave out metrics of this name, as --metric takes it. Repeatable.
    #[arg(long = "exclude-metric", value_name = "NAME")]
    pub(crate) excluded_metrics: Vec<String>,
    /// Leave out series with this label, as --label takes it; series without the key stay. Repeatable.
    #[arg(long = "exclude-label", value_name = "KEY=VALUE", value_parser = values::label)]
    pub(crate) excluded_labels: Vec<(String, String)>,
    /// Steps from A up to but not including B: `100..200`, `1000..`, `..50`, `0..=99`, or one step.
    #[arg(long, value_name = "A..B", value_parser = values::steps, allow_hyphen_values = true)]
    pub(crate) steps: Option<Bounds<i64>>,
    /// Times from A up to but not including B: RFC 3339, a date, µs since 1970, `now`, or relative to now: `-1h..`.
    #[arg(long, value_name = "A..B", value_parser = values::times, allow_hyphen_values = true)]
    pub(crate) time: Option<Bounds<i64>>,
    /// Values from LO up to but not including HI; never NaN.
    #[arg(long, value_name = "LO..HI", value_parser = values::floats, allow_hyphen_values = true)]
    pub(crate) values: Option<Bounds<f64>>,
    /// Which point counts if a series has several at one step: last (written), first, or all.
    #[arg(long, value_name = "RULE", default_value = "last")]
    pub(crate) repeats: Repeats,
    /// Include points that a rewind hides.
    #[arg(long)]
    pub(crate) include_rewound: bool,
    /// What a forked run includes of its parent's points: `own` (nothing), `inherited` (not below `system/`), or `all`.
    #[arg(long, value_name = "RULE", default_value = "inherited")]
    pub(crate) history: History,
    /// Transforms of each series, applied in order before anything else: ema:0.9, half-life:100 (steps),
    /// half-life:10s, mean:50 (points), mean:time, rate, derivative:step, derivative:time, integral.
    #[arg(short, long, value_name = "LIST", value_delimiter = ',', value_parser = values::word::<Transform>)]
    pub(crate) transform: Vec<Transform>,
}
