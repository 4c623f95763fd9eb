//! Options of merging stores, and what a merge did.

use std::collections::BTreeMap;
use tidalite_model::{Error, Result};

/// What becomes of a run of the other store whose id is that of a different run here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// The merge is refused; the error names such runs.
    #[default]
    Refuse,
    /// The run of the other store gets an id that ends with this text.
    Suffix(String),
    /// Both become one run.
    Join,
}

/// How [`Store::merge_with`](crate::Store::merge_with) merges.
#[derive(Debug, Clone, Default)]
pub struct Merge {
    pub(super) on_conflict: OnConflict,
    pub(super) skip_unreadable: bool,
}

impl Merge {
    /// Different runs of one id are refused, and so is damage in the other store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what becomes of different runs of one id. Two runs are the same if they have a write in common, such as their
    /// start: both stores had the run when one was copied from the other, or an earlier merge brought it.
    pub fn on_conflict(mut self, what: OnConflict) -> Self {
        self.on_conflict = what;
        self
    }

    /// Leaves out what is damaged in the other store. A later merge does not bring it, even if it is mended by then.
    pub fn skip_unreadable(mut self, skip: bool) -> Self {
        self.skip_unreadable = skip;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.on_conflict == OnConflict::Suffix(String::new()) {
            return Err(Error::invalid(
                "merge stores",
                "the suffix for run ids is empty",
                "give at least one character, such as \"-b\"",
            ));
        }
        Ok(())
    }
}

/// What a merge brought into a store.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct MergeStats {
    /// Runs that the store did not have.
    pub runs_new: u64,
    /// Runs that the store had, and of which it learned something other than points.
    pub runs_changed: u64,
    /// Points.
    pub points: u64,
    /// Runs that have another id here: that in the other store, and that here.
    pub renamed: BTreeMap<String, String>,
    /// What was damaged in the other store, and left out.
    pub unreadable: Vec<Error>,
}
