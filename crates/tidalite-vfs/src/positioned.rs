//! A segment written by positioned writes, for file systems on which a shared mapping is unsafe: network and
//! copy-on-write file systems, and any that cannot map.
//!
//! It is slower than a mapping (one system call per write) but guarantees the same: when a write returns, the kernel
//! has the data, and the death of the process loses nothing. A failed publish is kept, and every later write or sync
//! returns it.

use crate::segment_bounds::end_inside;
use crate::vfs::SegmentFile;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tidalite_model::{Error, Result};

#[derive(Debug)]
pub(crate) struct PositionedSegment {
    file: File,
    path: PathBuf,
    capacity: u64,
    failed: OnceLock<Error>,
}

impl PositionedSegment {
    /// Takes a file of exactly `capacity` bytes.
    pub(crate) fn new(file: File, path: &Path, capacity: u64) -> Self {
        Self { file, path: path.to_path_buf(), capacity, failed: OnceLock::new() }
    }

    fn check(&self) -> Result<()> {
        self.failed.get().map_or(Ok(()), |e| Err(e.duplicate()))
    }
}

impl SegmentFile for PositionedSegment {
    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        end_inside(&self.path, offset, bytes.len(), self.capacity)?;
        self.check()?;
        self.file
            .write_all_at(bytes, offset)
            .map_err(|e| Error::io("write to segment", &self.path, e).at_offset(offset))
    }

    fn publish(&self, word_offset: u64, value: u64) {
        assert!(
            word_offset.is_multiple_of(8) && word_offset < self.capacity,
            "a published word is inside the file"
        );
        if let Err(e) = self.file.write_all_at(&value.to_le_bytes(), word_offset) {
            // Only the first failure is kept. Later ones follow from it.
            let _ =
                self.failed.set(Error::io("publish length of segment", &self.path, e).at_offset(word_offset));
        }
    }

    fn sync(&self) -> Result<()> {
        self.check()?;
        self.file.sync_data().map_err(|e| Error::io("sync segment", &self.path, e))
    }

    fn truncate(self: Box<Self>, bytes: u64) -> Result<()> {
        end_inside(&self.path, 0, usize::try_from(bytes).unwrap_or(usize::MAX), self.capacity)?;
        self.check()?;
        self.file
            .set_len(bytes)
            .and_then(|()| self.file.sync_data())
            .map_err(|e| Error::io("cut segment to its length", &self.path, e))
    }

    fn path(&self) -> &Path {
        &self.path
    }
}
