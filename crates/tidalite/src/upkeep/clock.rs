//! The greatest clock of a store, so that a new writer's writes are later than those before.

use crate::engine::state::StoreState;
use crate::files::manifest;
use tidalite_model::TIME_US_MIN;

/// The greatest clock of a write in the store. What cannot be read does not count, since a new writer must not wait for a
/// repair. What is read of the logs is kept in memory.
pub(super) fn greatest_clock(state: &StoreState) -> i64 {
    let Ok(version) = manifest::latest(&*state.vfs, &state.paths) else { return TIME_US_MIN };
    let mut greatest = version.manifest.clock_us;
    for dir in tidalite_log::writers(&*state.vfs, &state.paths.log()).unwrap_or_default() {
        let from = version.manifest.flushed(dir.writer);
        if let Ok(clock_us) = state.change_tails.clock_us(&*state.vfs, &dir, from) {
            greatest = greatest.max(clock_us);
        }
    }
    greatest
}
