//! The rows of a damaged part that can be read, as a source of points for a new part. What cannot be read is reported, page
//! by page.

use super::parts_source::keep_steps;
use crate::engine::on_damage::DamageReport;
use crate::parts::meter::Meter;
use crate::parts::scan::{Piece, RowRef, read_pieces};
use crate::parts::tiles::{PointSource, TileCopy};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use tidalite_model::{Result, SeriesKey, StepRange};
use tidalite_parts::{ColumnSet, Part};
use tidalite_query::{PointFilter, Points, Repeats, merge};

/// The sound rows of one part.
pub(super) struct SoundRows<'a> {
    part: [Arc<Part>; 1],
    report: &'a DamageReport,
    /// Tiles without damage.
    copies: Vec<TileCopy>,
    /// The series of the other tiles, and their rows there.
    series: Vec<(SeriesKey, u64)>,
    rows: Vec<Vec<RowRef>>,
}

impl<'a> SoundRows<'a> {
    /// Reads the part to find its sound tiles.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn of(part: &Arc<Part>, report: &'a DamageReport) -> Result<SoundRows<'a>> {
        let mut damaged: BTreeSet<u32> = BTreeSet::new();
        part.verify(&mut |finding| damaged.extend(finding.tile))?;
        let sound = (0..part.meta().tiles).filter(|tile| !damaged.contains(tile));
        let copies = sound.map(|tile| TileCopy { part: part.clone(), tile }).collect();
        let mut found: BTreeMap<SeriesKey, (u64, Vec<RowRef>)> = BTreeMap::new();
        let table = part.series();
        for (r, row) in table.entries().enumerate().filter(|(_, row)| damaged.contains(&row.tile)) {
            let of_series = found.entry(table.key(&row)).or_default();
            of_series.0 += u64::from(row.rows);
            of_series.1.push(RowRef::new(0, r));
        }
        let (series, rows) = found.into_iter().map(|(key, (n, rows))| ((key, n), rows)).unzip();
        Ok(SoundRows { part: [part.clone()], report, copies, series, rows })
    }
}

impl PointSource for SoundRows<'_> {
    fn series(&self) -> &[(SeriesKey, u64)] {
        &self.series
    }

    fn sample_steps(&self, series: usize, nth: usize) -> Result<Vec<i64>> {
        Ok(self.rows[series].iter().flat_map(|row| row.sample_steps(&self.part, nth)).collect())
    }

    fn copies(&self) -> &[TileCopy] {
        &self.copies
    }

    fn gather(&self, series: Range<usize>, steps: StepRange) -> Result<Vec<Points>> {
        let piece = |row: &RowRef| row.whole(&self.part, false);
        let meets = |row: &&RowRef| steps.meets(row.steps(&self.part));
        let lists: Vec<Vec<Piece>> =
            self.rows[series].iter().map(|rows| rows.iter().filter(meets).map(piece).collect()).collect();
        let read = read_pieces(
            &self.part,
            &lists,
            ColumnSet::ALL,
            &PointFilter::default(),
            &Meter::of_job(),
            self.report,
        )?;
        let join = |mut chunks: Vec<Points>| {
            chunks.iter_mut().for_each(|points| keep_steps(points, steps));
            merge(chunks, Repeats::All)
        };
        Ok(read.into_iter().map(join).collect())
    }
}
