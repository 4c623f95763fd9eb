//! The extent of steps of a plan: from series tables and logs, and from pages where those do not suffice.

use super::query_plan::Plan;
use super::series::Planned;
use crate::engine::tail::TailRange;
use crate::parts::scan::read_pieces;
use tidalite_model::{Extent, Result};
use tidalite_parts::ColumnSet;

impl Plan {
    /// The most steps that a series may have within the selected steps, by series tables and logs.
    pub(crate) fn reach(&self, planned: &Planned) -> Option<Extent> {
        let parts = &self.snapshot.view.parts;
        let rows = planned.rows().map(|r| r.steps(parts));
        let tails = planned.sources.iter().flat_map(|s| &s.tails).filter_map(|&(t, id)| {
            let tail = &self.snapshot.view.tails[t];
            tail.read().data.step_extent(id, TailRange { steps: planned.steps, seqs: tail.seqs })
        });
        let all = rows.chain(tails).reduce(Extent::join)?;
        let first = planned.steps.lo.map_or(all.first, |lo| all.first.max(lo));
        let last = planned.steps.hi.map_or(all.last, |hi| all.last.min(hi.saturating_sub(1)));
        Some(Extent::new(first.min(last), last))
    }

    /// The extent of the selected steps; `None` where there is no point. The filter must bound neither times nor
    /// values.
    ///
    /// Nothing is merged: a step exists whichever of its points counts. Pages are read only for rows that cross an
    /// end of the selected steps or that tombstones may cover, and only where they may widen the extent.
    ///
    /// # Errors
    /// Those of reading pages.
    pub(crate) fn step_extent(&self) -> Result<Option<Extent>> {
        let parts = &self.snapshot.view.parts;
        let mut extent: Option<Extent> = None;
        let mut cut = Vec::new();
        for (planned, source) in self.series.iter().flat_map(|p| p.sources.iter().map(move |s| (p, s))) {
            let steps = source.within(planned.steps);
            for r in &source.rows {
                let of_row = r.steps(parts);
                if steps.covers(of_row) && !source.rows_covered {
                    widen(&mut extent, [of_row]);
                } else {
                    cut.push((*r, steps, source));
                }
            }
            if source.tombstones.is_some() {
                for points in self.tail_points(planned, source) {
                    widen(&mut extent, Extent::of(points.steps));
                }
                continue;
            }
            for &(t, id) in &source.tails {
                let tail = &self.snapshot.view.tails[t];
                widen(&mut extent, tail.read().data.step_extent(id, TailRange { steps, seqs: tail.seqs }));
            }
        }
        for (r, steps, source) in cut {
            let Some(may_have) = r.steps(parts).clip(steps) else { continue };
            if extent.is_some_and(|e| e.contains(may_have.first) && e.contains(may_have.last)) {
                continue;
            }
            let tombstones = source.tombstones.as_ref().filter(|_| source.rows_covered);
            let hidden = tombstones.is_some();
            let columns = ColumnSet { step: true, seq: hidden, written: hidden, time: false, value: hidden };
            let mut read = read_pieces(parts, &[vec![r.whole(parts, true)]], columns, &self.meter)?;
            if let Some(tombstones) = tombstones {
                read.iter_mut().flatten().for_each(|points| tombstones.apply(points));
            }
            let found = read.iter().flatten().flat_map(|p| &p.steps).copied().filter(|&s| steps.contains(s));
            widen(&mut extent, Extent::of(found));
        }
        Ok(extent)
    }
}

fn widen(extent: &mut Option<Extent>, more: impl IntoIterator<Item = Extent>) {
    *extent = extent.iter().copied().chain(more).reduce(Extent::join);
}
