//! The run table: the state of every run after all flushed run changes, in files that a manifest version names.
//!
//! A flush with run changes writes a table with the runs that changed, and merges it with the last ones where these are not
//! much larger. So a flush costs as much as it changes, however many runs there are. A record in a later table replaces those
//! in earlier ones. A table is deleted when no version names it.
//!
//! A file has one line for each run, ascending by id, so that one record is found without parsing the others.

use super::manifest::{Manifest, RunTableRef, tables_to_merge};
use super::paths::{Paths, table_name};
use super::run_row::{RunRow, from_row, to_row};
use super::two_copies;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use tidalite_model::{Error, Result, RunChange, RunRecord, WriteOrder};
use tidalite_vfs::Vfs;

/// How a row begins, up to the run's id.
const ROW_START: &str = "{\"run\":";

/// Records by run id. They are shared: of a hundred thousand runs of bulk data most have the same empty record, and a copy of
/// the table copies no record.
pub(crate) type RunTable = BTreeMap<String, Arc<RunRecord>>;

/// Applies the changes of several logs, each log's in order. Deletions are applied first, wherever they are: a change
/// written after a deletion must not compete with a deleted value in the record.
pub(crate) fn apply<'a>(
    runs: &mut RunTable,
    changes: impl Iterator<Item = &'a (WriteOrder, String, RunChange)> + Clone,
) {
    let deletes = |c: &&(WriteOrder, String, RunChange)| matches!(c.2, RunChange::Delete { .. });
    for (order, run, change) in changes.clone().filter(deletes).chain(changes) {
        Arc::make_mut(runs.entry(run.clone()).or_default()).apply(*order, change);
    }
}

/// Reads all runs of a version, and returns the damage to files of which a valid copy is left.
pub(crate) fn load(vfs: &dyn Vfs, paths: &Paths, manifest: &Manifest) -> Result<(RunTable, Vec<Error>)> {
    let (mut runs, mut damage) = (RunTable::new(), Vec::new());
    for table in manifest.run_tables() {
        damage.extend(load_onto(&mut runs, vfs, paths, table)?);
    }
    Ok((runs, damage))
}

/// Reads the runs of those tables of a version that can be read, and returns what is wrong with the others.
pub(crate) fn load_sound(vfs: &dyn Vfs, paths: &Paths, manifest: &Manifest) -> (RunTable, Vec<Error>) {
    let (mut runs, mut wrong) = (RunTable::new(), Vec::new());
    for table in manifest.run_tables() {
        wrong.extend(load_onto(&mut runs, vfs, paths, table).err());
    }
    (runs, wrong)
}

/// Reads one table on top of older ones, and returns the damage to its file, if any.
pub(crate) fn load_onto(
    runs: &mut RunTable,
    vfs: &dyn Vfs,
    paths: &Paths,
    table: &RunTableRef,
) -> Result<Option<Error>> {
    let path = paths.run_table(table.id);
    let opened = two_copies::open(vfs, &path, "runs", Some(table.crc32c))?;
    let wrong = |e: serde_json::Error| no_table(&path, &e);
    let empty = Arc::new(RunRecord::default());
    let shared = |row| {
        let (id, record) = checked(&path, row)?;
        Ok((id, if record == *empty { empty.clone() } else { Arc::new(record) }))
    };
    // Collected, since a map to which ascending keys are added one by one leaves a third of its memory unused.
    let read: Result<RunTable> = match lines_of(&opened.text) {
        // Line by line: all rows at once would take as much memory as the records.
        Some(lines) => lines.map(|line| shared(serde_json::from_str(line).map_err(wrong)?)).collect(),
        None => {
            let rows: Vec<RunRow> = serde_json::from_str(&opened.text).map_err(wrong)?;
            rows.into_iter().map(shared).collect()
        }
    };
    let mut read = read?;
    match runs.is_empty() {
        true => *runs = read,
        false => runs.append(&mut read),
    }
    Ok(opened.damage.map(|what| Error::corrupt("read run table", &path, 0, what)))
}

/// The records of these runs, as far as a version has them. Other runs are not parsed, and damage that leaves a valid copy is
/// not reported.
pub(crate) fn records<'a>(
    vfs: &dyn Vfs,
    paths: &Paths,
    manifest: &Manifest,
    ids: impl Iterator<Item = &'a str>,
) -> Result<RunTable> {
    let mut missing: BTreeSet<&str> = ids.collect();
    let mut found = RunTable::new();
    for table in manifest.run_tables().rev() {
        if missing.is_empty() {
            break;
        }
        let path = paths.run_table(table.id);
        let text = two_copies::open_either(vfs, &path, "runs", Some(table.crc32c))?;
        for row in rows_of(&text, &missing).map_err(|e| no_table(&path, &e))? {
            let (id, record) = checked(&path, row)?;
            missing.remove(id.as_str());
            found.insert(id, Arc::new(record));
        }
    }
    Ok(found)
}

/// The lines of a table's text, each with one row, if it is written in the usual way.
fn lines_of(text: &str) -> Option<impl Iterator<Item = &str>> {
    let rows = text.strip_prefix("[\n")?.strip_suffix("\n]")?;
    let rows = rows.lines().filter(|line| !line.is_empty());
    Some(rows.map(|line| line.strip_suffix(',').unwrap_or(line)))
}

/// The rows of these runs in the text of a table.
fn rows_of(text: &str, ids: &BTreeSet<&str>) -> serde_json::Result<Vec<RunRow>> {
    let Some(rows) = text.strip_prefix("[\n").and_then(|rows| rows.strip_suffix("\n]")) else {
        let mut rows: Vec<RunRow> = serde_json::from_str(text)?;
        rows.retain(|row| ids.contains(row.run.as_str()));
        return Ok(rows);
    };
    let mut found = Vec::new();
    for id in ids {
        // Lines before `lo` have lesser ids, and those from `hi` on greater ones.
        let (mut lo, mut hi) = (0, rows.len());
        while lo < hi {
            let middle = lo + (hi - lo) / 2;
            let start =
                rows.as_bytes()[lo..middle].iter().rposition(|&b| b == b'\n').map_or(lo, |at| lo + at + 1);
            let end = rows[start..].find('\n').map_or(rows.len(), |at| start + at);
            let line = &rows[start..end];
            let line = line.strip_suffix(',').unwrap_or(line);
            match id_of(line)?.as_str().cmp(id) {
                Ordering::Less => lo = (end + 1).min(hi),
                Ordering::Greater => hi = start.saturating_sub(1).max(lo),
                Ordering::Equal => {
                    found.push(serde_json::from_str(line)?);
                    break;
                }
            }
        }
    }
    Ok(found)
}

/// The id of the run that a line of a table is about: its first field.
fn id_of(line: &str) -> serde_json::Result<String> {
    if let Some(rest) = line.strip_prefix(ROW_START)
        && let Some(id) = serde_json::Deserializer::from_str(rest).into_iter::<String>().next()
    {
        return id;
    }
    serde_json::from_str(line).map(|row: RunRow| row.run)
}

fn no_table(path: &Path, e: &serde_json::Error) -> Error {
    Error::corrupt("read run table", path, 0, format!("its text is not a run table: {e}"))
}

fn checked(path: &Path, row: RunRow) -> Result<(String, RunRecord)> {
    let id = row.run.clone();
    let record = from_row(row).ok_or_else(|| {
        let what = format!("the record of run {id:?} holds an impossible value");
        Error::corrupt("read run table", path, 0, what)
    })?;
    Ok((id, record))
}

/// Writes all runs of the next version, ascending by id, durably.
pub(crate) fn store<'a>(
    vfs: &dyn Vfs,
    paths: &Paths,
    next: &mut Manifest,
    runs: impl Iterator<Item = (&'a str, Cow<'a, RunRecord>)>,
) -> Result<()> {
    next.runs = Some(store_table(vfs, paths, runs)?);
    next.runs_changed.clear();
    Ok(())
}

/// Writes the records that the next version changes, durably, with those of the last tables where these are not much larger.
pub(crate) fn add(vfs: &dyn Vfs, paths: &Paths, next: &mut Manifest, mut changed: RunTable) -> Result<()> {
    let tables: Vec<RunTableRef> = next.run_tables().cloned().collect();
    let entries: Vec<u64> = tables.iter().map(|table| table.runs).collect();
    let kept = tables.len() - tables_to_merge(&entries, changed.len() as u64);
    if kept < tables.len() {
        let mut merged = RunTable::new();
        for table in &tables[kept..] {
            load_onto(&mut merged, vfs, paths, table)?;
        }
        merged.append(&mut changed);
        changed = merged;
    }
    let table = store_table(vfs, paths, borrowed(&changed))?;
    match kept.checked_sub(1) {
        None => {
            next.runs = Some(table);
            next.runs_changed.clear();
        }
        Some(newer) => {
            next.runs_changed.truncate(newer);
            next.runs_changed.push(table);
        }
    }
    Ok(())
}

/// The records of a table, as they are written.
pub(crate) fn borrowed(runs: &RunTable) -> impl Iterator<Item = (&str, Cow<'_, RunRecord>)> {
    runs.iter().map(|(id, record)| (id.as_str(), Cow::Borrowed(&**record)))
}

/// Writes a table to a new file, durably.
fn store_table<'a>(
    vfs: &dyn Vfs,
    paths: &Paths,
    runs: impl Iterator<Item = (&'a str, Cow<'a, RunRecord>)>,
) -> Result<RunTableRef> {
    let id = vfs.uuid();
    let (mut text, mut count) = (String::from("[\n"), 0);
    for (run, record) in runs {
        if count > 0 {
            text.push_str(",\n");
        }
        text.push_str(&serde_json::to_string(&to_row(run, &record)).expect("a run table is plain data"));
        count += 1;
    }
    text.push_str("\n]");
    let tmp = format!("tmp-{}", id.simple());
    let (sealed, crc32c) = two_copies::seal_named("runs", &text);
    tidalite_vfs::publish(vfs, &paths.runs(), &tmp, &table_name(id), &sealed)?;
    Ok(RunTableRef { id, crc32c, runs: count })
}

/// Whether a table holds the same of both records. (As numbers, a param that is NaN would differ from itself.)
pub(crate) fn is_same(a: &RunRecord, b: &RunRecord) -> bool {
    let text = |r: &RunRecord| serde_json::to_string(&to_row("", r)).expect("a record is plain data");
    a == b || text(a) == text(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidalite_model::{Labels, Moment, Rewind, Seq};
    use tidalite_vfs::SimVfs;
    use uuid::Uuid;

    fn record(step: i64) -> Arc<RunRecord> {
        let mut record = RunRecord::default();
        let rewind = Rewind { step, before: Moment::default(), labels: Labels::none(), metrics: Vec::new() };
        record.rewinds.insert(Seq::new(1, 0), rewind);
        Arc::new(record)
    }

    #[test]
    fn a_record_is_found_in_the_last_table_that_has_it() {
        let vfs = SimVfs::new(1);
        let paths = Paths::new(Path::new("/s"));
        for folder in [paths.root().to_path_buf(), paths.runs()] {
            vfs.create_dir(&folder).unwrap();
        }
        let mut manifest = Manifest::first(Uuid::nil(), 0);
        let awkward = ["", "\"quoted\", a", "back\\slash", "line\nfeed", "\u{1f40b}", "z"];
        let mut expected = RunTable::new();
        for round in 0..40 {
            let ids = awkward.iter().map(|id| (*id).to_string()).chain((0..300).map(|i| format!("run-{i}")));
            let changed: RunTable = match round {
                0 => ids.map(|id| (id, record(0))).collect(),
                _ => ids.skip(round * 7).take(9).map(|id| (id, record(round as i64))).collect(),
            };
            expected.extend(changed.clone());
            add(&vfs, &paths, &mut manifest, changed).unwrap();
            let (runs, damage) = load(&vfs, &paths, &manifest).unwrap();
            assert!(runs == expected && damage.is_empty(), "round {round}");
            let wanted = awkward.into_iter().chain(["run-5", "run-28", "run-299", "run-300", "absent"]);
            let found = records(&vfs, &paths, &manifest, wanted.clone()).unwrap();
            let of_all: RunTable =
                wanted.filter_map(|id| Some((id.to_string(), expected.get(id)?.clone()))).collect();
            assert!(found == of_all, "round {round}");
        }
        assert!((2..6).contains(&manifest.run_tables().count()), "{:?}", manifest.runs_changed);
        store(&vfs, &paths, &mut manifest, borrowed(&expected)).unwrap();
        assert_eq!(manifest.run_tables().count(), 1);
    }

    #[test]
    fn runs_without_a_record_share_one() {
        let vfs = SimVfs::new(1);
        let paths = Paths::new(Path::new("/s"));
        for folder in [paths.root().to_path_buf(), paths.runs()] {
            vfs.create_dir(&folder).unwrap();
        }
        let mut manifest = Manifest::first(Uuid::nil(), 0);
        let runs = RunTable::from(
            [("a", Arc::default()), ("b", record(1)), ("c", Arc::default())]
                .map(|(id, r)| (id.to_string(), r)),
        );
        add(&vfs, &paths, &mut manifest, runs.clone()).unwrap();
        let (read, _) = load(&vfs, &paths, &manifest).unwrap();
        assert_eq!(read, runs);
        assert!(Arc::ptr_eq(&read["a"], &read["c"]));
    }

    #[test]
    fn a_record_is_found_in_a_table_without_line_feeds() {
        let text = r#"[{"run":"a"},{"run":"b","tags":{"x":[true,0,0]}}]"#;
        let found = rows_of(text, &BTreeSet::from(["b", "c"])).unwrap();
        assert_eq!(found.iter().map(|row| row.run.as_str()).collect::<Vec<_>>(), ["b"]);
    }
}
