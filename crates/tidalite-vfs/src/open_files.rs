//! A bound on the descriptors of files that are open for reading.
//!
//! A file is opened at once, so that its absence is noticed. Its descriptor is closed when there are too many, the least
//! recently used first, and the file is opened again when it is next read. This is safe since no name ever refers to
//! another file ([rule 2](crate)), and as long as the name is not removed: whoever may read a file after that says so by
//! [`ReadFile::keep_open`]. A locked file stays open too, because its lock belongs to the descriptor. Such files count,
//! but are never closed early.
//!
//! Invariant: after each opening, no more descriptors are open than allowed, apart from those that must stay open and those
//! that are being read from.

use crate::fork::PerProcess;
use crate::vfs::{FileSystem, FolderWatch, Lock, LockMode, ReadFile, SegmentFile, Stat, Vfs, WriteFile};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};
use tidalite_model::Result;
use uuid::Uuid;

/// A disk of which at most `most` files are open for reading at a time. All disks of a process for which nothing else is
/// asked share one limit: a quarter of the files that the process may have open, at least 16 and at most 1,024. Folders,
/// locks and files that are written do not count.
pub fn limit_open_files(vfs: Arc<dyn Vfs>, most: Option<usize>) -> Arc<dyn Vfs> {
    let files = match most {
        Some(most) => OpenFiles::new(most.max(1)),
        None => SHARED.get().get_or_init(|| OpenFiles::new(shared_limit())).clone(),
    };
    Arc::new(LimitedVfs { vfs, files })
}

/// The open files of all disks without a limit of their own.
static SHARED: PerProcess<OnceLock<Arc<OpenFiles>>> = PerProcess::new();

const SHARED_MIN: usize = 16;
const SHARED_MAX: usize = 1024;

fn shared_limit() -> usize {
    let quarter =
        rustix::process::getrlimit(rustix::process::Resource::Nofile).current.map(|limit| limit / 4);
    quarter
        .and_then(|files| usize::try_from(files).ok())
        .map_or(SHARED_MAX, |files| files.clamp(SHARED_MIN, SHARED_MAX))
}

#[derive(Debug)]
struct LimitedVfs {
    vfs: Arc<dyn Vfs>,
    files: Arc<OpenFiles>,
}

/// The files that are open.
#[derive(Debug)]
struct OpenFiles {
    most: usize,
    open: Mutex<OpenSlots>,
}

#[derive(Debug, Default)]
struct OpenSlots {
    /// In the order of opening; those that were used since their last turn go to the end.
    slots: VecDeque<Weak<FileSlot>>,
    /// How many have a descriptor.
    count: usize,
}

/// The descriptor of a file, while there is one.
#[derive(Debug)]
struct FileSlot {
    file: RwLock<Option<Arc<dyn ReadFile>>>,
    /// It was read since its last turn.
    is_used: AtomicBool,
    /// It must stay open.
    is_kept: AtomicBool,
}

#[derive(Debug)]
struct LimitedFile {
    vfs: Arc<dyn Vfs>,
    files: Arc<OpenFiles>,
    path: PathBuf,
    slot: Arc<FileSlot>,
}

impl OpenFiles {
    fn new(most: usize) -> Arc<OpenFiles> {
        Arc::new(OpenFiles { most, open: Mutex::default() })
    }

    fn open(&self) -> MutexGuard<'_, OpenSlots> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a file that was opened, and closes others where there are too many.
    fn admit(&self, slot: &Arc<FileSlot>) {
        let mut open = self.open();
        open.count += 1;
        open.slots.push_back(Arc::downgrade(slot));
        // Each file gets two turns: the first one takes its mark of use.
        let mut turns = 2 * open.slots.len();
        while open.count > self.most && turns > 0 {
            turns -= 1;
            let Some(first) = open.slots.pop_front() else { break };
            let Some(other) = first.upgrade() else { continue };
            if Arc::ptr_eq(&other, slot) || !other.may_close() {
                open.slots.push_back(first);
            } else if other.close() {
                open.count -= 1;
            }
        }
        if open.slots.len() > 2 * open.count + 64 {
            open.slots.retain(|slot| slot.strong_count() > 0);
        }
    }
}

impl FileSlot {
    fn may_close(&self) -> bool {
        !self.is_kept.load(Ordering::Acquire) && !self.is_used.swap(false, Ordering::Relaxed)
    }

    /// Closes the descriptor. `false` if there is none.
    fn close(&self) -> bool {
        self.file.write().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }
}

impl LimitedFile {
    /// The file, opened again if it was closed.
    fn file(&self) -> Result<Arc<dyn ReadFile>> {
        if !self.slot.is_used.load(Ordering::Relaxed) {
            self.slot.is_used.store(true, Ordering::Relaxed);
        }
        if let Some(file) = &*self.slot.file.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(file.clone());
        }
        let mut held = self.slot.file.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*held {
            return Ok(file.clone());
        }
        let file = self.vfs.open(&self.path)?;
        *held = Some(file.clone());
        // Whoever closes files holds the list of them and waits for a slot, so not both may be held here.
        drop(held);
        self.files.admit(&self.slot);
        Ok(file)
    }
}

impl Drop for LimitedFile {
    fn drop(&mut self) {
        if self.slot.close() {
            self.files.open().count -= 1;
        }
    }
}

impl ReadFile for LimitedFile {
    fn len(&self) -> Result<u64> {
        self.file()?.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.file()?.read_at(offset, buf)
    }

    fn skip_hole(&self, offset: u64) -> Result<u64> {
        self.file()?.skip_hole(offset)
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn is_at(&self, path: &Path) -> Result<bool> {
        self.file()?.is_at(path)
    }

    fn try_lock_shared(&self) -> Result<bool> {
        self.slot.is_kept.store(true, Ordering::Release);
        self.file()?.try_lock_shared()
    }

    fn try_lock_exclusive(&self) -> Result<bool> {
        self.slot.is_kept.store(true, Ordering::Release);
        self.file()?.try_lock_exclusive()
    }

    fn keep_open(&self) -> Result<()> {
        self.slot.is_kept.store(true, Ordering::Release);
        self.file().map(drop)
    }
}

impl Vfs for LimitedVfs {
    fn open(&self, path: &Path) -> Result<Arc<dyn ReadFile>> {
        let file = RwLock::new(Some(self.vfs.open(path)?));
        let slot =
            Arc::new(FileSlot { file, is_used: AtomicBool::new(true), is_kept: AtomicBool::new(false) });
        self.files.admit(&slot);
        let (vfs, files, path) = (self.vfs.clone(), self.files.clone(), path.to_path_buf());
        Ok(Arc::new(LimitedFile { vfs, files, path, slot }))
    }

    fn absolute(&self, path: &Path) -> Result<PathBuf> {
        self.vfs.absolute(path)
    }

    fn resolved(&self, path: &Path) -> Result<PathBuf> {
        self.vfs.resolved(path)
    }

    fn hold(&self, folder: &Path) -> Result<Arc<dyn Vfs>> {
        self.vfs.hold(folder)
    }

    fn create_dir(&self, path: &Path) -> Result<bool> {
        self.vfs.create_dir(path)
    }

    fn create_top_dir(&self, path: &Path) -> Result<bool> {
        self.vfs.create_top_dir(path)
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<String>> {
        self.vfs.read_dir(path)
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        self.vfs.stat(path)
    }

    fn create(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        self.vfs.create(path)
    }

    fn create_segment(&self, path: &Path, bytes: u64) -> Result<Box<dyn SegmentFile>> {
        self.vfs.create_segment(path, bytes)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<bool> {
        self.vfs.link(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.vfs.remove(path)
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        self.vfs.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.vfs.sync_dir(path)
    }

    fn lock(&self, path: &Path, mode: LockMode) -> Result<Option<Box<dyn Lock>>> {
        self.vfs.lock(path, mode)
    }

    fn file_system(&self, path: &Path) -> Result<FileSystem> {
        self.vfs.file_system(path)
    }

    fn watch(&self, folders: &[&Path]) -> Option<Box<dyn FolderWatch>> {
        self.vfs.watch(folders)
    }

    fn now_us(&self) -> i64 {
        self.vfs.now_us()
    }

    fn uuid(&self) -> Uuid {
        self.vfs.uuid()
    }

    fn host(&self) -> String {
        self.vfs.host()
    }

    fn machine(&self) -> String {
        self.vfs.machine()
    }

    fn is_stopped(&self, pid: u32) -> bool {
        self.vfs.is_stopped(pid)
    }

    fn pid(&self) -> u32 {
        self.vfs.pid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RealVfs;
    use tidalite_model::ErrorKind;

    /// How many files below a folder this process has open.
    #[cfg(target_os = "linux")]
    fn open_below(folder: &Path) -> usize {
        let links = std::fs::read_dir("/proc/self/fd").unwrap();
        let targets = links.filter_map(|link| std::fs::read_link(link.unwrap().path()).ok());
        targets.filter(|target| target.starts_with(folder) && target != folder).count()
    }

    fn files(dir: &Path, count: usize) -> Vec<PathBuf> {
        let paths: Vec<PathBuf> = (0..count).map(|i| dir.join(i.to_string())).collect();
        paths.iter().for_each(|path| std::fs::write(path, path.to_str().unwrap()).unwrap());
        paths
    }

    fn reads(file: &dyn ReadFile) -> bool {
        let mut found = vec![0; file.path().to_str().unwrap().len()];
        file.read_exact_at(0, &mut found).unwrap();
        found == file.path().to_str().unwrap().as_bytes()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn every_file_can_be_read_and_no_more_are_open_than_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let paths = files(&dir, 100);
        let vfs = limit_open_files(Arc::new(RealVfs::new()), Some(7));
        let mut open: Vec<_> = paths.iter().map(|path| vfs.open(path).unwrap()).collect();
        for round in 0..3 {
            for file in &open {
                assert!(reads(&**file));
                assert!(open_below(&dir) <= 7, "{} files in round {round}", open_below(&dir));
            }
        }
        std::thread::scope(|s| {
            for part in 0..4 {
                let open = &open;
                s.spawn(move || open.iter().skip(part).step_by(3).cycle().take(500).all(|f| reads(&**f)));
            }
        });
        assert!(open_below(&dir) <= 7);
        open.truncate(3);
        assert!(open.iter().all(|file| reads(&**file)));
        // Files that are opened and closed again leave nothing behind.
        paths.iter().cycle().take(1000).for_each(|path| drop(vfs.open(path).unwrap()));
        drop(open);
        assert_eq!(open_below(&dir), 0);
    }

    #[test]
    fn a_file_that_is_locked_or_must_stay_open_is_not_closed() {
        let dir = tempfile::tempdir().unwrap();
        let paths = files(dir.path(), 30);
        let vfs = limit_open_files(Arc::new(RealVfs::new()), Some(2));
        let locked = vfs.open(&paths[0]).unwrap();
        assert!(locked.try_lock_shared().unwrap());
        let kept = vfs.open(&paths[1]).unwrap();
        kept.keep_open().unwrap();
        let closed = vfs.open(&paths[2]).unwrap();
        let others: Vec<_> = paths[3..].iter().map(|path| vfs.open(path).unwrap()).collect();
        assert!(others.iter().all(|file| reads(&**file)));
        let rival = RealVfs::new().open(&paths[0]).unwrap();
        assert!(!rival.try_lock_exclusive().unwrap(), "the lock is held still");
        paths[..3].iter().for_each(|path| std::fs::remove_file(path).unwrap());
        assert!(reads(&*locked) && reads(&*kept));
        assert_eq!(closed.len().unwrap_err().kind(), ErrorKind::NotFound);
        drop(locked);
        assert!(rival.try_lock_exclusive().unwrap());
        assert_eq!(vfs.open(&paths[0]).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn disks_without_a_limit_of_their_own_share_one() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let paths = files(&dir, 2 * SHARED_MAX / 10);
        let disks: Vec<_> = (0..10).map(|_| limit_open_files(Arc::new(RealVfs::new()), None)).collect();
        let open: Vec<_> =
            disks.iter().flat_map(|disk| paths.iter().map(|path| disk.open(path).unwrap())).collect();
        assert!(open.iter().all(|file| reads(&**file)));
        assert!(open_below(&dir) <= shared_limit() && open.len() > shared_limit());
    }
}
