//! A backup, salvage or export that failed, or whose process was killed, can be repeated at once.

use std::cell::Cell;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use tidalite::{ErrorKind, FileFormat, OnDamage, Options, Result, Store};
use tidalite_vfs::{FailKind, SimFailure, SimVfs, Vfs};

const ROWS: i64 = 40;

fn options() -> Options {
    Options::new().background(false).threads(1).segment_bytes(4096, 4096).rollups(2, 4)
}

/// A store with a part, hidden points, and rows in a log.
fn make(store: &Store) {
    let run = store.run("a").start().unwrap();
    for step in 0..ROWS {
        run.log(step, &[("x", 1.0)]).unwrap();
    }
    run.rewind(ROWS - 2).unwrap();
    store.compact().unwrap();
    run.log(ROWS - 1, &[("x", 2.0)]).unwrap();
}

fn rows(store: &Store) -> i64 {
    store.select().points().unwrap().collect().unwrap().num_rows() as i64
}

fn of_disk(disk: &SimVfs, read_only: bool, path: &str) -> Result<Store> {
    options().read_only(read_only).vfs(Arc::new(disk.clone())).open(path)
}

/// All files below a folder.
fn files(disk: &SimVfs, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in disk.read_dir(folder).unwrap_or_default() {
        let path = folder.join(&name);
        match disk.stat(&path).unwrap() {
            Some(stat) if stat.is_dir => found.extend(files(disk, &path)),
            _ => found.push(path.display().to_string()),
        }
    }
    found
}

/// Makes a copy with a failure at each call in turn, and then again: at once, and after the process was killed.
fn repeated(copy: impl Fn(&SimVfs) -> Result<()>) -> (u64, u64) {
    let disk = SimVfs::new(7);
    make(&of_disk(&disk, false, "/store").unwrap());
    let (mut failed, mut steps) = (0, 0);
    for kill in [false, true] {
        for step in 0.. {
            let disk = disk.kill();
            let before = disk.steps();
            disk.set_failure(SimFailure { at_step: before + step, kind: FailKind::Eio, persist: kill });
            let made = copy(&disk);
            let ended = disk.steps() - before <= step;
            disk.clear_failure();
            if ended {
                assert!(made.is_ok(), "{made:?}");
                break;
            }
            steps += 1;
            let mut again = disk.clone();
            if made.is_err() {
                failed += 1;
                if kill {
                    again = disk.kill();
                } else {
                    assert!(
                        files(&disk, Path::new("/copy")).len() <= 1,
                        "{:?}",
                        files(&disk, Path::new("/copy"))
                    );
                }
                copy(&again)
                    .unwrap_or_else(|e| panic!("after a failure at call {step}, killed: {kill}: {e}"));
            }
            let found = of_disk(&again, false, "/copy").unwrap();
            assert_eq!(rows(&found), ROWS);
            assert!(found.verify().unwrap().is_sound());
            found.close().unwrap();
            let left: Vec<String> = files(&again, Path::new("/copy"));
            let temporary = |name: &&String| name.contains("tmp-") || name.ends_with("unfinished-copy");
            assert_eq!(left.iter().find(temporary), None);
        }
    }
    (steps, failed)
}

#[test]
fn a_backup_that_failed_at_any_call_is_made_again_at_once_and_leaves_nothing() {
    let (steps, failed) = repeated(|disk| of_disk(disk, true, "/store")?.backup("/copy"));
    crate::note(&format!(
        "dead ends: backups with a failure at {steps} calls, {failed} failed and were repeated"
    ));
    assert!(failed > 20);
}

#[test]
fn a_salvage_that_failed_at_any_call_is_made_again_at_once_and_leaves_nothing() {
    let (steps, failed) = repeated(|disk| {
        let options = options().vfs(Arc::new(disk.clone()));
        options.salvage("/store", "/copy", &|_, _| ControlFlow::Continue(())).map(drop)
    });
    crate::note(&format!(
        "dead ends: salvages with a failure at {steps} calls, {failed} failed and were repeated"
    ));
    assert!(failed > 20);
}

#[test]
fn what_a_user_has_in_the_folder_of_a_copy_is_refused_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = options().open(dir.path().join("store")).unwrap();
    make(&store);
    let to = dir.path().join("copy");
    for name in ["mine", "unfinished-copy-of-mine", "parts"] {
        fs::create_dir(&to).unwrap();
        fs::write(to.join(name), b"mine").unwrap();
        assert_eq!(store.backup(&to).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(fs::read(to.join(name)).unwrap(), b"mine");
        fs::remove_dir_all(&to).unwrap();
    }
    // Also beside what a copy has left that was killed.
    fs::create_dir_all(to.join("parts")).unwrap();
    fs::write(to.join("unfinished-copy"), b"").unwrap();
    fs::write(to.join("parts/mine"), b"mine").unwrap();
    assert_eq!(store.backup(&to).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(fs::read(to.join("parts/mine")).unwrap(), b"mine");
}

#[test]
fn two_copies_to_one_folder_do_not_mix() {
    let dir = tempfile::tempdir().unwrap();
    let store = options().open(dir.path().join("store")).unwrap();
    make(&store);
    let (to, other) = (dir.path().join("copy"), Cell::new(None));
    store
        .backup_with(&to, OnDamage::Error, &|_, _| {
            other.set(Some(store.backup(&to).unwrap_err().kind()));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(other.get(), Some(ErrorKind::Busy));
    assert_eq!(rows(&options().open(&to).unwrap()), ROWS);
    assert_eq!(store.backup(&to).unwrap_err().kind(), ErrorKind::Invalid, "it is finished");
}

#[test]
fn a_copy_into_the_store_is_refused_whatever_links_lead_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = options().open(&path).unwrap();
    make(&store);
    store.close().unwrap();
    symlink(path.join("parts"), dir.path().join("link")).unwrap();
    symlink(&path, dir.path().join("whole")).unwrap();
    let before = fs::read_dir(path.join("parts")).unwrap().count();
    for to in ["store/copy", "link/copy", "whole/a/b", "link/../copy", "link"] {
        let to = dir.path().join(to);
        for read_only in [true, false] {
            let store = options().read_only(read_only).open(&path).unwrap();
            let e = store.backup(&to).unwrap_err();
            assert!(e.kind() == ErrorKind::Invalid && e.to_string().contains("in the store"), "{to:?}: {e}");
        }
        let e = Store::salvage(&path, &to).unwrap_err();
        assert!(e.kind() == ErrorKind::Invalid && e.to_string().contains("in the store"), "{to:?}: {e}");
    }
    assert_eq!(fs::read_dir(path.join("parts")).unwrap().count(), before);
    assert!(!path.join("copy").exists() && !path.join("a").exists());
}

#[test]
fn salvage_of_a_missing_folder_advises_to_give_the_right_one() {
    let dir = tempfile::tempdir().unwrap();
    let e = Store::salvage(dir.path().join("missing"), dir.path().join("new")).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
    assert!(e.to_string().contains("give the folder of the damaged store"), "{e}");
    assert!(!e.to_string().contains("for writing") && !dir.path().join("new").exists(), "{e}");
}

#[test]
fn an_export_removes_what_killed_exports_have_left_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = options().open(dir.path().join("store")).unwrap();
    make(&store);
    let there = |name: &str| dir.path().join(name);
    let (dead, alive) = (there(".tidalite-export-dead.tmp"), there(".tidalite-export-alive.tmp"));
    for path in [&dead, &alive, &there("mine.tmp")] {
        fs::write(path, b"left").unwrap();
    }
    // Another export writes it.
    let locked = fs::File::open(&alive).unwrap();
    locked.lock().unwrap();
    store.select().export(there("points.csv"), FileFormat::Csv).unwrap();
    assert!(!dead.exists() && alive.exists() && there("mine.tmp").exists() && there("points.csv").exists());
    drop(locked);
    store.select().export(there("points.csv"), FileFormat::Csv).unwrap();
    assert!(!alive.exists());
}
