//! How long work ends early: its caller says so when it is told of progress, or the store is closed meanwhile.
//!
//! Work reports progress between tiles, so it ends within a fraction of a second. What it had not published then is removed,
//! and what it had published holds.

use super::state::StoreState;
use std::ops::ControlFlow;
use tidalite_model::{Error, ErrorKind, Result};

/// Goes on, or ends the work.
///
/// # Errors
/// `Cancelled` for `Break`.
pub(crate) fn go_on(flow: ControlFlow<()>) -> Result<()> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::new(
            ErrorKind::Cancelled,
            "go on",
            "the caller ended the work, or the store was closed meanwhile",
            "what was published before holds; call it again to do the rest",
        )),
    }
}

impl StoreState {
    /// What the caller's progress function says, or an end once the store is closed.
    pub(crate) fn unless_closed(&self, flow: ControlFlow<()>) -> ControlFlow<()> {
        if self.is_closed() { ControlFlow::Break(()) } else { flow }
    }
}
