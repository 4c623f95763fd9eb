//! Who may use a new file or folder: those who may use the folder that it is made in.
//!
//! A store's folder decides for everything below it, and a process's umask does not. A new folder takes the mode and the
//! group of the folder above; a new file takes the same without the right to execute. So a store in a folder that a group
//! may write works for the whole group, and one in a private folder stays private.
//!
//! A name first appears with no more rights than it gets in the end. Where the process may not give the group, the group
//! that the file has gets what everyone gets.

use crate::places::Places;
use rustix::fs::{Gid, Mode, RawMode, Stat, fchmod, fchown, fstat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::path::Path;
use tidalite_model::{Error, ErrorKind, Result};

/// The rights to read, write and execute, and the bit that passes the group on.
const MODE_BITS: RawMode = 0o2777;

/// The mode and the group of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Access {
    mode: RawMode,
    group: u32,
}

impl Access {
    fn of(stat: &Stat) -> Access {
        Access { mode: stat.st_mode & MODE_BITS, group: stat.st_gid }
    }

    /// What a folder made at `path` gets. Its owner may always use it.
    fn for_folder(places: &Places, path: &Path) -> io::Result<Access> {
        let above = match path.parent() {
            Some(above) if !above.as_os_str().is_empty() => above,
            _ => Path::new("."),
        };
        let above = Access::of(&places.stat(above)?);
        Ok(Access { mode: above.mode | 0o700, ..above })
    }

    /// What a file made at `path` gets.
    fn for_file(places: &Places, path: &Path) -> io::Result<Access> {
        let folder = Access::for_folder(places, path)?;
        Ok(Access { mode: folder.mode & 0o666, ..folder })
    }

    /// Whether members of the group may write, and others may not do the same.
    fn is_shared_by_group(self) -> bool {
        let (group, others) = (self.mode >> 3 & 7, self.mode & 7);
        group & 2 != 0 && group & !others != 0
    }

    /// This without the rights that the group has alone.
    fn without_group(self) -> Access {
        Access { mode: self.mode & (!0o070 | (self.mode & 7) << 3), ..self }
    }

    /// Gives this access by `set_group` and `set_mode` to what has the access `now`.
    fn give(
        mut self,
        now: Access,
        path: &Path,
        set_group: impl Fn(Gid) -> io::Result<()>,
        set_mode: impl Fn(Mode) -> io::Result<()>,
    ) -> Result<()> {
        if now.group != self.group {
            match set_group(Gid::from_raw(self.group)) {
                Ok(()) => {}
                Err(e) if is_refused(&e) && self.is_shared_by_group() => {
                    return Err(Error::new(
                        ErrorKind::Io,
                        "share file",
                        format!(
                            "the store's folder is for group {}, which this process may not give",
                            self.group
                        ),
                        "join the group, or set the setgid bit of the store's folders (chmod g+s)",
                    )
                    .at(path));
                }
                Err(e) if is_refused(&e) => self = self.without_group(),
                Err(e) => return Err(Error::io("set group of file", path, e)),
            }
        }
        if now.mode == self.mode {
            return Ok(());
        }
        match set_mode(Mode::from_raw_mode(self.mode)) {
            // A file system without modes decides in another way who may use its files.
            Err(e) if !is_refused(&e) => Err(Error::io("set mode of file", path, e)),
            _ => Ok(()),
        }
    }
}

fn is_refused(e: &io::Error) -> bool {
    matches!(Errno::from_io_error(e), Some(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL))
}

/// Creates a file, open for reading and writing, with the access of its folder.
///
/// # Errors
/// `AlreadyExists` if the name is taken; `Io` as an outer error if the folder's group cannot be given.
pub(crate) fn create_file(places: &Places, path: &Path) -> io::Result<Result<File>> {
    let access = Access::for_file(places, path)?;
    // Until the file has its group, the group that it has gets what everyone gets.
    let file = places.create_file(path, Mode::from_raw_mode(access.without_group().mode))?;
    let now = Access::of(&fstat(&file)?);
    let given = access.give(
        now,
        path,
        |group| Ok(fchown(&file, None, Some(group))?),
        |mode| Ok(fchmod(&file, mode)?),
    );
    Ok(match given {
        Ok(()) => Ok(file),
        Err(e) => {
            // Best effort: the caller gets the first error.
            let _ = places.remove_file(path);
            Err(e)
        }
    })
}

/// Creates a folder with the access of the folder above.
///
/// # Errors
/// As [`create_file`].
pub(crate) fn create_folder(places: &Places, path: &Path) -> io::Result<Result<()>> {
    let access = Access::for_folder(places, path)?;
    places.make_folder(path, Mode::from_raw_mode(access.without_group().mode))?;
    let folder = match places.open_made_folder(path) {
        // Another process removed it in between, as it may every empty folder.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Ok(())),
        opened => opened?,
    };
    let now = Access::of(&fstat(&folder)?);
    let given = access.give(
        now,
        path,
        |group| Ok(fchown(&folder, None, Some(group))?),
        |mode| Ok(fchmod(&folder, mode)?),
    );
    Ok(match given {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => {
            let _ = places.remove_folder(path);
            Err(e)
        }
        Ok(()) => Ok(()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LockMode, RealVfs, Vfs};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown};

    fn access(path: &Path) -> Access {
        Access::of(&Places::default().stat(path).unwrap())
    }

    #[test]
    fn what_is_made_in_a_folder_takes_its_mode_and_group() {
        for (mode, file, folder) in
            [(0o700, 0o600, 0o700), (0o2770, 0o660, 0o2770), (0o755, 0o644, 0o755), (0o777, 0o666, 0o777)]
        {
            let dir = tempfile::tempdir().unwrap();
            fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
            let path = |name: &str| dir.path().join(name);
            // A process that is not root may only give a group of its own, so the group stays as it is there.
            let _ = chown(dir.path(), None, Some(12_345));
            fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
            let vfs = RealVfs::new();
            vfs.create(&path("file")).unwrap();
            vfs.create_segment(&path("segment"), 4096).unwrap();
            vfs.lock(&path("lock"), LockMode::Exclusive).unwrap().unwrap();
            assert!(vfs.create_dir(&path("folder")).unwrap());
            vfs.create(&path("folder/file")).unwrap();
            let group = access(dir.path()).group;
            for name in ["file", "segment", "lock", "folder/file"] {
                assert_eq!(access(&path(name)), Access { mode: file, group }, "{name} in {mode:o}");
            }
            assert_eq!(access(&path("folder")), Access { mode: folder, group }, "in {mode:o}");
            // Outside of a store, a folder is made as by any other program.
            vfs.create_top_dir(&path("top")).unwrap();
            fs::create_dir(path("usual")).unwrap();
            assert_eq!(access(&path("top")), access(&path("usual")));
        }
    }

    #[test]
    fn a_group_that_cannot_be_given_is_an_error_only_if_it_is_meant_to_write() {
        let refuse = |_: Gid| Err(io::Error::from(Errno::PERM));
        let now = Access { mode: 0o600, group: 7 };
        for (mode, gives) in
            [(0o660, None), (0o664, None), (0o640, Some(0o600)), (0o644, Some(0o644)), (0o666, Some(0o666))]
        {
            let given = std::cell::Cell::new(now.mode);
            let done = Access { mode, group: 8 }.give(now, Path::new("f"), refuse, |mode| {
                given.set(mode.as_raw_mode());
                Ok(())
            });
            assert_eq!(done.ok().map(|()| given.get()), gives, "{mode:o}");
        }
    }
}
