//! The life of a point through the public API, on the real file system: logged, read live by a second store, flushed,
//! compacted, queried, followed and backed up.

// Helpers of an integration test may unwrap too.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int64Type};
use std::sync::Arc;
use std::time::Duration;
use tidalite::{Aggregate, By, ErrorKind, Labels, Options, Repeats, RowAt, Status, Store};

fn store(dir: &tempfile::TempDir) -> Store {
    Options::new().background(false).open(dir.path().join("store")).unwrap()
}

fn reader(dir: &tempfile::TempDir) -> Store {
    Options::new().read_only(true).open(dir.path().join("store")).unwrap()
}

fn values(batch: &RecordBatch) -> Vec<f64> {
    batch.column_by_name("value").unwrap().as_primitive::<Float64Type>().values().to_vec()
}

fn steps(batch: &RecordBatch) -> Vec<i64> {
    batch.column_by_name("step").unwrap().as_primitive::<Int64Type>().values().to_vec()
}

fn batch(rows: usize) -> RecordBatch {
    let n = rows as i64;
    RecordBatch::try_from_iter([
        ("run", Arc::new(StringArray::from(vec!["bulk"; rows])) as ArrayRef),
        ("metric", Arc::new(StringArray::from(vec!["x"; rows]))),
        ("step", Arc::new(Int64Array::from_iter_values((0..n).rev()))),
        ("value", Arc::new(Float64Array::from_iter_values((0..n).rev().map(|i| i as f64)))),
    ])
    .unwrap()
}

#[test]
fn another_store_reads_rows_live_and_after_flush_and_compaction() {
    let dir = tempfile::tempdir().unwrap();
    let writer = store(&dir);
    let run = writer.run("a").param("lr", 0.1).label("rank", "0").start().unwrap();
    for step in 0..100 {
        run.log(step, &[("loss", 1.0 / (step + 1) as f64), ("acc", step as f64)]).unwrap();
    }
    let reader = reader(&dir);
    let check = |alive: Status| {
        let points = reader.select().metric("loss").points().unwrap().collect().unwrap();
        assert_eq!(steps(&points), (0..100).collect::<Vec<_>>());
        let info = reader.snapshot().unwrap().run("a").unwrap();
        assert_eq!(
            (info.status, info.params["lr"].as_f64(), info.labels.as_str()),
            (alive, Some(0.1), "rank=0")
        );
    };
    check(Status::Running);
    assert_eq!(writer.flush().unwrap().points, 200);
    check(Status::Running);
    run.log(100, &[("loss", 0.0)]).unwrap();
    run.finish().unwrap();
    writer.flush().unwrap();
    assert_eq!(writer.compact().unwrap().parts_in, 2);
    assert_eq!(writer.snapshot().unwrap().parquet_files().unwrap().len(), 1);
    writer.close().unwrap();
    assert_eq!(reader.runs().unwrap()[0].status, Status::Finished);
    assert_eq!(reader.select().points().unwrap().collect().unwrap().num_rows(), 201);
    assert!(reader.verify().unwrap().findings.is_empty());
}

#[test]
fn repeats_are_kept_and_the_query_chooses_among_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let run = store.run("r").start().unwrap();
    for (step, value) in [(5, 1.0), (3, 2.0), (5, f64::NAN), (4, f64::NEG_INFINITY), (5, 3.0)] {
        run.log(step, &[("x", value)]).unwrap();
        if value == 2.0 {
            store.flush().unwrap();
        }
    }
    let get = |repeats| values(&store.select().repeats(repeats).points().unwrap().collect().unwrap());
    for _ in 0..2 {
        assert_eq!(get(Repeats::Last), [2.0, f64::NEG_INFINITY, 3.0]);
        assert_eq!(get(Repeats::First), [2.0, f64::NEG_INFINITY, 1.0]);
        let all = get(Repeats::All);
        assert!(all.len() == 5 && all[2] == 1.0 && all[3].is_nan() && all[4] == 3.0, "{all:?}");
        store.compact().unwrap();
    }
}

#[test]
fn a_batch_of_any_size_mixes_with_rows() {
    for rows in [10, 50_000] {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir);
        let run = store.run("bulk").start().unwrap();
        run.log(3, &[("x", -1.0)]).unwrap();
        store.append(&batch(rows)).unwrap();
        run.log(4, &[("x", -2.0)]).unwrap();
        let check = |what: &str| {
            let points = store.select().points().unwrap().collect().unwrap();
            let mut expected: Vec<f64> = (0..rows).map(|i| i as f64).collect();
            expected[4] = -2.0;
            assert_eq!(values(&points), expected, "{rows} rows, {what}");
        };
        check("live");
        store.flush().unwrap();
        check("flushed");
        store.compact().unwrap();
        check("compacted");
        assert!(store.verify().unwrap().findings.is_empty());
    }
}

#[test]
fn a_follower_gets_each_point_once_across_flush_and_compaction() {
    let dir = tempfile::tempdir().unwrap();
    let writer = store(&dir);
    let run = writer.run("r").start().unwrap();
    let reader = reader(&dir);
    let mut follow = reader.select().metric("x").follow().unwrap();
    let mut seen = Vec::new();
    for step in 0..60 {
        run.log(step, &[("x", step as f64), ("y", 0.0)]).unwrap();
        if step % 7 == 0 {
            seen.extend(follow.wait(Duration::from_secs(5)).unwrap().iter().flat_map(steps));
        }
        if step % 11 == 0 {
            writer.flush().unwrap();
        }
        if step % 25 == 0 {
            writer.compact().unwrap();
        }
    }
    let cursor = follow.cursor().to_string();
    let mut again = reader.select().metric("x").follow_from(cursor.parse().unwrap()).unwrap();
    seen.extend(again.poll().unwrap().iter().flat_map(steps));
    assert_eq!(seen, (0..60).collect::<Vec<_>>());
    assert!(again.poll().unwrap().is_empty());
}

#[test]
fn a_snapshot_reads_the_same_after_more_rows_flush_and_compaction() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let run = store.run("r").start().unwrap();
    for step in 0..50 {
        run.log(step, &[("x", step as f64)]).unwrap();
    }
    store.flush().unwrap();
    for step in 50..70 {
        run.log(step, &[("x", step as f64)]).unwrap();
    }
    let snapshot = store.snapshot().unwrap();
    run.log(10, &[("x", -1.0)]).unwrap();
    store.compact().unwrap();
    store.compact().unwrap();
    let points = snapshot.select().points().unwrap().collect().unwrap();
    assert_eq!(values(&points), (0..70).map(f64::from).collect::<Vec<_>>());
    assert_eq!(values(&store.select().points().unwrap().collect().unwrap())[10], -1.0);
}

#[test]
fn automatic_steps_continue_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let store = store(&dir);
        let run = store.run("r").start().unwrap();
        for _ in 0..5 {
            run.log(None, &[("x", f64::from(round))]).unwrap();
        }
        run.finish().unwrap();
        store.close().unwrap();
    }
    let points = reader(&dir).select().points().unwrap().collect().unwrap();
    assert_eq!(steps(&points), (0..15).collect::<Vec<_>>());
}

#[test]
fn aggregates_of_log_and_parts_are_equal() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    for r in 0..3 {
        let run = store.run(format!("run-{r}")).start().unwrap();
        for step in 0..1000 {
            let at = RowAt::step(step)
                .time_us(1_780_000_000_000_000 + step * 1000)
                .labels(Labels::parse("gpu=1").unwrap());
            run.log_at(&at, &[("x", (step * (r + 1)) as f64), ("nan", f64::NAN)]).unwrap();
        }
    }
    let ask = || {
        let aggregates = Aggregate::parse_list(&["count", "mean", "min", "max", "last", "p50"]).unwrap();
        let by = [By::Run, By::Metric, By::Label("gpu".into()), By::StepBucket(100), By::TimeBucket(500_000)];
        let fine = store.select().steps(10..900).aggregate(&aggregates, &by).unwrap();
        let coarse = store.select().metrics("x*").aggregate(&aggregates[..5], &[By::Run]).unwrap();
        (fine, coarse)
    };
    let live = ask();
    store.flush().unwrap();
    assert_eq!(ask(), live);
    store.compact().unwrap();
    assert_eq!(ask(), live);
    assert_eq!(live.1.num_rows(), 3);
    assert_eq!(live.0.num_rows(), 3 * 2 * 9);
}

#[test]
fn a_backup_holds_parts_log_and_runs() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let run = store.run("r").param("lr", 0.5).start().unwrap();
    run.log(0, &[("x", 1.0)]).unwrap();
    store.flush().unwrap();
    run.log(1, &[("x", 2.0)]).unwrap();
    store.append(&batch(20_000)).unwrap();
    let to = dir.path().join("copy");
    store.backup(&to).unwrap();
    run.log(2, &[("x", 3.0)]).unwrap();
    let copy = Store::open(&to).unwrap();
    assert_eq!(copy.select().run("r").points().unwrap().collect().unwrap().num_rows(), 2);
    assert_eq!(copy.select().run("bulk").points().unwrap().collect().unwrap().num_rows(), 20_000);
    assert_eq!(copy.snapshot().unwrap().run("r").unwrap().params["lr"], 0.5.into());
    assert!(copy.verify().unwrap().findings.is_empty());
    assert_eq!(store.backup(&to).unwrap_err().kind(), ErrorKind::Invalid);
    copy.run("r").start().unwrap().log(5, &[("x", 9.0)]).unwrap();
    assert_eq!(copy.select().run("r").points().unwrap().collect().unwrap().num_rows(), 3);
}

#[test]
fn points_of_a_staged_part_count_as_log_points_until_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    store.append(&batch(20_000)).unwrap();
    store.run("r").start().unwrap().log(0, &[("x", 1.0)]).unwrap();
    let counts = || {
        let (stats, recovery) = (store.stats().unwrap(), store.recovery().unwrap());
        let verified = store.verify().unwrap();
        assert!(verified.bytes > 4096, "what is staged is read too: {verified:?}");
        for report in [&recovery, &verified] {
            assert_eq!((report.points, report.log_points), (stats.points, stats.log_points));
            assert_eq!((report.parts, report.findings.len()), (stats.parts, 0));
        }
        (stats.points, stats.log_points, stats.parts)
    };
    assert_eq!(counts(), (20_001, 20_001, 0));
    let flushed = store.flush().unwrap();
    assert_eq!((flushed.points, flushed.parts), (20_001, 2));
    assert_eq!(counts(), (20_001, 0, 2));
}

#[test]
fn a_marker_with_one_damaged_copy_opens_and_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    store(&dir).close().unwrap();
    let marker = dir.path().join("store/TIDALITE");
    let mut bytes = std::fs::read(&marker).unwrap();
    bytes[3] ^= 1;
    std::fs::write(&marker, bytes).unwrap();
    let store = reader(&dir);
    for report in [store.recovery().unwrap(), store.verify().unwrap()] {
        assert_eq!(report.findings.len(), 1, "{report:?}");
        assert_eq!(report.findings[0].path, marker);
        assert!(!report.is_sound() && report.findings[0].message.contains("first copy"), "{report:?}");
    }
}

#[test]
fn misuse_is_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let run = store.run("r").start().unwrap();
    let kind = |e: tidalite::Error| {
        assert!(e.to_string().contains("; "), "no remedy: {e}");
        e.kind()
    };
    assert_eq!(kind(run.log(0, &[]).unwrap_err()), ErrorKind::Invalid);
    assert_eq!(kind(run.log(0, &[("a", 1.0), ("a", 2.0)]).unwrap_err()), ErrorKind::Invalid);
    assert_eq!(kind(run.log(0, &[("", 1.0)]).unwrap_err()), ErrorKind::Invalid);
    assert_eq!(
        kind(run.log_at(&RowAt::step(0).time_us(i64::MAX), &[("a", 1.0)]).unwrap_err()),
        ErrorKind::Invalid
    );
    run.finish().unwrap();
    assert_eq!(kind(run.log(0, &[("a", 1.0)]).unwrap_err()), ErrorKind::Invalid);
    store.close().unwrap();
    assert_eq!(kind(store.runs().unwrap_err()), ErrorKind::Invalid);
    assert_eq!(kind(reader(&dir).run("x").start().unwrap_err()), ErrorKind::Invalid);
    assert_eq!(
        kind(Options::new().read_only(true).open(dir.path().join("no")).unwrap_err()),
        ErrorKind::NotFound
    );
    assert_eq!(
        kind(
            Store::open(dir.path().join("store/lock"))
                .err()
                .or_else(|| Store::open(dir.path().join("store/TIDALITE")).err())
                .unwrap()
        ),
        ErrorKind::Invalid
    );
    assert_eq!(kind(Store::open(dir.path()).unwrap_err()), ErrorKind::Invalid);
}

#[test]
fn a_series_too_long_for_memory_is_read_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let store =
        Options::new().background(false).memory_bytes(16 << 20).open(dir.path().join("store")).unwrap();
    let run = store.run("long").start().unwrap();
    let metric = run.metric("x").unwrap();
    let n = 400_000;
    for round in 0..3 {
        for step in (0..n).filter(|s| s % 3 == round) {
            metric.log_at(step, 1_780_000_000_000_000 + step, step as f64).unwrap();
        }
        if round < 2 {
            store.flush().unwrap();
        }
    }
    for step in [5, 200_000] {
        metric.log_at(step, 1_780_000_000_000_000, -1.0).unwrap();
    }
    let check = || {
        let points = store.select().points().unwrap().collect().unwrap();
        assert_eq!(steps(&points), (0..n).collect::<Vec<_>>());
        assert_eq!((values(&points)[200_000], values(&points)[200_001]), (-1.0, 200_001.0));
        let summaries = store.select().steps(10..n - 10).summaries().unwrap();
        assert_eq!(summaries.len(), 1);
        assert_eq!(summaries[0].1.count, n as u64 - 20);
        assert_eq!(summaries[0].1.last.unwrap().step, n - 11);
        let table = store.select().aggregate(&[Aggregate::Count], &[By::StepBucket(1 << 17)]).unwrap();
        assert_eq!(
            table.column(1).as_primitive::<Int64Type>().values(),
            &[1 << 17, 1 << 17, 1 << 17, n - (3 << 17)]
        );
    };
    check();
    store.compact().unwrap();
    check();
}
