//! `flush`: moves all rows from the logs into parts.

use crate::args::{FlushArgs, Format};
use crate::context::{Context, ProgressUnit};
use crate::error::CliResult;
use crate::output::{AnswerColumns, print_one, print_text};
use crate::text::counted;
use std::cell::Cell;
use std::time::Instant;

/// Runs the command.
pub(crate) fn run(context: &Context, args: &FlushArgs) -> CliResult {
    let format = context.format()?;
    let store = context.write(&args.store)?;
    let start = Instant::now();
    let bar = context.progress("flush", ProgressUnit::PointsSoFar);
    let done = Cell::new(0);
    let stats = store.flush_with(&|points| {
        done.set(done.get() + points);
        bar.count(done.get())
    })?;
    drop(bar);
    let seconds = start.elapsed().as_secs_f64();
    if format == Format::Table {
        return print_text(&match stats.points {
            0 => "nothing to flush: the logs hold no rows\n".to_owned(),
            n => format!(
                "flushed {} into {} in {seconds:.2} s\n",
                counted(n, "point"),
                counted(stats.parts, "part")
            ),
        });
    }
    let batch = AnswerColumns::default()
        .count("points", [stats.points])
        .count("parts", [stats.parts])
        .float("seconds", [seconds])
        .finish();
    print_one(&batch, format)
}
