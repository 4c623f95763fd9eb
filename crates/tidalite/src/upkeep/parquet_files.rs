//! The files whose rows together are exactly the visible points, for other programs.
//!
//! A version has such files once everything is flushed and no part but the hidden ones holds hidden points. A compaction makes
//! one. Whether a version is one is found by looking at the points that may be hidden, as a compaction does.

use super::collect;
use super::compact::compact_all;
use super::flush::flush_by_hand;
use super::hiding::VersionHiding;
use super::merge::{MergeJob, Removed};
use super::policy::Policy;
use crate::engine::room::JobRoom;
use crate::engine::store::Store;
use crate::engine::store_lock;
use crate::view::outdated::outdated_runs;
use crate::view::snapshot::Snapshot;
use crate::view::tombstones::{Automatic, Coverage};
use std::collections::{HashMap, HashSet};
use std::ops::{ControlFlow, Deref};
use std::path::PathBuf;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Extent, Result, SeriesKey};
use tidalite_parts::Part;

/// Paths of Parquet files whose rows together are exactly a store's visible points. While this lives, the files stay.
#[derive(Debug, Clone)]
pub struct ParquetFiles {
    files: Vec<PathBuf>,
    snapshot: Snapshot,
}

impl ParquetFiles {
    /// The snapshot whose files these are. Rows that were logged after its flush are in it and not in the files.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl Deref for ParquetFiles {
    type Target = [PathBuf];

    fn deref(&self) -> &[PathBuf] {
        &self.files
    }
}

impl Store {
    /// The Parquet files whose rows together are exactly the visible points: what a selection of all runs with
    /// [`History::Own`](crate::History::Own) gives. Every point that was accepted before the call is considered. Flushes and
    /// compacts if the files are not there yet. They stay on disk while the result lives.
    ///
    /// Points of runs that were thinned are the remaining ones.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// for step in 0..10 { run.log(step, &[("loss", 1.0)])?; }
    /// run.rewind(4)?;
    /// run.log(5, &[("loss", 0.5)])?;
    /// let files = store.parquet_files()?;
    /// assert!(files.len() == 1 && files[0].is_file());
    /// // Steps 0 to 4, and the new step 5: what a query sees.
    /// assert_eq!(store.select().points()?.collect()?.num_rows(), 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`compact`](Self::compact). `Invalid` for a store that was opened for reading only and is not compacted, and for a
    /// series that was thinned, and then rewound or written to again at its steps: its files hold points that are
    /// hidden.
    pub fn parquet_files(&self) -> Result<ParquetFiles> {
        let snapshot = self.snapshot()?;
        let missing = match snapshot.files_or_missing()? {
            Ok(files) => return Ok(ParquetFiles { files, snapshot }),
            Err(missing) => missing,
        };
        if self.state()?.check_writable().is_err() || !missing.helped_by_compaction {
            return Err(missing.error(&snapshot));
        }
        // It would keep the files that are about to be replaced.
        drop(snapshot);
        self.upkeep(|state| {
            state.seal()?;
            let go = || state.unless_closed(ControlFlow::Continue(()));
            let _lock = store_lock::lock_waiting(state, "list exact files", &go)?;
            flush_by_hand(state, &|_| go())?;
            compact_all(state, Policy::All, &JobRoom::by_hand(state)?, &|_, _| go())?;
            collect::collect(state, collect::Grace::None)?;
            // What is logged from now on is in no part. Nobody else publishes a version meanwhile.
            let snapshot = Snapshot::take(state)?;
            let hiding = VersionHiding::of(state, &snapshot.view.version.manifest)?;
            match snapshot.exact(&hiding)? {
                Ok(files) => Ok(ParquetFiles { files, snapshot }),
                Err(missing) => Err(missing.error(&snapshot)),
            }
        })
    }
}

/// Why the rows of a version's files are not the visible points.
struct Missing {
    what: String,
    helped_by_compaction: bool,
}

impl Missing {
    fn error(&self, snapshot: &Snapshot) -> Error {
        let remedy = match self.helped_by_compaction {
            true => {
                "compact the store (`tidalite compact`), or call `parquet_files` of a store opened for writing"
            }
            false => "export the points instead (`tidalite export`)",
        };
        Error::new(ErrorKind::Invalid, "list Parquet files", self.what.as_str(), remedy)
            .at(snapshot.state.paths.root())
    }
}

type Files = std::result::Result<Vec<PathBuf>, Missing>;

impl Snapshot {
    /// The Parquet files whose rows together are exactly the points that this snapshot sees, while it lives; see
    /// [`Store::parquet_files`]. Flushes and compacts nothing.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// run.log(0, &[("loss", 1.0)])?;
    /// assert!(store.snapshot()?.parquet_files().is_err());
    /// store.compact()?;
    /// assert_eq!(store.snapshot()?.parquet_files()?.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` where there are no such files, because points are not flushed, or hidden points are in the same files as
    /// visible ones; `Corrupt` for a part that is damaged.
    pub fn parquet_files(&self) -> Result<Vec<PathBuf>> {
        self.files_or_missing()?.map_err(|missing| missing.error(self))
    }

    fn files_or_missing(&self) -> Result<Files> {
        let count = self.view.log_points()?;
        if count > 0 {
            let what = format!("{count} points are not flushed yet");
            return Ok(Err(Missing { what, helped_by_compaction: true }));
        }
        // Any moment will do, since no hidden part is made.
        self.exact(&VersionHiding::of_runs((*self.view.runs).clone(), Default::default()))
    }

    /// The files of the version's parts, if their rows are what is visible beside what `hiding` hides.
    fn exact(&self, hiding: &VersionHiding) -> Result<Files> {
        let view = &self.view;
        self.check_whole("list Parquet files")?;
        let outdated = self.with_hidden(|m| outdated_runs(&hiding.runs, m).next().is_some())?;
        let mut hidden = outdated.view.parts.iter().filter(|part| part.meta().is_hidden());
        if hidden.any(|part| hiding.is_outdated(part)) {
            let what = "a run was rewound or deleted after the last compaction".into();
            return Ok(Err(Missing { what, helped_by_compaction: true }));
        }
        let metas = || view.version.manifest.parts.iter();
        let live: HashSet<_> = metas().map(|m| m.id).collect();
        let parts: Vec<Arc<Part>> =
            view.parts.iter().filter(|p| live.contains(&p.meta().id)).cloned().collect();
        let (thinned, whole): (Vec<Arc<Part>>, Vec<Arc<Part>>) =
            parts.into_iter().filter(|p| !p.meta().is_hidden()).partition(|p| p.meta().is_thinned());
        if let Some(key) = cut_outline(&thinned, &whole, hiding)? {
            let what = format!(
                "series {:?} of run {:?} was thinned, and then rewound, deleted or written to again at its steps",
                key.metric, key.run
            );
            return Ok(Err(Missing { what, helped_by_compaction: false }));
        }
        let removed = Removed::default();
        for (i, part) in whole.iter().enumerate() {
            let mut context = whole.clone();
            context.remove(i);
            let job = MergeJob {
                state: &self.state,
                parts: std::slice::from_ref(part),
                sorting: Some(&context),
                hiding,
                removed: &removed,
                room: &JobRoom::by_hand(&self.state)?,
                progress: &|_, _| self.state.unless_closed(ControlFlow::Continue(())),
            };
            if job.finds_hidden()? {
                let what = "some files hold points that are rewound, deleted or replaced by later writes";
                return Ok(Err(Missing { what: what.into(), helped_by_compaction: true }));
            }
        }
        Ok(Ok(metas().filter(|m| !m.is_hidden()).map(|m| self.state.paths.place(m).points).collect()))
    }
}

/// A series whose outline holds points that are hidden, or that other points replace, if there is one.
fn cut_outline(
    thinned: &[Arc<Part>],
    whole: &[Arc<Part>],
    hiding: &VersionHiding,
) -> Result<Option<SeriesKey>> {
    let mut outlines: HashMap<SeriesKey, Extent> = HashMap::new();
    for part in thinned {
        let table = part.series();
        let mut details = table.reader();
        for (r, row) in table.entries().enumerate() {
            let key = table.key(&row);
            let of_run = hiding.all.get(&*key.run);
            if let Some(tombstones) = of_run.and_then(|t| t.of_series(&key.metric, &key.labels)) {
                let seqs = details.of(r)?.seqs();
                if tombstones.coverage(row.steps(), seqs, Automatic::of(&row)) != Coverage::Nothing {
                    return Ok(Some(key));
                }
            }
            if Automatic::of(&row) != Automatic::All {
                outlines.insert(key, row.steps());
            }
        }
    }
    for part in whole.iter().filter(|_| !outlines.is_empty()) {
        let table = part.series();
        for row in table.entries().filter(|row| Automatic::of(row) != Automatic::All) {
            let key = table.key(&row);
            if outlines.get(&key).is_some_and(|steps| steps.meets(row.steps())) {
                return Ok(Some(key));
            }
        }
    }
    Ok(None)
}
