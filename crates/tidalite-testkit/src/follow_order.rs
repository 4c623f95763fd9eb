//! The order in which a follower returns points: of one series and one writer, the order of writing.
//!
//! The time of a point identifies its unit, and the oracle knows the writer of each unit. Units in flight are left out:
//! their writer may be unknown.

use crate::check::CheckResult;
use crate::oracle::{Oracle, UnitContent};
use std::collections::{BTreeMap, HashMap};
use tidalite::{Point, Seq, SeriesKey};

/// Checks that the points of each series and writer were returned in the order of their units, and those of one batch
/// by step.
pub(crate) fn in_write_order(followed: &[(SeriesKey, Point)], oracle: &Oracle) -> CheckResult {
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
