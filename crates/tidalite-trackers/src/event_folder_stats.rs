//! What an import of event files has added.

use std::collections::BTreeMap;

/// What one reading of a folder has added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventFolderStats {
    /// Event files that were looked at.
    pub files: u64,
    /// Runs to which something was added.
    pub runs: u64,
    /// Points that were added.
    pub points: u64,
    /// Restarts, each of which rewound its run.
    pub restarts: u64,
    /// How many values were left out, by what they are.
    pub left_out: BTreeMap<String, u64>,
}

impl EventFolderStats {
    pub(crate) fn leave_out(&mut self, kind: &str, n: u64) {
        match self.left_out.get_mut(kind) {
            Some(count) => *count += n,
            None => drop(self.left_out.insert(kind.to_owned(), n)),
        }
    }
}
