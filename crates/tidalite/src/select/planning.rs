//! From a selection to plans: which names it matches in a snapshot, and what has to be read.

use super::having::verdicts;
use super::selection::Selection;
use crate::plan::plain::PlainSeries;
use crate::plan::planner::Planner;
use crate::plan::plans::Plans;
use crate::plan::query_plan::Plan;
use crate::plan::shaping::Shaping;
use crate::view::snapshot::Snapshot;
use std::collections::VecDeque;
use tidalite_model::{Result, RunInfo};
use tidalite_query::{NameMatcher, Pattern, SeriesFilter};

impl Selection {
    /// Which series are selected in a snapshot. That decides which texts are names, and the runs that a run filter
    /// matches.
    pub(crate) fn series_filter(&self, snapshot: &Snapshot) -> Result<SeriesFilter> {
        let runs = self.run_matcher(snapshot)?;
        let (metrics, labels) = (self.metric_matcher(snapshot)?, self.label_matcher(snapshot)?);
        Ok(SeriesFilter { runs, metrics, labels })
    }

    /// Which runs are selected in a snapshot.
    pub(super) fn run_matcher(&self, snapshot: &Snapshot) -> Result<NameMatcher> {
        let named = match_any(&self.runs, |id| Ok(snapshot.has_run(id)))?;
        let Some(filter) = &self.run_filter else { return Ok(named) };
        let runs = snapshot.each_run().filter(|run| filter.matches(run) && named.is_match(&run.id));
        Ok(NameMatcher::exact(runs.map(|run| run.id)))
    }

    /// The selected runs, with points or without.
    pub(crate) fn chosen_runs(&self, snapshot: &Snapshot) -> Result<Vec<RunInfo>> {
        let chosen = self.run_matcher(snapshot)?;
        self.meet_losses(snapshot, "list runs")?;
        Ok(snapshot.each_run().filter(|run| chosen.is_match(&run.id)).collect())
    }

    /// The same selection for later snapshots. Malformed patterns are refused now. A text that is a name now and no valid
    /// glob means that name from now on, even once nothing bears it any more.
    pub(crate) fn checked(&self) -> Result<Selection> {
        let mut checked = self.clone();
        let labels = checked.labels.iter_mut().map(|(_, value)| value);
        let patterns = checked.runs.iter_mut().chain(&mut checked.metrics).chain(labels);
        let patterns = patterns.chain(checked.excluded.patterns_mut());
        let names: Vec<&mut Pattern> = patterns.filter(|p| p.is_text_but_no_glob()).collect();
        if !names.is_empty() {
            self.series_filter(&self.snapshot()?)?;
            names.into_iter().for_each(|name| *name = Pattern::exact(name.to_string()));
        }
        let values = checked.labels.iter().map(|(_, value)| value);
        let patterns = checked.runs.iter().chain(&checked.metrics).chain(values);
        for pattern in patterns.chain(checked.excluded.patterns()) {
            NameMatcher::resolve(std::slice::from_ref(pattern), |_| Ok(false))?;
        }
        Ok(checked)
    }

    /// One plan of all series, for answers that keep something of every series.
    pub(crate) fn plan(&self) -> Result<Plan> {
        self.planning()?.whole()
    }

    /// Plans of as many series each as may be in memory at once; a single plan where that is all of them.
    pub(crate) fn plans(&self) -> Result<Plans> {
        let mut plans = self.planning()?;
        plans.spans = plans.planner.spans().into();
        Ok(plans)
    }

    /// The plain series, and plans of the others.
    pub(crate) fn plans_beside_plain(&self) -> Result<(Vec<PlainSeries>, Plans)> {
        let mut plans = self.planning()?;
        let plain = plans.take_plain();
        plans.spans = plans.planner.spans().into();
        Ok((plain, plans))
    }

    pub(super) fn planning(&self) -> Result<Plans> {
        let snapshot = self.snapshot()?;
        self.meet_losses(&snapshot, "query")?;
        let wanted = self.series_filter(&snapshot)?;
        let shaping = Shaping::of(&self.transforms, self.filter, &self.rates);
        let reads = shaping.as_ref().map_or(self.filter, Shaping::reads);
        let meter = self.meter.clone().unwrap_or_default();
        let planner = Planner::new(&snapshot, wanted, reads, self.rules, &self.damage)?;
        let all = || self.without_conditions(&snapshot);
        let having =
            self.having.iter().map(|condition| verdicts(condition, &all())).collect::<Result<_>>()?;
        Ok(Plans {
            snapshot: planner.snapshot.clone(),
            planner,
            spans: VecDeque::new(),
            having,
            shaping,
            meter,
            damage: self.damage.clone(),
            planned: 0,
            thinned: 0,
        })
    }

    /// The plan for answers that take long series in pieces.
    pub(crate) fn plan_in_pieces(&self) -> Result<Plan> {
        self.plan()?.split_long_series()?.with_start_states()
    }

    /// The plan for answers that take each series whole. Transformed series are read in pieces nevertheless, since a
    /// transform may read far more points than the answer has.
    pub(crate) fn plan_whole(&self) -> Result<Plan> {
        if self.has_transforms() { self.plan_in_pieces() } else { self.plan() }
    }
}

/// Takes what any of the patterns takes, and every name where there are none.
pub(super) fn match_any(
    patterns: &[Pattern],
    exists: impl FnMut(&str) -> Result<bool>,
) -> Result<NameMatcher> {
    if patterns.is_empty() { Ok(NameMatcher::all()) } else { NameMatcher::resolve(patterns, exists) }
}
