//! Opening a store again whose writer has failed.

use super::collect::{Grace, collect};
use super::flush::flush_by_hand;
use super::maintain;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::engine::store_lock;
use crate::files::manifest;
use std::ops::ControlFlow;
use std::sync::Arc;
use tidalite_log::{LogSink, Watermark};
use tidalite_model::{ErrorKind, Result, Seq};

/// A store that was opened again, and what became of the rows that the old handle had accepted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Reopened {
    /// The store. Its writer is a new one, so its rows have other sequence numbers.
    pub store: Store,
    /// The last write that the old handle had accepted; `None` if it had written nothing.
    pub accepted: Option<Seq>,
    /// The last of these that was durable before.
    pub durable: Option<Seq>,
    /// The last of these that is durable now, with everything before it. Later ones are lost.
    pub kept: Option<Seq>,
}

impl Reopened {
    /// Whether everything that the old handle had accepted is durable now.
    pub fn is_whole(&self) -> bool {
        self.kept == self.accepted
    }
}

/// Keeps nothing of a log.
struct KeepsNothing;

impl LogSink for KeepsNothing {}

impl Store {
    /// Closes this store and opens it again, with the same options. That ends the state in which every call fails with
    /// `Poisoned` because a sync failed. Rows that were accepted and not yet durable may still be in the memory of the
    /// machine: those are written to a part at once, and the result tells how far that went. Handles on runs have to be made
    /// anew: `store.run(id).start()` joins a run that exists.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// run.log(0, &[("loss", 1.0)])?;
    /// let reopened = store.reopen()?;
    /// assert!(reopened.is_whole());
    /// let run = reopened.store.run("a").start()?;
    /// run.log(1, &[("loss", 0.5)])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `NotFound` if the store is gone: then what was accepted and not flushed is lost. Otherwise as [`Options::open`] and
    /// [`flush`](Self::flush); then this handle is closed, nothing more is lost than before, and the call can be repeated.
    ///
    /// [`Options::open`]: crate::Options::open
    pub fn reopen(&self) -> Result<Reopened> {
        let old = self.last_state();
        if !old.forked() && !old.is_closed() {
            match old.close() {
                // This failure is the reason for opening it again.
                Err(e) if e.kind() != ErrorKind::Poisoned => return Err(e),
                _ => {}
            }
        }
        let log = old.log().filter(|_| !old.forked());
        let Watermark { accepted, durable, .. } = log.map(|log| log.watermark()).unwrap_or_default();
        let state = old.open_again()?;
        let kept = match accepted.filter(|_| durable != accepted) {
            None => accepted,
            Some(last) => save(&state, last, durable)?,
        };
        state.work_in_background(maintain::start);
        Ok(Reopened { store: Store::of(state), accepted, durable, kept })
    }
}

/// Flushes what can be read of a writer's rows up to `last`, of which those after `durable` are not durable, and returns the
/// last of them that was saved.
fn save(state: &Arc<StoreState>, last: Seq, durable: Option<Seq>) -> Result<Option<Seq>> {
    let go = |_| state.unless_closed(ControlFlow::Continue(()));
    let _lock = store_lock::lock_waiting(state, "save rows", &|| go(0))?;
    let flushed = manifest::latest(&*state.vfs, &state.paths)?.manifest.flushed(last.writer());
    let dirs = tidalite_log::writers(&*state.vfs, &state.paths.log())?;
    let end = match dirs.iter().find(|dir| dir.writer == last.writer()) {
        Some(dir) => tidalite_log::replay(&*state.vfs, dir, flushed, false, &mut KeepsNothing)?.next_ordinal,
        None => flushed,
    };
    let end = end.max(flushed);
    flush_by_hand(state, &go)?;
    collect(state, Grace::All)?;
    if end > last.ordinal() {
        return Ok(Some(last));
    }
    let kept = end.checked_sub(1).map(|ordinal| Seq::new(last.writer(), ordinal));
    Ok(kept.max(durable))
}
