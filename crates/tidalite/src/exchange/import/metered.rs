//! Counts the bytes that an import reads, in total and since the last row.

use super::fault::FilePlace;
use super::fault::ImportFault;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};

/// The longest row of text. Without a limit, a missing quote or line end would load the whole file into memory.
pub(crate) const ROW_BYTES_MAX: u64 = 64 << 20;

/// The most bytes that a reader above reads ahead. They count towards a row that does not contain them.
pub(crate) const READ_AHEAD_BYTES: usize = 256 << 10;

/// A file that counts the bytes read, and fails when a row becomes too long.
pub(crate) struct Metered<'a> {
    pub(crate) file: &'a File,
    /// Bytes read so far.
    pub(crate) bytes_done: &'a Cell<u64>,
    /// Bytes read since the last row ended. The reader above resets it.
    pub(crate) row_bytes: &'a Cell<u64>,
}

impl Read for Metered<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if is_too_long(self.row_bytes.get()) {
            return Err(io::Error::other("a row is too long"));
        }
        let n = self.file.read(buf)?;
        self.bytes_done.set(self.bytes_done.get() + n as u64);
        self.row_bytes.set(self.row_bytes.get() + n as u64);
        Ok(n)
    }
}

/// Whether this many bytes since the last row exceed the longest row plus the read-ahead.
pub(crate) fn is_too_long(row_bytes: u64) -> bool {
    row_bytes > ROW_BYTES_MAX + READ_AHEAD_BYTES as u64
}

pub(crate) fn too_long(place: FilePlace) -> ImportFault {
    let wrong = format!("the row is longer than {} MiB", ROW_BYTES_MAX >> 20);
    ImportFault::wrong(wrong, "close its quotes or end its line; an import holds each row in memory")
        .in_row(place)
}
