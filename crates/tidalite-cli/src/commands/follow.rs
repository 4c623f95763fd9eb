//! `follow`: prints points as they are written, until Ctrl-C or until nothing is new for a while. Then it prints the
//! cursor to continue with. Rows are printed as soon as they are read. Table columns have fixed widths, because later
//! rows are not known yet.

use crate::args::{FollowArgs, Format};
use crate::context::{Context, complete};
use crate::error::{CliError, CliResult};
use crate::interrupt::AwaitInterrupt;
use crate::output::AnswerWriter;
use crate::text::{number, printable, time_text};
use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use std::io::{Write, stdout};
use std::time::{Duration, Instant};

/// How long one poll waits.
const WAIT: Duration = Duration::from_millis(250);

/// Runs the command.
pub(crate) fn run(context: &Context, args: &FollowArgs) -> CliResult {
    let format = context.format()?;
    if !args.selection.transform.is_empty() {
        let text = "`follow` prints points as written; omit --transform, or use `query`";
        return Err(CliError::Usage(text.into()));
    }
    let store = context.read(&args.store)?;
    let select = args.selection.narrow(store.select().on_damage(context.on_damage()));
    let mut follow = match &args.cursor {
        Some(cursor) => select.follow_from(cursor.clone())?,
        None if args.from_start => select.follow()?,
        None => select.follow_new()?,
    };
    let schema = tidalite::points_schema();
    let mut lines = Lines { headed: false };
    let mut answer = AnswerWriter::new(stdout(), format, schema, None)?;
    let mut last_news = Instant::now();
    let mut told = 0;
    let interrupt = AwaitInterrupt::new();
    loop {
        let left = args.idle_exit.map_or(WAIT, |idle| idle.saturating_sub(last_news.elapsed()).min(WAIT));
        let batches = follow.wait(left)?;
        if !batches.is_empty() {
            last_news = Instant::now();
        }
        for batch in &batches {
            match format {
                Format::Table => stdout().write_all(lines.of(batch)?.as_bytes())?,
                _ => answer.write(batch)?,
            }
        }
        answer.flush()?;
        // Said at once, since a follower may go on for long.
        let damage = follow.damage();
        damage[told..].iter().for_each(|place| context.say(&format!("left out: {place}")));
        told = damage.len();
        if interrupt.came() || args.idle_exit.is_some_and(|idle| last_news.elapsed() >= idle) {
            break;
        }
    }
    let why = if interrupt.came() { "interrupted" } else { "nothing new" };
    context.note(&format!("{why}; continue with --cursor '{}'", follow.cursor()));
    if format != Format::Table {
        answer.finish()?;
    }
    if interrupt.came() { Err(CliError::Interrupted) } else { complete(follow.damage()) }
}

/// Formats points as lines with columns of fixed width.
struct Lines {
    headed: bool,
}

impl Lines {
    fn of(&mut self, batch: &RecordBatch) -> CliResult<String> {
        let mut text = String::new();
        if !std::mem::replace(&mut self.headed, true) {
            text.push_str(&line("time (UTC)", "run", "metric", "step", "value", "labels"));
        }
        let words = |name: &str| {
            let column = batch.column_by_name(name).and_then(|c| cast(c, &DataType::Utf8).ok());
            column.expect("points have run, metric and labels, which are text").as_string::<i32>().clone()
        };
        let (runs, metrics, labels) = (words("run"), words("metric"), words("labels"));
        let column = |name: &str| batch.column_by_name(name).expect("points have step, time and value");
        let steps = column("step").as_primitive::<Int64Type>();
        let times = column("time").as_primitive::<TimestampMicrosecondType>();
        let values = column("value").as_primitive::<Float64Type>();
        for i in 0..batch.num_rows() {
            text.push_str(&line(
                &time_text(times.value(i), true),
                &printable(runs.value(i)),
                &printable(metrics.value(i)),
                &steps.value(i).to_string(),
                &number(values.value(i)),
                &printable(labels.value(i)),
            ));
        }
        Ok(text)
    }
}

fn line(time: &str, run: &str, metric: &str, step: &str, value: &str, labels: &str) -> String {
    let line = format!("{time:<26}  {run:<20}  {metric:<24}  {step:>10}  {value:>12}  {labels}");
    format!("{}\n", line.trim_end())
}
