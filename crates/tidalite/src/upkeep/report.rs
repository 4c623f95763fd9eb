//! Reports of what is wrong with a store: found on opening ([`Store::recovery`]) or by reading it ([`Store::verify`]).

use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::files::finding::Finding;
use crate::files::manifest::Manifest;
use crate::files::two_copies;
use crate::view::snapshot::Snapshot;
use std::path::PathBuf;
use tidalite_model::{Error, Result};

/// What was checked, and what was found.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The problems; empty if there are none.
    pub findings: Vec<Finding>,
    /// Parts that the newest version lists.
    pub parts: u64,
    /// Writers' logs.
    pub logs: u64,
    /// Points in parts and logs.
    pub points: u64,
    /// Points in logs, staged parts included. They are part of `points`.
    pub log_points: u64,
    /// Bytes of parts and logs checked by [`Store::verify`].
    pub bytes: u64,
    /// What [`Store::verify`] did not read, and why.
    pub unread: Vec<Unread>,
}

/// A file, or the end of one, that a verification did not read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unread {
    /// The file.
    pub path: PathBuf,
    /// How many of its bytes.
    pub bytes: u64,
    /// Why not.
    pub why: &'static str,
}

impl Report {
    /// Whether nothing durable is lost or changed. A torn tail is not damage.
    pub fn is_sound(&self) -> bool {
        !self.findings.iter().any(|f| f.kind.is_damage())
    }
}

impl Store {
    /// Reports what opening the store found: torn tails, and damage in the logs, the marker, the manifest and the run
    /// table. It does not read the pages of parts; [`verify`](Self::verify) does.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10 { run.log(step, &[("loss", 1.0)])?; }
    /// let report = store.recovery()?;
    /// assert!(report.is_sound() && report.findings.is_empty());
    /// assert_eq!((report.logs, report.points), (1, 10));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot).
    pub fn recovery(&self) -> Result<Report> {
        Ok(self.snapshot()?.recovery())
    }
}

/// Damage in the marker, where one valid copy remains.
pub(super) fn marker_finding(state: &StoreState) -> Result<Option<Finding>> {
    let path = state.paths.marker();
    let marker = two_copies::open(&*state.vfs, &path, "store", None)?;
    Ok(marker.damage.map(|what| Finding::from(&Error::corrupt("read store marker", &path, 0, what))))
}

/// Adds the places that a manifest lists as lost and nothing else was found at.
pub(super) fn add_lost(state: &StoreState, manifest: &Manifest, findings: &mut Vec<Finding>) {
    for lost in manifest.lost.iter().map(|lost| lost.finding(state.paths.root())) {
        if !findings.iter().any(|f| f.path == lost.path && f.offset == lost.offset) {
            findings.push(lost);
        }
    }
}

impl Snapshot {
    /// Reports what taking this snapshot found; see [`Store::recovery`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10 { run.log(step, &[("loss", 1.0)])?; }
    /// assert!(store.snapshot()?.recovery().is_sound());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recovery(&self) -> Report {
        let view = &self.view;
        let mut report = Report {
            parts: view.live_parts(),
            logs: view.tails.len() as u64,
            log_points: 0,
            ..Report::default()
        };
        match view.log_points() {
            Ok(points) => report.log_points = points,
            Err(error) => report.findings.push(Finding::from(&error)),
        }
        let flushed: u64 = view.version.manifest.parts.iter().map(|m| m.rows).sum();
        report.points = flushed + report.log_points;
        report.findings.extend(marker_finding(&self.state).unwrap_or_else(|e| Some(Finding::from(&e))));
        report.findings.extend(view.damage.iter().map(Finding::from));
        report.findings.extend(view.findings().into_iter().map(Finding::from));
        add_lost(&self.state, &view.version.manifest, &mut report.findings);
        report
    }
}
