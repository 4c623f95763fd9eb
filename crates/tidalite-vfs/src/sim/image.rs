//! The bytes of a simulated file, as copy-on-write pages, and sets of byte ranges.
//!
//! Crash tests copy disks hundreds of thousands of times, so a copy must be cheap. A page that was never written is
//! not stored and reads as zeros.

use std::ops::Range;
use std::sync::Arc;

/// Also the page size of the simulated page cache: a later write to a page makes all of its dropped bytes dirty
/// again.
pub(super) const PAGE_BYTES: u64 = 4096;
const PAGE: usize = 4096;

type Page = Option<Arc<[u8; PAGE]>>;

/// Bytes with a length. Invariant: every byte at or beyond `len` is zero, so growing exposes zeros.
#[derive(Debug, Clone, Default)]
pub(super) struct Image {
    pages: Arc<Vec<Page>>,
    len: u64,
}

impl Image {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Reads from `offset` on. Returns fewer bytes at the end.
    pub(super) fn read_at(&self, offset: u64, buf: &mut [u8]) -> usize {
        let wanted = clip(offset, buf.len(), self.len);
        pieces(wanted.clone(), |page, within, done| {
            let out = &mut buf[done..done + within.len()];
            match &self.pages[page] {
                Some(bytes) => out.copy_from_slice(&bytes[within]),
                None => out.fill(0),
            }
        });
        index(wanted.end - wanted.start)
    }

    /// Writes at `offset`, and grows the file if it ends before.
    pub(super) fn write_at(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        if end > self.len {
            self.set_len(end);
        }
        let pages = Arc::make_mut(&mut self.pages);
        pieces(offset..end, |page, within, done| {
            let from = &bytes[done..done + within.len()];
            Arc::make_mut(pages[page].get_or_insert_with(|| Arc::new([0; PAGE])))[within]
                .copy_from_slice(from);
        });
    }

    /// Zeros the part of `range` that is inside the file.
    pub(super) fn zero(&mut self, range: Range<u64>) {
        let range = range.start.min(self.len)..range.end.min(self.len);
        let pages = Arc::make_mut(&mut self.pages);
        pieces(range, |page, within, _| {
            if within.len() == PAGE {
                pages[page] = None;
            } else if let Some(bytes) = &mut pages[page] {
                Arc::make_mut(bytes)[within].fill(0);
            }
        });
    }

    /// Copies the part of `range` that is inside both files.
    pub(super) fn copy(&mut self, from: &Image, range: Range<u64>) {
        let end = range.end.min(self.len).min(from.len);
        let range = range.start.min(end)..end;
        let pages = Arc::make_mut(&mut self.pages);
        pieces(range, |page, within, _| match (&from.pages[page], &mut pages[page]) {
            (source, target) if within.len() == PAGE => target.clone_from(source),
            (Some(source), target) => {
                Arc::make_mut(target.get_or_insert_with(|| Arc::new([0; PAGE])))[within.clone()]
                    .copy_from_slice(&source[within]);
            }
            (None, Some(target)) => Arc::make_mut(target)[within].fill(0),
            (None, None) => {}
        });
    }

    /// Truncates the file, or grows it with zeros.
    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.zero(len..self.len.min(len.next_multiple_of(PAGE_BYTES)));
        }
        let pages = index(len.div_ceil(PAGE_BYTES));
        if pages != self.pages.len() {
            Arc::make_mut(&mut self.pages).resize(pages, None);
        }
        self.len = len;
    }
}

fn index(n: u64) -> usize {
    usize::try_from(n).expect("a simulated file fits in memory")
}

fn clip(offset: u64, bytes: usize, len: u64) -> Range<u64> {
    let start = offset.min(len);
    start..start.saturating_add(bytes as u64).min(len)
}

/// Splits a range at page boundaries: page, range within it, bytes before it in the range.
fn pieces(range: Range<u64>, mut each: impl FnMut(usize, Range<usize>, usize)) {
    let mut at = range.start;
    while at < range.end {
        let page = at / PAGE_BYTES;
        let end = range.end.min((page + 1) * PAGE_BYTES);
        let base = page * PAGE_BYTES;
        each(index(page), index(at - base)..index(end - base), index(at - range.start));
        at = end;
    }
}

/// A set of byte positions. Invariant: the ranges are ascending, not empty, and do not overlap or touch.
#[derive(Debug, Clone, Default)]
pub(super) struct Ranges(Vec<Range<u64>>);

impl Ranges {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Range<u64>> {
        self.0.iter()
    }

    pub(super) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.0.partition_point(|r| r.end < range.start);
        let last = self.0.partition_point(|r| r.start <= range.end);
        if first == last {
            self.0.insert(first, range);
            return;
        }
        let start = range.start.min(self.0[first].start);
        let end = range.end.max(self.0[last - 1].end);
        self.0[first] = start..end;
        self.0.drain(first + 1..last);
    }

    /// Removes what is inside `range`, and returns it.
    pub(super) fn take(&mut self, range: Range<u64>) -> Ranges {
        let (mut taken, mut left) = (Ranges::default(), Ranges::default());
        for r in self.0.drain(..) {
            taken.insert(r.start.max(range.start)..r.end.min(range.end));
            left.insert(r.start..r.end.min(range.start));
            left.insert(r.start.max(range.end)..r.end);
        }
        *self = left;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(image: &Image) -> Vec<u8> {
        let mut bytes = vec![7; index(image.len())];
        assert_eq!(image.read_at(0, &mut bytes), bytes.len());
        bytes
    }

    #[test]
    fn an_image_behaves_like_a_vector() {
        let (mut image, mut model) = (Image::default(), Vec::new());
        for i in 0..200_u64 {
            let offset = index(i * 7919 % 30_000);
            match i % 4 {
                0 => {
                    model.truncate(offset);
                    image.set_len(image.len().min(offset as u64));
                }
                1 => {
                    let end = model.len().min(offset + 5000);
                    model.get_mut(offset..end).unwrap_or_default().fill(0);
                    image.zero(offset as u64..offset as u64 + 5000);
                }
                _ => {
                    let bytes = vec![u8::try_from(i).unwrap(); index(i * 101 % 9000)];
                    model.resize(model.len().max(offset + bytes.len()), 0);
                    model[offset..offset + bytes.len()].copy_from_slice(&bytes);
                    image.write_at(offset as u64, &bytes);
                }
            }
            assert!(read(&image) == model, "after step {i}");
        }
    }

    #[test]
    fn a_copy_keeps_its_bytes_when_the_other_is_written() {
        let mut image = Image::default();
        image.write_at(0, &[1; 10_000]);
        let copy = image.clone();
        image.write_at(5000, &[2; 100]);
        image.set_len(5050);
        assert!(read(&copy).iter().all(|&b| b == 1) && copy.len() == 10_000);
        let mut third = copy.clone();
        third.copy(&image, 5000..9000);
        let bytes = read(&third);
        assert_eq!((bytes[4999], bytes[5000], bytes[5049], bytes[5050]), (1, 2, 2, 1));
    }

    #[test]
    fn ranges_merge_where_they_touch_and_split_where_taken() {
        let mut set = Ranges::default();
        for range in [10..20, 30..40, 20..30, 50..60, 5..5] {
            set.insert(range);
        }
        assert_eq!(set.0, [10..40, 50..60]);
        assert_eq!(set.take(15..55).0, [15..40, 50..55]);
        assert_eq!(set.0, [10..15, 55..60]);
    }
}
