//! Thinned series of another store: their outlines and summaries are carried over as they are.
//!
//! A summary is of all points of its series, and nobody can take some of them out of it. So a series comes whole or not at
//! all. One of which this store has some of the points already is refused.

use super::numbers::Numbers;
use super::source::{keep_new, moved};
use super::targets::Targets;
use crate::engine::cancel::go_on;
use crate::engine::state::StoreState;
use crate::parts::thinned::{Account, Thinned, ThinnedParts};
use std::ops::ControlFlow;
use std::sync::Arc;
use tidalite_model::{Error, Result, SeriesKey};
use tidalite_parts::{Part, PartMeta};

/// Writes the thinned series of these parts that this store does not have. The contents of the files are synced; their
/// names are not.
///
/// # Errors
/// `Invalid` for a series of which this store has some points and lacks others; `Corrupt` for damage; `Full`, `Io`.
pub(super) fn carry(
    state: &StoreState,
    numbers: &Numbers,
    targets: &Targets,
    parts: &[Arc<Part>],
    progress: &dyn Fn(u64) -> ControlFlow<()>,
) -> Result<Vec<PartMeta>> {
    let (mut out, mut expected) = (ThinnedParts::new(state), Account::default());
    for part in parts {
        for row in 0..part.series().entries().len() {
            let row = part.series().row(row)?;
            go_on(progress(u64::from(row.rows)))?;
            let mut series = Thinned::read(part, &row)?;
            let new = keep_new(numbers, &series.points);
            if new.is_empty() {
                continue;
            }
            if new.len() < series.points.len() {
                return Err(mixed(&series.key));
            }
            series.points = new;
            series.key = moved(series.key, targets);
            expected.add(series.account());
            out.push(series)?;
        }
    }
    let made = out.finish()?;
    if Account::of(&made) != expected {
        let what = "the thinned series that were written have other counts than those that were read";
        return Err(Error::new(
            tidalite_model::ErrorKind::Corrupt,
            "merge stores",
            what,
            "nothing was changed; run `tidalite verify` on the other store",
        ));
    }
    Ok(made)
}

fn mixed(key: &SeriesKey) -> Error {
    let what = format!(
        "run {:?} was thinned in the other store after it had continued there, and this store has its earlier points unthinned: \
         metric {:?} would be counted twice",
        &*key.run, &*key.metric
    );
    Error::invalid("merge stores", what, "merge in the other direction: this store into the other")
}
