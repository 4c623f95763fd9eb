//! The folder of a copy that is being made: a backup, or a store that is salvaged.
//!
//! A lock file in it says that the copy is not finished. The lock on that file says whether a process still makes the
//! copy. So what a killed copy has left can be told apart from a folder of the user, and the next copy to the same folder
//! removes it. The marker of the store is written last; then the lock file is removed. If the disk fails to remove it,
//! the copy counts as unfinished until it is opened for writing.
//!
//! Invariant: only files whose names and places are those of a store are removed, and only while the lock is held.

use crate::engine::state::StoreState;
use crate::files::marker::create_folders;
use crate::files::paths::{Paths, UNFINISHED, parse_id, parse_version};
use std::path::Path;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_vfs::{Lock, LockMode, ReadFile, Vfs};

/// The folder that a copy is made in. It is locked, so that nobody else makes one there.
pub(super) struct CopyTarget<'a> {
    vfs: &'a dyn Vfs,
    pub(super) paths: Paths,
    _lock: CopyLock,
}

/// The lock on the folder of a copy.
enum CopyLock {
    New(#[expect(dead_code, reason = "it is held")] Box<dyn Lock>),
    /// The lock of an earlier copy that did not finish.
    Again(#[expect(dead_code, reason = "it is held")] Arc<dyn ReadFile>),
    /// The file system has no locks.
    None,
}

impl CopyLock {
    /// Makes the lock file. `None` if another process holds it.
    fn new(vfs: &dyn Vfs, root: &Path) -> Result<Option<CopyLock>> {
        match vfs.lock(&root.join(UNFINISHED), LockMode::Exclusive) {
            Err(e) if e.kind() == ErrorKind::Unsupported => Ok(Some(CopyLock::None)),
            lock => Ok(lock?.map(CopyLock::New)),
        }
    }

    /// Takes the lock of a copy that did not finish. `None` if another process holds it, or has finished meanwhile: then
    /// the file is not the one in the folder, and what is there is a store.
    fn again(vfs: &dyn Vfs, root: &Path) -> Result<Option<CopyLock>> {
        let file = vfs.open(&root.join(UNFINISHED))?;
        file.keep_open()?;
        let locked = match file.try_lock_exclusive() {
            Err(e) if e.kind() == ErrorKind::Unsupported => true,
            locked => locked?,
        };
        Ok((locked && file.is_linked()?).then_some(CopyLock::Again(file)))
    }
}

impl<'a> CopyTarget<'a> {
    /// Makes the folders of a copy. What an earlier copy that did not finish has left there is removed.
    ///
    /// # Errors
    /// `Invalid` where the folder holds anything else or is in the store that is copied; `Busy` while another process makes a
    /// copy there; those of the disk.
    pub(super) fn prepare(state: &'a StoreState, to: &Path, doing: &str) -> Result<Self> {
        let vfs = &*state.vfs;
        let paths = Paths::new(&vfs.absolute(to)?);
        let root = paths.root();
        let refuse = |what: &str| {
            Err(Error::invalid(doing, what, "give a folder that is empty or does not exist").at(root))
        };
        if vfs.resolved(root)?.starts_with(vfs.resolved(state.paths.root())?) {
            return refuse("the folder is in the store that would be copied");
        }
        match vfs.stat(root)? {
            Some(s) if !s.is_dir => return refuse("it is a file"),
            Some(_) => {}
            None => create_folders(vfs, root)?,
        }
        let names = vfs.read_dir(root)?;
        let unfinished = names.iter().any(|name| name == UNFINISHED);
        if !names.is_empty() && !unfinished {
            return refuse("the folder is not empty");
        }
        let lock = if unfinished { CopyLock::again(vfs, root) } else { CopyLock::new(vfs, root) };
        let Some(lock) = lock? else {
            let wrong = "another process makes a copy in this folder, or has just made it";
            let remedy = "give another folder";
            return Err(Error::new(ErrorKind::Busy, doing, wrong, remedy).at(root));
        };
        let target = CopyTarget { vfs, paths, _lock: lock };
        let root = target.paths.root();
        if unfinished {
            target.empty();
        }
        if vfs.read_dir(root)?.iter().any(|name| name != UNFINISHED) {
            let _ = vfs.remove(&root.join(UNFINISHED));
            let remedy = "give a folder that is empty or does not exist";
            return Err(Error::invalid(doing, "the folder is not empty", remedy).at(root));
        }
        let made = target.make_folders();
        if made.is_err() {
            target.give_up();
        }
        made.map(|()| target)
    }

    fn make_folders(&self) -> Result<()> {
        for folder in self.paths.folders() {
            self.vfs.create_dir(&folder)?;
        }
        self.vfs.sync_dir(self.paths.root())
    }

    /// Ends the copy, which is a store now: removes its temporary files and its lock file.
    pub(super) fn finish(self) {
        // A temporary file may be left that could not be removed at once.
        for folder in self.paths.folders() {
            self.remove_from(&folder, |_| false);
        }
        self.remove_from(self.paths.root(), |_| false);
        // If it stays, it means nothing beside a marker, and opening the store for writing removes it.
        let _ = self.vfs.remove(&self.paths.root().join(UNFINISHED));
    }

    /// Removes what was made. What cannot be removed does no harm: a folder without a marker is no store, and the next copy
    /// removes it.
    pub(super) fn give_up(&self) {
        self.empty();
        let _ = self.vfs.remove(&self.paths.root().join(UNFINISHED));
    }

    /// Removes the files of a copy, and its folders. The marker goes first: without it the rest is no store.
    fn empty(&self) {
        let _ = self.vfs.remove(&self.paths.marker());
        for folder in self.paths.folders() {
            self.remove_from(&folder, |name| parse_id(name).is_some() || parse_version(name).is_some());
            let _ = self.vfs.remove_dir(&folder);
        }
        self.remove_from(self.paths.root(), |_| false);
    }

    /// Removes temporary files, and those that `is_ours` knows by their names.
    fn remove_from(&self, folder: &Path, is_ours: impl Fn(&str) -> bool) {
        for name in self.vfs.read_dir(folder).unwrap_or_default() {
            if name.starts_with("tmp-") || is_ours(&name) {
                let _ = self.vfs.remove(&folder.join(&name));
            }
        }
    }
}
