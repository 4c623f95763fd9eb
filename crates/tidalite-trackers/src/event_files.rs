//! The frames of an event file: `TFRecord`s, as TensorFlow's `record_writer.h` lays them out.
//!
//! A frame is the length of its payload (8 bytes, little endian), a checksum of the length, the payload, and a checksum of the
//! payload. Checksums are CRC32C, rotated and shifted ("masked"). A frame that ends beyond the end of the file is not written yet.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use tidalite::{Error, ErrorKind, Result};

/// The bytes before a payload, and those after it.
const HEAD_BYTES: u64 = 12;
const TAIL_BYTES: u64 = 4;
/// A larger payload is passed by: it holds pictures, and no number.
pub(crate) const PAYLOAD_BYTES_MAX: u64 = 64 << 20;
/// What is read of a file at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// A file from some byte on.
pub(crate) struct EventFileReader<'a> {
    path: &'a Path,
    file: File,
    /// The size when it was opened. What is written later is read next time.
    size: u64,
    /// Where the next frame begins.
    at: u64,
    /// Bytes of the file from `at` on.
    buffer: Vec<u8>,
    used: usize,
}

/// What is at the next place of a file.
pub(crate) enum NextFrame<'a> {
    Payload(&'a [u8]),
    /// A payload that was passed by, since it is too large.
    Large,
    /// The last frame is not whole, or there is none.
    End,
}

impl EventFileReader<'_> {
    /// Opens a file to read from a byte on.
    pub(crate) fn open(path: &Path, at: u64) -> Result<EventFileReader<'_>> {
        let failed = |e| Error::io("import", path, e);
        let mut file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        file.seek(SeekFrom::Start(at)).map_err(failed)?;
        Ok(EventFileReader { path, file, size, at, buffer: Vec::new(), used: 0 })
    }

    /// Where the next frame begins.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// # Errors
    /// `Corrupt` where a checksum is wrong; `Io`.
    pub(crate) fn next(&mut self) -> Result<NextFrame<'_>> {
        let left = self.size.saturating_sub(self.at);
        if left < HEAD_BYTES || !self.fill(HEAD_BYTES)? {
            return Ok(NextFrame::End);
        }
        let head = &self.buffer[self.used..][..HEAD_BYTES as usize];
        let length = u64::from_le_bytes(head[..8].try_into().expect("8 bytes"));
        if masked_crc(&head[..8]).to_le_bytes() != head[8..] {
            return Err(self.damaged("the checksum of a frame's length is wrong"));
        }
        let Some(frame) = length.checked_add(HEAD_BYTES + TAIL_BYTES).filter(|frame| *frame <= left) else {
            return Ok(NextFrame::End);
        };
        if length > PAYLOAD_BYTES_MAX {
            self.skip(frame)?;
            return Ok(NextFrame::Large);
        }
        if !self.fill(frame)? {
            return Ok(NextFrame::End);
        }
        let start = self.used + HEAD_BYTES as usize;
        let end = start + length as usize;
        let crc = &self.buffer[end..end + TAIL_BYTES as usize];
        if masked_crc(&self.buffer[start..end]).to_le_bytes() != crc {
            return Err(self.damaged("the checksum of a frame is wrong"));
        }
        (self.used, self.at) = (end + TAIL_BYTES as usize, self.at + frame);
        Ok(NextFrame::Payload(&self.buffer[start..end]))
    }

    /// The error about damage at the next frame.
    pub(crate) fn damaged(&self, wrong: &str) -> Error {
        damaged_at(self.path, self.at, wrong)
    }

    /// Makes so many bytes from `at` on available. False if the file has become shorter.
    fn fill(&mut self, bytes: u64) -> Result<bool> {
        let wanted = usize::try_from(bytes).unwrap_or(usize::MAX);
        if self.buffer.len() - self.used >= wanted {
            return Ok(true);
        }
        self.buffer.drain(..self.used);
        self.used = 0;
        let mut more = wanted.max(BUFFER_BYTES) - self.buffer.len();
        let left = self.size.saturating_sub(self.at) - self.buffer.len() as u64;
        more = more.min(usize::try_from(left).unwrap_or(usize::MAX));
        let start = self.buffer.len();
        self.buffer.resize(start + more, 0);
        let mut filled = start;
        while filled < self.buffer.len() {
            match self.file.read(&mut self.buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io("import", self.path, e)),
            }
        }
        self.buffer.truncate(filled);
        Ok(filled >= wanted)
    }

    /// Goes on behind a frame.
    fn skip(&mut self, frame: u64) -> Result<()> {
        self.at += frame;
        self.buffer.clear();
        self.used = 0;
        let to = SeekFrom::Start(self.at);
        self.file.seek(to).map(|_| ()).map_err(|e| Error::io("import", self.path, e))
    }
}

/// The error about damage at a place of a file.
pub(crate) fn damaged_at(path: &Path, at: u64, wrong: &str) -> Error {
    let remedy =
        "copy the file anew from where it was written, or move it away; all other files were imported";
    Error::new(ErrorKind::Corrupt, "import", wrong, remedy).at(path).at_offset(at)
}

/// The checksum of TensorFlow's `crc32c.h`.
pub(crate) fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The checksum of the first bytes of a file, at most 4 KiB: it tells a file that grew from one that was written anew.
pub(crate) fn fingerprint(path: &Path, size: u64) -> Result<u32> {
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(size.min(4096)).read_to_end(&mut head))
        .map_err(|e| Error::io("import", path, e))?;
    Ok(crc32c::crc32c(&head))
}
