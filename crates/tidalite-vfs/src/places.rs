//! Where a path leads: from the root of the file system, or from a folder that is held open.
//!
//! Invariants: a path at or below the held folder is looked up from its descriptor (`openat`). So it means the folder
//! that was opened, even after that folder was moved or another one took its name. Once the folder is deleted, nothing
//! is found or created below it. Below it no symbolic link is followed and only regular files are opened: whatever lies
//! in a store, nothing outside of it is read, changed or deleted, and no pipe makes a reader wait. The held folder itself
//! may be reached through links. Calls interrupted by a signal are repeated.

use crate::beneath::{FolderHandle, open_beneath, parent_beneath};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The mode of a new folder that belongs to no store yet, before the process's umask.
pub(crate) const FOLDER_MODE: Mode = Mode::from_raw_mode(0o777);

/// A folder held open, and the path with which it was opened.
#[derive(Debug)]
struct HeldFolder {
    path: PathBuf,
    descriptor: OwnedFd,
}

/// Looks up paths. Clones share the held folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    held: Option<Arc<HeldFolder>>,
}

impl Places {
    /// As these, with `folder` held.
    pub(crate) fn hold(&self, folder: &Path) -> io::Result<Places> {
        let descriptor = self.open(folder, OFlags::RDONLY | OFlags::DIRECTORY)?.into();
        Ok(Places { held: Some(Arc::new(HeldFolder { path: folder.to_path_buf(), descriptor })) })
    }

    /// The held folder and the path from it, if the path is at or below it.
    fn below<'a>(&'a self, path: &'a Path) -> Option<(&'a HeldFolder, &'a Path)> {
        let held = self.held.as_deref()?;
        Some((held, path.strip_prefix(&held.path).ok()?))
    }

    /// The folder that holds the last name of a path, and that name; or a path from elsewhere as it is. How to look up the
    /// name: not through a link below the held folder.
    fn named<'a>(&'a self, path: &'a Path) -> io::Result<(FolderHandle<'a>, &'a Path, AtFlags)> {
        match self.below(path) {
            Some((held, rest)) => {
                let (folder, name) = parent_beneath(held.descriptor.as_fd(), rest)?;
                Ok((folder, name, AtFlags::SYMLINK_NOFOLLOW))
            }
            None => Ok((FolderHandle::Held(CWD), path, AtFlags::empty())),
        }
    }

    pub(crate) fn open(&self, path: &Path, flags: OFlags) -> io::Result<File> {
        self.open_as(path, flags, Mode::empty())
    }

    /// Opens a file. `InvalidData` if something else is in its place below the held folder.
    pub(crate) fn open_file(&self, path: &Path, flags: OFlags) -> io::Result<File> {
        if self.below(path).is_none() {
            return self.open(path, flags);
        }
        let file = match self.open(path, flags) {
            // The errors of a socket, of a pipe without a reader, and of a folder that is opened for writing.
            Err(e) if matches!(Errno::from_io_error(&e), Some(Errno::NXIO | Errno::ISDIR)) => {
                return Err(no_file());
            }
            opened => opened?,
        };
        let stat = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode).is_file() { Ok(file) } else { Err(no_file()) }
    }

    /// Creates a file, open for reading and writing, with the mode that the process's umask leaves.
    pub(crate) fn create_file(&self, path: &Path, mode: Mode) -> io::Result<File> {
        self.open_as(path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, mode)
    }

    fn open_as(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<File> {
        let flags = flags | OFlags::CLOEXEC;
        match self.below(path) {
            Some((held, rest)) => {
                // A pipe without a writer would make its reader wait.
                let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
                Ok(open_beneath(held.descriptor.as_fd(), rest, flags, mode)?.into())
            }
            None => Ok(retry_on_intr(|| rustix::fs::openat(CWD, path, flags, mode))?.into()),
        }
    }

    pub(crate) fn make_folder(&self, path: &Path, mode: Mode) -> io::Result<()> {
        let (folder, name, _) = self.named(path)?;
        Ok(retry_on_intr(|| rustix::fs::mkdirat(&folder, name, mode))?)
    }

    /// Opens a folder that this process made, to change its group and mode.
    pub(crate) fn open_made_folder(&self, path: &Path) -> io::Result<File> {
        let open = || self.open(path, OFlags::RDONLY | OFlags::DIRECTORY);
        match open() {
            // The umask took the owner's right to read it.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                let (folder, name, _) = self.named(path)?;
                let mode = Mode::from_raw_mode(0o700);
                retry_on_intr(|| rustix::fs::chmodat(&folder, name, mode, AtFlags::empty()))?;
                open()
            }
            opened => opened,
        }
    }

    pub(crate) fn stat(&self, path: &Path) -> io::Result<Stat> {
        let (folder, name, follow) = self.named(path)?;
        Ok(retry_on_intr(|| rustix::fs::statat(&folder, name, follow))?)
    }

    /// Whether the path is a symbolic link, whatever it leads to.
    pub(crate) fn is_symlink(&self, path: &Path) -> bool {
        let Ok((folder, name, _)) = self.named(path) else { return false };
        let stat = retry_on_intr(|| rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW));
        stat.is_ok_and(|s| FileType::from_raw_mode(s.st_mode).is_symlink())
    }

    /// The names in a folder, in no order. Names that are not UTF-8 are skipped.
    pub(crate) fn names(&self, path: &Path) -> io::Result<Vec<String>> {
        let folder = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut names = Vec::new();
        for entry in Dir::new(OwnedFd::from(folder))? {
            if let Ok(name) = entry?.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_string());
            }
        }
        Ok(names)
    }

    pub(crate) fn remove_file(&self, path: &Path) -> io::Result<()> {
        let (folder, name, _) = self.named(path)?;
        Ok(retry_on_intr(|| rustix::fs::unlinkat(&folder, name, AtFlags::empty()))?)
    }

    pub(crate) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let (folder, name, _) = self.named(path)?;
        Ok(retry_on_intr(|| rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR))?)
    }

    pub(crate) fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let ((from_folder, from, _), (to_folder, to, _)) = (self.named(from)?, self.named(to)?);
        let link = || rustix::fs::linkat(&from_folder, from, &to_folder, to, AtFlags::empty());
        Ok(retry_on_intr(link)?)
    }

    /// Moves a file; an error if the name is taken.
    #[cfg(target_os = "linux")]
    pub(crate) fn rename_no_replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        use rustix::fs::{RenameFlags, renameat_with};
        let ((from_folder, from, _), (to_folder, to, _)) = (self.named(from)?, self.named(to)?);
        let rename = || renameat_with(&from_folder, from, &to_folder, to, RenameFlags::NOREPLACE);
        Ok(retry_on_intr(rename)?)
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn rename_no_replace(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Err(Errno::NOSYS.into())
    }

    /// Whether `path` still refers to the open file.
    pub(crate) fn is_linked(&self, file: &File, path: &Path) -> io::Result<bool> {
        match self.stat(path) {
            Ok(named) => Ok(is_same(&named, &rustix::fs::fstat(file)?)),
            // A network file system reports a folder that another machine deleted as stale.
            Err(e) if is_absent(&e) || Errno::from_io_error(&e) == Some(Errno::STALE) => Ok(false),
            Err(e) => Err(e),
        }
    }

    pub(crate) fn is_same_file(&self, a: &Path, b: &Path) -> io::Result<bool> {
        Ok(is_same(&self.stat(a)?, &self.stat(b)?))
    }
}

/// Whether the error says that nothing is at the path.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The error where something else is in the place of a file.
fn no_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "something other than a regular file is in its place")
}

pub(crate) fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_dir()
}

fn is_same(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}
