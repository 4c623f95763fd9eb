//! Merging parts into one, and checking that the output holds every row of the inputs.
//!
//! Invariant: inputs and output agree in the count of points and the sum of value bits, after subtracting the points of
//! deleted runs and of removed series. If they differ, the output is removed and nothing is published.

use super::deleted::Deleted;
use super::parts_source::{PartsSource, unchanged};
use super::publish::sync_part_folders;
use crate::engine::state::StoreState;
use crate::parts::thinned::{Account, ThinnedParts};
use crate::parts::tiles::write_part;
use crate::view::tombstones::{Automatic, Coverage, Tombstones};
use std::collections::HashSet;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Extent, Result, SeriesKey};
use tidalite_parts::{Part, PartMeta, SeriesRow};

/// What thinning removes from parts: whole series, with the count and the bits of their points.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    pub(crate) series: HashSet<SeriesKey>,
    pub(crate) points: u64,
    /// The wrapping sum of the bits of their values.
    pub(crate) bits: u64,
}

/// A merge of parts into at most one, all of them thinned or none.
pub(crate) struct MergeJob<'a> {
    pub(crate) inner: &'a StoreState,
    pub(crate) parts: &'a [Arc<Part>],
    /// What was deleted: its points are left out.
    pub(crate) deleted: &'a Deleted,
    /// What thinning takes out.
    pub(crate) removed: &'a Removed,
    pub(crate) pool: &'a rayon::ThreadPool,
    /// Called with the points merged so far and the points in total.
    pub(crate) progress: &'a dyn Fn(u64, u64),
}

/// What a merge made.
pub(crate) struct Merged {
    /// The part, durable but not yet in a manifest; `None` where no point is left.
    pub(crate) part: Option<PartMeta>,
    /// Points of deleted runs that were left out.
    pub(crate) dropped: u64,
}

impl MergeJob<'_> {
    /// # Errors
    /// `Corrupt` where an input is damaged, or where the output does not hold what the inputs do; `Full`, `Io`. No version
    /// names the output then.
    pub(crate) fn run(&self) -> Result<Merged> {
        match self.parts.first().is_some_and(|part| part.meta().is_thinned()) {
            true => self.merge_thinned(),
            false => self.merge_whole(),
        }
    }

    fn total(&self) -> u64 {
        self.parts.iter().map(|part| part.meta().rows).sum()
    }

    fn merge_whole(&self) -> Result<Merged> {
        let (inner, vfs) = (self.inner, &self.inner.vfs);
        let copies = unchanged(self.parts, self.deleted, &self.removed.series, inner.options.tile_rows);
        let source = PartsSource::new(self.parts, self.deleted, &self.removed.series, copies);
        let total = self.total();
        let done = std::cell::Cell::new(0);
        let paths = inner.paths.part(vfs.uuid());
        let written = write_part(inner, &paths, &source, self.pool, &|rows| {
            done.set(done.get() + rows);
            (self.progress)(done.get(), total);
        })?;
        let (dropped, bits_dropped) = source.dropped();
        let (out, bits_out) = (dropped + self.removed.points, bits_dropped.wrapping_add(self.removed.bits));
        let sum_in = self.parts.iter().fold(0u64, |sum, p| sum.wrapping_add(p.meta().value_bits_sum));
        match written {
            Some(meta)
                if meta.rows + out == total && meta.value_bits_sum.wrapping_add(bits_out) == sum_in =>
            {
                sync_part_folders(inner)?;
                Ok(Merged { part: Some(meta), dropped })
            }
            None if out == total && bits_out == sum_in => Ok(Merged { part: None, dropped }),
            other => {
                for path in paths.files().into_iter().filter(|_| other.is_some()) {
                    if vfs.stat(path)?.is_some() {
                        vfs.remove(path)?;
                    }
                }
                Err(differs(total, out, other.map_or(0, |m| m.rows)))
            }
        }
    }

    fn merge_thinned(&self) -> Result<Merged> {
        let total = self.total();
        let mut parts = ThinnedParts::new(self.inner);
        let (mut done, mut out, mut expected) = (0, Account::default(), Account::default());
        for part in self.parts {
            let is_deleted = |row: &SeriesRow| {
                let steps = row.summary.steps().unwrap_or(Extent::new(0, 0));
                let automatic = Automatic::count(row.automatic, row.rows);
                let seqs = (row.seq_min, row.seq_max);
                let coverage = |tombstones: &Tombstones| tombstones.coverage(steps, seqs, automatic);
                self.deleted
                    .get(&*row.key.run)
                    .is_some_and(|tombstones| coverage(tombstones) == Coverage::All)
            };
            out.add(parts.carry(part, &is_deleted)?);
            expected.add(Account::of(std::slice::from_ref(part.meta())));
            done += part.meta().rows;
            (self.progress)(done, total);
        }
        let made = parts.finish()?;
        expected.take_off(out);
        if Account::of(&made) != expected || made.len() > 1 {
            return Err(differs(total, out.rows, made.iter().map(|m| m.rows).sum()));
        }
        sync_part_folders(self.inner)?;
        Ok(Merged { part: made.into_iter().next(), dropped: out.rows })
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
