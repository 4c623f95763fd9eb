//! What a version's run table hides: deleted points, which a merge leaves out, and rewound points, which it moves to
//! hidden parts.

use crate::engine::state::StoreState;
use crate::files::current_runs::CurrentRuns;
use crate::files::manifest::Manifest;
use crate::view::outdated::is_outdated;
use crate::view::tombstones::Tombstones;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidalite_model::{Moment, Result, RunRecord};
use tidalite_parts::Part;

/// Tombstones of deletions, by run.
pub(crate) type Deleted = BTreeMap<String, Tombstones>;

/// What a version hides.
#[derive(Debug)]
pub(crate) struct VersionHiding {
    pub(crate) deleted: Deleted,
    /// Tombstones of deletions and rewinds, by run.
    pub(crate) all: BTreeMap<String, Arc<Tombstones>>,
    /// The moment up to which changes to runs are applied.
    pub(crate) as_of: Moment,
    pub(crate) runs: CurrentRuns,
}

impl VersionHiding {
    /// What a version hides.
    ///
    /// # Errors
    /// Those of reading the run table and of listing the logs.
    pub(crate) fn of(state: &StoreState, manifest: &Manifest) -> Result<VersionHiding> {
        let runs = CurrentRuns::new(state.cache.run_table_of_job(manifest)?);
        // A writer below `writer_next` without a folder writes nothing more.
        let present = tidalite_log::writers(&*state.vfs, &state.paths.log())?;
        let ends = present.iter().map(|dir| (dir.writer, manifest.flushed(dir.writer)));
        let as_of = Moment::new(manifest.writer_next, ends);
        Ok(VersionHiding::of_runs(runs, as_of))
    }

    /// What these runs hide. They have all changes before `as_of`.
    pub(crate) fn of_runs(runs: CurrentRuns, as_of: Moment) -> VersionHiding {
        let retracted = runs.retracted();
        let deletion =
            |(id, r): (&&str, &&RunRecord)| Some((id.to_string(), Tombstones::deleted(r.deleted.as_ref()?)));
        let deleted = retracted.iter().filter_map(deletion).collect();
        let all = retracted
            .iter()
            .filter_map(|(id, r)| Some((id.to_string(), Tombstones::of(r, false)?)))
            .collect();
        VersionHiding { deleted, all, as_of, runs }
    }

    /// Whether changes to runs of a hidden part are newer than the part.
    pub(crate) fn is_outdated(&self, part: &Part) -> bool {
        let Some(as_of) = part.meta().hidden_as_of().filter(|as_of| *as_of != self.as_of) else {
            return false;
        };
        let of_run = |run: &Arc<str>| self.runs.get(run).is_some_and(|r| is_outdated(r, &as_of));
        part.series().runs().iter().any(of_run)
    }
}
