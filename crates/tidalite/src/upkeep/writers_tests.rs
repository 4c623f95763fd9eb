//! Where writers are noted whose folders are gone, and what a damaged table of them hinders.

use super::writers::note;
use crate::engine::options::Options;
use crate::engine::store::Store;
use crate::files::manifest::{self, Manifest};
use crate::files::writer_table::{self, KnownWriter, WriterTable};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidalite_model::ErrorKind;
use tidalite_vfs::{SimVfs, Vfs};
use uuid::Uuid;

fn open(disk: &SimVfs) -> Store {
    Options::new().background(false).threads(1).vfs(Arc::new(disk.clone())).open("/store").unwrap()
}

fn log(store: &Store, id: &str) {
    store.run(id).start().unwrap().log(0, &[("x", 1.0)]).unwrap();
}

fn newest(store: &Store) -> Manifest {
    let state = store.state().unwrap();
    manifest::latest(&*state.vfs, &state.paths).unwrap().manifest
}

fn tables(disk: &SimVfs) -> Vec<PathBuf> {
    let folder = Path::new("/store/writers");
    disk.read_dir(folder).unwrap().into_iter().map(|name| folder.join(name)).collect()
}

/// A store in which the writer of `a` is in the writer table, and the folder of the writer of `b` is gone.
fn store() -> (SimVfs, Store) {
    let disk = SimVfs::new(1);
    for id in ["a", "b"] {
        let store = open(&disk);
        log(&store, id);
        store.flush().unwrap();
        store.close().unwrap();
        // Its folder goes with this flush.
        open(&disk).flush().unwrap();
    }
    let store = open(&disk);
    assert_eq!(tables(&disk).len(), 1, "of the first one, by the flush of the second");
    (disk, store)
}

fn ruin(disk: &SimVfs, path: &Path) -> Vec<u8> {
    let file = disk.open(path).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(0, &mut bytes).unwrap();
    replace(disk, path, b"no table");
    bytes
}

fn replace(disk: &SimVfs, path: &Path, bytes: &[u8]) {
    disk.remove(path).unwrap();
    disk.create(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_flush_goes_on_with_a_damaged_writer_table_and_keeps_the_writers_in_the_manifest() {
    let (disk, store) = store();
    let table = tables(&disk).remove(0);
    let sound = ruin(&disk, &table);
    log(&store, "c");
    assert_eq!(store.flush().unwrap().points, 1);
    let (before, c) = (newest(&store), store.snapshot().unwrap().run("b").unwrap());
    assert_eq!((&*c.id, store.runs().unwrap().len()), ("b", 3));
    assert_eq!(before.writers.len(), 2, "the writer of `b`, and the one that lives: {:?}", before.writers);
    assert_eq!(tables(&disk), std::slice::from_ref(&table), "no other table was written");
    assert!(!store.verify().unwrap().is_sound());
    // With the table as it was, the next flush moves the writer.
    replace(&disk, &table, &sound);
    log(&store, "d");
    store.flush().unwrap();
    let after = newest(&store);
    assert_eq!((after.writers.len(), after.writer_next), (1, before.writer_next.max(2)));
    let state = store.state().unwrap();
    let known = writer_table::load(&*state.vfs, &state.paths, &after).unwrap().writers;
    assert_eq!(known.len(), 2);
    assert!(store.verify().unwrap().is_sound());
}

#[test]
fn what_a_merge_has_learned_is_never_left_out_because_of_a_damaged_table() {
    let (disk, store) = store();
    let state = store.state().unwrap();
    let learned = WriterTable::from([(50, KnownWriter { id: Uuid::from_u128(50), end: 9 })]);
    let mut next = newest(&store);
    note(state, &mut next, &learned).unwrap();
    assert_eq!(next.writer_next, 51);
    let brought = writer_table::brought_after(&*state.vfs, &state.paths, &next, next.version).unwrap();
    assert_eq!((brought.len(), brought[0].writer, brought[0].from), (1, 50, 0));
    // Again the same: nothing changes but that the merge is noted once more.
    note(state, &mut next, &learned).unwrap();
    let loaded = writer_table::load(&*state.vfs, &state.paths, &next).unwrap();
    assert_eq!((loaded.writers[&50].end, loaded.brought.len(), loaded.brought[1].from), (9, 2, 9));
    // Without anything new the table stays as it is.
    let table = next.writer_table.clone();
    note(state, &mut next, &WriterTable::new()).unwrap();
    assert_eq!(next.writer_table.as_ref().map(|t| t.id), table.map(|t| t.id));
    tables(&disk).iter().for_each(|path| drop(ruin(&disk, path)));
    let before = (next.writers.clone(), next.writer_next);
    note(state, &mut next, &WriterTable::new()).unwrap();
    assert_eq!((&next.writers, next.writer_next), (&before.0, before.1));
    let failed = note(state, &mut next, &learned).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Corrupt, "{failed}");
}

#[test]
fn a_writer_with_a_log_here_takes_over_how_far_a_merge_brought_it() {
    let disk = SimVfs::new(2);
    let store = open(&disk);
    log(&store, "a");
    store.flush().unwrap();
    let (state, mut next) = (store.state().unwrap(), newest(&store));
    let [entry] = &next.writers[..] else { panic!("{:?}", next.writers) };
    let (writer, known) = (entry.writer, KnownWriter { id: entry.id, end: entry.flushed + 1000 });
    note(state, &mut next, &WriterTable::from([(writer, known)])).unwrap();
    assert_eq!(next.writers[0].flushed, known.end);
    let loaded = writer_table::load(&*state.vfs, &state.paths, &next).unwrap();
    assert!(loaded.writers.is_empty() && loaded.brought.len() == 1);
}
