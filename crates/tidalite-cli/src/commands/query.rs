//! `query`: points, aggregates of them, or the last point of each series; or what these were made from.

use crate::args::{Format, Query};
use crate::columns::Columns;
use crate::context::Context;
use crate::failure::Outcome;
use crate::output::{Answer, print, print_one, print_text};
use std::io::stdout;
use tidalite::Select;

/// Runs the command.
pub(crate) fn run(context: &Context, args: &Query) -> Outcome {
    let format = context.format()?;
    let snapshot = context.read(&args.path)?.snapshot()?;
    let select = args.selection.over(&snapshot);
    if args.explain {
        return explain(&select, args, format);
    }
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

/// Makes the answer, and tells of it instead of showing it.
fn explain(select: &Select, args: &Query, format: Format) -> Outcome {
    let ((), explain) = select.explain(|select| {
        if args.latest {
            select.latest()?;
        } else if args.aggregate.is_empty() {
            for batch in select.points()? {
                batch?;
            }
        } else {
            select.aggregate(&args.aggregate, &args.by)?;
        }
        Ok(())
    })?;
    if format == Format::Table {
        return print_text(&format!("{explain}\n"));
    }
    let columns = explain.counts().into_iter();
    let batch = columns.fold(Columns::default(), |all, (name, n)| all.count(name, [n])).finish();
    print_one(&batch, format)
}
