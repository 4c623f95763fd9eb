//! The writer table: which writers wrote what the store holds, of those that have no folder in its log any more. It is a
//! file that a manifest version names.
//!
//! A writer's uuid is the same in every copy of the store, and its number is not: so this table says what two stores have
//! in common. Only a merge and a backup read it.
//!
//! Invariant: the store holds, or held and dropped, exactly the frames of a writer below its end.

use super::manifest::WriterTableRef;
use super::paths::{Paths, table_name};
use super::two_copies;
use std::collections::BTreeMap;
use tidalite_model::{Error, Result};
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

/// Reads the table that a version names, and returns the damage to its file, if any.
pub(crate) fn load(
    vfs: &dyn Vfs,
    paths: &Paths,
    table: Option<&WriterTableRef>,
) -> Result<(WriterTable, Option<Error>)> {
    let Some(table) = table else { return Ok((WriterTable::new(), None)) };
    let path = paths.writer_table(table.id);
    let opened = two_copies::open(vfs, &path, "writers")?;
    let damaged = |what: String| Error::corrupt("read writer table", &path, 0, what);
    let rows: Vec<(u32, Uuid, u64)> = serde_json::from_str(&opened.text)
        .map_err(|e| damaged(format!("its text is not a writer table: {e}")))?;
    let writers = rows.into_iter().map(|(writer, id, end)| (writer, KnownWriter { id, end })).collect();
    Ok((writers, opened.damage.map(damaged)))
}

/// Writes a table to a new file, durably.
pub(crate) fn store(vfs: &dyn Vfs, paths: &Paths, writers: &WriterTable) -> Result<WriterTableRef> {
    let id = vfs.uuid();
    let rows: Vec<(u32, Uuid, u64)> = writers.iter().map(|(writer, w)| (*writer, w.id, w.end)).collect();
    let text = serde_json::to_string(&rows).expect("a writer table is plain data");
    let tmp = format!("tmp-{}", id.simple());
    let sealed = two_copies::seal("writers", &text);
    tidalite_vfs::publish(vfs, &paths.writers(), &tmp, &table_name(id), &sealed)?;
    Ok(WriterTableRef { id, writers: writers.len() as u64 })
}
