//! Merging parts into one, or into one of visible and one of hidden points, and checking that these hold every row of the
//! inputs.
//!
//! Invariant: inputs and outputs agree in the count of points and the sum of value bits, after subtracting the points of
//! deleted runs and of removed series. If they differ, the outputs are removed and nothing is published.

use super::hiding::VersionHiding;
use super::parts_source::{Inputs, PartsSource};
use super::publish::sync_part_folders;
use crate::engine::cancel::go_on;
use crate::engine::room::JobRoom;
use crate::engine::state::StoreState;
use crate::parts::thinned::{Account, ThinnedParts};
use crate::parts::tiles::{pass_over, write_parts};
use crate::view::tombstones::{Automatic, Coverage, Tombstones};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Extent, Result, SeriesKey};
use tidalite_parts::{Part, PartMeta, PartPaths, SeriesRow};

/// What thinning removes from parts: whole series, with the count and the bits of their points.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    pub(crate) series: HashSet<SeriesKey>,
    pub(crate) points: u64,
    /// The wrapping sum of the bits of their values.
    pub(crate) bits: u64,
}

/// A merge of parts, all of them thinned or none.
pub(crate) struct MergeJob<'a> {
    pub(crate) state: &'a StoreState,
    /// The parts to merge, hidden ones first.
    pub(crate) parts: &'a [Arc<Part>],
    /// Parts whose points may replace those of the inputs. If there is such a list, points are sorted: hidden ones go to
    /// a hidden part and others to a visible one. If not, all inputs are hidden or none is, and so is the output.
    pub(crate) sorting: Option<&'a [Arc<Part>]>,
    /// What is deleted, and left out, and what is rewound.
    pub(crate) hiding: &'a VersionHiding,
    /// What thinning takes out.
    pub(crate) removed: &'a Removed,
    pub(crate) room: &'a JobRoom<'a>,
    /// Called with the points merged so far and the points in total.
    pub(crate) progress: &'a dyn Fn(u64, u64) -> ControlFlow<()>,
}

/// What a merge made. Parts are durable but not yet in a manifest. There are several of a kind only where a part was rewritten
/// that is larger than the room allows.
pub(crate) struct Merged {
    pub(crate) visible: Vec<PartMeta>,
    pub(crate) hidden: Vec<PartMeta>,
    /// Points of deleted runs that were left out.
    pub(crate) dropped: u64,
}

impl MergeJob<'_> {
    /// # Errors
    /// `Corrupt` where an input is damaged, or where the outputs do not hold what the inputs do; `Full`, `Io`. No version
    /// names the outputs then.
    pub(crate) fn run(&self) -> Result<Merged> {
        match self.parts.first().is_some_and(|part| part.meta().is_thinned()) {
            true => self.merge_thinned(),
            false => self.merge_whole(),
        }
    }

    /// Whether any point of the inputs is hidden or deleted. The job must sort.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn finds_hidden(&self) -> Result<bool> {
        let inputs = self.inputs();
        let source = PartsSource::new(inputs, inputs.untouched()?);
        pass_over(self.state, &source, self.room, &|| (self.progress)(0, self.total()))?;
        Ok(source.hidden_points() > 0 || source.dropped().0 > 0)
    }

    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            parts: self.parts,
            context: self.sorting.unwrap_or_default(),
            hiding: self.hiding,
            without: &self.removed.series,
            sorts: self.sorting.is_some(),
        }
    }

    fn total(&self) -> u64 {
        self.parts.iter().map(|part| part.meta().rows).sum()
    }

    fn merge_whole(&self) -> Result<Merged> {
        let (state, vfs) = (self.state, &self.state.vfs);
        let inputs = self.inputs();
        let source =
            PartsSource::new(inputs, inputs.unchanged(self.room.tile_rows(state.options.tile_rows))?);
        let total = self.total();
        let done = std::cell::Cell::new(0);
        let progress = |rows| {
            done.set(done.get() + rows);
            (self.progress)(done.get(), total)
        };
        // Without sorting, the inputs are of one kind. Hidden ones keep the moment of the oldest if it is outdated.
        let oldest = self.parts.first().and_then(|part| part.meta().hidden_as_of());
        let outdated = self.parts.iter().any(|part| self.hiding.is_outdated(part));
        let as_of = if outdated { oldest.clone() } else { Some(self.hiding.as_of.clone()) };
        let kept = oldest.and(as_of).filter(|_| self.sorting.is_none());
        let place = || match kept {
            Some(_) => state.paths.hidden_part(vfs.uuid()),
            None => state.paths.part(vfs.uuid()),
        };
        let room = (self.room, self.room.part_rows(state.options.part_rows));
        let mut made = write_parts(state, &place, &source, room, &progress)?;
        let dropped = source.dropped();
        let mut merged = Merged { visible: Vec::new(), hidden: Vec::new(), dropped: dropped.0 };
        let found = made.iter().map(|(_, meta)| meta.clone());
        match &kept {
            Some(as_of) => merged.hidden.extend(found.map(|meta| meta.hidden_at(as_of))),
            None => merged.visible.extend(found),
        }
        if source.hidden_points() > 0 {
            let place = || state.paths.hidden_part(vfs.uuid());
            let written = write_parts(state, &place, &source.into_hidden(), room, &progress);
            let written = self.or_remove(&made, written)?;
            let as_of = &self.hiding.as_of;
            merged.hidden.extend(written.iter().map(|(_, meta)| meta.clone().hidden_at(as_of)));
            made.extend(written);
        }
        self.check(&made, dropped)?;
        sync_part_folders(state)?;
        Ok(merged)
    }

    /// Compares what was written, left out and removed with the inputs.
    fn check(&self, made: &[(PartPaths, PartMeta)], (dropped, bits_dropped): (u64, u64)) -> Result<()> {
        let out = dropped + self.removed.points;
        let written: u64 = made.iter().map(|(_, meta)| meta.rows).sum();
        let bits = |metas: &mut dyn Iterator<Item = &PartMeta>| {
            metas.fold(0u64, |sum, meta| sum.wrapping_add(meta.value_bits_sum))
        };
        let bits_in = bits(&mut self.parts.iter().map(|part| part.meta()));
        let bits_out = bits(&mut made.iter().map(|(_, meta)| meta));
        let left_out = bits_dropped.wrapping_add(self.removed.bits);
        if written + out == self.total() && bits_out.wrapping_add(left_out) == bits_in {
            return Ok(());
        }
        self.or_remove(made, Err(differs(self.total(), out, written)))
    }

    /// Removes the files of parts that were written, if what followed failed.
    fn or_remove<T>(&self, made: &[(PartPaths, PartMeta)], outcome: Result<T>) -> Result<T> {
        if outcome.is_err() {
            let vfs = &self.state.vfs;
            for path in made.iter().flat_map(|(place, _)| place.files()) {
                if vfs.stat(path)?.is_some() {
                    vfs.remove(path)?;
                }
            }
        }
        outcome
    }

    fn merge_thinned(&self) -> Result<Merged> {
        let total = self.total();
        let mut parts = ThinnedParts::new(self.state);
        let (mut done, mut out, mut expected) = (0, Account::default(), Account::default());
        for part in self.parts {
            let is_deleted = |row: &SeriesRow| {
                let steps = row.summary.steps().unwrap_or(Extent::new(0, 0));
                let automatic = Automatic::count(row.automatic, row.rows);
                let seqs = (row.seq_min, row.seq_max);
                let coverage = |tombstones: &Tombstones| tombstones.coverage(steps, seqs, automatic);
                self.hiding
                    .deleted
                    .get(&*row.key.run)
                    .is_some_and(|tombstones| coverage(tombstones) == Coverage::All)
            };
            out.add(parts.carry(part, &is_deleted)?);
            expected.add(Account::of(std::slice::from_ref(part.meta())));
            done += part.meta().rows;
            go_on((self.progress)(done, total))?;
        }
        let made = parts.finish()?;
        expected.take_off(out);
        if Account::of(&made) != expected || made.len() > 1 {
            return Err(differs(total, out.rows, made.iter().map(|m| m.rows).sum()));
        }
        sync_part_folders(self.state)?;
        Ok(Merged { visible: made, hidden: Vec::new(), dropped: out.rows })
    }
}

fn differs(total: u64, left_out: u64, came_out: u64) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "compact",
        format!("of {total} points {left_out} were left out and {came_out} written, or the checksums differ"),
        "nothing was changed; run `tidalite verify`",
    )
}
