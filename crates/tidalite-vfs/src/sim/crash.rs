//! What a power cut leaves of a simulated disk, and what a killed process leaves.
//!
//! The disk after a power cut is built by a walk from the root over the names that survive. The walk visits *units*,
//! each of which survives or is lost independently:
//! - a name that changed since its folder was synced (it may have any of its states since then);
//! - a block of a file, of the tear's size, where it was written since the file was synced;
//! - a file's length, if it changed since then.
//!
//! Synced data is not a unit and always survives. The walk's order is fixed, so a seed always gives the same cut.

use super::image::Image;
use super::tree::{DirNode, DirState, FileNode, FileState, Locks, TreeNode};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// Which unsynced changes survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survive {
    /// None.
    None,
    /// All, except what a failed sync dropped.
    All,
    /// A single one, drawn by this seed.
    One(u64),
    /// Each is drawn independently from this seed. The probability is drawn too.
    Random(u64),
}

/// How a power cut tears what was being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tear {
    /// The size in bytes, at least 1, of the aligned blocks that survive or are lost independently: 4,096 for pages,
    /// 512 for sectors, 1 to tear within a word.
    pub bytes: u64,
    /// Whether lost bytes may become zeros instead of their last synced value, as happens where a block was allocated
    /// but never written. Always under `None` and `One`, drawn under `Random`.
    pub zeros: bool,
}

impl Default for Tear {
    fn default() -> Self {
        Tear { bytes: 4096, zeros: false }
    }
}

/// The root of the disk after a power cut.
pub(super) fn after_power_cut(root: &DirNode, survive: Survive, tear: Tear) -> Arc<DirNode> {
    let one = match survive {
        Survive::One(seed) => {
            let mut count = PowerCut::new(Judge::new(Survive::None, None), tear);
            count.dir(root);
            let units = count.judge.seen;
            (units > 0).then(|| SplitMix64(seed).next() % units)
        }
        _ => None,
    };
    PowerCut::new(Judge::new(survive, one), tear).dir(root)
}

/// Decides which units survive.
struct Judge {
    survive: Survive,
    random: SplitMix64,
    /// The average number of units out of 256 that survive under `Random`.
    odds: u64,
    /// The unit that survives under `One`.
    one: Option<u64>,
    seen: u64,
}

impl Judge {
    fn new(survive: Survive, one: Option<u64>) -> Self {
        let mut random = match survive {
            Survive::One(seed) | Survive::Random(seed) => SplitMix64(seed),
            Survive::None | Survive::All => SplitMix64(0),
        };
        // Few or many survivors find other faults than half of them.
        let odds = [16, 64, 128, 192, 240][random.below(5)];
        Judge { survive, random, odds, one, seen: 0 }
    }

    fn stays(&mut self) -> bool {
        let number = self.seen;
        self.seen += 1;
        match self.survive {
            Survive::None => false,
            Survive::All => true,
            Survive::One(_) => self.one == Some(number),
            Survive::Random(_) => self.random.next() % 256 < self.odds,
        }
    }

    fn zeroed(&mut self) -> bool {
        match self.survive {
            Survive::Random(_) => self.random.next().is_multiple_of(2),
            _ => true,
        }
    }

    /// The state that a name has after the cut, among its states since the last sync. `None` if no change survives.
    fn state<'a>(&mut self, states: &'a [Option<TreeNode>]) -> Option<&'a Option<TreeNode>> {
        if !self.stays() {
            return None;
        }
        match self.survive {
            Survive::All => states.last(),
            _ => states.get(self.random.below(states.len())),
        }
    }
}

/// What happens to a block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Old,
    New,
    Zeros,
}

struct PowerCut {
    judge: Judge,
    tear: Tear,
    /// Files already copied, by address, since a file may have several names.
    files: HashMap<*const FileNode, Arc<FileNode>>,
}

impl PowerCut {
    fn new(judge: Judge, tear: Tear) -> Self {
        assert!(tear.bytes > 0, "a tear has a size");
        PowerCut { judge, tear, files: HashMap::new() }
    }

    fn dir(&mut self, dir: &DirNode) -> Arc<DirNode> {
        let (mut names, pending) = {
            let state = dir.state();
            (state.durable.clone(), state.pending.clone())
        };
        for (name, states) in pending {
            match self.judge.state(&states) {
                Some(Some(node)) => names.insert(name, node.clone()),
                Some(None) => names.remove(&name),
                None => None,
            };
        }
        let durable: BTreeMap<String, TreeNode> =
            names.into_iter().map(|(name, node)| (name, self.node(&node))).collect();
        Arc::new(DirNode::new(DirState { live: durable.clone(), durable, ..DirState::default() }))
    }

    fn node(&mut self, node: &TreeNode) -> TreeNode {
        match node {
            TreeNode::Dir(dir) => TreeNode::Dir(self.dir(dir)),
            TreeNode::File(file) => {
                if let Some(met) = self.files.get(&Arc::as_ptr(file)) {
                    return TreeNode::File(met.clone());
                }
                let image = self.image(&file.state());
                let new = Arc::new(FileNode::new(FileState::durable(image)));
                self.files.insert(Arc::as_ptr(file), new.clone());
                TreeNode::File(new)
            }
        }
    }

    fn image(&mut self, file: &FileState) -> Image {
        let mut image = file.durable.clone();
        let (old, new) = (file.durable.len(), file.live.len());
        let dirty_end = file.dirty.iter().last().map_or(0, |r| r.end);
        image.set_len(old.max(new));
        let mut stayed_end = 0;
        for range in file.dirty.iter() {
            stayed_end = stayed_end.max(self.blocks(&mut image, &file.live, range));
        }
        let length_is_unit = old != new && (file.length_dirty || dirty_end > old);
        let length_stays = length_is_unit && self.judge.stays();
        // A single surviving block would be invisible beyond the end of its file.
        let shows_one = matches!(self.judge.survive, Survive::One(_)) && stayed_end > old;
        image.set_len(if length_stays || shows_one { new } else { old });
        image
    }

    /// Decides the blocks of one written range. Returns the end of the last surviving one.
    fn blocks(&mut self, image: &mut Image, live: &Image, range: &Range<u64>) -> u64 {
        let mut stayed_end = 0;
        let mut apply = |fate, run: Range<u64>| match fate {
            Fate::New => {
                image.copy(live, run.clone());
                stayed_end = run.end;
            }
            Fate::Zeros => image.zero(run),
            Fate::Old => {}
        };
        // Adjacent blocks with the same fate are applied together.
        let mut run: Option<(Fate, Range<u64>)> = None;
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min((at / self.tear.bytes + 1) * self.tear.bytes);
            let fate = if self.judge.stays() {
                Fate::New
            } else if self.tear.zeros && self.judge.zeroed() {
                Fate::Zeros
            } else {
                Fate::Old
            };
            run = match run.take() {
                Some((same, r)) if same == fate => Some((fate, r.start..end)),
                Some((other, r)) => {
                    apply(other, r);
                    Some((fate, at..end))
                }
                None => Some((fate, at..end)),
            };
            at = end;
        }
        if let Some((fate, r)) = run {
            apply(fate, r);
        }
        stayed_end
    }
}

/// The root of the same disk after every process was killed: nothing is lost, nothing more is durable, and no lock is
/// held.
pub(super) fn after_kill(root: &DirNode) -> Arc<DirNode> {
    Twin::default().dir(root)
}

/// Copies a tree, node by node, with live, durable and pending state.
#[derive(Default)]
struct Twin {
    files: HashMap<*const FileNode, Arc<FileNode>>,
    dirs: HashMap<*const DirNode, Arc<DirNode>>,
}

impl Twin {
    fn dir(&mut self, dir: &DirNode) -> Arc<DirNode> {
        if let Some(met) = self.dirs.get(&std::ptr::from_ref(dir)) {
            return met.clone();
        }
        let DirState { live, durable, pending, removed } = dir.state().clone();
        let mut names = |map: BTreeMap<String, TreeNode>| -> BTreeMap<String, TreeNode> {
            map.into_iter().map(|(name, node)| (name, self.node(&node))).collect()
        };
        let (live, durable) = (names(live), names(durable));
        let pending = pending
            .into_iter()
            .map(|(name, states)| {
                (name, states.iter().map(|state| state.as_ref().map(|node| self.node(node))).collect())
            })
            .collect();
        let twin = Arc::new(DirNode::new(DirState { live, durable, pending, removed }));
        self.dirs.insert(dir, twin.clone());
        twin
    }

    fn node(&mut self, node: &TreeNode) -> TreeNode {
        match node {
            TreeNode::Dir(dir) => TreeNode::Dir(self.dir(dir)),
            TreeNode::File(file) => {
                let twin = self.files.entry(Arc::as_ptr(file)).or_insert_with(|| {
                    Arc::new(FileNode::new(FileState { locks: Locks::default(), ..file.state().clone() }))
                });
                TreeNode::File(twin.clone())
            }
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and good enough for drawing.
pub(super) struct SplitMix64(pub(super) u64);

impl SplitMix64 {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        // The remainder fits a usize.
        (self.next() % bound as u64) as usize
    }
}
