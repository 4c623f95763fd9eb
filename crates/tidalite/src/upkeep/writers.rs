//! Which writers wrote what a store holds, and how far: in the manifest while they have a folder, then in the writer
//! table.

use crate::engine::state::StoreState;
use crate::files::manifest::{self, Manifest, WriterState};
use crate::files::writer_table::{self, BroughtFrames, KnownWriter, WriterTable};
use crate::view::snapshot::Snapshot;
use std::collections::BTreeSet;
use tidalite_model::{ErrorKind, Result, Seq};

/// Moves the writers whose folders are gone from the manifest to the writer table, and adds the writers of another store
/// that a merge has learned of. An entry of the manifest must outlive its folder, even through a power cut; otherwise
/// flushed frames would count as new again. So the folder's removal is made durable first.
///
/// # Errors
/// Those of reading and writing the table. If no merge has learned anything, a damaged table is no error: the entries
/// then stay in the manifest.
pub(super) fn note(state: &StoreState, next: &mut Manifest, learned: &WriterTable) -> Result<()> {
    // A merge may have listed a writer that got an entry later. Where there was none, nothing has to be read.
    if learned.is_empty() && next.writer_tables().all(|table| table.brought == 0) {
        let before = (next.writers.clone(), next.writer_next);
        return match add_gone(state, next) {
            Err(e) if e.kind() == ErrorKind::Corrupt => {
                (next.writers, next.writer_next) = before;
                Ok(())
            }
            other => other,
        };
    }
    let loaded = match writer_table::load(&*state.vfs, &state.paths, next) {
        Err(e) if e.kind() == ErrorKind::Corrupt && learned.is_empty() => return Ok(()),
        other => other?,
    };
    let (mut table, mut brought) = (loaded.writers, loaded.brought);
    let before = table.clone();
    for &writer in learned.keys() {
        let noted = next.writers.iter().find(|w| w.writer == writer).map(|w| w.flushed);
        let from = noted.or(before.get(&writer).map(|w| w.end)).unwrap_or(0);
        // The version that is published next has this number or a greater one.
        brought.push(BroughtFrames { version: next.version + 1, writer, from });
    }
    table.extend(learned.iter().map(|(number, writer)| (*number, *writer)));
    for entry in &mut next.writers {
        if let Some(writer) = table.remove(&entry.writer) {
            entry.flushed = entry.flushed.max(writer.end);
        }
    }
    table.extend(take_gone(state, next)?);
    if table == before && learned.is_empty() {
        return Ok(());
    }
    writer_table::store(&*state.vfs, &state.paths, next, &table, &brought)?;
    if let Some((&last, _)) = table.last_key_value() {
        next.writer_next = next.writer_next.max(last + 1);
    }
    Ok(())
}

/// Moves the writers whose folders are gone. None of them is in the writer table yet, so it is not read whole.
fn add_gone(state: &StoreState, next: &mut Manifest) -> Result<()> {
    let gone = take_gone(state, next)?;
    let Some((&last, _)) = gone.last_key_value() else { return Ok(()) };
    next.writer_next = next.writer_next.max(last + 1);
    writer_table::add(&*state.vfs, &state.paths, next, gone)
}

/// Takes the writers whose folders are gone, durably, out of a manifest.
fn take_gone(state: &StoreState, next: &mut Manifest) -> Result<WriterTable> {
    let present = tidalite_log::writers(&*state.vfs, &state.paths.log())?;
    let is_gone = |w: u32| !present.iter().any(|d| d.writer == w);
    // An entry with last steps waits until they are in the run table.
    let may_go = |w: &WriterState| is_gone(w.writer) && w.steps.is_empty();
    if next.writers.iter().any(may_go) {
        state.vfs.sync_dir(&state.paths.log())?;
    }
    let gone = next.writers.iter().filter(|w| may_go(w));
    let gone = gone.map(|w| (w.writer, KnownWriter { id: w.id, end: w.flushed })).collect();
    next.writers.retain(|w| !may_go(w));
    Ok(gone)
}

/// Whether a writer's folder is gone and its entry has last steps. These have to move to the run table now.
///
/// # Errors
/// Those of reading the folder of logs.
pub(super) fn any_noted_is_gone(state: &StoreState, next: &Manifest) -> Result<bool> {
    let mut noted = next.writers.iter().filter(|w| !w.steps.is_empty()).peekable();
    if noted.peek().is_none() {
        return Ok(false);
    }
    let present = tidalite_log::writers(&*state.vfs, &state.paths.log())?;
    Ok(noted.any(|w| !present.iter().any(|dir| dir.writer == w.writer)))
}

/// All writers of a version, by their number.
///
/// # Errors
/// Those of reading the writer table.
pub(super) fn of_version(state: &StoreState, manifest: &Manifest) -> Result<WriterTable> {
    let mut known = writer_table::load(&*state.vfs, &state.paths, manifest)?.writers;
    known.extend(manifest.writers.iter().map(|w| (w.writer, KnownWriter { id: w.id, end: w.flushed })));
    Ok(known)
}

/// All writers of a store whose logs are flushed, those that have only begun included.
///
/// # Errors
/// Those of reading the manifest, the writer table and the folder of logs.
pub(super) fn of_store(state: &StoreState) -> Result<WriterTable> {
    let mut known = of_version(state, &manifest::latest(&*state.vfs, &state.paths)?.manifest)?;
    for dir in tidalite_log::writers(&*state.vfs, &state.paths.log())? {
        known.entry(dir.writer).or_insert(KnownWriter { id: dir.uuid(), end: 0 });
    }
    Ok(known)
}

/// The writers that may append more.
///
/// # Errors
/// Those of looking at their locks.
pub(super) fn living(state: &StoreState) -> Result<BTreeSet<u32>> {
    let mut living = BTreeSet::new();
    for dir in tidalite_log::writers(&*state.vfs, &state.paths.log())? {
        if tidalite_log::life(&*state.vfs, &dir)?.may_append() {
            living.insert(dir.writer);
        }
    }
    Ok(living)
}

/// The writers of a snapshot as far as the manifest and the logs tell: without those in writer tables.
pub(super) fn of_snapshot_alone(snapshot: &Snapshot) -> WriterTable {
    let manifest = &snapshot.view.version.manifest;
    let known = manifest.writers.iter().map(|w| (w.writer, KnownWriter { id: w.id, end: w.flushed }));
    with_logs(known.collect(), snapshot)
}

/// All writers that a snapshot sees, each up to the end of what it sees.
///
/// # Errors
/// Those of reading the writer table.
pub(super) fn of_snapshot(snapshot: &Snapshot) -> Result<WriterTable> {
    Ok(with_logs(of_version(&snapshot.state, &snapshot.view.version.manifest)?, snapshot))
}

/// Adds how far a snapshot sees the logs.
fn with_logs(mut known: WriterTable, snapshot: &Snapshot) -> WriterTable {
    for tail in &snapshot.view.tails {
        let end = Seq::from_i64(tail.seqs.1).map_or(0, Seq::ordinal);
        let writer = known.entry(tail.writer).or_insert(KnownWriter { id: tail.id(), end });
        writer.end = writer.end.max(end);
    }
    known
}
