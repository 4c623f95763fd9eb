//! Where the steps of long rows are, so that a job reads only the points of a range of steps.
//!
//! A merge reads a long row once for each tile that it makes of it. Without anchors it would hold the whole row each time,
//! and that of every other series of the tile.
//!
//! Invariant: the pieces of a range hold all points with steps in the range, and less than two strides of others per row.

use super::meter::Meter;
use super::scan::{Piece, RowRef, read_pieces};
use crate::engine::on_damage::DamageReport;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tidalite_model::{Result, StepRange};
use tidalite_parts::{ColumnSet, Part};
use tidalite_query::PointFilter;

/// Rows from one anchor to the next.
const STRIDE: u32 = 256;

/// The steps of every [`STRIDE`]th row of long rows, read when they are first needed.
#[derive(Debug, Default)]
pub(crate) struct StepAnchors {
    known: Mutex<HashMap<RowRef, Arc<[i64]>>>,
}

impl StepAnchors {
    /// The pieces of rows that hold their points within `steps`. A row without such points has none.
    ///
    /// # Errors
    /// Those of reading pages.
    pub(crate) fn pieces(
        &self,
        parts: &[Arc<Part>],
        rows: &[RowRef],
        steps: StepRange,
    ) -> Result<Vec<Piece>> {
        let mut pieces = Vec::with_capacity(rows.len());
        for row in rows {
            let of_row = row.steps(parts);
            if !steps.meets(of_row) {
                continue;
            }
            let mut piece = row.whole(parts, false);
            if !steps.covers(of_row) && row.of(parts).rows > STRIDE {
                let anchors = self.of(parts, *row)?;
                // Rows of one step may begin before the anchor that has it.
                let first = steps.lo.map_or(0, |lo| anchors.partition_point(|&a| a < lo).saturating_sub(1));
                let end = steps.hi.map_or(anchors.len(), |hi| anchors.partition_point(|&a| a < hi));
                let place = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_mul(STRIDE);
                let start = piece.from;
                piece.to = piece.to.min(start.saturating_add(place(end)));
                piece.from = start + place(first);
            }
            if piece.from < piece.to {
                pieces.push(piece);
            }
        }
        Ok(pieces)
    }

    /// The steps of every [`STRIDE`]th row of a row.
    ///
    /// # Errors
    /// Those of reading pages.
    pub(crate) fn of(&self, parts: &[Arc<Part>], row: RowRef) -> Result<Arc<[i64]>> {
        if let Some(anchors) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&row) {
            return Ok(anchors.clone());
        }
        let columns = ColumnSet { step: true, ..ColumnSet::NONE };
        let read = read_pieces(
            parts,
            &[vec![row.whole(parts, false)]],
            columns,
            &PointFilter::default(),
            &Meter::of_job(),
            &DamageReport::default(),
        )?;
        let steps = read.iter().flatten().flat_map(|points| &points.steps);
        let anchors: Arc<[i64]> = steps.step_by(STRIDE as usize).copied().collect();
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(row, anchors.clone());
        Ok(anchors)
    }
}
