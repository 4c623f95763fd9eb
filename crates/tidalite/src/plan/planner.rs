//! Finds the selected series and where their points are stored, from series tables and log tails.
//!
//! A table's names are matched once each, not once per series. A run that is not selected costs nothing, since a
//! table lists its series by run. A selection of very many series is planned one span of series at a time, which bounds
//! the memory of the list.

use super::found::{FoundSeries, Owner};
use super::series::{Planned, Rules};
use super::span::{SeriesCounts, SeriesSpan};
use super::wanted_names::WantedNames;
use crate::engine::log_tail::TailView;
use crate::engine::on_damage::DamageReport;
use crate::engine::tail_names::TELEMETRY;
use crate::parts::scan::RowRef;
use crate::view::lineage::{Descendants, History, descendants};
use crate::view::losses::{part_error, part_finding};
use crate::view::outdated::{is_outdated, outdated_runs};
use crate::view::snapshot::Snapshot;
use crate::view::tombstones::{Automatic, Coverage, Tombstones};
use std::collections::HashMap;
use std::sync::Arc;
use tidalite_model::{Extent, Moment, Result, StepRange};
use tidalite_parts::{Part, PartMeta, SeriesTable};
use tidalite_query::{PointFilter, SeriesFilter};

/// Series of parts that are planned at once at most, unless one metric of one run alone has more.
const SPAN_SERIES: usize = 1 << 16;
/// The bytes that a series of one part takes in a plan, about.
const PLANNED_BYTES: u64 = 1024;

/// The part of each run whose series are plain (`plain.rs`), by its place in the snapshot.
pub(super) type PlainRuns = HashMap<Arc<str>, u32>;

/// Finds the series of one selection in one snapshot.
#[derive(Debug)]
pub(crate) struct Planner {
    /// The snapshot, with the hidden parts opened that the selection needs.
    pub(crate) snapshot: Snapshot,
    wanted: SeriesFilter,
    pub(super) filter: PointFilter,
    pub(super) rules: Rules,
    pub(super) descendants: Descendants,
    /// Runs that are left out here, since their series are plain.
    pub(super) plain: PlainRuns,
    tombstones: HashMap<Arc<str>, Option<Arc<Tombstones>>>,
}

impl Planner {
    /// # Errors
    /// `Corrupt` where a part that may hold selected points cannot be opened, unless damage is reported.
    pub(crate) fn new(
        snapshot: &Snapshot,
        wanted: SeriesFilter,
        filter: PointFilter,
        rules: Rules,
        damage: &DamageReport,
    ) -> Result<Self> {
        let descendants = match rules.history {
            History::Own => Descendants::new(),
            _ => descendants(&snapshot.view.runs, &wanted.runs),
        };
        let runs = &snapshot.view.runs;
        let reads = |run: &str| wanted.runs.is_match(run) || descendants.contains_key(run);
        let snapshot = snapshot.with_hidden(|meta| {
            may_hold(meta, &wanted, &descendants, &filter)
                && (rules.reads_hidden() || outdated_runs(runs, meta).any(|(run, _)| reads(run)))
        })?;
        for (meta, error) in &snapshot.view.broken {
            if may_hold(meta, &wanted, &descendants, &filter) {
                damage.meet(|| part_finding(meta, error), || part_error(error))?;
            }
        }
        Ok(Planner {
            snapshot,
            wanted,
            filter,
            rules,
            descendants,
            plain: PlainRuns::new(),
            tombstones: HashMap::new(),
        })
    }

    /// Spans of series that can be planned at once; a single span where there are few series.
    pub(crate) fn spans(&self) -> Vec<SeriesSpan> {
        let view = &self.snapshot.view;
        let most = self.span_series() as u64;
        let parts = || view.parts.iter().filter(|p| self.may_hold(p));
        let listed: usize = parts().map(|p| self.listed(p)).sum();
        let logged: usize = view.tails.iter().map(|t| t.read().data.keys().count()).sum();
        if (listed + logged) as u64 <= most {
            return vec![SeriesSpan::default()];
        }
        let tails: Vec<_> = view.tails.iter().map(TailView::read).collect();
        let mut counts = SeriesCounts::new();
        for part in parts() {
            let (table, by_series) = (part.series(), part.by_series());
            let mut wanted = WantedNames::new(&self.wanted, part);
            for run in self.runs_of(table) {
                let owners = self.owners(&table.runs()[run], &SeriesSpan::default()).len() as u64;
                if owners == 0 || self.plain.contains_key(&table.runs()[run]) {
                    continue;
                }
                let metrics = counts.entry(&table.runs()[run]).or_default();
                for series in wanted.of_run(run) {
                    let metric = table.name(by_series.series(series)[0] as usize, 1) as usize;
                    *metrics.entry(&table.metrics()[metric]).or_default() += owners;
                }
            }
        }
        for key in tails.iter().flat_map(|tail| tail.data.keys().map(|(_, key)| key)) {
            if self.wanted.metrics.is_match(&key.metric) {
                let owners = self.owners(&key.run, &SeriesSpan::default()).len() as u64;
                *counts.entry(&key.run).or_default().entry(&key.metric).or_default() += owners;
            }
        }
        SeriesSpan::cut(&counts, most)
    }

    /// The number of rows in a part's series table of runs that are not left out.
    fn listed(&self, part: &Part) -> usize {
        let (table, by_series) = (part.series(), part.by_series());
        if self.plain.is_empty() {
            return table.entries().len();
        }
        let runs = (0..table.runs().len()).filter(|&run| !self.plain.contains_key(&table.runs()[run]));
        runs.flat_map(|run| by_series.of_run(run)).map(|series| by_series.series(series).len()).sum()
    }

    /// How many series are planned at once: a quarter of the memory option holds their lists.
    pub(crate) fn span_series(&self) -> usize {
        let room = self.snapshot.state.options.memory_bytes / 4 / PLANNED_BYTES;
        usize::try_from(room).unwrap_or(SPAN_SERIES).clamp(1, SPAN_SERIES)
    }

    /// The series of a span, ascending by key, and how many parts the manifest's ranges ruled out.
    ///
    /// # Errors
    /// `Corrupt` where a series table has changed since it was opened.
    pub(crate) fn series(&mut self, span: &SeriesSpan) -> Result<(Vec<Planned>, u64)> {
        let view = self.snapshot.view.clone();
        let mut found = FoundSeries::default();
        let mut skipped = 0;
        for (p, part) in view.parts.iter().enumerate() {
            if self.may_hold(part) {
                self.take_part(p, part, span, &mut found)?;
            } else {
                skipped += 1;
            }
        }
        for (t, tail) in view.tails.iter().enumerate() {
            self.take_tail(t, tail, span, &mut found)?;
        }
        found.order();
        let mut series = found.series;
        for planned in &mut series {
            planned.sources.sort_by_key(|s| std::cmp::Reverse(s.generation));
            for source in &mut planned.sources {
                source.rows.sort_by_key(|r| r.of(&view.parts).first_step);
            }
        }
        Ok((series, skipped))
    }

    pub(super) fn may_hold(&self, part: &Part) -> bool {
        may_hold(part.meta(), &self.wanted, &self.descendants, &self.filter)
    }

    fn take_part(&mut self, p: usize, part: &Part, span: &SeriesSpan, found: &mut FoundSeries) -> Result<()> {
        let (table, by_series) = (part.series(), part.by_series());
        let wanted = self.wanted.clone();
        let mut wanted = WantedNames::new(&wanted, part);
        let mut details = table.reader();
        let hidden_as_of = part.meta().hidden_as_of().filter(|_| !self.rules.reads_hidden());
        for run in self.runs_of(table) {
            if self.plain.contains_key(&table.runs()[run]) {
                continue;
            }
            let owners = self.owners(&table.runs()[run], span);
            if owners.is_empty()
                || hidden_as_of.as_ref().is_some_and(|at| !self.is_outdated(&table.runs()[run], at))
            {
                continue;
            }
            let of_run = self.tombstones_of(&table.runs()[run]);
            for series in wanted.of_run(run) {
                let rows = by_series.series(series);
                let first = table.entry(rows[0] as usize);
                let of_series = |t: &Arc<Tombstones>| t.of_series(table.metric(&first), table.labels(&first));
                let tombstones = of_run.as_ref().and_then(of_series);
                for owner in owners.iter().filter(|o| self.takes_over(o, table.metric(&first), span)) {
                    let inherited = StepRange::new(None, owner.until.and_then(|until| until.checked_add(1)));
                    for &r in rows {
                        let row = table.entry(r as usize);
                        let steps = row.steps();
                        if !self.filter.steps.meets(steps) || !inherited.meets(steps) {
                            continue;
                        }
                        let seqs = match &tombstones {
                            Some(_) => details.of(r as usize)?.seqs(),
                            None => (0, 0),
                        };
                        let coverage = |tombstones: &Arc<Tombstones>| {
                            tombstones.coverage(steps, seqs, Automatic::of(&row))
                        };
                        let covered = tombstones.as_ref().map_or(Coverage::Nothing, coverage);
                        if covered == Coverage::All {
                            continue;
                        }
                        let planned =
                            found.planned(owner, table.metric(&row), table.labels(&row), self.filter.steps);
                        planned.points_max += u64::from(row.rows);
                        let source = planned.source(owner.generation, owner.until);
                        source.rows.push(RowRef::new(p, r as usize));
                        source.tombstones.clone_from(&tombstones);
                        source.rows_covered |= covered == Coverage::Some;
                        if covered == Coverage::Some && part.meta().is_thinned() {
                            source.thinned_end = tombstones.as_ref().and_then(|t| t.end(seqs.1));
                        } else {
                            source.points_covered |= covered == Coverage::Some;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn take_tail(
        &mut self,
        t: usize,
        tail: &TailView,
        span: &SeriesSpan,
        found: &mut FoundSeries,
    ) -> Result<()> {
        let held = tail.read();
        for (id, key) in held.data.keys() {
            let named = self.wanted.metrics.is_match(&key.metric) && self.wanted.labels.is_match(&key.labels);
            let owners = if named { self.owners(&key.run, span) } else { Vec::new() };
            let count = if owners.is_empty() { 0 } else { held.data.count_within(id, tail.seqs)? };
            if count == 0 {
                continue;
            }
            let of_run = self.tombstones_of(&key.run);
            let tombstones = of_run.and_then(|t| t.of_series(&key.metric, &key.labels));
            for owner in owners.iter().filter(|o| self.takes_over(o, &key.metric, span)) {
                let planned = found.planned(owner, &key.metric, &key.labels, self.filter.steps);
                planned.points_max += count;
                let source = planned.source(owner.generation, owner.until);
                source.tails.push((t, id));
                source.tombstones.clone_from(&tombstones);
            }
        }
        Ok(())
    }

    /// The table's runs that may be selected or may have selected descendants, by index.
    pub(super) fn runs_of(&self, table: &SeriesTable) -> Vec<usize> {
        match self.wanted.runs.as_exact() {
            Some(exact) if exact.len() + self.descendants.len() < table.runs().len() => {
                let names = exact.iter().chain(self.descendants.keys());
                let place = |name: &String| table.runs().binary_search_by(|run| (**run).cmp(name)).ok();
                let mut places: Vec<usize> = names.filter_map(place).collect();
                places.sort_unstable();
                places.dedup();
                places
            }
            _ => (0..table.runs().len()).collect(),
        }
    }

    /// The selected owners of a run's points that may have series within a span.
    fn owners(&self, run: &Arc<str>, span: &SeriesSpan) -> Vec<Owner> {
        let selected = |run: &Arc<str>| span.meets(run) && self.wanted.runs.is_match(run);
        let itself = selected(run).then(|| Owner { run: run.clone(), generation: 0, until: None });
        let descendants =
            self.descendants.get(&**run).into_iter().flatten().filter(|descendant| selected(&descendant.run));
        let descendants = descendants.map(|descendant| Owner {
            run: descendant.run.clone(),
            generation: descendant.generation,
            until: Some(descendant.until),
        });
        itself.into_iter().chain(descendants).collect()
    }

    /// Whether an owner has points of a metric within a span. Descendants inherit telemetry only where the rules say so.
    fn takes_over(&self, owner: &Owner, metric: &str, span: &SeriesSpan) -> bool {
        let inherits = owner.generation == 0
            || self.rules.history == History::InheritedWithTelemetry
            || !metric.starts_with(TELEMETRY);
        inherits && span.contains(&owner.run, metric)
    }

    /// Which of a part's series are selected by their names.
    pub(super) fn wanted_names<'a>(&'a self, part: &'a Part) -> WantedNames<'a> {
        WantedNames::new(&self.wanted, part)
    }

    /// Whether a run is selected.
    pub(super) fn selects(&self, run: &str) -> bool {
        self.wanted.runs.is_match(run)
    }

    /// Whether anything of a run may be hidden.
    pub(super) fn has_tombstones(&self, run: &str) -> bool {
        let record = self.snapshot.view.runs.get(run);
        record.is_some_and(|record| Tombstones::of(record, self.rules.hidden).is_some())
    }

    /// Whether hidden points of a run may be visible.
    fn is_outdated(&self, run: &str, as_of: &Moment) -> bool {
        self.snapshot.view.runs.get(run).is_some_and(|record| is_outdated(record, as_of))
    }

    fn tombstones_of(&mut self, run: &Arc<str>) -> Option<Arc<Tombstones>> {
        if let Some(known) = self.tombstones.get(run) {
            return known.clone();
        }
        let record = self.snapshot.view.runs.get(run);
        let tombstones = record.and_then(|record| Tombstones::of(record, self.rules.hidden));
        self.tombstones.insert(run.clone(), tombstones.clone());
        tombstones
    }
}

/// Whether a part may hold selected points, by its ranges in the manifest.
fn may_hold(meta: &PartMeta, wanted: &SeriesFilter, descendants: &Descendants, filter: &PointFilter) -> bool {
    let runs = meta.run_min.as_str()..=meta.run_max.as_str();
    let named = wanted
        .runs
        .as_exact()
        .is_none_or(|exact| exact.iter().chain(descendants.keys()).any(|r| runs.contains(&r.as_str())));
    named && filter.steps.meets(Extent { first: meta.step_min, last: meta.step_max })
}
