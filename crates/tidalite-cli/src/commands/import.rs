//! `import`: points from files of other programs.

use crate::args::{Format, Import, Unit};
use crate::columns::Columns;
use crate::context::{self, Context};
use crate::failure::Outcome;
use crate::output::{print, print_text};
use crate::table::printable;
use std::time::Instant;
use tidalite::{ImportStats, TimeUnit};

/// Runs the command: file after file, in the order given. Files before one that fails stay imported; the error says what
/// of that one does.
pub(crate) fn run(context: &Context, args: &Import) -> Outcome {
    let format = context.format()?;
    let how = how(args);
    let store = context.make(&args.path)?;
    let mut done: Vec<(String, ImportStats, f64)> = Vec::new();
    for file in &args.files {
        let start = Instant::now();
        let bar = context.progress("import", context::Unit::Bytes);
        let stats = store.import(file, &how, &|done, total| bar.set(done, total))?;
        drop(bar);
        let seconds = start.elapsed().as_secs_f64();
        if format == Format::Table {
            let empty = match stats.empty {
                0 => String::new(),
                n => format!(", {n} cells were empty"),
            };
            let name = printable(&file.to_string_lossy());
            print_text(&format!(
                "{name}: {} points from {} rows in {seconds:.2} s{empty}\n",
                stats.points, stats.rows
            ))?;
        }
        done.push((file.to_string_lossy().into_owned(), stats, seconds));
    }
    store.close()?;
    if format == Format::Table {
        return Ok(());
    }
    let batch = Columns::default()
        .text("file", done.iter().map(|d| Some(&d.0)))
        .count("rows", done.iter().map(|d| d.1.rows))
        .count("points", done.iter().map(|d| d.1.points))
        .count("batches", done.iter().map(|d| d.1.batches))
        .count("empty", done.iter().map(|d| d.1.empty))
        .float("seconds", done.iter().map(|d| d.2))
        .finish();
    print(&batch, format, None)
}

fn how(args: &Import) -> tidalite::Import {
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
            Unit::S => TimeUnit::Seconds,
            Unit::Ms => TimeUnit::Millis,
            Unit::Us => TimeUnit::Micros,
            Unit::Ns => TimeUnit::Nanos,
        });
    }
    how
}
