//! One damage to one file.

use super::sample::Golden;
use std::path::{Path, PathBuf};
use tidalite_vfs::{SimVfs, Vfs};

/// One damage: the file and its new content.
pub(super) struct Damage {
    pub(super) what: String,
    /// The file that an error or report must name.
    pub(super) path: PathBuf,
    pub(super) change: Change,
    /// Whether it is one flipped bit, so that the loss is bounded.
    pub(super) one_bit: bool,
}

pub(super) enum Change {
    Bytes(Vec<u8>),
    Gone,
    Doubled(PathBuf),
    Renamed(PathBuf),
}

impl Damage {
    pub(super) fn new(what: impl Into<String>, path: &Path, change: Change) -> Self {
        Damage { what: what.into(), path: path.to_path_buf(), change, one_bit: false }
    }

    pub(super) fn apply(&self, golden: &Golden) -> SimVfs {
        let disk = golden.disk.kill();
        let put = |path: &Path, bytes: &[u8]| {
            disk.remove(path).unwrap();
            disk.create(path).unwrap().write_all(bytes).unwrap();
        };
        match &self.change {
            Change::Bytes(bytes) => put(&self.path, bytes),
            Change::Gone => disk.remove(&self.path).unwrap(),
            Change::Doubled(to) => put(to, &golden.files[&self.path]),
            Change::Renamed(to) => {
                put(to, &golden.files[&self.path]);
                disk.remove(&self.path).unwrap();
            }
        }
        disk
    }
}
