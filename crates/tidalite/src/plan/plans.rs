//! The plans of a selection, one per span of series.

use super::plain::PlainSeries;
use super::planner::Planner;
use super::query_plan::Plan;
use super::series::{Planned, SeriesVerdicts};
use super::shaping::Shaping;
use super::span::SeriesSpan;
use crate::engine::on_damage::DamageReport;
use crate::engine::room::give_back_freed;
use crate::parts::meter::Meter;
use crate::view::snapshot::Snapshot;
use std::collections::VecDeque;
use std::sync::Arc;
use tidalite_model::Result;

/// The plans of a selection, one per span of series. Their series ascend from plan to plan.
#[derive(Debug)]
pub(crate) struct Plans {
    /// With the hidden parts opened that the selection needs.
    pub(crate) snapshot: Snapshot,
    pub(crate) planner: Planner,
    pub(crate) spans: VecDeque<SeriesSpan>,
    /// Conditions on what series hold.
    pub(crate) having: Vec<SeriesVerdicts>,
    pub(crate) shaping: Option<Shaping>,
    pub(crate) meter: Arc<Meter>,
    /// What the answer does about damage.
    pub(crate) damage: DamageReport,
    /// How many series were planned so far, before conditions on them.
    pub(crate) planned: usize,
    /// How many of those are thinned.
    pub(crate) thinned: usize,
}

impl Plans {
    /// Takes the plain series out of those to plan, unless conditions or transforms need the points or the key of each.
    ///
    /// An answer calls it before it asks for a plan, and cuts the spans anew.
    pub(crate) fn take_plain(&mut self) -> Vec<PlainSeries> {
        if self.shaping.is_some() || !self.having.is_empty() {
            return Vec::new();
        }
        let plain = self.planner.take_plain();
        self.planned += plain.len();
        plain
    }

    /// A plan of no series yet.
    pub(crate) fn empty(&self) -> Plan {
        Plan {
            snapshot: self.snapshot.clone(),
            series: Vec::new(),
            filter: self.planner.filter,
            rules: self.planner.rules,
            shaping: self.shaping.clone(),
            meter: self.meter.clone(),
            damage: self.damage.clone(),
        }
    }

    /// One plan of all runs.
    pub(crate) fn whole(mut self) -> Result<Plan> {
        self.plan(&SeriesSpan::default())
    }

    fn plan(&mut self, span: &SeriesSpan) -> Result<Plan> {
        let (mut series, skipped) = self.planner.series(span)?;
        self.planned += series.len();
        let parts = &self.snapshot.view.parts;
        if parts.iter().any(|p| p.meta().is_thinned()) {
            let thinned = |s: &&Planned| s.rows().any(|r| r.is_thinned(parts));
            self.thinned += series.iter().filter(thinned).count();
        }
        self.meter.planned(self.planned, skipped, self.thinned);
        series.retain(|s| self.having.iter().all(|having| having.holds(&s.key)));
        Ok(Plan { series, ..self.empty() })
    }
}

impl Iterator for Plans {
    type Item = Result<Plan>;

    fn next(&mut self) -> Option<Self::Item> {
        let span = self.spans.pop_front()?;
        if self.planned > 0 {
            give_back_freed(&self.snapshot.state.options);
        }
        Some(self.plan(&span))
    }
}
