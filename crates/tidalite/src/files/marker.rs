//! The marker file says that a folder is a store, and holds the store's id. Opening a store for reading checks the
//! marker; opening it for writing creates the store if it is absent.
//!
//! Invariants: several processes may create one store at the same time, since each step either makes its file whole or
//! finds it made. The marker appears before the first manifest, so a reader waits briefly for that. A folder that holds
//! anything else never becomes a store.

use super::manifest::{self, Manifest};
use super::paths::{MARKER, Paths};
use super::two_copies;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tidalite_model::{Error, Result};
use tidalite_vfs::Vfs;
use uuid::Uuid;

/// How long a reader waits for a store that is being created: two syncs, on a slow disk.
const MAKING_WAIT: Duration = Duration::from_secs(1);

/// Whether the folder has a marker.
pub(crate) fn is_store(vfs: &dyn Vfs, paths: &Paths) -> Result<bool> {
    Ok(vfs.stat(&paths.marker())?.is_some())
}

/// Reads the store's id.
///
/// # Errors
/// `NotFound` if there is no folder, `Invalid` if it is not a store, `Corrupt` if its marker is damaged.
pub(crate) fn read_marker(vfs: &dyn Vfs, paths: &Paths) -> Result<Uuid> {
    let root = paths.root();
    match vfs.stat(root)? {
        None => {
            return Err(Error::not_found(
                "open store",
                "there is no such folder",
                "check the path, or open it for writing to create it",
            )
            .at(root));
        }
        Some(s) if !s.is_dir => return Err(not_a_folder(root)),
        Some(_) => {}
    }
    if !is_store(vfs, paths)? {
        return Err(
            Error::invalid("open store", "this folder is not a tidalite store", "check the path").at(root)
        );
    }
    let opened = two_copies::open(vfs, &paths.marker(), "store")?;
    Uuid::try_parse(opened.text.trim())
        .map_err(|_| Error::corrupt("open store", &paths.marker(), 0, "the store's id in it is not a UUID"))
}

fn not_a_folder(root: &Path) -> Error {
    Error::invalid("open store", "it is a file, not a folder", "give the path of a store's folder").at(root)
}

/// Creates a store if it is absent, and completes one whose creation was interrupted.
pub(crate) fn create(vfs: &dyn Vfs, paths: &Paths) -> Result<Uuid> {
    let root = paths.root();
    match vfs.stat(root)? {
        Some(s) if !s.is_dir => return Err(not_a_folder(root)),
        Some(_) if !is_store(vfs, paths)? => {
            let strangers: Vec<String> =
                vfs.read_dir(root)?.into_iter().filter(|n| !n.starts_with("tmp-")).collect();
            // Another process may have made the marker between the check above and this listing.
            if !strangers.is_empty() && !strangers.iter().any(|n| n == MARKER) {
                return Err(Error::invalid(
                    "open store",
                    format!(
                        "this folder is not a tidalite store, and holds other things ({:?})",
                        strangers[0]
                    ),
                    "give the path of a store, an empty folder, or a new folder",
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
    // The store is older than rollups.
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

/// Waits up to [`MAKING_WAIT`] for the first manifest of a store that another process is creating.
pub(crate) fn wait_until_made(vfs: &dyn Vfs, paths: &Paths) {
    let start = Instant::now();
    while !manifest::versions(vfs, paths).is_ok_and(|v| !v.is_empty()) && start.elapsed() < MAKING_WAIT {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Creates a folder and its missing ancestors, each durable in its parent.
pub(crate) fn create_folders(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    let parent = match path.parent() {
        Some(p) if p.as_os_str().is_empty() => PathBuf::from("."),
        Some(p) => p.to_path_buf(),
        None => return Ok(()),
    };
    if vfs.stat(&parent)?.is_none() {
        create_folders(vfs, &parent)?;
    }
    vfs.create_top_dir(path)?;
    vfs.sync_dir(&parent)
}
