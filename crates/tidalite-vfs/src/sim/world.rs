//! The state of a simulated disk, under one lock.

use super::failure::{SimStepCounter, StepKind};
use super::tree::{DirNode, FileNode, TreeNode};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, io};
use tidalite_model::{Error, Result};

/// The initial clock of a simulation.
const EPOCH_US: i64 = 1_780_000_000_000_000;

/// A folder that a disk holds, and the path with which it was held.
pub(super) type SimHeldFolder = Option<Arc<(PathBuf, Arc<DirNode>)>>;

/// The complete state, guarded by one lock.
pub(super) struct World {
    pub(super) root: Arc<DirNode>,
    pub(super) steps: SimStepCounter,
    pub(super) now_us: i64,
    pub(super) seed: u64,
    pub(super) uuids: u32,
    pub(super) handles: u64,
    pub(super) ignore_sync: bool,
    pub(super) ignore_sync_dir: bool,
}

/// A call that a test makes before each access of the disk.
pub(super) type BeforeAccess = Option<Arc<dyn Fn() + Send + Sync>>;

/// The state behind its lock. Clones share it.
#[derive(Clone)]
pub(super) struct SharedWorld {
    world: Arc<Mutex<World>>,
    before: BeforeAccess,
}

impl SharedWorld {
    pub(super) fn new(world: World, before: BeforeAccess) -> Self {
        SharedWorld { world: Arc::new(Mutex::new(world)), before }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
        if let Some(before) = &self.before {
            before();
        }
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SharedWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Reads nothing, since a handle may print it while the state is locked.
        f.write_str("SharedWorld")
    }
}

impl World {
    pub(super) fn empty(seed: u64) -> World {
        World {
            root: Arc::default(),
            steps: SimStepCounter::default(),
            now_us: EPOCH_US,
            seed,
            uuids: 0,
            handles: 0,
            ignore_sync: false,
            ignore_sync_dir: false,
        }
    }

    pub(super) fn step(&mut self, step: StepKind, doing: &str, path: &Path) -> Result<()> {
        self.steps.step(step).map_err(|e| Error::io(doing, path, e))
    }

    /// What a path refers to now, on a disk that may hold a folder.
    pub(super) fn find(&self, held: &SimHeldFolder, path: &Path) -> Result<Option<TreeNode>> {
        let below = held.as_ref().and_then(|h| Some((&h.1, path.strip_prefix(&h.0).ok()?)));
        let (start, path) = below.unwrap_or((&self.root, path));
        if start.state().removed {
            return Ok(None);
        }
        let mut node = TreeNode::Dir(start.clone());
        for name in names(path)? {
            let TreeNode::Dir(dir) = node else { return Ok(None) };
            let Some(next) = dir.state().live.get(name).cloned() else { return Ok(None) };
            node = next;
        }
        Ok(Some(node))
    }

    pub(super) fn find_dir(&self, held: &SimHeldFolder, path: &Path, doing: &str) -> Result<Arc<DirNode>> {
        match self.find(held, path)? {
            Some(TreeNode::Dir(dir)) => Ok(dir),
            Some(TreeNode::File(_)) => Err(Error::io(doing, path, io::ErrorKind::NotADirectory.into())),
            None => Err(Error::io(doing, path, io::ErrorKind::NotFound.into())),
        }
    }

    pub(super) fn find_file(&self, held: &SimHeldFolder, path: &Path, doing: &str) -> Result<Arc<FileNode>> {
        match self.find(held, path)? {
            Some(TreeNode::File(file)) => Ok(file),
            Some(TreeNode::Dir(_)) => Err(Error::io(doing, path, io::ErrorKind::IsADirectory.into())),
            None => Err(Error::io(doing, path, io::ErrorKind::NotFound.into())),
        }
    }

    /// The folder that contains a path, and the name in it.
    pub(super) fn parent<'a>(
        &self,
        held: &SimHeldFolder,
        path: &'a Path,
        doing: &str,
    ) -> Result<(Arc<DirNode>, &'a str)> {
        let Some((parent, name)) = path.parent().zip(names(path)?.pop()) else {
            return Err(Error::invalid(doing, "the path names the root", "give a path below it").at(path));
        };
        Ok((self.find_dir(held, parent, doing).map_err(|e| e.at(path))?, name))
    }
}

/// The names along a path, from the root on.
fn names(path: &Path) -> Result<Vec<&str>> {
    let mut names = Vec::new();
    for part in path.components() {
        match part {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) if name.to_str().is_some() => names.extend(name.to_str()),
            _ => {
                return Err(Error::invalid(
                    "look up",
                    "the simulated disk does not support this path",
                    "use UTF-8 names and no `..`",
                )
                .at(path));
            }
        }
    }
    Ok(names)
}
