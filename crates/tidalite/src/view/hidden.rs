//! Hidden parts: which of them an answer needs, and a snapshot with these opened.
//!
//! A hidden part holds points that were hidden when it was written: rewound, or replaced by a later write of their step.
//! They stay hidden until a change to their run hides what replaced them. So an answer needs a hidden part only if it asks
//! for such points, or for a run with a rewind or deletion that is newer than the part ([`outdated`](super::outdated)).
//!
//! Invariant: opened hidden parts come first in a view, in the order of the manifest. Of points with one step, clock and
//! seq, which are rows of one batch, the later rows are in later parts. So they merge in the order of the batch.

use super::outdated::outdated_runs;
use super::snapshot::{Snapshot, SnapshotView};
use std::collections::BTreeSet;
use std::sync::Arc;
use tidalite_model::{Error, Result};
use tidalite_parts::PartMeta;

impl Snapshot {
    /// The same snapshot with the chosen hidden parts opened. One that cannot be opened is among the broken parts.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn with_hidden(&self, wanted: impl Fn(&PartMeta) -> bool) -> Result<Snapshot> {
        let view = &*self.view;
        let held: BTreeSet<_> = view.parts.iter().map(|p| p.meta().id).collect();
        let lost: BTreeSet<_> = view.broken.iter().map(|(m, _)| m.id).collect();
        let hidden = view.version.manifest.parts.iter().filter(|m| m.is_hidden());
        let chosen: Vec<&PartMeta> =
            hidden.filter(|m| !lost.contains(&m.id) && (held.contains(&m.id) || wanted(m))).collect();
        if chosen.iter().all(|m| held.contains(&m.id)) {
            return Ok(self.clone());
        }
        let places: Vec<_> = chosen.into_iter().map(|m| (self.state.paths.place(m), m.clone())).collect();
        let (mut parts, more) = self.state.cache.open_parts(&view.version, &places)?;
        parts.extend(view.parts.iter().filter(|p| !p.meta().is_hidden()).cloned());
        let mut with = view.copy();
        with.parts = parts;
        with.broken.extend(more);
        Ok(Snapshot { state: self.state.clone(), view: Arc::new(with) })
    }

    /// The same snapshot with all hidden parts opened.
    ///
    /// # Errors
    /// As [`with_hidden`](Self::with_hidden).
    pub(crate) fn with_all_hidden(&self) -> Result<Snapshot> {
        self.with_hidden(|_| true)
    }

    /// The same snapshot with the hidden parts opened that may hold visible points.
    ///
    /// # Errors
    /// As [`with_hidden`](Self::with_hidden).
    pub(crate) fn with_outdated_hidden(&self) -> Result<Snapshot> {
        let runs = &self.view.runs;
        self.with_hidden(|meta| outdated_runs(runs, meta).next().is_some())
    }
}

impl SnapshotView {
    /// A view of the same rows.
    pub(super) fn copy(&self) -> SnapshotView {
        SnapshotView {
            version: self.version.clone(),
            parts: self.parts.clone(),
            broken: self.broken.iter().map(|(meta, e)| (meta.clone(), e.duplicate())).collect(),
            on_damage: self.on_damage,
            losses: self.losses.clone(),
            tails: self.tails.clone(),
            runs: self.runs.clone(),
            gone: self.gone.clone(),
            damage: self.damage.iter().map(Error::duplicate).collect(),
            agreement: self.agreement,
        }
    }
}
