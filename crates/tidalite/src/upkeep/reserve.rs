//! Disk space that the store keeps in reserve, so that a full disk can be emptied: to delete runs takes a log, and to drop their
//! points a run table and a version.
//!
//! The reserve is a file whose blocks are allocated. Each flush, compaction and thinning makes it where it is missing. A deletion,
//! compaction or thinning by hand that meets a full disk removes it and tries again.

use crate::engine::state::StoreState;
use tidalite_model::{ErrorKind, Result};

/// The size of the reserve, in units of the least segment of a log (256 KiB by default): one is for a log, the rest for run
/// tables and versions of some hundred parts.
const RESERVE_SEGMENTS: u64 = 4;

/// Makes the reserve where it is missing. Without it the store works as well, so an error is none.
pub(crate) fn make(state: &StoreState) {
    let path = state.paths.reserve();
    if let Ok(None) = state.vfs.stat(&path) {
        let bytes = (RESERVE_SEGMENTS * state.options.segment_bytes.0).next_multiple_of(4096);
        let _ = state.vfs.create_segment(&path, bytes);
    }
}

/// Does some work. Where the disk is full, does it again with the reserve.
///
/// # Errors
/// Those of the work.
pub(crate) fn with_reserve<T>(state: &StoreState, work: impl Fn() -> Result<T>) -> Result<T> {
    match work() {
        Err(e) if e.kind() == ErrorKind::Full => {
            // One that cannot be removed frees nothing.
            let _ = state.vfs.remove(&state.paths.reserve());
            work()
        }
        done => done,
    }
}
