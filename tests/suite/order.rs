//! The order of writing: the later write of a step wins, whichever process wrote it and whenever that opened the store. Points
//! with automatic steps collide with nobody. Both hold for rows in logs, in parts, merged and thinned.

use arrow::array::{
    ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Int64Type;
use std::path::Path;
use std::sync::Arc;
use tidalite::{
    Aggregate, By, Import, Options, Repeats, RowAt, Run, Selection, Store, Thin, TimeUnit, XAxis,
};
use tidalite_testkit::points;
use tidalite_vfs::{SimVfs, Vfs};

fn open(dir: &tempfile::TempDir) -> Store {
    Options::new().background(false).tile_rows(64).open(dir.path().join("m")).unwrap()
}

fn shown(select: &Selection) -> Vec<(i64, f64)> {
    points(select).unwrap().into_iter().map(|(_, p)| (p.step, p.value)).collect()
}

fn count(select: &Selection) -> i64 {
    let table = select.aggregate(&[Aggregate::Count], &[]).unwrap();
    if table.num_rows() == 0 { 0 } else { table["count"].as_primitive::<Int64Type>().value(0) }
}

/// Flushes what the logs hold, and merges parts.
enum Upkeep {
    Nothing,
    Flush,
    FlushAndCompact,
}

fn keep_up(store: &Store, upkeep: &Upkeep) {
    match upkeep {
        Upkeep::Nothing => {}
        Upkeep::Flush => {
            store.flush().unwrap();
        }
        Upkeep::FlushAndCompact => {
            store.compact().unwrap();
        }
    }
}

#[test]
fn the_later_write_wins_whoever_opened_first() {
    for between in [Upkeep::Nothing, Upkeep::Flush, Upkeep::FlushAndCompact] {
        for flusher in 0..2 {
            // Its clock moves on with each call. Two writers on a real clock can share a microsecond.
            let disk = new_disk();
            let stores = [on_a_disk(&disk), on_a_disk(&disk)];
            let runs = [0, 1].map(|i| stores[i].run("r").start().unwrap());
            // Each step is written four times, by both in turn; the last writer alternates with the steps.
            for step in 0..200i64 {
                for turn in 0..4i64 {
                    let writer = usize::try_from((step + turn) % 2).unwrap();
                    runs[writer].log(step, &[("loss", (step * 10 + turn) as f64)]).unwrap();
                }
                if step % 50 == 7 {
                    keep_up(&stores[flusher], &between);
                }
            }
            let check = |what: &str| {
                for store in &stores {
                    let (last, first) = (store.select(), store.select().repeats(Repeats::First));
                    let each = |turn: i64| (0..200).map(|s| (s, (s * 10 + turn) as f64)).collect::<Vec<_>>();
                    assert_eq!(shown(&last), each(3), "{what}");
                    assert_eq!(shown(&first), each(0), "{what}");
                    let all = shown(&store.select().repeats(Repeats::All));
                    let turns = (0..200).flat_map(|s| (0..4).map(move |t| (s, (s * 10 + t) as f64)));
                    assert!(all.iter().copied().eq(turns), "{what}: {all:?}");
                    assert_eq!(count(&last), 200, "{what}");
                }
            };
            check("as written");
            stores[flusher].flush().unwrap();
            check("flushed");
            stores[1 - flusher].compact().unwrap();
            check("compacted");
            runs.into_iter().for_each(|run| run.finish().unwrap());
            let thin = Thin::new().run("r").buckets(8).bucket_points(1);
            assert_eq!(stores[0].thin(&thin).unwrap().series, 1);
            let kept = shown(&stores[1].select());
            assert!(!kept.is_empty() && kept.iter().all(|&(s, v)| v == (s * 10 + 3) as f64), "{kept:?}");
            let sum = (0..200).map(|s| (s * 10 + 3) as f64).sum::<f64>();
            assert_eq!(stores[1].select().summaries().unwrap()[0].1.sum(), Some(sum));
        }
    }
}

fn new_disk() -> SimVfs {
    let disk = SimVfs::new(3);
    disk.create_dir(Path::new("/data")).unwrap();
    disk
}

/// A store on a simulated disk, in the role of a process.
fn on_a_disk(disk: &SimVfs) -> Store {
    let options = Options::new().background(false).threads(1).tile_rows(64).vfs(Arc::new(disk.clone()));
    options.open(Path::new("/data/store")).unwrap()
}

#[test]
fn a_clock_that_steps_back_makes_no_later_write_an_earlier_one() {
    for flush in [false, true] {
        let disk = new_disk();
        let first = on_a_disk(&disk);
        let run = first.run("r").start().unwrap();
        let write = |run: &Run, value: f64| run.log(1, &[("m", value)]).unwrap();
        write(&run, 1.0);
        disk.advance(-3_600_000_000);
        write(&run, 2.0);
        assert_eq!(shown(&first.select()), [(1, 2.0)], "within one writer");
        let settle = |store: &Store| {
            if flush {
                store.flush().unwrap();
            }
        };
        settle(&first);
        // A process that starts now has seen what is in the store.
        let second = on_a_disk(&disk);
        let late = second.run("r").start().unwrap();
        write(&late, 3.0);
        assert_eq!(shown(&first.select()), [(1, 3.0)], "a new writer");
        // A process that reads has seen what it read.
        disk.advance(-3_600_000_000);
        write(&run, 4.0);
        assert_eq!(shown(&second.select()), [(1, 4.0)]);
        settle(&second);
        write(&late, 5.0);
        assert_eq!(shown(&first.select()), [(1, 5.0)]);
        assert_eq!(shown(&first.select().repeats(Repeats::All)).len(), 5);
    }
}

#[test]
fn a_large_batch_is_as_late_as_its_acceptance() {
    let batch = |value: f64| {
        let n = 17_000;
        let columns: [(&str, ArrayRef); 5] = [
            ("run", Arc::new(StringArray::from(vec!["r"; n]))),
            ("metric", Arc::new(StringArray::from(vec!["m"; n]))),
            ("step", Arc::new(Int64Array::from_iter_values((0..n as i64).map(|i| i / 2)))),
            // Times that fall: among equal steps of a batch, the later row is the later write.
            ("time", Arc::new(Int64Array::from_iter_values((0..n as i64).rev()))),
            ("value", Arc::new(Float64Array::from_iter_values((0..n).map(|i| value + (i % 2) as f64)))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    for upkeep in [Upkeep::Nothing, Upkeep::Flush, Upkeep::FlushAndCompact] {
        let disk = new_disk();
        let (first, second) = (on_a_disk(&disk), on_a_disk(&disk));
        let (a, b) = (first.run("r").start().unwrap(), second.run("r").start().unwrap());
        b.log(5, &[("m", 1.0)]).unwrap();
        assert_eq!(shown(&first.select()), [(5, 1.0)]);
        // The files of the batch are written by the wall clock; its frame is later than what was seen.
        disk.advance(-3_600_000_000);
        first.append(&batch(10.0)).unwrap();
        disk.advance(3_600_000_000);
        keep_up(&second, &upkeep);
        let at = |step: i64| shown(&first.select().steps(step..=step));
        assert_eq!(at(5), [(5, 11.0)]);
        b.log(6, &[("m", 2.0)]).unwrap();
        assert_eq!((at(5), at(6)), (vec![(5, 11.0)], vec![(6, 2.0)]));
        second.append(&batch(20.0)).unwrap();
        a.log(7, &[("m", 3.0)]).unwrap();
        keep_up(&first, &upkeep);
        assert_eq!((at(6), at(7), at(8)), (vec![(6, 21.0)], vec![(7, 3.0)], vec![(8, 21.0)]));
        assert_eq!(count(&first.select()), 8500);
        assert!(first.verify().unwrap().findings.is_empty());
    }
}

#[test]
fn automatic_steps_of_several_processes_are_all_there() {
    for between in [Upkeep::Nothing, Upkeep::Flush, Upkeep::FlushAndCompact] {
        let dir = tempfile::tempdir().unwrap();
        let stores = [open(&dir), open(&dir), open(&dir)];
        let runs = [0, 1, 2].map(|i| stores[i].run("gateway").start().unwrap());
        for i in 0..300usize {
            let run = &runs[i % 3];
            run.log_at(&RowAt::default().time_us(1_000_000 + i as i64), &[("latency", i as f64)]).unwrap();
            if i % 100 == 50 {
                keep_up(&stores[i % 3], &between);
            }
        }
        let check = |what: &str| {
            for rule in [Repeats::Last, Repeats::First, Repeats::All] {
                let all = stores[0].select().repeats(rule);
                assert_eq!(shown(&all).len(), 300, "{what}, {rule}");
                assert_eq!(count(&all), 300, "{what}, {rule}");
                let (sum, least, most) = (299.0 * 150.0, 0.0, 299.0);
                let summary = &all.summaries().unwrap()[0].1;
                assert_eq!(
                    (summary.sum().unwrap(), summary.min.unwrap().value, summary.max.unwrap().value),
                    (sum, least, most)
                );
                let table = all.aggregate(&[Aggregate::Count], &[By::StepBucket(10)]).unwrap();
                let counts = table["count"].as_primitive::<Int64Type>();
                assert_eq!(counts.values().iter().sum::<i64>(), 300, "{what}, {rule}");
                let over: Vec<f64> = over_time(&all);
                assert!(over.is_sorted() && over.len() == 300, "{what}: values rise with time: {over:?}");
            }
        };
        check("as written");
        stores[1].flush().unwrap();
        check("flushed");
        stores[2].compact().unwrap();
        check("compacted");
        // Each begins after the greatest step that it finds: 0, 1 and 2.
        assert_eq!(count(&stores[0].select().steps(..10)), 10 + 9 + 8, "steps are shared");
        runs.into_iter().for_each(|run| run.finish().unwrap());
        let thin = Thin::new().run("gateway").buckets(4).bucket_points(1);
        assert_eq!(stores[0].thin(&thin).unwrap().series, 1);
        assert_eq!(count(&stores[1].select()), 300, "thinned");
        assert!(stores[1].verify().unwrap().findings.is_empty());
        let late = stores[2].run("gateway").start().unwrap();
        late.log_at(&RowAt::step(3).time_us(7), &[("latency", 7.0)]).unwrap();
        assert_eq!(count(&stores[1].select()), 301, "thinned, and written to within its steps");
    }
}

fn over_time(select: &Selection) -> Vec<f64> {
    let table = select.over(XAxis::Time).points().unwrap();
    table["value"].as_primitive::<arrow::datatypes::Float64Type>().values().to_vec()
}

#[test]
fn rows_with_and_without_steps_of_one_series_keep_to_their_rules() {
    for upkeep in [Upkeep::Nothing, Upkeep::Flush, Upkeep::FlushAndCompact] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir);
        let run = store.run("r").start().unwrap();
        let log = |step: Option<i64>, value: f64| run.log(step, &[("m", value)]).unwrap();
        let steps = [Some(0), None, None, Some(1), Some(1), Some(0), None];
        for (i, step) in steps.into_iter().enumerate() {
            log(step, i as f64);
        }
        keep_up(&store, &upkeep);
        // The automatic steps are 1, 2 and, after the step 0 again, 1.
        assert_eq!(shown(&store.select()), [(0, 5.0), (1, 1.0), (1, 4.0), (1, 6.0), (2, 2.0)]);
        assert_eq!(count(&store.select()), 5);
        run.rewind(0).unwrap();
        keep_up(&store, &upkeep);
        assert_eq!(shown(&store.select()), [(0, 5.0), (1, 1.0), (1, 6.0), (2, 2.0)], "a rewind is to a step");
        assert_eq!(count(&store.select()), 4);
        store.delete_run("r").unwrap();
        assert_eq!(count(&store.select()), 0, "a deletion takes all");
    }
}

#[test]
fn batches_and_files_without_steps_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let batch = |times: &[i64], values: &[f64]| {
        let n = times.len();
        let columns: [(&str, ArrayRef); 4] = [
            ("run", Arc::new(StringArray::from(vec!["r"; n]))),
            ("metric", Arc::new(StringArray::from(vec!["m"; n]))),
            ("time", Arc::new(TimestampMicrosecondArray::from(times.to_vec()))),
            ("value", Arc::new(Float64Array::from(values.to_vec()))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    store.append(&batch(&[30, 10, 20, 10], &[3.0, 1.0, 2.0, 1.5])).unwrap();
    store.append(&batch(&[5], &[4.0])).unwrap();
    assert_eq!(
        shown(&store.select()),
        [(0, 1.0), (1, 1.5), (2, 2.0), (3, 3.0), (4, 4.0)],
        "in order of time"
    );
    let file = dir.path().join("day.csv");
    std::fs::write(&file, "time,cpu,mem\n3,3,\n1,1,10\n2,,20\n").unwrap();
    let import = Import::new().run("host").time_unit(TimeUnit::Micros);
    store.import(&file, &import).unwrap();
    assert_eq!(
        shown(&store.select().metric("cpu")),
        [(0, 1.0), (2, 3.0)],
        "one step for each row of the file"
    );
    assert_eq!(shown(&store.select().metric("mem")), [(0, 10.0), (1, 20.0)]);
    // Another process goes on after what is in the store.
    let other = open(&dir);
    other.import(&file, &import).unwrap();
    assert_eq!(shown(&store.select().metric("cpu")), [(0, 1.0), (2, 3.0), (3, 1.0), (5, 3.0)]);
    let host = other.run("host").start().unwrap();
    host.log(None, &[("cpu", 9.0)]).unwrap();
    assert_eq!(shown(&store.select().metric("cpu")).last(), Some(&(6, 9.0)));
    let large = batch(&[0; 17_000], &[1.0; 17_000]);
    store.append(&large).unwrap();
    store.append(&large).unwrap();
    store.compact().unwrap();
    assert_eq!(count(&store.select().metric("m")), 34_005);
    assert_eq!(store.select().metric("m").summaries().unwrap()[0].1.last.unwrap().step, 34_004);
}
