//! A handle means the store that it opened: wherever the process goes, wherever the folder is moved, and whatever takes
//! its place.
//!
//! Method: real folders that are moved, deleted, replaced and restored under open handles. The current folder belongs to a
//! process, so that test is a role of its own process.

use crate::process::{Player, say};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use tidalite::{Durability, Error, ErrorKind, Follow, Options, Result, Run, Store};

fn options() -> Options {
    Options::new().threads(1).background(false).segment_bytes(4096, 64 << 10)
}

fn ids(store: &Store) -> Vec<String> {
    store.runs().unwrap().into_iter().map(|run| run.id).collect()
}

/// A store at `path` with one run of this id and one row, closed.
fn make(path: &Path, run: &str) {
    let store = options().open(path).unwrap();
    store.run(run).start().unwrap().log(0, &[("x", 1.0)]).unwrap();
    store.close().unwrap();
}

/// Opens stores by relative paths and changes the current folder in between.
pub(crate) fn wanderer(dir: &Path) {
    let go = |job: &str| std::env::set_current_dir(dir.join(job)).unwrap();
    for job in ["job1", "job2"] {
        fs::create_dir(dir.join(job)).unwrap();
    }
    go("job2");
    make(Path::new("metrics"), "other");
    go("job1");
    let store = options().open("metrics").unwrap();
    assert_eq!(store.path(), std::env::current_dir().unwrap().join("metrics"));
    let run = store.run("live").start().unwrap();
    run.log(0, &[("x", 1.0)]).unwrap();
    go("job2");
    // Many segments.
    for step in 1..5000 {
        run.log(step, &[("x", 1.0)]).unwrap();
    }
    assert_eq!(ids(&store), ["live"]);
    store.compact().unwrap();
    store.backup("copy").unwrap();
    let select = |store: &Store| store.select().points().unwrap().collect().unwrap().num_rows();
    assert_eq!((select(&store), ids(&store)), (5000, vec!["live".to_string()]));
    store.close().unwrap();
    assert_eq!(ids(&options().open(dir.join("job2/metrics")).unwrap()), ["other"]);
    assert_eq!(ids(&options().open(dir.join("job2/copy")).unwrap()), ["live"]);
    say("done");
}

#[test]
fn a_relative_path_means_the_folder_of_the_time_when_it_was_opened() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Player::start("wanderer", dir.path(), "").end(), ["done"]);
}

#[test]
fn a_moved_store_goes_on_and_the_one_that_takes_its_place_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    let store = options().open(&old).unwrap();
    let reader = options().read_only(true).open(&old).unwrap();
    let mut follow = reader.select().follow().unwrap();
    let run = store.run("a").start().unwrap();
    run.log(0, &[("x", 1.0)]).unwrap();
    fs::rename(&old, &new).unwrap();
    make(&old, "other");
    for step in 1..2000 {
        run.log(step, &[("x", 1.0)]).unwrap();
    }
    let seen: usize = follow.poll().unwrap().iter().map(|b| b.num_rows()).sum();
    assert_eq!((seen, ids(&reader), ids(&store)), (2000, vec!["a".into()], vec!["a".into()]));
    store.flush().unwrap();
    run.finish().unwrap();
    store.close().unwrap();
    assert_eq!(ids(&options().open(&old).unwrap()), ["other"]);
    let moved = options().open(&new).unwrap();
    assert_eq!(moved.select().points().unwrap().collect().unwrap().num_rows(), 2000);
}

/// The open handles of a store that is about to be lost.
struct Handles {
    store: Store,
    reader: Store,
    follow: Follow,
    run: Run,
}

impl Handles {
    fn open(path: &Path, options: Options) -> Handles {
        let store = options.open(path).unwrap();
        let reader = self::options().read_only(true).open(path).unwrap();
        let run = store.run("lost").start().unwrap();
        run.log(0, &[("x", 1.0)]).unwrap();
        store.flush().unwrap();
        run.log(1, &[("x", 1.0)]).unwrap();
        let mut follow = reader.select().follow().unwrap();
        assert_eq!(follow.poll().unwrap().len(), 1);
        Handles { store, reader, follow, run }
    }

    /// Every call gives the one error.
    fn check(mut self, elsewhere: &Path) {
        let gone = |what: &str, kind: ErrorKind, e: Error| {
            assert_eq!(e.kind(), kind, "{what}: {e}");
            assert!(e.to_string().contains("is gone, or another one is in its place"), "{what}: {e}");
            assert!(e.to_string().contains(self.store.path().to_str().unwrap()), "{what}: {e}");
        };
        let reads: [(&str, Result<()>); 11] = [
            ("snapshot", self.reader.snapshot().map(drop)),
            ("select", self.reader.select().points().map(drop)),
            ("runs", self.store.runs().map(drop)),
            ("follow", self.follow.poll().map(drop)),
            ("verify", self.reader.verify().map(drop)),
            ("recovery", self.reader.recovery().map(drop)),
            ("backup", self.reader.backup(elsewhere)),
            ("flush", self.store.flush().map(drop)),
            ("compact", self.store.compact().map(drop)),
            ("start", self.store.run("new").start().map(drop)),
            ("sync", self.store.sync()),
        ];
        for (what, done) in reads {
            gone(what, ErrorKind::NotFound, done.expect_err(what));
        }
        // A row takes microseconds, so the segment is soon full.
        let start = Instant::now();
        let e = loop {
            match self.run.log(None, &[("x", 1.0)]) {
                Ok(_) => assert!(start.elapsed() < Duration::from_secs(30), "rows are still accepted"),
                Err(e) => break e,
            }
        };
        gone("log", ErrorKind::Poisoned, e);
        gone("log again", ErrorKind::Poisoned, self.run.log(5, &[("x", 1.0)]).expect_err("log"));
        gone("close", ErrorKind::Poisoned, self.store.close().expect_err("close"));
    }
}

#[test]
fn after_a_store_is_deleted_each_call_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let handles = Handles::open(&path, options());
    fs::remove_dir_all(&path).unwrap();
    handles.check(&dir.path().join("copy"));
    assert!(!path.exists(), "nothing is created in its place");
}

#[test]
fn a_store_that_was_deleted_and_created_anew_is_neither_read_nor_written_by_old_handles() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    for in_place in [false, true] {
        let handles = Handles::open(&path, options());
        if in_place {
            // The folder itself stays, as where it is a mount point.
            empty(&path);
        } else {
            fs::remove_dir_all(&path).unwrap();
        }
        make(&path, "other");
        let before = listing(&path);
        handles.check(&dir.path().join("copy"));
        assert_eq!(listing(&path), before, "in place: {in_place}");
        assert_eq!(ids(&options().open(&path).unwrap()), ["other"]);
        fs::remove_dir_all(&path).unwrap();
    }
}

#[test]
fn a_copy_of_the_same_id_that_was_put_in_its_place_is_another_store() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("store"), dir.path().join("copy"));
    make(&path, "first");
    let store = options().open(&path).unwrap();
    store.backup(&copy).unwrap();
    store.close().unwrap();
    for in_place in [false, true] {
        let handles = Handles::open(&path, options());
        let restored = dir.path().join(format!("restored-{in_place}"));
        options().open(&copy).unwrap().backup(&restored).unwrap();
        if in_place {
            empty(&path);
            for name in listing(&restored).iter().filter(|n| !n.contains('/')) {
                fs::rename(restored.join(name), path.join(name)).unwrap();
            }
        } else {
            fs::remove_dir_all(&path).unwrap();
            fs::rename(&restored, &path).unwrap();
        }
        let before = listing(&path);
        handles.check(&dir.path().join(format!("elsewhere-{in_place}")));
        assert_eq!(listing(&path), before);
        assert_eq!(ids(&options().open(&path).unwrap()), ["first"]);
    }
}

#[test]
fn the_background_notices_within_seconds_that_the_store_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = Options::new().flush_bytes(1).open(&path).unwrap();
    let run = store.run("lost").start().unwrap();
    run.log(0, &[("x", 1.0)]).unwrap();
    // A flush may add a file meanwhile; then the folder is not empty, and is removed again.
    while fs::remove_dir_all(&path).is_err_and(|e| e.kind() == std::io::ErrorKind::DirectoryNotEmpty) {}
    make(&path, "other");
    let before = listing(&path);
    let start = Instant::now();
    // So few rows that no segment fills.
    while run.log(None, &[("x", 1.0)]).is_ok() {
        assert!(start.elapsed() < Duration::from_secs(30), "rows are still accepted");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(run.log(None, &[("x", 1.0)]).unwrap_err().kind(), ErrorKind::Poisoned);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(listing(&path), before);
}

/// What the background does may fail, or have nothing to do for long: it still looks whether the store is there.
#[test]
fn a_deleted_store_is_noticed_also_while_background_work_fails_and_rows_are_said_to_be_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let day = Duration::from_secs(86_400);
    let store = Options::new().durability(Durability::Interval(day)).flush_bytes(1).open(&path).unwrap();
    let run = store.run("lost").start().unwrap();
    run.log(0, &[("x", 1.0)]).unwrap();
    // No flush can succeed, so the background waits for long before it tries again.
    fs::rename(path.join("parts"), path.join("moved")).unwrap();
    fs::write(path.join("parts"), b"").unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    fs::remove_dir_all(&path).unwrap();
    let start = Instant::now();
    let e = loop {
        match run.log(None, &[("x", 1.0)]) {
            Err(e) => break e,
            Ok(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    assert_eq!(e.kind(), ErrorKind::Poisoned);
    assert!(e.to_string().contains("what was accepted and was not flushed is lost"), "{e}");
    // It is looked up each second. Without that, ten seconds would pass.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(store.reopen().unwrap_err().kind(), ErrorKind::NotFound);
}

fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { fs::remove_dir_all(&path).unwrap() } else { fs::remove_file(&path).unwrap() }
    }
}

/// All paths below a folder, sorted.
fn listing(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, prefix: &str, into: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            into.push(name.clone());
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{name}/"), into);
            }
        }
    }
    let mut names = Vec::new();
    walk(folder, "", &mut names);
    names.sort();
    names
}
