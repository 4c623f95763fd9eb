//! A segment that is mapped into memory, and the page that a fork wipes: the only `unsafe` of the project.
//!
//! The invariant that carries all of it is stated by the type [`Words`]: a mapping that is readable and writable,
//! page-aligned, lives as long as the value, and whose bytes this process touches in one way only, as relaxed or
//! release operations on aligned `AtomicU64`s. So
//! - no reference to plain bytes of the mapping ever exists, and what the kernel or another process does to them
//!   breaks no promise made to the compiler;
//! - two threads that write to one place at once disturb each other's data, but that is no data race;
//! - no access can leave the mapping, since every one goes through a slice.
//!
//! What the type system cannot rule out is a file that shrinks under its mapping, or a disk without room or with a
//! bad sector for a page that is touched: the kernel then kills the process. Hence the rules kept here and by
//! `real.rs`: blocks are allocated before mapping; the writer alone truncates, after unmapping; readers never map;
//! pages are populated by a call that reports such a failure before the first store to them; and file systems
//! which may need new room for a page once written (copy on write) get positioned writes instead.
//!
//! Called by `real.rs` (segments) and `fork.rs` (the guard).

use crate::segment_bounds::end_inside;
use crate::vfs::SegmentFile;
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tidalite_model::{Error, Result};

/// Pages are brought in this many bytes at a time, so that a page fault is not met on every 64th row.
const POPULATE_BYTES: u64 = 64 * 1024;

/// The kernel rounds this up to a page.
#[cfg(target_os = "linux")]
const WIPED_BYTES: usize = 4096;

/// A mapping seen as 8-byte words. Invariant: see the module text.
#[derive(Debug)]
pub(crate) struct Words {
    map: MmapRaw,
}

impl Words {
    /// Maps the first `bytes` of a file, shared; `bytes` is a multiple of 8 and no more than the file holds.
    fn of_file(file: &File, bytes: usize) -> io::Result<Self> {
        Ok(Words { map: MmapOptions::new().len(bytes).map_raw(file)? })
    }

    /// One page of memory, zero, that the kernel makes zero again in the child of a fork. An error where the kernel
    /// knows no such pages.
    #[cfg(target_os = "linux")]
    pub(crate) fn wiped_on_fork() -> io::Result<Self> {
        let words = Words { map: MmapRaw::from(memmap2::MmapMut::map_anon(WIPED_BYTES)?) };
        // SAFETY: the range is exactly one live mapping, private and anonymous, that this value owns. The advice
        // changes no byte of it in this process; in a child it makes them zero before the child runs, which is a
        // change to atomics (the invariant), so no reference there relies on what they held.
        unsafe {
            rustix::mm::madvise(
                words.map.as_mut_ptr().cast(),
                words.map.len(),
                rustix::mm::Advice::LinuxWipeOnFork,
            )?;
        }
        Ok(words)
    }

    /// No kernel but Linux has such pages.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn wiped_on_fork() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The words of the mapping.
    pub(crate) fn as_slice(&self) -> &[AtomicU64] {
        // SAFETY: the pointer is page-aligned, hence aligned to 8, and non-null; the mapping is readable and
        // writable over `len` bytes, of which the slice takes the whole words; it lives as long as `self`, whose
        // borrow the slice carries. Within this process all accesses to these bytes are made through slices such
        // as this one, so all are atomic and of one size; other processes' writes, of which there are none in the
        // format, would show as atomic stores. `AtomicU64` is valid for every bit pattern.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast::<AtomicU64>(), self.map.len() / 8) }
    }

    /// Copies `bytes` to `offset`; both ends lie inside the mapping (else this panics before any store).
    #[inline]
    fn copy_in(&self, offset: usize, bytes: &[u8]) {
        let shift = offset % 8;
        let head = if shift == 0 { 0 } else { (8 - shift).min(bytes.len()) };
        let (first, rest) = bytes.split_at(head);
        let (whole, last) = rest.as_chunks::<8>();
        let words = &self.as_slice()[offset / 8..(offset + bytes.len()).div_ceil(8)];
        let (head_words, words) = words.split_at(usize::from(head > 0));
        if let [word] = head_words {
            merge(word, shift, first);
        }
        for (word, chunk) in words.iter().zip(whole) {
            word.store(u64::from_ne_bytes(*chunk), Ordering::Relaxed);
        }
        if !last.is_empty() {
            merge(&words[whole.len()], 0, last);
        }
    }

    /// Brings in the pages of a range for writing. `Ok` also where the kernel cannot do that ahead of time.
    #[cfg(target_os = "linux")]
    fn populate(&self, offset: usize, bytes: usize) -> io::Result<()> {
        match self.map.advise_range(memmap2::Advice::PopulateWrite, offset, bytes) {
            // Kernels before 5.14 do not know the advice.
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
            done => done,
        }
    }

    /// No other kernel can do that ahead of time.
    #[cfg(not(target_os = "linux"))]
    fn populate(&self, _offset: usize, _bytes: usize) -> io::Result<()> {
        Ok(())
    }

    /// Hands written pages to the file where the kernel does not do so by itself.
    fn flush(&self) -> io::Result<()> {
        // Linux writes dirty mapped pages as part of fdatasync; elsewhere only msync is promised to.
        if cfg!(target_os = "linux") { Ok(()) } else { self.map.flush() }
    }
}

/// Replaces the bytes of one word from byte `shift` on; the others keep their value.
fn merge(word: &AtomicU64, shift: usize, bytes: &[u8]) {
    let mut value = word.load(Ordering::Relaxed).to_ne_bytes();
    value[shift..shift + bytes.len()].copy_from_slice(bytes);
    word.store(u64::from_ne_bytes(value), Ordering::Relaxed);
}

/// A segment written through a shared mapping: an append is a copy into memory, and the kernel keeps it if the
/// process dies.
#[derive(Debug)]
pub(crate) struct MappedSegment {
    words: Words,
    file: File,
    path: PathBuf,
    capacity: u64,
    /// Bytes below this have had their pages brought in. Only a hint: two threads may bring in the same pages.
    populated: AtomicU64,
}

impl MappedSegment {
    /// Maps a file of exactly `capacity` bytes, a multiple of 8, whose blocks exist. Gives the file back where the
    /// file system cannot map.
    pub(crate) fn new(
        file: File,
        path: &Path,
        capacity: u64,
    ) -> std::result::Result<Self, (File, io::Error)> {
        let Ok(bytes) = usize::try_from(capacity) else {
            return Err((file, io::ErrorKind::OutOfMemory.into()));
        };
        match Words::of_file(&file, bytes) {
            Ok(words) => {
                Ok(Self { words, file, path: path.to_path_buf(), capacity, populated: AtomicU64::new(0) })
            }
            Err(e) => Err((file, e)),
        }
    }

    #[cold]
    fn populate_to(&self, end: u64) -> Result<()> {
        let from = self.populated.load(Ordering::Relaxed);
        let to = end.next_multiple_of(POPULATE_BYTES).min(self.capacity);
        if from < to {
            self.words
                .populate(from as usize, (to - from) as usize)
                .map_err(|e| Error::io("bring in pages of segment", &self.path, e))?;
            self.populated.fetch_max(to, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl SegmentFile for MappedSegment {
    fn capacity(&self) -> u64 {
        self.capacity
    }

    #[inline]
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let end = end_inside(&self.path, offset, bytes.len(), self.capacity)?;
        if end > self.populated.load(Ordering::Relaxed) {
            self.populate_to(end)?;
        }
        // Below the capacity, which was made from a usize.
        self.words.copy_in(offset as usize, bytes);
        Ok(())
    }

    #[inline]
    fn publish(&self, word_offset: u64, value: u64) {
        assert!(
            word_offset.is_multiple_of(8) && word_offset < self.capacity,
            "a published word lies in the file"
        );
        self.words.as_slice()[(word_offset / 8) as usize].store(value.to_le(), Ordering::Release);
    }

    fn sync(&self) -> Result<()> {
        self.words
            .flush()
            .and_then(|()| self.file.sync_data())
            .map_err(|e| Error::io("sync segment", &self.path, e))
    }

    fn truncate(self: Box<Self>, bytes: u64) -> Result<()> {
        end_inside(&self.path, 0, usize::try_from(bytes).unwrap_or(usize::MAX), self.capacity)?;
        let Self { words, file, path, .. } = *self;
        let flushed = words.flush();
        // Unmapped first: a mapped page beyond the end of its file would kill the process when touched.
        drop(words);
        flushed
            .and_then(|()| file.set_len(bytes))
            .and_then(|()| file.sync_data())
            .map_err(|e| Error::io("cut segment to its length", &path, e))
    }

    fn path(&self) -> &Path {
        &self.path
    }
}
