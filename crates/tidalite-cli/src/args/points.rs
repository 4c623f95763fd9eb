//! The arguments of `query`, `chart` and `follow`.

use super::selection::SelectionArgs;
use crate::values;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;
use tidalite::{Aggregate, By, Cursor, PointSort, XAxis};

/// `query`.
#[derive(Debug, Args)]
#[command(after_help = "\
Aggregates: count, finite, nan, inf, sum, mean, std, var, min, max, first, last, argmin, argmax,
argnan (step of the first NaN), step_first, step_last (least and greatest step), time_first, time_last
(the times of the points there), time_min, time_max (least and greatest time), median, exact
percentiles such as p99.9, and approximate ones such as p99.9~ (within 1 %, in little memory). All
except the counts, steps, times, first and last use only finite values.
Groups: run, metric, labels, label:KEY, param:NAME, step:WIDTH, time:WIDTH (such as time:10s, time:1w,
time:1mo, or with a time zone time:1d@Europe/Berlin).

Examples:
  tidalite query metrics -m loss -r resnet-42 --steps 1000..1100
  tidalite query metrics -m 'val/*' --aggregate min,argmin,last --by run,metric
  tidalite query metrics -m val/loss --where 'params.lr > 1e-3' --aggregate min --by param:optimizer
  tidalite query metrics -m gpu/power_watts --time -1h.. --aggregate mean,p99 --by time:1m
  tidalite query metrics -m val/loss --steps 1000.. --aggregate min,argmin --by run --bottom 10
  tidalite query metrics -m val/loss --aggregate last --by run --then mean,std --then-by param:lr
  tidalite query metrics -m net/bytes --transform rate,mean:30 --aggregate max --by run
  tidalite query metrics -m loss --m4 800 --x metric:tokens --format csv
  tidalite query metrics -m loss --latest --format json
  tidalite query metrics -m latency_ms --order -value --limit 20
  tidalite query metrics -r resnet-42 --exclude-metric 'system/*' --rows
  tidalite query metrics -m loss --aggregate mean --by step:4096 --explain
  tidalite query metrics -m loss --format csv | head")]
pub(crate) struct QueryArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// Compute aggregates instead of printing points; see the list below.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = values::word::<Aggregate>)]
    pub(crate) aggregate: Vec<Aggregate>,
    /// Group the aggregates: one row per group; see the list below.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = values::word::<By>, requires = "aggregate")]
    pub(crate) by: Vec<By>,
    /// Aggregate the aggregates once more, such as mean,std of the last value of each run; columns are named as in
    /// mean(last).
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = values::word::<Aggregate>)]
    #[arg(requires = "aggregate", conflicts_with_all = ["bottom", "top"])]
    pub(crate) then: Vec<Aggregate>,
    /// Group what --then computes: by groups of --by, params of its runs, or wider buckets.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = values::word::<By>, requires = "then")]
    pub(crate) then_by: Vec<By>,
    /// Print only the N groups with the smallest first aggregate, smallest first. Groups by run without --by.
    #[arg(long, value_name = "N", requires = "aggregate", conflicts_with = "top")]
    pub(crate) bottom: Option<usize>,
    /// Print only the N groups with the largest first aggregate, largest first. Groups by run without --by.
    #[arg(long, value_name = "N", requires = "aggregate")]
    pub(crate) top: Option<usize>,
    /// Print only the last point of each series.
    #[arg(long, conflicts_with_all = ["aggregate", "by", "lttb", "m4", "sample", "x"])]
    pub(crate) latest: bool,
    /// Print about N points of each series, evenly by their number, and besides these every NaN and infinity.
    #[arg(long, value_name = "N", conflicts_with_all = ["aggregate", "by", "lttb", "m4", "x"])]
    pub(crate) sample: Option<usize>,
    /// Print one row per step of each run and its labels, with a column per metric.
    #[arg(long, conflicts_with_all = ["aggregate", "latest", "lttb", "m4", "sample", "x"])]
    pub(crate) rows: bool,
    /// Print points in the order of a column: time, step or value, or -time and so on for the greatest first.
    #[arg(long, value_name = "COLUMN", value_parser = values::word::<PointSort>, allow_hyphen_values = true)]
    #[arg(conflicts_with_all = ["aggregate", "latest", "lttb", "m4", "rows", "sample", "x"])]
    pub(crate) order: Option<PointSort>,
    /// Leave out the first N points.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    #[arg(conflicts_with_all = ["aggregate", "latest", "lttb", "m4", "rows", "sample", "x"])]
    pub(crate) offset: usize,
    /// Downsample each series to N points that keep the shape of its line (Largest-Triangle-Three-Buckets).
    #[arg(long, value_name = "N", conflicts_with_all = ["aggregate", "m4"])]
    pub(crate) lttb: Option<usize>,
    /// Downsample each series for a chart N pixels wide: first, last, least and greatest point per pixel column (M4).
    #[arg(long, value_name = "N", conflicts_with = "aggregate")]
    pub(crate) m4: Option<usize>,
    /// Add a column `x` and order by it: step, time, elapsed (seconds since the run's start), metric:NAME (the value of
    /// that metric at the point's step or the last before), or next:NAME (the first at or after).
    #[arg(long, value_name = "AXIS", conflicts_with = "aggregate")]
    pub(crate) x: Option<XAxis>,
    /// Print how the query ran instead of its answer: points by source, and parts, pages and bytes read or skipped.
    #[arg(long)]
    pub(crate) explain: bool,
    /// The most rows to print (a table shows its first and last rows); 0 means all [default: 40 in a table, otherwise
    /// all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    // Last, because clap applies the heading to all arguments that follow.
    #[command(flatten, next_help_heading = "Selection")]
    pub(crate) selection: SelectionArgs,
}

/// `chart`.
#[derive(Debug, Args)]
#[command(after_help = "\
Draws one chart per metric and one line per series. A × marks where a line becomes NaN or infinite.

Examples:
  tidalite chart metrics -m loss --log-y
  tidalite chart metrics -m loss -r 'resnet-*' --band --svg loss.svg
  tidalite chart metrics -m cpu/total_percent --x time --time -10m..
  tidalite chart metrics -m loss --transform half-life:100 --x metric:tokens
  tidalite chart metrics -m loss --buckets 100 --format csv")]
pub(crate) struct ChartArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// The x-axis: step, time (since the first point), elapsed (since the run's start), metric:NAME, or next:NAME.
    #[arg(long, value_name = "AXIS", default_value = "step")]
    pub(crate) x: XAxis,
    /// Use a logarithmic y-axis.
    #[arg(long)]
    pub(crate) log_y: bool,
    /// Also draw the range between the minimum and the maximum of each bucket.
    #[arg(long)]
    pub(crate) band: bool,
    /// Width in characters, or in pixels with --svg [default: the terminal's width, or 800 pixels]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(16..=20_000))]
    pub(crate) width: Option<u32>,
    /// Height in lines, or in pixels with --svg [default: 16 lines, or 450 pixels]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(5..=20_000))]
    pub(crate) height: Option<u32>,
    /// The most buckets per series [default: as many as the width can show]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) buckets: Option<u32>,
    /// Write the chart to an SVG file; needs a single metric.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    // Last, because clap applies the heading to all arguments that follow.
    #[command(flatten, next_help_heading = "Selection")]
    pub(crate) selection: SelectionArgs,
}

/// `follow`.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints each point once, in the order of writing within a series. Repeats are printed too, whatever
--repeats says. Runs until Ctrl-C; with --idle-exit it ends by itself and prints a cursor from which
another follower can continue.

Examples:
  tidalite follow metrics -m loss
  tidalite follow metrics --from-start --format json | consumer
  tidalite follow metrics -m loss --cursor AQUHAYEg3Lw --idle-exit 5")]
pub(crate) struct FollowArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// Start with all existing points instead of only new ones.
    #[arg(long, conflicts_with = "cursor")]
    pub(crate) from_start: bool,
    /// Continue from where another follower ended.
    #[arg(long, value_name = "TEXT")]
    pub(crate) cursor: Option<Cursor>,
    /// Exit after this long without new points.
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds)]
    pub(crate) idle_exit: Option<Duration>,
    // Last, because clap applies the heading to all arguments that follow.
    #[command(flatten, next_help_heading = "Selection")]
    pub(crate) selection: SelectionArgs,
}
