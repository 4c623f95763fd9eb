//! The manifest: the list of what is live. Each change makes a new version, a file of its own.
//!
//! - A version appears whole or not at all: write a temporary file, sync it, link it to its number, sync the folder.
//! - A reader takes the highest valid version and pins it with a shared lock on its file. Deleting a version needs the
//!   exclusive lock, so a reader's version and its files stay.
//! - Only the holder of the store's lock publishes. If the number is taken nevertheless, it starts over from the newer
//!   version.

use super::lost::Lost;
use super::paths::{Paths, parse_version, version_name};
use super::two_copies;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Result, TIME_US_MIN};
use tidalite_parts::PartMeta;
use tidalite_vfs::{ReadFile, Vfs};
use uuid::Uuid;

/// One version's contents.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Each version is one more than the last.
    pub(crate) version: u64,
    /// The store's id, as in its marker.
    pub(crate) store: Uuid,
    /// When it was published, µs since 1970 UTC. Shown to people, and decides how long the replaced version stays.
    pub(crate) time_us: i64,
    /// Writers that open later have at least this ordinal.
    pub(crate) writer_next: u32,
    /// The greatest clock of a frame that was flushed, µs since 1970 UTC.
    pub(crate) clock_us: i64,
    /// How far each writer's log is flushed. A writer without an entry has flushed nothing.
    pub(crate) writers: Vec<WriterState>,
    /// The live parts, in the order in which they were added.
    pub(crate) parts: Vec<PartMeta>,
    /// The run table; `None` until a run is flushed.
    pub(crate) runs: Option<RunTableRef>,
    /// Later run tables, the oldest first: each has the runs that changed since, and their records replace older ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) runs_changed: Vec<RunTableRef>,
    /// The writer table; `None` while every writer has its folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) writer_table: Option<WriterTableRef>,
    /// Later writer tables, the oldest first: each has the writers that were added since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) writers_added: Vec<WriterTableRef>,
    /// Places whose rows are lost, so that answers say so: there are at most [`LOST_MAX`](super::lost::LOST_MAX).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lost: Vec<Lost>,
}

/// How far one writer's log is flushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WriterState {
    pub(crate) writer: u32,
    /// The uuid in the name of its folder.
    pub(crate) id: Uuid,
    /// Frames with a lower ordinal are in parts and in the run table.
    pub(crate) flushed: u64,
    /// Where the first frame that is not flushed begins in the writer's stream: what lies behind it waits for a flush. It
    /// only decides when to flush.
    #[serde(default)]
    pub(crate) position: u64,
    /// This log is damaged; its files are kept as evidence.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) damaged: bool,
    /// The greatest step of each participant of this writer that has not ended, with the ordinal of its start, as far as
    /// the run table does not have it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) steps: Vec<(u64, i64)>,
}

/// The run table of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunTableRef {
    pub(crate) id: Uuid,
    /// The checksum in the file's header, so that no other table is read in its place.
    pub(crate) crc32c: u32,
    pub(crate) runs: u64,
}

/// The writer table of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WriterTableRef {
    pub(crate) id: Uuid,
    /// As of a run table.
    pub(crate) crc32c: u32,
    pub(crate) writers: u64,
    /// The last version with which a merge brought frames; 0 if none did.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) brought: u64,
}

/// How many of the last tables are merged with a new one of `added` entries, given the entries of each, so that there are
/// few tables and an entry is rewritten a logarithmic number of times: a table stays while it has more than twice as many
/// entries as all that follow it.
pub(super) fn tables_to_merge(entries: &[u64], added: u64) -> usize {
    let mut all = added;
    let merged = entries.iter().rev().take_while(|&&of_table| {
        let merges = of_table <= all.saturating_mul(2);
        all += of_table;
        merges
    });
    merged.count()
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Manifest {
    /// The version of a new store.
    pub(crate) fn first(store: Uuid, time_us: i64) -> Self {
        Manifest {
            version: 1,
            store,
            time_us,
            writer_next: 1,
            clock_us: TIME_US_MIN,
            writers: Vec::new(),
            parts: Vec::new(),
            runs: None,
            runs_changed: Vec::new(),
            writer_table: None,
            writers_added: Vec::new(),
            lost: Vec::new(),
        }
    }

    /// All run tables, the oldest first.
    pub(crate) fn run_tables(&self) -> impl DoubleEndedIterator<Item = &RunTableRef> {
        self.runs.iter().chain(&self.runs_changed)
    }

    /// All writer tables, the oldest first.
    pub(crate) fn writer_tables(&self) -> impl Iterator<Item = &WriterTableRef> {
        self.writer_table.iter().chain(&self.writers_added)
    }

    /// The first ordinal of `writer` that is not flushed.
    pub(crate) fn flushed(&self, writer: u32) -> u64 {
        self.writers.binary_search_by_key(&writer, |w| w.writer).map_or(0, |at| self.writers[at].flushed)
    }

    /// Whether it says how far this writer's log is flushed.
    pub(crate) fn lists(&self, writer: u32) -> bool {
        self.writers.binary_search_by_key(&writer, |w| w.writer).is_ok()
    }

    /// Notes how far a writer's log is flushed. Steps that are noted of it stay.
    pub(crate) fn set_flushed(&mut self, to: WriterState) {
        self.writer_next = self.writer_next.max(to.writer + 1);
        match self.writers.iter_mut().find(|w| w.writer == to.writer) {
            Some(state) => {
                state.flushed = state.flushed.max(to.flushed);
                state.position = state.position.max(to.position);
                state.damaged |= to.damaged;
            }
            None => {
                self.writers.push(to);
                self.writers.sort_by_key(|w| w.writer);
            }
        }
    }

    /// Notes a step that a participant has logged, given the ordinal of its start. The writer must have an entry.
    pub(crate) fn note_step(&mut self, writer: u32, start: u64, step: i64) {
        let Some(state) = self.writers.iter_mut().find(|w| w.writer == writer) else { return };
        match state.steps.iter_mut().find(|(of, _)| *of == start) {
            Some((_, noted)) => *noted = step.max(*noted),
            None => state.steps.push((start, step)),
        }
    }

    /// The noted step of a participant.
    pub(crate) fn noted_step(&self, writer: u32, start: u64) -> Option<i64> {
        let state = self.writers.iter().find(|w| w.writer == writer)?;
        state.steps.iter().find(|(of, _)| *of == start).map(|(_, step)| *step)
    }
}

/// A pinned version: while this lives, nothing that it names is deleted.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) manifest: Manifest,
    /// Damage found in this manifest file and in newer ones, for the recovery report.
    pub(crate) damage: Vec<Error>,
    /// Newer versions, of which nothing can be read.
    pub(crate) unreadable: Vec<u64>,
    pin: Arc<dyn ReadFile>,
}

impl Version {
    /// The number of the newest version that was listed when this one was read.
    pub(crate) fn newest(&self) -> u64 {
        self.unreadable.iter().copied().fold(self.manifest.version, u64::max)
    }

    /// Whether its file is still there. Another file may have taken its number: a store may be restored in place.
    pub(crate) fn is_there(&self) -> Result<bool> {
        self.pin.is_linked()
    }
}

/// How often a reader starts over because its version was deleted before it was pinned. Each time needs another
/// publication, which takes milliseconds, so a hundred in a row do not happen to a reader that makes progress.
const RETRIES_MAX: usize = 100;

/// The newest valid version, pinned. It was still the newest after it was pinned. So the holder of the store's lock, who
/// looks at pins after it has published, finds every reader of an older version by its pin.
///
/// # Errors
/// `Corrupt` if there is none, or only damaged ones; `Unsupported` for a newer format.
pub(crate) fn latest(vfs: &dyn Vfs, paths: &Paths) -> Result<Version> {
    'again: for _ in 0..RETRIES_MAX {
        let (mut damage, mut unreadable) = (Vec::new(), Vec::new());
        let listed = versions(vfs, paths)?;
        for &version in listed.iter().rev() {
            match pin(vfs, paths, version) {
                Ok(Some(_)) if versions(vfs, paths)?.last() != listed.last() => continue 'again,
                Ok(Some(mut found)) => {
                    found.damage.append(&mut damage);
                    found.unreadable = unreadable;
                    return Ok(found);
                }
                Ok(None) => continue 'again, // deleted between the listing and the lock: a newer one exists
                Err(e) if e.kind() == ErrorKind::Corrupt => {
                    damage.push(e);
                    unreadable.push(version);
                }
                Err(e) => return Err(e),
            }
        }
        if let Some(e) = damage.into_iter().next() {
            return Err(e);
        }
        if versions(vfs, paths)?.is_empty() {
            return Err(Error::corrupt("open store", &paths.manifest(), 0, "there is no manifest"));
        }
    }
    Err(Error::new(
        ErrorKind::Busy,
        "read manifest",
        "its versions changed at each of 100 attempts",
        "try again",
    )
    .at(&paths.manifest()))
}

/// The numbers of the versions present, ascending.
pub(crate) fn versions(vfs: &dyn Vfs, paths: &Paths) -> Result<Vec<u64>> {
    let mut found: Vec<u64> =
        vfs.read_dir(&paths.manifest())?.iter().filter_map(|n| parse_version(n)).collect();
    found.sort_unstable();
    Ok(found)
}

/// Opens and pins one version; `None` if it is deleted.
pub(crate) fn pin(vfs: &dyn Vfs, paths: &Paths, version: u64) -> Result<Option<Version>> {
    let path = paths.manifest().join(version_name(version));
    let file = match vfs.open(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    // Without locks (some network file systems) only the grace time before deletion protects a reader.
    let locked = file.try_lock_shared().unwrap_or(true);
    if !locked || !file.is_linked()? {
        return Ok(None);
    }
    let opened = match two_copies::open(vfs, &path, "manifest", None) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let manifest: Manifest = serde_json::from_str(&opened.text)
        .map_err(|e| Error::corrupt("read manifest", &path, 0, format!("its text is not a manifest: {e}")))?;
    if manifest.version != version {
        let what = format!("its text is that of version {}: it was copied or renamed", manifest.version);
        return Err(Error::corrupt("read manifest", &path, 0, what));
    }
    if !paths.may_be_of(manifest.store) {
        let what = format!("it is a manifest of another store, whose id is {}", manifest.store);
        return Err(Error::corrupt("read manifest", &path, 0, what));
    }
    if let Some(part) = manifest.parts.iter().find(|part| !part.is_possible()) {
        let what = format!("the numbers of part {} cannot be those of a part", part.id);
        return Err(Error::corrupt("read manifest", &path, 0, what));
    }
    let damage = opened.damage.map(|d| Error::corrupt("read manifest", &path, 0, d)).into_iter().collect();
    Ok(Some(Version { manifest, damage, unreadable: Vec::new(), pin: file }))
}

/// Publishes `next`; `false` if its version number is taken.
pub(crate) fn publish(vfs: &dyn Vfs, paths: &Paths, next: &Manifest) -> Result<bool> {
    let text = serde_json::to_string_pretty(next).expect("a manifest is plain data");
    let tmp = format!("tmp-{}", vfs.uuid().simple());
    tidalite_vfs::publish(
        vfs,
        &paths.manifest(),
        &tmp,
        &version_name(next.version),
        &two_copies::seal("manifest", &text),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_stay_few_and_an_entry_is_rewritten_a_logarithmic_number_of_times() {
        let (mut tables, mut written) = (Vec::new(), 0);
        for _ in 0..1000 {
            let merged = tables_to_merge(&tables, 32);
            let kept = tables.len() - merged;
            let entries = 32 + tables.drain(kept..).sum::<u64>();
            tables.push(entries);
            written += entries;
            assert!(tables.len() <= 7, "{tables:?}");
        }
        assert_eq!(tables.iter().sum::<u64>(), 32_000);
        assert!(written < 12 * 32_000, "{written} entries were written");
    }

    #[test]
    fn a_manifest_with_impossible_numbers_of_a_part_is_corrupt() {
        let (disk, root) = (tidalite_vfs::SimVfs::new(1), std::path::Path::new("/store"));
        for folder in [root.to_path_buf(), root.join("manifest")] {
            disk.create_dir(&folder).unwrap();
        }
        let paths = Paths::new(root);
        for (version, field) in (1..).zip(["rows", "series", "bytes", "footer_bytes", "series_bytes"]) {
            let mut part = serde_json::json!({
                "id": Uuid::from_u128(1), "rows": 1, "tiles": 1, "series": 1, "runs": 1, "bytes": 900, "crc32c": 0,
                "footer_bytes": 200, "footer_crc32c": 0, "series_bytes": 0, "series_crc32c": 0, "run_min": "a",
                "run_max": "a", "step_min": 0, "step_max": 0, "time_min_us": 0, "time_max_us": 0, "seq": [],
                "value_bits_sum": 0,
            });
            let mut sound = Manifest { version, ..Manifest::first(Uuid::nil(), 0) };
            sound.parts.push(serde_json::from_value(part.clone()).unwrap());
            assert!(sound.parts[0].is_possible());
            // A range that ends before it begins made each snapshot of a store with deleted runs panic.
            let turned = PartMeta { run_min: "b".into(), ..sound.parts[0].clone() };
            assert!(!turned.is_possible());
            part[field] = u64::MAX.into();
            let next = Manifest { parts: vec![serde_json::from_value(part).unwrap()], ..sound };
            assert!(publish(&disk, &paths, &next).unwrap());
            let error = pin(&disk, &paths, version).unwrap_err();
            assert!(
                error.kind() == ErrorKind::Corrupt && error.to_string().contains("numbers of part"),
                "{error}"
            );
        }
    }

    /// A disk with a first version, and what happens there before the access with a given number.
    fn disk_of_others(
        before: u64,
        happens: fn(&tidalite_vfs::SimVfs, &Paths),
    ) -> (tidalite_vfs::SimVfs, Paths) {
        use std::sync::{Mutex, OnceLock};
        let paths = Paths::new(std::path::Path::new("/store"));
        let disk: Arc<OnceLock<tidalite_vfs::SimVfs>> = Arc::default();
        let left = Mutex::new(before);
        let meanwhile = {
            let (disk, paths) = (disk.clone(), paths.clone());
            move || {
                let Some(disk) = disk.get() else { return };
                let due = {
                    let mut left = left.lock().unwrap();
                    let due = *left == 0;
                    *left = left.wrapping_sub(1);
                    due
                };
                if due {
                    happens(disk, &paths);
                }
            }
        };
        let made = tidalite_vfs::SimVfs::scheduled(1, meanwhile);
        made.create_dir(paths.root()).unwrap();
        made.create_dir(&paths.manifest()).unwrap();
        assert!(publish(&made, &paths, &Manifest::first(Uuid::nil(), 0)).unwrap());
        disk.set(made.clone()).unwrap();
        (made, paths)
    }

    #[test]
    fn the_newest_version_is_found_while_others_publish_and_remove() {
        for before in 0..16 {
            let (disk, paths) = disk_of_others(before, |disk, paths| {
                let next = Manifest { version: 2, ..Manifest::first(Uuid::nil(), 0) };
                assert!(publish(disk, paths, &next).unwrap());
                disk.remove(&paths.manifest().join(version_name(1))).unwrap();
            });
            let found = latest(&disk, &paths).unwrap();
            assert!(found.damage.is_empty() && [1, 2].contains(&found.manifest.version), "{before}");
            // What was removed before it was pinned is never given.
            assert!(before > 7 || found.manifest.version == 2, "{before}");
            assert_eq!(latest(&disk, &paths).unwrap().manifest.version, 2);
        }
    }

    #[test]
    fn a_version_under_another_number_is_damage_and_the_one_before_it_is_read() {
        let (disk, paths) = disk_of_others(u64::MAX, |_, _| {});
        let name = |version| paths.manifest().join(version_name(version));
        disk.link(&name(1), &name(2)).unwrap();
        assert_eq!(pin(&disk, &paths, 2).unwrap_err().kind(), ErrorKind::Corrupt);
        let found = latest(&disk, &paths).unwrap();
        assert_eq!((found.manifest.version, found.damage.len(), found.unreadable), (1, 1, vec![2]));
        assert!(found.damage[0].to_string().contains("copied or renamed"), "{}", found.damage[0]);
        disk.remove(&name(1)).unwrap();
        assert_eq!(
            latest(&disk, &paths).unwrap_err().kind(),
            ErrorKind::Corrupt,
            "only a damaged one is left"
        );
        disk.remove(&name(2)).unwrap();
        let e = latest(&disk, &paths).unwrap_err();
        assert!(e.kind() == ErrorKind::Corrupt && e.to_string().contains("no manifest"), "{e}");
        assert!(pin(&disk, &paths, 2).unwrap().is_none());
    }

    #[test]
    fn a_read_that_fails_never_gives_an_older_version() {
        use tidalite_vfs::{FailKind, SimFailure};
        let (disk, paths) = disk_of_others(u64::MAX, |_, _| {});
        assert!(publish(&disk, &paths, &Manifest { version: 2, ..Manifest::first(Uuid::nil(), 0) }).unwrap());
        let mut failed = 0;
        for after in 0..12 {
            disk.set_failure(SimFailure {
                at_step: disk.steps() + after,
                kind: FailKind::Eio,
                persist: false,
            });
            match latest(&disk, &paths) {
                Ok(found) => assert_eq!((found.manifest.version, found.damage.len()), (2, 0), "{after}"),
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::Io, "{after}: {e}");
                    failed += 1;
                }
            }
            disk.clear_failure();
        }
        assert!(failed > 3, "{failed}");
    }
}
