//! What a crash left, matched with what was written.
//!
//! 1. Points tell which units are there, by the time that each unit carries. A unit is whole or absent.
//! 2. That gives a range of prefixes for each writer: at least up to the last unit that is there and up to what is
//!    durable, at most up to the first unit that is lost.
//! 3. Changes to runs have no points. Some choice of prefixes and of changes in flight must give exactly the runs found.
//!    The shortest choice is taken, so that nothing counts as there that cannot be seen.

use crate::check;
use crate::difference::CheckResult;
use crate::oracle::Oracle;
use crate::question::Question;
use crate::units::{Ledger, UnitContent, WriteUnit, WrittenPoint};
use std::collections::{BTreeMap, BTreeSet};
use tidalite::{Point, Repeats, RunInfo, SeriesKey};
use tidalite_model::Moment;

/// At most this many changes in flight are tried in all combinations.
const OPEN_CHANGES_MAX: usize = 4;
/// At most this many choices of prefixes are tried.
const CHOICES_MAX: usize = 4096;

/// A point whose equality is that of its bits.
type PointBits = (SeriesKey, i64, i64, u64);

/// Finds the units of an oracle among the points and runs that a store holds after a crash; gives them as an oracle.
///
/// # Errors
/// The broken promise, in words.
pub fn survivors(oracle: &Oracle, found: &[(SeriesKey, Point)], runs: &[RunInfo]) -> CheckResult<Oracle> {
    let mut points = FoundPoints::new(oracle, found);
    let mut ranges = prefixes(oracle, &mut points)?;
    let (mut certain, mut open) = (BTreeSet::new(), Vec::new());
    for (place, unit) in oracle.maybe().iter().enumerate() {
        match points.hold(unit)? {
            Some(true) => {
                certain.insert(place);
                raise(&mut ranges, oracle, unit)?;
            }
            Some(false) => {}
            None => open.push(place),
        }
    }
    if let Some((time, points)) = points.by_time.first_key_value() {
        return Err(format!("{} points of time {time} were never written", points.len()));
    }
    let mut difference = String::new();
    for open in subsets(&open) {
        let units_before = |kept: &BTreeMap<u32, usize>| {
            open.iter()
                .map(|&place| &oracle.maybe()[place])
                .all(|unit| kept.get(&unit.seq.writer()).copied().unwrap_or(0) >= units_before(oracle, unit))
        };
        for kept in combinations(&ranges).into_iter().filter(units_before) {
            let in_flight = certain.union(&open).copied().collect();
            let left = oracle.cut_to(&kept, &in_flight);
            let same = check::same_runs(&left.runs(|_| false), runs)
                .and_then(|()| check::same(&left.answer(&Question::all(Repeats::All)), found));
            match same {
                Ok(()) => return Ok(left),
                Err(e) => difference = e,
            }
        }
    }
    Err(format!("the runs are those of no prefix; with the longest: {difference}"))
}

/// The points found, by time, without those of units that were already matched.
struct FoundPoints<'a> {
    by_time: BTreeMap<i64, Vec<PointBits>>,
    deletions: Vec<(&'a str, Moment)>,
}

impl<'a> FoundPoints<'a> {
    fn new(oracle: &'a Oracle, found: &[(SeriesKey, Point)]) -> Self {
        let mut by_time: BTreeMap<i64, Vec<_>> = BTreeMap::new();
        for (key, p) in found {
            by_time.entry(p.time_us).or_default().push(check::bits(key, p));
        }
        FoundPoints { by_time, deletions: oracle.deletions() }
    }

    /// Whether a unit is there; `None` where its points cannot tell, since it has none or all may be deleted.
    fn hold(&mut self, unit: &WriteUnit) -> CheckResult<Option<bool>> {
        let UnitContent::Points(points) = &unit.content else { return Ok(None) };
        // A point that a deletion may have taken proves no loss. The runs and the answer tell in the end.
        let doomed = |w: &&WrittenPoint| {
            self.deletions.iter().any(|(run, before)| **run == *w.key.run && before.covers(unit.seq))
        };
        let certain = points.iter().filter(|w| !doomed(w)).count();
        let Some(mut there) = self.by_time.remove(&points[0].point.time_us) else {
            return Ok((certain > 0).then_some(false));
        };
        let mut expected: Vec<_> = points
            .iter()
            .map(|w| (w, check::bits(&w.key, &w.point)))
            // The search is short: only drawn sequences delete.
            .filter(|(w, bits)| !doomed(w) || there.contains(bits))
            .map(|(_, bits)| bits)
            .collect();
        there.sort();
        expected.sort();
        if there == expected {
            Ok(Some(true))
        } else {
            Err(format!("a unit of {} points has {}: {unit:?}", expected.len(), there.len()))
        }
    }
}

/// How many units of a writer survived: at least, and at most.
struct PrefixRange {
    writer: u32,
    least: usize,
    most: usize,
}

/// The range of each writer.
fn prefixes(oracle: &Oracle, points: &mut FoundPoints<'_>) -> CheckResult<Vec<PrefixRange>> {
    let mut ranges = Vec::new();
    for (&writer, ledger) in oracle.writers() {
        let there = ledger.units.iter().map(|u| points.hold(u)).collect::<CheckResult<Vec<_>>>()?;
        let least = there.iter().rposition(|t| *t == Some(true)).map_or(0, |i| i + 1);
        let most = there.iter().position(|t| *t == Some(false)).unwrap_or(there.len());
        if least > most {
            return Err(format!("of writer {writer} unit {most} is lost and unit {} is there", least - 1));
        }
        let durable = ledger.durable;
        if durable > most {
            return Err(format!("of writer {writer} {durable} units are durable, and unit {most} is lost"));
        }
        ranges.push(PrefixRange { writer, least: least.max(durable), most });
    }
    Ok(ranges)
}

/// A unit in flight is there, so everything that its writer appended before it is there too.
fn raise(ranges: &mut [PrefixRange], oracle: &Oracle, unit: &WriteUnit) -> CheckResult {
    let needed = units_before(oracle, unit);
    if let Some(range) = ranges.iter_mut().find(|r| r.writer == unit.seq.writer()) {
        if needed > range.most {
            return Err(format!("unit {} is lost, and a later one in flight is there", range.most));
        }
        range.least = range.least.max(needed);
    }
    Ok(())
}

/// How many accepted units its writer appended before a unit.
fn units_before(oracle: &Oracle, unit: &WriteUnit) -> usize {
    let before = |ledger: &Ledger| ledger.units.partition_point(|u| u.seq < unit.seq);
    oracle.writers().get(&unit.seq.writer()).map_or(0, before)
}

/// Every choice among these places, the empty one first.
fn subsets(places: &[usize]) -> Vec<BTreeSet<usize>> {
    let mut all = vec![BTreeSet::new()];
    for &place in places.iter().take(OPEN_CHANGES_MAX) {
        let with: Vec<BTreeSet<usize>> =
            all.iter().map(|s| s.iter().copied().chain([place]).collect()).collect();
        all.extend(with);
    }
    all
}

/// Every choice of a length from each range, the shortest first.
fn combinations(ranges: &[PrefixRange]) -> Vec<BTreeMap<u32, usize>> {
    let mut all = vec![BTreeMap::new()];
    for range in ranges {
        let longer = |kept: &BTreeMap<u32, usize>| {
            let kept = kept.clone();
            let with = move |n| kept.iter().map(|(w, n)| (*w, *n)).chain([(range.writer, n)]).collect();
            (range.least..=range.most).map(with)
        };
        all = all.iter().flat_map(longer).take(CHOICES_MAX).collect();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidalite::{Labels, Seq};

    fn row(time_us: i64, metrics: &[&str]) -> UnitContent {
        let written = |m: &&str| WrittenPoint {
            automatic: false,
            key: SeriesKey::new("r", *m, Labels::none()),
            point: Point { step: 1, time_us, value: f64::NAN },
        };
        UnitContent::Points(metrics.iter().map(written).collect())
    }

    fn found(oracle: &Oracle, times: &[i64]) -> Vec<(SeriesKey, Point)> {
        let all = oracle.answer(&Question::all(Repeats::All));
        all.into_iter()
            .flat_map(|(k, ps)| ps.into_iter().map(move |p| (k.clone(), p)))
            .filter(|(_, p)| times.contains(&p.time_us))
            .collect()
    }

    #[test]
    fn every_broken_promise_is_reported() {
        let mut oracle = Oracle::new();
        for i in 0..3 {
            oracle.accept(Seq::new(1, i), row(i.cast_signed(), &["a", "b"]));
        }
        oracle.durable(Seq::new(1, 0));
        let runs = [tidalite_model::RunRecord::default().info("r", |_| false)];
        let check =
            |points: &[(SeriesKey, Point)]| survivors(&oracle, points, &runs).map(|left| left.points());
        assert_eq!(check(&found(&oracle, &[0, 1])), Ok(4));
        assert!(check(&[]).unwrap_err().contains("durable"));
        assert!(check(&found(&oracle, &[0, 2])).unwrap_err().contains("is lost and"));
        let mut torn = found(&oracle, &[0, 1]);
        torn.pop();
        assert!(check(&torn).unwrap_err().contains("has 1"));
        let mut twice = found(&oracle, &[0]);
        twice.extend(twice.clone());
        assert!(check(&twice).unwrap_err().contains("has 4"));
        let mut strange = found(&oracle, &[0]);
        strange.push((strange[0].0.clone(), Point { time_us: 99, ..strange[0].1 }));
        assert!(check(&strange).unwrap_err().contains("never written"));
        assert!(survivors(&oracle, &found(&oracle, &[0]), &[]).unwrap_err().contains("runs"));
    }
}
