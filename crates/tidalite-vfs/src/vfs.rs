//! The traits: what the engine may ask of a disk, and what it may rely on.
//!
//! Implemented by `real.rs` (the operating system) and `sim/` (a disk in memory that can crash). Every path is
//! given whole; nothing here keeps a current folder. All errors are [`tidalite_model::Error`]; a call that can
//! fail says for which reason a caller would care. Calls interrupted by a signal are repeated, and short writes
//! are completed, inside.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use tidalite_model::{Error, Result};
use uuid::Uuid;

/// A disk, a clock and a source of identifiers. See the [crate text](crate) for the rules.
pub trait Vfs: Debug + Send + Sync + 'static {
    /// Makes one folder, whose parent must exist; `false` where it was there, as a folder, before. Does not sync
    /// the parent.
    fn create_dir(&self, path: &Path) -> Result<bool>;

    /// The names in a folder, ascending; names that are not UTF-8 are left out.
    fn read_dir(&self, path: &Path) -> Result<Vec<String>>;

    /// What is at a path; `None` where nothing is.
    fn stat(&self, path: &Path) -> Result<Option<Stat>>;

    /// Opens a file for reading. Kind `NotFound` where it is absent.
    fn open(&self, path: &Path) -> Result<Arc<dyn ReadFile>>;

    /// Makes a new, empty file. Kind `Busy` where the name is taken.
    fn create(&self, path: &Path) -> Result<Box<dyn WriteFile>>;

    /// Makes a new file of exactly `bytes` zeros, a multiple of 8, that take their room on the disk now, so that
    /// writing into it later cannot meet a full disk. Kind `Busy` where the name is taken, `Full` where there is no
    /// room; a failed call leaves no file. Nothing is synced.
    fn create_segment(&self, path: &Path, bytes: u64) -> Result<Box<dyn SegmentFile>>;

    /// Gives the file at `from` the second name `to`; `false` where `to` exists and is another file (where it
    /// already is this very file, as after a reply that a network file system lost, the answer is `true`). On file
    /// systems without links the file moves instead, so that `from` may be gone afterwards.
    fn link(&self, from: &Path, to: &Path) -> Result<bool>;

    /// Removes a file's name; Ok where it is absent already.
    fn remove(&self, path: &Path) -> Result<()>;

    /// Removes an empty folder; Ok where it is absent already, an error where it is not empty.
    fn remove_dir(&self, path: &Path) -> Result<()>;

    /// Makes the names in a folder durable, as they are now.
    fn sync_dir(&self, path: &Path) -> Result<()>;

    /// Tries to lock a file and never waits; `None` where another descriptor, of any process, holds a lock that
    /// excludes this one. `Exclusive` makes the file where it is absent; `Shared` opens it read-only, kind
    /// `NotFound` where it is absent. Kind `Unsupported` on file systems without locks.
    fn lock(&self, path: &Path, mode: LockMode) -> Result<Option<Box<dyn Lock>>>;

    /// What kind of file system holds a path, which must exist.
    fn file_system(&self, path: &Path) -> Result<FileSystem>;

    /// Wall-clock time in microseconds since 1970-01-01T00:00:00 UTC. May jump, and may go back.
    fn now_us(&self) -> i64;

    /// A fresh identifier, UUID version 7.
    fn uuid(&self) -> Uuid;
}

/// A file that is open for reading. Reads see what any process has written so far, synced or not.
pub trait ReadFile: Debug + Send + Sync {
    /// The length in bytes, now.
    fn len(&self) -> Result<u64>;

    /// Whether the length is zero, now.
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads into `buf` from byte `offset` on and says how many bytes came; fewer than `buf` holds only at the end
    /// of the file.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize>;

    /// Fills `buf` from byte `offset` on. Kind `Corrupt` where the file ends before that.
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

    /// The path by which it was opened.
    fn path(&self) -> &Path;

    /// Whether that path still names this very file, and not a later one or none.
    fn is_linked(&self) -> Result<bool>;

    /// Tries to lock the file, shared, through this descriptor; released when this is dropped.
    fn try_lock_shared(&self) -> Result<bool>;

    /// Tries to lock the file, exclusively, through this descriptor; released when this is dropped. A shared lock
    /// of this descriptor becomes the exclusive one; where that fails, it may be lost.
    fn try_lock_exclusive(&self) -> Result<bool>;
}

/// A new file that is written once, from its start to its end.
pub trait WriteFile: Debug + Send {
    /// Appends all of `bytes`. After an error the file holds some prefix of them.
    fn write_all(&mut self, bytes: &[u8]) -> Result<()>;

    /// Makes the bytes durable; not the file's name. Not to be repeated after a failure.
    fn sync(&mut self) -> Result<()>;

    /// How many bytes were written.
    fn bytes(&self) -> u64;

    /// The path by which it was made.
    fn path(&self) -> &Path;
}

/// A writer's own open segment: a file of fixed capacity whose blocks exist already. Positions are checked. Any
/// thread may call; that only one at a time writes to one place is the caller's order, not a matter of safety.
pub trait SegmentFile: Debug + Send + Sync {
    /// The length in bytes; no position at or above it may be written.
    fn capacity(&self) -> u64;

    /// Writes `bytes` at `offset`; other processes may read them from now on. Kind `Invalid` where they do not fit
    /// below the capacity.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Stores `value`, little-endian, at `word_offset`, as one step for every reader and after everything this
    /// thread wrote before. Where that fails, the next [`write_at`](Self::write_at) or [`sync`](Self::sync) says so.
    ///
    /// # Panics
    /// Where `word_offset` is no multiple of 8 or lies outside the capacity.
    fn publish(&self, word_offset: u64, value: u64);

    /// Makes what is written durable; not the file's name. Not to be repeated after a failure.
    fn sync(&self) -> Result<()>;

    /// Ends writing: cuts the file to `bytes`, at most the capacity, and makes that durable.
    fn truncate(self: Box<Self>, bytes: u64) -> Result<()>;

    /// The path by which it was made.
    fn path(&self) -> &Path;
}

/// A lock, held until this is dropped or the process ends.
pub trait Lock: Debug + Send + Sync {
    /// The locked file.
    fn path(&self) -> &Path;
}

/// Whom a lock keeps out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Only exclusive holders.
    Shared,
    /// Everyone else.
    Exclusive,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Whether it is a folder.
    pub is_dir: bool,
    /// The length of a file in bytes; of no meaning for a folder.
    pub bytes: u64,
}

/// What kind of file system a path is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Its name, such as `ext4`; `0x…` (the system's magic number) where the name is not known.
    pub name: String,
    /// Whether other machines may write to it, so that shared mappings and locks promise less.
    pub network: bool,
    /// Bytes free for this user.
    pub free_bytes: u64,
    /// Whether it is mounted read-only.
    pub read_only: bool,
}
