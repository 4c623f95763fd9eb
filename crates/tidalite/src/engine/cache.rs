//! What a store keeps in memory between snapshots: the newest version, open parts, the run table, and the rows of logs.
//!
//! Invariants: only the new frames of each log are read. Once at least half of a tail's frames are flushed, a new tail
//! replaces it. A damaged run table is not cached, so that each snapshot reports it.

use super::cut::{Agreement, agree};
use super::log_tail::{GrowingTail, LogTail, TailView};
use super::threads::Pool;
use crate::files::current_runs::VersionRuns;
use crate::files::manifest::{self, Manifest, Version};
use crate::files::paths::Paths;
use crate::files::run_table::{self, RunTable};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use tidalite_log::{TailReader, WriterDir};
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_parts::{PageCache, Part, PartMeta, PartPaths};
use tidalite_vfs::Vfs;

/// What a store keeps between snapshots.
#[derive(Debug)]
pub(crate) struct TailCache {
    vfs: Arc<dyn Vfs>,
    paths: Paths,
    /// Decoded pages of the open parts.
    pages: Arc<PageCache>,
    pool: Arc<Pool>,
    /// Bytes of rows of all logs that are kept in memory.
    row_bytes: usize,
    tails: Mutex<BTreeMap<u32, Arc<RwLock<LogTail>>>>,
    /// Held while logs are read, so that no other snapshot reads further meanwhile.
    reading: Mutex<()>,
    version: Mutex<Weak<Version>>,
    /// By the path of the points file, which changes when a staged part is flushed.
    parts: Mutex<BTreeMap<PathBuf, Arc<Part>>>,
    runs: Mutex<Option<KnownRuns>>,
}

/// The runs of a version.
#[derive(Debug)]
struct KnownRuns {
    version: u64,
    /// The tables that it names.
    tables: Vec<uuid::Uuid>,
    runs: Arc<VersionRuns>,
}

/// A log keeps this many bytes of rows in memory, if there are not very many logs.
const ROW_BYTES_MIN: usize = 1 << 20;

/// Parts are opened in parallel if their series tables have at least this many bytes together.
const SIDE_BY_SIDE_BYTES: u64 = 4 << 20;

/// Logs are read in parallel at first if they have at least this many bytes together.
const LOGS_SIDE_BY_SIDE_BYTES: u64 = 64 << 20;

/// The parts that could be opened, and those that could not.
pub(crate) type OpenedParts = (Vec<Arc<Part>>, Vec<(PartMeta, Error)>);

impl TailCache {
    /// A cache that keeps about `row_bytes` of rows of logs in memory.
    pub(super) fn new(
        vfs: Arc<dyn Vfs>,
        paths: Paths,
        pages: Arc<PageCache>,
        pool: Arc<Pool>,
        row_bytes: usize,
    ) -> Self {
        TailCache {
            vfs,
            paths,
            pages,
            pool,
            row_bytes,
            tails: Mutex::default(),
            reading: Mutex::default(),
            version: Mutex::default(),
            parts: Mutex::default(),
            runs: Mutex::default(),
        }
    }

    /// The newest version. A version in use is shared while it is the newest.
    pub(crate) fn newest(&self) -> Result<Arc<Version>> {
        let mut held = lock(&self.version);
        if let Some(version) = held.upgrade()
            && version.unreadable.is_empty()
            && manifest::versions(&*self.vfs, &self.paths)?.last() == Some(&version.manifest.version)
            && version.is_there()?
        {
            return Ok(version);
        }
        let version = Arc::new(manifest::latest(&*self.vfs, &self.paths)?);
        *held = Arc::downgrade(&version);
        Ok(version)
    }

    /// The frames of each of these logs from the version's end of its flushed frames on, up to one cut of all.
    pub(crate) fn tails(
        &self,
        dirs: &[WriterDir],
        manifest: &Manifest,
    ) -> Result<(Vec<TailView>, Agreement)> {
        // One at a time: a tail must not be read beyond the cut.
        let _one = lock(&self.reading);
        if let Some(tails) = self.first_tails(dirs, manifest)? {
            return self.agreed(tails);
        }
        let mut held = self.row_bytes_held();
        let mut all: usize = held.values().sum();
        let mut tails = Vec::with_capacity(dirs.len());
        for dir in dirs {
            // What the other logs leave of all, and at least a small share.
            let others = all - held.remove(&dir.writer).unwrap_or(0);
            let least = ROW_BYTES_MIN.min(self.row_bytes / dirs.len());
            let room = self.row_bytes.saturating_sub(others).max(least);
            let tail = self.read_on(dir, manifest.flushed(dir.writer), room)?;
            all = others + tail.row_bytes();
            tails.push(tail);
        }
        self.agreed(tails)
    }

    /// As [`tails`](Self::tails) where none has been read yet and there is much to read: on all threads, each with an equal
    /// share of the memory.
    fn first_tails(&self, dirs: &[WriterDir], manifest: &Manifest) -> Result<Option<Vec<GrowingTail>>> {
        if dirs.len() < 2 || !lock(&self.tails).is_empty() {
            return Ok(None);
        }
        let mut bytes = 0;
        for dir in dirs {
            bytes += TailReader::new(dir.clone(), manifest.flushed(dir.writer)).bytes_ahead(&*self.vfs)?;
        }
        if bytes < LOGS_SIDE_BY_SIDE_BYTES {
            return Ok(None);
        }
        let share = self.row_bytes / dirs.len();
        let read = |dir: &WriterDir| self.read_on(dir, manifest.flushed(dir.writer), share);
        self.pool.each(dirs, read).map(Some)
    }

    /// The tails up to one cut of all.
    fn agreed(&self, mut tails: Vec<GrowingTail>) -> Result<(Vec<TailView>, Agreement)> {
        let agreement = agree(tails.len(), |i| tails[i].has_grown(&*self.vfs))?;
        let views = tails.into_iter().map(|tail| tail.view(&*self.vfs)).collect::<Result<_>>()?;
        Ok((views, agreement))
    }

    /// The bytes of rows in memory, by writer.
    fn row_bytes_held(&self) -> BTreeMap<u32, usize> {
        let tails: Vec<_> = lock(&self.tails).iter().map(|(writer, tail)| (*writer, tail.clone())).collect();
        let of =
            |tail: &RwLock<LogTail>| tail.read().unwrap_or_else(PoisonError::into_inner).data.row_bytes();
        tails.iter().map(|(writer, tail)| (*writer, of(tail))).collect()
    }

    /// Reads what is new in a writer's log.
    fn read_on(&self, dir: &WriterDir, from: u64, row_bytes: usize) -> Result<GrowingTail> {
        let mut tails = lock(&self.tails);
        let mut tail = tails.entry(dir.writer).or_insert_with(|| LogTail::new(dir, from)).clone();
        let held = tail.read().unwrap_or_else(PoisonError::into_inner);
        let (held_from, next, is_of) = (held.from, held.next, held.is_of(dir));
        drop(held);
        // The tail starts after `from`: another thread already reads a newer version.
        if is_of && held_from > from {
            return Err(
                Error::not_found("read log", "its tail has just been flushed", "try again").at(&dir.path)
            );
        }
        // At least half of the tail is flushed: start a new one. Snapshots in use keep the old one.
        let flushed = from > held_from && (from - held_from) * 2 >= next.saturating_sub(held_from);
        if flushed || !is_of {
            tail = LogTail::new(dir, from);
            tails.insert(dir.writer, tail.clone());
        }
        drop(tails);
        GrowingTail::read(&self.vfs, dir, from, tail, row_bytes)
    }

    /// Opens parts; a damaged part does not fail the others.
    ///
    /// # Errors
    /// `NotFound` if a part's file is gone because a newer version exists. Then the snapshot must start over.
    pub(crate) fn open_parts(
        &self,
        version: &Version,
        places: &[(PartPaths, PartMeta)],
    ) -> Result<OpenedParts> {
        let held = |place: &PartPaths| lock(&self.parts).contains_key(&place.points);
        let absent: Vec<_> = places.iter().filter(|(place, _)| !held(place)).collect();
        // Where a part has no series table, its names and steps are read.
        let read = |meta: &PartMeta| if meta.has_series_table() { meta.series_bytes } else { 16 * meta.rows };
        let bytes: u64 = absent.iter().map(|(_, meta)| read(meta)).sum();
        if absent.len() > 1 && bytes >= SIDE_BY_SIDE_BYTES {
            // The loop below reports the errors.
            self.pool.get()?.install(|| {
                absent.par_iter().for_each(|(place, meta)| {
                    let _ = self.part(place, meta);
                });
            });
        }
        let (mut parts, mut broken) = (Vec::with_capacity(places.len()), Vec::new());
        for (place, meta) in places {
            match self.part(place, meta) {
                Ok(part) => parts.push(part),
                Err(e) if e.kind() == ErrorKind::Corrupt => broken.push((meta.clone(), e)),
                Err(e) if e.kind() == ErrorKind::NotFound => {
                    if self.is_replaced(&version.manifest)? {
                        return Err(e);
                    }
                    let missing = Error::corrupt("open part", &place.points, 0, "the file is not there");
                    broken.push((meta.clone(), missing));
                }
                Err(e) => return Err(e),
            }
        }
        Ok((parts, broken))
    }

    /// A part if it is open already. A job opens others for itself, and lets go of them when it is done.
    pub(crate) fn part_if_open(&self, place: &PartPaths) -> Option<Arc<Part>> {
        lock(&self.parts).get(&place.points).cloned()
    }

    /// A part, opened once however often it is wanted, until [`keep_parts`](Self::keep_parts) lets go of it.
    pub(crate) fn part(&self, place: &PartPaths, meta: &PartMeta) -> Result<Arc<Part>> {
        if let Some(part) = lock(&self.parts).get(&place.points) {
            return Ok(part.clone());
        }
        let part = Part::open(self.vfs.clone(), place, meta)?.kept_in(self.pages.clone());
        if place.points.starts_with(self.paths.log()) {
            // A flush moves a staged part, while older snapshots still read it.
            part.keep_open()?;
        }
        let part = Arc::new(part);
        lock(&self.parts).insert(place.points.clone(), part.clone());
        Ok(part)
    }

    /// The records of all runs of a version. Only its tables that were not read before are read.
    pub(crate) fn run_table(&self, version: &Version, damage: &mut Vec<Error>) -> Result<Arc<VersionRuns>> {
        self.renewed(&mut lock(&self.runs), &version.manifest, damage)
    }

    /// The records of all runs of a version, for a job. They are kept for later only where those of another version are: so
    /// there is one copy of them, and none afterwards in a process that does not read.
    pub(crate) fn run_table_of_job(&self, manifest: &Manifest) -> Result<Arc<VersionRuns>> {
        let mut held = lock(&self.runs);
        if held.is_some() {
            return self.renewed(&mut held, manifest, &mut Vec::new());
        }
        drop(held);
        let (runs, _) = run_table::load(&*self.vfs, &self.paths, manifest)?;
        Ok(Arc::new(runs.into()))
    }

    fn renewed(
        &self,
        held: &mut Option<KnownRuns>,
        manifest: &Manifest,
        damage: &mut Vec<Error>,
    ) -> Result<Arc<VersionRuns>> {
        let tables: Vec<uuid::Uuid> = manifest.run_tables().map(|table| table.id).collect();
        if let Some(known) = held.as_ref().filter(|known| known.tables == tables) {
            return Ok(known.runs.clone());
        }
        // What a later version adds replaces what it no longer names. An earlier version is read anew.
        let known = held.take().filter(|known| known.version <= manifest.version);
        let shares = |known: &KnownRuns| known.tables.iter().zip(&tables).take_while(|(a, b)| a == b).count();
        let (shared, mut runs) = match known {
            Some(known) if shares(&known) > 0 => {
                (shares(&known), Arc::unwrap_or_clone(known.runs).into_records())
            }
            _ => (0, RunTable::new()),
        };
        let mut damaged = Vec::new();
        for table in manifest.run_tables().skip(shared) {
            let read = run_table::load_onto(&mut runs, &*self.vfs, &self.paths, table);
            damaged
                .extend(read.or_else(|e| Err(self.is_lost(manifest, e, &self.paths.run_table(table.id))?))?);
        }
        let sound = damaged.is_empty();
        damage.extend(damaged);
        let runs = Arc::new(VersionRuns::from(runs));
        // A damaged table is read again each time, so that each snapshot reports it.
        *held = sound.then(|| KnownRuns { version: manifest.version, tables, runs: runs.clone() });
        Ok(runs)
    }

    /// The records of these runs of a version, without reading those of others.
    pub(crate) fn run_records(&self, version: &Version, ids: &[&str]) -> Result<Arc<VersionRuns>> {
        let manifest = &version.manifest;
        let held = lock(&self.runs);
        let is_known =
            |known: &&KnownRuns| manifest.run_tables().map(|t| t.id).eq(known.tables.iter().copied());
        if let Some(known) = held.as_ref().filter(is_known) {
            return Ok(known.runs.clone());
        }
        drop(held);
        let found = run_table::records(&*self.vfs, &self.paths, manifest, ids.iter().copied());
        found
            .map(|found| Arc::new(found.into()))
            .or_else(|e| Err(self.is_lost(manifest, e, &self.paths.runs())?))
    }

    /// The error where a table of a version was not found: without a newer version it is lost.
    fn is_lost(&self, manifest: &Manifest, e: Error, path: &Path) -> Result<Error> {
        match e.kind() == ErrorKind::NotFound && !self.is_replaced(manifest)? {
            true => Ok(Error::corrupt("read run table", path, 0, "the file is not there")),
            false => Ok(e),
        }
    }

    /// Drops the tails of all writers that are not in `tails`.
    pub(crate) fn forget_others(&self, tails: &[TailView]) {
        lock(&self.tails).retain(|w, _| tails.iter().any(|t| t.writer == *w));
    }

    /// Drops open parts that are not in `live`. Each open part holds a descriptor, its series table, and the blocks of
    /// its files even after these are deleted. Snapshots in use keep the parts that they need.
    pub(crate) fn keep_parts(&self, live: &BTreeSet<uuid::Uuid>) {
        lock(&self.parts).retain(|_, part| live.contains(&part.meta().id));
    }

    /// Drops tails, parts and the version; keeps the run table.
    pub(crate) fn forget(&self) {
        lock(&self.tails).clear();
        lock(&self.parts).clear();
        *lock(&self.version) = Weak::new();
    }

    /// Whether a newer version exists, so that a file of this one may be deleted. Otherwise an absent file is lost.
    fn is_replaced(&self, manifest: &Manifest) -> Result<bool> {
        let newest = manifest::versions(&*self.vfs, &self.paths)?.last().copied();
        Ok(newest.is_some_and(|v| v > manifest.version))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
