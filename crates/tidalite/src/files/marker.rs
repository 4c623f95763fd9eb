//! The marker file says that a folder is a store, and holds the store's id. Opening a store for reading checks the
//! marker; opening it for writing creates the store if it is absent.
//!
//! Invariants: the store's folder is held from here on, so every file is looked up from it, wherever it is moved. The
//! open marker shows whether the store is still there. Several processes may create one store at the same time, since
//! each step either makes its file whole or finds it made. The marker appears before the first manifest, so a reader
//! waits briefly for that. A folder that holds anything else never becomes a store.

use super::manifest::{self, Manifest};
use super::paths::{MARKER, Paths, UNFINISHED, version_name};
use super::two_copies;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_vfs::{ReadFile, Vfs};
use uuid::Uuid;

/// How long a reader waits for a store that is being created: two syncs, on a slow disk.
const MAKING_WAIT: Duration = Duration::from_secs(1);

/// A store's id, and its marker, held open.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) id: Uuid,
    marker: Arc<dyn ReadFile>,
}

impl Identity {
    /// Checks that the store is still there. The marker of another store, or of a copy of this one, is another file,
    /// even if it has the same name and the same id.
    ///
    /// # Errors
    /// `NotFound` if the store is gone; those of looking up a file.
    pub(crate) fn check(&self, paths: &Paths) -> Result<()> {
        if self.marker.is_linked()? {
            return Ok(());
        }
        Err(Error::store_gone(ErrorKind::NotFound, "use store", paths.root()))
    }

    /// Whether this store is at these paths.
    pub(crate) fn is_at(&self, paths: &Paths) -> Result<bool> {
        self.marker.is_at(&paths.marker())
    }
}

/// What becomes of a store whose folder is missing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum MissingFolder {
    Create,
    /// An error with this advice.
    Refuse(&'static str),
}

/// Holds the folder of a store.
///
/// # Errors
/// `NotFound` if there is no folder, `Invalid` if the path is that of a file.
pub(crate) fn hold_folder(vfs: &dyn Vfs, root: &Path, missing: MissingFolder) -> Result<Arc<dyn Vfs>> {
    match vfs.stat(root)? {
        None => match missing {
            MissingFolder::Create => create_folders(vfs, root)?,
            MissingFolder::Refuse(remedy) => {
                return Err(Error::not_found("open store", "there is no such folder", remedy).at(root));
            }
        },
        Some(s) if !s.is_dir => {
            let remedy = "give the path of a store's folder";
            return Err(Error::invalid("open store", "it is a file, not a folder", remedy).at(root));
        }
        Some(_) => {}
    }
    vfs.hold(root)
}

/// Whether the folder has a marker.
fn is_store(vfs: &dyn Vfs, paths: &Paths) -> Result<bool> {
    Ok(vfs.stat(&paths.marker())?.is_some())
}

/// Reads which store the held folder is.
///
/// # Errors
/// `Invalid` if it is not a store, `Corrupt` if its marker is damaged.
pub(crate) fn identify(vfs: &dyn Vfs, paths: &Paths) -> Result<Identity> {
    let marker = match vfs.open(&paths.marker()) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let wrong = "this folder is not a tidalite store";
            return Err(Error::invalid("open store", wrong, "check the path").at(paths.root()));
        }
        other => other?,
    };
    let opened = two_copies::open(vfs, &paths.marker(), "store", None)?;
    let id = Uuid::try_parse(opened.text.trim()).map_err(|_| {
        Error::corrupt("open store", &paths.marker(), 0, "the store's id in it is not a UUID")
    })?;
    let identity = Identity { id, marker };
    identity.check(paths)?;
    Ok(identity)
}

/// Which store a folder is whose marker cannot be read: the newest manifest that can be says so.
///
/// # Errors
/// `Corrupt` if there is none.
pub(crate) fn identify_by_manifest(vfs: &dyn Vfs, paths: &Paths) -> Result<Identity> {
    let newest = manifest::latest(vfs, paths)?.manifest;
    let marker = vfs.open(&paths.manifest().join(version_name(newest.version)))?;
    Ok(Identity { id: newest.store, marker })
}

/// Makes the held folder a store if it is empty, and completes one whose creation was interrupted.
pub(crate) fn create(vfs: &dyn Vfs, paths: &Paths) -> Result<Identity> {
    let root = paths.root();
    if !is_store(vfs, paths)? {
        let strangers: Vec<String> =
            vfs.read_dir(root)?.into_iter().filter(|n| !n.starts_with("tmp-")).collect();
        // Another process may have made the marker between the check above and this listing.
        if !strangers.is_empty() && !strangers.iter().any(|n| n == MARKER) {
            return Err(Error::invalid(
                "open store",
                format!("this folder is not a tidalite store, and holds other things ({:?})", strangers[0]),
                "give the path of a store, an empty folder, or a new folder",
            )
            .at(root));
        }
    }
    if !is_store(vfs, paths)? {
        let id = vfs.uuid();
        let tmp = format!("tmp-{}", id.simple());
        tidalite_vfs::publish(vfs, root, &tmp, MARKER, &two_copies::seal("store", &id.to_string()))?;
    }
    let identity = identify(vfs, paths)?;
    // A copy that was killed just after it was finished leaves its lock file and temporary files. Best effort.
    let unfinished = paths.root().join(UNFINISHED);
    if vfs.stat(&unfinished)?.is_some() {
        for name in vfs.read_dir(root)?.iter().filter(|name| name.starts_with("tmp-")) {
            let _ = vfs.remove(&root.join(name));
        }
        let _ = vfs.remove(&unfinished);
    }
    // The store is older than some of the folders.
    if vfs.stat(&paths.manifest())?.is_some() {
        for folder in paths.folders() {
            if vfs.stat(&folder)?.is_none() {
                vfs.create_dir(&folder)?;
                vfs.sync_dir(root)?;
            }
        }
    }
    if vfs.stat(&paths.manifest())?.is_none() || manifest::versions(vfs, paths)?.is_empty() {
        refuse_without_manifest(vfs, paths)?;
        for folder in paths.folders() {
            vfs.create_dir(&folder)?;
        }
        vfs.sync_dir(root)?;
        manifest::publish(vfs, paths, &Manifest::first(identity.id, vfs.now_us()))?;
    }
    Ok(identity)
}

/// Checks that a store without a manifest is a new one. A first manifest in an old one would name none of its files, and they
/// would be deleted.
fn refuse_without_manifest(vfs: &dyn Vfs, paths: &Paths) -> Result<()> {
    for folder in paths.folders().into_iter().filter(|folder| *folder != paths.manifest()) {
        if vfs.stat(&folder)?.is_none() || vfs.read_dir(&folder)?.is_empty() {
            continue;
        }
        // Another process may have made the first manifest since, and begun to write.
        if vfs.stat(&paths.manifest())?.is_none() || manifest::versions(vfs, paths)?.is_empty() {
            let what = format!("there is no manifest, and {} is not empty", folder.display());
            return Err(Error::corrupt("open store", &paths.manifest(), 0, what));
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, OnceLock};
    use tidalite_vfs::{FailKind, SimFailure, SimVfs, Survive};

    const ROOT: &str = "/store";

    fn paths() -> Paths {
        Paths::new(Path::new(ROOT))
    }

    #[test]
    fn two_processes_that_create_a_store_at_once_make_one() {
        for before in 0..60 {
            let other: Arc<OnceLock<SimVfs>> = Arc::default();
            let theirs: Arc<Mutex<Option<Uuid>>> = Arc::default();
            let left = Mutex::new(before);
            let disk = SimVfs::scheduled(1, {
                let (other, theirs) = (other.clone(), theirs.clone());
                move || {
                    let Some(disk) = other.get() else { return };
                    let due = {
                        let mut left = left.lock().unwrap();
                        let due = *left == 0;
                        *left = u32::wrapping_sub(*left, 1);
                        due
                    };
                    if due {
                        *theirs.lock().unwrap() = Some(create(disk, &paths()).unwrap().id);
                    }
                }
            });
            disk.create_dir(Path::new(ROOT)).unwrap();
            other.set(disk.clone()).unwrap();
            let mine = create(&disk, &paths()).unwrap().id;
            assert!(theirs.lock().unwrap().is_none_or(|theirs| theirs == mine), "before access {before}");
            assert_eq!(manifest::latest(&disk, &paths()).unwrap().manifest.store, mine);
            assert_eq!(identify_by_manifest(&disk, &paths()).unwrap().id, mine);
        }
    }

    #[test]
    fn a_store_whose_creation_was_cut_off_is_completed() {
        for at_step in 0..60 {
            let disk = SimVfs::new(1);
            disk.create_dir(Path::new(ROOT)).unwrap();
            disk.sync_dir(Path::new("/")).unwrap();
            let at_step = disk.steps() + at_step;
            disk.set_failure(SimFailure { at_step, kind: FailKind::Crash, persist: true });
            let done = create(&disk, &paths());
            for survive in [Survive::None, Survive::All, Survive::Random(at_step)] {
                let left = disk.crash(survive);
                let id = create(&left, &paths()).unwrap().id;
                assert!(
                    done.as_ref().is_ok_and(|done| done.id == id) || done.is_err(),
                    "{at_step} {survive:?}"
                );
                assert_eq!(manifest::latest(&left, &paths()).unwrap().manifest.store, id);
            }
        }
    }

    #[test]
    fn what_is_no_store_is_told_apart_and_left_as_it_is() {
        let disk = SimVfs::new(1);
        let kind = |done: Result<Identity>| done.unwrap_err().kind();
        let refuse = MissingFolder::Refuse("make it");
        let held = hold_folder(&disk, Path::new("/none"), refuse).map(drop);
        assert_eq!(held.unwrap_err().kind(), ErrorKind::NotFound);
        disk.create(Path::new("/file")).unwrap();
        let held = hold_folder(&disk, Path::new("/file"), MissingFolder::Create).map(drop);
        assert_eq!(held.unwrap_err().kind(), ErrorKind::Invalid);
        hold_folder(&disk, Path::new("/store/a/b"), MissingFolder::Create).map(drop).unwrap();
        // There is a folder that is not ours.
        assert_eq!(kind(create(&disk, &paths())), ErrorKind::Invalid);
        assert_eq!(kind(identify(&disk, &paths())), ErrorKind::Invalid);
        disk.set_failure(SimFailure { at_step: disk.steps(), kind: FailKind::Eio, persist: false });
        assert_eq!(kind(identify(&disk, &paths())), ErrorKind::Io);
        let start = Instant::now();
        wait_until_made(&disk, &paths());
        assert!(start.elapsed() >= MAKING_WAIT);
    }

    #[test]
    fn a_store_without_a_manifest_that_holds_files_gets_no_first_one() {
        let disk = SimVfs::new(1);
        disk.create_dir(Path::new(ROOT)).unwrap();
        create(&disk, &paths()).unwrap();
        let version = paths().manifest().join(version_name(1));
        disk.remove(&version).unwrap();
        disk.remove_dir(&paths().manifest()).unwrap();
        // Nothing is lost yet.
        create(&disk, &paths()).unwrap();
        disk.remove(&version).unwrap();
        let folder = paths().folders().into_iter().find(|folder| *folder != paths().manifest()).unwrap();
        disk.create(&folder.join("rows")).unwrap();
        let e = create(&disk, &paths()).unwrap_err();
        assert!(e.kind() == ErrorKind::Corrupt && e.to_string().contains("is not empty"), "{e}");
        // A folder that an older store lacks is made.
        disk.remove(&folder.join("rows")).unwrap();
        create(&disk, &paths()).unwrap();
        disk.remove_dir(&folder).unwrap();
        create(&disk, &paths()).unwrap();
        assert!(disk.stat(&folder).unwrap().is_some_and(|found| found.is_dir));
    }
}
