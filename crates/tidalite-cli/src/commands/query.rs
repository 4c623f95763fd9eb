//! `query`: points, aggregates of them, or the last point of each series.

use crate::args::Query;
use crate::context::Context;
use crate::failure::Outcome;
use crate::output::{Answer, print};
use std::io::stdout;

/// Runs the command.
pub(crate) fn run(context: &Context, args: &Query) -> Outcome {
    let format = context.format()?;
    let snapshot = context.read(&args.path)?.snapshot()?;
    let select = args.selection.over(&snapshot);
    if args.latest {
        let batch = select.latest()?;
        if batch.num_rows() == 0 {
            return Err(args.selection.nothing(&snapshot)?);
        }
        return print(&batch, format, args.limit);
    }
    if !args.aggregate.is_empty() {
        let batch = select.aggregate(&args.aggregate, &args.by)?;
        // With no groups there is a row even of nothing, such as a count of 0: that is an answer.
        if batch.num_rows() == 0 {
            return Err(args.selection.nothing(&snapshot)?);
        }
        return print(&batch, format, args.limit);
    }
    let points = select.points()?;
    let mut answer = Answer::new(stdout().lock(), format, points.schema(), args.limit)?;
    for batch in points {
        answer.write(&batch?)?;
        if answer.is_full() {
            break;
        }
    }
    if answer.rows() == 0 {
        return Err(args.selection.nothing(&snapshot)?);
    }
    answer.finish()
}
