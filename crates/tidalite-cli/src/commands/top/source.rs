//! What one refresh reads.

use tidalite::{Selection, Snapshot};

/// A snapshot, and the selection whose clones read it, so that what they leave out is in one report.
#[derive(Debug)]
pub(super) struct TopSource {
    pub(super) snapshot: Snapshot,
    pub(super) select: Selection,
}

impl TopSource {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        let select = snapshot.select();
        TopSource { snapshot, select }
    }
}
