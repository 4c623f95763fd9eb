//! The manifest: the list of what is live. Each change makes a new version, a file of its own.
//!
//! - A version appears whole or not at all: written beside, synced, linked to its number, folder synced.
//! - Readers take the highest valid version and pin it with a shared lock on its file; whoever deletes old files takes
//!   that lock exclusively first, so what a reader can still reach stays.
//! - Only the holder of the store's lock publishes; a number that is taken nonetheless makes it start over on
//!   the newer version.

use super::paths::{Paths, parse_version, version_name};
use super::two_copies;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_parts::PartMeta;
use tidalite_vfs::{ReadFile, Vfs};
use uuid::Uuid;

/// One version's contents.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Counts up by one.
    pub(crate) version: u64,
    /// The store's id, as in its marker.
    pub(crate) store: Uuid,
    /// When it was published, µs since 1970 UTC: for people, and for how long a replaced version stays.
    pub(crate) time_us: i64,
    /// No writer that opens from now on has an ordinal below this.
    pub(crate) writer_next: u32,
    /// How far each writer's log is in parts. A writer without an entry has flushed nothing.
    pub(crate) writers: Vec<WriterState>,
    /// The live parts, in the order in which they came.
    pub(crate) parts: Vec<PartMeta>,
    /// The run table; `None` while no run was flushed.
    pub(crate) runs: Option<RunTableRef>,
}

/// How far one writer's log is in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WriterState {
    pub(crate) writer: u32,
    /// Frames of a lower ordinal are in parts and in the run table.
    pub(crate) flushed: u64,
    /// Damage was met in this log: its files are evidence and stay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) damaged: bool,
}

/// Which run table belongs to a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunTableRef {
    pub(crate) id: Uuid,
    pub(crate) runs: u64,
}

impl Manifest {
    /// The version of a new store.
    pub(crate) fn first(store: Uuid, time_us: i64) -> Self {
        Manifest {
            version: 1,
            store,
            time_us,
            writer_next: 1,
            writers: Vec::new(),
            parts: Vec::new(),
            runs: None,
        }
    }

    /// The first ordinal of `writer` that is not in parts.
    pub(crate) fn flushed(&self, writer: u32) -> u64 {
        self.writers.iter().find(|w| w.writer == writer).map_or(0, |w| w.flushed)
    }

    /// Notes that `writer` is in parts below `flushed`.
    pub(crate) fn set_flushed(&mut self, writer: u32, flushed: u64, damaged: bool) {
        self.writer_next = self.writer_next.max(writer + 1);
        match self.writers.iter_mut().find(|w| w.writer == writer) {
            Some(state) => {
                state.flushed = state.flushed.max(flushed);
                state.damaged |= damaged;
            }
            None => {
                self.writers.push(WriterState { writer, flushed, damaged });
                self.writers.sort_by_key(|w| w.writer);
            }
        }
    }
}

/// A version in use: while this lives, nothing that it names is deleted.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) manifest: Manifest,
    /// What was wrong with the manifest files met on the way, for the recovery report.
    pub(crate) damage: Vec<Error>,
    _pin: Option<Arc<dyn ReadFile>>,
}

/// How often a reader starts over when versions come and go under it. Each start over needs a publication in between, which
/// takes milliseconds; a hundred in a row do not happen to a reader that makes any progress.
const RETRIES_MAX: usize = 100;

/// The newest valid version, pinned.
///
/// # Errors
/// `Corrupt` where there is none, or only damaged ones; `Unsupported` for a newer format.
pub(crate) fn latest(vfs: &dyn Vfs, paths: &Paths) -> Result<Version> {
    for _ in 0..RETRIES_MAX {
        let mut damage = Vec::new();
        for version in versions(vfs, paths)?.into_iter().rev() {
            match pin(vfs, paths, version) {
                Ok(Some(mut found)) => {
                    found.damage.append(&mut damage);
                    return Ok(found);
                }
                Ok(None) => break, // collected between the listing and the lock: a newer one exists
                Err(e) if e.kind() == ErrorKind::Corrupt => damage.push(e),
                Err(e) => return Err(e),
            }
        }
        if let Some(e) = damage.into_iter().next() {
            return Err(e);
        }
        if versions(vfs, paths)?.is_empty() {
            return Err(Error::corrupt("open store", &paths.manifest(), 0, "there is no manifest"));
        }
    }
    Err(Error::new(
        ErrorKind::Busy,
        "read manifest",
        "its versions changed at each of 100 attempts",
        "try again",
    )
    .at(&paths.manifest()))
}

/// The numbers of the versions present, ascending.
pub(crate) fn versions(vfs: &dyn Vfs, paths: &Paths) -> Result<Vec<u64>> {
    let mut found: Vec<u64> =
        vfs.read_dir(&paths.manifest())?.iter().filter_map(|n| parse_version(n)).collect();
    found.sort_unstable();
    Ok(found)
}

/// Opens and pins one version; `None` where it was deleted meanwhile.
pub(crate) fn pin(vfs: &dyn Vfs, paths: &Paths, version: u64) -> Result<Option<Version>> {
    let path = paths.manifest().join(version_name(version));
    let file = match vfs.open(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    // Without locks (some network file systems) the grace time before deletion is what protects a reader.
    let locked = file.try_lock_shared().unwrap_or(true);
    if !locked || !file.is_linked()? {
        return Ok(None);
    }
    let opened = match two_copies::open(vfs, &path, "manifest") {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let manifest: Manifest = serde_json::from_str(&opened.text)
        .map_err(|e| Error::corrupt("read manifest", &path, 0, format!("its text is no manifest: {e}")))?;
    if manifest.version != version {
        let what = format!("its text is that of version {}: it was copied or renamed", manifest.version);
        return Err(Error::corrupt("read manifest", &path, 0, what));
    }
    let damage = opened.damage.map(|d| Error::corrupt("read manifest", &path, 0, d)).into_iter().collect();
    Ok(Some(Version { manifest, damage, _pin: Some(file) }))
}

/// Publishes `next` as the version after the one it was made from; `false` where that number is taken.
pub(crate) fn publish(vfs: &dyn Vfs, paths: &Paths, next: &Manifest) -> Result<bool> {
    let text = serde_json::to_string_pretty(next).expect("a manifest is plain data");
    let tmp = format!("tmp-{}", vfs.uuid().simple());
    tidalite_vfs::publish(
        vfs,
        &paths.manifest(),
        &tmp,
        &version_name(next.version),
        &two_copies::seal("manifest", &text),
    )
}
