//! A sliding window over one segment file. It reads large pieces and hands out frames.
//!
//! It never reads beyond the *limit* (the committed length of a live segment), so it never holds a byte that the
//! writer had not published when it was read. Memory is one piece, or one frame if that is larger, and never more
//! than the file's length.

use std::sync::Arc;
use tidalite_model::Result;
use tidalite_vfs::ReadFile;

/// Bytes per read.
const PIECE_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct SegmentWindow {
    file: Arc<dyn ReadFile>,
    /// Offset in the file of the first buffered byte.
    start: u64,
    bytes: Vec<u8>,
    limit: u64,
}

impl SegmentWindow {
    /// A window over `file` that does not read beyond `limit`.
    pub(super) fn new(file: Arc<dyn ReadFile>, limit: u64) -> Self {
        SegmentWindow { file, start: 0, bytes: Vec::new(), limit }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    pub(super) fn file(&self) -> &Arc<dyn ReadFile> {
        &self.file
    }

    /// The bytes from `offset` on: at least `want` of them, fewer only if the limit or the file ends earlier.
    #[inline]
    pub(super) fn at(&mut self, offset: u64, want: usize) -> Result<&[u8]> {
        if !self.holds(offset, want) {
            self.fill(offset, want)?;
        }
        let skip = usize::try_from(offset - self.start).map_or(self.bytes.len(), |s| s.min(self.bytes.len()));
        Ok(&self.bytes[skip..])
    }

    #[inline]
    fn holds(&self, offset: u64, want: usize) -> bool {
        offset >= self.start && offset - self.start + want as u64 <= self.bytes.len() as u64
    }

    #[cold]
    fn fill(&mut self, offset: u64, want: usize) -> Result<()> {
        let there = usize::try_from(self.limit.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = want.max(PIECE_BYTES).min(there);
        // Buffered bytes that are still needed move to the front.
        let kept = match offset.checked_sub(self.start).map(usize::try_from) {
            Some(Ok(skip)) if skip <= self.bytes.len() => {
                self.bytes.drain(..skip);
                self.bytes.len()
            }
            _ => {
                self.bytes.clear();
                0
            }
        };
        self.start = offset;
        if kept >= wanted {
            return Ok(());
        }
        if self.bytes.capacity() > 2 * PIECE_BYTES && wanted <= PIECE_BYTES {
            self.bytes.shrink_to(PIECE_BYTES);
        }
        self.bytes.resize(wanted, 0);
        let read = self.file.read_at(offset + kept as u64, &mut self.bytes[kept..]);
        self.bytes.truncate(kept + *read.as_ref().unwrap_or(&0));
        read.map(|_| ())
    }

    /// The first offset from `offset` on, up to the limit, where a byte may not be zero. Nothing is read.
    pub(super) fn skip_hole(&self, offset: u64) -> Result<u64> {
        Ok(self.file.skip_hole(offset)?.min(self.limit).max(offset))
    }

    /// Drops the buffer, so that the file is read again.
    pub(super) fn forget(&mut self) {
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use tidalite_vfs::{SimVfs, Vfs};

    #[test]
    fn a_window_returns_the_file_at_any_offset() {
        let vfs = SimVfs::new(1);
        let content: Vec<u8> = (0..3 * PIECE_BYTES + 17).map(|i| (i % 251) as u8).collect();
        let mut file = vfs.create(Path::new("/f")).unwrap();
        file.write_all(&content).unwrap();
        let end = content.len() as u64;
        let mut window = SegmentWindow::new(vfs.open(Path::new("/f")).unwrap(), end - 1);
        let big = 2 * PIECE_BYTES;
        for (at, want) in [
            (0, 16),
            (8, 3 * PIECE_BYTES),
            (8, big),
            (0, 3 * PIECE_BYTES),
            (PIECE_BYTES, 16),
            (5, 5),
            (big, big),
            (content.len() - 3, 16),
            (0, 0),
        ] {
            let got = window.at(at as u64, want).unwrap();
            assert!(got.len() >= want.min(content.len() - 1 - at), "{at} {want} {}", got.len());
            assert!(got.len() < content.len() - at, "the limit holds");
            assert!(content[at..].starts_with(got));
        }
        assert!(window.at(end + 100, 16).unwrap().is_empty());
        window.set_limit(u64::MAX);
        assert_eq!(window.at(end - 3, 16).unwrap().len(), 3, "the end of the file is a limit too");
    }
}
