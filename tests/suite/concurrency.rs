//! Threads and processes write, flush, compact and read at the same time: no point is missing or duplicated, and a snapshot
//! does not change.
//!
//! Method: on a real file system. Names and values identify the writer of each point. Processes are this binary again, see
//! `process.rs`. Tests wait for events, not for time to pass.

use crate::process::{Player, say};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tidalite::{Options, Point, Repeats, SeriesKey, Store};
use tidalite_testkit::{Question, points, points_of, select, snapshot};

fn options() -> Options {
    Options::new().threads(1).background(false).segment_bytes(4096, 64 << 10)
}

fn all(store: &Store) -> Vec<(SeriesKey, Point)> {
    points(&select(store.select(), &Question::all(Repeats::All))).unwrap()
}

/// The identity of points in these tests: series and step.
fn names(points: &[(SeriesKey, Point)]) -> Vec<(String, String, i64)> {
    points.iter().map(|(k, p)| (k.metric.to_string(), k.labels.to_string(), p.step)).collect()
}

#[test]
fn rows_of_four_threads_of_one_run_are_there_once_each_and_in_their_order() {
    const ROWS: i64 = 5000;
    let dir = tempfile::tempdir().unwrap();
    let store = options().open(dir.path().join("store")).unwrap();
    let run = store.run("r").start().unwrap();
    std::thread::scope(|s| {
        for thread in 0..4 {
            let run = run.clone();
            s.spawn(move || {
                let name = format!("m{thread}");
                let mut last = None;
                for step in 0..ROWS {
                    let seq = run.log(step, &[(&name, step as f64), ("shared", f64::from(thread))]).unwrap();
                    assert!(last.is_none_or(|l| l < seq), "a thread's rows keep their order");
                    last = Some(seq);
                }
            });
        }
    });
    let check = || {
        let found = all(&store);
        let (shared, own): (Vec<_>, Vec<_>) = found.iter().partition(|(k, _)| &*k.metric == "shared");
        let mut own: Vec<(String, i64)> = own.iter().map(|(k, p)| (k.metric.to_string(), p.step)).collect();
        own.dedup();
        assert_eq!((own.len(), shared.len()), (4 * ROWS as usize, 4 * ROWS as usize));
        for of_step in shared.chunk_by(|a, b| a.1.step == b.1.step) {
            let mut by: Vec<f64> = of_step.iter().map(|(_, p)| p.value).collect();
            by.sort_by(f64::total_cmp);
            assert_eq!(
                by,
                [0.0, 1.0, 2.0, 3.0],
                "each thread's row stands once at step {}",
                of_step[0].1.step
            );
        }
    };
    check();
    store.flush().unwrap();
    check();
}

/// Logs rows to run "r" and ends. The argument is `<rank> <rows>`.
pub(crate) fn writer(path: &Path, arg: &str) {
    let (rank, rows) = arg.split_once(' ').unwrap();
    let store = options().open(path).unwrap();
    let run = store.run("r").label("rank", rank).start().unwrap();
    for step in 0..rows.parse().unwrap() {
        run.log(step, &[("a", step as f64), ("b", -step as f64)]).unwrap();
    }
    run.finish().unwrap();
    store.close().unwrap();
    say("done");
}

#[test]
fn four_processes_write_one_run_and_a_reader_that_follows_gets_each_point_once() {
    const ROWS: i64 = 4000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = options().open(&path).unwrap();
    let mut follow = store.select().run("r").follow().unwrap();
    let players: Vec<Player> =
        (0..4).map(|rank| Player::start("writer", &path, &format!("{rank} {ROWS}"))).collect();
    let mut seen = Vec::new();
    let wanted = 4 * 2 * ROWS as usize;
    let mut polls = 0;
    while seen.len() < wanted {
        for batch in follow.wait(Duration::from_secs(60)).unwrap() {
            seen.extend(points_of(&batch));
        }
        polls += 1;
        match polls % 8 {
            3 => store.flush().map(|_| ()).unwrap(),
            7 => store.compact().map(|_| ()).unwrap(),
            _ => {}
        }
    }
    players.into_iter().for_each(|p| assert_eq!(p.end(), ["done"]));
    assert!(follow.poll().unwrap().is_empty());
    let mut seen = names(&seen);
    let mut there = names(&all(&store));
    seen.sort();
    there.sort();
    assert_eq!(there.len(), wanted);
    assert!(seen == there, "the follower saw what is there");
    there.dedup();
    assert_eq!(there.len(), wanted, "no point is there twice");
    let info = store.snapshot().unwrap().run("r").unwrap();
    assert_eq!((info.participants.len(), info.status.as_str()), (4, "finished"));
}

/// Rows of run "r", metric `metric`, at these steps.
fn batch(metric: &str, steps: std::ops::Range<i64>) -> RecordBatch {
    let n = usize::try_from(steps.end - steps.start).unwrap();
    let columns: [(&str, ArrayRef); 4] = [
        ("run", Arc::new(StringArray::from(vec!["r"; n]))),
        ("metric", Arc::new(StringArray::from(vec![metric; n]))),
        ("step", Arc::new(Int64Array::from_iter_values(steps.clone()))),
        ("value", Arc::new(Float64Array::from_iter_values(steps.map(|s| s as f64)))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Calls `write` with 0, 1, … on one thread while another flushes and compacts and this one follows, until all `wanted`
/// points are written and a last poll is done.
fn followed_while(wanted: usize, writes: i64, write: impl Fn(&Store, i64) + Sync) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = options().open(&path).unwrap();
    // The engine treats a second store as another process.
    let other = options().open(&path).unwrap();
    let written = AtomicBool::new(false);
    let mut seen = Vec::new();
    std::thread::scope(|s| {
        s.spawn(|| {
            (0..writes).for_each(|i| write(&store, i));
            written.store(true, Ordering::Release);
        });
        s.spawn(|| {
            let mut round = 0;
            while !written.load(Ordering::Acquire) {
                round += 1;
                if round % 3 == 0 {
                    other.compact().map(|_| ()).unwrap()
                } else {
                    other.flush().map(|_| ()).unwrap()
                }
            }
        });
        let reader = options().read_only(true).open(&path).unwrap();
        let mut follow = reader.select().repeats(Repeats::All).follow().unwrap();
        loop {
            let last = written.load(Ordering::Acquire);
            for batch in follow.poll().unwrap() {
                seen.extend(points_of(&batch));
            }
            if last {
                break;
            }
        }
    });
    let mut seen = names(&seen);
    seen.sort();
    let count = seen.len();
    seen.dedup();
    assert_eq!(count, seen.len(), "a follower got a point twice");
    assert_eq!(names(&all(&store)).len(), wanted, "points are missing, or there twice");
    assert_eq!(count, wanted, "a follower missed points");
}

#[test]
fn a_follower_gets_each_row_once_across_flushes_and_compactions() {
    followed_while(2 * 6000, 6000, |store, i| {
        // One handle would do. Starting a run again must change nothing.
        let run = store.run("r").start().unwrap();
        run.log(i, &[("a", i as f64), ("b", i as f64)]).unwrap();
    });
}

#[test]
fn a_follower_gets_each_point_once_of_batches_large_and_small_and_of_rows_between() {
    let rows = AtomicU64::new(0);
    let sizes = |i: i64| if i % 3 == 0 { 17_000 } else { 10 };
    let total: i64 = (0..12).map(sizes).sum();
    followed_while(usize::try_from(total).unwrap() + 400 * 12, 12, |store, i| {
        // Another thread logs rows while the batch becomes a part.
        std::thread::scope(|s| {
            s.spawn(|| {
                let run = store.run("r").start().unwrap();
                for _ in 0..400 {
                    let step = rows.fetch_add(1, Ordering::Relaxed).cast_signed();
                    run.log(step, &[("row", 1.0)]).unwrap();
                }
            });
            let start = (0..i).map(sizes).sum::<i64>();
            store.append(&batch("batch", start..start + sizes(i))).unwrap();
        });
    });
}

#[test]
fn threads_that_read_one_store_while_it_is_written_flushed_and_backed_up_see_whole_prefixes() {
    const ROWS: i64 = 12_000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let (store, other) = (options().open(&path).unwrap(), options().open(&path).unwrap());
    let run = store.run("r").start().unwrap();
    let written = AtomicBool::new(false);
    // How many rows a snapshot holds: a prefix of all rows, each whole and once.
    let prefix = |store: &Store| {
        let found = all(store);
        let (a, b) = found.split_at(found.len() / 2);
        assert_eq!(a.len(), b.len(), "a row is not whole");
        for (i, (a, b)) in a.iter().zip(b).enumerate() {
            assert!(
                (&*a.0.metric, &*b.0.metric) == ("a", "b") && a.1.step == i as i64 && b.1.step == a.1.step,
                "at {i}: {a:?} {b:?}"
            );
        }
        a.len()
    };
    std::thread::scope(|s| {
        s.spawn(|| {
            for step in 0..ROWS {
                run.log(step, &[("a", step as f64), ("b", step as f64)]).unwrap();
            }
            written.store(true, Ordering::Release);
        });
        for reader in [&store, &store, &other] {
            s.spawn(|| {
                let mut before = 0;
                while !written.load(Ordering::Acquire) {
                    let now = prefix(reader);
                    assert!(now >= before, "{before} rows were there, and {now} are");
                    before = now;
                    assert!(reader.stats().unwrap().points >= 2 * now as u64);
                    assert!(reader.runs().unwrap().len() == 1);
                }
            });
        }
        s.spawn(|| {
            for round in 0.. {
                if written.load(Ordering::Acquire) {
                    return;
                }
                match round % 5 {
                    4 => other.compact().map(|_| ()).unwrap(),
                    3 => {
                        let before = prefix(&store);
                        let copy = dir.path().join(format!("copy-{round}"));
                        store.backup(&copy).unwrap();
                        let copied = options().open(&copy).unwrap();
                        assert!(prefix(&copied) >= before);
                        copied.verify().map(|r| assert!(r.is_sound())).unwrap();
                    }
                    _ => store.flush().map(|_| ()).unwrap(),
                }
            }
        });
    });
    assert_eq!(prefix(&other), ROWS as usize);
}

#[test]
fn segments_made_ahead_of_need_are_not_collected_with_the_flushed_ones_before_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = options().background(true).open(&path).unwrap();
    let other = options().open(&path).unwrap();
    let run = store.run("r").start().unwrap();
    let segments = || -> usize {
        let writer = std::fs::read_dir(path.join("log")).unwrap().next().unwrap().unwrap().path();
        let names = std::fs::read_dir(writer).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
        names.filter(|n| n.ends_with(".seg")).count()
    };
    let mut step = 0;
    let mut log = |rows: i64| {
        for _ in 0..rows {
            run.log(step, &[("a", step as f64)]).unwrap();
            step += 1;
        }
        step
    };
    for round in 0..8 {
        // Once a segment is half full, the log's own thread creates the next.
        let before = segments();
        log(50);
        for _ in 0..200 {
            if segments() > before {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if round % 2 == 0 {
            other.flush().map(|_| ()).unwrap()
        } else {
            store.flush().map(|_| ()).unwrap()
        }
        let steps = log(200);
        let found = all(&options().read_only(true).open(&path).unwrap());
        assert_eq!(found.len() as i64, steps, "round {round}: rows went to a file that was collected");
    }
}

#[test]
fn a_writer_that_begins_while_others_flush_keeps_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = options().open(&path).unwrap();
    let begun = AtomicBool::new(false);
    let writers = 60;
    std::thread::scope(|s| {
        s.spawn(|| {
            while !begun.load(Ordering::Acquire) {
                store.flush().unwrap();
            }
        });
        let each = (0..3).map(|thread| {
            let path = &path;
            s.spawn(move || {
                for i in 0..writers {
                    let store = options().open(path).unwrap();
                    let run = store.run(format!("{thread}-{i}")).start().unwrap();
                    run.log(0, &[("a", 1.0)]).unwrap();
                    // Some end without a close, some are closed, some never have a row.
                    drop(options().open(path).unwrap());
                    if i % 2 == 0 {
                        store.close().unwrap()
                    }
                }
            })
        });
        let ended: Vec<_> = each.collect::<Vec<_>>().into_iter().map(|t| t.join()).collect();
        // Before any panic is passed on, or the flushes would never end.
        begun.store(true, Ordering::Release);
        ended.into_iter().for_each(|t| t.unwrap());
    });
    assert_eq!(all(&store).len(), 3 * writers);
    assert_eq!(store.runs().unwrap().len(), 3 * writers);
}

#[test]
fn a_snapshot_reads_the_same_after_flush_compaction_and_collection() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let (store, other) = (options().open(&path).unwrap(), options().open(&path).unwrap());
    let (run, other_run) = (store.run("r").start().unwrap(), other.run("s").start().unwrap());
    let mut held = Vec::new();
    for round in 0..6 {
        for step in 0..300 {
            run.log(step, &[("a", f64::from(round))]).unwrap();
            other_run.log(step, &[("a", f64::from(round))]).unwrap();
        }
        let reader = if round % 2 == 0 { &store } else { &other };
        let taken = reader.snapshot().unwrap();
        let found = points(&select(taken.select(), &Question::all(Repeats::All))).unwrap();
        assert_eq!(found.len(), 600 * (usize::try_from(round).unwrap() + 1));
        let answer = found
            .chunk_by(|a, b| a.0 == b.0)
            .map(|s| (s[0].0.clone(), s.iter().map(|(_, p)| *p).collect()))
            .collect();
        held.push((taken, answer));
        match round % 3 {
            0 => store.flush().map(|_| ()).unwrap(),
            1 => other.compact().map(|_| ()).unwrap(),
            _ => {}
        }
        for (taken, expected) in &held {
            snapshot(taken, expected).unwrap();
        }
    }
    let kept = std::fs::read_dir(path.join("parts")).unwrap().count();
    assert!(kept > 1, "files of held snapshots stay: {kept}");
    drop(held);
    store.compact().unwrap();
    store.flush().unwrap();
    let left = std::fs::read_dir(path.join("parts")).unwrap().count();
    assert_eq!(left, 1, "what no snapshot needs is collected");
}

#[test]
fn what_a_sync_returned_for_is_durable_for_every_thread_that_waited() {
    let disk = tidalite_vfs::SimVfs::new(3);
    tidalite_vfs::Vfs::create_dir(&disk, Path::new("/data")).unwrap();
    tidalite_vfs::Vfs::sync_dir(&disk, Path::new("/")).unwrap();
    let store = options().vfs(Arc::new(disk.clone())).open("/data/store").unwrap();
    let run = store.run("r").start().unwrap();
    std::thread::scope(|s| {
        for thread in 0..4 {
            let (run, store, disk) = (run.clone(), store.clone(), disk.clone());
            s.spawn(move || {
                for step in 0..30 {
                    let metric = format!("m{thread}");
                    let seq = run.log(step, &[(&metric, 1.0)]).unwrap();
                    if step % 2 == 0 {
                        store.sync().unwrap()
                    } else {
                        assert!(store.wait_durable(seq, None).unwrap())
                    }
                    let after = disk.crash(tidalite_vfs::Survive::None);
                    let after = options().vfs(Arc::new(after)).open("/data/store").unwrap();
                    let found = points(&after.select().metric(metric)).unwrap();
                    assert!(
                        found.len() > usize::try_from(step).unwrap(),
                        "step {step} of thread {thread} is lost"
                    );
                }
            });
        }
    });
}
