//! A follower on the machine's first store, and what it must have returned: each visible point once, and of one series
//! and one writer in the order of writing.
//!
//! The time of a point identifies its unit, and the oracle knows the writer of each unit. Units in flight have no order
//! here: their writer may be unknown.

use crate::check;
use crate::difference::CheckResult;
use crate::oracle::Oracle;
use crate::question::Question;
use crate::units::UnitContent;
use std::collections::{BTreeMap, HashMap};
use tidalite::{Error, Follow, Point, Repeats, Seq, SeriesKey, Store};

/// A follower, and what it returned.
#[derive(Debug, Default)]
pub(crate) struct MachineFollower {
    follow: Option<Follow>,
    /// The cursor of a follower whose store was closed or killed.
    parked: Option<String>,
    followed: Vec<(SeriesKey, Point)>,
}

impl MachineFollower {
    /// Ends the follower. The next one goes on from the text of the cursor, as in another process.
    pub(crate) fn park(&mut self) {
        if let Some(follow) = self.follow.take() {
            self.parked = Some(follow.cursor().to_string());
        }
    }

    pub(crate) fn poll(&mut self, store: &Store) -> Result<(), Error> {
        let mut follow = match self.follow.take() {
            Some(follow) => follow,
            None => {
                let cursor = self.parked.take().unwrap_or_default().parse()?;
                store.select().follow_from(cursor)?
            }
        };
        let batches = follow.poll()?;
        self.followed.extend(batches.iter().flat_map(check::points_of));
        self.follow = Some(follow);
        Ok(())
    }

    /// Checks what was returned.
    pub(crate) fn check(&self, oracle: &Oracle) -> CheckResult {
        self.each_once(oracle)?;
        in_write_order(&self.followed, oracle)
    }

    /// Checks that each visible point was returned once, and no other points than those hidden or deleted since.
    fn each_once(&self, oracle: &Oracle) -> CheckResult {
        let sorted = |points: &mut dyn Iterator<Item = (SeriesKey, Point)>| {
            let mut bits: Vec<_> = points.map(|(k, p)| check::bits(&k, &p)).collect();
            bits.sort();
            bits
        };
        // Both are sorted.
        let within = |part: &[_], whole: &[_]| {
            let mut rest = whole.iter();
            part.iter().all(|p| rest.any(|w| w == p))
        };
        let ask = Question { hidden: false, ..Question::all(Repeats::All) };
        let seen = oracle.answer(&ask).into_iter();
        let seen = sorted(&mut seen.flat_map(|(k, ps)| ps.into_iter().map(move |p| (k.clone(), p))));
        let written = sorted(&mut oracle.all_written().into_iter());
        let found = sorted(&mut self.followed.iter().cloned());
        if within(&seen, &found) && within(&found, &written) {
            return Ok(());
        }
        let (least, most, found) = (seen.len(), written.len(), found.len());
        Err(format!("a follower should have seen {least} to {most} points once each, and saw {found}"))
    }
}

/// Checks that the points of each series and writer were returned in the order of their units, and those of one batch
/// by step.
fn in_write_order(followed: &[(SeriesKey, Point)], oracle: &Oracle) -> CheckResult {
    let mut seqs: HashMap<i64, Seq> = HashMap::new();
    for unit in oracle.writers().values().flat_map(|ledger| &ledger.units) {
        if let UnitContent::Points(points) = &unit.content {
            seqs.extend(points.iter().map(|p| (p.point.time_us, unit.seq)));
        }
    }
    let mut last: BTreeMap<(&SeriesKey, u32), (Seq, i64)> = BTreeMap::new();
    for (key, point) in followed {
        let Some(&seq) = seqs.get(&point.time_us) else { continue };
        let this = (seq, point.step);
        match last.insert((key, seq.writer()), this) {
            Some(before) if before > this => {
                return Err(format!("a follower returned {this:?} of {key:?} after {before:?}"));
            }
            _ => {}
        }
    }
    Ok(())
}
