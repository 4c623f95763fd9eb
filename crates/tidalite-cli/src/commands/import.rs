//! `import`: reads points from files of other programs.

use crate::args::{Format, ImportArgs, TimeUnitArg};
use crate::context::{Context, ProgressUnit};
use crate::error::CliResult;
use crate::output::{AnswerColumns, print, print_text};
use crate::text::printable;
use std::time::Instant;
use tidalite::{ImportStats, TimeUnit};

/// Runs the command: imports the files in the order given. If one fails, the files before it stay imported; the error
/// says how much of the failed one does.
pub(crate) fn run(context: &Context, args: &ImportArgs) -> CliResult {
    let format = context.format()?;
    let how = how(args);
    let store = context.create(&args.store)?;
    let mut done: Vec<(String, ImportStats, f64)> = Vec::new();
    for file in &args.files {
        let start = Instant::now();
        let bar = context.progress("import", ProgressUnit::Bytes);
        let stats = store.import_with(file, &how, &|done, total| bar.set(done, total))?;
        drop(bar);
        let seconds = start.elapsed().as_secs_f64();
        if format == Format::Table {
            let empty = match stats.empty {
                0 => String::new(),
                n => format!(", {n} cells were empty"),
            };
            let name = printable(&file.to_string_lossy());
            let runs = match stats.runs {
                0 => String::new(),
                n => format!("{n} new runs, "),
            };
            print_text(&format!(
                "{name}: {runs}{} points from {} rows in {seconds:.2} s{empty}\n",
                stats.points, stats.rows
            ))?;
        }
        done.push((file.to_string_lossy().into_owned(), stats, seconds));
    }
    store.close()?;
    if format == Format::Table {
        return Ok(());
    }
    let batch = AnswerColumns::default()
        .text("file", done.iter().map(|d| Some(&d.0)))
        .count("runs", done.iter().map(|d| d.1.runs))
        .count("rows", done.iter().map(|d| d.1.rows))
        .count("points", done.iter().map(|d| d.1.points))
        .count("batches", done.iter().map(|d| d.1.batches))
        .count("empty", done.iter().map(|d| d.1.empty))
        .float("seconds", done.iter().map(|d| d.2))
        .finish();
    print(&batch, format, None)
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
    how
}
