//! A disk that counts the bytes that are read from its files: a measure of work that does not depend on the machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidalite::Result;
use tidalite_vfs::{FileSystem, FolderWatch, Lock, LockMode, ReadFile, SegmentFile, Stat, Vfs, WriteFile};
use uuid::Uuid;

/// Another disk, and how much was read from it.
#[derive(Debug)]
pub(crate) struct CountingVfs {
    vfs: Arc<dyn Vfs>,
    read: Arc<AtomicU64>,
}

impl CountingVfs {
    /// Counts what is read from `vfs`.
    pub(crate) fn new(vfs: Arc<dyn Vfs>) -> Self {
        CountingVfs { vfs, read: Arc::default() }
    }

    /// The bytes read since the last call.
    pub(crate) fn take_read(&self) -> u64 {
        self.read.swap(0, Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct CountedFile {
    file: Arc<dyn ReadFile>,
    read: Arc<AtomicU64>,
}

impl ReadFile for CountedFile {
    fn len(&self) -> Result<u64> {
        self.file.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let read = self.file.read_at(offset, buf)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }

    fn skip_hole(&self, offset: u64) -> Result<u64> {
        self.file.skip_hole(offset)
    }

    fn path(&self) -> &Path {
        self.file.path()
    }

    fn is_at(&self, path: &Path) -> Result<bool> {
        self.file.is_at(path)
    }

    fn try_lock_shared(&self) -> Result<bool> {
        self.file.try_lock_shared()
    }

    fn try_lock_exclusive(&self) -> Result<bool> {
        self.file.try_lock_exclusive()
    }

    fn keep_open(&self) -> Result<()> {
        self.file.keep_open()
    }
}

impl Vfs for CountingVfs {
    fn open(&self, path: &Path) -> Result<Arc<dyn ReadFile>> {
        Ok(Arc::new(CountedFile { file: self.vfs.open(path)?, read: self.read.clone() }))
    }

    fn absolute(&self, path: &Path) -> Result<PathBuf> {
        self.vfs.absolute(path)
    }

    fn resolved(&self, path: &Path) -> Result<PathBuf> {
        self.vfs.resolved(path)
    }

    fn hold(&self, folder: &Path) -> Result<Arc<dyn Vfs>> {
        Ok(Arc::new(CountingVfs { vfs: self.vfs.hold(folder)?, read: self.read.clone() }))
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
