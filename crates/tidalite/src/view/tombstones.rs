//! Which of a run's points are hidden: deleted ones always, rewound ones unless requested.
//!
//! A point's step and sequence number decide, before repeats are resolved. So a hidden point replaces no visible one, and
//! no visible one replaces it. A rewind is to a step, so it does not hide points whose steps are automatic; a deletion
//! does. The extents of a row in the series table often decide for the whole row without reading it.

use crate::engine::tail_names::TELEMETRY;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tidalite_model::{Extent, Labels, Moment, Rewind, RunRecord, Seq, Written};
use tidalite_parts::SeriesEntry;
use tidalite_query::{NameMatcher, Points};

/// The hidden points of one run.
#[derive(Debug, Clone)]
pub(crate) struct Tombstones {
    rules: Vec<HidingRule>,
    /// The rules by labels, and by whether the series are telemetry. They are kept, since a run of many ranks has many
    /// rules and many series of each rank.
    by_labels: Arc<Mutex<HashMap<(Labels, bool), OfLabels>>>,
}

/// The tombstones of series with certain labels.
#[derive(Debug, Clone)]
enum OfLabels {
    All,
    Nothing,
    These(Arc<Tombstones>),
}

/// Hides points written before a moment.
#[derive(Debug, Clone)]
struct HidingRule {
    before: Moment,
    /// Hides only points at greater steps: the rule is a rewind.
    kept: Option<i64>,
    /// Hides only points of series with all of these labels.
    labels: Labels,
    /// Hides only points of these metrics; of all, if absent.
    metrics: Option<NameMatcher>,
}

impl HidingRule {
    fn of_deletion(before: &Moment) -> HidingRule {
        HidingRule { before: before.clone(), kept: None, labels: Labels::none(), metrics: None }
    }

    fn of_rewind(rewind: &Rewind) -> HidingRule {
        let metrics = (!rewind.metrics.is_empty()).then(|| NameMatcher::new(&rewind.metrics));
        HidingRule {
            before: rewind.before.clone(),
            kept: Some(rewind.step),
            labels: rewind.labels.clone(),
            // A pattern was checked when the rewind was written. One that is invalid matches nothing.
            metrics: metrics.map(|m| m.unwrap_or_else(|_| NameMatcher::exact(Vec::<String>::new()))),
        }
    }

    /// Whether the rule hides points of series with these labels. No rewind hides telemetry: its steps count samples.
    fn applies_to_labels(&self, labels: &Labels, telemetry: bool) -> bool {
        let has = |(key, value): (String, String)| labels.get(&key).as_deref() == Some(&*value);
        self.kept.is_none() || (!telemetry && self.labels.iter().all(has))
    }

    fn applies_to_metric(&self, metric: &str) -> bool {
        self.metrics.as_ref().is_none_or(|m| m.is_match(metric))
    }
}

/// How many of a set of points have automatic steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Automatic {
    None,
    Some,
    All,
}

impl Automatic {
    /// How many points of a row of a series table have automatic steps.
    pub(crate) fn of(row: &SeriesEntry) -> Automatic {
        Automatic::count(row.automatic, row.rows)
    }

    /// The answer for `automatic` points out of `all`.
    pub(crate) fn count(automatic: u32, all: u32) -> Automatic {
        match automatic {
            0 => Automatic::None,
            n if n < all => Automatic::Some,
            _ => Automatic::All,
        }
    }
}

/// How much of a row is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coverage {
    Nothing,
    /// Some of it, or unknown without reading it.
    Some,
    All,
}

impl Tombstones {
    /// The tombstones of a run; `None` if it has none. With `rewound_seen`, rewinds hide nothing.
    pub(crate) fn of(record: &RunRecord, rewound_seen: bool) -> Option<Arc<Tombstones>> {
        let mut rules: Vec<_> = record.deleted.iter().map(HidingRule::of_deletion).collect();
        if !rewound_seen {
            rules.extend(record.rewinds.values().map(HidingRule::of_rewind));
        }
        (!rules.is_empty()).then(|| Arc::new(Tombstones::new(rules)))
    }

    fn new(rules: Vec<HidingRule>) -> Tombstones {
        Tombstones { rules, by_labels: Arc::default() }
    }

    /// The tombstones that apply to one series of the run; `None` if none does.
    pub(crate) fn of_series(self: &Arc<Self>, metric: &str, labels: &Labels) -> Option<Arc<Tombstones>> {
        let of_labels = self.of_labels(labels, metric.starts_with(TELEMETRY))?;
        if of_labels.rules.iter().all(|rule| rule.applies_to_metric(metric)) {
            return Some(of_labels);
        }
        let rules = of_labels.rules.iter().filter(|rule| rule.applies_to_metric(metric));
        let rules: Vec<HidingRule> = rules.cloned().collect();
        (!rules.is_empty()).then(|| Arc::new(Tombstones::new(rules)))
    }

    fn of_labels(self: &Arc<Self>, labels: &Labels, telemetry: bool) -> Option<Arc<Tombstones>> {
        let mut known = self.by_labels.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.entry((labels.clone(), telemetry)).or_insert_with(|| {
            let rules = self.rules.iter().filter(|rule| rule.applies_to_labels(labels, telemetry));
            let rules: Vec<HidingRule> = rules.cloned().collect();
            match rules.len() {
                0 => OfLabels::Nothing,
                n if n == self.rules.len() => OfLabels::All,
                _ => OfLabels::These(Arc::new(Tombstones::new(rules))),
            }
        });
        match found {
            OfLabels::All => Some(self.clone()),
            OfLabels::Nothing => None,
            OfLabels::These(tombstones) => Some(tombstones.clone()),
        }
    }

    /// The tombstones of a single deletion.
    pub(crate) fn deleted(before: &Moment) -> Tombstones {
        Tombstones::new(vec![HidingRule::of_deletion(before)])
    }

    /// Whether a point is hidden.
    pub(crate) fn hides(&self, step: i64, seq: i64, automatic: bool) -> bool {
        let Some(seq) = Seq::from_i64(seq) else { return false };
        let applies = |kept: Option<i64>| kept.is_none_or(|k| step > k && !automatic);
        self.rules.iter().any(|rule| applies(rule.kept) && rule.before.covers(seq))
    }

    /// Removes the hidden points. Needs the columns steps, seqs and written.
    pub(crate) fn apply(&self, points: &mut Points) {
        let hides = |((&step, &seq), &written): ((&i64, &i64), &i64)| {
            self.hides(step, seq, Written::from_i64(written).is_automatic())
        };
        let columns = points.steps.iter().zip(&points.seqs).zip(&points.written);
        let mask: Vec<bool> = columns.map(|point| !hides(point)).collect();
        if mask.contains(&false) {
            points.keep(&mask);
        }
    }

    /// The greatest visible step of a thinned row whose [`coverage`](Self::coverage) is `Some`. The series table gives
    /// all its points one sequence number, and none is automatic, so a rewind hides its end.
    pub(crate) fn end(&self, seq: i64) -> Option<i64> {
        let seq = Seq::from_i64(seq)?;
        self.rules.iter().filter(|rule| rule.before.covers(seq)).filter_map(|rule| rule.kept).min()
    }

    /// How much of a set of points is hidden, judged by the extents of their steps and sequence numbers.
    pub(crate) fn coverage(&self, steps: Extent, seqs: (i64, i64), automatic: Automatic) -> Coverage {
        let (Some(least), Some(greatest)) = (Seq::from_i64(seqs.0), Seq::from_i64(seqs.1)) else {
            return Coverage::Some;
        };
        // A moment covers the first frames of each writer. So both ends decide if they are of one writer. If not, a
        // writer in between may differ.
        let one = least.writer() == greatest.writer();
        let mut coverage = Coverage::Nothing;
        for HidingRule { before, kept, .. } in &self.rules {
            let none = kept.is_some_and(|k| steps.last <= k || automatic == Automatic::All);
            if none || (one && !before.covers(least)) {
                continue;
            }
            let whole = kept.is_none_or(|k| steps.first > k && automatic == Automatic::None);
            if one && before.covers(greatest) && whole {
                return Coverage::All;
            }
            coverage = Coverage::Some;
        }
        coverage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewind(step: i64, before: &Moment) -> Rewind {
        Rewind { step, before: before.clone(), labels: Labels::none(), metrics: Vec::new() }
    }

    #[test]
    fn a_rewind_applies_to_the_series_of_its_labels_and_metrics_and_to_no_telemetry() {
        let labels = |text: &str| Labels::parse(text).unwrap();
        let mut record = RunRecord::default();
        let only = Rewind {
            labels: labels("rank=1"),
            metrics: vec!["loss*".into()],
            ..rewind(3, &Moment::new(9, []))
        };
        record.rewinds.insert(Seq::new(4, 0), only);
        let tombstones = Tombstones::of(&record, false).unwrap();
        let applies = |metric, l| tombstones.of_series(metric, &labels(l)).is_some();
        assert!(applies("loss", "rank=1") && applies("loss/val", "host=a,rank=1"));
        assert!(!applies("loss", "") && !applies("loss", "rank=2") && !applies("acc", "rank=1"));
        record.rewinds.insert(Seq::new(4, 1), rewind(5, &Moment::new(9, [])));
        record.deleted = Some(Moment::new(1, []));
        let tombstones = Tombstones::of(&record, false).unwrap();
        assert!(tombstones.of_series("acc", &Labels::none()).unwrap().hides(
            6,
            Seq::new(2, 0).as_i64(),
            false
        ));
        let telemetry = tombstones.of_series("system/cpu", &Labels::none()).unwrap();
        assert!(!telemetry.hides(6, Seq::new(2, 0).as_i64(), false), "only the deletion applies");
        assert!(telemetry.hides(6, Seq::new(0, 0).as_i64(), false));
    }

    #[test]
    fn points_with_one_sequence_number_are_hidden_from_a_step_on() {
        let rewind = |step, before: &Moment| rewind(step, before);
        let moments = [Moment::new(2, []), Moment::new(0, [(2, 1)])];
        let mut met = 0;
        for (a, b) in [(3, 3), (1, 4), (4, 1), (-1, 9)] {
            let mut record = RunRecord::default();
            record.rewinds.insert(Seq::new(4, 0), rewind(a, &moments[0]));
            record.rewinds.insert(Seq::new(4, 1), rewind(b, &moments[1]));
            let tombstones = Tombstones::of(&record, false).unwrap();
            for seq in [Seq::new(0, 7), Seq::new(2, 0), Seq::new(2, 1), Seq::new(3, 0)].map(Seq::as_i64) {
                let hidden = |step: i64| tombstones.hides(step, seq, false);
                match tombstones.coverage(Extent::new(0, 5), (seq, seq), Automatic::None) {
                    Coverage::Some => {
                        let end = tombstones.end(seq).unwrap();
                        assert!((0..6).all(|step| hidden(step) == (step > end)), "{record:?} {seq} {end}");
                        met += 1;
                    }
                    coverage => assert!((0..6).all(|step| hidden(step) == (coverage == Coverage::All))),
                }
            }
        }
        assert!(met > 4, "{met}");
    }

    #[test]
    fn the_coverage_of_a_row_never_contradicts_its_points() {
        let moments = [Moment::new(2, []), Moment::new(1, [(1, 2), (3, 1)]), Moment::new(0, [(2, 1)])];
        let mut records = vec![RunRecord::default()];
        for before in &moments {
            for step in [None, Some(-1), Some(2), Some(9)] {
                let mut record = RunRecord::default();
                match step {
                    None => record.deleted = Some(before.clone()),
                    Some(step) => {
                        let rewind = rewind(step, before);
                        record.rewinds.insert(Seq::new(4, 0), rewind);
                    }
                }
                records.push(record);
            }
        }
        let seqs: Vec<Seq> = (0..4).flat_map(|w| (0..3).map(move |o| Seq::new(w, o))).collect();
        let mut met = [0; 3];
        for record in &records {
            let Some(tombstones) = Tombstones::of(record, false) else { continue };
            for (i, &a) in seqs.iter().enumerate() {
                for &b in &seqs[i..] {
                    for steps in [[0, 5], [3, 4], [0, 1]] {
                        for automatic in [(false, false), (true, false), (true, true)] {
                            let points = [(steps[0], a, automatic.0), (steps[1], b, automatic.1)];
                            let hides = |p: &&(i64, Seq, bool)| tombstones.hides(p.0, p.1.as_i64(), p.2);
                            let hidden = points.iter().filter(hides).count();
                            let automatic = points.iter().filter(|p| p.2).count() as u32;
                            let coverage = tombstones.coverage(
                                Extent::new(steps[0], steps[1]),
                                (a.as_i64(), b.as_i64()),
                                Automatic::count(automatic, 2),
                            );
                            match coverage {
                                Coverage::Nothing => assert_eq!(hidden, 0, "{record:?} {points:?}"),
                                Coverage::All => assert_eq!(hidden, 2, "{record:?} {points:?}"),
                                Coverage::Some => met[2] += 1,
                            }
                            met[0] += usize::from(hidden == 0);
                            met[1] += usize::from(hidden == 2);
                        }
                    }
                }
            }
        }
        assert!(met.iter().all(|&n| n > 0), "{met:?}");
    }
}
