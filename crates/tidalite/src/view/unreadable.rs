//! Parts that cannot be read: what a snapshot says of them, and a snapshot of the rest.
//!
//! A query that may select points of such a part fails. So do lists of names and sizes, which every part may change.
//! Counts (`stats`) name the part instead, since most of them do not depend on it.

use super::snapshot::{Snapshot, SnapshotView};
use std::sync::Arc;
use tidalite_model::Error;

impl Snapshot {
    /// What keeps this snapshot from reading some of its parts: an error for each part that cannot be opened, and for each
    /// part whose rollups cannot be read. Empty where all is well. Pages are not read; [`verify`](crate::Store::verify)
    /// does.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// store.run("a").start()?.log(0, &[("loss", 1.0)])?;
    /// store.flush()?;
    /// assert!(store.snapshot()?.unreadable_parts().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unreadable_parts(&self) -> Vec<Error> {
        let all = match self.with_all_hidden() {
            Ok(all) => all,
            Err(e) => return vec![e],
        };
        let closed = all.view.broken.iter().map(|(_, e)| e.duplicate());
        closed.chain(all.view.parts.iter().filter_map(|p| p.rollups_damage())).collect()
    }

    /// The same snapshot without the parts that cannot be opened. Its answers are of what is left, so they may lack points
    /// without saying so; [`unreadable_parts`](Self::unreadable_parts) of this snapshot says what they lack.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// store.run("a").start()?.log(0, &[("loss", 1.0)])?;
    /// let snapshot = store.snapshot()?;
    /// for lost in snapshot.unreadable_parts() {
    ///     eprintln!("left out: {lost}");
    /// }
    /// assert_eq!(snapshot.without_unreadable_parts().metrics()?, ["loss"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn without_unreadable_parts(&self) -> Snapshot {
        let view = SnapshotView { broken: Vec::new(), passes_over_damage: true, ..self.view.copy() };
        Snapshot { inner: self.inner.clone(), view: Arc::new(view) }
    }
}
