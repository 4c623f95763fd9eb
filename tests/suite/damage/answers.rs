//! Answers about a store that has lost rows: an error that names the place, or the answer with the loss stated, whichever
//! the caller chose; for each kind of answer, whether the rows were lost in the log of a process that is gone or lives, from
//! memory or read again, and also after a flush.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tidalite::{
    Aggregate, AlignOn, By, ErrorKind, FileFormat, Fill, Finding, Merge, OnDamage, Options, Result,
    Selection, Snapshot, Store, XAxis,
};

const ROWS: i64 = 1000;

fn options() -> Options {
    Options::new().background(false)
}

/// A store with the rows of run `a`, all durable, and of run `b` in the log of another writer. Returns the segment of `a`.
fn store(path: &Path) -> PathBuf {
    let segment = log(path, "a");
    log(path, "b");
    segment
}

/// Logs a run with a writer of its own, and closes it.
fn log(path: &Path, id: &str) -> PathBuf {
    let store = options().open(path).unwrap();
    let run = store.run(id).param("lr", 0.5).start().unwrap();
    for step in 0..ROWS {
        run.log(step, &[("x", 1.0)]).unwrap();
    }
    store.sync().unwrap();
    run.log(ROWS, &[("x", 1.0)]).unwrap();
    run.finish().unwrap();
    store.close().unwrap();
    segments(path).into_iter().max().unwrap()
}

fn segments(path: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(path.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|e| e == "seg")).collect()
}

/// Flips a bit in the middle of a file.
fn damage(file: &Path) {
    damage_at(file, 0.5);
}

/// Flips a bit at a share of a file's length.
fn damage_at(file: &Path, share: f64) {
    let mut bytes = fs::read(file).unwrap();
    let at = (bytes.len() as f64 * share) as usize;
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

fn reader(path: &Path) -> Store {
    options().read_only(true).open(path).unwrap()
}

/// What every kind of answer gives: an error, or what it left out.
fn answers(select: &dyn Fn() -> Selection) -> Vec<(&'static str, Result<Vec<Finding>>)> {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let loss = "x";
    type Ask<'a> = (&'static str, Box<dyn Fn(&Selection) -> Result<()> + 'a>);
    let asks: Vec<Ask<'_>> = vec![
        ("points", Box::new(|s| s.points()?.collect().map(drop))),
        ("summaries", Box::new(|s| s.summaries().map(drop))),
        ("latest", Box::new(|s| s.latest().map(drop))),
        ("aggregate", Box::new(|s| s.aggregate(&[Aggregate::Sum], &[]).map(drop))),
        ("top", Box::new(|s| s.top(1, &[Aggregate::Max], &[By::Run]).map(drop))),
        ("chart", Box::new(|s| s.chart(10).map(drop))),
        ("band", Box::new(|s| s.band(10, &[By::Metric]).map(drop))),
        ("align", Box::new(|s| s.align(AlignOn::Step, Fill::None).map(drop))),
        ("lttb", Box::new(|s| s.lttb(10).map(drop))),
        ("m4", Box::new(|s| s.m4(10).map(drop))),
        ("sample", Box::new(|s| s.sample(10).map(drop))),
        (
            "list of runs",
            Box::new(move |s| {
                let columns = [tidalite::RunColumn::Metric(loss.into(), Aggregate::Mean)];
                s.list_runs(&columns, &tidalite::RunPage::default()).map(drop)
            }),
        ),
        ("over time", Box::new(|s| s.over(XAxis::Elapsed).points().map(drop))),
        ("over a metric", Box::new(move |s| s.over(XAxis::Metric(loss.into())).chart(5).map(drop))),
        (
            "having",
            Box::new(|s| {
                let chosen = s.clone().having(Aggregate::Count, tidalite::Compare::Greater, 1.0, ..);
                chosen.summaries().map(drop)
            }),
        ),
        ("follow", Box::new(|s| s.follow()?.poll().map(drop))),
        ("export", Box::new(|s| s.export(file("one.csv"), FileFormat::Csv).map(drop))),
        ("arrow", Box::new(|s| s.export(file("one.arrow"), FileFormat::ArrowIpc).map(drop))),
        (
            "folder",
            Box::new(|s| {
                let _ = fs::remove_dir_all(file("all"));
                s.export_folder(file("all"), FileFormat::Parquet).map(drop)
            }),
        ),
    ];
    let answer = |(name, ask): Ask<'_>| {
        let select = select();
        (name, ask(&select).map(|()| select.damage()))
    };
    asks.into_iter().map(answer).collect()
}

/// Answers about everything in a snapshot.
fn lists(snapshot: &Snapshot) -> Vec<(&'static str, Result<()>)> {
    vec![
        ("runs", snapshot.runs().map(drop)),
        ("run", snapshot.run("a").map(drop)),
        ("filter", snapshot.where_runs(&"params.lr > 0".parse().unwrap()).map(drop)),
        ("matching", snapshot.runs_matching("*").map(drop)),
        ("metrics", snapshot.metrics().map(drop)),
        ("stats", snapshot.stats().map(drop)),
        ("bytes_by_run", snapshot.bytes_by_run().map(drop)),
        ("bytes_by_metric", snapshot.bytes_by_metric().map(drop)),
    ]
}

/// Checks that every answer which could have held rows of `a` names `file` as damaged, and that no other answer does.
fn check(store: &Store, file: &Path) {
    let name = file.file_name().unwrap().to_str().unwrap();
    let snapshot = store.snapshot().unwrap();
    for run in ["a", "*"] {
        for (what, done) in answers(&|| snapshot.select().runs(run)) {
            let e = done.expect_err(what);
            assert!(e.kind() == ErrorKind::Corrupt && e.to_string().contains(name), "{what} of {run}: {e}");
        }
        for (what, done) in answers(&|| snapshot.select().runs(run).on_damage(OnDamage::Report)) {
            let left_out = done.unwrap_or_else(|e| panic!("{what} of {run}: {e}"));
            assert!(matches!(&left_out[..], [one] if one.path == file), "{what} of {run}: {left_out:?}");
            assert!(left_out[0].run.as_deref() == Some("a"), "{what} of {run}: {left_out:?}");
        }
    }
    for (what, done) in answers(&|| snapshot.select().run("b")) {
        assert!(done.as_ref().is_ok_and(Vec::is_empty), "{what} of b: {done:?}");
    }
    assert!(snapshot.run("b").is_ok());
    for (what, done) in lists(&snapshot) {
        let e = done.expect_err(what);
        assert!(e.kind() == ErrorKind::Corrupt && e.to_string().contains(name), "{what}: {e}");
    }
    let rest = snapshot.on_damage(OnDamage::Report);
    for (what, done) in lists(&rest) {
        done.unwrap_or_else(|e| panic!("{what}: {e}"));
    }
    assert_eq!(rest.stats().unwrap().damage, snapshot.damage());
    assert!(matches!(&snapshot.damage()[..], [one] if one.path == file && one.rows != Some(0)));
    let select = rest.select().runs("a");
    assert_eq!(select.points().unwrap().collect().unwrap().num_rows(), ROWS as usize);
    assert_eq!(select.damage(), snapshot.damage());
    assert!(!store.verify().unwrap().is_sound());
}

#[test]
fn each_answer_about_a_damaged_log_is_an_error_or_says_what_it_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let segment = store(&path);
    let sound = dir.path().join("sound");
    reader(&path).backup(&sound).unwrap();
    let sound = reader(&sound).snapshot().unwrap();
    assert!(sound.damage().is_empty() && answers(&|| sound.select()).iter().all(|(_, done)| done.is_ok()));
    damage(&segment);
    check(&reader(&path), &segment);
    // Rows that are read from the log again.
    check(&options().read_only(true).memory_bytes(1 << 20).open(&path).unwrap(), &segment);
    // The manifest lists the place, whatever becomes of the parts.
    let writer = options().open(&path).unwrap();
    for round in 0..3 {
        writer.flush().unwrap();
        check(&reader(&path), &segment);
        check(&writer, &segment);
        let version = writer.snapshot().unwrap().version();
        writer.flush().unwrap();
        assert_eq!(writer.snapshot().unwrap().version(), version, "nothing is flushed twice");
        match round {
            0 => drop(writer.compact().unwrap()),
            _ => drop(writer.thin(&tidalite::Thin::new().run("a").buckets(8)).unwrap()),
        }
        if round == 1 {
            break;
        }
    }
    let thinned = reader(&path).snapshot().unwrap();
    assert!(thinned.select().run("a").summaries().is_err() && thinned.select().run("b").summaries().is_ok());
    // What is deleted is in no answer, damaged or not.
    writer.delete_run("a").unwrap();
    let after = writer.snapshot().unwrap();
    assert!(after.damage().is_empty(), "{:?}", after.damage());
    assert_eq!(after.select().points().unwrap().collect().unwrap().num_rows(), ROWS as usize + 1);
}

#[test]
fn a_backup_of_a_damaged_store_is_refused_or_its_answers_say_what_they_lack() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let segment = store(&path);
    damage(&segment);
    let (store, copy) = (reader(&path), dir.path().join("copy"));
    let e = store.backup(&copy).unwrap_err();
    assert!(e.kind() == ErrorKind::Corrupt && e.path() == Some(&segment), "{e}");
    let go = |_, _| ControlFlow::Continue(());
    let left_out = store.backup_with(&copy, OnDamage::Report, &go).unwrap();
    assert!(matches!(&left_out[..], [one] if one.path == segment));
    // The place is in the original.
    check_copy(&reader(&copy), &segment);
    let second = dir.path().join("second");
    reader(&copy).backup_with(&second, OnDamage::Report, &go).unwrap();
    check_copy(&reader(&second), &segment);
    // So it is once its rows are merged.
    let into = options().open(dir.path().join("into")).unwrap();
    assert_eq!(into.merge(&path).unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(into.runs().unwrap().is_empty());
    let stats = into.merge_with(&path, &Merge::new().on_damage(OnDamage::Report), &go).unwrap();
    assert!(stats.points == 2 * ROWS as u64 + 1 && matches!(&stats.damage[..], [one] if one.path == segment));
    check_copy(&into, &segment);
    let again = into.merge_with(&path, &Merge::new().on_damage(OnDamage::Report), &go).unwrap();
    assert_eq!((again.points, into.snapshot().unwrap().damage().len()), (0, 1));
}

fn check_copy(copy: &Store, segment: &Path) {
    let snapshot = copy.snapshot().unwrap();
    let e = snapshot.select().run("a").summaries().unwrap_err();
    assert!(e.kind() == ErrorKind::Corrupt && e.path() == Some(segment), "{e}");
    assert_eq!(snapshot.select().run("b").summaries().unwrap().len(), 1);
    assert!(!snapshot.recovery().is_sound() && !copy.verify().unwrap().is_sound());
    assert!(matches!(&snapshot.damage()[..], [one] if one.path == segment));
    let select = snapshot.on_damage(OnDamage::Report).select();
    assert_eq!(select.points().unwrap().collect().unwrap().num_rows(), 2 * ROWS as usize + 1);
}

#[test]
fn a_follower_does_not_pass_damage_unsaid_and_says_it_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let segment = store(&path);
    damage(&segment);
    let store = reader(&path);
    let mut strict = store.select().follow().unwrap();
    for _ in 0..2 {
        let e = strict.poll().unwrap_err();
        assert!(e.kind() == ErrorKind::Corrupt && e.path() == Some(&segment), "{e}");
    }
    assert_eq!(strict.cursor(), &tidalite::Cursor::default(), "nothing is skipped");
    let rows = |batches: Vec<arrow::array::RecordBatch>| batches.iter().map(|b| b.num_rows()).sum::<usize>();
    let mut follow = store.select().on_damage(OnDamage::Report).follow().unwrap();
    assert_eq!(rows(follow.poll().unwrap()), 2 * ROWS as usize + 1);
    assert_eq!(follow.damage().len(), 1);
    // Who comes after the place does not meet it, also once the manifest lists it.
    let writer = options().open(&path).unwrap();
    let late = || writer.select().follow_from(follow.cursor().clone()).unwrap();
    let run = writer.run("a").start().unwrap();
    run.log(2 * ROWS, &[("x", 2.0)]).unwrap();
    assert_eq!(rows(late().poll().unwrap()), 1);
    writer.flush().unwrap();
    assert_eq!(rows(late().poll().unwrap()), 1);
    let mut fresh = writer.select().follow().unwrap();
    assert_eq!(fresh.poll().unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn damage_in_the_log_of_a_process_that_lives_is_met_by_its_readers_and_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let writer = options().open(&path).unwrap();
    let run = writer.run("a").start().unwrap();
    let other = writer.run("b").start().unwrap();
    for step in 0..ROWS {
        run.log(step, &[("x", 1.0)]).unwrap();
    }
    other.log(0, &[("x", 1.0)]).unwrap();
    let segment = segments(&path).pop().unwrap();
    let before = writer.snapshot().unwrap();
    // Bytes in the middle of what was logged.
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new().read(true).write(true).open(&segment).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 20_000).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 20_000).unwrap();
    // What is in memory is as it was written.
    let held = before.select().run("a").points().unwrap().collect().unwrap();
    assert_eq!(held.num_rows(), ROWS as usize);
    run.log(ROWS, &[("x", 1.0)]).unwrap();
    let beside = reader(&path);
    for (what, done) in answers(&|| beside.select().run("a")) {
        assert_eq!(done.expect_err(what).kind(), ErrorKind::Corrupt, "{what}");
    }
    // Logging goes on.
    run.log(ROWS + 1, &[("x", 1.0)]).unwrap();
    writer.flush().unwrap();
    for store in [&writer, &beside] {
        let snapshot = store.snapshot().unwrap();
        let e = snapshot.select().run("a").summaries().unwrap_err();
        assert!(e.path() == Some(&segment), "{e}");
        // Both runs were declared in this log.
        let select = snapshot.on_damage(OnDamage::Report).select();
        assert_eq!(select.points().unwrap().collect().unwrap().num_rows(), ROWS as usize + 2);
        assert_eq!(select.damage().len(), 1);
    }
}

#[test]
fn pages_that_cannot_be_read_cost_their_rows_and_the_report_names_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let rows = 40_000;
    let writer = options().open(&path).unwrap();
    let run = writer.run("a").start().unwrap();
    for step in 0..rows {
        run.log(step, &[("x", step as f64 * 1.7)]).unwrap();
    }
    run.finish().unwrap();
    writer.flush().unwrap();
    let part = writer.snapshot().unwrap().parquet_files().unwrap().pop().unwrap();
    writer.close().unwrap();
    // Among the values, which come last.
    damage_at(&part, 0.9);
    let snapshot = reader(&path).snapshot().unwrap();
    assert!(snapshot.damage().is_empty(), "pages are not read to open a part");
    assert_eq!(snapshot.select().points().unwrap().collect().unwrap_err().kind(), ErrorKind::Corrupt);
    let select = snapshot.select().on_damage(OnDamage::Report);
    let found = select.points().unwrap().collect().unwrap().num_rows();
    let lost: u64 = select.damage().iter().map(|f| f.rows.unwrap()).sum();
    assert!(found > 0 && lost > 0 && found as u64 + lost == rows as u64, "{found} and {lost}");
    assert!(select.damage().iter().all(|f| f.path == part && f.run.as_deref() == Some("a")));
    // A backup keeps the sound rows, and says which it lacks.
    let copy = dir.path().join("copy");
    let store = reader(&path);
    assert_eq!(store.backup(&copy).unwrap_err().kind(), ErrorKind::Corrupt);
    let left_out = store.backup_with(&copy, OnDamage::Report, &|_, _| ControlFlow::Continue(())).unwrap();
    assert_eq!(left_out.iter().map(|f| f.rows.unwrap()).sum::<u64>(), lost);
    let copy = reader(&copy).snapshot().unwrap();
    assert_eq!(copy.select().points().unwrap_err().kind(), ErrorKind::Corrupt);
    let rest = copy.on_damage(OnDamage::Report);
    assert_eq!(rest.select().points().unwrap().collect().unwrap().num_rows(), found);
    assert_eq!(rest.damage().iter().map(|f| f.rows.unwrap()).sum::<u64>(), lost);
}
