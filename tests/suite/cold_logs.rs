//! Logs that hold more rows than may be in memory: readers read them again where they need them, and answer as from parts.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use tempfile::tempdir;
use tidalite::{
    Aggregate, AlignOn, By, ErrorKind, Fill, OnDamage, Options, Repeats, Run, Selection, SeriesKey, Snapshot,
    Store, Summary,
};
use tidalite_testkit::Random;

const METRICS: [&str; 6] = ["m0", "m1", "m2", "m3", "m4", "m5"];

fn writer(path: &Path) -> Store {
    Options::new().background(false).threads(2).segment_bytes(16 << 10, 64 << 10).open(path).unwrap()
}

/// A reader that keeps hardly any row in memory.
fn cold(path: &Path) -> Store {
    Options::new().read_only(true).threads(2).row_bytes(2_000).open(path).unwrap()
}

/// A reader that keeps all rows in memory.
fn warm(path: &Path) -> Store {
    Options::new().read_only(true).threads(2).row_bytes(u64::MAX).open(path).unwrap()
}

/// Rows of several layouts, batches, repeats, steps out of order, automatic steps and a rewind.
fn fill(store: &Store, id: &str, rng: &mut Random, rows: i64) -> Run {
    let run = store.run(id).start().unwrap();
    let all = run.columns(&METRICS).unwrap();
    let few = run.columns(&METRICS[..2]).unwrap();
    for step in 0..rows {
        let step = if rng.below(50) == 0 { step / 2 } else { step };
        match rng.below(20) {
            0 => {
                few.log_at(Some(step), Some(step * 1000), &[rng.unit(), f64::NAN]).unwrap();
            }
            1 => {
                run.log(step, &[("loose", rng.unit())]).unwrap();
            }
            2 => {
                run.log(None, &[("auto", rng.unit())]).unwrap();
            }
            _ => {
                let values: Vec<f64> = METRICS.iter().map(|_| rng.unit()).collect();
                all.log_at(Some(step), Some(step * 1000), &values).unwrap();
            }
        }
        if step == rows / 3 {
            run.rewind(rows / 4).unwrap();
        }
    }
    run
}

/// All values, row by row.
fn texts(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("null");
    let column = |c: &ArrayRef| {
        let text = ArrayFormatter::try_new(c, &options).unwrap();
        (0..c.len()).map(|row| text.value(row).to_string()).collect::<Vec<_>>()
    };
    let columns: Vec<Vec<String>> = batch.columns().iter().map(column).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|c| &*c[row]).collect::<Vec<_>>().join(",")).collect()
}

/// The answers to many questions, as text.
fn answers(store: &Store) -> Vec<String> {
    let all = || store.select();
    let show = |batch: RecordBatch| texts(&batch).join("\n");
    let pages = |select: Selection| show(select.points().unwrap().collect().unwrap());
    let mut found = vec![
        pages(all()),
        pages(all().repeats(Repeats::All)),
        pages(all().metric("m1").steps(100..300)),
        pages(all().include_rewound(true)),
        show(all().latest().unwrap()),
        show(all().metric("m2").latest().unwrap()),
        summaries(&all()),
        format!("{:?}", all().chart(20).unwrap()),
        format!("{:?}", all().metric("m3").steps(50..450).chart(20).unwrap()),
        show(all().metrics("m[04]").align(AlignOn::Step, Fill::None).unwrap()),
        show(all().aggregate(&[Aggregate::Count, Aggregate::Mean, Aggregate::Max], &[By::Metric]).unwrap()),
        show(all().aggregate(&[Aggregate::Count, Aggregate::First, Aggregate::Last], &[By::Run]).unwrap()),
        format!("{:?}", store.runs().unwrap()),
        format!("{:?}", store.snapshot().unwrap().metrics().unwrap()),
    ];
    let stats = store.stats().unwrap();
    found.push(format!("{} {} {} {}", stats.runs, stats.series, stats.points, stats.log_points));
    found
}

#[test]
fn a_reader_answers_alike_whether_the_rows_are_in_memory_or_not() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("m");
    let (store, other) = (writer(&path), writer(&path));
    let (mut rng, early) = (Random::new(7), cold(&path));
    let a = fill(&store, "a", &mut rng, 600);
    // A reader that follows keeps the newest rows; a fresh one skips the older ones.
    let before = (answers(&early), early.snapshot().unwrap());
    assert_alike(&before.0, &answers(&warm(&path)));
    fill(&other, "b", &mut rng, 600);
    a.log(700, &[("m0", 1.0)]).unwrap();
    let expected = answers(&warm(&path));
    assert_alike(&answers(&early), &expected);
    assert_alike(&answers(&cold(&path)), &expected);
    // A held snapshot ends within frames that are cold by now.
    let held = before.1.select().run("a").points().unwrap().collect().unwrap();
    assert_eq!(before.1.stats().unwrap().points, held_points(&before.1));
    drop(a);
    store.flush().unwrap();
    assert_eq!(before.1.select().run("a").points().unwrap().collect().unwrap(), held);
    assert_alike(&answers(&early)[..14], &answers(&warm(&path))[..14]);
}

fn summaries(select: &Selection) -> String {
    let found = select.summaries().unwrap();
    let line = |(key, s): &(SeriesKey, Summary)| {
        format!("{key:?} {} {} {:?} {:?} {:?}", s.count, s.nan, s.mean(), s.first, s.last)
    };
    found.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Compares answers, and names the first that differs.
fn assert_alike(found: &[String], expected: &[String]) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let differs = found.lines().zip(expected.lines()).find(|(a, b)| a != b);
        let short = |text: &str| text.chars().take(300).collect::<String>();
        let first = differs.map(|(a, b)| (short(a), short(b)));
        assert!(found == expected, "answer {i}, {} and {} bytes: {first:?}", found.len(), expected.len());
    }
}

fn held_points(snapshot: &Snapshot) -> u64 {
    let all = snapshot.select().repeats(Repeats::All).include_rewound(true).points().unwrap();
    all.collect().unwrap().num_rows() as u64
}

#[test]
fn a_follower_sees_each_row_once_whether_it_is_in_memory_or_not() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("m");
    let store = writer(&path);
    let (cold, warm) = (cold(&path), warm(&path));
    let mut followers = [cold.select().follow().unwrap(), warm.select().follow().unwrap()];
    let mut rng = Random::new(3);
    for round in 0..5 {
        fill(&store, &format!("run-{round}"), &mut rng, 150);
        // Other questions make rows cold between two polls.
        cold.select().latest().unwrap();
        let [a, b] =
            followers.each_mut().map(|f| f.poll().unwrap().iter().flat_map(texts).collect::<Vec<_>>());
        assert_eq!(a, b, "round {round}");
    }
    let mut late = cold.select().follow().unwrap();
    let all = |batches: Vec<RecordBatch>| batches.iter().flat_map(texts).collect::<Vec<_>>();
    assert_eq!(all(late.poll().unwrap()), all(warm.select().follow().unwrap().poll().unwrap()));
    assert_eq!(late.cursor(), followers[1].cursor());
}

#[test]
fn a_copy_and_a_merge_hold_the_rows_that_are_not_in_memory() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("m");
    let store = writer(&path);
    fill(&store, "a", &mut Random::new(5), 500);
    let expected = answers(&warm(&path));
    let [copy, target] = ["copy", "target"].map(|name| dir.path().join(name));
    cold(&path).backup(&copy).unwrap();
    assert_alike(&answers(&warm(&copy))[..12], &expected[..12]);
    let into = Options::new().background(false).row_bytes(2_000).open(&target).unwrap();
    into.merge(&path).unwrap();
    assert_alike(&answers(&warm(&target))[..12], &expected[..12]);
}

#[test]
fn frames_that_are_partly_flushed_are_read_again_from_where_they_are_not() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("m");
    let store = writer(&path);
    let run = store.run("a").start().unwrap();
    let all = run.columns(&METRICS).unwrap();
    let values = |step: i64| METRICS.map(|m| (step * m.len() as i64) as f64);
    for step in 0..200_000 {
        all.log_at(Some(step), Some(step), &values(step)).unwrap();
    }
    store.sync().unwrap();
    let reader = Options::new().read_only(true).threads(2).row_bytes(1_300_000).open(&path).unwrap();
    let held = |store: &Store| {
        let select = store.select().metric("m0");
        (summaries(&select), texts(&select.points().unwrap().collect().unwrap()).join("\n"))
    };
    let before = held(&reader);
    // One round of a flush reads a quarter of the memory. This one ends after the first round, within an entry of the reader.
    let flusher = Options::new().background(false).memory_bytes(16 << 20).open(&path).unwrap();
    let versions = || fs::read_dir(path.join("manifest")).unwrap().count();
    let first = versions();
    let after_a_round = |_| match versions() > first {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    assert_eq!(flusher.flush_with(&after_a_round).unwrap_err().kind(), ErrorKind::Cancelled);
    let stats = reader.stats().unwrap();
    assert!(stats.parts > 0 && stats.log_bytes > 0, "some frames are flushed: {stats:?}");
    let log = fs::read_dir(path.join("log")).unwrap().next().unwrap().unwrap().path();
    assert!(!log.join("00000001.seg").exists(), "segments of flushed frames are gone");
    assert_eq!(held(&reader), before);
    reader.backup(dir.path().join("copy")).unwrap();
    assert_eq!(held(&warm(&dir.path().join("copy"))), before);
    let target = Options::new().background(false).open(dir.path().join("target")).unwrap();
    target.merge(&path).unwrap();
    assert_eq!(held(&target), before);
}

#[test]
fn a_row_that_was_lost_after_it_was_read_is_an_error_and_not_a_smaller_answer() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("m");
    let store = writer(&path);
    let run = store.run("a").start().unwrap();
    for step in 0..2_000 {
        run.log(step, &[("loss", step as f64)]).unwrap();
    }
    store.sync().unwrap();
    let reader = cold(&path);
    let snapshot = reader.snapshot().unwrap();
    assert_eq!(snapshot.stats().unwrap().points, 2_000);
    let log = fs::read_dir(path.join("log")).unwrap().next().unwrap().unwrap().path();
    let mut segments: Vec<_> = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    let mut bytes = fs::read(&segments[0]).unwrap();
    bytes[8_000] ^= 1;
    fs::write(&segments[0], bytes).unwrap();
    let error = snapshot.select().points().unwrap().collect().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("hold"), "{error}");
    assert_eq!(snapshot.select().summaries().unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn the_last_point_of_a_live_series_is_found_without_reading_the_others() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("m");
    let store = writer(&path);
    let run = store.run("a").start().unwrap();
    for step in 0..1_000 {
        run.log(step, &[("loss", step as f64)]).unwrap();
    }
    for reader in [warm(&path), cold(&path)] {
        let select = reader.select().metric("loss");
        let (last, how) = select.explain(|s| s.latest()).unwrap();
        assert_eq!(last.num_rows(), 1);
        assert_eq!(how.log_points, 1, "{how}");
    }
    store.flush().unwrap();
    run.log(1_000, &[("loss", 0.5)]).unwrap();
    let (last, how) = warm(&path).select().metric("loss").explain(|s| s.latest()).unwrap();
    assert_eq!((last.num_rows(), how.log_points, how.pages_read), (1, 1, 0), "{how}");
}

#[test]
fn a_series_longer_than_a_batch_is_drawn_from_its_logs_in_pieces() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("m");
    let (store, mut rng) = (writer(&path), Random::new(11));
    let run = store.run("a").start().unwrap();
    let columns = run.columns(&["loss"]).unwrap();
    for i in 0..150_000 {
        // Some steps are repeated, some come late.
        let step = if rng.below(100) == 0 { i - i / 10 } else { i };
        columns.log_at(Some(step), Some(i * 1000), &[rng.unit()]).unwrap();
    }
    let roomy = Options::new().read_only(true).memory_bytes(1 << 30).open(&path).unwrap();
    let small = Options::new()
        .read_only(true)
        .threads(2)
        .memory_bytes(16 << 20)
        .row_bytes(20_000)
        .open(&path)
        .unwrap();
    let questions: [fn(Selection) -> Selection; 3] =
        [|s| s, |s| s.steps(10_000..140_000), |s| s.times_us(5_000_000..130_000_000).values(0.25, None)];
    for ask in questions {
        let [a, b] = [&roomy, &small].map(|store| format!("{:?}", ask(store.select()).chart(500).unwrap()));
        assert!(a == b, "{} and {} bytes", a.len(), b.len());
        let [a, b] = [&roomy, &small].map(|store| summaries(&ask(store.select())));
        assert_eq!(a, b);
    }
}

#[test]
fn rows_that_are_damaged_after_they_were_read_are_met_when_they_are_read_again() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("s");
    let store = writer(&path);
    let run = store.run("a").start().unwrap();
    for step in 0..4000 {
        run.log(step, &[("x", 1.0)]).unwrap();
    }
    run.finish().unwrap();
    store.sync().unwrap();
    store.close().unwrap();
    let reader = cold(&path);
    let sum = |select: Selection| select.summaries().map(|found| found[0].1.count);
    assert_eq!(sum(reader.select()).unwrap(), 4000);
    let folder = fs::read_dir(path.join("log")).unwrap().next().unwrap().unwrap().path();
    let segment = folder.join("00000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).unwrap();
    // What was known of the log does not hold any more; from then on the place is known.
    let first = sum(reader.select().steps(10..)).unwrap_err();
    assert_eq!(first.kind(), ErrorKind::Corrupt, "{first}");
    let second = sum(reader.select()).unwrap_err();
    assert!(second.kind() == ErrorKind::Corrupt && second.path() == Some(&segment), "{second}");
    let select = reader.select().on_damage(OnDamage::Report);
    assert_eq!((sum(select.clone()).unwrap(), select.damage().len()), (3999, 1));
    // The same for a reader that reads the damaged log first, from memory and again.
    for store in [cold(&path), warm(&path)] {
        assert_eq!(sum(store.select()).unwrap_err().path(), Some(&*segment));
        let select = store.select().on_damage(OnDamage::Report);
        assert_eq!((sum(select.clone()).unwrap(), select.damage().len()), (3999, 1));
    }
}
