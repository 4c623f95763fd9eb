//! `import` of TensorBoard's event files: once, or for as long as they are written.

use crate::args::{Format, ImportArgs};
use crate::context::{Context, ProgressUnit};
use crate::error::{CliError, CliResult};
use crate::interrupt::AwaitInterrupt;
use crate::output::print_text;
use crate::text::{counted, printable};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tidalite::{ImportStats, Store};
use tidalite_trackers::{EventFolder, EventFolderStats, holds_event_files};

/// How long a follower waits before it looks again.
const WAIT: Duration = Duration::from_millis(500);

/// Refuses options that mean nothing for these files.
pub(super) fn check(args: &ImportArgs, files: &[PathBuf]) -> CliResult {
    let (events, tables): (Vec<&PathBuf>, Vec<&PathBuf>) =
        files.iter().partition(|file| holds_event_files(file));
    if args.follow && (files.len() != 1 || !tables.is_empty()) {
        let text = "--follow goes on with one folder of TensorBoard event files; give that folder alone";
        return Err(CliError::Usage(text.into()));
    }
    let given = [
        ("--map", !args.map.is_empty()),
        ("--ignore", !args.ignore.is_empty()),
        ("--label-column", !args.label_columns.is_empty()),
        ("--metric", args.metric.is_some()),
        ("--wide", args.wide),
        ("--file-format", args.file_format.is_some()),
        ("--columns", args.columns.is_some()),
        ("--time-unit", args.time_unit.is_some()),
        ("--param", !args.params.is_empty()),
        ("--tag", !args.tags.is_empty()),
        ("--name", args.name.is_some()),
        ("--started", args.started.is_some()),
        ("--status", args.status.is_some()),
    ];
    match (events.first(), given.iter().find(|(_, is_given)| *is_given)) {
        (Some(file), Some((option, _))) => Err(CliError::Usage(format!(
            "{option} does not apply to the event files of {}, which say this themselves; import them without it, and change \
             their runs by `tidalite edit`",
            printable(&file.to_string_lossy())
        ))),
        _ => Ok(()),
    }
}

/// Imports the event files of a path, says what was taken and what was not, and follows them if asked to.
pub(super) fn run(
    context: &Context,
    args: &ImportArgs,
    store: &Store,
    path: &Path,
) -> CliResult<ImportStats> {
    let start = Instant::now();
    let mut folder = EventFolder::new(path);
    if let Some(run) = &args.run {
        folder = folder.run(run);
    }
    let bar = context.progress("import", ProgressUnit::BytesAtRate);
    let progress = |done, total| bar.set(done, total);
    let mut all = match args.follow {
        true => folder.read(store, &progress)?,
        false => folder.import(store, &progress)?,
    };
    drop(bar);
    if args.follow {
        context.say("following; Ctrl-C ends it");
        follow(&mut folder, store, &mut all)?;
    }
    let name = printable(&path.to_string_lossy());
    let mut stats = ImportStats::default();
    (stats.runs, stats.rows, stats.points) = (all.runs, all.points, all.points);
    stats.remarks = remarks(&all);
    for remark in &stats.remarks {
        context.note(&format!("{name}: {remark}"));
    }
    if context.format()? == Format::Table {
        let (runs, points) = (counted(all.runs, "run"), counted(all.points, "new point"));
        let files = counted(all.files, "event file");
        let seconds = start.elapsed().as_secs_f64();
        print_text(&format!("{name}: {points} of {runs} from {files} in {seconds:.2} s\n"))?;
    }
    Ok(stats)
}

/// Adds what comes until Ctrl-C, and ends the runs then.
fn follow(folder: &mut EventFolder, store: &Store, all: &mut EventFolderStats) -> CliResult {
    let interrupt = AwaitInterrupt::new();
    while !interrupt.came() {
        std::thread::sleep(WAIT);
        add(all, folder.read(store, &|_, _| ControlFlow::Continue(()))?);
    }
    add(all, folder.import(store, &|_, _| ControlFlow::Continue(()))?);
    Ok(())
}

/// Adds what one reading found.
fn add(all: &mut EventFolderStats, found: EventFolderStats) {
    all.files = found.files;
    all.runs += found.runs;
    all.points += found.points;
    all.restarts += found.restarts;
    for (kind, n) in found.left_out {
        *all.left_out.entry(kind).or_default() += n;
    }
}

/// What a user should know besides the number of points.
fn remarks(stats: &EventFolderStats) -> Vec<String> {
    let mut remarks = Vec::new();
    if stats.restarts > 0 {
        remarks.push(format!("{}: later steps before them do not count", counted(stats.restarts, "restart")));
    }
    if !stats.left_out.is_empty() {
        let kinds: Vec<String> =
            stats.left_out.iter().map(|(kind, n)| format!("{n} {}", printable(kind))).collect();
        remarks.push(format!("left out: {}", kinds.join(", ")));
    }
    remarks
}
