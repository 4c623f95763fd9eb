//! From a selection to plans: which names it matches in a snapshot, and what has to be read.

use super::having::verdicts;
use super::pattern::matcher;
use super::selection::Selection;
use crate::plan::planner::Planner;
use crate::plan::plans::Plans;
use crate::plan::query_plan::Plan;
use crate::plan::shaping::Shaping;
use crate::view::snapshot::Snapshot;
use std::collections::VecDeque;
use tidalite_model::Result;
use tidalite_query::{LabelMatcher, NameMatcher, SeriesFilter};

impl Selection {
    /// Which series are selected in a snapshot, which also decides the runs that a run filter matches.
    pub(crate) fn series_filter(&self, snapshot: &Snapshot) -> Result<SeriesFilter> {
        let named = matcher(&self.runs, &self.runs_regex)?;
        let runs = match &self.run_filter {
            None => named,
            Some(filter) => {
                let resolved = snapshot.where_runs(filter).into_iter().map(|r| r.id);
                NameMatcher::exact(resolved.filter(|id| named.is_match(id)))
            }
        };
        let metrics = matcher(&self.metrics, &self.metrics_regex)?;
        Ok(SeriesFilter { runs, metrics, labels: self.label_matcher()? })
    }

    /// Refuses wrong patterns, before anything is read.
    pub(crate) fn check_names(&self) -> Result<()> {
        matcher(&self.runs, &self.runs_regex)?;
        matcher(&self.metrics, &self.metrics_regex)?;
        self.label_matcher().map(|_| ())
    }

    fn label_matcher(&self) -> Result<LabelMatcher> {
        LabelMatcher::new(self.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())))
    }

    /// One plan of all series, for answers that hold something of each in any case.
    pub(crate) fn plan(&self) -> Result<Plan> {
        self.planning()?.whole()
    }

    /// Plans of as many series each as may be in memory at once; a single plan where that is all of them.
    pub(crate) fn plans(&self) -> Result<Plans> {
        let mut plans = self.planning()?;
        plans.spans = plans.planner.spans().into();
        Ok(plans)
    }

    fn planning(&self) -> Result<Plans> {
        let snapshot = self.snapshot()?;
        let wanted = self.series_filter(&snapshot)?;
        let shaping = Shaping::of(&self.transforms, self.filter);
        let reads = shaping.as_ref().map_or(self.filter, Shaping::reads);
        let meter = self.meter.clone().unwrap_or_default();
        let planner = Planner::new(snapshot.view.clone(), wanted, reads, self.rules)?;
        let all = || self.without_conditions(&snapshot);
        let having =
            self.having.iter().map(|condition| verdicts(condition, &all())).collect::<Result<_>>()?;
        Ok(Plans {
            snapshot,
            planner,
            spans: VecDeque::new(),
            having,
            shaping,
            meter,
            planned: 0,
            thinned: 0,
        })
    }

    /// The plan for answers that take long series in pieces.
    pub(crate) fn plan_in_pieces(&self) -> Result<Plan> {
        self.plan()?.split_long_series().with_start_states()
    }

    /// The plan for answers that take each series whole. Transformed series are read in pieces all the same, since
    /// far more may be read than is answered.
    pub(crate) fn plan_whole(&self) -> Result<Plan> {
        if self.has_transforms() { self.plan_in_pieces() } else { self.plan() }
    }
}
