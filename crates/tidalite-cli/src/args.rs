//! The flags of the command, as clap reads them, and the texts of `--help`.
//!
//! Nothing is decided here: each flag is checked for its form alone (by [`values`]), so that wrong usage
//! is exit code 2 before anything is opened. Every command's help ends with examples.

use crate::values::{self, Span};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;
use tidalite::{Aggregate, By, Cursor, FileFormat, History, Repeats, RunFilter, Transform, XAxis};

/// An embedded columnar store for streams of metrics.
///
/// A store is one folder: crash-safe logs that every process may write and read at once, and plain Parquet. These
/// commands read a store while others write to it, and never wait for them.
#[derive(Debug, Parser)]
#[command(name = "tidalite", version, propagate_version = true, max_term_width = 100, after_help = TOP_HELP)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten, next_help_heading = "Everywhere")]
    pub(crate) global: Global,
}

const TOP_HELP: &str = "\
Examples:
  tidalite demo
  tidalite runs metrics
  tidalite chart metrics -m loss --log-y
  tidalite query metrics -m 'val/*' --aggregate last,min --by run,metric --format csv

Exit codes:
  0    done (also where the reader of a pipe went away)
  1    the operation failed
  2    wrong usage
  3    nothing in the store matches the selection
  4    `verify` found damage
  130  interrupted by Ctrl-C";

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// How answers are written: tables for people, or JSON lines, CSV, or an Arrow IPC stream for programs.
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Memory for flush, compaction and queries together, such as 64MiB or 2GB.
    #[arg(long, global = true, value_name = "SIZE", default_value = "256MiB", value_parser = values::bytes)]
    pub(crate) memory: u64,
    /// Whether to colour; `auto` colours on a terminal unless NO_COLOR is set.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: When,
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
pub(crate) enum When {
    /// On a terminal.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train four small networks at once, live, kill one, and show what a store makes of it.
    Demo(Demo),
    /// What a store holds, in numbers.
    Info(Info),
    /// List the runs.
    Runs(Runs),
    /// List the metrics.
    Metrics(Metrics),
    /// Read points, or aggregates of them.
    Query(Query),
    /// Draw series in the terminal, or as SVG.
    Chart(Chart),
    /// Print points as they are written.
    Follow(Follow),
    /// Bring in points from CSV, JSON lines, Parquet or Arrow files.
    Import(Import),
    /// Write a selection to a Parquet, CSV, JSON lines or Arrow file.
    Export(Export),
    /// Move all rows from logs into Parquet.
    Flush(Flush),
    /// Flush, then merge the Parquet files into few.
    Compact(Compact),
    /// Thin old runs to their outline and exact sums, and give the rest of their room back.
    Thin(Thin),
    /// Delete a run and all its points.
    Delete(Delete),
    /// Read every byte and report what is damaged.
    Verify(Verify),
    /// Copy a store while others write to it.
    Backup(Backup),
    /// A trainer of the demonstration.
    #[command(hide = true)]
    DemoTrain(DemoTrain),
    /// The machine's telemetry, for the demonstration.
    #[command(hide = true)]
    DemoWatch(DemoWatch),
}

/// Which points.
#[derive(Debug, Clone, Args)]
pub(crate) struct Selection {
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
    pub(crate) steps: Option<Span<i64>>,
    /// Times from a up to b: RFC 3339, a date, µs since 1970, or back from now, such as `-1h..`.
    #[arg(long, value_name = "A..B", value_parser = values::times, allow_hyphen_values = true)]
    pub(crate) time: Option<Span<i64>>,
    /// Values from lo up to hi; NaN never is.
    #[arg(long, value_name = "LO..HI", value_parser = values::floats, allow_hyphen_values = true)]
    pub(crate) values: Option<Span<f64>>,
    /// Which of several points of one step and series count.
    #[arg(long, value_name = "RULE", default_value = "last", value_parser = values::repeats)]
    pub(crate) repeats: Repeats,
    /// Show points too that a rewind hid.
    #[arg(long)]
    pub(crate) hidden: bool,
    /// What is read of the history that forked runs took over: `own` (nothing), `inherited`, or `all`, telemetry too.
    #[arg(long, value_name = "RULE", default_value = "inherited", value_parser = values::history)]
    pub(crate) history: History,
    /// What to make of each series before anything else, one after the other: ema:0.9, half-life:100 (steps) or
    /// half-life:10s, mean:50 (points), rate, derivative:step, derivative:time.
    #[arg(short, long, value_name = "LIST", value_delimiter = ',', value_parser = values::transform)]
    pub(crate) transform: Vec<Transform>,
}

/// `demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite demo
  tidalite demo --path /tmp/try --seconds 4")]
pub(crate) struct Demo {
    /// Folder of the new store [default: tidalite-demo, here]
    #[arg(long, value_name = "DIR")]
    pub(crate) path: Option<PathBuf>,
    /// How long the training lasts.
    #[arg(long, value_name = "SECONDS", default_value = "7", value_parser = values::seconds)]
    pub(crate) seconds: Duration,
}

/// `demo-train`.
#[derive(Debug, Args)]
pub(crate) struct DemoTrain {
    /// The store.
    pub(crate) path: PathBuf,
    /// Learning rate, as it stands in the run's id.
    #[arg(long)]
    pub(crate) rate: String,
    /// Steps to train.
    #[arg(long)]
    pub(crate) steps: u32,
    /// How long it should take.
    #[arg(long, value_parser = values::seconds)]
    pub(crate) seconds: Duration,
}

/// `demo-watch`.
#[derive(Debug, Args)]
pub(crate) struct DemoWatch {
    /// The store.
    pub(crate) path: PathBuf,
}

/// `info`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite info metrics
  tidalite info metrics --by metric
  tidalite info metrics --format json | jq .points")]
pub(crate) struct Info {
    /// The store.
    pub(crate) path: PathBuf,
    /// Instead, a row for each run or metric with the bytes that it takes in the parts, most first.
    #[arg(long, value_name = "WHAT")]
    pub(crate) by: Option<Taker>,
}

/// What takes room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Taker {
    /// A run.
    Run,
    /// A metric, of all runs.
    Metric,
}

/// `runs`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite runs metrics
  tidalite runs metrics --filter 'resnet-*' --sort started
  tidalite runs metrics --format json | jq 'select(.status == \"lost\") | .run'")]
pub(crate) struct Runs {
    /// The store.
    pub(crate) path: PathBuf,
    /// Runs whose id matches.
    #[arg(long, value_name = "GLOB")]
    pub(crate) filter: Option<String>,
    /// Runs that a filter takes, such as `params.lr > 1e-3 and tags has "baseline"`; several times, all must.
    #[arg(short = 'w', long = "where", value_name = "FILTER", value_parser = values::run_filter)]
    pub(crate) filters: Vec<RunFilter>,
    /// By what to order; all but `run` greatest or newest first.
    #[arg(long, value_enum, default_value = "run")]
    pub(crate) sort: RunOrder,
    /// At most so many rows; 0 for all [default: 40 in a table, else all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// An order of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RunOrder {
    /// By id.
    Run,
    /// Newest first.
    Started,
    /// Longest first.
    Points,
    /// By status, then id.
    Status,
}

/// `metrics`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite metrics metrics
  tidalite metrics metrics --run 'resnet-*' --format csv")]
pub(crate) struct Metrics {
    /// The store.
    pub(crate) path: PathBuf,
    /// Of runs whose id matches; may be given several times.
    #[arg(short, long = "run", value_name = "GLOB")]
    pub(crate) runs: Vec<String>,
    /// Runs that a filter takes, such as `params.lr > 1e-3 and tags has "baseline"`; several times, all must.
    #[arg(short = 'w', long = "where", value_name = "FILTER", value_parser = values::run_filter)]
    pub(crate) filters: Vec<RunFilter>,
    /// At most so many rows; 0 for all [default: 40 in a table, else all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

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
  tidalite query metrics -m val/loss --steps 1000.. --aggregate min,argmin --by run --least 10
  tidalite query metrics -m net/bytes --transform rate,mean:30 --aggregate max --by run
  tidalite query metrics -m loss --m4 800 --x metric:tokens --format csv
  tidalite query metrics -m loss --latest --format json
  tidalite query metrics -m loss --aggregate mean --by step:4096 --explain
  tidalite query metrics -m loss --format csv | head")]
pub(crate) struct Query {
    /// The store.
    pub(crate) path: PathBuf,
    /// Aggregates instead of points; see below.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = values::aggregate)]
    pub(crate) aggregate: Vec<Aggregate>,
    /// One row for each group; see below.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = values::by, requires = "aggregate")]
    pub(crate) by: Vec<By>,
    /// The so many groups alone of which the first aggregate is least, least first; groups are runs unless --by says more.
    #[arg(long, value_name = "N", requires = "aggregate", conflicts_with = "greatest")]
    pub(crate) least: Option<usize>,
    /// The same, greatest first.
    #[arg(long, value_name = "N", requires = "aggregate")]
    pub(crate) greatest: Option<usize>,
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
    pub(crate) selection: Selection,
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
pub(crate) struct Chart {
    /// The store.
    pub(crate) path: PathBuf,
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
    pub(crate) selection: Selection,
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
pub(crate) struct Follow {
    /// The store.
    pub(crate) path: PathBuf,
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
    pub(crate) selection: Selection,
}

/// `import`.
#[derive(Debug, Args)]
#[command(after_help = "\
A long table has the columns run, metric and value, and if it likes step, time and labels; a wide
one has a column a metric. Formats follow from the extension: .csv, .tsv, .jsonl, .parquet, .arrow.

Examples:
  tidalite import metrics points.parquet
  tidalite import metrics log.csv --run resnet-42 --map step=epoch --map time=at --time-unit s
  tidalite import metrics wide.csv --wide --run sweep-7")]
pub(crate) struct Import {
    /// The store; made if absent.
    pub(crate) path: PathBuf,
    /// The files.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// A column under another name: run, metric, step, time, value or labels = the file's column.
    #[arg(long, value_name = "TARGET=SOURCE", value_parser = values::mapping)]
    pub(crate) map: Vec<(String, String)>,
    /// A column to leave out; may be given several times.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) ignore: Vec<String>,
    /// The run that all points belong to, where no column says it.
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// One column a metric [default: as the columns suggest]
    #[arg(long)]
    pub(crate) wide: bool,
    /// Format of the files: parquet, csv, jsonl or arrow [default: as the extension says]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) file_format: Option<FileFormat>,
    /// What stands between the fields of CSV [default: a comma; a tab in .tsv]
    #[arg(long, value_name = "CHARACTER")]
    pub(crate) delimiter: Option<char>,
    /// Unit of times that are plain numbers.
    #[arg(long, value_enum, value_name = "UNIT")]
    pub(crate) time_unit: Option<Unit>,
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unit {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

/// `export`.
#[derive(Debug, Args)]
#[command(after_help = "\
The format follows from the extension (.parquet, .csv, .jsonl, .arrow), or from --format, which
takes parquet, csv, json and arrow.

Examples:
  tidalite export metrics -o all.parquet
  tidalite export metrics -o losses.csv -m loss --steps ..1000
  tidalite export metrics -o recent.arrow --time -24h..")]
pub(crate) struct Export {
    /// The store.
    pub(crate) path: PathBuf,
    /// The file to write; one of that name is replaced.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    // Last: its heading holds for all that follow.
    #[command(flatten, next_help_heading = "Selection")]
    pub(crate) selection: Selection,
}

/// `flush`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite flush metrics
  tidalite flush metrics && duckdb -c \"from 'metrics/parts/*.parquet' limit 5\"")]
pub(crate) struct Flush {
    /// The store.
    pub(crate) path: PathBuf,
}

/// `delete`.
#[derive(Debug, Args)]
#[command(after_help = "\
All that was written to the run until now is gone from every answer at once, and nothing takes that
back. Its room on the disk is given back by `compact`.

Examples:
  tidalite delete metrics resnet-42
  tidalite delete metrics resnet-42 --yes && tidalite compact metrics")]
pub(crate) struct Delete {
    /// The store.
    pub(crate) path: PathBuf,
    /// The run's id; no glob.
    pub(crate) run: String,
    /// Do not ask first.
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// `compact`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite compact metrics
  tidalite compact metrics --memory 1GiB")]
pub(crate) struct Compact {
    /// The store.
    pub(crate) path: PathBuf,
}

/// `thin`.
#[derive(Debug, Args)]
#[command(after_help = "\
Of each series stay, in each bucket of steps, the first point, the last, those of the least and \
the greatest value and the first NaN and infinities, with the exact count, sum, mean, spread and \
extremes of all points there. Totals, and charts and aggregates in buckets at least as wide, answer \
as before. What is finer (points, percentiles, ranges of values, transforms, ranges that cut a \
bucket) is answered from the points that are left. Nothing brings the others back; rewound and \
repeated ones go too.

Runs that a process still writes to are refused where --run names them, and passed over otherwise. \
A series stays as it is where a bucket would stand for fewer than 32 points: fewer buckets thin more.

Examples:
  tidalite thin metrics --run 'sweep-3-*' --dry-run
  tidalite thin metrics --where 'ended < \"2026-01-01\" and not tags has \"keep\"'
  tidalite thin metrics --run resnet-42 --buckets 200")]
pub(crate) struct Thin {
    /// The store.
    pub(crate) path: PathBuf,
    /// Runs whose id matches; may be given several times.
    #[arg(short, long = "run", value_name = "GLOB", required_unless_present = "filters")]
    pub(crate) runs: Vec<String>,
    /// Runs that a filter takes, such as `ended < "2026-01-01"`; several times, and with --run, all must.
    #[arg(short = 'w', long = "where", value_name = "FILTER", value_parser = values::run_filter)]
    pub(crate) filters: Vec<RunFilter>,
    /// Buckets that a series keeps at most: charts of so many or fewer stay what they were.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1024)]
    pub(crate) buckets: usize,
    /// Only say what would be done with what is flushed by now.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 4 means damage: bytes that are not what was written. The torn end that a crash leaves in
a log is reported and is no damage. Nothing is changed.

Examples:
  tidalite verify metrics
  tidalite verify metrics --format json | jq '.findings[].path'")]
pub(crate) struct Verify {
    /// The store.
    pub(crate) path: PathBuf,
}

/// `backup`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite backup metrics /backup/metrics-monday")]
pub(crate) struct Backup {
    /// The store.
    pub(crate) path: PathBuf,
    /// The folder of the copy: absent or empty.
    #[arg(value_name = "DEST")]
    pub(crate) destination: PathBuf,
}
