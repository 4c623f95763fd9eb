//! Where a path leads: from the root of the file system, or from a folder that is held open.
//!
//! Invariant: a path at or below the held folder is looked up from its descriptor (`openat`). So it means the folder
//! that was opened, even after that folder was moved or another one took its name. Once the folder is deleted, nothing
//! is found or created below it. Calls interrupted by a signal are repeated.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat};
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

    /// The folder from which a path is looked up, and the rest of the path.
    fn from<'a>(&'a self, path: &'a Path) -> (BorrowedFd<'a>, &'a Path) {
        match &self.held {
            Some(held) => match path.strip_prefix(&held.path) {
                Ok(rest) if rest.as_os_str().is_empty() => (held.descriptor.as_fd(), Path::new(".")),
                Ok(rest) => (held.descriptor.as_fd(), rest),
                Err(_) => (CWD, path),
            },
            None => (CWD, path),
        }
    }

    pub(crate) fn open(&self, path: &Path, flags: OFlags) -> io::Result<File> {
        self.open_as(path, flags, Mode::empty())
    }

    /// Creates a file, open for reading and writing, with the mode that the process's umask leaves.
    pub(crate) fn create_file(&self, path: &Path, mode: Mode) -> io::Result<File> {
        self.open_as(path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, mode)
    }

    fn open_as(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<File> {
        let (folder, path) = self.from(path);
        let open = || rustix::fs::openat(folder, path, flags | OFlags::CLOEXEC, mode);
        Ok(retry_on_intr(open)?.into())
    }

    pub(crate) fn make_folder(&self, path: &Path, mode: Mode) -> io::Result<()> {
        let (folder, path) = self.from(path);
        Ok(retry_on_intr(|| rustix::fs::mkdirat(folder, path, mode))?)
    }

    pub(crate) fn set_group(&self, path: &Path, group: Gid) -> io::Result<()> {
        let (folder, path) = self.from(path);
        let set = || rustix::fs::chownat(folder, path, None, Some(group), AtFlags::empty());
        Ok(retry_on_intr(set)?)
    }

    pub(crate) fn set_mode(&self, path: &Path, mode: Mode) -> io::Result<()> {
        let (folder, path) = self.from(path);
        Ok(retry_on_intr(|| rustix::fs::chmodat(folder, path, mode, AtFlags::empty()))?)
    }

    pub(crate) fn stat(&self, path: &Path) -> io::Result<Stat> {
        let (folder, path) = self.from(path);
        Ok(retry_on_intr(|| rustix::fs::statat(folder, path, AtFlags::empty()))?)
    }

    /// Whether the path is a symbolic link, whatever it leads to.
    pub(crate) fn is_symlink(&self, path: &Path) -> bool {
        let (folder, path) = self.from(path);
        let stat = retry_on_intr(|| rustix::fs::statat(folder, path, AtFlags::SYMLINK_NOFOLLOW));
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
        let (folder, path) = self.from(path);
        Ok(retry_on_intr(|| rustix::fs::unlinkat(folder, path, AtFlags::empty()))?)
    }

    pub(crate) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let (folder, path) = self.from(path);
        Ok(retry_on_intr(|| rustix::fs::unlinkat(folder, path, AtFlags::REMOVEDIR))?)
    }

    pub(crate) fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let ((from_folder, from), (to_folder, to)) = (self.from(from), self.from(to));
        let link = || rustix::fs::linkat(from_folder, from, to_folder, to, AtFlags::empty());
        Ok(retry_on_intr(link)?)
    }

    /// Moves a file; an error if the name is taken.
    #[cfg(target_os = "linux")]
    pub(crate) fn rename_no_replace(&self, from: &Path, to: &Path) -> rustix::io::Result<()> {
        use rustix::fs::{RenameFlags, renameat_with};
        let ((from_folder, from), (to_folder, to)) = (self.from(from), self.from(to));
        retry_on_intr(|| renameat_with(from_folder, from, to_folder, to, RenameFlags::NOREPLACE))
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn rename_no_replace(&self, _from: &Path, _to: &Path) -> rustix::io::Result<()> {
        Err(Errno::NOSYS)
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

pub(crate) fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_dir()
}

fn is_same(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}
