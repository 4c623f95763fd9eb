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
use crate::view::tombstones::{Coverage, Tombstones};
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

/// Merges parts. Returns the output, `None` if it has no points, and the number of deleted points that were left out.
pub(crate) fn merge_parts(
    inner: &StoreState,
    inputs: &[PartMeta],
    deleted: &Deleted,
    removed: &Removed,
    pool: &rayon::ThreadPool,
    progress: &dyn Fn(u64, u64),
) -> Result<(Option<PartMeta>, u64)> {
    let vfs = &inner.vfs;
    let parts: Vec<Arc<Part>> = inputs
        .iter()
        .map(|m| Part::open(vfs.clone(), &inner.paths.part(m.id), m).map(Arc::new))
        .collect::<Result<_>>()?;
    let copies = unchanged(&parts, deleted, &removed.series, inner.options.tile_rows);
    let source = PartsSource::new(&parts, deleted, &removed.series, copies);
    let total: u64 = inputs.iter().map(|m| m.rows).sum();
    let done = std::cell::Cell::new(0);
    let place = inner.paths.part(vfs.uuid());
    let written = write_part(inner, &place, &source, pool, &|rows| {
        done.set(done.get() + rows);
        progress(done.get(), total);
    })?;
    let (dropped, bits_dropped) = source.dropped();
    let (out, bits_out) = (dropped + removed.points, bits_dropped.wrapping_add(removed.bits));
    let sum_in = inputs.iter().fold(0u64, |s, m| s.wrapping_add(m.value_bits_sum));
    match written {
        Some(meta) if meta.rows + out == total && meta.value_bits_sum.wrapping_add(bits_out) == sum_in => {
            sync_part_folders(inner)?;
            Ok((Some(meta), dropped))
        }
        None if out == total && bits_out == sum_in => Ok((None, dropped)),
        other => {
            for path in place.files().into_iter().filter(|_| other.is_some()) {
                if vfs.stat(path)?.is_some() {
                    vfs.remove(path)?;
                }
            }
            Err(differs(total, out, other.map_or(0, |m| m.rows)))
        }
    }
}

/// Merges thinned parts, with the same result as [`merge_parts`].
pub(super) fn merge_thinned(
    inner: &StoreState,
    inputs: &[PartMeta],
    deleted: &Deleted,
    progress: &dyn Fn(u64, u64),
) -> Result<(Option<PartMeta>, u64)> {
    let total: u64 = inputs.iter().map(|m| m.rows).sum();
    let mut parts = ThinnedParts::new(inner);
    let (mut done, mut out) = (0, Account::default());
    for meta in inputs {
        let part = Arc::new(Part::open(inner.vfs.clone(), &inner.paths.part(meta.id), meta)?);
        let gone = |row: &SeriesRow| {
            let steps = row.summary.steps().unwrap_or(Extent::new(0, 0));
            let coverage = |tombstones: &Tombstones| tombstones.coverage(steps, (row.seq_min, row.seq_max));
            deleted.get(&*row.key.run).is_some_and(|tombstones| coverage(tombstones) == Coverage::All)
        };
        out.add(parts.carry(&part, &gone)?);
        done += meta.rows;
        progress(done, total);
    }
    let made = parts.finish()?;
    let mut expected = Account::of(inputs);
    expected.take_off(out);
    if Account::of(&made) != expected || made.len() > 1 {
        return Err(differs(total, out.rows, made.iter().map(|m| m.rows).sum()));
    }
    sync_part_folders(inner)?;
    Ok((made.into_iter().next(), out.rows))
}

fn differs(total: u64, left_out: u64, came_out: u64) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "compact",
        format!("of {total} points {left_out} were left out and {came_out} written, or the checksums differ"),
        "nothing was changed; run `tidalite verify`",
    )
}
