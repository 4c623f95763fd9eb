//! The arguments of `query`, `chart` and `follow`.

use super::selection::SelectionArgs;
use crate::values;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;
use tidalite::{Aggregate, By, Cursor, XAxis};

/// `query`.
#[derive(Debug, Args)]
#[command(after_help = "\
Aggregates: count, finite, nan, inf, sum, mean, std, var, min, max, first, last, argmin, argmax,
argnan (the step of the first NaN), time_first, time_last, median, percentiles such as p99.9, and
p99.9~ from a sketch: to 1 %, in little memory. All but the counts, first, last and argnan are over
finite values.
Groups: run, metric, labels, label:KEY, param:NAME, step:WIDTH, time:WIDTH (such as time:10s).

Examples:
  tidalite query metrics -m loss -r resnet-42 --steps 1000..1100
  tidalite query metrics -m 'val/*' --aggregate min,argmin,last --by run,metric
  tidalite query metrics -m val/loss --where 'params.lr > 1e-3' --aggregate min --by param:optimizer
  tidalite query metrics -m gpu/power_watts --time -1h.. --aggregate mean,p99 --by time:1m
  tidalite query metrics -m val/loss --steps 1000.. --aggregate min,argmin --by run --bottom 10
  tidalite query metrics -m net/bytes --transform rate,mean:30 --aggregate max --by run
  tidalite query metrics -m loss --m4 800 --x metric:tokens --format csv
  tidalite query metrics -m loss --latest --format json
  tidalite query metrics -m loss --aggregate mean --by step:4096 --explain
  tidalite query metrics -m loss --format csv | head")]
pub(crate) struct QueryArgs {
    /// The store.
    pub(crate) store: PathBuf,
    /// Aggregates instead of points; see below.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = values::aggregate)]
    pub(crate) aggregate: Vec<Aggregate>,
    /// One row for each group; see below.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = values::by, requires = "aggregate")]
    pub(crate) by: Vec<By>,
    /// The so many groups alone of which the first aggregate is least, least first; groups are runs unless --by says more.
    #[arg(long, value_name = "N", requires = "aggregate", conflicts_with = "top")]
    pub(crate) bottom: Option<usize>,
    /// The same, greatest first.
    #[arg(long, value_name = "N", requires = "aggregate")]
    pub(crate) top: Option<usize>,
    /// The last point of each series alone.
    #[arg(long, conflicts_with_all = ["aggregate", "by", "lttb", "m4", "x"])]
    pub(crate) latest: bool,
    /// So many points a series that keep the shape of its line: Largest-Triangle-Three-Buckets.
    #[arg(long, value_name = "N", conflicts_with_all = ["aggregate", "m4"])]
    pub(crate) lttb: Option<usize>,
    /// The points that a picture of so many columns of pixels needs: of each the first, last, least and greatest.
    #[arg(long, value_name = "N", conflicts_with = "aggregate")]
    pub(crate) m4: Option<usize>,
    /// A column `x`, which orders the points: step, time, elapsed (seconds since the run's start), or metric:NAME.
    #[arg(long, value_name = "AXIS", conflicts_with = "aggregate")]
    pub(crate) x: Option<XAxis>,
    /// Instead of the answer, say what it was made from: which source stood for how many points, what was read and skipped.
    #[arg(long)]
    pub(crate) explain: bool,
    /// At most so many rows (of a table, half from its head and half from its tail); 0 for all [default: 40 in a table,
    /// else all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    // Last: its heading holds for all that follow.
    #[command(flatten, next_help_heading = "Selection")]
    pub(crate) selection: SelectionArgs,
}

/// `chart`.
#[derive(Debug, Args)]
#[command(after_help = "\
One chart a metric, one line a series. A line that turns NaN or infinite is marked there.

Examples:
  tidalite chart metrics -m loss --log-y
  tidalite chart metrics -m loss -r 'resnet-*' --band --svg loss.svg
  tidalite chart metrics -m cpu/total_percent --x time --time -10m..
  tidalite chart metrics -m loss --transform half-life:100 --x metric:tokens
  tidalite chart metrics -m loss --buckets 100 --format csv")]
pub(crate) struct ChartArgs {
    /// The store.
    pub(crate) store: PathBuf,
    /// What the x-axis counts: step, time (since the first point), elapsed (since the run's start), or metric:NAME.
    #[arg(long, value_name = "AXIS", default_value = "step")]
    pub(crate) x: XAxis,
    /// Logarithmic y-axis.
    #[arg(long)]
    pub(crate) log_y: bool,
    /// Draw the range from least to greatest as well as the mean.
    #[arg(long)]
    pub(crate) band: bool,
    /// Width in characters, or in pixels with --svg [default: the terminal's, or 800]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(16..=20_000))]
    pub(crate) width: Option<u32>,
    /// Height in lines, or in pixels with --svg [default: 16, or 450]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(5..=20_000))]
    pub(crate) height: Option<u32>,
    /// At most so many buckets a series [default: as the width can show]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) buckets: Option<u32>,
    /// Write the chart to an SVG file instead.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    // Last: its heading holds for all that follow.
    #[command(flatten, next_help_heading = "Selection")]
    pub(crate) selection: SelectionArgs,
}

/// `follow`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each point comes once, repeats included whatever --repeats says; within a series in the order of
writing. Ends by Ctrl-C, or with --idle-exit, which prints the cursor to go on from.

Examples:
  tidalite follow metrics -m loss
  tidalite follow metrics --from-start --format json | consumer
  tidalite follow metrics -m loss --cursor 1:2048,2:77 --idle-exit 5")]
pub(crate) struct FollowArgs {
    /// The store.
    pub(crate) store: PathBuf,
    /// Begin with all there is, rather than with what is new from now on.
    #[arg(long, conflicts_with = "cursor")]
    pub(crate) from_start: bool,
    /// Go on from where another follower ended.
    #[arg(long, value_name = "TEXT", value_parser = values::cursor)]
    pub(crate) cursor: Option<Cursor>,
    /// End when nothing is new for so long.
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds)]
    pub(crate) idle_exit: Option<Duration>,
    // Last: its heading holds for all that follow.
    #[command(flatten, next_help_heading = "Selection")]
    pub(crate) selection: SelectionArgs,
}
