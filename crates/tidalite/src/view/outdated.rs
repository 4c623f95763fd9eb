//! For which runs a hidden part is outdated: those with changes that it does not know of, which may have made its points
//! visible.

use crate::engine::state::StoreState;
use crate::files::current_runs::CurrentRuns;
use crate::files::manifest::Version;
use std::sync::Arc;
use tidalite_model::{Moment, Result, RunRecord};
use tidalite_parts::{Part, PartMeta};

/// Whether a run has rewinds or deletions that were not applied yet at a moment. Then hidden points of that moment may be
/// visible.
pub(crate) fn is_outdated(record: &RunRecord, as_of: &Moment) -> bool {
    record.rewinds.keys().any(|seq| !as_of.covers(*seq))
        || record.deleted.as_ref().is_some_and(|deleted| !as_of.includes(deleted))
}

/// The runs that a hidden part may hold by its range of names, and for which it is outdated.
pub(crate) fn outdated_runs<'a>(
    runs: &'a CurrentRuns,
    meta: &PartMeta,
) -> impl Iterator<Item = (&'a str, &'a RunRecord)> {
    let as_of = meta.hidden_as_of().unwrap_or_default();
    let (first, last) = (meta.run_min.clone(), meta.run_max.clone());
    let within = runs.retracted().into_iter().filter(move |(run, _)| *run >= &*first && *run <= &*last);
    within.filter(move |(_, r)| is_outdated(r, &as_of))
}

/// The hidden parts that have to be opened to know whether a deleted run without other facts still has points.
pub(super) fn opened_for_deleted(
    state: &StoreState,
    version: &Version,
    runs: &CurrentRuns,
) -> Result<Vec<Arc<Part>>> {
    let hidden = version.manifest.parts.iter().filter(|m| m.is_hidden());
    let needed = hidden.filter(|m| outdated_runs(runs, m).any(|(_, r)| r.is_only_deleted()));
    let places: Vec<_> = needed.map(|m| (state.paths.place(m), m.clone())).collect();
    Ok(state.cache.open_parts(version, &places)?.0)
}
