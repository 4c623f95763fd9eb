//! Wrong input of every kind is an error that says what, where and what to do; the store stays as it was.
//!
//! Method: one wrong thing at a time, on a real file system; the error's kind is compared, and its text is searched for the
//! thing, the place and a remedy. After each, the store still takes rows and answers.

use crate::note;
use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray, UInt64Array,
};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tidalite::{
    Aggregate, By, Error, ErrorKind, Labels, Options, Param, Params, RowAt, Store, TIME_US_MAX, TIME_US_MIN,
};
use tidalite_testkit::{points, points_of, sound};

fn options() -> Options {
    Options::new().threads(1).background(false)
}

fn new_store() -> (tempfile::TempDir, PathBuf, Store) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = options().open(&path).unwrap();
    (dir, path, store)
}

/// The error's kind is this, and its text holds all of these and a remedy.
#[track_caller]
fn refused<T: std::fmt::Debug>(done: Result<T, Error>, kind: ErrorKind, parts: &[&str]) {
    let e = done.expect_err("this should be refused");
    assert_eq!(e.kind(), kind, "{e}");
    let text = e.to_string();
    parts.iter().for_each(|part| assert!(text.contains(part), "{part:?} is not in: {text}"));
    assert!(text.contains("; "), "no remedy in: {text}");
    assert!(text.len() < 1000, "a message is for reading: {} bytes", text.len());
}

/// The store takes rows and answers.
#[track_caller]
fn still_works(store: &Store) {
    let before = store.stats().unwrap().points;
    let run = store.run("still works").start().unwrap();
    run.log(None, &[("x", 1.0)]).unwrap();
    assert_eq!(store.stats().unwrap().points, before + 1);
    sound(&store.recovery().unwrap()).unwrap();
}

#[test]
fn a_path_that_is_no_store_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("absent");
    refused(
        options().read_only(true).open(&absent),
        ErrorKind::NotFound,
        &["open store", "absent", "no such folder"],
    );
    assert!(!absent.exists(), "reading makes nothing");
    refused(
        options().read_only(true).open(dir.path()),
        ErrorKind::Invalid,
        &["no tidalite store", dir.path().to_str().unwrap()],
    );
    std::fs::write(dir.path().join("thesis.tex"), "years of work").unwrap();
    refused(options().open(dir.path()), ErrorKind::Invalid, &["no tidalite store", "thesis.tex"]);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is put beside what is there");
}

#[test]
fn a_file_where_a_folder_should_be_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "text").unwrap();
    for read_only in [false, true] {
        refused(
            options().read_only(read_only).open(&file),
            ErrorKind::Invalid,
            &["is a file", file.to_str().unwrap()],
        );
        let below = options().read_only(read_only).open(file.join("below")).unwrap_err();
        assert!(matches!(below.kind(), ErrorKind::Invalid | ErrorKind::NotFound), "{below}");
        assert!(below.to_string().contains("file"), "{below}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"text");
}

#[test]
fn every_folder_on_the_way_to_a_new_store_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/c d/🌊");
    let store = options().open(&path).unwrap();
    still_works(&store);
    assert!(path.join("TIDALITE").exists());
}

#[test]
fn a_read_only_folder_can_be_read_and_says_so_when_written_to() {
    let (dir, path, store) = new_store();
    let run = store.run("r").start().unwrap();
    run.log(0, &[("x", 1.0)]).unwrap();
    run.finish().unwrap();
    store.close().unwrap();
    let mounted = dir.path().join("mounted");
    std::fs::create_dir(&mounted).unwrap();
    let mount = |args: &[&str]| {
        Command::new("mount").args(args).arg(&mounted).output().is_ok_and(|o| o.status.success())
    };
    if !mount(&["--bind", path.to_str().unwrap()]) || !mount(&["-o", "remount,ro,bind"]) {
        note("a read-only folder was not tried: mounting is not permitted here");
        return;
    }
    let outcome = std::panic::catch_unwind(|| {
        let reader = options().read_only(true).open(&mounted).unwrap();
        assert_eq!(points(&reader.select().run("r")).unwrap().len(), 1);
        sound(&reader.verify(&|_, _| {}).unwrap()).unwrap();
        // Opening for writing may be refused at once, or at the first write.
        let written = options().open(&mounted).and_then(|s| s.run("r").start().map(|_| ()));
        refused(written, ErrorKind::Io, &["mounted", "read-only"]);
        let flushed = options().open(&mounted).and_then(|s| s.flush().map(|_| ()));
        refused(flushed, ErrorKind::Io, &["mounted", "read-only"]);
    });
    assert!(Command::new("umount").arg(&mounted).status().unwrap().success());
    outcome.unwrap_or_else(|e| std::panic::resume_unwind(e));
}

#[test]
fn a_store_opened_for_reading_refuses_every_write() {
    let (_dir, path, store) = new_store();
    store.run("r").start().unwrap().log(0, &[("x", 1.0)]).unwrap();
    let reader = options().read_only(true).open(&path).unwrap();
    refused(reader.run("r").start(), ErrorKind::Invalid, &["read-only", path.to_str().unwrap()]);
    refused(reader.append(&one_row()), ErrorKind::Invalid, &["read-only"]);
    refused(reader.flush(), ErrorKind::Invalid, &["read-only"]);
    refused(reader.compact(), ErrorKind::Invalid, &["read-only"]);
    reader.sync().unwrap();
    assert_eq!(points(&reader.select()).unwrap().len(), 1);
}

/// A text sealed as `docs/format.md` says: a header line with kind, format, checksum and length, the text, a line feed; twice.
fn sealed(kind: &str, format: u32, text: &str) -> Vec<u8> {
    let crc = crc32c::crc32c_append(crc32c::crc32c(format!("{kind} {format} ").as_bytes()), text.as_bytes());
    format!("tidalite {kind} {format} {crc:08x} {:016}\n{text}\n", text.len()).repeat(2).into_bytes()
}

#[test]
fn a_newer_format_is_refused_as_such_and_not_as_damage() {
    let (_dir, path, store) = new_store();
    let text = store.id().to_string();
    store.close().unwrap();
    let marker = path.join("TIDALITE");
    let ours = std::fs::read(&marker).unwrap();
    assert_eq!(ours, sealed("store", 1, &text), "the marker is sealed as documented");
    std::fs::write(&marker, sealed("store", 2, &text)).unwrap();
    for read_only in [false, true] {
        refused(
            options().read_only(read_only).open(&path),
            ErrorKind::Unsupported,
            &["format version 2", "TIDALITE", "newer tidalite"],
        );
    }
    std::fs::write(&marker, ours).unwrap();
    let version = std::fs::read_dir(path.join("manifest")).unwrap().next().unwrap().unwrap().path();
    let first = std::fs::read(&version).unwrap();
    std::fs::write(path.join("manifest/0000000000000002.json"), sealed("manifest", 7, "{}")).unwrap();
    for read_only in [false, true] {
        refused(
            options().read_only(read_only).open(&path),
            ErrorKind::Unsupported,
            &["format version 7", "0000000000000002.json"],
        );
    }
    assert_eq!(std::fs::read(&version).unwrap(), first);
}

#[test]
fn a_damaged_file_of_each_kind_is_named() {
    let (_dir, path, store) = new_store();
    let run = store.run("r").start().unwrap();
    for step in 0..100 {
        run.log(step, &[("x", step as f64)]).unwrap();
        // Two parts, so that a compaction reads them.
        if step == 50 {
            store.flush().unwrap();
        }
    }
    store.flush().unwrap();
    store.close().unwrap();
    for folder in ["manifest", "runs", "parts", "series"] {
        let file = std::fs::read_dir(path.join(folder)).unwrap().next().unwrap().unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap();
        let whole = std::fs::read(&file).unwrap();
        for bad in [whole[..whole.len() / 3].to_vec(), vec![0; whole.len()], Vec::new()] {
            std::fs::write(&file, &bad).unwrap();
            let opened = options().open(&path);
            if folder == "manifest" {
                refused(opened, ErrorKind::Corrupt, &[name, "tidalite verify"]);
                continue;
            }
            let store = opened.unwrap();
            let report = store.verify(&|_, _| {}).unwrap();
            assert!(report.findings.iter().any(|f| f.path == file), "{:?}", report.findings);
            let read = store.select().points().and_then(|p| p.collect());
            if folder == "series" {
                // A series table can be made out anew from its part, so this may be a report alone.
                assert!(
                    read.map_or_else(|e| e.to_string().contains(name), |points| points.num_rows() == 100)
                );
            } else {
                refused(read, ErrorKind::Corrupt, &[name, "tidalite verify"]);
            }
        }
        if folder == "parts" {
            // One that opens and is damaged within: nothing may be made of it.
            let mut bad = whole.clone();
            bad[whole.len() / 4] ^= 1;
            std::fs::write(&file, &bad).unwrap();
            refused(options().open(&path).unwrap().compact(), ErrorKind::Corrupt, &[name, "tidalite verify"]);
        }
        std::fs::write(&file, &whole).unwrap();
        sound(&options().open(&path).unwrap().verify(&|_, _| {}).unwrap()).unwrap();
    }
    let store = options().open(&path).unwrap();
    assert_eq!(points(&store.select()).unwrap().len(), 100);
    store.compact().unwrap();
    assert_eq!(points(&store.select()).unwrap().len(), 100);
    still_works(&store);
}

#[test]
fn a_name_may_hold_any_text_and_never_leaves_the_stores_folder() {
    let (dir, path, store) = new_store();
    let long = "x".repeat(4096);
    let names = [
        "../../escaped",
        "/absolute",
        "..",
        ".",
        "nul\0byte",
        "🌊\u{200d}",
        "line\nfeed",
        " ",
        "\\",
        "con",
        "a*?[]{},b",
        &long,
    ];
    for name in names {
        let run = store.run(name).param(name, name).tag(name).label(name, name).start().unwrap();
        run.log(1, &[(name, 1.0)]).unwrap();
        run.log_at(&RowAt::step(2).labels(Labels::new([(name, "v")]).unwrap()), &[(name, 2.0)]).unwrap();
        run.finish().unwrap();
    }
    for _ in 0..2 {
        for name in names {
            let found = points(&store.select().run(name).metric(name)).unwrap();
            assert_eq!(found.len(), 2, "{:?}", &name[..name.len().min(20)]);
            assert_eq!((&*found[0].0.run, &*found[0].0.metric), (name, name));
            assert_eq!(store.snapshot().unwrap().run(name).unwrap().params[name], Param::from(name));
        }
        store.compact().unwrap();
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing lies beside the store");
    let known = |name: &str| {
        ["TIDALITE", "lock", "log", "manifest", "parts", "rollups", "runs", "series"].contains(&name)
    };
    assert!(std::fs::read_dir(&path).unwrap().all(|e| known(e.unwrap().file_name().to_str().unwrap())));
}

#[test]
fn exact_quantiles_need_memory_for_one_group_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let store = Options::new().background(false).memory_bytes(16 << 20).open(&path).unwrap();
    let n = 400_000i64;
    for metric in ["a", "b", "c", "d", "e", "f"] {
        let text = |t: &str| -> ArrayRef { Arc::new(StringArray::from_iter_values((0..n).map(|_| t))) };
        let values = (0..n).map(|i| (i * 7919 % 100_003) as f64 + f64::from(metric.as_bytes()[0]));
        let columns = [
            ("run", text("r")),
            ("metric", text(metric)),
            ("step", Arc::new(Int64Array::from_iter_values(0..n)) as ArrayRef),
            ("value", Arc::new(Float64Array::from_iter_values(values)) as ArrayRef),
        ];
        store.append(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
    }
    let roomy = Options::new().read_only(true).open(&path).unwrap();
    let words = Aggregate::parse_list(&["p50", "p99", "count"]).unwrap();
    for by in [vec![By::Metric], vec![By::Run, By::Metric], vec![By::Metric, By::StepBucket(100_000)]] {
        let (few, many) = (store.select().aggregate(&words, &by), roomy.select().aggregate(&words, &by));
        assert_eq!(few.unwrap(), many.unwrap());
    }
    assert_eq!(store.select().aggregate(&words, &[]).unwrap_err().kind(), ErrorKind::Full);
}

#[test]
fn names_that_are_empty_or_too_long_are_refused_and_nothing_is_logged() {
    let (_dir, _path, store) = new_store();
    let run = store.run("r").start().unwrap();
    for bad in [String::new(), "x".repeat(4097), "🌊".repeat(16 << 10)] {
        let says = if bad.is_empty() { "empty" } else { "bytes" };
        refused(store.run(&bad).start(), ErrorKind::Invalid, &["run id", says, "4096"]);
        refused(store.run("s").tag(&bad).start(), ErrorKind::Invalid, &["tag", says]);
        refused(store.run("s").param(&bad, 1i64).start(), ErrorKind::Invalid, &["param", says]);
        refused(store.run("s").label(&bad, "v").start(), ErrorKind::Invalid, &["label key", says]);
        refused(store.run("s").label("k", &bad).start(), ErrorKind::Invalid, &["label value", says]);
        refused(store.run("s").parent(&bad, None).start(), ErrorKind::Invalid, &["parent", says]);
        refused(run.log(0, &[("good", 1.0), (&bad, 1.0)]), ErrorKind::Invalid, &["metric name", says]);
        refused(run.metric(&bad).map(|_| ()), ErrorKind::Invalid, &["metric name", says]);
        refused(run.set_tags([bad.as_str()], []), ErrorKind::Invalid, &["tag", says]);
        refused(
            run.set_params(Params::from([(bad.clone(), 1i64.into())])),
            ErrorKind::Invalid,
            &["param", says],
        );
        refused(store.append(&long_form(&bad, "m")), ErrorKind::Invalid, &["row 0", says]);
        refused(store.append(&long_form("r", &bad)), ErrorKind::Invalid, &["row 0", says]);
    }
    assert_eq!(store.stats().unwrap().points, 0);
    assert_eq!(store.runs().unwrap().len(), 1);
    still_works(&store);
}

#[test]
fn rows_that_make_no_sense_are_refused_whole() {
    let (_dir, _path, store) = new_store();
    let run = store.run("r").start().unwrap();
    refused(run.log(0, &[]), ErrorKind::Invalid, &["no values"]);
    refused(run.log(0, &[("a", 1.0), ("b", 2.0), ("a", 3.0)]), ErrorKind::Invalid, &["\"a\"", "twice"]);
    for time in [TIME_US_MIN - 1, TIME_US_MAX + 1, i64::MIN, i64::MAX, 1_780_000_000_000_000_000] {
        refused(
            run.log_at(&RowAt::step(0).time_us(time), &[("a", 1.0)]),
            ErrorKind::Invalid,
            &[&time.to_string(), "microseconds"],
        );
    }
    for time in [TIME_US_MIN, TIME_US_MAX] {
        run.log_at(&RowAt::step(0).time_us(time), &[("edge", 1.0)]).unwrap();
    }
    let columns = run.columns(&["a", "b"]).unwrap();
    refused(columns.log(0, &[1.0]), ErrorKind::Invalid, &["1", "2"]);
    let many: Vec<(String, String)> = (0..65).map(|i| (format!("k{i}"), "v".into())).collect();
    refused(Labels::new(many.clone()), ErrorKind::Invalid, &["65", "64"]);
    let builder = many.iter().fold(store.run("s"), |b, (k, v)| b.label(k, v));
    refused(builder.start(), ErrorKind::Invalid, &["65", "64"]);
    refused(store.run("s").label("k", "1").label("k", "2").start(), ErrorKind::Invalid, &["\"k\"", "twice"]);
    let deep = (0..40).fold(Param::Null, |p, _| Param::List(vec![p]));
    refused(
        store.run("s").param("deep", deep.clone()).start(),
        ErrorKind::Invalid,
        &["\"deep\"", "40", "32"],
    );
    refused(run.set_params(Params::from([("deep".into(), deep)])), ErrorKind::Invalid, &["\"deep\""]);
    let huge = "x".repeat(5 << 20);
    refused(run.set_params(Params::from([("huge".into(), huge.into())])), ErrorKind::Invalid, &["bytes"]);
    assert_eq!(store.stats().unwrap().points, 2);
    still_works(&store);
}

fn column<A: Array + 'static>(array: A) -> ArrayRef {
    Arc::new(array)
}

fn long_form(run: &str, metric: &str) -> RecordBatch {
    of_columns(&[
        ("run", column(StringArray::from(vec![run]))),
        ("metric", column(StringArray::from(vec![metric]))),
        ("step", column(Int64Array::from(vec![1]))),
        ("value", column(Float64Array::from(vec![1.0]))),
    ])
}

fn one_row() -> RecordBatch {
    long_form("r", "m")
}

fn of_columns(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.iter().map(|(n, c)| (*n, c.clone(), true))).unwrap()
}

/// Two good rows, with one column in the place of the good one, or beside them.
fn with(name: &str, array: ArrayRef) -> RecordBatch {
    let mut columns = vec![
        ("run", column(StringArray::from(vec!["r", "r"]))),
        ("metric", column(StringArray::from(vec!["m", "m"]))),
        ("step", column(Int64Array::from(vec![1, 2]))),
        ("value", column(Float64Array::from(vec![1.0, 2.0]))),
        ("time", column(Int64Array::from(vec![1, 2]))),
    ];
    match columns.iter_mut().find(|(n, _)| *n == name) {
        Some(good) => good.1 = array,
        None => columns.push((name, array)),
    }
    of_columns(&columns)
}

#[test]
fn a_batch_with_a_wrong_column_is_refused_whole_with_column_and_row() {
    let (_dir, _path, store) = new_store();
    store.append(&with("labels", column(StringArray::from(vec!["", "a=b"])))).unwrap();
    let wrong = |batch: &RecordBatch, parts: &[&str]| refused(store.append(batch), ErrorKind::Invalid, parts);
    let good = with("time", column(Int64Array::from(vec![1, 2])));
    for missing in ["run", "metric", "step", "value"] {
        let index: Vec<usize> = (0..5).filter(|&i| good.schema().field(i).name() != missing).collect();
        wrong(&good.project(&index).unwrap(), &["no column", missing]);
    }
    wrong(&with("epoch", column(Int64Array::from(vec![1, 2]))), &["unknown column", "\"epoch\""]);
    wrong(&good.project(&[0, 1, 2, 3, 3]).unwrap(), &["\"value\"", "twice"]);
    for (name, array) in [
        ("run", column(Int64Array::from(vec![1, 2]))),
        ("metric", column(BinaryArray::from_vec(vec![b"a", b"b"]))),
        ("labels", column(BooleanArray::from(vec![true, false]))),
        ("step", column(Float64Array::from(vec![1.0, 2.0]))),
        ("step", column(StringArray::from(vec!["1", "2"]))),
        ("value", column(StringArray::from(vec!["1", "2"]))),
        ("value", column(BooleanArray::from(vec![true, false]))),
        ("time", column(Float64Array::from(vec![1.0, 2.0]))),
        ("time", column(StringArray::from(vec!["2024-01-01", "2024-01-02"]))),
    ] {
        wrong(&with(name, array), &[&format!("column {name:?}"), "type"]);
    }
    for (name, array) in [
        ("run", column(StringArray::from(vec![Some("r"), None]))),
        ("metric", column(StringArray::from(vec![Some("m"), None]))),
        ("labels", column(StringArray::from(vec![Some(""), None]))),
        ("step", column(Int64Array::from(vec![Some(1), None]))),
        ("value", column(Float64Array::from(vec![Some(1.0), None]))),
        ("time", column(Int64Array::from(vec![Some(1), None]))),
    ] {
        wrong(&with(name, array), &[&format!("column {name:?}"), "null", "row 1"]);
    }
    wrong(&with("step", column(UInt64Array::from(vec![1, u64::MAX]))), &["\"step\"", "row 1"]);
    wrong(&with("time", column(Int64Array::from(vec![1, TIME_US_MAX + 1]))), &["row 1", "9999"]);
    wrong(
        &with("labels", column(StringArray::from(vec!["a=b", "no pair"]))),
        &["labels", "row 1", "key=value"],
    );
    let nanos = column(TimestampNanosecondArray::from(vec![1_999, -1]));
    store.append(&with("time", nanos)).unwrap();
    let stats = store.stats().unwrap();
    assert_eq!((stats.points, stats.runs), (4, 1), "of all these, only what is right went in");
    still_works(&store);
}

#[test]
fn a_batch_without_rows_is_accepted_as_nothing() {
    let (_dir, _path, store) = new_store();
    assert_eq!(store.append(&one_row().slice(0, 0)).unwrap(), None);
    assert_eq!(store.runs().unwrap().len(), 0);
}

#[test]
fn a_selection_that_matches_nothing_is_empty_and_no_error() {
    let (_dir, _path, store) = new_store();
    for filled in [false, true] {
        if filled {
            store.run("r").start().unwrap().log(1, &[("x", 1.0)]).unwrap();
            store.flush().unwrap();
        }
        for select in [
            store.select().run("absent"),
            store.select().metrics("absent*"),
            store.select().label("no", "where"),
            store.select().steps(5..5),
            store.select().steps((std::ops::Bound::Included(9), std::ops::Bound::Excluded(2))),
            store.select().steps(i64::MAX..),
            store.select().times_us(..TIME_US_MIN),
            store.select().values(f64::NAN, None),
            store.select().values(3.0, 2.0),
        ] {
            assert_eq!(select.points().unwrap().collect().unwrap().num_rows(), 0);
            assert!(select.summaries().unwrap().is_empty() && select.chart(10).unwrap().is_empty());
            assert!(points_of(&select.latest().unwrap()).is_empty());
            assert!(select.follow().unwrap().poll().unwrap().is_empty());
            let by_run = select.aggregate(&[Aggregate::Count], &[By::Run]).unwrap();
            let total = select.aggregate(&[Aggregate::Count, Aggregate::Mean], &[]).unwrap();
            assert_eq!((by_run.num_rows(), total.num_rows()), (0, 1));
            assert!(total.column(1).is_null(0), "no points have no mean");
        }
    }
}

#[test]
fn wrong_questions_are_refused_with_what_would_be_right() {
    let (_dir, _path, store) = new_store();
    refused("average".parse::<Aggregate>(), ErrorKind::Invalid, &["average", "mean", "count", "std"]);
    refused("p101".parse::<Aggregate>(), ErrorKind::Invalid, &["p101"]);
    refused(store.select().aggregate(&[], &[]), ErrorKind::Invalid, &["no aggregate"]);
    refused(
        store.select().aggregate(&[Aggregate::Mean], &[By::StepBucket(0)]),
        ErrorKind::Invalid,
        &["width 0"],
    );
    refused(
        store.select().aggregate(&[Aggregate::Mean, Aggregate::Mean], &[]),
        ErrorKind::Invalid,
        &["mean", "twice"],
    );
    refused(store.select().chart(0), ErrorKind::Invalid, &["0 buckets"]);
    for pattern in ["[a", "{a,b", "a\\"] {
        refused(store.select().runs(pattern).points().map(|_| ()), ErrorKind::Invalid, &[pattern]);
        refused(store.select().metrics(pattern).follow().map(|_| ()), ErrorKind::Invalid, &[pattern]);
    }
    refused("1:x".parse::<tidalite::Cursor>(), ErrorKind::Invalid, &["1:x"]);
    refused(store.snapshot().unwrap().run("absent"), ErrorKind::NotFound, &["absent"]);
    still_works(&store);
}

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
    refused(store.verify(&|_, _| {}), ErrorKind::Invalid, &closed);
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
fn a_backup_goes_to_an_empty_folder_alone_and_a_cut_one_is_no_store() {
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
        store.backup(&path, &|_, _| {}),
        ErrorKind::Invalid,
        &["holds something", path.to_str().unwrap()],
    );
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    refused(store.backup(&file, &|_, _| {}), ErrorKind::Invalid, &["is a file"]);
    let copy = dir.path().join("copy");
    store.backup(&copy, &|_, _| {}).unwrap();
    let copied = options().open(&copy).unwrap();
    assert_eq!(points(&copied.select()).unwrap(), points(&store.select()).unwrap());
    sound(&copied.verify(&|_, _| {}).unwrap()).unwrap();
    still_works(&copied);
    assert_eq!(points(&store.select()).unwrap().len(), 80, "the original is as it was");
    std::fs::remove_file(copy.join("TIDALITE")).unwrap();
    refused(options().read_only(true).open(&copy), ErrorKind::Invalid, &["no tidalite store"]);
    let part = std::fs::read_dir(path.join("parts")).unwrap().next().unwrap().unwrap().path();
    let mut bad = std::fs::read(&part).unwrap();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    std::fs::write(&part, bad).unwrap();
    let other = dir.path().join("other");
    refused(
        store.backup(&other, &|_, _| {}),
        ErrorKind::Corrupt,
        &[part.file_name().unwrap().to_str().unwrap()],
    );
    assert!(!Path::new(&other).join("TIDALITE").exists(), "a backup keeps no damage");
}
