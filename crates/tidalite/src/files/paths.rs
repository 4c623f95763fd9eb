//! The path of each file of a store. Only this module makes paths, and none from a name that a user gave.

use std::path::{Path, PathBuf};
use tidalite_parts::{PartMeta, PartPaths};
use uuid::Uuid;

/// The paths of one store.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    root: PathBuf,
    /// The store's id, once it is known. A manifest with another id was copied from another store.
    store: Option<Uuid>,
}

impl Paths {
    pub(crate) fn new(root: &Path) -> Self {
        Paths { root: root.to_path_buf(), store: None }
    }

    /// The same, now that the store's id is known.
    pub(crate) fn of_store(self, id: Uuid) -> Self {
        Paths { store: Some(id), ..self }
    }

    /// Whether `id` may be that of the store here.
    pub(crate) fn may_be_of(&self, id: Uuid) -> bool {
        self.store.is_none_or(|own| own == id)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The file that says that this folder is a store, and holds its format version and id.
    pub(crate) fn marker(&self) -> PathBuf {
        self.root.join(MARKER)
    }

    /// The store's lock.
    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Disk space that is kept in reserve.
    pub(crate) fn reserve(&self) -> PathBuf {
        self.root.join("reserve")
    }

    /// The log: one folder per writer.
    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// The points of parts, one Parquet file each.
    pub(crate) fn parts(&self) -> PathBuf {
        self.root.join("parts")
    }

    /// The points of hidden parts.
    pub(crate) fn hidden(&self) -> PathBuf {
        self.root.join("hidden")
    }

    /// The series tables of parts.
    pub(crate) fn series(&self) -> PathBuf {
        self.root.join("series")
    }

    /// Rollups of parts.
    pub(crate) fn rollups(&self) -> PathBuf {
        self.root.join("rollups")
    }

    /// Run tables.
    pub(crate) fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// Writer tables.
    pub(crate) fn writers(&self) -> PathBuf {
        self.root.join("writers")
    }

    /// Versions of the manifest.
    pub(crate) fn manifest(&self) -> PathBuf {
        self.root.join("manifest")
    }

    /// All folders below the root.
    pub(crate) fn folders(&self) -> [PathBuf; 8] {
        let [parts, hidden, series, rollups] = self.part_folders();
        let (runs, writers) = (self.runs(), self.writers());
        [self.log(), parts, hidden, series, rollups, runs, writers, self.manifest()]
    }

    /// The folders of parts' files.
    pub(crate) fn part_folders(&self) -> [PathBuf; 4] {
        [self.parts(), self.hidden(), self.series(), self.rollups()]
    }

    /// The files of a live part.
    pub(crate) fn place(&self, meta: &PartMeta) -> PartPaths {
        if meta.is_hidden() { self.hidden_part(meta.id) } else { self.part(meta.id) }
    }

    /// The files of a hidden part.
    pub(crate) fn hidden_part(&self, id: Uuid) -> PartPaths {
        PartPaths { points: self.hidden().join(format!("{}.parquet", id.simple())), ..self.part(id) }
    }

    /// The files of a part that is not hidden.
    pub(crate) fn part(&self, id: Uuid) -> PartPaths {
        PartPaths {
            id,
            points: self.parts().join(format!("{}.parquet", id.simple())),
            series: self.series().join(format!("{}.parquet", id.simple())),
            rollups: self.rollups().join(format!("{}.parquet", id.simple())),
        }
    }

    /// The file of one run table.
    pub(crate) fn run_table(&self, id: Uuid) -> PathBuf {
        self.runs().join(table_name(id))
    }

    /// The file of one writer table.
    pub(crate) fn writer_table(&self, id: Uuid) -> PathBuf {
        self.writers().join(table_name(id))
    }
}

/// The files of a staged part: in the writer's folder, with its segments, until the next flush.
pub(crate) fn staged_part(writer_dir: &Path, id: Uuid) -> PartPaths {
    PartPaths {
        id,
        points: writer_dir.join(format!("{}.parquet", id.simple())),
        series: writer_dir.join(format!("{}.series.parquet", id.simple())),
        rollups: writer_dir.join(format!("{}.rollups.parquet", id.simple())),
    }
}

/// The marker's name.
pub(crate) const MARKER: &str = "TIDALITE";

/// The lock file in the folder of a copy that is not finished.
pub(crate) const UNFINISHED: &str = "unfinished-copy";

/// The name of a run table or a writer table.
pub(crate) fn table_name(id: Uuid) -> String {
    format!("{}.json", id.simple())
}

pub(crate) fn version_name(version: u64) -> String {
    format!("{version:016}.json")
}

/// No store comes to so many versions. A file with a greater number is not ours: no version could follow it.
const VERSIONS_MAX: u64 = 1_000_000_000_000_000;

/// The version of the manifest with this name.
pub(crate) fn parse_version(name: &str) -> Option<u64> {
    let version = name.strip_suffix(".json")?.parse().ok().filter(|version| *version < VERSIONS_MAX)?;
    (name == version_name(version)).then_some(version)
}

/// The id in a name such as `<uuid>.parquet`.
pub(crate) fn parse_id(name: &str) -> Option<Uuid> {
    Uuid::try_parse(name.split('.').next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_names_sort_as_versions_and_read_back() {
        assert!(version_name(9) < version_name(10));
        assert_eq!(parse_version(&version_name(u64::from(u32::MAX))), Some(u64::from(u32::MAX)));
        for other in ["tmp-1.json", "1.json", "+000000000000001.json", "9999999999999999.json"] {
            assert_eq!(parse_version(other), None, "{other}");
        }
    }
}
