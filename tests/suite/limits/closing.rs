//! Calls after a store is closed, and backups.

use super::refusal::{new_store, one_row, options, refused, still_works};
use std::path::Path;
use tidalite::ErrorKind;
use tidalite_testkit::{points, sound};

#[test]
fn nothing_works_after_close_and_it_says_so() {
    let (_dir, path, store) = new_store();
    let run = store.run("r").start().unwrap();
    let metric = run.metric("x").unwrap();
    metric.log(1, 1.0).unwrap();
    let (snapshot, clone) = (store.snapshot().unwrap(), store.clone());
    store.close().unwrap();
    let closed = ["closed", "open it again"];
    refused(clone.run("r").start(), ErrorKind::Invalid, &closed);
    refused(store.snapshot(), ErrorKind::Invalid, &closed);
    refused(store.select().points().map(|_| ()), ErrorKind::Invalid, &closed);
    refused(store.flush(), ErrorKind::Invalid, &closed);
    refused(store.compact(), ErrorKind::Invalid, &closed);
    refused(store.sync(), ErrorKind::Invalid, &closed);
    refused(store.append(&one_row()), ErrorKind::Invalid, &closed);
    refused(store.verify(), ErrorKind::Invalid, &closed);
    refused(store.close(), ErrorKind::Invalid, &closed);
    refused(run.log(2, &[("x", 1.0)]), ErrorKind::Invalid, &closed);
    refused(metric.log(2, 1.0), ErrorKind::Invalid, &closed);
    refused(run.finish(), ErrorKind::Invalid, &closed);
    assert_eq!(points(&snapshot.select()).unwrap().len(), 1, "a snapshot owns what it needs");
    let again = options().open(&path).unwrap();
    assert_eq!(points(&again.select()).unwrap().len(), 1);
    let ended = again.run("r").start().unwrap();
    ended.finish().unwrap();
    refused(ended.log(3, &[("x", 1.0)]), ErrorKind::Invalid, &["\"r\"", "ended", "start it again"]);
    still_works(&again);
}

#[test]
fn a_backup_needs_an_empty_folder_and_a_cut_one_is_not_a_store() {
    let (dir, path, store) = new_store();
    let run = store.run("r").start().unwrap();
    for step in 0..50 {
        run.log(step, &[("x", step as f64)]).unwrap();
    }
    store.flush().unwrap();
    for step in 50..80 {
        run.log(step, &[("x", step as f64)]).unwrap();
    }
    refused(
        store.backup(&path),
        ErrorKind::Invalid,
        &["is in the store that would be copied", path.to_str().unwrap()],
    );
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    refused(store.backup(&file), ErrorKind::Invalid, &["is a file"]);
    let copy = dir.path().join("copy");
    store.backup(&copy).unwrap();
    let copied = options().open(&copy).unwrap();
    assert_eq!(points(&copied.select()).unwrap(), points(&store.select()).unwrap());
    sound(&copied.verify().unwrap()).unwrap();
    still_works(&copied);
    assert_eq!(points(&store.select()).unwrap().len(), 80, "the original is unchanged");
    std::fs::remove_file(copy.join("TIDALITE")).unwrap();
    refused(options().read_only(true).open(&copy), ErrorKind::Invalid, &["not a tidalite store"]);
    let part = std::fs::read_dir(path.join("parts")).unwrap().next().unwrap().unwrap().path();
    let mut bad = std::fs::read(&part).unwrap();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    std::fs::write(&part, bad).unwrap();
    let other = dir.path().join("other");
    refused(store.backup(&other), ErrorKind::Corrupt, &[part.file_name().unwrap().to_str().unwrap()]);
    assert!(!Path::new(&other).join("TIDALITE").exists(), "a backup keeps no damage");
}
