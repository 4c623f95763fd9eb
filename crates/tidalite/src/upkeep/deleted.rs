//! The deletions in a version's run table.

use crate::engine::state::StoreState;
use crate::files::manifest::Manifest;
use crate::files::run_table;
use crate::view::tombstones::Tombstones;
use std::collections::BTreeMap;
use tidalite_model::Result;

/// Tombstones of deletions, by run.
pub(crate) type Deleted = BTreeMap<String, Tombstones>;

/// The deletions of a version.
///
/// # Errors
/// Those of reading the run table.
pub(crate) fn deleted(inner: &StoreState, manifest: &Manifest) -> Result<Deleted> {
    let (runs, _) = run_table::load(&*inner.vfs, &inner.paths, manifest.runs.as_ref())?;
    Ok(runs.into_iter().filter_map(|(id, r)| Some((id, Tombstones::deleted(r.deleted.as_ref()?)))).collect())
}
