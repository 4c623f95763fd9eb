//! The operating system's files, folders and locks.
//!
//! `places.rs` looks up paths, from a held folder where there is one. Segments are mapped (`mapped.rs`) on file systems
//! where that is safe, and written by positioned writes (`positioned.rs`) on all others. A call interrupted by a signal
//! is repeated.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the file system, the clock and the random numbers that others go through"
)]

use crate::access;
#[cfg(target_os = "linux")]
use crate::folder_watch::Inotify;
use crate::locked::Locked;
use crate::mapped::MappedSegment;
use crate::places::{FOLDER_MODE, Places, is_absent, is_folder};
use crate::positioned::PositionedSegment;
use crate::statfs;
use crate::vfs::{FileSystem, FolderWatch, Lock, LockMode, ReadFile, SegmentFile, Stat, Vfs, WriteFile};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tidalite_model::{Error, ErrorKind, Result};
use uuid::{ContextV7, Timestamp, Uuid};

/// Size of the pieces in which zeros are written where one call cannot allocate blocks.
const ZEROS_BYTES: usize = 64 * 1024;

/// How often a lock is retried because its file was replaced in between. The engine never replaces lock files, so
/// this only bounds the loop.
const LOCK_TRIES: u32 = 8;
/// How often creating a folder is retried while others create and remove it.
const CREATE_ATTEMPTS: u32 = 100;

/// The operating system's implementation. See the [crate text](crate) for the rules.
#[derive(Debug, Clone, Default)]
pub struct RealVfs {
    positioned: bool,
    places: Places,
}

impl RealVfs {
    /// Maps segments if the file system makes that safe.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes every segment by positioned writes, not only on network and copy-on-write file systems.
    pub fn positioned() -> Self {
        RealVfs { positioned: true, ..Self::default() }
    }

    fn create_new(&self, path: &Path, doing: &str) -> Result<File> {
        access::create_file(&self.places, path).map_err(|e| {
            if e.kind() == io::ErrorKind::AlreadyExists {
                return Error::new(ErrorKind::Busy, doing, "the name is taken", "use another name").at(path);
            }
            Error::io(doing, path, e)
        })?
    }

    /// Creates a folder by `create`, unless one is there.
    fn create_dir_by(&self, path: &Path, create: impl Fn(&Path) -> io::Result<Result<()>>) -> Result<bool> {
        for _ in 0..CREATE_ATTEMPTS {
            match create(path) {
                Ok(created) => return created.map(|()| true),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => match self.places.stat(path) {
                    Ok(there) if is_folder(&there) => return Ok(false),
                    // It was removed in between.
                    Err(gone) if gone.kind() == io::ErrorKind::NotFound && !self.places.is_symlink(path) => {}
                    _ => {
                        return Err(Error::invalid(
                            "create folder",
                            "a file of this name exists",
                            "move the file away, or give another path",
                        )
                        .at(path));
                    }
                },
                Err(e) => return Err(Error::io("create folder", path, e)),
            }
        }
        let wrong = "other processes keep creating and removing it";
        Err(Error::new(ErrorKind::Busy, "create folder", wrong, "try again").at(path))
    }
}

impl Vfs for RealVfs {
    fn absolute(&self, path: &Path) -> Result<PathBuf> {
        std::path::absolute(path).map_err(|e| Error::io("complete path", path, e))
    }

    fn resolved(&self, path: &Path) -> Result<PathBuf> {
        let (mut there, mut rest) = (path, PathBuf::new());
        loop {
            match (std::fs::canonicalize(there), there.parent(), there.file_name()) {
                (Ok(found), ..) => return Ok(found.join(rest)),
                (Err(e), Some(parent), Some(name)) if e.kind() == io::ErrorKind::NotFound => {
                    rest = Path::new(name).join(rest);
                    there = parent;
                }
                (Err(e), ..) => return Err(Error::io("look up", path, e)),
            }
        }
    }

    fn hold(&self, folder: &Path) -> Result<Arc<dyn Vfs>> {
        let places = self.places.hold(folder).map_err(|e| Error::io("open folder", folder, e))?;
        Ok(Arc::new(RealVfs { places, ..*self }))
    }

    fn create_dir(&self, path: &Path) -> Result<bool> {
        self.create_dir_by(path, |path| access::create_folder(&self.places, path))
    }

    fn create_top_dir(&self, path: &Path) -> Result<bool> {
        self.create_dir_by(path, |path| self.places.make_folder(path, FOLDER_MODE).map(Ok))
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<String>> {
        let mut names = self.places.names(path).map_err(|e| Error::io("list folder", path, e))?;
        names.sort_unstable();
        Ok(names)
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        match self.places.stat(path) {
            Ok(s) => Ok(Some(Stat { is_dir: is_folder(&s), bytes: u64::try_from(s.st_size).unwrap_or(0) })),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(Error::io("look up", path, e)),
        }
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn ReadFile>> {
        let file =
            self.places.open_file(path, OFlags::RDONLY).map_err(|e| Error::io("open file", path, e))?;
        let (places, path) = (self.places.clone(), path.to_path_buf());
        Ok(Arc::new(RealReadFile { locked: Locked::new(), file, places, path }))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        let file = self.create_new(path, "create file")?;
        Ok(Box::new(RealWriteFile { file, path: path.to_path_buf(), bytes: 0 }))
    }

    fn create_segment(&self, path: &Path, bytes: u64) -> Result<Box<dyn SegmentFile>> {
        if bytes == 0 || !bytes.is_multiple_of(8) {
            return Err(Error::invalid(
                "create segment",
                format!("{bytes} bytes were requested"),
                "give a multiple of 8 above 0",
            )
            .at(path));
        }
        let file = self.create_new(path, "create segment")?;
        let map = allocate(&file, bytes)
            .and_then(|()| if self.positioned { Ok(false) } else { statfs::may_map(&file) })
            .map_err(|e| {
                // Best effort: the caller gets the first error.
                let _ = self.places.remove_file(path);
                Error::io(format!("allocate {bytes} bytes for segment"), path, e)
            })?;
        if !map {
            return Ok(Box::new(PositionedSegment::new(file, path, bytes)));
        }
        match MappedSegment::new(file, path, bytes) {
            Ok(segment) => Ok(Box::new(segment)),
            // The file system cannot map, or there is no address space. Positioned writes need neither.
            Err((file, _)) => Ok(Box::new(PositionedSegment::new(file, path, bytes))),
        }
    }

    fn link(&self, from: &Path, to: &Path) -> Result<bool> {
        match self.places.link(from, to) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                self.places.is_same_file(from, to).map_err(|e| Error::io("look up", to, e))
            }
            Err(e) => match Errno::from_io_error(&e) {
                // The errors of file systems without links, or with no links left.
                Some(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {
                    rename_no_replace(&self.places, from, to)
                }
                _ => Err(Error::io(format!("link {} to its name", from.display()), to, e)),
            },
        }
    }

    fn remove(&self, path: &Path) -> Result<()> {
        match self.places.remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove file", path, e)),
            _ => Ok(()),
        }
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        match self.places.remove_folder(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove folder", path, e)),
            _ => Ok(()),
        }
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        let failed = |e| Error::io("sync folder", path, e);
        match self.places.open(path, OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed)?.sync_all() {
            // Some file systems cannot sync a folder. Nothing better is possible there.
            Err(e) if matches!(Errno::from_io_error(&e), Some(Errno::INVAL | Errno::OPNOTSUPP)) => Ok(()),
            done => done.map_err(failed),
        }
    }

    fn lock(&self, path: &Path, mode: LockMode) -> Result<Option<Box<dyn Lock>>> {
        let flags = match mode {
            LockMode::Shared => OFlags::RDONLY,
            LockMode::Exclusive => OFlags::RDWR,
        };
        for _ in 0..LOCK_TRIES {
            let file = match self.places.open_file(path, flags) {
                Err(e) if e.kind() == io::ErrorKind::NotFound && mode == LockMode::Exclusive => {
                    match access::create_file(&self.places, path) {
                        // Another process created it in between.
                        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                        created => created.map_err(|e| Error::io("create lock file", path, e))??,
                    }
                }
                opened => opened.map_err(|e| Error::io("open lock file", path, e))?,
            };
            let locked = Locked::new();
            if !locked.acquire(&file, path, mode)? {
                return Ok(None);
            }
            let lock = RealLock { locked, file, places: self.places.clone(), path: path.to_path_buf() };
            // Another process may have removed the file between open and lock. A lock on it would exclude nobody.
            if lock.is_linked()? {
                return Ok(Some(Box::new(lock)));
            }
        }
        Ok(None)
    }

    fn file_system(&self, path: &Path) -> Result<FileSystem> {
        let failed = |e| Error::io("look up file system", path, e);
        let file = self.places.open(path, OFlags::RDONLY).map_err(failed)?;
        statfs::file_system(&file).map_err(failed)
    }

    #[cfg(target_os = "linux")]
    fn watch(&self, folders: &[&Path]) -> Option<Box<dyn FolderWatch>> {
        let open = |folder: &&Path| self.places.open(folder, OFlags::RDONLY | OFlags::DIRECTORY).ok();
        let opened: Vec<File> = folders.iter().map(open).collect::<Option<_>>()?;
        let is_local = |path: &&Path| self.file_system(path).is_ok_and(|found| !found.network);
        let watch = folders.iter().all(is_local).then(|| Inotify::new(&opened))?;
        Some(Box::new(watch?))
    }

    fn now_us(&self) -> i64 {
        let us = |d: std::time::Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => us(after),
            Err(e) => -us(e.duration()),
        }
    }

    fn host(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }

    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn machine(&self) -> String {
        // Containers may have one kernel, and machines one name for their first namespace of processes.
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        let namespace = std::fs::read_link("/proc/self/ns/pid");
        match (boot, namespace) {
            (Ok(boot), Ok(namespace)) => format!("{} {}", boot.trim(), namespace.display()),
            _ => String::new(),
        }
    }

    fn is_stopped(&self, pid: u32) -> bool {
        // The state follows the name, which is in parentheses and may hold others.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        matches!(state, Some('T' | 't'))
    }

    fn uuid(&self) -> Uuid {
        uuid_at(self.now_us())
    }
}

/// A new identifier. A UUID of version 7 begins with the time since 1970, so earlier times count as 1970.
/// (`Uuid::now_v7` panics there.) The identifiers of a process ascend, also while the clock stands still.
fn uuid_at(now_us: i64) -> Uuid {
    static CONTEXT: Mutex<ContextV7> = Mutex::new(ContextV7::new());
    let now_us = now_us.max(0).unsigned_abs();
    let (seconds, nanos) = (now_us / 1_000_000, (now_us % 1_000_000) * 1000);
    let nanos = u32::try_from(nanos).unwrap_or(0);
    let context = CONTEXT.lock().unwrap_or_else(PoisonError::into_inner);
    Uuid::new_v7(Timestamp::from_unix(&*context, seconds, nanos))
}

/// Whether a file may become so long. The kernel would otherwise kill a process that goes beyond its limit (SIGXFSZ).
fn check_file_limit(bytes: u64) -> io::Result<()> {
    match rustix::process::getrlimit(rustix::process::Resource::Fsize).current {
        Some(limit) if bytes > limit => Err(Errno::FBIG.into()),
        _ => Ok(()),
    }
}

/// Fills a new file with `bytes` zeros and allocates disk space for each.
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    check_file_limit(bytes)?;
    #[cfg(target_os = "linux")]
    loop {
        match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => break,
            Err(e) => return Err(e.into()),
        }
    }
    write_zeros(file, bytes)
}

fn write_zeros(file: &File, bytes: u64) -> io::Result<()> {
    let zeros = [0; ZEROS_BYTES];
    let mut at = 0;
    while at < bytes {
        let piece = usize::try_from(bytes - at).map_or(ZEROS_BYTES, |left| left.min(ZEROS_BYTES));
        file.write_all_at(&zeros[..piece], at)?;
        at += piece as u64;
    }
    Ok(())
}

/// Moves the file, on file systems without links.
fn rename_no_replace(places: &Places, from: &Path, to: &Path) -> Result<bool> {
    let Err(e) = places.rename_no_replace(from, to) else { return Ok(true) };
    match Errno::from_io_error(&e) {
        Some(Errno::EXIST) => Ok(false),
        Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Err(Error::new(
            ErrorKind::Unsupported,
            "publish file",
            "the file system has neither hard links nor renaming without replacing",
            "put the store on another file system",
        )
        .at(to)),
        _ => Err(Error::io("publish file", to, e)),
    }
}

#[derive(Debug)]
struct RealLock {
    locked: Locked,
    file: File,
    places: Places,
    path: PathBuf,
}

impl Lock for RealLock {
    fn path(&self) -> &Path {
        &self.path
    }

    fn is_linked(&self) -> Result<bool> {
        self.places.is_linked(&self.file, &self.path).map_err(|e| Error::io("look up", &self.path, e))
    }

    fn write(&self, text: &[u8]) -> Result<()> {
        if std::process::id() != self.locked.pid {
            return Ok(());
        }
        let limit = check_file_limit(text.len() as u64);
        let written =
            limit.and_then(|()| self.file.set_len(0)).and_then(|()| self.file.write_all_at(text, 0));
        written.map_err(|e| Error::io("write lock file", &self.path, e))
    }
}

impl Drop for RealLock {
    fn drop(&mut self) {
        self.locked.release(&self.file);
    }
}

#[derive(Debug)]
struct RealReadFile {
    locked: Locked,
    file: File,
    places: Places,
    path: PathBuf,
}

impl ReadFile for RealReadFile {
    fn len(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(|e| Error::io("look up length of file", &self.path, e))?.len())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.file.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io("read file", &self.path, e).at_offset(offset)),
            }
        }
        Ok(done)
    }

    #[cfg(target_os = "linux")]
    fn skip_hole(&self, offset: u64) -> Result<u64> {
        // Elsewhere, holes have been reported where data was written and not yet on the disk.
        if !statfs::may_map(&self.file).unwrap_or(false) {
            return Ok(offset);
        }
        match rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Data(offset)) {
            Ok(data) => Ok(data),
            // Only a hole follows, or nothing.
            Err(Errno::NXIO) => Ok(self.len()?.max(offset)),
            Err(_) => Ok(offset),
        }
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn is_at(&self, path: &Path) -> Result<bool> {
        self.places.is_linked(&self.file, path).map_err(|e| Error::io("look up", path, e))
    }

    fn try_lock_shared(&self) -> Result<bool> {
        self.locked.acquire(&self.file, &self.path, LockMode::Shared)
    }

    fn try_lock_exclusive(&self) -> Result<bool> {
        self.locked.acquire(&self.file, &self.path, LockMode::Exclusive)
    }
}

impl Drop for RealReadFile {
    fn drop(&mut self) {
        self.locked.release(&self.file);
    }
}

#[derive(Debug)]
struct RealWriteFile {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl WriteFile for RealWriteFile {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        check_file_limit(self.bytes + bytes.len() as u64)
            .and_then(|()| self.file.write_all(bytes))
            .map_err(|e| Error::io("write file", &self.path, e).at_offset(self.bytes))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(|e| Error::io("sync file", &self.path, e))
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::uuid_at;

    #[test]
    fn identifiers_of_a_clock_before_1970_are_made_and_ascend() {
        for now_us in [i64::MIN, -86_400_000_000, -1, 0, 1] {
            let ids: Vec<_> = (0..100).map(|_| uuid_at(now_us)).collect();
            assert!(ids.is_sorted_by(|a, b| a < b) && ids[0].get_version_num() == 7, "{now_us}");
        }
    }
}
