//! Counts and sizes of a store.

use super::snapshot::Snapshot;
use crate::engine::store::Store;
use crate::files::finding::Finding;
use crate::files::paths::{Paths, parse_id};
use std::collections::BTreeSet;
use std::path::Path;
use tidalite_model::{Error, ErrorKind, Result, SeriesKey};
use tidalite_vfs::Vfs;
use uuid::Uuid;

/// Counts and sizes of a store.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Runs.
    pub runs: u64,
    /// Distinct series, without those that are only in parts that cannot be opened.
    pub series: u64,
    /// Stored points, repeats included. Deleted points count until a compaction removes them; of thinned runs, only the
    /// points that are left count.
    pub points: u64,
    /// Points of thinned runs that are gone and only summarized; not included in `points`.
    pub thinned_points: u64,
    /// Points that are not flushed yet: in logs, or in staged parts. Included in `points`.
    pub log_points: u64,
    /// Points in hidden parts: rewound, or replaced by a later write of their step. Included in `points`.
    pub hidden_points: u64,
    /// Parts, without staged and hidden ones.
    pub parts: u64,
    /// Writers whose process is alive.
    pub writers_alive: u64,
    /// Version of the manifest.
    pub version: u64,
    /// Bytes of the points files of these parts.
    pub parts_bytes: u64,
    /// Bytes of the points files of hidden parts.
    pub hidden_bytes: u64,
    /// Bytes of the series tables and the rollups of both.
    pub series_bytes: u64,
    /// Bytes of the files of parts that were replaced. They go after the grace time (see
    /// [`Options::grace`](crate::Options::grace)), once no snapshot pins them.
    pub replaced_bytes: u64,
    /// Bytes of the files in the writers' folders: segments, preallocated space included, and staged parts.
    pub log_bytes: u64,
    /// Bytes of manifests, run and writer tables, and the marker.
    pub other_bytes: u64,
    /// The file system's name.
    pub file_system: String,
    /// Whether it is a network file system, where not all guarantees hold.
    pub network: bool,
    /// Free bytes on the file system.
    pub free_bytes: u64,
    /// What could not be read: parts, whose series do not count in `series`, and places in logs, whose rows do not count in
    /// `points`. Empty unless damage is [reported](Snapshot::on_damage).
    pub damage: Vec<Finding>,
}

impl Stats {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.parts_bytes
            + self.hidden_bytes
            + self.series_bytes
            + self.replaced_bytes
            + self.log_bytes
            + self.other_bytes
    }
}

impl Store {
    /// Counts and sizes.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// run.log(0, &[("loss", 1.0), ("acc", 0.5)])?;
    /// let stats = store.stats()?;
    /// assert_eq!((stats.runs, stats.series, stats.points), (1, 2, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot) and [`Snapshot::stats`].
    pub fn stats(&self) -> Result<Stats> {
        self.snapshot()?.stats()
    }

    /// Bytes of all files, as [`Stats::bytes`]. It reads no rows, so damage does not affect it.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// store.run("a").start()?.log(0, &[("loss", 1.0)])?;
    /// assert_eq!(store.bytes()?, store.stats()?.bytes());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Io` if a folder cannot be read; `NotFound` if the store is gone.
    pub fn bytes(&self) -> Result<u64> {
        let state = self.state()?;
        state.check_there()?;
        let bytes = FileBytes::of(&*state.vfs, &state.paths, &BTreeSet::new())?;
        Ok(bytes.replaced + bytes.logs + bytes.other)
    }
}

/// Bytes of the files in a store's folders.
struct FileBytes {
    parts: u64,
    hidden: u64,
    series: u64,
    replaced: u64,
    logs: u64,
    other: u64,
}

impl FileBytes {
    /// Files of parts that are not among `parts` count as replaced.
    fn of(vfs: &dyn Vfs, paths: &Paths, parts: &BTreeSet<Uuid>) -> Result<FileBytes> {
        let mut replaced = 0;
        let mut of_parts = |folder: &Path| {
            let is_live = |name: &str| parse_id(name).is_some_and(|id| parts.contains(&id));
            let live = folder_bytes(vfs, folder, is_live)?;
            replaced += folder_bytes(vfs, folder, |name| !is_live(name))?;
            Ok::<u64, Error>(live)
        };
        Ok(FileBytes {
            parts: of_parts(&paths.parts())?,
            hidden: of_parts(&paths.hidden())?,
            series: of_parts(&paths.series())? + of_parts(&paths.rollups())?,
            replaced,
            logs: log_bytes(vfs, paths)?,
            other: folder_bytes(vfs, &paths.manifest(), |_| true)?
                + folder_bytes(vfs, &paths.runs(), |_| true)?
                + folder_bytes(vfs, &paths.writers(), |_| true)?
                + vfs.stat(&paths.marker())?.map_or(0, |s| s.bytes),
        })
    }
}

impl Snapshot {
    /// Counts of this snapshot, and current sizes of the store's files.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// run.log(0, &[("loss", 1.0)])?;
    /// let snapshot = store.snapshot()?;
    /// run.log(1, &[("loss", 0.5)])?;
    /// assert_eq!((snapshot.stats()?.points, store.stats()?.points), (1, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Corrupt` for a part that cannot be opened and for a log that has lost rows, unless this snapshot [reports
    /// damage](Self::on_damage): then [`Stats::damage`] names them. `Io` if a folder cannot be read.
    pub fn stats(&self) -> Result<Stats> {
        let (vfs, paths) = (&*self.state.vfs, &self.state.paths);
        let all = self.with_all_hidden()?;
        let view = &all.view;
        let report = all.check_whole("count points")?;
        let mut series: BTreeSet<SeriesKey> = BTreeSet::new();
        let (mut points, mut thinned_points) = (0, 0);
        let hidden = view.version.manifest.parts.iter().filter(|m| m.is_hidden());
        for part in &view.parts {
            points += part.meta().rows;
            thinned_points += part.meta().thinned.map_or(0, |all| all.saturating_sub(part.meta().rows));
            let table = part.series();
            series.extend(table.entries().map(|entry| table.key(&entry)));
        }
        for (meta, _) in &view.broken {
            points += meta.rows;
            thinned_points += meta.thinned.map_or(0, |all| all.saturating_sub(meta.rows));
        }
        for tail in &view.tails {
            let held = tail.read();
            for (id, key) in held.data.keys() {
                let count = held.data.count_within(id, tail.seqs)?;
                if count > 0 {
                    series.insert(key.clone());
                    points += count;
                }
            }
        }
        let live = view.version.manifest.parts.iter().map(|part| part.id).collect();
        let bytes = FileBytes::of(vfs, paths, &live)?;
        let file_system = vfs.file_system(paths.root())?;
        Ok(Stats {
            runs: self.view.runs.keys().filter(|id| !self.view.gone.contains(*id)).count() as u64,
            series: series.len() as u64,
            points,
            thinned_points,
            log_points: view.log_points()?,
            hidden_points: hidden.map(|m| m.rows).sum(),
            parts: view.live_parts(),
            writers_alive: view.tails.iter().filter(|t| t.alive).count() as u64,
            version: self.version(),
            parts_bytes: bytes.parts,
            hidden_bytes: bytes.hidden,
            series_bytes: bytes.series,
            replaced_bytes: bytes.replaced,
            log_bytes: bytes.logs,
            other_bytes: bytes.other,
            file_system: file_system.name,
            network: file_system.network,
            free_bytes: file_system.free_bytes,
            damage: report.found(),
        })
    }
}

/// Bytes of the files in a folder whose names `counts` accepts.
fn folder_bytes(vfs: &dyn Vfs, folder: &Path, counts: impl Fn(&str) -> bool) -> Result<u64> {
    let names = match vfs.read_dir(folder) {
        // Collection may have removed the folder of a dead writer.
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(0),
        other => other?,
    };
    let mut bytes = 0;
    for name in names.iter().filter(|name| counts(name)) {
        bytes += vfs.stat(&folder.join(name))?.filter(|s| !s.is_dir).map_or(0, |s| s.bytes);
    }
    Ok(bytes)
}

fn log_bytes(vfs: &dyn Vfs, paths: &Paths) -> Result<u64> {
    let mut bytes = 0;
    for dir in tidalite_log::writers(vfs, &paths.log())? {
        bytes += folder_bytes(vfs, &dir.path, |_| true)?;
    }
    Ok(bytes)
}
