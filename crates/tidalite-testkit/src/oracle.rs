//! The oracle: what a store must hold, in the simplest implementation.
//!
//! It holds *units*, each one append of a writer (a row, a batch, a change to a run): for each writer the accepted units in
//! the order of writing, and how many of them are durable. Units *in flight* are calls that failed in a way that leaves
//! open whether they happened.
//!
//! Every question is answered by a pass over all units. Nothing is indexed, cached or merged, so that the oracle shares no
//! fault with the engine.

use crate::question::{NameTest, Question};
use crate::units::{Ledger, UnitContent, WriteUnit, WrittenPoint};
use std::collections::{BTreeMap, BTreeSet};
use tidalite::{History, Labels, Point, Repeats, Seq, SeriesKey};
use tidalite_model::{Moment, RunChange, RunInfo, RunRecord, WriteOrder};

/// A rewind, or a deletion (without a step): which writes to which series of a run are hidden.
struct Hiding<'a> {
    run: &'a str,
    before: Moment,
    step: Option<i64>,
    labels: Labels,
}

/// What a store must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Oracle {
    writers: BTreeMap<u32, Ledger>,
    in_flight: Vec<WriteUnit>,
    /// How many units were noted.
    noted: u64,
    thinned: BTreeSet<SeriesKey>,
    /// Points that a thinning removed.
    gone: Vec<WrittenPoint>,
}

/// An answer: series in order, each with its points in order.
pub type ExpectedPoints = Vec<(SeriesKey, Vec<Point>)>;

impl Oracle {
    /// An empty store's.
    pub fn new() -> Self {
        Oracle::default()
    }

    /// The histories by writer.
    pub fn writers(&self) -> &BTreeMap<u32, Ledger> {
        &self.writers
    }

    /// The units in flight.
    pub fn maybe(&self) -> &[WriteUnit] {
        &self.in_flight
    }

    /// Notes that a writer accepted a unit.
    ///
    /// # Panics
    /// Where the places of a writer do not ascend: then a bug is found.
    pub fn accept(&mut self, seq: Seq, content: UnitContent) {
        let order = self.next_order();
        let units = &mut self.writers.entry(seq.writer()).or_default().units;
        let last = units.last().map(|u| u.seq);
        assert!(last.is_none_or(|last| last < seq), "the order of writing ascends: {seq:?} after {last:?}");
        units.push(WriteUnit { seq, order, content });
    }

    fn next_order(&mut self) -> u64 {
        self.noted += 1;
        self.noted
    }

    /// Notes a call that failed in a way that leaves open whether it happened. An unknown writer counts as the next new
    /// one.
    pub fn in_flight(&mut self, writer: Option<u32>, content: UnitContent) {
        let writer = writer.unwrap_or_else(|| self.writers.last_key_value().map_or(1, |(w, _)| w + 1));
        let last = self.writers.get(&writer).and_then(|h| h.units.last());
        let seq = Seq::new(writer, last.map_or(0, |u| u.seq.ordinal() + 1));
        let order = self.next_order();
        self.in_flight.push(WriteUnit { seq, order, content });
    }

    /// Notes that this unit and all before it, of the same writer, are durable.
    pub fn durable(&mut self, seq: Seq) {
        if let Some(history) = self.writers.get_mut(&seq.writer()) {
            history.durable = history.durable.max(history.units.partition_point(|u| u.seq <= seq));
        }
    }

    /// Notes that everything accepted is durable.
    pub fn durable_all(&mut self) {
        self.writers.values_mut().for_each(|h| h.durable = h.units.len());
    }

    /// What a crash left: a prefix of each writer's units, and the units in flight at these indexes. All of it is accepted
    /// and durable now.
    pub fn cut_to(&self, kept: &BTreeMap<u32, usize>, in_flight: &BTreeSet<usize>) -> Oracle {
        let mut left = Oracle::new();
        for (writer, history) in &self.writers {
            let units = history.units[..kept.get(writer).copied().unwrap_or(0)].to_vec();
            left.writers.insert(*writer, Ledger { units, durable: 0 });
        }
        for &place in in_flight {
            let unit = self.in_flight[place].clone();
            left.writers.entry(unit.seq.writer()).or_default().units.push(unit);
        }
        (left.thinned, left.gone, left.noted) = (self.thinned.clone(), self.gone.clone(), self.noted);
        left.writers.retain(|_, h| !h.units.is_empty());
        // Stable, since the seq of a unit in flight is a guess that a later unit may share.
        left.writers.values_mut().for_each(|h| h.units.sort_by_key(|u| u.seq));
        left.durable_all();
        left
    }

    /// The same units, with the durable prefixes of `other`.
    pub fn durable_as(mut self, other: &Oracle) -> Oracle {
        for (writer, history) in &mut self.writers {
            history.durable = other.writers.get(writer).map_or(0, |h| h.durable.min(history.units.len()));
        }
        self
    }

    /// All accepted units, by the order of writing.
    pub fn units(&self) -> impl Iterator<Item = &WriteUnit> {
        self.writers.values().flat_map(|h| &h.units)
    }

    /// How many points were accepted.
    pub fn points(&self) -> usize {
        self.units().map(|u| if let UnitContent::Points(p) = &u.content { p.len() } else { 0 }).sum()
    }

    /// The greatest time of a point, in flight or not.
    pub fn time_max_us(&self) -> Option<i64> {
        let points = |u: &WriteUnit| {
            if let UnitContent::Points(p) = &u.content {
                p.iter().map(|w| w.point.time_us).max()
            } else {
                None
            }
        };
        self.units().chain(&self.in_flight).filter_map(points).max()
    }

    /// The greatest step of a run, and of what it took over.
    pub fn step_max(&self, run: &str) -> Option<i64> {
        let ask = Question { runs: vec![NameTest::Exact(run.into())], ..Question::default() };
        self.answer(&ask).iter().flat_map(|(_, points)| points).map(|p| p.step).max()
    }

    /// Whose points a run reads and up to which step, the farthest ancestor first and the run itself last.
    fn lineage(parents: &BTreeMap<String, (String, i64)>, run: &str) -> Vec<(String, i64)> {
        let mut line = vec![(run.to_string(), i64::MAX)];
        while let Some((parent, step)) = parents.get(&line[line.len() - 1].0) {
            if line.iter().any(|(met, _)| met == parent) {
                break;
            }
            let until = line[line.len() - 1].1.min(*step);
            line.push((parent.clone(), until));
        }
        line.reverse();
        line
    }

    /// The moment after all accepted units.
    pub fn now(&self) -> Moment {
        let end = |(&writer, h): (&u32, &Ledger)| h.units.last().map(|u| (writer, u.seq.ordinal() + 1));
        Moment::new(0, self.writers.iter().filter_map(end))
    }

    /// What participants of a run wrote who have ended or died: of a living writer, all before the start of a
    /// participant that has not ended. A deletion of the run takes back the starts before it.
    pub fn gone(&self, run: &str, alive: impl Fn(u32) -> bool) -> Moment {
        let deleted: Vec<Moment> = Self::hiding(self.units())
            .into_iter()
            .filter(|h| h.run == run && h.step.is_none())
            .map(|h| h.before)
            .collect();
        let end = |(&writer, ledger): (&u32, &Ledger)| {
            if !alive(writer) {
                return (writer, u64::MAX);
            }
            let mut open: Vec<u64> = Vec::new();
            for unit in &ledger.units {
                match &unit.content {
                    UnitContent::Change { run: of, change: RunChange::Start(_) } if of == run => {
                        open.push(unit.seq.ordinal());
                    }
                    UnitContent::Change { run: of, change: RunChange::End(end) } if of == run => {
                        open.retain(|start| *start != end.start);
                    }
                    _ => {}
                }
            }
            open.retain(|start| !deleted.iter().any(|before| before.covers(Seq::new(writer, *start))));
            let next = ledger.units.last().map_or(0, |u| u.seq.ordinal() + 1);
            (writer, open.first().copied().unwrap_or(next))
        };
        Moment::new(0, self.writers.iter().map(end))
    }

    /// The last unit of a writer.
    pub fn last_of(&self, writer: u32) -> Option<Seq> {
        self.writers.get(&writer).and_then(|h| h.units.last()).map(|u| u.seq)
    }

    /// The rewinds and deletions of runs.
    fn hiding<'a>(units: impl Iterator<Item = &'a WriteUnit>) -> Vec<Hiding<'a>> {
        let mut hiding = Vec::new();
        for unit in units {
            let UnitContent::Change { run, change } = &unit.content else { continue };
            let (before, step, labels) = match change {
                RunChange::Rewind { step, before, labels, .. } => (before, Some(*step), labels.clone()),
                RunChange::Delete { before } => (before, None, Labels::none()),
                _ => continue,
            };
            hiding.push(Hiding { run, before: before.clone().of_write(unit.seq), step, labels });
        }
        hiding
    }

    /// The deletions, accepted or in flight: the run, and the moment before which writes are deleted.
    pub fn deletions(&self) -> Vec<(&str, Moment)> {
        let all = Self::hiding(self.units().chain(&self.in_flight)).into_iter();
        all.filter(|h| h.step.is_none()).map(|h| (h.run, h.before)).collect()
    }

    /// Whether any run was ever deleted.
    pub fn has_deletions(&self) -> bool {
        self.units()
            .any(|u| matches!(&u.content, UnitContent::Change { change: RunChange::Delete { .. }, .. }))
    }

    /// All points written, visible or not, and those removed by thinnings.
    pub fn all_written(&self) -> Vec<(SeriesKey, Point)> {
        let written = self.written().map(|(_, w)| w).chain(&self.gone);
        written.map(|w| (w.key.clone(), w.point)).collect()
    }

    /// Thinned series: their sums include points that were removed.
    pub fn thinned(&self) -> &BTreeSet<SeriesKey> {
        &self.thinned
    }

    /// Notes that a run was thinned, with the remaining points. Each series is unchanged, or the outline of its visible
    /// points in buckets of a power of two of steps.
    ///
    /// # Errors
    /// The series that is neither.
    pub fn thin(&mut self, run: &str, left: &[(SeriesKey, Point)]) -> Result<(), String> {
        let of_run = |ask: Question| Question { runs: vec![NameTest::Exact(run.into())], ..ask };
        let all = self.answer(&of_run(Question::all(Repeats::All)));
        let seen = self.answer(&of_run(Question { hidden: false, ..Question::all(Repeats::Last) }));
        let bits = |p: &Point| (p.step, p.time_us, p.value.to_bits());
        for (key, all) in all {
            let found: Vec<_> = left.iter().filter(|(k, _)| *k == key).map(|(_, p)| bits(p)).collect();
            if found == all.iter().map(bits).collect::<Vec<_>>() {
                continue;
            }
            let seen = seen.iter().find(|(k, _)| *k == key).map_or(&[][..], |(_, points)| points);
            let made =
                (1..63).any(|shift| found == outline(seen, shift).iter().map(bits).collect::<Vec<_>>());
            if !made {
                let counts = (found.len(), all.len(), seen.len());
                return Err(format!(
                    "of {counts:?} points of {key:?}, the remaining ones are not an outline"
                ));
            }
            self.give_up(&key, found);
            self.thinned.insert(key);
        }
        Ok(())
    }

    /// Removes all points of a series but these; of equal points the last stays.
    fn give_up(&mut self, key: &SeriesKey, mut left: Vec<(i64, i64, u64)>) {
        let mut units: Vec<&mut WriteUnit> = self.writers.values_mut().flat_map(|h| &mut h.units).collect();
        units.sort_by_key(|unit| std::cmp::Reverse(unit.order));
        for unit in units {
            let UnitContent::Points(points) = &mut unit.content else { continue };
            let mut kept = Vec::new();
            for w in std::mem::take(points).into_iter().rev() {
                let bits = (w.point.step, w.point.time_us, w.point.value.to_bits());
                let at = left.iter().position(|l| *l == bits);
                match at.filter(|_| w.key == *key) {
                    Some(at) => {
                        left.remove(at);
                        kept.push(w);
                    }
                    None if w.key == *key => self.gone.push(w),
                    None => kept.push(w),
                }
            }
            kept.reverse();
            *points = kept;
        }
    }

    /// The visible points: not deleted, and not rewound unless `hidden`.
    fn seen(&self, hidden: bool) -> Vec<(u64, &WrittenPoint)> {
        let hiding = Self::hiding(self.units());
        let hides = |unit: &WriteUnit, w: &WrittenPoint| {
            hiding.iter().any(|h| {
                let applies = h.step.is_none_or(|k| !hidden && !w.automatic && w.point.step > k);
                let labelled = h.labels.iter().all(|(k, v)| w.key.labels.get(&k).as_ref() == Some(&v));
                applies && labelled && h.run == &*w.key.run && h.before.covers(unit.seq)
            })
        };
        let seen = self.written().filter(|(unit, w)| !hides(unit, w));
        seen.map(|(unit, w)| (unit.order, w)).collect()
    }

    fn written(&self) -> impl Iterator<Item = (&WriteUnit, &WrittenPoint)> {
        self.units().flat_map(|u| {
            let points = if let UnitContent::Points(p) = &u.content { &p[..] } else { &[] };
            points.iter().map(move |w| (u, w))
        })
    }

    /// The points asked for: series ascending, in each by step and then by the order of writing.
    pub fn answer(&self, ask: &Question) -> ExpectedPoints {
        let infos = self.runs(|_| true);
        let ids: Vec<&str> = infos.iter().map(|r| r.id.as_str()).collect();
        let there: Vec<&SeriesKey> = self.seen(true).into_iter().map(|(_, w)| &w.key).collect();
        let ask = &ask.settled(&ids, &there);
        let seen = self.seen(ask.hidden);
        let fork =
            |r: &RunInfo| r.parent.as_ref().and_then(|p| Some((r.id.clone(), (p.run.clone(), p.step?))));
        let parents: BTreeMap<String, (String, i64)> = match ask.history {
            History::Own => BTreeMap::new(),
            _ => infos.iter().filter_map(fork).collect(),
        };
        // By series: the rank of the run in the lineage, the order of writing, and the point.
        let mut series: BTreeMap<SeriesKey, Vec<(usize, u64, &WrittenPoint)>> = BTreeMap::new();
        for run in infos.iter().map(|r| r.id.as_str()) {
            for (rank, (from, until)) in Self::lineage(&parents, run).iter().enumerate() {
                for (order, w) in seen.iter().filter(|(_, w)| &*w.key.run == from && w.point.step <= *until) {
                    let inherited = run != from;
                    let telemetry = w.key.metric.starts_with("system/");
                    let key = SeriesKey { run: run.into(), ..w.key.clone() };
                    if !(inherited && telemetry && ask.history == History::Inherited)
                        && ask.wants(&key)
                        && ask.takes_step(w.point.step)
                    {
                        series.entry(key).or_default().push((rank, *order, *w));
                    }
                }
            }
        }
        let mut answer = Vec::new();
        for (key, mut points) in series {
            // Stable: points of one batch keep their order.
            points.sort_by_key(|(rank, order, w)| (w.point.step, *rank, *order));
            let mut kept: Vec<Point> = Vec::new();
            for group in points.chunk_by(|a, b| a.2.point.step == b.2.point.step) {
                let mut chosen = (0..group.len()).filter(|&i| !group[i].2.automatic);
                let counts = match ask.repeats {
                    Repeats::Last => chosen.next_back(),
                    Repeats::First => chosen.next(),
                    Repeats::All => None,
                };
                let takes =
                    |i: usize| ask.repeats == Repeats::All || group[i].2.automatic || counts == Some(i);
                kept.extend((0..group.len()).filter(|&i| takes(i)).map(|i| group[i].2.point));
            }
            kept.retain(|p| ask.takes_point(p));
            if !kept.is_empty() {
                answer.push((key, kept));
            }
        }
        answer
    }

    /// The runs: those with changes, and those that only points name. `alive` says which writers are alive.
    pub fn runs(&self, alive: impl Fn(u32) -> bool) -> Vec<RunInfo> {
        let mut records: BTreeMap<String, RunRecord> = BTreeMap::new();
        // Deletions come first, so that later writes do not meet deleted state.
        let deletes = |u: &&WriteUnit| {
            matches!(&u.content, UnitContent::Change { change: RunChange::Delete { .. }, .. })
        };
        for unit in self.units().filter(deletes).chain(self.units()) {
            if let UnitContent::Change { run, change } = &unit.content {
                records
                    .entry(run.clone())
                    .or_default()
                    .apply(WriteOrder::new(unit.order.cast_signed(), unit.seq), change);
            }
        }
        let seen: BTreeSet<&str> = self.seen(true).iter().map(|(_, w)| &*w.key.run).collect();
        records.retain(|run, r| !r.is_only_deleted() || seen.contains(run.as_str()));
        for run in seen {
            records.entry(run.to_string()).or_default();
        }
        records.iter().map(|(id, r)| r.info(id, &alive)).collect()
    }
}

/// The first, last, least and greatest point of each bucket of 2^`shift` steps, and the first NaN and infinities.
fn outline(points: &[Point], shift: u32) -> Vec<Point> {
    let mut kept = Vec::new();
    for of in points.chunk_by(|a, b| a.step >> shift == b.step >> shift) {
        let finite = || of.iter().map(|p| p.value).filter(|v| v.is_finite());
        let least = finite().fold(f64::INFINITY, f64::min);
        let greatest = finite().fold(f64::NEG_INFINITY, f64::max);
        let first = |is: &dyn Fn(f64) -> bool| of.iter().position(|p| is(p.value));
        let places = BTreeSet::from([
            Some(0),
            Some(of.len() - 1),
            first(&|v| v.is_finite() && v == least),
            first(&|v| v.is_finite() && v == greatest),
            first(&f64::is_nan),
            first(&|v| v == f64::INFINITY),
            first(&|v| v == f64::NEG_INFINITY),
        ]);
        kept.extend(places.into_iter().flatten().map(|i| of[i]));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(run: &str, points: &[(i64, f64)]) -> UnitContent {
        let written = |&(step, value): &(i64, f64)| WrittenPoint {
            key: SeriesKey::new(run, "m", Labels::none()),
            point: Point { step, time_us: 7, value },
            automatic: false,
        };
        UnitContent::Points(points.iter().map(written).collect())
    }

    fn values(oracle: &Oracle, ask: &Question) -> Vec<f64> {
        oracle.answer(ask).into_iter().flat_map(|(_, p)| p).map(|p| p.value).collect()
    }

    #[test]
    fn repeats_are_resolved_by_the_order_of_writing_and_then_by_position() {
        let mut oracle = Oracle::new();
        oracle.accept(Seq::new(2, 0), points("r", &[(1, 20.0), (1, 21.0)]));
        oracle.accept(Seq::new(1, 5), points("r", &[(1, 10.0), (0, 9.0)]));
        assert_eq!(values(&oracle, &Question::all(Repeats::Last)), [9.0, 10.0]);
        assert_eq!(values(&oracle, &Question::all(Repeats::First)), [9.0, 20.0]);
        assert_eq!(values(&oracle, &Question::all(Repeats::All)), [9.0, 20.0, 21.0, 10.0]);
        let late =
            Question { steps: (Some(1), None), values: (None, Some(20.0)), ..Question::all(Repeats::All) };
        assert_eq!(values(&oracle, &late), [10.0]);
    }

    #[test]
    fn points_with_automatic_steps_are_all_there_and_not_rewound() {
        let mut oracle = Oracle::new();
        let automatic = |content: UnitContent| match content {
            UnitContent::Points(points) => UnitContent::Points(
                points.into_iter().map(|w| WrittenPoint { automatic: true, ..w }).collect(),
            ),
            other => other,
        };
        oracle.accept(Seq::new(1, 0), automatic(points("r", &[(5, 1.0)])));
        oracle.accept(Seq::new(2, 0), points("r", &[(5, 2.0), (6, 3.0)]));
        oracle.accept(Seq::new(1, 1), automatic(points("r", &[(5, 4.0)])));
        oracle.accept(Seq::new(1, 2), points("r", &[(5, 5.0)]));
        assert_eq!(values(&oracle, &Question::all(Repeats::Last)), [1.0, 4.0, 5.0, 3.0]);
        assert_eq!(values(&oracle, &Question::all(Repeats::First)), [1.0, 2.0, 4.0, 3.0]);
        let change =
            RunChange::Rewind { step: 0, before: oracle.now(), labels: Labels::none(), metrics: Vec::new() };
        oracle.accept(Seq::new(1, 3), UnitContent::Change { run: "r".into(), change });
        let seen = Question { hidden: false, ..Question::all(Repeats::All) };
        assert_eq!(values(&oracle, &seen), [1.0, 4.0]);
    }

    #[test]
    fn a_cut_keeps_a_prefix_of_each_writer() {
        let mut oracle = Oracle::new();
        (0..3).for_each(|i| oracle.accept(Seq::new(1, i * 2), points("r", &[(0, i as f64)])));
        oracle.durable(Seq::new(1, 3));
        assert_eq!(oracle.writers()[&1].durable, 2);
        oracle.in_flight(Some(1), points("r", &[(0, 9.0)]));
        oracle.in_flight(None, points("s", &[(0, 8.0)]));
        assert_eq!(oracle.points(), 3);
        let one = oracle.cut_to(&BTreeMap::from([(1, 1)]), &BTreeSet::new());
        assert_eq!((one.points(), one.writers()[&1].durable), (1, 1));
        let more = oracle.cut_to(&BTreeMap::from([(1, 3)]), &BTreeSet::from([0, 1]));
        assert_eq!((more.points(), more.maybe().len(), more.step_max("s")), (5, 0, Some(0)));
    }
}
