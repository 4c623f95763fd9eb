//! Open files and locks of the simulated disk. Each call is one step under the simulation's one lock.

use super::failure::StepKind;
use super::tree::{FileNode, TreeNode};
use super::world::{SharedWorld, SimHeldFolder};
use crate::segment_bounds::end_inside;
use crate::vfs::{Lock, ReadFile, SegmentFile, WriteFile};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidalite_model::Result;

/// One open descriptor.
#[derive(Debug)]
pub(super) struct SimHandle {
    pub(super) world: SharedWorld,
    pub(super) held: SimHeldFolder,
    pub(super) file: Arc<FileNode>,
    pub(super) path: PathBuf,
    /// Identifies this descriptor's locks.
    pub(super) number: u64,
}

impl SimHandle {
    fn is_linked(&self) -> Result<bool> {
        self.is_at(&self.path)
    }

    fn is_at(&self, path: &Path) -> Result<bool> {
        let mut world = self.world.lock();
        world.step(StepKind::Read, "look up", path)?;
        let there = world.find(&self.held, path)?;
        Ok(matches!(there, Some(TreeNode::File(f)) if Arc::ptr_eq(&f, &self.file)))
    }

    fn sync(&self, doing: &str) -> Result<()> {
        let mut world = self.world.lock();
        match world.step(StepKind::Change, doing, &self.path) {
            Ok(()) if world.ignore_sync => Ok(()),
            Ok(()) => {
                self.file.state().sync();
                Ok(())
            }
            Err(e) => {
                if !world.steps.crashed() {
                    self.file.state().fail_sync();
                }
                Err(e)
            }
        }
    }
}

impl Drop for SimHandle {
    fn drop(&mut self) {
        let _world = self.world.lock();
        self.file.state().locks.release(self.number);
    }
}

#[derive(Debug)]
pub(super) struct SimReadFile(pub(super) SimHandle);

impl ReadFile for SimReadFile {
    fn len(&self) -> Result<u64> {
        self.0.world.lock().step(StepKind::Read, "look up length of file", &self.0.path)?;
        Ok(self.0.file.state().live.len())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let mut world = self.0.world.lock();
        world.step(StepKind::Read, "read file", &self.0.path).map_err(|e| e.at_offset(offset))?;
        Ok(self.0.file.state().live.read_at(offset, buf))
    }

    fn path(&self) -> &Path {
        &self.0.path
    }

    fn is_at(&self, path: &Path) -> Result<bool> {
        self.0.is_at(path)
    }

    fn try_lock_shared(&self) -> Result<bool> {
        self.0.world.lock().step(StepKind::Read, "lock file", &self.0.path)?;
        Ok(self.0.file.state().locks.try_shared(self.0.number))
    }

    fn try_lock_exclusive(&self) -> Result<bool> {
        self.0.world.lock().step(StepKind::Read, "lock file", &self.0.path)?;
        Ok(self.0.file.state().locks.try_exclusive(self.0.number))
    }
}

#[derive(Debug)]
pub(super) struct SimWriteFile {
    pub(super) handle: SimHandle,
    pub(super) bytes: u64,
}

impl WriteFile for SimWriteFile {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        let mut world = self.handle.world.lock();
        let done = world.step(StepKind::Allocate, "write file", &self.handle.path);
        let written = match &done {
            Ok(()) => bytes,
            Err(_) if world.steps.crashed() => &[],
            Err(_) => &bytes[..bytes.len() / 2],
        };
        let mut file = self.handle.file.state();
        let end = file.live.len();
        file.write(end, written);
        if done.is_ok() {
            self.bytes += bytes.len() as u64;
        }
        done
    }

    fn sync(&mut self) -> Result<()> {
        self.handle.sync("sync file")
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn path(&self) -> &Path {
        &self.handle.path
    }
}

#[derive(Debug)]
pub(super) struct SimSegment {
    pub(super) handle: SimHandle,
    pub(super) capacity: u64,
}

impl SegmentFile for SimSegment {
    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        end_inside(&self.handle.path, offset, bytes.len(), self.capacity)?;
        let mut world = self.handle.world.lock();
        world
            .step(StepKind::Change, "write to segment", &self.handle.path)
            .map_err(|e| e.at_offset(offset))?;
        self.handle.file.state().write(offset, bytes);
        Ok(())
    }

    fn publish(&self, word_offset: u64, value: u64) {
        assert!(
            word_offset.is_multiple_of(8) && word_offset < self.capacity,
            "a published word is inside the file"
        );
        let mut world = self.handle.world.lock();
        if world.step(StepKind::Silent, "publish length of segment", &self.handle.path).is_ok() {
            self.handle.file.state().write(word_offset, &value.to_le_bytes());
        }
    }

    fn sync(&self) -> Result<()> {
        self.handle.sync("sync segment")
    }

    fn truncate(self: Box<Self>, bytes: u64) -> Result<()> {
        end_inside(&self.handle.path, 0, usize::try_from(bytes).unwrap_or(usize::MAX), self.capacity)?;
        {
            let mut world = self.handle.world.lock();
            world.step(StepKind::Change, "cut segment to its length", &self.handle.path)?;
            self.handle.file.state().set_len(bytes);
        }
        self.handle.sync("cut segment to its length")
    }

    fn path(&self) -> &Path {
        &self.handle.path
    }
}

#[derive(Debug)]
pub(super) struct SimLock(pub(super) SimHandle);

impl Lock for SimLock {
    fn path(&self) -> &Path {
        &self.0.path
    }

    fn is_linked(&self) -> Result<bool> {
        self.0.is_linked()
    }

    fn write(&self, text: &[u8]) -> Result<()> {
        let mut world = self.0.world.lock();
        world.step(StepKind::Silent, "write lock file", &self.0.path)?;
        let mut file = self.0.file.state();
        file.set_len(0);
        file.write(0, text);
        Ok(())
    }
}
