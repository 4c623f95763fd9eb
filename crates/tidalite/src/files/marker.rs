//! The marker says that a folder is a store, and which one. Opening a store for reading checks the marker; opening it
//! for writing makes the store where there is none.
//!
//! Invariants: several processes may make one store at the same time, since each step either makes its file whole or
//! finds it made. The marker comes before the first manifest, so a reader waits a moment for that. A folder that holds
//! anything else is never turned into a store.

use super::manifest::{self, Manifest};
use super::paths::{MARKER, Paths};
use super::two_copies;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tidalite_model::{Error, Result};
use tidalite_vfs::Vfs;
use uuid::Uuid;

/// How long a reader waits for a store that is being made: two syncs, on a slow disk.
const MAKING_WAIT: Duration = Duration::from_secs(1);

/// Whether the marker of a store is there.
pub(crate) fn is_store(vfs: &dyn Vfs, paths: &Paths) -> Result<bool> {
    Ok(vfs.stat(&paths.marker())?.is_some())
}

/// Reads the id of the store in a folder.
///
/// # Errors
/// `NotFound` where there is no folder, `Invalid` where it is not a store, `Corrupt` where its marker is damaged.
pub(crate) fn read_marker(vfs: &dyn Vfs, paths: &Paths) -> Result<Uuid> {
    let root = paths.root();
    match vfs.stat(root)? {
        None => {
            return Err(Error::not_found(
                "open store",
                "there is no such folder",
                "check the path, or open it for writing to make it",
            )
            .at(root));
        }
        Some(s) if !s.is_dir => return Err(not_a_folder(root)),
        Some(_) => {}
    }
    if !is_store(vfs, paths)? {
        return Err(
            Error::invalid("open store", "this folder is no tidalite store", "check the path").at(root)
        );
    }
    let opened = two_copies::open(vfs, &paths.marker(), "store")?;
    Uuid::try_parse(opened.text.trim())
        .map_err(|_| Error::corrupt("open store", &paths.marker(), 0, "the store's id in it is no UUID"))
}

fn not_a_folder(root: &Path) -> Error {
    Error::invalid("open store", "it is a file, not a folder", "give the path of a store's folder").at(root)
}

/// Makes a store where there is none, and finishes one that was begun. Several processes may do so at once: each step
/// either makes its file whole or finds it made.
pub(crate) fn create(vfs: &dyn Vfs, paths: &Paths) -> Result<Uuid> {
    let root = paths.root();
    match vfs.stat(root)? {
        Some(s) if !s.is_dir => return Err(not_a_folder(root)),
        Some(_) if !is_store(vfs, paths)? => {
            let strangers: Vec<String> =
                vfs.read_dir(root)?.into_iter().filter(|n| !n.starts_with("tmp-")).collect();
            // Between this listing and the check above another process may have made the marker.
            if !strangers.is_empty() && !strangers.iter().any(|n| n == MARKER) {
                return Err(Error::invalid(
                    "open store",
                    format!("this folder is no tidalite store, and holds other things ({:?})", strangers[0]),
                    "give the path of a store, of an empty folder, or of one to be made",
                )
                .at(root));
            }
        }
        Some(_) => {}
        None => create_folders(vfs, root)?,
    }
    if !is_store(vfs, paths)? {
        let id = vfs.uuid();
        let tmp = format!("tmp-{}", id.simple());
        tidalite_vfs::publish(vfs, root, &tmp, MARKER, &two_copies::seal("store", &id.to_string()))?;
    }
    let id = read_marker(vfs, paths)?;
    // A store from before there were rollups.
    if vfs.stat(&paths.manifest())?.is_some() && vfs.stat(&paths.rollups())?.is_none() {
        vfs.create_dir(&paths.rollups())?;
        vfs.sync_dir(root)?;
    }
    if vfs.stat(&paths.manifest())?.is_none() || manifest::versions(vfs, paths)?.is_empty() {
        for folder in paths.folders() {
            vfs.create_dir(&folder)?;
        }
        vfs.sync_dir(root)?;
        manifest::publish(vfs, paths, &Manifest::first(id, vfs.now_us()))?;
    }
    Ok(id)
}

/// Waits a moment for a store that another process is making: its marker comes before its first manifest.
pub(crate) fn wait_until_made(vfs: &dyn Vfs, paths: &Paths) {
    let start = Instant::now();
    while !manifest::versions(vfs, paths).is_ok_and(|v| !v.is_empty()) && start.elapsed() < MAKING_WAIT {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Makes a folder and those above it that are missing, each durable in its parent.
pub(crate) fn create_folders(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    let parent = match path.parent() {
        Some(p) if p.as_os_str().is_empty() => PathBuf::from("."),
        Some(p) => p.to_path_buf(),
        None => return Ok(()),
    };
    if vfs.stat(&parent)?.is_none() {
        create_folders(vfs, &parent)?;
    }
    vfs.create_dir(path)?;
    vfs.sync_dir(&parent)
}
