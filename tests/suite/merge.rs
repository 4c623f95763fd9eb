//! Merging stores: each run, field and point of either store is in the result once, the later write wins across both, a
//! second merge changes nothing, and the other store is never changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tidalite::{Merge, MergeStats, OnConflict, Options, Repeats, Run, Status, Store, Thin};
use tidalite_testkit::points;

pub(crate) fn open(path: &Path) -> Store {
    Options::new().background(false).tile_rows(64).open(path).unwrap()
}

pub(crate) fn log(run: &Run, steps: std::ops::Range<i64>, value: f64) {
    for step in steps {
        run.log(step, &[("loss", value)]).unwrap();
    }
}

/// A copy of a store's folder while nobody writes.
fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// The files of a folder and what is in them.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(contents(&path)),
            false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
        }
    }
    found
}

/// Every point that is not hidden, repeats included: run, step and value.
pub(crate) fn all(store: &Store) -> Vec<(String, i64, f64)> {
    let found = points(&store.select().repeats(Repeats::All)).unwrap();
    found.into_iter().map(|(key, p)| (key.run.to_string(), p.step, p.value)).collect()
}

fn latest(store: &Store, run: &str) -> Vec<(i64, f64)> {
    let found = points(&store.select().run(run)).unwrap();
    found.into_iter().map(|(_, p)| (p.step, p.value)).collect()
}

fn rows(run: &str, steps: std::ops::Range<i64>, value: f64) -> Vec<(String, i64, f64)> {
    steps.map(|step| (run.to_string(), step, value)).collect()
}

fn with(store: &Store, from: &Path, conflict: OnConflict) -> tidalite::Result<MergeStats> {
    store.merge_with(from, &Merge::new().on_conflict(conflict), &|_, _| std::ops::ControlFlow::Continue(()))
}

/// Merges, and checks that a second merge changes nothing, that the other store stays as it is, and that the result is
/// sound.
fn merge(store: &Store, from: &Path) -> MergeStats {
    let before = contents(from);
    let stats = store.merge(from).unwrap();
    assert_eq!(contents(from), before, "the other store is only read");
    let (version, held, runs) = (store.snapshot().unwrap().version(), all(store), store.runs().unwrap());
    let again = store.merge(from).unwrap();
    assert_eq!((again.points, again.runs_new, again.runs_changed), (0, 0, 0), "{again:?}");
    assert_eq!(store.snapshot().unwrap().version(), version, "a second merge publishes nothing");
    // As text, since a param that is NaN differs from itself.
    assert_eq!((all(store), format!("{:?}", store.runs().unwrap())), (held, format!("{runs:?}")));
    let report = store.verify().unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    stats
}

/// The ways to copy a store that lies in a folder.
fn copies(dir: &TempDir, store: &Store, way: u32) -> Store {
    let (from, to) = (dir.path().join("a"), dir.path().join("b"));
    match way % 3 {
        0 => copy_folder(&from, &to),
        1 => store.backup(&to).unwrap(),
        _ => {
            store.flush().unwrap();
            copy_folder(&from, &to);
        }
    }
    open(&to)
}

#[test]
fn two_copies_that_were_both_written_become_one() {
    for way in 0..48 {
        let dir = tempfile::tempdir().unwrap();
        let a = open(&dir.path().join("a"));
        let run = a.run("old").param("lr", 0.1).param("nan", f64::NAN).tag("x").start().unwrap();
        log(&run, 0..10, 1.0);
        run.finish().unwrap();
        let tend = |store: &Store, bit: u32| match (way / 3) & bit {
            0 => {}
            _ => drop(store.compact().unwrap()),
        };
        tend(&a, 1);
        let b = copies(&dir, &a, way);
        tend(&b, 2);
        a.edit("old").param("lr", 0.2).name("first").apply().unwrap();
        b.edit("old").param("lr", 0.3).tag("y").notes("there").apply().unwrap();
        a.edit("old").remove_tag("x").apply().unwrap();
        let run = b.run("new-b").param("seed", 7).group("g").start().unwrap();
        log(&run, 0..5, 2.0);
        run.finish().unwrap();
        let run = a.run("new-a").start().unwrap();
        log(&run, 0..5, 3.0);
        run.finish().unwrap();
        let more = b.run("old").start().unwrap();
        log(&more, 5..12, 4.0);
        more.finish().unwrap();
        tend(&a, 4);
        tend(&b, 8);
        let stats = merge(&a, b.path());
        assert_eq!((stats.runs_new, stats.runs_changed, stats.points), (1, 1, 12));
        let mut expected = rows("new-a", 0..5, 3.0);
        expected.extend(rows("new-b", 0..5, 2.0));
        expected.extend(rows("old", 0..5, 1.0));
        for step in 5..10 {
            expected.extend([("old".into(), step, 1.0), ("old".into(), step, 4.0)]);
        }
        expected.extend(rows("old", 10..12, 4.0));
        assert_eq!(all(&a), expected);
        assert_eq!(latest(&a, "old")[5..], (5..12).map(|s| (s, 4.0)).collect::<Vec<_>>());
        let runs = a.runs().unwrap();
        let old = runs.iter().find(|r| r.id == "old").unwrap();
        assert_eq!(old.params["lr"], 0.3.into(), "the edit in the copy was the later one");
        assert_eq!((old.name.as_deref(), old.notes.as_deref()), (Some("first"), Some("there")));
        assert_eq!(old.tags.iter().collect::<Vec<_>>(), ["y"]);
        assert_eq!((old.participants.len(), old.status), (2, Status::Finished));
        let new = runs.iter().find(|r| r.id == "new-b").unwrap();
        assert_eq!((&new.params["seed"], new.group.as_deref()), (&7.into(), Some("g")));
        // The other direction gives the same.
        merge(&b, a.path());
        assert_eq!((all(&b), format!("{:?}", b.runs().unwrap())), (all(&a), format!("{runs:?}")));
        a.compact().unwrap();
        assert_eq!(all(&a), expected);
    }
}

#[test]
fn stores_with_nothing_in_common_become_one_and_runs_of_one_id_are_not_mixed() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (open(&dir.path().join("a")), open(&dir.path().join("b")));
    for (store, value, own) in [(&a, 1.0, "mine"), (&b, 2.0, "yours")] {
        for id in ["run1", own] {
            let run = store.run(id).param("value", value).start().unwrap();
            log(&run, 0..3, value);
            run.finish().unwrap();
        }
    }
    let child = b.run("child").parent("run1", Some(1)).start().unwrap();
    log(&child, 2..4, 5.0);
    child.finish().unwrap();
    let before = (all(&a), a.runs().unwrap());
    let error = a.merge(b.path()).unwrap_err().to_string();
    assert!(
        error.contains("\"run1\"")
            && error.contains("rename those of the other store")
            && !error.contains("--")
            && !error.contains("yours"),
        "{error}"
    );
    assert_eq!((all(&a), a.runs().unwrap()), before, "nothing is merged");

    let suffix = || OnConflict::Suffix("-b".into());
    let stats = with(&a, b.path(), suffix()).unwrap();
    assert_eq!(stats.renamed, BTreeMap::from([("run1".to_string(), "run1-b".to_string())]));
    assert_eq!((stats.runs_new, stats.points), (3, 8));
    let ids: Vec<String> = a.runs().unwrap().into_iter().map(|r| r.id).collect();
    assert_eq!(ids, ["child", "mine", "run1", "run1-b", "yours"]);
    assert_eq!(latest(&a, "run1-b"), [(0, 2.0), (1, 2.0), (2, 2.0)]);
    assert_eq!(latest(&a, "run1"), [(0, 1.0), (1, 1.0), (2, 1.0)]);
    assert_eq!(latest(&a, "child"), [(0, 2.0), (1, 2.0), (2, 5.0), (3, 5.0)], "a fork follows its parent");
    // The renamed run is known from then on, whatever the next merge says.
    let more = b.run("run1").start().unwrap();
    log(&more, 3..5, 2.0);
    more.finish().unwrap();
    let stats = a.merge(b.path()).unwrap();
    assert_eq!((stats.runs_new, stats.runs_changed, stats.points), (0, 1, 2));
    assert_eq!(latest(&a, "run1-b").len(), 5);
    assert_eq!(with(&a, b.path(), suffix()).unwrap().points, 0);

    let c = open(&dir.path().join("c"));
    log(&c.run("run1").start().unwrap(), 0..2, 9.0);
    let stats = with(&c, b.path(), OnConflict::Join).unwrap();
    assert_eq!(stats.points, 10);
    assert_eq!(c.snapshot().unwrap().run("run1").unwrap().participants.len(), 3);
    assert_eq!(c.merge(b.path()).unwrap().points, 0, "they are one run from then on");
}

#[test]
fn a_suffix_that_leads_to_another_run_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (open(&dir.path().join("a")), open(&dir.path().join("b")));
    log(&a.run("r").start().unwrap(), 0..1, 1.0);
    log(&b.run("r").start().unwrap(), 0..1, 2.0);
    log(&a.run("r-x").start().unwrap(), 0..1, 3.0);
    log(&b.run("r-y").start().unwrap(), 0..1, 4.0);
    for (suffix, whose) in [("-x", "this store"), ("-y", "the other store")] {
        let error = with(&a, b.path(), OnConflict::Suffix(suffix.into())).unwrap_err().to_string();
        assert!(error.contains(whose) && error.contains("another suffix"), "{error}");
    }
    assert!(with(&a, b.path(), OnConflict::Suffix(String::new())).is_err());
    assert_eq!(all(&a).len(), 2);
}

#[test]
fn bulk_data_is_told_apart_by_its_points() {
    let dir = tempfile::tempdir().unwrap();
    let a = open(&dir.path().join("a"));
    a.append(&batch("bulk", 0..20, 1.0)).unwrap();
    for way in 0..3 {
        let b_path = dir.path().join("b");
        let _ = fs::remove_dir_all(&b_path);
        let b = copies(&dir, &a, way);
        b.append(&batch("bulk", 20..30, 2.0)).unwrap();
        b.append(&batch("both", 0..5, 2.0)).unwrap();
        if way == 1 {
            b.compact().unwrap();
        }
        let c = open(&dir.path().join(format!("c{way}")));
        c.append(&batch("both", 0..5, 3.0)).unwrap();
        let c_path = c.path().to_path_buf();
        assert_eq!(merge(&c, a.path()).points, 20);
        // `bulk` is the same run, `both` is not.
        let error = c.merge(&b_path).unwrap_err().to_string();
        assert!(error.contains("\"both\"") && !error.contains("bulk"), "{error}");
        let suffix = || OnConflict::Suffix("-b".into());
        let stats = with(&c, &b_path, suffix()).unwrap();
        assert_eq!((stats.points, stats.runs_new), (15, 1));
        assert_eq!(with(&c, &b_path, suffix()).unwrap().points, 0);
        assert_eq!(latest(&c, "both-b"), (0..5).map(|s| (s, 2.0)).collect::<Vec<_>>());
        assert_eq!(latest(&c, "both"), (0..5).map(|s| (s, 3.0)).collect::<Vec<_>>());
        assert_eq!(latest(&c, "bulk").len(), 30);
        drop(c);
        assert_eq!(all(&open(&c_path)).len(), 40);
    }
}

pub(crate) fn batch(
    run: &str,
    steps: std::ops::Range<i64>,
    value: f64,
) -> tidalite::arrow::array::RecordBatch {
    use std::sync::Arc;
    use tidalite::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
    let n = usize::try_from(steps.end - steps.start).unwrap();
    RecordBatch::try_from_iter([
        ("run", Arc::new(StringArray::from(vec![run; n])) as ArrayRef),
        ("metric", Arc::new(StringArray::from(vec!["loss"; n]))),
        ("step", Arc::new(Int64Array::from_iter_values(steps))),
        ("value", Arc::new(Float64Array::from(vec![value; n]))),
    ])
    .unwrap()
}

#[test]
fn staged_parts_are_merged_from_logs_and_from_versions() {
    let dir = tempfile::tempdir().unwrap();
    let a = open(&dir.path().join("a"));
    a.append(&batch("big", 0..20_000, 1.0)).unwrap();
    let b = copies(&dir, &a, 0);
    b.append(&batch("big", 20_000..40_000, 2.0)).unwrap();
    a.append(&batch("big", 15_000..35_000, 3.0)).unwrap();
    assert_eq!(merge(&a, b.path()).points, 20_000);
    let found = latest(&a, "big");
    let value = |step: i64| {
        if step < 15_000 {
            1.0
        } else if step < 35_000 {
            3.0
        } else {
            2.0
        }
    };
    assert_eq!(found, (0..40_000).map(|s| (s, value(s))).collect::<Vec<_>>(), "the later batch wins");
    merge(&b, a.path());
    assert_eq!(latest(&b, "big"), found);
}

#[test]
fn a_writer_that_goes_on_in_the_original_is_merged_into_a_copy_again_and_again() {
    for way in [1, 3] {
        let dir = tempfile::tempdir().unwrap();
        let a = open(&dir.path().join("a"));
        let run = a.run("r").start().unwrap();
        log(&run, 0..10, 1.0);
        let b = match way {
            1 => copies(&dir, &a, 1),
            _ => {
                a.sync().unwrap();
                copies(&dir, &a, 0)
            }
        };
        // A pinned version keeps the copied folder of the log, if there is one.
        let pin = b.snapshot().unwrap();
        for round in 1..4 {
            log(&run, round * 10..round * 10 + 10, 1.0);
            assert_eq!(merge(&b, a.path()).points, 10, "round {round}");
            assert_eq!(latest(&b, "r").len(), usize::try_from(round * 10 + 10).unwrap());
        }
        run.finish().unwrap();
        assert_eq!(b.snapshot().unwrap().run("r").unwrap().status, Status::Lost);
        merge(&b, a.path());
        assert_eq!(b.snapshot().unwrap().run("r").unwrap().status, Status::Finished);
        drop(pin);
        b.compact().unwrap();
        merge(&b, a.path());
        assert_eq!(merge(&a, b.path()).points, 0);
        let own = b.run("own").start().unwrap();
        log(&own, 0..3, 1.0);
        own.finish().unwrap();
        assert_eq!(merge(&a, b.path()).points, 3);
        assert_eq!(all(&a), all(&b));
    }
}

#[test]
fn deletions_and_rewinds_take_back_what_their_store_had_seen() {
    let dir = tempfile::tempdir().unwrap();
    let a = open(&dir.path().join("a"));
    for id in ["gone", "back", "both", "goes-on"] {
        let run = a.run(id).start().unwrap();
        log(&run, 0..10, 1.0);
        if id != "goes-on" {
            run.finish().unwrap();
        } else {
            std::mem::forget(run);
        }
    }
    let b = copies(&dir, &a, 1);
    b.delete_run("gone").unwrap();
    let run = b.run("back").start().unwrap();
    run.rewind(4).unwrap();
    log(&run, 5..7, 2.0);
    run.finish().unwrap();
    // In the first store the runs go on meanwhile.
    let run = a.run("back").start().unwrap();
    log(&run, 10..12, 3.0);
    run.finish().unwrap();
    let run = a.run("gone").start().unwrap();
    log(&run, 20..22, 3.0);
    run.finish().unwrap();
    a.delete_run("both").unwrap();
    b.delete_run("both").unwrap();
    merge(&a, b.path());
    assert_eq!(latest(&a, "gone"), [(20, 3.0), (21, 3.0)], "only what the copy had is deleted");
    let kept: Vec<(i64, f64)> =
        (0..5).map(|s| (s, 1.0)).chain([(5, 2.0), (6, 2.0), (10, 3.0), (11, 3.0)]).collect();
    assert_eq!(latest(&a, "back"), kept);
    assert!(latest(&a, "both").is_empty() && a.snapshot().unwrap().run("both").is_err());
    assert_eq!(a.snapshot().unwrap().run("gone").unwrap().participants.len(), 1);
    merge(&b, a.path());
    assert_eq!(all(&a), all(&b));
    a.compact().unwrap();
    b.compact().unwrap();
    assert_eq!(all(&a), all(&b));
}

#[test]
fn what_a_writer_logs_after_a_deletion_in_the_copy_is_not_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let a = open(&dir.path().join("a"));
    let run = a.run("r").start().unwrap();
    log(&run, 0..10, 1.0);
    let b = copies(&dir, &a, 1);
    b.delete_run("r").unwrap();
    b.compact().unwrap();
    log(&run, 10..15, 1.0);
    merge(&b, a.path());
    assert_eq!(latest(&b, "r"), (10..15).map(|s| (s, 1.0)).collect::<Vec<_>>());
    merge(&a, b.path());
    assert_eq!(latest(&a, "r"), latest(&b, "r"));
}

#[test]
fn merging_over_three_stores_gives_each_point_once() {
    let dir = tempfile::tempdir().unwrap();
    let stores: Vec<Store> = ["a", "b", "c"].iter().map(|n| open(&dir.path().join(n))).collect();
    for (i, store) in stores.iter().enumerate() {
        let run = store.run(format!("r{i}")).start().unwrap();
        log(&run, 0..4, i as f64);
        run.finish().unwrap();
    }
    for (into, from) in [(1, 0), (2, 1), (2, 0), (0, 2), (1, 2), (0, 1)] {
        merge(&stores[into], stores[from].path());
        stores[into].compact().unwrap();
    }
    let expected: Vec<_> = (0..3).flat_map(|i| rows(&format!("r{i}"), 0..4, f64::from(i))).collect();
    for store in &stores {
        assert_eq!(all(store), expected);
        assert_eq!(store.runs().unwrap().len(), 3);
    }
}

#[test]
fn thinned_runs_are_merged_whole_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let a = open(&dir.path().join("a"));
    let run = a.run("old").start().unwrap();
    log(&run, 0..500, 1.0);
    run.finish().unwrap();
    let b = copies(&dir, &a, 2);
    let run = b.run("new").start().unwrap();
    log(&run, 0..500, 2.0);
    run.finish().unwrap();
    b.thin(&Thin::new().run("new").run("old").buckets(8).bucket_points(2)).unwrap();
    assert_eq!(merge(&a, b.path()).points, 500);
    let count = |store: &Store, run: &str| store.select().run(run).summaries().unwrap()[0].1.count;
    assert_eq!((count(&a, "new"), count(&a, "old")), (500, 500));
    assert!(latest(&a, "new").len() < 100, "it stays thinned");
    assert_eq!(latest(&a, "old").len(), 500, "this store had it whole");

    let c = open(&dir.path().join("c"));
    let run = c.run("r").start().unwrap();
    log(&run, 0..500, 1.0);
    run.finish().unwrap();
    c.backup(dir.path().join("d")).unwrap();
    let d = open(&dir.path().join("d"));
    let run = d.run("r").start().unwrap();
    log(&run, 500..1000, 1.0);
    run.finish().unwrap();
    d.thin(&Thin::new().run("r").buckets(8).bucket_points(2)).unwrap();
    let before = all(&c);
    let error = c.merge(d.path()).unwrap_err().to_string();
    assert!(error.contains("thinned") && error.contains("other direction"), "{error}");
    assert_eq!(all(&c), before);
    assert_eq!(merge(&d, c.path()).points, 0);
    assert_eq!(count(&d, "r"), 1000);
}

#[test]
fn a_follower_sees_merged_points_once() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (open(&dir.path().join("a")), open(&dir.path().join("b")));
    log(&a.run("x").start().unwrap(), 0..3, 1.0);
    let run = b.run("y").start().unwrap();
    log(&run, 0..3, 1.0);
    let mut follow = a.select().follow().unwrap();
    let mut poll = || follow.poll().unwrap().iter().map(|b| b.num_rows()).sum::<usize>();
    assert_eq!(poll(), 3);
    a.merge(b.path()).unwrap();
    assert_eq!((poll(), poll()), (3, 0));
    log(&run, 3..8, 1.0);
    a.merge(b.path()).unwrap();
    a.compact().unwrap();
    assert_eq!((poll(), poll()), (5, 0));
}

#[test]
fn a_deletion_in_the_copy_does_not_reach_what_a_living_writer_logs_after_the_merge() {
    let dir = tempfile::tempdir().unwrap();
    let a = open(&dir.path().join("a"));
    let run = a.run("r").start().unwrap();
    log(&run, 0..10, 1.0);
    a.flush().unwrap();
    let b = copies(&dir, &a, 1);
    b.delete_run("r").unwrap();
    merge(&a, b.path());
    assert!(latest(&a, "r").is_empty());
    log(&run, 10..15, 1.0);
    assert_eq!(latest(&a, "r"), (10..15).map(|s| (s, 1.0)).collect::<Vec<_>>());
    a.compact().unwrap();
    assert_eq!(latest(&a, "r").len(), 5);
}
