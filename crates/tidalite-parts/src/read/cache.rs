//! A cache of decoded pages, and of row groups of series tables, with least-recently-used eviction.
//!
//! A long-lived reader often reads the same pages. A page is kept when it is read the second time, so a reader that answers
//! one query pays nothing.
//!
//! Invariants: the cache keeps no more bytes than allowed, and no page of a closed part. Pages were checked before they were
//! decoded, and never change.

use crate::series::read::SeriesBlock;
use crate::series::table::BlockCache;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A cache of the decoded pages of any number of open parts. Threads may share it.
#[derive(Debug)]
pub struct PageCache {
    bytes_max: usize,
    kept: Mutex<KeptPages>,
}

/// Identifies a page by its open part, tile, column and first row.
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
    /// A row group of the part's series table.
    Series(Arc<SeriesBlock>),
}

/// The cache, for the series table of one part.
#[derive(Debug)]
pub(super) struct SeriesCache {
    pub(super) cache: Arc<PageCache>,
    pub(super) part: u64,
}

impl SeriesCache {
    /// No column of a points file has this number.
    const COLUMN: u32 = u32::MAX;

    fn key(&self, group: usize) -> Option<PageKey> {
        let group = u32::try_from(group).ok()?;
        Some(PageKey { part: self.part, tile: group, column: Self::COLUMN, first_row: 0 })
    }
}

impl BlockCache for SeriesCache {
    fn get(&self, group: usize) -> Option<Arc<SeriesBlock>> {
        match self.cache.get(&self.key(group)?)? {
            DecodedPage::Series(block) => Some(block),
            _ => None,
        }
    }

    /// A row group is kept at once: series are mostly planned in another order than that of the table.
    fn put(&self, group: usize, block: Arc<SeriesBlock>) {
        if let Some(key) = self.key(group) {
            self.cache.put(key, DecodedPage::Series(block));
        }
    }
}

/// The type of a page's values.
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
    /// Each page with the time of its latest use.
    pages: HashMap<PageKey, (DecodedPage, u64)>,
    /// Pages by the time of their latest use.
    order: BTreeMap<u64, PageKey>,
    bytes: usize,
    now: u64,
    /// Pages that were read exactly once.
    met: HashSet<PageKey>,
    parts: u64,
}

/// Most pages that are remembered as read once.
const MET_MAX: usize = 1 << 16;
/// Overhead of a page, besides its rows.
const ENTRY_BYTES: usize = 128;

impl PageCache {
    /// A cache of at most `bytes_max` bytes; 0 keeps nothing.
    pub fn new(bytes_max: usize) -> Self {
        PageCache { bytes_max, kept: Mutex::default() }
    }

    /// The bytes kept, about.
    pub fn bytes(&self) -> usize {
        self.kept().bytes
    }

    /// Most bytes kept.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// A new number for a part that was opened.
    pub(super) fn admit(&self) -> u64 {
        let mut kept = self.kept();
        kept.parts += 1;
        kept.parts
    }

    /// Drops the pages of a part that is closed.
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

    /// Whether to keep a page that is about to be read.
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
        let bytes = match self {
            DecodedPage::Integers(page) => page.len() * 8,
            DecodedPage::Values(page) => page.len() * 8,
            DecodedPage::Series(block) => block.bytes(),
        };
        bytes + ENTRY_BYTES
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
    fn the_least_recently_used_page_is_evicted_and_the_limit_holds() {
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
    fn a_page_is_kept_on_its_second_read_and_a_very_large_one_never() {
        let cache = PageCache::new(1 << 20);
        assert_eq!([cache.wants(&key(1, 0), 10), cache.wants(&key(1, 0), 10)], [false, true]);
        assert_eq!([cache.wants(&key(1, 1), 1 << 17), cache.wants(&key(1, 1), 1 << 17)], [false; 2]);
        let none = PageCache::new(0);
        assert_eq!([none.wants(&key(1, 0), 1), none.wants(&key(1, 0), 1)], [false; 2]);
    }

    #[test]
    fn closing_a_part_drops_its_pages() {
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
