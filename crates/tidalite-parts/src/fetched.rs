//! Counts of what is fetched of files.

/// What a read fetched from the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Pages fetched, dictionary pages included.
    pub pages: u64,
    /// Their bytes in the file.
    pub bytes: u64,
    /// Pages taken from the cache instead.
    pub cached: u64,
}

impl Fetched {
    /// The same pages, taken from a cache.
    pub(crate) fn taken_from_cache(self) -> Fetched {
        Fetched { cached: self.pages, ..Fetched::default() }
    }
}

impl std::ops::AddAssign for Fetched {
    fn add_assign(&mut self, other: Fetched) {
        self.pages += other.pages;
        self.bytes += other.bytes;
        self.cached += other.cached;
    }
}
