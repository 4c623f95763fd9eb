//! Salvage: a new store with all that is sound of a damaged one, and a list of what is missing.
//!
//! The damaged store is opened for reading only, also without its marker, without run tables and without writer tables, as long
//! as one version of its manifest can be read. Parts are copied, or written anew from the pages that are sound. Rows of logs
//! are those of a snapshot.
//!
//! Invariant: nothing is written, created or removed below the damaged store's folder.

use super::copy_store::StoreCopy;
use super::copy_target::CopyTarget;
use crate::engine::on_damage::{DamageReport, OnDamage};
use crate::engine::options::Options;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::files::finding::{Finding, FindingKind};
use crate::files::manifest::versions;
use crate::files::paths::parse_id;
use crate::view::losses::part_finding;
use crate::view::snapshot::Snapshot;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use tidalite_model::{Extent, Result};
use tidalite_parts::{PartMeta, series_table_alone};

/// What a salvage brought to the new store, and what it could not.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Salvaged {
    /// Runs in the new store.
    pub runs: u64,
    /// Points in the new store, repeats included.
    pub points: u64,
    /// What is missing, by file, run and series, as far as it can be determined. Empty if everything was sound.
    pub missing: Vec<Finding>,
}

/// The most findings about one part.
const RUNS_LISTED_MAX: usize = 1000;
/// The most series that a finding names.
const SERIES_NAMED_MAX: usize = 16;

impl Store {
    /// Copies all that is sound of the store in the folder `damaged` to a new store in the folder `to`, which must be absent or
    /// empty, and says what is missing. The damaged store is only read. The answers of the new store say nothing about what is
    /// missing: the list is for you to keep.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let damaged = dir.path().join("damaged");
    /// # let store = tidalite::Store::open(&damaged)?;
    /// # store.run("a").start()?.log(0, &[("loss", 1.0)])?;
    /// # store.close()?;
    /// let salvaged = tidalite::Store::salvage(&damaged, dir.path().join("new"))?;
    /// for missing in &salvaged.missing {
    ///     eprintln!("missing: {missing}");
    /// }
    /// assert_eq!((salvaged.runs, salvaged.points, salvaged.missing.len()), (1, 1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `NotFound` if there is no such folder; `Corrupt` if no version of the manifest can be read; `Invalid` where `to` holds
    /// something or is in the damaged store; `Full`, `Io`.
    pub fn salvage(damaged: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<Salvaged> {
        Options::new().salvage(damaged, to, &|_, _| ControlFlow::Continue(()))
    }
}

impl Options {
    /// As [`Store::salvage`], within the memory and with the threads of these options. Calls `progress` with the bytes
    /// done so far and the bytes in total. If that returns `Break`, the salvage ends, and what was copied is removed, as
    /// after any error.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// # let dir = tempfile::tempdir()?;
    /// # let damaged = dir.path().join("damaged");
    /// # tidalite::Store::open(&damaged)?.close()?;
    /// let options = tidalite::Options::new().memory_bytes(64 << 20);
    /// let salvaged = options.salvage(&damaged, dir.path().join("new"), &|_, _| ControlFlow::Continue(()))?;
    /// assert!(salvaged.missing.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Store::salvage`].
    pub fn salvage(
        self,
        damaged: impl AsRef<Path>,
        to: impl AsRef<Path>,
        progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Result<Salvaged> {
        let mut options = self.read_only(true).background(false);
        options.salvages = true;
        let state = StoreState::open(damaged.as_ref(), options)?;
        let target = CopyTarget::prepare(&state, to.as_ref(), "salvage store")?;
        let report = DamageReport::new(OnDamage::Report);
        let made = Snapshot::take(&state).and_then(|snapshot| {
            let snapshot = snapshot.on_damage(OnDamage::Report).with_all_hidden()?;
            let copy = StoreCopy {
                state: &state,
                snapshot: &snapshot,
                target: &target.paths,
                report: &report,
                lists_losses: false,
            };
            let copied = copy.make(progress)?;
            let missing = missing(&state, &snapshot, report.found())?;
            Ok(Salvaged { runs: copied.runs, points: copied.points, missing })
        });
        match &made {
            Ok(_) => target.finish(),
            Err(_) => target.give_up(),
        }
        made
    }
}

/// What was left out. Of a part that cannot be opened, its series table may tell more.
fn missing(state: &StoreState, snapshot: &Snapshot, left_out: Vec<Finding>) -> Result<Vec<Finding>> {
    let mut all = Vec::new();
    let parts: Vec<(Finding, &PartMeta)> =
        snapshot.view.broken.iter().map(|(meta, e)| (part_finding(meta, e), meta)).collect();
    for finding in left_out {
        match parts.iter().find(|(of_part, _)| *of_part == finding) {
            Some((_, meta)) => all.extend(by_run(state, meta, &finding)),
            None => all.push(finding),
        }
    }
    all.extend(unlisted(state, snapshot)?);
    Ok(all)
}

/// What a part held, run by run.
fn by_run(state: &StoreState, meta: &PartMeta, finding: &Finding) -> Vec<Finding> {
    let Ok(table) = series_table_alone(&*state.vfs, &state.paths.place(meta), meta) else {
        return vec![finding.clone()];
    };
    let mut runs: BTreeMap<String, Finding> = BTreeMap::new();
    for row in table.entries() {
        let key = table.key(&row);
        let nothing = || Finding {
            run: Some(key.run.to_string()),
            series: Vec::new(),
            steps: None,
            rows: Some(0),
            ..finding.clone()
        };
        let of_run = runs.entry(key.run.to_string()).or_insert_with(nothing);
        let steps = row.steps();
        let steps = of_run.steps.map_or(steps, |(first, last)| steps.join(Extent::new(first, last)));
        of_run.steps = Some((steps.first, steps.last));
        of_run.rows = of_run.rows.map(|rows| rows + u64::from(row.rows));
        if of_run.series.len() < SERIES_NAMED_MAX && !of_run.series.contains(&key) {
            of_run.series.push(key);
        }
    }
    match runs.is_empty() || runs.len() > RUNS_LISTED_MAX {
        true => vec![finding.clone()],
        false => runs.into_values().collect(),
    }
}

/// Parts that a version which cannot be read may have listed. Nothing says which of their points count.
fn unlisted(state: &StoreState, snapshot: &Snapshot) -> Result<Vec<Finding>> {
    let (vfs, version) = (&*state.vfs, &snapshot.view.version);
    let newest = versions(vfs, &state.paths)?.last().copied();
    if newest == Some(version.manifest.version) {
        return Ok(Vec::new());
    }
    let listed: BTreeSet<_> = version.manifest.parts.iter().map(|meta| meta.id).collect();
    let mut found = Vec::new();
    for folder in [state.paths.parts(), state.paths.hidden()] {
        for name in vfs.read_dir(&folder)? {
            if name.ends_with(".parquet") && parse_id(&name).is_some_and(|id| !listed.contains(&id)) {
                let what = "no version that can be read lists this part, so its points are not copied";
                found.push(Finding::new(FindingKind::Missing, folder.join(name), what.into()));
            }
        }
    }
    Ok(found)
}
