//! Which of a run's points are hidden: deleted ones always, rewound ones unless requested.
//!
//! A point's step and sequence number decide, before repeats are resolved. So a hidden point replaces no visible one,
//! nor the other way round. The extents of a row in the series table often decide for the whole row without reading it.

use std::sync::Arc;
use tidalite_model::{Extent, Moment, RunRecord, Seq};
use tidalite_query::Points;

/// The hidden points of one run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tombstones {
    /// Hides points written before the moment; with a step, only those at greater steps.
    rules: Vec<(Moment, Option<i64>)>,
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
        let mut rules: Vec<_> = record.deleted.iter().map(|before| (before.clone(), None)).collect();
        if !rewound_seen {
            rules.extend(record.rewinds.values().map(|r| (r.before.clone(), Some(r.step))));
        }
        (!rules.is_empty()).then(|| Arc::new(Tombstones { rules }))
    }

    /// The tombstones of a single deletion.
    pub(crate) fn deleted(before: &Moment) -> Tombstones {
        Tombstones { rules: vec![(before.clone(), None)] }
    }

    /// Whether a point is hidden.
    pub(crate) fn hides(&self, step: i64, seq: i64) -> bool {
        let Some(seq) = Seq::from_i64(seq) else { return false };
        self.rules.iter().any(|(before, kept)| kept.is_none_or(|k| step > k) && before.covers(seq))
    }

    /// Removes the hidden points. Needs the columns steps and seqs.
    pub(crate) fn apply(&self, points: &mut Points) {
        let seen = points.steps.iter().zip(&points.seqs).map(|(&step, &seq)| !self.hides(step, seq));
        let mask: Vec<bool> = seen.collect();
        if mask.contains(&false) {
            points.keep(&mask);
        }
    }

    /// The greatest visible step of a thinned row whose [`coverage`](Self::coverage) is `Some`. The series table gives
    /// all its points one sequence number, so a rewind hides its end.
    pub(crate) fn end(&self, seq: i64) -> Option<i64> {
        let seq = Seq::from_i64(seq)?;
        self.rules.iter().filter(|(before, _)| before.covers(seq)).filter_map(|(_, kept)| *kept).min()
    }

    /// How much of a set of points is hidden, judged by the extents of their steps and sequence numbers.
    pub(crate) fn coverage(&self, steps: Extent, seqs: (i64, i64)) -> Coverage {
        let (Some(least), Some(greatest)) = (Seq::from_i64(seqs.0), Seq::from_i64(seqs.1)) else {
            return Coverage::Some;
        };
        // A moment covers the first frames of each writer. So both ends decide if they are of one writer; otherwise any
        // writer in between may differ.
        let one = least.writer() == greatest.writer();
        let mut coverage = Coverage::Nothing;
        for (before, kept) in &self.rules {
            if kept.is_some_and(|k| steps.last <= k) || (one && !before.covers(least)) {
                continue;
            }
            if one && before.covers(greatest) && kept.is_none_or(|k| steps.first > k) {
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
    use tidalite_model::Rewind;

    #[test]
    fn points_with_one_sequence_number_are_hidden_from_a_step_on() {
        let rewind = |step, before: &Moment| Rewind { step, before: before.clone() };
        let moments = [Moment::new(2, []), Moment::new(0, [(2, 1)])];
        let mut met = 0;
        for (a, b) in [(3, 3), (1, 4), (4, 1), (-1, 9)] {
            let mut record = RunRecord::default();
            record.rewinds.insert(Seq::new(4, 0), rewind(a, &moments[0]));
            record.rewinds.insert(Seq::new(4, 1), rewind(b, &moments[1]));
            let tombstones = Tombstones::of(&record, false).unwrap();
            for seq in [Seq::new(0, 7), Seq::new(2, 0), Seq::new(2, 1), Seq::new(3, 0)].map(Seq::as_i64) {
                let hidden = |step: i64| tombstones.hides(step, seq);
                match tombstones.coverage(Extent::new(0, 5), (seq, seq)) {
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
                        let rewind = Rewind { step, before: before.clone() };
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
                        let points = [(steps[0], a), (steps[1], b)];
                        let hidden = points.iter().filter(|(s, q)| tombstones.hides(*s, q.as_i64())).count();
                        let seqs = (a.as_i64(), b.as_i64());
                        match tombstones.coverage(Extent::new(steps[0], steps[1]), seqs) {
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
        assert!(met.iter().all(|&n| n > 0), "{met:?}");
    }
}
