//! The writer table: which writers wrote what the store holds, of those that have no folder in its log any more. It is in
//! files that a manifest version names: the writers that were added later are in files of their own, so that a flush writes
//! as much as it adds, however many writers there were.
//!
//! A writer's uuid is the same in every copy of the store, and its number is not: so this table says what two stores have
//! in common. It also says which frames came by merges, and with which version: a follower has not seen them, although
//! their writers are gone. Only merges, backups, and followers after a merge read it.
//!
//! Invariant: the store holds, or held and dropped, exactly the frames of a writer below its end.

use super::manifest::{Manifest, WriterTableRef, tables_to_merge};
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

/// What merges have brought; empty if they have brought nothing after a version.
///
/// # Errors
/// As [`load`].
pub(crate) fn brought_after(
    vfs: &dyn Vfs,
    paths: &Paths,
    manifest: &Manifest,
    version: u64,
) -> Result<Brought> {
    if manifest.writer_tables().all(|table| table.brought <= version) {
        return Ok(Brought::new());
    }
    Ok(load(vfs, paths, manifest)?.brought)
}

/// What a moment of a version covers without what merges have brought since: a writer without a log counted as gone then, and
/// the rest of what it wrote elsewhere came later.
pub(crate) fn before_merges(moment: &Moment, brought: &Brought, version: u64) -> Moment {
    let mut ends: BTreeMap<u32, u64> = moment.ends().collect();
    for merged in brought.iter().filter(|merged| merged.version > version) {
        let end = ends.entry(merged.writer).or_insert_with(|| moment.end(merged.writer));
        *end = (*end).min(merged.from);
    }
    Moment::new(moment.below(), ends)
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

/// What the files of a version say.
#[derive(Debug, Default)]
pub(crate) struct LoadedTable {
    pub(crate) writers: WriterTable,
    pub(crate) brought: Brought,
    /// Damage to files that another copy made good.
    pub(crate) damage: Vec<Error>,
}

/// Reads the tables that a version names.
///
/// # Errors
/// `Corrupt` if no copy of one is valid.
pub(crate) fn load(vfs: &dyn Vfs, paths: &Paths, manifest: &Manifest) -> Result<LoadedTable> {
    load_tables(vfs, paths, manifest.writer_tables())
}

fn load_tables<'a>(
    vfs: &dyn Vfs,
    paths: &Paths,
    tables: impl Iterator<Item = &'a WriterTableRef>,
) -> Result<LoadedTable> {
    let mut all = LoadedTable::default();
    for table in tables {
        let one = load_table(vfs, paths, table)?;
        all.writers.extend(one.writers);
        all.brought.extend(one.brought);
        all.damage.extend(one.damage);
    }
    Ok(all)
}

fn load_table(vfs: &dyn Vfs, paths: &Paths, table: &WriterTableRef) -> Result<LoadedTable> {
    let path = paths.writer_table(table.id);
    let opened = two_copies::open(vfs, &path, "writers", Some(table.crc32c))?;
    let damaged = |what: String| Error::corrupt("read writer table", &path, 0, what);
    let text: TableText = serde_json::from_str(&opened.text)
        .map_err(|e| damaged(format!("its text is not a writer table: {e}")))?;
    let writers =
        text.writers.into_iter().map(|(writer, id, end)| (writer, KnownWriter { id, end })).collect();
    let frames = |(version, writer, from)| BroughtFrames { version, writer, from };
    let brought = text.brought.into_iter().map(frames).collect();
    Ok(LoadedTable { writers, brought, damage: opened.damage.map(damaged).into_iter().collect() })
}

/// Writes all writers of the next version, durably.
pub(crate) fn store(
    vfs: &dyn Vfs,
    paths: &Paths,
    next: &mut Manifest,
    writers: &WriterTable,
    brought: &Brought,
) -> Result<()> {
    next.writer_table = Some(store_table(vfs, paths, writers, brought)?);
    next.writers_added.clear();
    Ok(())
}

/// Writes the writers that the next version adds, durably, with those of the last tables where these are not much larger.
///
/// # Errors
/// Those of writing, and of reading the tables that are merged.
pub(crate) fn add(vfs: &dyn Vfs, paths: &Paths, next: &mut Manifest, added: WriterTable) -> Result<()> {
    let tables: Vec<WriterTableRef> = next.writer_tables().cloned().collect();
    let entries: Vec<u64> = tables.iter().map(|table| table.writers).collect();
    let kept = tables.len() - tables_to_merge(&entries, added.len() as u64);
    let mut all = load_tables(vfs, paths, tables[kept..].iter())?;
    all.writers.extend(added);
    let table = store_table(vfs, paths, &all.writers, &all.brought)?;
    match kept.checked_sub(1) {
        None => {
            next.writer_table = Some(table);
            next.writers_added.clear();
        }
        Some(newer) => {
            next.writers_added.truncate(newer);
            next.writers_added.push(table);
        }
    }
    Ok(())
}

/// Writes a table to a new file, durably.
fn store_table(
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
    let (sealed, crc32c) = two_copies::seal_named("writers", &text);
    tidalite_vfs::publish(vfs, &paths.writers(), &tmp, &table_name(id), &sealed)?;
    let last = brought.iter().map(|b| b.version).max().unwrap_or(0);
    Ok(WriterTableRef { id, crc32c, writers: writers.len() as u64, brought: last })
}
