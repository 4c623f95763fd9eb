//! `import`: reads points from files of other programs.

use super::import_events;
use super::import_files::{STANDARD_INPUT, expand};
use crate::args::{Format, ImportArgs, TimeUnitArg};
use crate::context::{Context, ProgressUnit};
use crate::error::CliResult;
use crate::output::{AnswerColumns, print, print_text};
use crate::text::{counted, printable};
use std::io;
use std::path::Path;
use std::time::Instant;
use tidalite::{ImportStats, TimeUnit};
use tidalite_trackers::holds_event_files;

/// Runs the command: imports the files in the order given. If one fails, the files before it stay imported; the error
/// says how much of the failed one does.
pub(crate) fn run(context: &Context, args: &ImportArgs) -> CliResult {
    let format = context.format()?;
    let how = how(args);
    let files = expand(&args.files)?;
    import_events::check(args, &files)?;
    let store = context.create(&args.store)?;
    let mut done: Vec<(String, ImportStats, f64)> = Vec::new();
    for file in &files {
        let start = Instant::now();
        if holds_event_files(file) {
            let stats = import_events::run(context, args, &store, file)?;
            done.push((file.to_string_lossy().into_owned(), stats, start.elapsed().as_secs_f64()));
            continue;
        }
        let known = std::fs::metadata(file).is_ok_and(|about| about.is_file());
        let unit = if known { ProgressUnit::BytesAtRate } else { ProgressUnit::BytesSoFar };
        let bar = context.progress("import", unit);
        let progress = |done, total| if total > 0 { bar.set(done, total) } else { bar.count(done) };
        let stats = match file == Path::new(STANDARD_INPUT) {
            true => store.import_stream(io::stdin(), &how, &progress)?,
            false => store.import_with(file, &how, &progress)?,
        };
        drop(bar);
        let name = match file == Path::new(STANDARD_INPUT) {
            true => "standard input".to_owned(),
            false => file.to_string_lossy().into_owned(),
        };
        for remark in &stats.remarks {
            context.note(&format!("{}: {}", printable(&name), printable(remark)));
        }
        let seconds = start.elapsed().as_secs_f64();
        if format == Format::Table {
            print_text(&line(&name, &stats, seconds))?;
        }
        done.push((name, stats, seconds));
    }
    store.close()?;
    if format == Format::Table {
        return Ok(());
    }
    let remarks: Vec<String> = done.iter().map(|d| d.1.remarks.join("; ")).collect();
    let batch = AnswerColumns::default()
        .text("file", done.iter().map(|d| Some(&d.0)))
        .count("runs", done.iter().map(|d| d.1.runs))
        .count("rows", done.iter().map(|d| d.1.rows))
        .count("points", done.iter().map(|d| d.1.points))
        .count("batches", done.iter().map(|d| d.1.batches))
        .count("empty", done.iter().map(|d| d.1.empty))
        .float("seconds", done.iter().map(|d| d.2))
        .text("remarks", remarks.iter().map(|r| Some(r).filter(|r| !r.is_empty())))
        .finish();
    print(&batch, format, None)
}

/// What was imported from one file.
fn line(name: &str, stats: &ImportStats, seconds: f64) -> String {
    let empty = match stats.empty {
        0 => String::new(),
        1 => ", 1 cell was empty".to_string(),
        n => format!(", {n} cells were empty"),
    };
    let runs = match stats.runs {
        0 => String::new(),
        n => format!("{}, ", counted(n, "new run")),
    };
    let (points, rows, name) = (stats.points, stats.rows, printable(name));
    let (points, rows) = (counted(points, "point"), counted(rows, "row"));
    format!("{name}: {runs}{points} from {rows} in {seconds:.2} s{empty}\n")
}

fn how(args: &ImportArgs) -> tidalite::Import {
    let mut how = tidalite::Import::new();
    for (target, source) in &args.map {
        how = how.map(target, source);
    }
    for column in &args.ignore {
        how = how.ignore(column);
    }
    if let Some(run) = &args.run {
        how = how.run(run);
    }
    for column in &args.label_columns {
        how = how.label_column(column);
    }
    for text in &args.nulls {
        how = how.null(text);
    }
    if let Some(metric) = &args.metric {
        how = how.metric(metric);
    }
    if let Some(columns) = &args.columns {
        how = how.columns(columns);
    }
    if args.wide {
        how = how.wide(true);
    }
    if let Some(format) = args.file_format {
        how = how.format(format);
    }
    if let Some(delimiter) = args.delimiter {
        how = how.delimiter(delimiter);
    }
    if let Some(unit) = args.time_unit {
        how = how.time_unit(match unit {
            TimeUnitArg::S => TimeUnit::Seconds,
            TimeUnitArg::Ms => TimeUnit::Millis,
            TimeUnitArg::Us => TimeUnit::Micros,
            TimeUnitArg::Ns => TimeUnit::Nanos,
        });
    }
    of_run(how.skip_text(args.skip_text), args)
}

/// The facts about the run.
fn of_run(mut how: tidalite::Import, args: &ImportArgs) -> tidalite::Import {
    for (name, value) in &args.params {
        how = how.param(name, value.clone());
    }
    for tag in &args.tags {
        how = how.tag(tag);
    }
    if let Some(name) = &args.name {
        how = how.name(name);
    }
    if let Some(started) = args.started {
        how = how.started_us(started);
    }
    if let Some(status) = args.status {
        how = how.status(status);
    }
    how
}
