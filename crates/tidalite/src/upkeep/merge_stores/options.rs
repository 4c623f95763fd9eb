//! Options of merging stores, and what a merge did.

use crate::engine::on_damage::OnDamage;
use crate::files::finding::Finding;
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
    pub(super) on_damage: OnDamage,
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

    /// What to do about damage in the other store. To report it leaves out what cannot be read; this store then counts it as
    /// [lost](crate::Snapshot::damage), and a later merge does not bring it. The default is an error.
    ///
    /// ```
    /// use tidalite::{Merge, OnDamage};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("a"))?;
    /// # let other = tidalite::Store::open(dir.path().join("b"))?;
    /// # other.run("x").start()?.log(0, &[("loss", 1.0)])?;
    /// let how = Merge::new().on_damage(OnDamage::Report);
    /// let stats = store.merge_with(other.path(), &how, &|_, _| std::ops::ControlFlow::Continue(()))?;
    /// assert!(stats.points == 1 && stats.damage.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_damage(mut self, what: OnDamage) -> Self {
        self.on_damage = what;
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
    /// What was damaged in the other store and left out.
    pub damage: Vec<Finding>,
}
