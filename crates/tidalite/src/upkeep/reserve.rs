//! Disk space that the store keeps in reserve, so that a full disk can be emptied: deleting runs writes a log, and
//! removing their points writes a run table and a version.
//!
//! The reserve is a file with allocated blocks. It has a 64th of the bytes of the parts, and at most 1 MiB. Each flush,
//! compaction and thinning makes it where it is missing. A deletion, compaction or thinning by hand that meets a full
//! disk removes it and tries again.

use crate::engine::state::StoreState;
use crate::files::manifest;
use tidalite_model::{ErrorKind, Result};

/// The reserve is this share of the parts: a store of a few megabytes would become much larger by a fixed size.
const SHARE: u64 = 64;
/// The smallest reserve: a log segment of 64 KiB, a run table and a version. A store whose share is smaller has none.
const BYTES_MIN: u64 = 128 << 10;
/// The largest reserve: run tables and versions of some hundred parts fit as well.
const BYTES_MAX: u64 = 1 << 20;

/// Makes the reserve where it is missing or too small. The store works without it, so an error is ignored.
pub(crate) fn make(state: &StoreState) {
    let Ok(version) = manifest::latest(&*state.vfs, &state.paths) else { return };
    let parts: u64 = version.manifest.parts.iter().map(|part| part.bytes).sum();
    let wanted = state.options.reserve_bytes.unwrap_or((parts / SHARE).min(BYTES_MAX));
    let path = state.paths.reserve();
    let Ok(present) = state.vfs.stat(&path) else { return };
    // It grows by doubling, so that it is seldom made anew.
    if wanted < BYTES_MIN || present.is_some_and(|stat| stat.bytes >= wanted / 2) {
        return;
    }
    if present.is_some() && state.vfs.remove(&path).is_err() {
        return;
    }
    let _ = state.vfs.create_segment(&path, wanted.next_multiple_of(4096));
}

/// Does some work. Where the disk is full, does it again with the reserve.
///
/// # Errors
/// Those of the work.
pub(crate) fn with_reserve<T>(state: &StoreState, work: impl Fn() -> Result<T>) -> Result<T> {
    match work() {
        Err(e) if e.kind() == ErrorKind::Full => {
            // If it cannot be removed, the second attempt fails as the first did.
            let _ = state.vfs.remove(&state.paths.reserve());
            work()
        }
        done => done,
    }
}
