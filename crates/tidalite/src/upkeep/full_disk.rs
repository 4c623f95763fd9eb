//! Flushing where the disk is full.

use super::collect::{Grace, collect};
use super::flush::{FlushMeans, flush_while};
use crate::engine::room::JobRoom;
use crate::engine::state::StoreState;
use crate::files::manifest;
use std::ops::ControlFlow;
use tidalite_model::Result;

/// Bytes of rows, as they were logged, that a round of a flush takes while the disk is full. Their part is smaller, and the
/// space of the logs is free after each round.
const FULL_BATCH_BYTES: u64 = 512 << 10;

/// Flushes on a full disk: in small rounds, each of which frees the space of the logs that it flushed. Returns the
/// points. The caller must hold the store's lock. Removing deleted points part by part ([`Policy::Deleted`]) can free
/// more afterwards.
///
/// [`Policy::Deleted`]: super::policy::Policy::Deleted
///
/// # Errors
/// `Full` where not even one step is possible.
pub(crate) fn flush_full_disk(
    state: &StoreState,
    room: &JobRoom<'_>,
    progress: &dyn Fn(u64) -> ControlFlow<()>,
) -> Result<u64> {
    let _ = state.vfs.remove(&state.paths.reserve());
    let mut small = *room;
    small.memory_bytes = small.memory_bytes.min(3 * FULL_BATCH_BYTES);
    let means = FlushMeans { room: small, progress };
    let version = || manifest::latest(&*state.vfs, &state.paths).map(|latest| latest.manifest.version);
    let mut flushed = 0;
    loop {
        let before = version()?;
        flushed += flush_while(state, means, &|| false)?.points;
        collect(state, Grace::None)?;
        if version()? == before {
            return Ok(flushed);
        }
    }
}
