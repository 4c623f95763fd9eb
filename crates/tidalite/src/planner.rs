//! Which series a selection has, and where their points lie: from series tables and log tails to the list that a plan is.
//!
//! Names are matched once each rather than series by series, and a run that is not selected costs nothing: a table lists
//! its series run by run. A selection of very many series is found a span of runs at a time, so that a list of them never
//! takes more memory than it may.

use crate::explain::Meter;
use crate::having::Holding;
use crate::hides::{Hidden, Hides};
use crate::lineage::{Heirs, History, heirs};
use crate::plan::{Plan, Planned, Rules, may_hold};
use crate::run::TELEMETRY;
use crate::scan::{RowRef, meets};
use crate::snapshot::{Snapshot, SnapshotView, TailView};
use crate::transformed::Shaping;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use tidalite_model::{Bounds, Labels, Result, SeriesKey};
use tidalite_parts::{BySeries, Part, SeriesEntry, SeriesTable};
use tidalite_query::{PointFilter, SeriesFilter};

/// So many series are planned at once, unless one run alone has more: 20 MB.
const SPAN_SERIES: u64 = 1 << 16;

/// A half-open range of runs; `None` is unbounded.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Span {
    lo: Option<Arc<str>>,
    hi: Option<Arc<str>>,
}

impl Span {
    fn contains(&self, run: &str) -> bool {
        self.lo.as_deref().is_none_or(|lo| run >= lo) && self.hi.as_deref().is_none_or(|hi| run < hi)
    }

    /// Spans that together hold all runs, each with about `most` series, by how many each run has.
    fn cut(counts: &BTreeMap<&str, u64>, most: u64) -> Vec<Span> {
        let mut spans = Vec::new();
        let (mut lo, mut held): (Option<Arc<str>>, u64) = (None, 0);
        for (&run, &count) in counts {
            if held > 0 && held + count > most {
                let hi: Option<Arc<str>> = Some(run.into());
                spans.push(Span { lo: lo.take(), hi: hi.clone() });
                (lo, held) = (hi, 0);
            }
            held += count;
        }
        spans.push(Span { lo, hi: None });
        spans
    }
}

/// Somebody to whom points of a run belong: the run itself, or one of its heirs.
struct Owner {
    run: Arc<str>,
    /// 0 is the run itself.
    generation: u32,
    /// The last step that is taken over.
    until: Option<i64>,
}

/// Finds the series of one selection in one snapshot.
#[derive(Debug)]
pub(crate) struct Planner {
    view: Arc<SnapshotView>,
    wanted: SeriesFilter,
    filter: PointFilter,
    rules: Rules,
    heirs: Heirs,
    hides: HashMap<Arc<str>, Option<Arc<Hides>>>,
}

impl Planner {
    /// # Errors
    /// `Corrupt` where a part that may hold selected points cannot be opened.
    pub(crate) fn new(
        view: Arc<SnapshotView>,
        wanted: SeriesFilter,
        filter: PointFilter,
        rules: Rules,
    ) -> Result<Self> {
        let heirs = match rules.history {
            History::Own => Heirs::new(),
            _ => heirs(&view.runs, &wanted.runs),
        };
        for (meta, error) in &view.broken {
            if may_hold(meta, &wanted, &heirs, &filter) {
                return Err(error.duplicate());
            }
        }
        Ok(Planner { view, wanted, filter, rules, heirs, hides: HashMap::new() })
    }

    /// Spans of runs whose series can be planned at once; one of all where they are few.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let parts = || self.view.parts.iter().filter(|p| self.may_hold(p));
        let listed: usize = parts().map(|p| p.series().entries().len()).sum();
        let logged: usize = self.view.tails.iter().map(|t| t.read().data.keys().count()).sum();
        if (listed + logged) as u64 <= SPAN_SERIES {
            return vec![Span::default()];
        }
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        let all = Span::default();
        for part in parts() {
            let (table, by_series) = (part.series(), part.by_series());
            let mut takes = Takes::new(&self.wanted, table);
            for run in self.runs_of(table) {
                let owners = self.owners(&table.runs()[run], &all).len() as u64;
                if owners > 0 {
                    let series = by_series.of_run(run).filter(|&s| takes.series(table, by_series, s));
                    *counts.entry(&table.runs()[run]).or_default() += series.count() as u64 * owners;
                }
            }
        }
        Span::cut(&counts, SPAN_SERIES)
    }

    /// The series of a span, ascending by key, and how many parts had none of them.
    ///
    /// # Errors
    /// `Corrupt` where a series table has changed since it was opened.
    pub(crate) fn series(&mut self, span: &Span) -> Result<(Vec<Planned>, u64)> {
        let view = self.view.clone();
        let mut found = Found::default();
        let mut skipped = 0;
        for (p, part) in view.parts.iter().enumerate() {
            if self.may_hold(part) {
                self.take_part(p, part, span, &mut found)?;
            } else {
                skipped += 1;
            }
        }
        for (t, tail) in view.tails.iter().enumerate() {
            self.take_tail(t, tail, span, &mut found);
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

    fn may_hold(&self, part: &Part) -> bool {
        may_hold(part.meta(), &self.wanted, &self.heirs, &self.filter)
    }

    fn take_part(&mut self, p: usize, part: &Part, span: &Span, found: &mut Found) -> Result<()> {
        let (table, by_series) = (part.series(), part.by_series());
        let at = |n: usize| u32::try_from(n).expect("parts are counted in u32");
        let wanted = self.wanted.clone();
        let mut takes = Takes::new(&wanted, table);
        let mut details = table.reader();
        for run in self.runs_of(table) {
            let owners = self.owners(&table.runs()[run], span);
            if owners.is_empty() {
                continue;
            }
            let hides = self.hides_of(&table.runs()[run]);
            for series in by_series.of_run(run).filter(|&s| takes.series(table, by_series, s)) {
                let rows = by_series.series(series);
                let first = &table.entries()[rows[0] as usize];
                for owner in owners.iter().filter(|o| self.takes_over(o, table.metric(first))) {
                    let end = owner.until.and_then(|until| until.checked_add(1));
                    for &r in rows {
                        let row = &table.entries()[r as usize];
                        if !meets(row, pair(self.filter.steps)) || !meets(row, (None, end)) {
                            continue;
                        }
                        let seqs = match &hides {
                            Some(_) => details.of(r as usize)?.seqs(),
                            None => (0, 0),
                        };
                        let verdict = |hides: &Arc<Hides>| hides.verdict(row.steps(), seqs);
                        let hidden = hides.as_ref().map_or(Hidden::Nothing, verdict);
                        if hidden == Hidden::All {
                            continue;
                        }
                        let planned =
                            found.planned(owner, table.metric(row), table.labels(row), self.filter.steps);
                        planned.points_max += u64::from(row.rows);
                        let source = planned.source(owner.generation, owner.until);
                        source.rows.push(RowRef { part: at(p), row: r });
                        source.hides.clone_from(&hides);
                        source.rows_hide |= hidden == Hidden::Some;
                        if hidden == Hidden::Some && part.meta().is_thinned() {
                            source.thinned_end = hides.as_ref().and_then(|hides| hides.end(seqs.1));
                        } else {
                            source.points_hide |= hidden == Hidden::Some;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn take_tail(&mut self, t: usize, tail: &TailView, span: &Span, found: &mut Found) {
        let held = tail.read();
        for (id, key) in held.data.keys() {
            let named = self.wanted.metrics.is_match(&key.metric) && self.wanted.labels.is_match(&key.labels);
            let owners = if named { self.owners(&key.run, span) } else { Vec::new() };
            let count = if owners.is_empty() { 0 } else { held.data.count_within(id, tail.seqs) };
            if count == 0 {
                continue;
            }
            let hides = self.hides_of(&key.run);
            for owner in owners.iter().filter(|o| self.takes_over(o, &key.metric)) {
                let planned = found.planned(owner, &key.metric, &key.labels, self.filter.steps);
                planned.points_max += count;
                let source = planned.source(owner.generation, owner.until);
                source.tails.push((t, id));
                source.hides.clone_from(&hides);
            }
        }
    }

    /// The runs of a table that may be selected or have heirs that are, by their place in it.
    fn runs_of(&self, table: &SeriesTable) -> Vec<usize> {
        match self.wanted.runs.as_exact() {
            Some(exact) if exact.len() + self.heirs.len() < table.runs().len() => {
                let names = exact.iter().chain(self.heirs.keys());
                let place = |name: &String| table.runs().binary_search_by(|run| (**run).cmp(name)).ok();
                let mut places: Vec<usize> = names.filter_map(place).collect();
                places.sort_unstable();
                places.dedup();
                places
            }
            _ => (0..table.runs().len()).collect(),
        }
    }

    /// Whom the points of a run belong to, as far as they are selected and within a span.
    fn owners(&self, run: &Arc<str>, span: &Span) -> Vec<Owner> {
        let selected = |run: &Arc<str>| span.contains(run) && self.wanted.runs.is_match(run);
        let itself = selected(run).then(|| Owner { run: run.clone(), generation: 0, until: None });
        let heirs = self.heirs.get(&**run).into_iter().flatten().filter(|heir| selected(&heir.run));
        let heirs = heirs.map(|heir| Owner {
            run: heir.run.clone(),
            generation: heir.generation,
            until: Some(heir.until),
        });
        itself.into_iter().chain(heirs).collect()
    }

    /// Whether points of a metric go to an owner.
    fn takes_over(&self, owner: &Owner, metric: &str) -> bool {
        owner.generation == 0
            || self.rules.history == History::InheritedWithTelemetry
            || !metric.starts_with(TELEMETRY)
    }

    fn hides_of(&mut self, run: &Arc<str>) -> Option<Arc<Hides>> {
        if let Some(known) = self.hides.get(run) {
            return known.clone();
        }
        let record = self.view.runs.get(&**run);
        let hides = record.and_then(|record| Hides::of(record, self.rules.hidden));
        self.hides.insert(run.clone(), hides.clone());
        hides
    }
}

/// The plans of a selection, one a span of runs; their series follow one another in order.
#[derive(Debug)]
pub(crate) struct Plans {
    pub(crate) snapshot: Snapshot,
    pub(crate) planner: Planner,
    pub(crate) spans: VecDeque<Span>,
    /// Conditions on series.
    pub(crate) having: Vec<Holding>,
    pub(crate) shaping: Option<Shaping>,
    pub(crate) meter: Arc<Meter>,
    /// How many series the plans so far had.
    pub(crate) planned: usize,
    /// Of these, how many are thinned.
    pub(crate) thinned: usize,
}

impl Plans {
    /// All of them as one.
    pub(crate) fn whole(mut self) -> Result<Plan> {
        self.plan(&Span::default())
    }

    fn plan(&mut self, span: &Span) -> Result<Plan> {
        let (mut series, skipped) = self.planner.series(span)?;
        self.planned += series.len();
        let parts = &self.snapshot.view.parts;
        if parts.iter().any(|p| p.meta().is_thinned()) {
            let thinned = |s: &&Planned| s.rows().any(|r| r.is_thinned(parts));
            self.thinned += series.iter().filter(thinned).count();
        }
        self.meter.planned(self.planned, skipped, self.thinned);
        series.retain(|s| self.having.iter().all(|having| having.holds(&s.key)));
        Ok(Plan {
            snapshot: self.snapshot.clone(),
            series,
            filter: self.planner.filter,
            rules: self.planner.rules,
            shaping: self.shaping.clone(),
            meter: self.meter.clone(),
        })
    }
}

impl Iterator for Plans {
    type Item = Result<Plan>;

    fn next(&mut self) -> Option<Self::Item> {
        let span = self.spans.pop_front()?;
        Some(self.plan(&span))
    }
}

/// Which of a table's metrics and labels are selected, each looked up when it is first met.
struct Takes<'a> {
    wanted: &'a SeriesFilter,
    metrics: Vec<Option<bool>>,
    labels: Vec<Option<bool>>,
}

impl<'a> Takes<'a> {
    fn new(wanted: &'a SeriesFilter, table: &SeriesTable) -> Self {
        Takes {
            wanted,
            metrics: vec![None; table.metrics().len()],
            labels: vec![None; table.all_labels().len()],
        }
    }

    fn series(&mut self, table: &SeriesTable, by_series: &BySeries, series: usize) -> bool {
        let entry: &SeriesEntry = &table.entries()[by_series.series(series)[0] as usize];
        let wanted = self.wanted;
        *self.metrics[entry.metric()].get_or_insert_with(|| wanted.metrics.is_match(table.metric(entry)))
            && *self.labels[entry.labels()].get_or_insert_with(|| wanted.labels.is_match(table.labels(entry)))
    }
}

pub(crate) fn pair(steps: Bounds<i64>) -> (Option<i64>, Option<i64>) {
    (steps.lo, steps.hi)
}

/// The series met so far; one may stand there several times until they are put in order.
#[derive(Default)]
struct Found {
    series: Vec<Planned>,
    /// How many may stand there before they are put in order.
    most: usize,
}

/// So many series are not put in order before all are met.
const UNORDERED_MIN: usize = 1 << 16;

impl Found {
    fn planned(
        &mut self,
        owner: &Owner,
        metric: &Arc<str>,
        labels: &Labels,
        steps: Bounds<i64>,
    ) -> &mut Planned {
        let same = |key: &SeriesKey| key.metric == *metric && key.labels == *labels && key.run == owner.run;
        // Rows of a series mostly follow each other.
        if self.series.last().is_none_or(|last| !same(&last.key)) {
            if self.series.len() >= self.most.max(UNORDERED_MIN) {
                self.order();
                self.most = 2 * self.series.len();
            }
            let key = SeriesKey { run: owner.run.clone(), metric: metric.clone(), labels: labels.clone() };
            self.series.push(Planned { key, sources: Vec::new(), points_max: 0, steps, begun: None });
        }
        self.series.last_mut().expect("one was entered above")
    }

    /// Each once, ascending by key: what is kept is no more than twice what is selected.
    fn order(&mut self) {
        // Each part's series ascend, so there are long runs in order; and those of one key stay in the order met.
        self.series.sort_by(|a, b| a.key.cmp(&b.key));
        self.series.dedup_by(|again, first| {
            let same = again.key == first.key;
            if same {
                first.points_max += again.points_max;
                for source in again.sources.drain(..) {
                    first.source(source.generation, source.until).join(source);
                }
            }
            same
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_hold_each_run_once_and_about_as_many_series_as_allowed() {
        let names: Vec<String> = (0..100).map(|i| format!("run-{i:02}")).collect();
        let counts: BTreeMap<&str, u64> = names.iter().map(String::as_str).zip((0..10).cycle()).collect();
        for most in [1, 9, 10, 44, 1000] {
            let spans = Span::cut(&counts, most);
            let mut held = 0;
            for span in &spans {
                let within: Vec<u64> =
                    counts.iter().filter(|(r, _)| span.contains(r)).map(|(_, n)| *n).collect();
                held += within.len();
                let sum: u64 = within.iter().sum();
                assert!(sum <= most || within.iter().filter(|n| **n > 0).count() == 1, "{most}: {within:?}");
            }
            assert_eq!(held, names.len(), "{most}");
            assert!(
                ["", "run-00", "zzz"].iter().all(|r| spans.iter().filter(|s| s.contains(r)).count() == 1)
            );
        }
    }
}
