//! Looking up paths below a folder without following symbolic links and without leaving the folder.
//!
//! Linux does this in one call since 5.6 (`openat2`). Elsewhere, and where a sandbox forbids that call, the folders of the
//! path are opened one after another.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use std::io;
use std::path::{Component, Path};

/// A folder: one that the caller holds, or one that was opened to look up a name in it.
pub(crate) enum FolderHandle<'a> {
    Held(BorrowedFd<'a>),
    Opened(OwnedFd),
}

impl AsFd for FolderHandle<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            FolderHandle::Held(folder) => *folder,
            FolderHandle::Opened(folder) => folder.as_fd(),
        }
    }
}

/// How a folder is opened only to look up names in it.
#[cfg(target_os = "linux")]
const TO_LOOK_UP: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const TO_LOOK_UP: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens `path`, which is relative to `folder`; the empty path is the folder itself.
///
/// # Errors
/// `InvalidData` if a symbolic link is on the way or at its end, or if the path leads out of the folder.
pub(crate) fn open_beneath(
    folder: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
    mode: Mode,
) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let opened = match open_in_one_call(folder, path, flags, mode) {
        // A kernel before 5.6, or a sandbox that does not know the call.
        Err(Errno::NOSYS | Errno::PERM) => walk(folder, path, flags, mode),
        opened => opened,
    };
    opened.map_err(|e| match e {
        Errno::LOOP | Errno::XDEV => leads_out(),
        other => other.into(),
    })
}

/// The folder that holds the last name of `path`, and that name.
///
/// # Errors
/// As [`open_beneath`].
pub(crate) fn parent_beneath<'a>(
    folder: BorrowedFd<'a>,
    path: &'a Path,
) -> io::Result<(FolderHandle<'a>, &'a Path)> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return match path.as_os_str().is_empty() {
            true => Ok((FolderHandle::Held(folder), Path::new("."))),
            false => Err(leads_out()),
        };
    };
    if parent.as_os_str().is_empty() {
        return Ok((FolderHandle::Held(folder), Path::new(name)));
    }
    let opened = open_beneath(folder, parent, TO_LOOK_UP, Mode::empty())?;
    Ok((FolderHandle::Opened(opened), Path::new(name)))
}

fn leads_out() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "a symbolic link is in its place, or in that of a folder above; none is followed",
    )
}

#[cfg(target_os = "linux")]
fn open_in_one_call(
    folder: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
    mode: Mode,
) -> rustix::io::Result<OwnedFd> {
    use rustix::fs::{ResolveFlags, openat2};
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    loop {
        match retry_on_intr(|| openat2(folder, path, flags, mode, within)) {
            // A folder on the way was moved meanwhile.
            Err(Errno::AGAIN) => {}
            opened => return opened,
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn open_in_one_call(_: BorrowedFd<'_>, _: &Path, _: OFlags, _: Mode) -> rustix::io::Result<OwnedFd> {
    Err(Errno::NOSYS)
}

/// Opens one folder after another.
fn walk(folder: BorrowedFd<'_>, path: &Path, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    let mut handle = FolderHandle::Held(folder);
    let mut names = path.components().peekable();
    while let Some(name) = names.next() {
        let name = match name {
            Component::Normal(name) => name,
            Component::CurDir => ".".as_ref(),
            _ => return Err(Errno::XDEV),
        };
        let (flags, mode) = match names.peek() {
            Some(_) => (TO_LOOK_UP, Mode::empty()),
            None => (flags, mode),
        };
        let open = || rustix::fs::openat(&handle, name, flags | OFlags::NOFOLLOW, mode);
        let opened = match retry_on_intr(open) {
            // A link in the place of a folder is reported as no folder.
            Err(Errno::NOTDIR) if is_link(&handle, name.as_ref()) => return Err(Errno::LOOP),
            opened => opened?,
        };
        if names.peek().is_none() {
            return Ok(opened);
        }
        handle = FolderHandle::Opened(opened);
    }
    Err(Errno::NOENT)
}

fn is_link(folder: &FolderHandle<'_>, name: &Path) -> bool {
    use rustix::fs::{AtFlags, FileType, statat};
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_symlink())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    type Open = fn(BorrowedFd<'_>, &Path, OFlags, Mode) -> rustix::io::Result<OwnedFd>;

    #[test]
    fn links_and_ways_out_are_refused_in_one_call_and_by_walking() {
        let dir = tempfile::tempdir().unwrap();
        let (held, outside) = (dir.path().join("held"), dir.path().join("outside"));
        fs::create_dir_all(held.join("a/b")).unwrap();
        fs::create_dir(&outside).unwrap();
        for file in [held.join("a/b/file"), outside.join("file")] {
            fs::write(file, "text").unwrap();
        }
        symlink(&outside, held.join("link")).unwrap();
        symlink("b", held.join("a/near")).unwrap();
        symlink("file", held.join("a/b/same")).unwrap();
        let folder = File::open(&held).unwrap();
        let ways: [Open; 2] = [open_in_one_call, walk];
        for open in ways {
            let go = |path: &str, flags| {
                open(folder.as_fd(), Path::new(path), flags | OFlags::CLOEXEC, Mode::empty())
            };
            if matches!(go("a", OFlags::RDONLY), Err(Errno::NOSYS | Errno::PERM)) {
                continue;
            }
            go("a/b/file", OFlags::RDONLY).unwrap();
            go(".", OFlags::RDONLY | OFlags::DIRECTORY).unwrap();
            assert_eq!(go("a/c/file", OFlags::RDONLY).unwrap_err(), Errno::NOENT);
            assert_eq!(go("a/b/file/x", OFlags::RDONLY).unwrap_err(), Errno::NOTDIR);
            for path in ["link/file", "link", "a/near/file", "a/b/same"] {
                assert_eq!(go(path, OFlags::RDONLY).unwrap_err(), Errno::LOOP, "{path}");
            }
            assert_eq!(go("a/near", OFlags::RDONLY | OFlags::DIRECTORY).unwrap_err(), Errno::LOOP);
            for path in ["../outside/file", "/etc/hostname"] {
                assert_eq!(go(path, OFlags::RDONLY).unwrap_err(), Errno::XDEV, "{path}");
            }
        }
    }
}
