//! The traits: what the engine may ask of a disk, and what it may rely on.
//!
//! `real.rs` (the operating system) and `sim/` (a disk in memory that can crash) implement them. A store completes its
//! path once ([`Vfs::absolute`]) and holds its folder ([`Vfs::hold`]). All errors are [`tidalite_model::Error`], and a
//! method names the kinds that matter to a caller. Calls interrupted by a signal are repeated, and short writes are
//! completed, inside.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidalite_model::{Error, Result};
use uuid::Uuid;

/// A disk, a clock and a source of identifiers. See the [crate text](crate) for the rules.
pub trait Vfs: Debug + Send + Sync + 'static {
    /// The path from the root on. Later changes of the current folder do not affect it. Symbolic links and `..` are kept.
    fn absolute(&self, path: &Path) -> Result<PathBuf>;

    /// Where an absolute path leads, with the links in it followed as far as it exists.
    fn resolved(&self, path: &Path) -> Result<PathBuf>;

    /// This disk, with the folder at a path held: that path and every path below it mean this folder, even if it is
    /// moved or another folder takes its name. Once it is deleted, nothing is found or created there: kind `NotFound`.
    fn hold(&self, folder: &Path) -> Result<Arc<dyn Vfs>>;

    /// Creates one folder, whose parent must exist. `false` if the folder already exists. Does not sync the parent. The
    /// folder takes the mode and group of its parent, whatever the process's umask.
    fn create_dir(&self, path: &Path) -> Result<bool>;

    /// As [`create_dir`](Self::create_dir), for a folder that begins a store, or is above one: the process's umask decides
    /// on its mode.
    fn create_top_dir(&self, path: &Path) -> Result<bool>;

    /// The names in a folder, ascending. Names that are not UTF-8 are skipped.
    fn read_dir(&self, path: &Path) -> Result<Vec<String>>;

    /// What is at a path. `None` if nothing is there.
    fn stat(&self, path: &Path) -> Result<Option<Stat>>;

    /// Opens a file for reading. Kind `NotFound` if it does not exist.
    fn open(&self, path: &Path) -> Result<Arc<dyn ReadFile>>;

    /// Creates a new, empty file. Kind `Busy` if the name is taken. Like a segment and a lock file, it takes the mode and
    /// group of its folder, without the right to execute.
    fn create(&self, path: &Path) -> Result<Box<dyn WriteFile>>;

    /// Creates a new file of exactly `bytes` zeros, a multiple of 8. Its disk space is allocated now, so that later
    /// writes into it cannot fail on a full disk. Kind `Busy` if the name is taken, `Full` if there is not enough
    /// space. A failed call leaves no file. Nothing is synced.
    fn create_segment(&self, path: &Path, bytes: u64) -> Result<Box<dyn SegmentFile>>;

    /// Gives the file at `from` the second name `to`. `false` if `to` exists and is another file. If `to` already is
    /// this file, as after a lost reply of a network file system, the result is `true`. On file systems without links
    /// the file is moved instead, so `from` may be gone afterwards.
    fn link(&self, from: &Path, to: &Path) -> Result<bool>;

    /// Removes a file's name. Ok if it does not exist.
    fn remove(&self, path: &Path) -> Result<()>;

    /// Removes an empty folder. Ok if it does not exist, an error if it is not empty.
    fn remove_dir(&self, path: &Path) -> Result<()>;

    /// Makes the current names in a folder durable.
    fn sync_dir(&self, path: &Path) -> Result<()>;

    /// Tries to lock a file, without waiting. `None` if another descriptor, of any process, holds a conflicting lock.
    /// `Exclusive` creates a missing file. `Shared` opens it read-only, kind `NotFound` if it is missing. Kind
    /// `Unsupported` on file systems without locks.
    fn lock(&self, path: &Path, mode: LockMode) -> Result<Option<Box<dyn Lock>>>;

    /// The kind of file system that contains a path, which must exist.
    fn file_system(&self, path: &Path) -> Result<FileSystem>;

    /// Watches the names in some folders. `None` where that is impossible or would miss what other machines do; then they
    /// have to be listed.
    fn watch(&self, folders: &[&Path]) -> Option<Box<dyn FolderWatch>>;

    /// Wall-clock time in microseconds since 1970-01-01T00:00:00 UTC. May jump, also backwards.
    fn now_us(&self) -> i64;

    /// A new identifier, UUID version 7.
    fn uuid(&self) -> Uuid;

    /// The name of this machine. Empty if it has none.
    fn host(&self) -> String;

    /// The number of this process on this machine.
    fn pid(&self) -> u32;

    /// Where [`pid`](Self::pid) means this process: equal texts mean that processes have the same numbers for each other.
    /// Empty if that cannot be known.
    fn machine(&self) -> String;

    /// Whether the process with this number on this machine is stopped, as by SIGSTOP. `false` if that cannot be known.
    fn is_stopped(&self, pid: u32) -> bool;
}

/// A file open for reading. Reads return what any process has written so far, synced or not.
pub trait ReadFile: Debug + Send + Sync {
    /// The current length in bytes.
    fn len(&self) -> Result<u64>;

    /// Whether the current length is zero.
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads into `buf` from byte `offset` on and returns the number of bytes read, which is less than the buffer's
    /// length only at the end of the file.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize>;

    /// Fills `buf` from byte `offset` on. Kind `Corrupt` if the file ends before that.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let read = self.read_at(offset, buf)?;
        if read == buf.len() {
            return Ok(());
        }
        Err(Error::corrupt(
            "read file",
            self.path(),
            offset,
            format!("the file ends after {read} of the {} bytes expected here", buf.len()),
        ))
    }

    /// The first byte from `offset` on that may be other than zero, as far as the file system says without reading. All before
    /// it are zeros. `offset` where it does not say, and the length of the file where only zeros follow.
    fn skip_hole(&self, offset: u64) -> Result<u64> {
        Ok(offset)
    }

    /// The path with which it was opened.
    fn path(&self) -> &Path;

    /// Whether that path still refers to this file.
    fn is_linked(&self) -> Result<bool> {
        self.is_at(self.path())
    }

    /// Whether a path refers to this file.
    fn is_at(&self, path: &Path) -> Result<bool>;

    /// Tries to take a shared lock on the file through this descriptor. Dropping this value releases it.
    fn try_lock_shared(&self) -> Result<bool>;

    /// Tries to take an exclusive lock on the file through this descriptor. Dropping this value releases it. A shared
    /// lock of this descriptor is converted; if that fails, it may be lost.
    fn try_lock_exclusive(&self) -> Result<bool>;

    /// Says that the file is read even after its name was removed, so that it must not be closed and opened again.
    fn keep_open(&self) -> Result<()> {
        Ok(())
    }
}

/// A new file that is written once, from its start to its end.
pub trait WriteFile: Debug + Send {
    /// Appends all of `bytes`. After an error the file contains some prefix of them.
    fn write_all(&mut self, bytes: &[u8]) -> Result<()>;

    /// Makes the bytes durable, but not the file's name. Must not be repeated after a failure.
    fn sync(&mut self) -> Result<()>;

    /// The number of bytes written.
    fn bytes(&self) -> u64;

    /// The path with which it was created.
    fn path(&self) -> &Path;
}

/// A writer's open segment: a file of fixed capacity whose blocks are allocated. Offsets are checked. Any thread may
/// call. Callers must not write to one place at the same time, or the data is mixed; memory safety does not depend on
/// it.
pub trait SegmentFile: Debug + Send + Sync {
    /// The length in bytes. Offsets at or above it cannot be written.
    fn capacity(&self) -> u64;

    /// Writes `bytes` at `offset`. Other processes may read them from now on. Kind `Invalid` if they do not fit below
    /// the capacity.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Stores `value`, little-endian, at `word_offset`. Readers see the store atomically and after everything this
    /// thread wrote before. If it fails, the next [`write_at`](Self::write_at) or [`sync`](Self::sync) returns the
    /// error.
    ///
    /// # Panics
    /// If `word_offset` is not a multiple of 8 or is outside the capacity.
    fn publish(&self, word_offset: u64, value: u64);

    /// Makes the written bytes durable, but not the file's name. Must not be repeated after a failure.
    fn sync(&self) -> Result<()>;

    /// Whether writes still reach the file. The kernel kills a process that stores to a mapped page which it cannot write: so
    /// this is asked before each sync, after which the kernel asks the file system again for each page.
    ///
    /// # Errors
    /// `Io` if the file was made immutable or shorter, or its file system is read-only by now.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Tells that nothing more is written: what the file holds in this process's memory may go.
    fn release(&self) {}

    /// Ends writing: truncates the file to `bytes`, at most the capacity, and makes that durable.
    fn truncate(self: Box<Self>, bytes: u64) -> Result<()>;

    /// The path with which it was created.
    fn path(&self) -> &Path;
}

/// A lock, held until this value is dropped or the process ends.
pub trait Lock: Debug + Send + Sync {
    /// The locked file.
    fn path(&self) -> &Path;

    /// Whether that path still refers to the locked file.
    fn is_linked(&self) -> Result<bool>;

    /// Makes `text` the content of the locked file, which others may read. Needs an exclusive lock. Does nothing in a forked
    /// child. Syncs nothing.
    fn write(&self, text: &[u8]) -> Result<()>;
}

/// Folders that are watched.
pub trait FolderWatch: Debug + Send + Sync {
    /// Whether a name appeared in one of the folders or went since the last call, or one of them was moved or deleted.
    /// Everything that happened before the call is noticed. Something else may be, too.
    fn has_changed(&self) -> bool;
}

/// Which other holders a lock excludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Exclusive holders.
    Shared,
    /// All other holders.
    Exclusive,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Whether it is a folder.
    pub is_dir: bool,
    /// The length of a file in bytes. Meaningless for a folder.
    pub bytes: u64,
}

/// The file system of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Its name, such as `ext4`, or `0x…` (its magic number) if the name is unknown.
    pub name: String,
    /// Whether other machines may write to it, so that shared mappings and locks guarantee less.
    pub network: bool,
    /// Bytes free for this user.
    pub free_bytes: u64,
    /// Whether it is mounted read-only.
    pub read_only: bool,
}
