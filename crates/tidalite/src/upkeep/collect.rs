//! Collection: removes files that no version names.
//!
//! The steps, under the store's lock:
//!
//! 1. Remove replaced versions that are not pinned, and whose grace time is over or whose parts a later version keeps
//!    anyway. The newest version stays, and so does the successor of one that stays: with it the grace time began. A
//!    thinning grants no grace time to what it replaces itself, since it is to free space; a compaction by hand grants none
//!    at all, so that afterwards the files in the folder are exactly the live ones.
//! 2. The remaining versions define what is live: their parts and their run tables. The newest version and the pinned ones
//!    define which frames of logs are live: those that any of them has not flushed. The grace time is for programs that
//!    read parts by their paths; whoever reads a log has pinned a version while it was the newest.
//! 3. Remove everything else: parts, series tables, rollups, run tables, leftovers of killed publications; segments
//!    whose frames are all flushed; staged parts that a version lists; and the folders of dead writers that are flushed
//!    whole.
//!
//! Flush, compaction, thinning and merging hold the same lock while they work, in whichever process. So collection never
//! sees a part that is written but not yet published: a file that no version names is old or left by a crash. In the
//! folder of a living writer, only flushed files are removed. A log with damage is evidence and stays.

use super::evidence::is_evidence;
use crate::engine::state::StoreState;
use crate::files::manifest::{self, Manifest, versions};
use crate::files::paths::{parse_id, version_name};
use std::collections::BTreeSet;
use std::path::Path;
use tidalite_log::{LogSink, SegmentInfo};
use tidalite_model::{ErrorKind, Result};
use tidalite_vfs::Vfs;
use uuid::Uuid;

/// Which replaced parts stay for the grace time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grace<'a> {
    All,
    /// All but these parts.
    AllBut(&'a BTreeSet<Uuid>),
    None,
}

/// Removes files that no version needs. The caller must hold the store's lock.
///
/// # Errors
/// Those of reading the manifest and of removing files.
pub(super) fn collect(state: &StoreState, grace: Grace<'_>) -> Result<()> {
    state.check_there()?;
    remove_files(state, grace)?;
    let live = manifest::latest(&*state.vfs, &state.paths)?.manifest.parts.iter().map(|p| p.id).collect();
    state.cache.keep_parts(&live);
    Ok(())
}

/// Returns the number of files removed.
fn remove_files(state: &StoreState, grace: Grace<'_>) -> Result<u64> {
    let (vfs, paths) = (&*state.vfs, &state.paths);
    let Some(kept) = drop_versions(state, grace)? else { return Ok(0) };
    let live: Vec<&Manifest> = kept.iter().map(|k| &k.manifest).collect();
    let mut removed = 0;
    let parts: BTreeSet<Uuid> = live.iter().flat_map(|m| m.parts.iter().map(|p| p.id)).collect();
    let tables: BTreeSet<Uuid> = live.iter().flat_map(|m| m.run_tables()).map(|r| r.id).collect();
    let writers: BTreeSet<Uuid> = live.iter().flat_map(|m| m.writer_tables()).map(|w| w.id).collect();
    let folders = paths.part_folders().map(|folder| (folder, &parts));
    let tables = [(paths.runs(), &tables), (paths.writers(), &writers)];
    for (folder, keep) in folders.into_iter().chain(tables) {
        removed += remove_strangers(vfs, &folder, |name| {
            !is_leftover(name) && parse_id(name).is_none_or(|id| keep.contains(&id))
        })?;
    }
    removed += remove_strangers(vfs, &paths.manifest(), |name| !is_leftover(name))?;
    // On a network file system, a lock may not reach other machines. A reader there may have a version that looks free, and
    // a live writer there may look dead.
    let network = vfs.file_system(paths.root())?.network;
    let may_be_read = |kept: &&KeptVersion| kept.may_be_read || network;
    let read: Vec<&Manifest> = kept.iter().filter(may_be_read).map(|k| &k.manifest).collect();
    removed += collect_logs(state, &read, &parts, network)?;
    Ok(removed)
}

/// A version that stays.
struct KeptVersion {
    manifest: Manifest,
    /// Whether it is the newest or pinned. If not, nobody will pin it any more: see [`manifest::latest`].
    may_be_read: bool,
}

/// Removes versions that are replaced, not pinned and past their grace time. Returns the others.
fn drop_versions(state: &StoreState, grace: Grace<'_>) -> Result<Option<Vec<KeptVersion>>> {
    let (vfs, paths) = (&*state.vfs, &state.paths);
    let newest = manifest::latest(vfs, paths)?;
    // The files that a damaged version names are unknown. So every file is kept, until that version is removed by hand.
    if !newest.unreadable.is_empty() {
        return Ok(None);
    }
    let newest = newest.manifest;
    let Some(old) = old_versions(state, grace, &newest)? else { return Ok(None) };
    let mut live = Vec::new();
    for (i, version) in old.iter().enumerate() {
        let path = paths.manifest().join(version_name(version.manifest.version));
        // The lock is held until the file is removed: a reader that opens it meanwhile finds it locked or missing.
        let file = vfs.open(&path)?;
        // Without locks, only the grace time protects a reader.
        let pinned = !file.try_lock_exclusive().unwrap_or(false);
        // The grace time of the version before began with this one, which therefore stays as long, unless it has parts to free.
        let begins_grace = version.covered && old.get(i + 1).is_some_and(|before| before.needed);
        if version.needed || begins_grace || pinned {
            live.push(KeptVersion { manifest: version.manifest.clone(), may_be_read: pinned });
        } else {
            vfs.remove(&path)?;
        }
    }
    vfs.sync_dir(&paths.manifest())?;
    live.push(KeptVersion { manifest: newest, may_be_read: true });
    Ok(Some(live))
}

/// A version that was replaced.
struct OldVersion {
    manifest: Manifest,
    /// Whether its grace time goes on, and it has parts that no later version has.
    needed: bool,
    /// Whether later versions that stay have all of its parts.
    covered: bool,
}

/// The versions before the newest, descending. `None` if one of them cannot be read: the files that it names are unknown, so
/// every file is kept, until it is removed by hand.
fn old_versions(state: &StoreState, grace: Grace<'_>, newest: &Manifest) -> Result<Option<Vec<OldVersion>>> {
    let (vfs, paths) = (&*state.vfs, &state.paths);
    let grace_us = i64::try_from(state.options.grace.as_micros()).unwrap_or(i64::MAX);
    let mut parts: BTreeSet<Uuid> = newest.parts.iter().map(|p| p.id).collect();
    // The grace time of a version begins when its successor is published: readers used the version until then.
    let mut replaced_at = newest.time_us;
    let mut old = Vec::new();
    for number in versions(vfs, paths)?.into_iter().rev().filter(|&v| v < newest.version) {
        let manifest = match manifest::pin(vfs, paths, number) {
            Ok(Some(version)) => version.manifest,
            Ok(None) => continue,
            Err(e) if e.kind() == ErrorKind::Corrupt => return Ok(None),
            Err(e) => return Err(e),
        };
        let needs_none = |part: &Uuid| match grace {
            Grace::All => false,
            Grace::AllBut(but) => but.contains(part),
            Grace::None => true,
        };
        // If the clock went back, the age is negative, and the version stays until the clock has caught up.
        let over = vfs.now_us().saturating_sub(replaced_at) >= grace_us;
        let only_here: Vec<Uuid> =
            manifest.parts.iter().map(|p| p.id).filter(|id| !parts.contains(id)).collect();
        let covered = only_here.is_empty();
        let needed = !over && !only_here.iter().all(needs_none);
        if needed {
            parts.extend(manifest.parts.iter().map(|p| p.id));
        }
        replaced_at = manifest.time_us;
        old.push(OldVersion { manifest, needed, covered });
    }
    Ok(Some(old))
}

/// Whether a file was left by a killed publication.
fn is_leftover(name: &str) -> bool {
    name.starts_with("tmp-")
}

fn remove_strangers(vfs: &dyn Vfs, folder: &Path, keep: impl Fn(&str) -> bool) -> Result<u64> {
    let mut removed = 0;
    for name in vfs.read_dir(folder)?.iter().filter(|n| !keep(n)) {
        vfs.remove(&folder.join(name))?;
        removed += 1;
    }
    Ok(removed)
}

/// Removes what the given versions do not need of logs. On a network file system no folder is removed.
fn collect_logs(
    state: &StoreState,
    live: &[&Manifest],
    published: &BTreeSet<Uuid>,
    network: bool,
) -> Result<u64> {
    let vfs = &*state.vfs;
    let mut removed = 0;
    let mut gone = false;
    for dir in tidalite_log::writers(vfs, &state.paths.log())? {
        let damaged = live.iter().any(|m| m.writers.iter().any(|w| w.writer == dir.writer && w.damaged));
        let flushed = live.iter().map(|m| m.flushed(dir.writer)).min().unwrap_or(0);
        // A writer that is starting has a folder but no lock yet, and looks dead. After it has locked, it continues
        // only if no published version has assigned its number: see `StoreState::make_log`.
        let may_begin = live.iter().all(|m| dir.writer >= m.writer_next);
        if damaged || may_begin {
            continue;
        }
        let alive = tidalite_log::is_alive(vfs, &dir)?;
        let segments = tidalite_log::segments(vfs, &dir)?;
        // A live writer allocates segments in advance: one without frames is still to be written.
        let done = |s: &SegmentInfo| s.end_ordinal.is_some_and(|end| end <= flushed) && (s.sealed || !alive);
        // Remove from the front, so that the end of the log remains.
        let finished = segments.iter().take_while(|s| done(s)).count();
        for segment in &segments[..finished] {
            vfs.remove(&segment.path)?;
            removed += 1;
        }
        let whole =
            !alive && !network && (finished == segments.len() || only_torn_tail_left(state, &dir, flushed)?);
        for name in vfs.read_dir(&dir.path)? {
            let staged =
                name.ends_with(".parquet") && parse_id(&name).is_some_and(|id| published.contains(&id));
            if staged || whole {
                vfs.remove(&dir.path.join(&name))?;
                removed += 1;
            }
        }
        if whole {
            // Not synced: whatever a power cut brings back of it is flushed, and is removed again.
            vfs.remove_dir(&dir.path)?;
            gone = true;
        }
    }
    if gone {
        vfs.sync_dir(&state.paths.log())?;
    }
    Ok(removed)
}

/// Keeps nothing of a log.
struct Nothing;

impl LogSink for Nothing {}

/// Whether every frame of a dead writer's log is flushed, so that at most a torn tail is left.
fn only_torn_tail_left(state: &StoreState, dir: &tidalite_log::WriterDir, flushed: u64) -> Result<bool> {
    match tidalite_log::replay(&*state.vfs, dir, flushed, false, &mut Nothing) {
        Ok(r) => Ok(r.next_ordinal <= flushed && !r.findings.iter().any(is_evidence)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(true),
        Err(e) => Err(e),
    }
}
