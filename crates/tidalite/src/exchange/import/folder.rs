//! Import of a folder that an export wrote: runs first, then points.
//!
//! A run that the store has already keeps what is known of it here; only its points are added. So an import that was
//! interrupted and is repeated doubles points, as with any file, but changes no run.

#![allow(clippy::disallowed_methods, reason = "the files are the user's, outside of the store")]

use super::fault::{FilePlace, ImportFault};
use super::options::{Import, ImportStats};
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::exchange::folder::{FORMATS, RUNS, points_file};
use crate::exchange::run_lines::{ParticipantLine, RunLine};
use crate::upkeep::maintain;
use crate::view::records::RunRecords;
use crate::write::edit::check_edit;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use tidalite_log::Log;
use tidalite_model::{Error, Moment, Result, RunChange, RunEdit, RunEnd, RunStart, check_name};

/// Whether an export wrote this folder.
pub(super) fn is_exported(path: &Path) -> bool {
    path.join(RUNS).is_file()
}

/// Imports an exported folder.
pub(super) fn load(
    store: &Store,
    folder: &Path,
    import: &Import,
    progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
) -> Result<ImportStats> {
    if !import.is_plain() {
        let wrong = "a folder with runs says itself what its columns mean, and options do too";
        return Err(Error::invalid("import", wrong, "import it without options, or import one of its files")
            .at(folder));
    }
    let mut files = Vec::new();
    for format in FORMATS {
        for automatic in [false, true] {
            let path = points_file(folder, automatic, format);
            if let Ok(about) = std::fs::metadata(&path) {
                files.push((path, automatic, about.len()));
            }
        }
    }
    let mut stats = ImportStats { runs: load_runs(store, &folder.join(RUNS))?, ..ImportStats::default() };
    let total: u64 = files.iter().map(|(.., bytes)| bytes).sum();
    let mut before = 0;
    for (path, automatic, bytes) in files {
        let how = Import { automatic, ..Import::default() };
        let done = store.import_with(&path, &how, &|done, _| progress(before + done.min(bytes), total))?;
        before += bytes;
        stats.rows += done.rows;
        stats.points += done.points;
        stats.batches += done.batches;
    }
    Ok(stats)
}

/// Imports the runs that the store does not have; returns their number. All lines are checked before anything is written.
fn load_runs(store: &Store, path: &Path) -> Result<u64> {
    let outright = |fault: ImportFault| fault.into_error(Some(path), 0);
    let file = File::open(path).map_err(|e| outright(ImportFault::Read(e)))?;
    let mut runs = Vec::new();
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.map_err(|e| outright(ImportFault::Read(e)))?;
        let fault = |wrong: String| {
            let remedy = "correct the line, or export the folder again";
            outright(ImportFault::wrong(wrong, remedy).in_row(FilePlace::Line(number)))
        };
        let run: RunLine = serde_json::from_str(&line).map_err(|e| fault(format!("it is not a run: {e}")))?;
        let edit = run.edit().map_err(fault)?;
        check_name("run id", &run.run)
            .and_then(|()| check_edit(&edit))
            .map_err(|e| fault(e.wrong().into()))?;
        for p in &run.participants {
            p.check_times()
                .and_then(|()| p.labels().map(|_| ()))
                .and_then(|()| p.end().map(|_| ()))
                .map_err(fault)?;
        }
        runs.push((run, edit));
    }
    let state: &Arc<StoreState> = store.writable()?;
    let log = maintain::log(state)?;
    let records = RunRecords::read(state)?;
    let mut new = 0;
    for (run, edit) in runs {
        if !records.has(state, &run.run)? {
            append_run(log, &run, edit)?;
            new += 1;
        }
    }
    Ok(new)
}

/// Appends a run: the participants that others took over from, then those that count for its status, then the facts, so
/// that the status of the edit holds.
fn append_run(log: &Log, run: &RunLine, edit: RunEdit) -> Result<()> {
    let mut gone = Moment::default();
    for current in [false, true] {
        for participant in run.participants.iter().filter(|p| p.current == current) {
            let start = append_participant(log, &run.run, participant, &gone)?;
            if !current {
                gone = Moment::new(0, [(log.writer(), start + 1)]);
            }
        }
    }
    log.append_change(&run.run, &RunChange::Edit(edit)).map(|_| ())
}

/// Returns the ordinal of its start.
fn append_participant(log: &Log, run: &str, p: &ParticipantLine, gone: &Moment) -> Result<u64> {
    let checked = |wrong: String| Error::invalid("import", wrong, "correct the line");
    let start = RunStart {
        time_us: p.started_us,
        labels: p.labels().map_err(checked)?,
        host: p.host.clone(),
        pid: p.pid,
        gone: gone.clone(),
        edit: RunEdit::default(),
    };
    let start = log.append_change(run, &RunChange::Start(start))?.ordinal();
    if let Some((time_us, status)) = p.end().map_err(checked)? {
        let end = RunEnd {
            start,
            time_us,
            status,
            reason: p.reason.clone(),
            logged: p.current || p.last_step.is_some(),
            last_step: p.last_step,
        };
        log.append_change(run, &RunChange::End(end))?;
    }
    Ok(start)
}
