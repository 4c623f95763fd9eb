//! Rewinds and deletions: a rewind hides earlier writes at later steps, a deletion removes earlier writes. Neither affects
//! later writes of any writer. Both apply to logs, parts and staged parts alike.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use tidalite::{Aggregate, By, ErrorKind, Options, Repeats, Run, Selection, Store};
use tidalite_testkit::{points, points_of};

fn open(dir: &tempfile::TempDir) -> Store {
    Options::new().background(false).tile_rows(8).open(dir.path().join("m")).unwrap()
}

fn log(run: &Run, steps: std::ops::Range<i64>, value: f64) {
    for step in steps {
        run.log(step, &[("loss", value)]).unwrap();
    }
}

fn shown(select: &Selection) -> Vec<(i64, f64)> {
    points(select).unwrap().into_iter().map(|(_, p)| (p.step, p.value)).collect()
}

fn files(store: &Store) -> u64 {
    store.stats().unwrap().points
}

#[test]
fn a_rewind_hides_later_steps_and_keeps_them() {
    for flushes in 0..8 {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir);
        let flush = |bit: i32| {
            if flushes & bit != 0 {
                store.flush().unwrap();
            }
        };
        let run = store.run("a").start().unwrap();
        log(&run, 0..10, 1.0);
        flush(1);
        run.rewind(4).unwrap();
        flush(2);
        assert_eq!(shown(&store.select()), (0..5).map(|s| (s, 1.0)).collect::<Vec<_>>());
        run.log(None, &[("loss", 2.0)]).unwrap();
        run.log(6, &[("loss", 2.0)]).unwrap();
        flush(4);
        let check = || {
            let all = store.select();
            let expected = [(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0), (4, 1.0), (5, 2.0), (6, 2.0)];
            assert_eq!(shown(&all), expected);
            let sums = all.summaries().unwrap();
            assert_eq!((sums[0].1.count, sums[0].1.sum(), sums[0].1.last.unwrap().step), (7, Some(9.0), 6));
            let table = all.aggregate(&[Aggregate::Count, Aggregate::ArgMax], &[By::Run]).unwrap();
            assert_eq!(table["count"].as_primitive::<Int64Type>().values(), &[7]);
            assert_eq!(table["argmax"].as_primitive::<Int64Type>().values(), &[5]);
            assert_eq!(all.band(100, &[]).unwrap().num_rows(), 7);
            assert_eq!(all.latest().unwrap().num_rows(), 1);
            assert_eq!(all.follow().unwrap().poll().unwrap().iter().flat_map(points_of).count(), 7);
            let kept = store.select().include_rewound(true).repeats(Repeats::All);
            assert_eq!(shown(&kept).len(), 12);
            assert_eq!(shown(&kept.steps(5..7)), [(5, 1.0), (5, 2.0), (6, 1.0), (6, 2.0)]);
        };
        check();
        store.compact().unwrap();
        check();
        assert_eq!(store.runs().unwrap()[0].rewinds, [4]);
        drop(run);
        store.close().unwrap();
        let again = open(&dir);
        assert_eq!(shown(&again.select()).len(), 7);
        assert_eq!(files(&again), 12, "what is hidden is kept");
    }
}

#[test]
fn a_rank_rewinds_its_own_series_and_nothing_that_others_write() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (open(&dir), open(&dir));
    let ranks: Vec<Run> = [&first, &second]
        .iter()
        .enumerate()
        .map(|(i, s)| s.run("a").label("rank", i.to_string()).start().unwrap())
        .collect();
    ranks.iter().for_each(|r| log(r, 0..10, 1.0));
    // Each rank rewinds, as after a common checkpoint. The rank with the first writer goes on before the other rewinds.
    ranks[0].rewind(4).unwrap();
    log(&ranks[0], 5..8, 2.0);
    let steps =
        |rank: &str| shown(&first.select().label("rank", rank)).into_iter().map(|p| p.0).collect::<Vec<_>>();
    assert_eq!((steps("0"), steps("1")), ((0..8).collect(), (0..10).collect()));
    ranks[1].rewind(4).unwrap();
    log(&ranks[1], 5..7, 2.0);
    assert_eq!((steps("0"), steps("1")), ((0..8).collect(), (0..7).collect()));
    first.compact().unwrap();
    assert_eq!((steps("0"), steps("1")), ((0..8).collect(), (0..7).collect()));
}

#[test]
fn a_fork_reads_what_its_parent_shows() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let root = store.run("root").start().unwrap();
    log(&root, 0..10, 1.0);
    let fork = store.run("fork").parent("root", Some(7)).start().unwrap();
    log(&fork, 8..9, 3.0);
    root.rewind(5).unwrap();
    log(&root, 6..8, 2.0);
    let expected: Vec<(i64, f64)> = (0..6).map(|s| (s, 1.0)).chain([(6, 2.0), (7, 2.0), (8, 3.0)]).collect();
    assert_eq!(shown(&store.select().run("fork")), expected);
    store.delete_run("root").unwrap();
    assert_eq!(shown(&store.select().run("fork")), [(8, 3.0)]);
}

#[test]
fn a_deleted_run_is_gone_at_once_and_its_space_after_the_next_compaction() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    for id in ["a", "b"] {
        let run = store.run(id).param("lr", 1.0).tag("t").start().unwrap();
        log(&run, 0..1000, 1.0);
        run.finish().unwrap();
    }
    store.flush().unwrap();
    let late = store.run("a").start().unwrap();
    log(&late, 1000..1010, 1.0);
    late.finish().unwrap();
    let bytes = store.snapshot().unwrap().bytes_by_run().unwrap();
    store.delete_run("a").unwrap();
    let check = || {
        assert_eq!(store.runs().unwrap().iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["b"]);
        assert_eq!(store.snapshot().unwrap().run("a").unwrap_err().kind(), ErrorKind::NotFound);
        assert!(shown(&store.select().run("a")).is_empty());
        assert!(shown(&store.select().run("a").include_rewound(true).repeats(Repeats::All)).is_empty());
        assert_eq!(store.select().summaries().unwrap().len(), 1);
        assert_eq!(store.select().follow().unwrap().poll().unwrap().iter().flat_map(points_of).count(), 1000);
    };
    check();
    assert_eq!(files(&store), 2010);
    store.flush().unwrap();
    check();
    let stats = store.compact().unwrap();
    assert_eq!(stats.dropped, 1010);
    check();
    assert_eq!(files(&store), 1000);
    assert!(store.verify().unwrap().is_sound());
    let left = store.snapshot().unwrap().bytes_by_run().unwrap();
    assert_eq!((bytes.len(), left.len(), left[0].0.as_str()), (2, 1, "b"));
    let by_metric = store.snapshot().unwrap().bytes_by_metric().unwrap();
    assert!(left[0].1 > 0 && by_metric[0].1 == left[0].1 && left[0].1 < store.stats().unwrap().parts_bytes);
    let again = store.compact().unwrap();
    assert_eq!((again.parts_in, again.dropped), (0, 0), "nothing is written anew in vain");
    // The last points are deleted: no part is left.
    store.delete_run("b").unwrap();
    assert_eq!(store.delete_run("b").unwrap_err().kind(), ErrorKind::NotFound);
    store.compact().unwrap();
    assert_eq!((files(&store), store.stats().unwrap().parts, store.runs().unwrap().len()), (0, 0, 0));
}

#[test]
fn a_run_with_a_deleted_id_starts_anew() {
    for flush in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir);
        let run =
            store.run("a").param("lr", 1.0).param("old", 1.0).tag("t").parent("p", Some(3)).start().unwrap();
        log(&run, 0..20, 1.0);
        run.rewind(2).unwrap();
        run.finish().unwrap();
        if flush {
            store.flush().unwrap();
        }
        store.delete_run("a").unwrap();
        let run = store.run("a").param("lr", 2.0).start().unwrap();
        run.log(None, &[("loss", 2.0)]).unwrap();
        let check = || {
            let info = store.snapshot().unwrap().run("a").unwrap();
            assert_eq!((info.params.len(), info.tags.len(), info.parent), (1, 0, None));
            assert_eq!(
                shown(&store.select().include_rewound(true)),
                [(0, 2.0)],
                "steps count from the beginning"
            );
        };
        check();
        store.compact().unwrap();
        check();
    }
}

#[test]
fn later_writes_of_a_process_to_a_deleted_run_are_handled() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, other) = (open(&dir), open(&dir));
    let run = writer.run("a").start().unwrap();
    log(&run, 0..5, 1.0);
    other.run("b").start().unwrap();
    // The deleting process opened later, so its writes come later in the order of writing.
    other.delete_run("a").unwrap();
    assert!(writer.snapshot().unwrap().run("a").is_err());
    log(&run, 5..7, 2.0);
    for _ in 0..2 {
        assert_eq!(shown(&other.select()), [(5, 2.0), (6, 2.0)]);
        assert!(other.snapshot().unwrap().run("a").is_ok());
        other.compact().unwrap();
    }
    // A run that starts anew in a process that comes earlier in the order of writing.
    other.delete_run("a").unwrap();
    let again = writer.run("a").start().unwrap();
    log(&again, 0..1, 3.0);
    assert_eq!(shown(&other.select()), [(0, 3.0)]);
}

#[test]
fn large_batches_are_deleted_from_where_they_are_staged() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let rows = 20_000;
    let (batch, _) = tidalite_testkit::draw_batch(5, rows, 1_700_000_000_000_000);
    store.append(&batch).unwrap();
    let ids: Vec<String> = store.runs().unwrap().into_iter().map(|r| r.id).collect();
    assert!(ids.len() > 1);
    for id in &ids {
        store.delete_run(id).unwrap();
    }
    for _ in 0..2 {
        assert!(store.runs().unwrap().is_empty() && shown(&store.select()).is_empty());
        store.compact().unwrap();
    }
    assert_eq!(files(&store), 0);
    // The run has points only, before and after.
    store.append(&batch).unwrap();
    assert_eq!(store.runs().unwrap().len(), ids.len());
    store.flush().unwrap();
    assert_eq!(store.runs().unwrap().len(), ids.len());
}

#[test]
fn a_run_that_has_only_points_since_its_deletion_can_be_edited() {
    for flushes in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir);
        store.append(&crate::merge::batch("a", 0..3, 1.0)).unwrap();
        store.delete_run("a").unwrap();
        assert!(store.edit("a").name("gone").apply().is_err());
        store.append(&crate::merge::batch("a", 5..6, 1.0)).unwrap();
        if flushes {
            store.flush().unwrap();
        }
        store.edit("a").name("again").apply().unwrap();
        assert_eq!(store.snapshot().unwrap().run("a").unwrap().name.as_deref(), Some("again"));
    }
}
