//! Disk space that the store keeps in reserve, so that a full disk can be emptied: to delete runs takes a log, and to drop their
//! points a run table and a version.
//!
//! The reserve is a file whose blocks are allocated. Each flush, compaction and thinning makes it where it is missing. A deletion,
//! compaction or thinning by hand that meets a full disk removes it and tries again.

use super::collect::{Grace, collect};
use super::compact::{CompactStats, compact_all};
use super::flush::{FlushMeans, FlushStats, flush_while};
use super::policy::Policy;
use crate::engine::room::JobRoom;
use crate::engine::state::StoreState;
use crate::files::manifest;
use std::ops::ControlFlow;
use tidalite_model::{ErrorKind, Result};

/// The size of the reserve: a first segment of a log (256 KiB), and run tables and versions of some hundred parts.
const RESERVE_BYTES: u64 = 1 << 20;

/// Bytes of rows, as they were logged, that a round of a flush takes while the disk is full. Their part is smaller, and the
/// space of the logs is free after each round.
const FULL_BATCH_BYTES: u64 = 512 << 10;

/// Makes the reserve where it is missing. Without it the store works as well, so an error is none.
pub(crate) fn make(state: &StoreState) {
    let path = state.paths.reserve();
    if let Ok(None) = state.vfs.stat(&path) {
        let _ = state.vfs.create_segment(&path, RESERVE_BYTES);
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

/// Makes space on a full disk: flushes in small rounds, and removes deleted points part by part, those first of which least is
/// left. What each step replaces is deleted before the next one, unless a snapshot pins it. The caller must hold the store's
/// lock.
///
/// # Errors
/// `Full` where not even one step is possible.
pub(crate) fn empty_disk(
    state: &StoreState,
    room: &JobRoom<'_>,
    progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
) -> Result<CompactStats> {
    let _ = state.vfs.remove(&state.paths.reserve());
    let mut small = *room;
    small.memory_bytes = small.memory_bytes.min(3 * FULL_BATCH_BYTES);
    let means = FlushMeans { room: small, progress: &|_| progress(0, 0) };
    let mut flushed = FlushStats::default();
    let version = || manifest::latest(&*state.vfs, &state.paths).map(|latest| latest.manifest.version);
    loop {
        let before = version()?;
        let done = flush_while(state, means, &|| false)?;
        collect(state, Grace::None)?;
        flushed.points += done.points;
        if version()? == before {
            break;
        }
    }
    let compacted = compact_all(state, Policy::Deleted, room, progress)?;
    Ok(CompactStats { flushed: flushed.points, ..compacted })
}
