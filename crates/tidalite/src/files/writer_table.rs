//! The writer table: which writers wrote what the store holds, of those that have no folder in its log any more. It is a
//! file that a manifest version names.
//!
//! A writer's uuid is the same in every copy of the store, and its number is not: so this table says what two stores have
//! in common. It also says which frames came by merges, and with which version: a follower has not seen them, although
//! their writers are gone. Only merges, backups, and followers after a merge read it.
//!
//! Invariant: the store holds, or held and dropped, exactly the frames of a writer below its end.

use super::manifest::WriterTableRef;
use super::paths::{Paths, table_name};
use super::two_copies;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidalite_model::{Error, Moment, Result};
use tidalite_vfs::Vfs;
use uuid::Uuid;

/// A writer, and how many of its frames the store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KnownWriter {
    /// The uuid in the name of its folder.
    pub(crate) id: Uuid,
    /// Its first frame that the store does not have.
    pub(crate) end: u64,
}

/// Writers by their number in the store.
pub(crate) type WriterTable = BTreeMap<u32, KnownWriter>;

/// Frames of a writer that a merge brought: those from `from` on that the store had after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BroughtFrames {
    /// No version below this one has them.
    pub(crate) version: u64,
    pub(crate) writer: u32,
    pub(crate) from: u64,
}

/// What merges brought, in their order. The writer may have a folder here, and so be missing in the table.
pub(crate) type Brought = Vec<BroughtFrames>;

/// A moment that was taken when `version` was the newest, without what merges have brought since: a writer without a log
/// counted as gone then, and the rest of what it wrote elsewhere came later.
pub(crate) fn before_merges(moment: &Moment, brought: &Brought, version: u64) -> Moment {
    let mut bounded = moment.clone();
    for merged in brought.iter().filter(|b| b.version > version) {
        // Of several merges since, the first one says how far the writer had come.
        if bounded.end(merged.writer) == u64::MAX {
            bounded = bounded.with_end(merged.writer, merged.from);
        }
    }
    bounded
}

/// The text of the file.
#[derive(Debug, Serialize, Deserialize)]
struct TableText {
    /// Number, uuid and end of each writer.
    writers: Vec<(u32, Uuid, u64)>,
    /// Version, number of the writer, and first frame.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    brought: Vec<(u64, u32, u64)>,
}

/// What the file of a version says.
#[derive(Debug, Default)]
pub(crate) struct LoadedTable {
    pub(crate) writers: WriterTable,
    pub(crate) brought: Brought,
    /// Damage to the file that another copy made good.
    pub(crate) damage: Option<Error>,
}

/// Reads the table that a version names.
///
/// # Errors
/// `Corrupt` if no copy of it is valid.
pub(crate) fn load(vfs: &dyn Vfs, paths: &Paths, table: Option<&WriterTableRef>) -> Result<LoadedTable> {
    let Some(table) = table else { return Ok(LoadedTable::default()) };
    let path = paths.writer_table(table.id);
    let opened = two_copies::open(vfs, &path, "writers")?;
    let damaged = |what: String| Error::corrupt("read writer table", &path, 0, what);
    let text: TableText = serde_json::from_str(&opened.text)
        .map_err(|e| damaged(format!("its text is not a writer table: {e}")))?;
    let writers =
        text.writers.into_iter().map(|(writer, id, end)| (writer, KnownWriter { id, end })).collect();
    let frames = |(version, writer, from)| BroughtFrames { version, writer, from };
    let brought = text.brought.into_iter().map(frames).collect();
    Ok(LoadedTable { writers, brought, damage: opened.damage.map(damaged) })
}

/// Writes a table to a new file, durably.
pub(crate) fn store(
    vfs: &dyn Vfs,
    paths: &Paths,
    writers: &WriterTable,
    brought: &Brought,
) -> Result<WriterTableRef> {
    let id = vfs.uuid();
    let text = TableText {
        writers: writers.iter().map(|(writer, w)| (*writer, w.id, w.end)).collect(),
        brought: brought.iter().map(|b| (b.version, b.writer, b.from)).collect(),
    };
    let text = serde_json::to_string(&text).expect("a writer table is plain data");
    let tmp = format!("tmp-{}", id.simple());
    let sealed = two_copies::seal("writers", &text);
    tidalite_vfs::publish(vfs, &paths.writers(), &tmp, &table_name(id), &sealed)?;
    let last = brought.iter().map(|b| b.version).max().unwrap_or(0);
    Ok(WriterTableRef { id, writers: writers.len() as u64, brought: last })
}
