//! DecodedPage pages, kept for whoever asks again.
//!
//! A reader that lives long is asked much the same again and again, of the same pages. A page is kept when it is read a second
//! time, so that a reader of one answer pays nothing; what was used least recently goes first. Invariants: no more bytes are
//! kept than allowed, and none of a part that was closed. Pages were checked before they were decoded, and never change.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// DecodedPage pages of any number of open parts; threads may share it.
#[derive(Debug)]
pub struct PageCache {
    bytes_max: usize,
    kept: Mutex<KeptPages>,
}

/// A page: of which open part, tile and column, and the row it begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PageKey {
    pub(super) part: u64,
    pub(super) tile: u32,
    pub(super) column: u32,
    pub(super) first_row: u32,
}

/// The rows of a page.
#[derive(Debug, Clone)]
pub(super) enum DecodedPage {
    Integers(Arc<[i64]>),
    Values(Arc<[f64]>),
}

/// What a page is a page of.
pub(super) trait Number: Copy {
    fn keep(page: &[Self]) -> DecodedPage;
    fn of(page: &DecodedPage) -> Option<&[Self]>;
}

impl Number for i64 {
    fn keep(page: &[i64]) -> DecodedPage {
        DecodedPage::Integers(page.into())
    }

    fn of(page: &DecodedPage) -> Option<&[i64]> {
        if let DecodedPage::Integers(page) = page { Some(page) } else { None }
    }
}

impl Number for f64 {
    fn keep(page: &[f64]) -> DecodedPage {
        DecodedPage::Values(page.into())
    }

    fn of(page: &DecodedPage) -> Option<&[f64]> {
        if let DecodedPage::Values(page) = page { Some(page) } else { None }
    }
}

#[derive(Debug, Default)]
struct KeptPages {
    /// Each with the moment of its latest use.
    pages: HashMap<PageKey, (DecodedPage, u64)>,
    /// By that moment.
    order: BTreeMap<u64, PageKey>,
    bytes: usize,
    now: u64,
    /// Pages that were read once.
    met: HashSet<PageKey>,
    parts: u64,
}

/// So many pages that were read once are remembered.
const MET_MAX: usize = 1 << 16;
/// What a page costs besides its rows.
const ENTRY_BYTES: usize = 128;

impl PageCache {
    /// Keeps at most so many bytes; with 0 nothing.
    pub fn new(bytes_max: usize) -> Self {
        PageCache { bytes_max, kept: Mutex::default() }
    }

    /// About how many bytes are kept.
    pub fn bytes(&self) -> usize {
        self.kept().bytes
    }

    /// Most bytes that are kept.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// A number for a part that was opened.
    pub(super) fn admit(&self) -> u64 {
        let mut kept = self.kept();
        kept.parts += 1;
        kept.parts
    }

    /// Forgets the pages of a part that is closed.
    pub(super) fn forget(&self, part: u64) {
        let mut kept = self.kept();
        kept.met.retain(|key| key.part != part);
        let gone: Vec<PageKey> = kept.pages.keys().filter(|key| key.part == part).copied().collect();
        gone.iter().for_each(|key| kept.drop_page(key));
    }

    pub(super) fn get(&self, key: &PageKey) -> Option<DecodedPage> {
        let mut kept = self.kept();
        let kept = &mut *kept;
        let (page, used) = kept.pages.get_mut(key)?;
        kept.order.remove(used);
        kept.now += 1;
        *used = kept.now;
        kept.order.insert(kept.now, *key);
        Some(page.clone())
    }

    /// Whether a page that is about to be read should be kept.
    pub(super) fn wants(&self, key: &PageKey, rows: usize) -> bool {
        if rows.saturating_mul(8) > self.bytes_max / 8 {
            return false;
        }
        let mut kept = self.kept();
        if kept.met.remove(key) {
            return true;
        }
        if kept.met.len() >= MET_MAX {
            kept.met.clear();
        }
        kept.met.insert(*key);
        false
    }

    pub(super) fn put(&self, key: PageKey, page: DecodedPage) {
        let mut kept = self.kept();
        kept.drop_page(&key);
        kept.now += 1;
        let now = kept.now;
        kept.bytes += page.bytes();
        kept.order.insert(now, key);
        kept.pages.insert(key, (page, now));
        while kept.bytes > self.bytes_max
            && let Some((_, oldest)) = kept.order.first_key_value()
        {
            let oldest = *oldest;
            kept.drop_page(&oldest);
        }
    }

    fn kept(&self) -> MutexGuard<'_, KeptPages> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeptPages {
    fn drop_page(&mut self, key: &PageKey) {
        if let Some((page, used)) = self.pages.remove(key) {
            self.order.remove(&used);
            self.bytes -= page.bytes();
        }
    }
}

impl DecodedPage {
    fn bytes(&self) -> usize {
        let rows = match self {
            DecodedPage::Integers(page) => page.len(),
            DecodedPage::Values(page) => page.len(),
        };
        rows * 8 + ENTRY_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(part: u64, page: u32) -> PageKey {
        PageKey { part, tile: 0, column: 0, first_row: page }
    }

    fn page(rows: usize) -> DecodedPage {
        i64::keep(&vec![7; rows])
    }

    #[test]
    fn what_was_used_least_recently_goes_first_and_no_more_is_kept_than_allowed() {
        let cache = PageCache::new(3 * page(100).bytes());
        for i in 0..3 {
            cache.put(key(1, i), page(100));
        }
        assert!(cache.get(&key(1, 0)).is_some());
        cache.put(key(1, 3), page(100));
        let held: Vec<bool> = (0..4).map(|i| cache.get(&key(1, i)).is_some()).collect();
        assert_eq!(held, [true, false, true, true]);
        cache.put(key(1, 4), page(250));
        assert!(cache.bytes() <= cache.bytes_max());
        assert!(cache.get(&key(1, 4)).is_some());
    }

    #[test]
    fn a_page_is_wanted_when_it_is_read_again_and_a_very_large_one_never() {
        let cache = PageCache::new(1 << 20);
        assert_eq!([cache.wants(&key(1, 0), 10), cache.wants(&key(1, 0), 10)], [false, true]);
        assert_eq!([cache.wants(&key(1, 1), 1 << 17), cache.wants(&key(1, 1), 1 << 17)], [false; 2]);
        let none = PageCache::new(0);
        assert_eq!([none.wants(&key(1, 0), 1), none.wants(&key(1, 0), 1)], [false; 2]);
    }

    #[test]
    fn of_a_closed_part_nothing_is_left() {
        let cache = PageCache::new(1 << 20);
        cache.put(key(1, 0), page(10));
        cache.put(key(2, 0), page(10));
        cache.put(key(2, 0), page(20));
        cache.forget(1);
        assert_eq!((cache.get(&key(1, 0)).is_some(), cache.bytes()), (false, page(20).bytes()));
        cache.forget(2);
        assert_eq!(cache.bytes(), 0);
    }
}
