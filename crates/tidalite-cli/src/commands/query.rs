//! `query`: points, downsampled points, aggregates, or the last point of each series; or how the query ran.

use crate::args::{Format, QueryArgs};
use crate::context::{Context, complete_answer};
use crate::error::{CliError, CliResult};
use crate::output::{AnswerColumns, AnswerWriter, print, print_one, print_text};
use crate::text::printable;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use std::io::stdout;
use tidalite::{By, Selection, Snapshot, XAxis};

/// Runs the command.
pub(crate) fn run(context: &Context, args: &QueryArgs) -> CliResult {
    let format = context.format()?;
    let snapshot = context.snapshot(&context.read(&args.store)?)?;
    let select = args.selection.over(&snapshot);
    let answered = answer(context, args, &snapshot, &select, format);
    note_rate(context, &select);
    complete_answer(&select, answered)
}

/// Says where a rate was computed of values that are no counter.
pub(super) fn note_rate(context: &Context, select: &Selection) {
    if let Some(warning) = select.rate_warning() {
        context.note(&warning);
    }
}

fn answer(
    context: &Context,
    args: &QueryArgs,
    snapshot: &Snapshot,
    select: &Selection,
    format: Format,
) -> CliResult {
    if args.explain {
        return explain(select, args, format);
    }
    if args.latest {
        let batch = select.latest()?;
        if batch.num_rows() == 0 {
            return Err(args.selection.nothing(snapshot)?);
        }
        return print(&batch, format, args.limit);
    }
    if !args.aggregate.is_empty() {
        let batch = aggregates(select, args)?;
        // Without groups there is a row also where nothing is selected. A count of 0 answers a question about ranges, and
        // not one about names that nothing bears.
        let unnamed =
            || Ok::<_, tidalite::Error>(args.selection.by_name(snapshot.select()).latest()?.num_rows() == 0);
        let is_empty = batch.num_rows() == 0 || (says_nothing(&batch) && unnamed()?);
        if is_empty {
            return Err(args.selection.nothing(snapshot)?);
        }
        note_mixture(context, args, select)?;
        return print(&batch, format, args.limit);
    }
    if let Some(batch) = reduced(select, args)? {
        if batch.num_rows() == 0 && args.offset > 0 && select.why_nothing()?.is_none() {
            let text =
                format!("nothing is left after the first {} points; give a smaller --offset", args.offset);
            return Err(CliError::Nothing(text));
        }
        if batch.num_rows() == 0 {
            let step = XAxis::Step;
            return Err(args.selection.nothing_over(args.x.as_ref().unwrap_or(&step), snapshot)?);
        }
        return print(&batch, format, args.limit);
    }
    let points = select.points()?;
    let mut answer = AnswerWriter::new(stdout().lock(), format, points.schema(), args.limit)?;
    for batch in points {
        answer.write(&batch?)?;
        if answer.is_full() {
            break;
        }
    }
    if answer.rows() == 0 {
        return Err(args.selection.nothing(snapshot)?);
    }
    answer.finish()
}

/// Whether no column of the single row has a value, other than a count of 0.
fn says_nothing(batch: &RecordBatch) -> bool {
    let none = |column: &ArrayRef| {
        let count = column.as_primitive_opt::<Int64Type>().filter(|counts| !counts.is_empty());
        column.null_count() == column.len() || count.is_some_and(|counts| counts.value(0) == 0)
    };
    batch.num_rows() == 1 && batch.columns().iter().all(none)
}

/// Says where values of several metrics were aggregated together, which is rarely meant.
fn note_mixture(context: &Context, args: &QueryArgs, select: &Selection) -> CliResult {
    let by_run = [By::Run];
    let by =
        if args.by.is_empty() && args.bottom.or(args.top).is_some() { &by_run[..] } else { &args.by[..] };
    if let Some(mixture) = select.mixture(&args.aggregate, by)? {
        context.note(&format!("{}; add --by metric", printable(&mixture)));
    }
    Ok(())
}

/// Computes the groups, or only the top or bottom ones.
fn aggregates(select: &Selection, args: &QueryArgs) -> tidalite::Result<RecordBatch> {
    let by_run = [By::Run];
    if !args.then.is_empty() {
        return select.aggregate_twice(&args.aggregate, &args.by, &args.then, &args.then_by);
    }
    let ranked = if args.by.is_empty() { &by_run[..] } else { &args.by[..] };
    match (args.bottom, args.top) {
        (Some(k), _) => select.bottom(k, &args.aggregate, ranked),
        (None, Some(k)) => select.top(k, &args.aggregate, ranked),
        (None, None) => select.aggregate(&args.aggregate, &args.by),
    }
}

/// Points on another x-axis or downsampled ones; None if all points are wanted as stored.
fn reduced(select: &Selection, args: &QueryArgs) -> tidalite::Result<Option<RecordBatch>> {
    if let Some(points) = args.sample {
        return select.sample(points).map(Some);
    }
    if args.rows {
        return select.rows().map(Some);
    }
    if args.order.is_some() || args.offset > 0 {
        return select.points_page(args.order, args.offset, args.limit.filter(|rows| *rows > 0)).map(Some);
    }
    let batch = match (&args.x, args.lttb, args.m4) {
        (None, None, None) => return Ok(None),
        (None, Some(points), _) => select.lttb(points)?,
        (None, None, Some(columns)) => select.m4(columns)?,
        (Some(x), Some(points), _) => select.over(x.clone()).lttb(points)?,
        (Some(x), None, Some(columns)) => select.over(x.clone()).m4(columns)?,
        (Some(x), None, None) => select.over(x.clone()).points()?,
    };
    Ok(Some(batch))
}

/// Runs the query and prints how it ran instead of its answer.
fn explain(select: &Selection, args: &QueryArgs, format: Format) -> CliResult {
    let ((), explain) = select.explain(|select| {
        if args.latest {
            select.latest()?;
        } else if !args.aggregate.is_empty() {
            aggregates(select, args)?;
        } else if reduced(select, args)?.is_none() {
            for batch in select.points()? {
                batch?;
            }
        }
        Ok(())
    })?;
    if format == Format::Table {
        return print_text(&format!("{explain}\n"));
    }
    let columns = explain.counts();
    let batch = columns.fold(AnswerColumns::default(), |all, (name, n)| all.count(name, [n])).finish();
    print_one(&batch, format)
}
