//! The extent of steps of a plan: from series tables and logs, and from pages where those do not suffice.

use super::query_plan::Plan;
use super::series::Planned;
use crate::parts::scan::read_pieces;
use tidalite_model::{Extent, Result};
use tidalite_parts::ColumnSet;

/// Series whose points in logs are read at once, where only these tell the extent.
const LOGGED_SERIES: usize = 256;

impl Plan {
    /// The most steps that a series may have within the selected steps, by series tables and logs.
    ///
    /// # Errors
    /// Those of reading logs.
    pub(crate) fn reach(&self, planned: &Planned) -> Result<Option<Extent>> {
        let parts = &self.snapshot.view.parts;
        let rows = planned.rows().map(|r| r.steps(parts));
        let mut all = rows.reduce(Extent::join);
        for &(t, id) in planned.sources.iter().flat_map(|s| &s.tails) {
            widen(&mut all, self.snapshot.view.tails[t].step_reach(id, planned.steps)?.possible);
        }
        let Some(all) = all else { return Ok(None) };
        let first = planned.steps.lo.map_or(all.first, |lo| all.first.max(lo));
        let last = planned.steps.hi.map_or(all.last, |hi| all.last.min(hi.saturating_sub(1)));
        Ok(Some(Extent::new(first.min(last), last)))
    }

    /// Narrows the steps of each series whose last point is certainly in a log to that point's step, so that no others are
    /// read.
    ///
    /// # Errors
    /// Those of reading logs.
    pub(crate) fn narrow_to_last(&mut self) -> Result<()> {
        if self.shaping.is_some() || !self.filter.binds_steps_alone() {
            return Ok(());
        }
        let (view, parts) = (&self.snapshot.view, &self.snapshot.view.parts);
        for planned in &mut self.series {
            if planned.sources.iter().any(|source| source.tombstones.is_some()) {
                continue;
            }
            let mut last = None;
            for source in &planned.sources {
                let steps = source.within(planned.steps);
                for &(t, id) in &source.tails {
                    let reach = view.tails[t].step_reach(id, steps)?;
                    last = last.max(reach.certain.map(|steps| steps.last));
                }
            }
            let of_parts = planned.rows().map(|row| row.steps(parts).last).max();
            if last <= of_parts {
                continue;
            }
            planned.steps.lo = planned.steps.lo.max(last);
            planned.sources.iter_mut().for_each(|source| source.rows.clear());
        }
        Ok(())
    }

    /// The extent of the selected steps; `None` where there is no point. The filter must bound neither times nor
    /// values.
    ///
    /// Nothing is merged: a step exists whichever of its points counts. Pages are read only for rows that cross an
    /// end of the selected steps or that tombstones may cover, and only where they may widen the extent.
    ///
    /// # Errors
    /// Those of reading pages and logs.
    pub(crate) fn step_extent(&self) -> Result<Option<Extent>> {
        let parts = &self.snapshot.view.parts;
        let mut extent: Option<Extent> = None;
        let (mut cut, mut logged) = (Vec::new(), Vec::new());
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
            for &(t, id) in &source.tails {
                let reach = self.snapshot.view.tails[t].step_reach(id, steps)?;
                let certain = reach.certain.filter(|_| source.tombstones.is_none());
                widen(&mut extent, certain);
                if let Some(possible) = reach.possible.filter(|_| certain != reach.possible) {
                    logged.push((planned, possible));
                }
            }
        }
        logged.retain(|(_, may_have)| !covers(extent, *may_have));
        let logged: Vec<&Planned> = logged.into_iter().map(|(planned, _)| planned).collect();
        for series in logged.chunks(LOGGED_SERIES) {
            let mut tails = self.tails_of(series.iter().copied())?;
            for (planned, source) in series.iter().flat_map(|p| p.sources.iter().map(move |s| (p, s))) {
                for points in self.tail_points(planned, source, &mut tails) {
                    widen(&mut extent, Extent::of(points.steps));
                }
            }
        }
        for (r, steps, source) in cut {
            let Some(may_have) = r.steps(parts).clip(steps) else { continue };
            if covers(extent, may_have) {
                continue;
            }
            let tombstones = source.tombstones.as_ref().filter(|_| source.rows_covered);
            let hidden = tombstones.is_some();
            let columns = ColumnSet { step: true, seq: hidden, written: hidden, time: false, value: hidden };
            let mut read = read_pieces(
                parts,
                &[vec![r.whole(parts, false)]],
                columns,
                &self.filter,
                &self.meter,
                &self.damage,
            )?;
            if let Some(tombstones) = tombstones {
                read.iter_mut().flatten().for_each(|points| tombstones.apply(points));
            }
            let found = read.iter().flatten().flat_map(|p| &p.steps).copied().filter(|&s| steps.contains(s));
            widen(&mut extent, Extent::of(found));
        }
        Ok(extent)
    }
}

fn covers(extent: Option<Extent>, may_have: Extent) -> bool {
    extent.is_some_and(|e| e.contains(may_have.first) && e.contains(may_have.last))
}

fn widen(extent: &mut Option<Extent>, more: impl IntoIterator<Item = Extent>) {
    *extent = extent.iter().copied().chain(more).reduce(Extent::join);
}
