//! Verification: reads the files of a store, compares each byte with what was written, and says what it did not read.
//!
//! A full one reads every file that a version which can be read names, the segments of all logs, and the tables of all
//! versions. A quick one reads what opening needs: marker, manifests, tables, footers, series tables, and the frames of
//! logs that are not flushed.

use super::report::{Report, Unread, add_lost, marker_finding};
use crate::engine::cancel::go_on;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::files::finding::Finding;
use crate::files::manifest::{self, Manifest, versions};
use crate::files::paths::{staged_part, version_name};
use crate::files::run_table;
use crate::files::staged::{is_staged, parse_meta};
use crate::files::writer_table;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tidalite_log::{LayoutId, LogFinding, LogSink, Row, SeriesId, WriterDir};
use tidalite_model::{Error, ErrorKind, Result, Seq, SeriesKey, WriteOrder};
use tidalite_parts::{Part, PartMeta, PartPaths};

/// How much a verification reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum VerifyDepth {
    /// Every byte of every file, as far as something says what it should be. [`Report::unread`] lists the rest.
    #[default]
    Full,
    /// The structure: everything but the pages of parts and of rollups, and flushed segments of logs.
    Quick,
}

impl Store {
    /// Reads every file of the store and checks each byte: marker, manifests and tables of all versions, the parts that any
    /// version lists with their side tables, and the logs. [`Report::unread`] says what it did not read, such as what follows
    /// the end of a log, and files that nothing names.
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
        self.verify_with(VerifyDepth::Full, &|_, _| ControlFlow::Continue(()))
    }

    /// As [`verify`](Self::verify), or only the structure; calls `progress` with the bytes read so far and those in total.
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::ops::ControlFlow;
    /// use tidalite::VerifyDepth;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10 { run.log(step, &[("loss", 1.0)])?; }
    /// # store.flush()?;
    /// let read = Cell::new((0, 0));
    /// let report = store.verify_with(VerifyDepth::Quick, &|done, total| {
    ///     read.set((done, total));
    ///     ControlFlow::Continue(())
    /// })?;
    /// let (done, total) = read.get();
    /// assert!(report.is_sound() && done > 0 && done == total);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_with(
        &self,
        depth: VerifyDepth,
        progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Result<Report> {
        let state = self.state()?;
        let mut verification = Verification {
            state,
            depth,
            progress,
            report: Report::default(),
            read: BTreeMap::new(),
            done: 0,
            total: 0,
        };
        verification.run()?;
        state.if_there(Ok(verification.report))
    }
}

/// A verification in progress.
struct Verification<'a> {
    state: &'a StoreState,
    depth: VerifyDepth,
    progress: &'a dyn Fn(u64, u64) -> ControlFlow<()>,
    report: Report,
    /// Of each file, the bytes that were read; all of them if it is not a segment.
    read: BTreeMap<PathBuf, u64>,
    done: u64,
    total: u64,
}

impl Verification<'_> {
    fn run(&mut self) -> Result<()> {
        let (state, paths) = (self.state, &self.state.paths);
        let vfs = &*state.vfs;
        self.report.findings.extend(marker_finding(state)?);
        self.note(&paths.marker());
        let version = manifest::latest(vfs, paths)?;
        self.report.findings.extend(version.damage.iter().map(Finding::from));
        let mut manifests = vec![version.manifest.clone()];
        for number in versions(vfs, paths)? {
            self.note(&paths.manifest().join(version_name(number)));
            if number >= version.manifest.version {
                continue;
            }
            match manifest::pin(vfs, paths, number) {
                Ok(Some(old)) => {
                    self.add_once(old.damage.iter().map(Finding::from).collect());
                    manifests.push(old.manifest);
                }
                Ok(None) => {}
                Err(e) => {
                    let error = e.at(&paths.manifest().join(version_name(number)));
                    self.add_once(vec![Finding::from(&error)]);
                }
            }
        }
        for manifest in &manifests {
            self.add_once(table_findings(state, manifest));
            let tables = manifest.run_tables().map(|table| paths.run_table(table.id));
            let tables = tables.chain(manifest.writer_tables().map(|table| paths.writer_table(table.id)));
            { tables }.for_each(|path| self.note(&path));
        }
        let listed: BTreeSet<_> = version.manifest.parts.iter().map(|meta| meta.id).collect();
        let mut parts: BTreeMap<_, (PartPaths, PartMeta)> = BTreeMap::new();
        for meta in manifests.iter().flat_map(|manifest| &manifest.parts) {
            parts.entry(meta.id).or_insert_with(|| (paths.place(meta), meta.clone()));
        }
        self.total = parts.values().map(|(_, meta)| self.bytes_of(meta)).sum();
        for (id, (place, meta)) in &parts {
            if listed.contains(id) {
                self.report.parts += 1;
                self.report.points += meta.rows;
            }
            self.part(place, meta)?;
        }
        self.logs(&version.manifest)?;
        add_lost(state, &version.manifest, &mut self.report.findings);
        self.unread()
    }

    /// Adds findings about files of which nothing was found yet: several versions name one table.
    fn add_once(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            if !self.report.findings.iter().any(|known| known.path == finding.path) {
                self.report.findings.push(finding);
            }
        }
    }

    fn note(&mut self, path: &Path) {
        self.read.insert(path.to_path_buf(), u64::MAX);
    }

    /// The bytes that are read of a part.
    fn bytes_of(&self, meta: &PartMeta) -> u64 {
        match self.depth {
            VerifyDepth::Full => meta.files_bytes(),
            VerifyDepth::Quick => {
                meta.footer_bytes + meta.series_bytes + meta.rollups.map_or(0, |rollups| rollups.footer_bytes)
            }
        }
    }

    fn part(&mut self, place: &PartPaths, meta: &PartMeta) -> Result<()> {
        let found = &mut self.report.findings;
        match Part::open(self.state.vfs.clone(), place, meta) {
            Ok(part) if self.depth == VerifyDepth::Full => part.verify(&mut |f| found.push(f.into()))?,
            Ok(part) => {
                found.extend(part.series_damage().map(Finding::from));
                found.extend(part.rollups_damage().map(|e| Finding::from(&e)));
            }
            Err(e) if is_damage(&e) => {
                found.push(Finding::from(&e));
                self.report.unread.push(Unread {
                    path: place.points.clone(),
                    bytes: meta.bytes - meta.footer_bytes.min(meta.bytes),
                    why: "its footer is damaged, which says where its pages are",
                });
            }
            Err(e) => return Err(e),
        }
        place.files().into_iter().for_each(|file| self.note(file));
        self.count(self.bytes_of(meta))
    }

    /// Counts bytes that were read.
    fn count(&mut self, bytes: u64) -> Result<()> {
        self.done += bytes;
        self.report.bytes += bytes;
        self.total = self.total.max(self.done);
        go_on(self.state.unless_closed((self.progress)(self.done, self.total)))
    }

    fn logs(&mut self, manifest: &Manifest) -> Result<()> {
        let vfs = &*self.state.vfs;
        for dir in tidalite_log::writers(vfs, &self.state.paths.log())? {
            match self.log(manifest, &dir) {
                // The log was flushed and collected after it was listed.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Reads a log: what is not flushed, and in full also the segments that were flushed and are still there.
    fn log(&mut self, manifest: &Manifest, dir: &WriterDir) -> Result<()> {
        let vfs = &*self.state.vfs;
        let flushed = manifest.flushed(dir.writer);
        let segments = tidalite_log::segments(vfs, dir)?;
        let first = segments.first().map_or(flushed, |segment| segment.base_ordinal);
        let from = if self.depth == VerifyDepth::Full { first.min(flushed) } else { flushed };
        let alive = tidalite_log::life(vfs, dir)?.may_append();
        let mut tail = TailCount { from: Seq::new(dir.writer, flushed), ..TailCount::default() };
        let replayed = match tidalite_log::replay(vfs, dir, from, alive, &mut tail) {
            Err(e) if e.kind() == ErrorKind::Corrupt => {
                self.report.findings.push(Finding::from(&e));
                return Ok(());
            }
            other => other?,
        };
        let short = match replayed.findings.is_empty() {
            true if alive && replayed.resume.segment > 0 => replayed.resume.short_of(dir, flushed),
            true => self.segments_gone(manifest, dir)?,
            false => None,
        };
        self.report.findings.extend(replayed.findings.into_iter().chain(short).map(Finding::from));
        self.report.logs += 1;
        self.report.points += tail.points;
        self.report.log_points += tail.points;
        for segment in &segments {
            let end = match segment.number.cmp(&replayed.resume.segment) {
                _ if from == flushed && segment.end_ordinal.is_some_and(|end| end <= flushed) => 0,
                std::cmp::Ordering::Less => u64::MAX,
                std::cmp::Ordering::Equal => replayed.resume.offset,
                std::cmp::Ordering::Greater => 0,
            };
            self.read.insert(segment.path.clone(), end);
        }
        self.count(replayed.bytes)?;
        for (order, id, about) in &tail.staged {
            let meta = match parse_meta(&dir.path, *order, about) {
                Err(e) if is_damage(&e) => {
                    self.report.findings.push(Finding::from(&e));
                    continue;
                }
                other => other?,
            };
            // A flushed one has moved to the parts.
            if order.seq.ordinal() >= flushed {
                self.report.points += meta.rows;
                self.report.log_points += meta.rows;
                self.part(&staged_part(&dir.path, *id), &meta)?;
            }
        }
        Ok(())
    }

    /// What a log without a segment has lost, as far as something tells.
    fn segments_gone(&self, manifest: &Manifest, dir: &WriterDir) -> Result<Option<LogFinding>> {
        let vfs = &*self.state.vfs;
        if manifest.lists(dir.writer) {
            return Ok(None);
        }
        let found = tidalite_log::segments_gone(vfs, dir, is_staged)?;
        // Whoever flushes publishes a version before it removes a segment.
        let is_newest = versions(vfs, &self.state.paths)?.last() == Some(&manifest.version);
        Ok(found.filter(|_| is_newest))
    }

    /// Lists the files that were not read, and why.
    fn unread(&mut self) -> Result<()> {
        let (vfs, paths) = (&*self.state.vfs, &self.state.paths);
        let mut folders = paths.folders().to_vec();
        folders.extend(tidalite_log::writers(vfs, &paths.log())?.into_iter().map(|dir| dir.path));
        folders.push(paths.root().to_path_buf());
        for folder in folders {
            let names = match vfs.read_dir(&folder) {
                // A store without such files needs no folder for them.
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                other => other?,
            };
            for name in names {
                let path = folder.join(&name);
                let Some(file) = vfs.stat(&path)?.filter(|file| !file.is_dir) else { continue };
                let read = self.read.get(&path).copied().unwrap_or(0);
                let segment = name.ends_with(".seg");
                let why = match read {
                    _ if read >= file.bytes || file.bytes == 0 => continue,
                    0 if segment && self.depth == VerifyDepth::Quick => "its frames are flushed",
                    _ if segment => "it follows the end of the log",
                    _ if name == "lock" => "it says who holds the lock, and has no checksum",
                    _ => "no version that can be read names it",
                };
                self.report.unread.push(Unread { path, bytes: file.bytes - read, why });
            }
        }
        Ok(())
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
    /// The first frame that counts.
    from: Seq,
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
        if row.seq >= self.from {
            self.points += self.widths[&row.layout];
        }
        Ok(())
    }
    fn points(&mut self, p: tidalite_log::BatchRef<'_>) -> Result<()> {
        if p.seq() >= self.from {
            self.points += p.len() as u64;
        }
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
