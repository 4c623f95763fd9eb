//! Long work ends early when its caller says so or the store is closed, and leaves nothing half done. Short jobs do not
//! leave their logs to others without end.

use std::ops::ControlFlow::{self, Break, Continue};
use std::path::Path;
use tidalite::{ErrorKind, Import, Merge, OnDamage, Options, Repeats, Store, Thin};
use tidalite_testkit::{Question, points, select};

fn options() -> Options {
    Options::new().background(false).threads(1).tile_rows(64)
}

/// A store with two parts of many tiles, and rows in the log.
fn store(path: &Path) -> Store {
    let store = options().open(path).unwrap();
    for part in 0..3 {
        let run = store.run("r").start().unwrap();
        for step in 0..600 {
            run.log(1000 * part + step, &[("a", step as f64), ("b", 1.0)]).unwrap();
        }
        run.finish().unwrap();
        if part < 2 {
            store.flush().unwrap();
        }
    }
    store
}

fn count(store: &Store) -> usize {
    points(&select(store.select(), &Question::all(Repeats::All))).unwrap().len()
}

fn files(path: &Path) -> Vec<String> {
    let names = |folder: &str| {
        let entries = std::fs::read_dir(path.join(folder)).into_iter().flatten();
        entries.map(move |e| e.unwrap().file_name().into_string().unwrap())
    };
    ["parts", "hidden", "series", "rollups", "runs", "manifest"].into_iter().flat_map(names).collect()
}

/// Calls some work that its caller ends at the n-th report, for each n until the work is done before.
fn end_at_each_report(work: impl Fn(&Store, &dyn Fn() -> ControlFlow<()>) -> tidalite::Result<()>) {
    for n in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let store = store(&path);
        let reports = std::cell::Cell::new(0);
        let ask = || {
            reports.set(reports.get() + 1);
            if reports.get() > n { Break(()) } else { Continue(()) }
        };
        let done = work(&store, &ask);
        if done.is_ok() {
            assert!(n > 2, "ended by report {n}, so it reports too rarely");
            return;
        }
        assert_eq!(done.unwrap_err().kind(), ErrorKind::Cancelled, "report {n}");
        assert_eq!(count(&store), 3600, "report {n}");
        store.flush().unwrap();
        assert_eq!(count(&store), 3600, "report {n}");
        assert!(store.verify().unwrap().is_sound());
        let listed = files(&path);
        assert!(!listed.iter().any(|name| name.starts_with("tmp-")), "{listed:?}");
        work(&store, &|| Continue(())).unwrap();
    }
}

#[test]
fn a_flush_ends_between_tiles() {
    end_at_each_report(|store, ask| store.flush_with(&|_| ask()).map(drop));
}

#[test]
fn a_flush_that_was_ended_leaves_no_file_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let before = files(dir.path());
    let seen = std::cell::Cell::new(0);
    let ended = store.flush_with(&|points| {
        seen.set(seen.get() + points);
        if seen.get() > 300 { Break(()) } else { Continue(()) }
    });
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(files(dir.path()), before);
}

#[test]
fn a_compaction_ends_between_tiles() {
    end_at_each_report(|store, ask| store.compact_with(&|_, _| ask()).map(drop));
}

#[test]
fn thinning_ends_between_tiles_and_series() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let what = Thin::new().run("r").buckets(10);
    assert_eq!(store.thin_with(&what, &|_, _| Break(())).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(count(&store), 3600);
    assert!(store.thin(&what).unwrap().kept < 3600);
}

#[test]
fn a_backup_that_was_ended_leaves_an_empty_folder_that_can_be_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("s"));
    let copy = dir.path().join("copy");
    for n in 0.. {
        let reports = std::cell::Cell::new(0);
        let ended = store.backup_with(&copy, OnDamage::Error, &|_, _| {
            reports.set(reports.get() + 1);
            if reports.get() > n { Break(()) } else { Continue(()) }
        });
        match ended {
            Err(e) => assert_eq!(e.kind(), ErrorKind::Cancelled),
            Ok(_) => break,
        }
        assert_eq!(std::fs::read_dir(&copy).unwrap().count(), 0, "after report {n}");
    }
    assert_eq!(count(&options().read_only(true).open(&copy).unwrap()), 3600);
}

#[test]
fn merging_stores_and_importing_end_between_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let from = store(&dir.path().join("from"));
    let into = options().open(dir.path().join("into")).unwrap();
    let ended = into.merge_with(from.path(), &Merge::new(), &|_, _| Break(()));
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(count(&into), 0);
    into.merge(from.path()).unwrap();
    assert_eq!(count(&into), 3600);
    let file = dir.path().join("points.csv");
    std::fs::write(&file, "run,step,loss\na,0,0.5\n").unwrap();
    let ended = into.import_with(&file, &Import::new(), &|_, _| Break(()));
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn closing_the_store_ends_the_work_of_other_threads() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let ended = store.compact_with(&|_, _| {
        // Any thread may close it; here, the one that is told.
        let _ = store.close();
        Continue(())
    });
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    let again = options().open(dir.path()).unwrap();
    assert_eq!(count(&again), 3600);
    assert!(again.verify().unwrap().is_sound());
}

#[test]
fn short_jobs_do_not_leave_their_logs_without_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    for job in 0..150 {
        let store = Options::new().threads(1).open(&path).unwrap();
        let run = store.run(format!("job-{job}")).start().unwrap();
        for step in 0..50 {
            run.log(step, &[("a", 1.0)]).unwrap();
        }
        run.finish().unwrap();
        store.close().unwrap();
        let folders = std::fs::read_dir(path.join("log")).unwrap().count();
        assert!(folders <= 33, "{folders} folders after job {job}");
    }
    let reader = options().read_only(true).open(&path).unwrap();
    assert_eq!(count(&reader), 150 * 50);
    assert!(reader.stats().unwrap().parts <= 12);
}
