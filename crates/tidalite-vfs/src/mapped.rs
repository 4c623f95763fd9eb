//! A segment that is mapped into memory, and the page that a fork wipes. All `unsafe` code of the crates, but for one
//! call in `heap.rs`.
//!
//! It all rests on the invariant of [`Words`]: the mapping is readable, writable and page-aligned, it lives as long
//! as the value, and this process accesses its bytes only as relaxed or release operations on aligned `AtomicU64`s.
//! Therefore:
//! - No reference to plain bytes of the mapping exists, so changes by the kernel or another process violate no
//!   guarantee given to the compiler.
//! - Two threads that write to the same place mix their data, but that is not a data race.
//! - No access leaves the mapping, since every access goes through a slice.
//!
//! The type system cannot exclude a file that shrinks under its mapping, a full disk, or a bad sector for a page that is
//! accessed. The kernel then kills the process. Hence these rules, here and in `real.rs`: blocks are allocated before
//! mapping. Only the writer truncates, after unmapping. Readers never map. Pages are populated, by a call that reports
//! such failures, before the first store to them. Before each sync the file is looked up: whether it was made immutable
//! or shorter, or its file system read-only. File systems that may need new space to rewrite a page (copy on write) get
//! positioned writes instead.

use crate::segment_bounds::end_inside;
use crate::vfs::SegmentFile;
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tidalite_model::{Error, ErrorKind, Result};

/// Pages are populated this many bytes at a time, so that rows do not cause page faults.
const POPULATE_BYTES: u64 = 64 * 1024;

/// Written pages are released this many bytes at a time: a log should not count as memory of the process that writes it.
/// The bounds of such a range are bounds of pages, whose size is at most 64 KiB.
const RELEASE_BYTES: u64 = 1024 * 1024;

/// The kernel rounds this up to a page.
#[cfg(target_os = "linux")]
const WIPED_BYTES: usize = 4096;

/// A mapping as 8-byte words. Invariant: see the module text.
#[derive(Debug)]
pub(crate) struct Words {
    map: MmapRaw,
}

impl Words {
    /// Maps the first `bytes` of a file, shared. `bytes` is a multiple of 8 and at most the file's length.
    fn of_file(file: &File, bytes: usize) -> io::Result<Self> {
        Ok(Words { map: MmapOptions::new().len(bytes).map_raw(file)? })
    }

    /// One zeroed page of memory that the kernel zeroes again in a forked child. An error if the kernel does not
    /// support such pages.
    #[cfg(target_os = "linux")]
    pub(crate) fn wiped_on_fork() -> io::Result<Self> {
        let words = Words { map: MmapRaw::from(memmap2::MmapMut::map_anon(WIPED_BYTES)?) };
        // SAFETY: the range is exactly one live, private, anonymous mapping, which this value owns. The advice
        // changes no byte in this process. In a child it zeroes the bytes before the child runs. By the invariant
        // they are accessed only as atomics, so no reference relies on their old values.
        unsafe {
            rustix::mm::madvise(
                words.map.as_mut_ptr().cast(),
                words.map.len(),
                rustix::mm::Advice::LinuxWipeOnFork,
            )?;
        }
        Ok(words)
    }

    /// Only Linux has such pages.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn wiped_on_fork() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The words of the mapping.
    pub(crate) fn as_slice(&self) -> &[AtomicU64] {
        // SAFETY: the pointer is non-null and page-aligned, hence aligned to 8. The mapping is readable and writable
        // over `len` bytes, and the slice covers whole words of it. The mapping lives as long as `self`, whose borrow
        // the slice carries. By the invariant, this process accesses these bytes only through such slices, so all
        // accesses are atomic and of one size. Another process's write would act as an atomic store, and the format
        // has none. `AtomicU64` is valid for every bit pattern.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast::<AtomicU64>(), self.map.len() / 8) }
    }

    /// Copies `bytes` to `offset`. Panics before any store if they do not fit the mapping.
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

    /// Populates the pages of a range for writing. Also `Ok` if the kernel cannot populate ahead of time.
    #[cfg(target_os = "linux")]
    fn populate(&self, offset: usize, bytes: usize) -> io::Result<()> {
        match self.map.advise_range(memmap2::Advice::PopulateWrite, offset, bytes) {
            // Kernels before 5.14 do not support this advice.
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
            done => done,
        }
    }

    /// Only Linux can populate ahead of time.
    #[cfg(not(target_os = "linux"))]
    fn populate(&self, _offset: usize, _bytes: usize) -> io::Result<()> {
        Ok(())
    }

    /// Takes the pages of a range out of this process's memory; the file keeps them. A page that is accessed again comes
    /// back as it was.
    #[cfg(target_os = "linux")]
    fn release(&self, offset: usize, bytes: usize) -> io::Result<()> {
        // SAFETY: the mapping is shared and backed by a file, so the kernel keeps the stored bytes in the file's pages,
        // and a later access of the range finds them there: no byte changes. By the invariant there are only atomic
        // accesses, which may come at the same time. `advise_range` refuses a range outside of the mapping.
        unsafe { self.map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, offset, bytes) }
    }

    /// Elsewhere the kernel decides alone.
    #[cfg(not(target_os = "linux"))]
    fn release(&self, _offset: usize, _bytes: usize) -> io::Result<()> {
        Ok(())
    }

    /// Hands written pages to the file, where the kernel does not do so itself.
    fn flush(&self) -> io::Result<()> {
        // Linux writes dirty mapped pages as part of fdatasync. Elsewhere only msync guarantees it.
        if cfg!(target_os = "linux") { Ok(()) } else { self.map.flush() }
    }
}

/// Replaces the bytes of one word from byte `shift` on, and keeps the others.
fn merge(word: &AtomicU64, shift: usize, bytes: &[u8]) {
    let mut value = word.load(Ordering::Relaxed).to_ne_bytes();
    value[shift..shift + bytes.len()].copy_from_slice(bytes);
    word.store(u64::from_ne_bytes(value), Ordering::Relaxed);
}

/// A segment written through a shared mapping. An append is a copy into memory, which the kernel keeps if the process
/// dies.
#[derive(Debug)]
pub(crate) struct MappedSegment {
    words: Words,
    file: File,
    path: PathBuf,
    capacity: u64,
    /// Pages below this offset are populated. Only a hint: two threads may populate the same pages.
    populated: AtomicU64,
    /// Pages below this offset are released, except for the first [`POPULATE_BYTES`]: the published words lie there.
    released: AtomicU64,
}

impl MappedSegment {
    /// Maps a file of exactly `capacity` bytes, a multiple of 8, whose blocks are allocated. Returns the file with
    /// the error if it cannot be mapped.
    pub(crate) fn new(
        file: File,
        path: &Path,
        capacity: u64,
    ) -> std::result::Result<Self, (File, io::Error)> {
        let Ok(bytes) = usize::try_from(capacity) else {
            return Err((file, io::ErrorKind::OutOfMemory.into()));
        };
        match Words::of_file(&file, bytes) {
            Ok(words) => Ok(Self {
                words,
                file,
                path: path.to_path_buf(),
                capacity,
                populated: AtomicU64::new(0),
                released: AtomicU64::new(POPULATE_BYTES),
            }),
            Err(e) => Err((file, e)),
        }
    }

    /// Prepares the pages of a write from `offset` to `end`, and releases those before it.
    #[cold]
    fn populate_to(&self, offset: u64, end: u64) -> Result<()> {
        self.release_before(offset);
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

    /// Releases the pages that end before `offset`, if they are many. Writes go forward, so they are not needed again.
    fn release_before(&self, offset: u64) {
        let from = self.released.load(Ordering::Relaxed);
        let to = offset / RELEASE_BYTES * RELEASE_BYTES;
        if from < to {
            self.released.fetch_max(to, Ordering::Relaxed);
            // On failure the pages stay in memory, which harms no data.
            let _ = self.words.release(from as usize, (to - from) as usize);
        }
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
            self.populate_to(offset, end)?;
        }
        // The offset is below the capacity, which fits a usize.
        self.words.copy_in(offset as usize, bytes);
        Ok(())
    }

    #[inline]
    fn publish(&self, word_offset: u64, value: u64) {
        assert!(
            word_offset.is_multiple_of(8) && word_offset < self.capacity,
            "a published word is inside the file"
        );
        self.words.as_slice()[(word_offset / 8) as usize].store(value.to_le(), Ordering::Release);
    }

    fn sync(&self) -> Result<()> {
        self.words
            .flush()
            .and_then(|()| self.file.sync_data())
            .map_err(|e| Error::io("sync segment", &self.path, e))
    }

    #[cfg(target_os = "linux")]
    fn check(&self) -> Result<()> {
        use rustix::fs::{AtFlags, StatVfsMountFlags, StatxAttributes, StatxFlags};
        let failed = |e: rustix::io::Errno| Error::io("look up segment", &self.path, e.into());
        let unwritable = |what: &str| {
            let remedy = "undo that, then reopen the store; what was accepted can be read";
            Err(Error::new(ErrorKind::Io, "write to segment", what, remedy).at(&self.path))
        };
        match rustix::fs::statx(&self.file, "", AtFlags::EMPTY_PATH, StatxFlags::SIZE) {
            Ok(found) if found.stx_attributes.contains(StatxAttributes::IMMUTABLE) => {
                return unwritable("the file was made immutable (`chattr +i`)");
            }
            Ok(found) if found.stx_size < self.capacity => {
                return unwritable("the file was made shorter by another program");
            }
            Ok(_) => {}
            // Without this call nothing is known.
            Err(rustix::io::Errno::NOSYS) => return Ok(()),
            Err(e) => return Err(failed(e)),
        }
        let mount = rustix::fs::fstatvfs(&self.file).map_err(failed)?.f_flag;
        match mount.contains(StatVfsMountFlags::RDONLY) {
            true => unwritable("the file system is read-only by now"),
            false => Ok(()),
        }
    }

    fn release(&self) {
        // On failure the pages stay in memory, which harms no data.
        let _ = self.words.release(0, self.words.as_slice().len() * 8);
    }

    fn truncate(self: Box<Self>, bytes: u64) -> Result<()> {
        end_inside(&self.path, 0, usize::try_from(bytes).unwrap_or(usize::MAX), self.capacity)?;
        let Self { words, file, path, .. } = *self;
        let flushed = words.flush();
        // Unmap first: accessing a mapped page beyond the end of its file kills the process.
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

/// Over memory without a file behind it, which Miri can map as well.
#[cfg(test)]
mod word_tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn in_memory(bytes: usize) -> Words {
        Words { map: MmapRaw::from(memmap2::MmapMut::map_anon(bytes).unwrap()) }
    }

    /// What a file behind the words would hold.
    fn contents(words: &Words) -> Vec<u8> {
        words.as_slice().iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes()).collect()
    }

    #[test]
    fn bytes_are_copied_to_any_place_and_those_around_them_stay() {
        const BYTES: usize = 24;
        for offset in 0..BYTES {
            for len in 0..=BYTES - offset {
                let words = in_memory(BYTES);
                words.copy_in(0, &[9; BYTES]);
                let copied: Vec<u8> = (100..).take(len).collect();
                words.copy_in(offset, &copied);
                let mut expected = vec![9; BYTES];
                expected[offset..offset + len].copy_from_slice(&copied);
                assert_eq!(contents(&words), expected, "{len} bytes at {offset}");
            }
        }
    }

    #[test]
    fn bytes_that_do_not_fit_change_nothing() {
        let words = in_memory(24);
        for (offset, len) in [(24, 1), (17, 8), (0, 25), (23, 2), (1000, 3)] {
            let copied = catch_unwind(AssertUnwindSafe(|| words.copy_in(offset, &vec![1; len])));
            assert!(copied.is_err(), "{len} bytes at {offset}");
            assert_eq!(contents(&words), [0; 24]);
        }
    }

    /// Two threads write to one word, and a third one reads it. That mixes their bytes, and is no data race.
    #[test]
    fn threads_that_write_and_read_one_place_mix_their_bytes_and_nothing_else() {
        let words = in_memory(64);
        std::thread::scope(|threads| {
            for byte in [1, 2] {
                threads.spawn({
                    let words = &words;
                    move || (0..20).for_each(|_| words.copy_in(3, &[byte; 13]))
                });
            }
            threads.spawn(|| {
                for _ in 0..20 {
                    assert!(contents(&words).iter().all(|byte| *byte <= 2));
                }
            });
        });
        let after = contents(&words);
        assert!(after[3..16].iter().all(|byte| [1, 2].contains(byte)), "{after:?}");
        assert!(after[..3].iter().chain(&after[16..]).all(|byte| *byte == 0), "{after:?}");
    }
}

#[cfg(all(test, target_os = "linux"))]
#[expect(clippy::disallowed_methods, reason = "the test looks at the file behind the segment")]
mod tests {
    use super::*;

    /// KiB of a mapped file that count as memory of this process.
    fn resident_kib(path: &Path) -> Option<u64> {
        let maps = std::fs::read_to_string("/proc/self/smaps").ok()?;
        let mut lines = maps.lines().skip_while(|line| !line.ends_with(&path.display().to_string()));
        lines.find_map(|line| line.strip_prefix("Rss:"))?.split_whitespace().next()?.parse().ok()
    }

    #[test]
    fn a_segment_that_another_program_made_shorter_is_found_without_touching_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segment");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        file.set_len(8192).unwrap();
        let segment = MappedSegment::new(file, &path, 8192).unwrap();
        segment.check().unwrap();
        File::options().write(true).open(&path).unwrap().set_len(4096).unwrap();
        let e = segment.check().unwrap_err();
        assert!(e.to_string().contains("made shorter by another program"), "{e}");
    }

    #[test]
    fn written_pages_leave_the_memory_of_the_process_and_stay_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segment");
        let bytes: Vec<u8> = (0..32 << 20).map(|i: u32| (i >> 7) as u8).collect();
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
        let segment = MappedSegment::new(file, &path, bytes.len() as u64).unwrap();
        for (i, piece) in bytes.chunks(1000).enumerate() {
            segment.write_at(1000 * i as u64, piece).unwrap();
            segment.publish(16, u64::from_le_bytes(bytes[16..24].try_into().unwrap()));
        }
        let resident = resident_kib(&path).unwrap();
        assert!(resident <= 2 * RELEASE_BYTES / 1024, "{resident} KiB of 32 MiB");
        segment.release();
        assert_eq!(resident_kib(&path), Some(0));
        // A late write to a released page brings it back.
        segment.write_at(5 << 20, &[7; 3]).unwrap();
        assert!(std::fs::read(&path).unwrap()[..5 << 20] == bytes[..5 << 20]);
        Box::new(segment).truncate(31 << 20).unwrap();
        let mut expected = bytes[..31 << 20].to_vec();
        expected[5 << 20..][..3].fill(7);
        assert!(std::fs::read(&path).unwrap() == expected);
    }
}
