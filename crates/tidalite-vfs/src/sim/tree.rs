//! The tree of folders and files. Each node holds what every process sees now (*live*), what the disk holds
//! (*durable*), and what is pending between the two.
//!
//! Syncing a file makes what was written since its last sync durable. Syncing a folder does the same for its names. A
//! name that changed since the last sync keeps the history of its states, since a crash may leave any of them. The
//! live and the durable names share nodes, so a folder whose removal is lost comes back with its own durable names.
//!
//! Nodes are locked only while the simulation's one lock is held, so they need no lock order.

use super::image::{Image, PAGE_BYTES, Ranges};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A file or folder by name.
#[derive(Debug, Clone)]
pub(super) enum TreeNode {
    File(Arc<FileNode>),
    Dir(Arc<DirNode>),
}

#[derive(Debug, Default)]
pub(super) struct FileNode(Mutex<FileState>);

#[derive(Debug, Default)]
pub(super) struct DirNode(Mutex<DirState>);

impl FileNode {
    pub(super) fn new(state: FileState) -> Self {
        FileNode(Mutex::new(state))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, FileState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DirNode {
    pub(super) fn new(state: DirState) -> Self {
        DirNode(Mutex::new(state))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, DirState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file's bytes, live and durable, and its locks.
#[derive(Debug, Clone, Default)]
pub(super) struct FileState {
    pub(super) live: Image,
    pub(super) durable: Image,
    /// Written since the last sync.
    pub(super) dirty: Ranges,
    /// Written, then dropped by a failed sync. Readers see these bytes, but the disk does not hold them. A later sync
    /// writes them only if their page is written again.
    pub(super) lost: Ranges,
    /// Whether the length changed since the last sync.
    pub(super) length_dirty: bool,
    pub(super) locks: Locks,
}

impl FileState {
    /// A file that contains `image`, all of it durable.
    pub(super) fn durable(image: Image) -> Self {
        FileState { live: image.clone(), durable: image, ..Self::default() }
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let range = offset..offset + bytes.len() as u64;
        self.length_dirty |= range.end > self.live.len();
        self.live.write_at(offset, bytes);
        if !self.lost.is_empty() {
            let pages = range.start / PAGE_BYTES * PAGE_BYTES..range.end.next_multiple_of(PAGE_BYTES);
            self.lost.take(pages).iter().for_each(|r| self.dirty.insert(r.clone()));
        }
        self.dirty.insert(range);
    }

    pub(super) fn set_len(&mut self, len: u64) {
        self.live.set_len(len);
        self.length_dirty = true;
        let gone: Range<u64> = len..u64::MAX;
        self.dirty.take(gone.clone());
        self.lost.take(gone);
    }

    /// Makes everything written durable, except what a failed sync dropped.
    pub(super) fn sync(&mut self) {
        if self.length_dirty || self.dirty.iter().last().is_some_and(|r| r.end > self.durable.len()) {
            self.durable.set_len(self.live.len());
        }
        for range in self.dirty.iter() {
            self.durable.copy(&self.live, range.clone());
        }
        self.dirty = Ranges::default();
        self.length_dirty = false;
    }

    /// A failed sync: the page cache marks the written pages as clean.
    pub(super) fn fail_sync(&mut self) {
        std::mem::take(&mut self.dirty).iter().for_each(|r| self.lost.insert(r.clone()));
        self.length_dirty = false;
    }
}

/// The holders of a file's lock, by descriptor number.
#[derive(Debug, Clone, Default)]
pub(super) struct Locks {
    exclusive: Option<u64>,
    shared: BTreeSet<u64>,
}

impl Locks {
    pub(super) fn try_shared(&mut self, holder: u64) -> bool {
        let free = self.exclusive.is_none_or(|h| h == holder);
        if free {
            self.exclusive = None;
            self.shared.insert(holder);
        }
        free
    }

    pub(super) fn try_exclusive(&mut self, holder: u64) -> bool {
        let free = self.exclusive.is_none_or(|h| h == holder) && self.shared.iter().all(|&h| h == holder);
        if free {
            self.shared.clear();
            self.exclusive = Some(holder);
        }
        free
    }

    pub(super) fn release(&mut self, holder: u64) {
        self.shared.remove(&holder);
        if self.exclusive == Some(holder) {
            self.exclusive = None;
        }
    }
}

/// A folder's names, live and durable.
#[derive(Debug, Clone, Default)]
pub(super) struct DirState {
    pub(super) live: BTreeMap<String, TreeNode>,
    pub(super) durable: BTreeMap<String, TreeNode>,
    /// For each name that changed since the last sync, what it referred to after each change.
    pub(super) pending: BTreeMap<String, Vec<Option<TreeNode>>>,
    /// The folder itself was removed, so nothing is found in it.
    pub(super) removed: bool,
}

impl DirState {
    /// Makes `name` refer to `node`, or to nothing.
    pub(super) fn set(&mut self, name: &str, node: Option<TreeNode>) {
        self.pending.entry(name.to_string()).or_default().push(node.clone());
        match node {
            Some(node) => self.live.insert(name.to_string(), node),
            None => self.live.remove(name),
        };
    }

    pub(super) fn sync(&mut self) {
        for (name, states) in std::mem::take(&mut self.pending) {
            match states.into_iter().next_back().flatten() {
                Some(node) => self.durable.insert(name, node),
                None => self.durable.remove(&name),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_sync_drops_its_bytes_until_their_page_is_written_again() {
        let mut file = FileState::default();
        file.set_len(3 * PAGE_BYTES);
        file.sync();
        file.write(0, b"first");
        file.fail_sync();
        file.write(2 * PAGE_BYTES, b"other page");
        file.sync();
        let byte = |image: &Image, at| {
            let mut b = [0];
            image.read_at(at, &mut b);
            b[0]
        };
        assert_eq!((byte(&file.live, 0), byte(&file.durable, 0)), (b'f', 0));
        assert_eq!(byte(&file.durable, 2 * PAGE_BYTES), b'o');
        file.write(100, b"same page");
        file.sync();
        assert_eq!(byte(&file.durable, 0), b'f');
    }

    #[test]
    fn locks_share_exclude_and_change_hands() {
        let mut locks = Locks::default();
        assert!(locks.try_shared(1) && locks.try_shared(2));
        assert!(!locks.try_exclusive(1) && !locks.try_exclusive(3));
        locks.release(2);
        assert!(locks.try_exclusive(1) && !locks.try_shared(2));
        locks.release(1);
        assert!(locks.try_exclusive(3));
    }
}
