//! Opening a store: its state, and the background worker of a store opened for writing.

use super::maintain;
use crate::engine::options::Options;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use std::path::Path;
use tidalite_model::Result;

impl Options {
    /// Opens the store in the folder `path`; unless read-only, creates it if absent.
    ///
    /// The handle means this store from then on. Later changes of the current folder do not affect it, and it follows
    /// the folder where that is moved. Once the folder is deleted or replaced, each call fails with `NotFound`, and
    /// logging with `Poisoned`, at the latest a second later (without [`background`](Self::background) work: at the
    /// next sync or segment). What was accepted and not flushed is lost then.
    ///
    /// # Errors
    /// `NotFound` if the store is absent and read-only; `Invalid` if `path` is a file, or a folder that holds something
    /// else; `Unsupported` for a newer format; `Corrupt`, `Io` and `Full` as they occur.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Store> {
        let state = StoreState::open(path.as_ref(), self)?;
        state.work_in_background(maintain::start);
        Ok(Store::of(state))
    }
}
