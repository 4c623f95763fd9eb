//! A disk in memory that can fail at any call and lose power at any step.
//!
//! One mutex guards the whole state, so steps have one order even with several threads. With one thread, or threads
//! that a test orders, every run is the same. `world.rs` holds the state, `tree.rs` what is live and what is durable,
//! `crash.rs` what a power cut leaves, `failure.rs` counts and fails calls, `image.rs` makes copies cheap, and
//! `handle.rs` has the open files.
//!
//! It is stricter than most disks, so that code that works here works on all of them: a file's sync does not make its
//! name durable, each change of a name is kept or lost independently and in any order, and nothing becomes durable by
//! waiting. Paths start at one root, with or without a leading `/`.
//!
//! May use: the trait (`vfs.rs`) and `segment_bounds.rs`.

mod crash;
mod failure;
mod handle;
mod image;
#[cfg(test)]
mod tests;
mod tree;
mod world;

pub use crash::{Survive, Tear};
pub use failure::{FailKind, SimFailure};

use crate::vfs::{FileSystem, FolderWatch, Lock, LockMode, ReadFile, SegmentFile, Stat, Vfs, WriteFile};
use crash::SplitMix64;
use failure::{SimStepCounter, StepKind};
use handle::{SimHandle, SimLock, SimReadFile, SimSegment, SimWriteFile};
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};
use std::{fmt, io};
use tidalite_model::{Error, ErrorKind, Result};
use tree::{DirNode, FileNode, TreeNode};
use uuid::Uuid;
use world::{SharedWorld, SimHeldFolder, World};

/// A simulated disk. Clones share the same disk.
///
/// ```
/// use std::path::Path;
/// use tidalite_vfs::{SimVfs, Survive, Vfs};
/// let disk = SimVfs::new(1);
/// let mut file = disk.create(Path::new("/a"))?;
/// file.write_all(b"text")?;
/// file.sync()?;
/// // The bytes are durable; the name is not, until its folder is synced.
/// assert_eq!(disk.crash(Survive::None).stat(Path::new("/a"))?, None);
/// disk.sync_dir(Path::new("/"))?;
/// assert_eq!(disk.crash(Survive::None).open(Path::new("/a"))?.len()?, 4);
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Clone)]
pub struct SimVfs {
    world: SharedWorld,
    held: SimHeldFolder,
}

impl SimVfs {
    /// An empty disk. The seed determines only the identifiers.
    pub fn new(seed: u64) -> Self {
        SimVfs::from_world(World::empty(seed))
    }

    /// An empty disk that calls `before` ahead of each access, in the thread that makes it and with no lock held. A
    /// test that blocks there chooses the order in which threads go on.
    pub fn scheduled(seed: u64, before: impl Fn() + Send + Sync + 'static) -> Self {
        SimVfs { world: SharedWorld::new(World::empty(seed), Some(Arc::new(before))), held: None }
    }

    fn from_world(world: World) -> Self {
        SimVfs { world: SharedWorld::new(world, None), held: None }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock()
    }

    /// The number of disk accesses so far.
    pub fn steps(&self) -> u64 {
        self.world().steps.count()
    }

    /// The numbers of the steps, ascending, that changed or synced something, or tried to. A power cut at any other
    /// step leaves the same as one at the next of these.
    pub fn change_steps(&self) -> Vec<u64> {
        self.world().steps.changes().to_vec()
    }

    /// Sets the failure that happens next, and replaces any other.
    pub fn set_failure(&self, failure: SimFailure) {
        self.world().steps.set(Some(failure));
    }

    /// Lets calls succeed again. A crash is permanent.
    pub fn clear_failure(&self) {
        self.world().steps.set(None);
    }

    /// Whether a failure of kind [`FailKind::Crash`] has happened.
    pub fn crashed(&self) -> bool {
        self.world().steps.crashed()
    }

    /// The disk after a power cut now, torn at pages. It is a new disk with no locks and no failure, whose steps
    /// count from 0. This one is unchanged, so many cuts can be tried from one state.
    pub fn crash(&self, survive: Survive) -> SimVfs {
        self.crash_torn(survive, Tear::default())
    }

    /// Like [`crash`](Self::crash), torn as `tear` says.
    ///
    /// # Panics
    /// If the tear's size is zero.
    pub fn crash_torn(&self, survive: Survive, tear: Tear) -> SimVfs {
        self.restarted(|root| crash::after_power_cut(root, survive, tear))
    }

    /// The disk after every process was killed now, while the machine goes on. It is a new disk on which everything
    /// written can still be read, unsynced data is still not durable, no lock is held and nothing fails.
    pub fn kill(&self) -> SimVfs {
        self.restarted(crash::after_kill)
    }

    fn restarted(&self, root_after: impl FnOnce(&DirNode) -> Arc<DirNode>) -> SimVfs {
        let world = self.world();
        let root = root_after(&world.root);
        SimVfs::from_world(World { root, steps: SimStepCounter::default(), ..*world })
    }

    /// Moves the clock forwards or backwards.
    pub fn advance(&self, us: i64) {
        self.world().now_us += us;
    }

    /// Makes syncs of files do nothing and return Ok, for tests that must detect it.
    pub fn ignore_sync(&self, ignore: bool) {
        self.world().ignore_sync = ignore;
    }

    /// Makes syncs of folders do nothing and return Ok, for tests that must detect it.
    pub fn ignore_sync_dir(&self, ignore: bool) {
        self.world().ignore_sync_dir = ignore;
    }

    fn handle(&self, world: &mut World, file: Arc<FileNode>, path: &Path) -> SimHandle {
        world.handles += 1;
        SimHandle {
            world: self.world.clone(),
            held: self.held.clone(),
            file,
            path: path.to_path_buf(),
            number: world.handles,
        }
    }

    /// Creates a file of `bytes` zeros under an unused name.
    fn make(&self, path: &Path, bytes: u64, doing: &str) -> Result<SimHandle> {
        let mut world = self.world();
        world.step(StepKind::Allocate, doing, path)?;
        let (dir, name) = world.parent(&self.held, path, doing)?;
        let mut dir = dir.state();
        if dir.live.contains_key(name) {
            return Err(Error::new(ErrorKind::Busy, doing, "the name is taken", "use another name").at(path));
        }
        let file = Arc::<FileNode>::default();
        if bytes > 0 {
            file.state().set_len(bytes);
        }
        dir.set(name, Some(TreeNode::File(file.clone())));
        Ok(self.handle(&mut world, file, path))
    }
}

impl fmt::Debug for SimVfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A handle prints its disk, perhaps while the state is locked.
        f.write_str("SimVfs")
    }
}

impl Vfs for SimVfs {
    fn absolute(&self, path: &Path) -> Result<PathBuf> {
        Ok(Path::new("/").join(path))
    }

    fn resolved(&self, path: &Path) -> Result<PathBuf> {
        Ok(path.to_path_buf())
    }

    fn hold(&self, folder: &Path) -> Result<Arc<dyn Vfs>> {
        let mut world = self.world();
        world.step(StepKind::Read, "open folder", folder)?;
        let node = world.find_dir(&self.held, folder, "open folder")?;
        let held = Some(Arc::new((folder.to_path_buf(), node)));
        Ok(Arc::new(SimVfs { world: self.world.clone(), held }))
    }

    fn create_dir(&self, path: &Path) -> Result<bool> {
        let mut world = self.world();
        world.step(StepKind::Allocate, "create folder", path)?;
        match world.find(&self.held, path)? {
            Some(TreeNode::Dir(_)) => Ok(false),
            Some(TreeNode::File(_)) => Err(Error::invalid(
                "create folder",
                "a file of this name exists",
                "move the file away, or give another path",
            )
            .at(path)),
            None => {
                let (dir, name) = world.parent(&self.held, path, "create folder")?;
                dir.state().set(name, Some(TreeNode::Dir(Arc::default())));
                Ok(true)
            }
        }
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<String>> {
        let mut world = self.world();
        world.step(StepKind::Read, "list folder", path)?;
        let dir = world.find_dir(&self.held, path, "list folder")?;
        let names = dir.state().live.keys().cloned().collect();
        Ok(names)
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        let mut world = self.world();
        world.step(StepKind::Read, "look up", path)?;
        Ok(world.find(&self.held, path)?.map(|node| match node {
            TreeNode::Dir(_) => Stat { is_dir: true, bytes: 0 },
            TreeNode::File(file) => Stat { is_dir: false, bytes: file.state().live.len() },
        }))
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn ReadFile>> {
        let mut world = self.world();
        world.step(StepKind::Read, "open file", path)?;
        let file = world.find_file(&self.held, path, "open file")?;
        Ok(Arc::new(SimReadFile(self.handle(&mut world, file, path))))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        Ok(Box::new(SimWriteFile { handle: self.make(path, 0, "create file")?, bytes: 0 }))
    }

    fn create_segment(&self, path: &Path, bytes: u64) -> Result<Box<dyn SegmentFile>> {
        if bytes == 0 || !bytes.is_multiple_of(8) {
            return Err(Error::invalid(
                "create segment",
                format!("{bytes} bytes were requested"),
                "give a multiple of 8 above 0",
            )
            .at(path));
        }
        Ok(Box::new(SimSegment { handle: self.make(path, bytes, "create segment")?, capacity: bytes }))
    }

    fn link(&self, from: &Path, to: &Path) -> Result<bool> {
        const DOING: &str = "link file to its name";
        let mut world = self.world();
        world.step(StepKind::Allocate, DOING, to)?;
        let file = world.find_file(&self.held, from, DOING)?;
        match world.find(&self.held, to)? {
            Some(TreeNode::File(there)) => Ok(Arc::ptr_eq(&file, &there)),
            Some(TreeNode::Dir(_)) => Ok(false),
            None => {
                let (dir, name) = world.parent(&self.held, to, DOING)?;
                dir.state().set(name, Some(TreeNode::File(file)));
                Ok(true)
            }
        }
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let mut world = self.world();
        world.step(StepKind::Change, "remove file", path)?;
        if world.find(&self.held, path)?.is_some() {
            world.find_file(&self.held, path, "remove file")?;
            let (dir, name) = world.parent(&self.held, path, "remove file")?;
            dir.state().set(name, None);
        }
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        let mut world = self.world();
        world.step(StepKind::Change, "remove folder", path)?;
        if world.find(&self.held, path)?.is_some() {
            let dir = world.find_dir(&self.held, path, "remove folder")?;
            if !dir.state().live.is_empty() {
                return Err(Error::io("remove folder", path, io::ErrorKind::DirectoryNotEmpty.into()));
            }
            dir.state().removed = true;
            let (parent, name) = world.parent(&self.held, path, "remove folder")?;
            parent.state().set(name, None);
        }
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        let mut world = self.world();
        world.step(StepKind::Change, "sync folder", path)?;
        let dir = world.find_dir(&self.held, path, "sync folder")?;
        if !world.ignore_sync_dir {
            dir.state().sync();
        }
        Ok(())
    }

    fn lock(&self, path: &Path, mode: LockMode) -> Result<Option<Box<dyn Lock>>> {
        const DOING: &str = "lock file";
        let mut world = self.world();
        let absent = mode == LockMode::Exclusive && world.find(&self.held, path)?.is_none();
        world.step(if absent { StepKind::Allocate } else { StepKind::Read }, DOING, path)?;
        if absent {
            let (dir, name) = world.parent(&self.held, path, DOING)?;
            dir.state().set(name, Some(TreeNode::File(Arc::default())));
        }
        let file = world.find_file(&self.held, path, DOING)?;
        let number = world.handles + 1;
        let locked = match mode {
            LockMode::Shared => file.state().locks.try_shared(number),
            LockMode::Exclusive => file.state().locks.try_exclusive(number),
        };
        if !locked {
            return Ok(None);
        }
        Ok(Some(Box::new(SimLock(self.handle(&mut world, file, path)))))
    }

    fn file_system(&self, path: &Path) -> Result<FileSystem> {
        let mut world = self.world();
        world.step(StepKind::Read, "look up file system", path)?;
        if world.find(&self.held, path)?.is_none() {
            return Err(Error::io("look up file system", path, io::ErrorKind::NotFound.into()));
        }
        Ok(FileSystem { name: "simulated".into(), network: false, free_bytes: 1 << 40, read_only: false })
    }

    fn now_us(&self) -> i64 {
        let mut world = self.world();
        let now = world.now_us;
        world.now_us += 1;
        now
    }

    fn create_top_dir(&self, path: &Path) -> Result<bool> {
        self.create_dir(path)
    }

    fn watch(&self, _: &[&Path]) -> Option<Box<dyn FolderWatch>> {
        None
    }

    fn machine(&self) -> String {
        String::new()
    }

    fn is_stopped(&self, _: u32) -> bool {
        false
    }

    fn host(&self) -> String {
        "simulated".into()
    }

    fn pid(&self) -> u32 {
        1
    }

    /// Ascending by the clock, then by the order of calls.
    fn uuid(&self) -> Uuid {
        let mut world = self.world();
        world.uuids += 1;
        let mut bytes = [0; 10];
        bytes[3..7].copy_from_slice(&world.uuids.to_be_bytes());
        let noise = SplitMix64(world.seed ^ u64::from(world.uuids)).next().to_be_bytes();
        bytes[7..].copy_from_slice(&noise[..3]);
        let ms = u64::try_from(world.now_us / 1000).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(ms, &bytes).into_uuid()
    }
}
