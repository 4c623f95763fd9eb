//! Reports of what is wrong with a store: found on opening ([`Store::recovery`]) or by reading it ([`Store::verify`]).

use crate::engine::cancel::go_on;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::files::finding::Finding;
use crate::files::manifest::{self, Manifest, versions};
use crate::files::paths::{staged_part, version_name};
use crate::files::run_table;
use crate::files::staged::parse_meta;
use crate::files::two_copies;
use crate::files::writer_table;
use crate::view::snapshot::Snapshot;
use std::collections::HashMap;
use std::ops::ControlFlow;
use tidalite_log::{LayoutId, LogSink, Row, SeriesId};
use tidalite_model::{Error, ErrorKind, Result, SeriesKey, WriteOrder};

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

    /// Reads and checks the files of the newest version: marker, manifests, run tables, parts with their side tables, and
    /// the frames of logs that are not flushed yet.
    ///
    /// Not read: segments whose frames are all flushed, the bytes after a log's end, parts that only older versions list,
    /// the pages of a part whose footer is damaged, and files that no version names.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10 { run.log(step, &[("loss", 1.0)])?; }
    /// store.flush()?;
    /// let report = store.verify()?;
    /// assert!(report.is_sound());
    /// assert_eq!((report.parts, report.points), (1, 10));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of the disk; damage is a finding, not an error.
    pub fn verify(&self) -> Result<Report> {
        self.verify_with(&|_, _| ControlFlow::Continue(()))
    }

    /// As [`verify`](Self::verify); calls `progress` with the bytes of parts read so far and those in total.
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::ops::ControlFlow;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10 { run.log(step, &[("loss", 1.0)])?; }
    /// # store.flush()?;
    /// let read = Cell::new((0, 0));
    /// store.verify_with(&|done, total| {
    ///     read.set((done, total));
    ///     ControlFlow::Continue(())
    /// })?;
    /// let (done, total) = read.get();
    /// assert!(done > 0 && done == total);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_with(&self, progress: &dyn Fn(u64, u64) -> ControlFlow<()>) -> Result<Report> {
        let state = self.inner()?;
        let vfs = &*state.vfs;
        let mut report = Report::default();
        report.findings.extend(marker_finding(state)?);
        let version = manifest::latest(vfs, &state.paths)?;
        report.findings.extend(version.damage.iter().map(Finding::from));
        let mut older = Vec::new();
        for number in versions(vfs, &state.paths)?.into_iter().filter(|v| *v < version.manifest.version) {
            match manifest::pin(vfs, &state.paths, number) {
                Ok(Some(old)) => {
                    older.extend(old.damage.iter().map(Finding::from));
                    older.extend(table_findings(state, &old.manifest));
                }
                Ok(None) => {}
                Err(e) => {
                    older.push(Finding::from(&e.at(&state.paths.manifest().join(version_name(number)))))
                }
            }
        }
        older.extend(table_findings(state, &version.manifest));
        // Report each file once.
        for finding in older {
            if !report.findings.iter().any(|f| f.path == finding.path) {
                report.findings.push(finding);
            }
        }
        self.verify_parts(&version.manifest, &mut report, progress)?;
        self.verify_logs(&version.manifest, &mut report)?;
        add_lost(state, &version.manifest, &mut report.findings);
        state.if_there(Ok(report))
    }

    fn verify_parts(
        &self,
        manifest: &Manifest,
        report: &mut Report,
        progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Result<()> {
        let state = self.inner()?;
        let total: u64 = manifest.parts.iter().map(tidalite_parts::PartMeta::files_bytes).sum();
        for meta in &manifest.parts {
            report.parts += 1;
            report.points += meta.rows;
            match tidalite_parts::Part::open(state.vfs.clone(), &state.paths.place(meta), meta) {
                Ok(part) => part.verify(&mut |f| report.findings.push(f.into()))?,
                Err(e) if is_damage(&e) => report.findings.push(Finding::from(&e)),
                Err(e) => return Err(e),
            }
            report.bytes += meta.files_bytes();
            go_on(state.unless_closed(progress(report.bytes, total)))?;
        }
        Ok(())
    }

    fn verify_logs(&self, manifest: &Manifest, report: &mut Report) -> Result<()> {
        let state = self.inner()?;
        let vfs = &*state.vfs;
        for dir in tidalite_log::writers(vfs, &state.paths.log())? {
            let alive = tidalite_log::life(vfs, &dir)?.may_append();
            let mut tail = TailCount::default();
            match tidalite_log::replay(vfs, &dir, manifest.flushed(dir.writer), alive, &mut tail) {
                Ok(replayed) => {
                    report.findings.extend(replayed.findings.into_iter().map(Finding::from));
                    report.bytes += replayed.bytes;
                }
                // The log was flushed and collected after it was listed.
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) if is_damage(&e) => report.findings.push(Finding::from(&e)),
                Err(e) => return Err(e),
            }
            report.logs += 1;
            report.points += tail.points;
            report.log_points += tail.points;
            for (order, id, about) in &tail.staged {
                let part = parse_meta(&dir.path, *order, about).and_then(|meta| {
                    report.points += meta.rows;
                    report.log_points += meta.rows;
                    report.bytes += meta.files_bytes();
                    tidalite_parts::Part::open(state.vfs.clone(), &staged_part(&dir.path, *id), &meta)
                });
                match part {
                    Ok(part) => part.verify(&mut |f| report.findings.push(f.into()))?,
                    Err(e) if is_damage(&e) => report.findings.push(Finding::from(&e)),
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(())
    }
}

/// Damage in the marker, where one valid copy remains.
fn marker_finding(state: &StoreState) -> Result<Option<Finding>> {
    let path = state.paths.marker();
    let marker = two_copies::open(&*state.vfs, &path, "store")?;
    Ok(marker.damage.map(|what| Finding::from(&Error::corrupt("read store marker", &path, 0, what))))
}

/// Adds the places that a manifest lists as lost and nothing else was found at.
fn add_lost(state: &StoreState, manifest: &Manifest, findings: &mut Vec<Finding>) {
    for lost in manifest.lost.iter().map(|lost| lost.finding(state.paths.root())) {
        if !findings.iter().any(|f| f.path == lost.path && f.offset == lost.offset) {
            findings.push(lost);
        }
    }
}

/// Damage in the run table and the writer table of a version.
fn table_findings(state: &StoreState, manifest: &Manifest) -> Vec<Finding> {
    let (vfs, paths) = (&*state.vfs, &state.paths);
    let runs = run_table::load(vfs, paths, manifest).map(|(_, damage)| damage);
    let writers = writer_table::load(vfs, paths, manifest).map(|loaded| loaded.damage);
    let damage = |read: Result<Vec<Error>>| read.unwrap_or_else(|e| vec![e]);
    [runs, writers].into_iter().flat_map(damage).map(|e| Finding::from(&e)).collect()
}

/// Counts the points of a log. It keeps only the staged parts, since a log may be larger than memory.
#[derive(Default)]
struct TailCount {
    widths: HashMap<LayoutId, u64>,
    points: u64,
    staged: Vec<(WriteOrder, uuid::Uuid, Vec<u8>)>,
}

impl LogSink for TailCount {
    fn series(&mut self, _: SeriesId, _: &SeriesKey) -> Result<()> {
        Ok(())
    }
    fn layout(&mut self, id: LayoutId, series: &[SeriesId]) -> Result<()> {
        self.widths.insert(id, series.len() as u64);
        Ok(())
    }
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        self.points += self.widths[&row.layout];
        Ok(())
    }
    fn points(&mut self, p: tidalite_log::BatchRef<'_>) -> Result<()> {
        self.points += p.len() as u64;
        Ok(())
    }
    fn part(&mut self, order: WriteOrder, part: uuid::Uuid, meta: &[u8]) -> Result<()> {
        self.staged.push((order, part, meta.to_vec()));
        Ok(())
    }
}

fn is_damage(e: &Error) -> bool {
    matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::NotFound)
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
        report.findings.extend(marker_finding(&self.inner).unwrap_or_else(|e| Some(Finding::from(&e))));
        report.findings.extend(view.damage.iter().map(Finding::from));
        report.findings.extend(view.findings().into_iter().map(Finding::from));
        add_lost(&self.inner, &view.version.manifest, &mut report.findings);
        report
    }
}
