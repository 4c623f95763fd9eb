//! Forks read the history that they inherit: the parent's points up to and including the step of the fork.
//!
//! Each claim is checked with live logs, with parts, with both, and after a compaction. The answers must not differ.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use tidalite::{Aggregate, By, History, Labels, Options, Repeats, RowAt, Selection, Store};
use tidalite_testkit::{points, points_of};

/// `root` has steps 0 to 9, `child` forks at 4 and writes 3 to 7, `grandchild` forks at 6 and writes 7 and 8.
fn family(store: &Store, flush: &[&str]) {
    let write = |id: &str, parent: Option<(&str, i64)>, steps: std::ops::Range<i64>, value: f64| {
        let mut builder = store.run(id);
        if let Some((run, step)) = parent {
            builder = builder.parent(run, Some(step));
        }
        let run = builder.start().unwrap();
        for step in steps {
            run.log(step, &[("loss", value), ("system/cpu", value)]).unwrap();
        }
        if id == "root" {
            let rank = RowAt::step(2).labels(Labels::parse("rank=1").unwrap());
            run.log_at(&rank, &[("only/root", value)]).unwrap();
        }
        run.finish().unwrap();
        if flush.contains(&id) {
            store.flush().unwrap();
        }
    };
    // The root is written last, so that the order of writers is not that of generations.
    write("grandchild", Some(("child", 6)), 7..9, 3.0);
    write("child", Some(("root", 4)), 3..8, 2.0);
    write("root", None, 0..10, 1.0);
}

fn shown(select: &Selection) -> Vec<(i64, f64)> {
    points(select).unwrap().into_iter().map(|(_, p)| (p.step, p.value)).collect()
}

/// Checks a family stored in logs, in parts and in both.
fn everywhere(check: &dyn Fn(&Store)) {
    for flush in
        [&[][..], &["grandchild"], &["child"], &["child", "grandchild"], &["root"], &["root", "child"]]
    {
        let dir = tempfile::tempdir().unwrap();
        let store = Options::new().background(false).tile_rows(4).open(dir.path().join("m")).unwrap();
        family(&store, flush);
        check(&store);
        store.compact().unwrap();
        check(&store);
    }
}

#[test]
fn a_fork_reads_its_ancestors_up_to_the_step_of_each_fork() {
    everywhere(&|store| {
        let loss = |run: &str| store.select().metric("loss").run(run);
        let child = [(0, 1.0), (1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0), (5, 2.0), (6, 2.0), (7, 2.0)];
        assert_eq!(shown(&loss("child")), child);
        let grandchild = [&child[..7], &[(7, 3.0), (8, 3.0)]].concat();
        assert_eq!(shown(&loss("grandchild")), grandchild);
        assert_eq!(shown(&loss("grandchild").history(History::Own)), [(7, 3.0), (8, 3.0)]);
        // Both generations have steps 3 and 4: the child's win, in any order of writing.
        assert_eq!(shown(&loss("child").repeats(Repeats::First).steps(2..6))[1], (3, 1.0));
        let all = shown(&loss("child").repeats(Repeats::All).steps(3..5));
        assert_eq!(all, [(3, 1.0), (3, 2.0), (4, 1.0), (4, 2.0)]);
        assert_eq!(shown(&loss("root")).len(), 10);
        // A metric and labels that the child never wrote.
        let inherited = points(&store.select().run("grandchild").metric("only/root")).unwrap();
        assert_eq!((&*inherited[0].0.run, inherited[0].0.labels.as_str()), ("grandchild", "rank=1"));
    });
}

#[test]
fn every_answer_reads_inherited_points() {
    everywhere(&|store| {
        let child = store.select().metric("loss").run("child");
        let table = child.aggregate(&[Aggregate::Count, Aggregate::ArgMin], &[By::Run]).unwrap();
        assert_eq!(table["count"].as_primitive::<Int64Type>().values(), &[8]);
        assert_eq!(table["argmin"].as_primitive::<Int64Type>().values(), &[0]);
        assert_eq!(child.summaries().unwrap()[0].1.count, 8);
        assert_eq!(child.lttb(3).unwrap().num_rows(), 3);
        let chart = child.chart(100).unwrap();
        assert_eq!(chart[0].1.buckets.len(), 8);
        let band = store.select().metric("loss").band(100, &[]).unwrap();
        assert_eq!(band["runs"].as_primitive::<Int64Type>().values(), &[3, 3, 3, 3, 3, 3, 3, 3, 2, 1]);
        let early = store.select().metric("loss").run("grandchild").steps(..3).band(100, &[]).unwrap();
        assert_eq!(early["step"].as_primitive::<Int64Type>().values(), &[0, 1, 2]);
        // Filters are of the run that reads; a follower hands out what was written.
        let filtered = store.select().where_runs("parent = 'root'".parse().unwrap()).metric("loss");
        assert_eq!(shown(&filtered), shown(&child));
        let followed = child.follow().unwrap().poll().unwrap();
        assert_eq!(followed.iter().flat_map(points_of).count(), 5);
    });
}

#[test]
fn telemetry_is_inherited_only_on_request() {
    everywhere(&|store| {
        let cpu = store.select().metric("system/cpu").run("grandchild");
        assert_eq!(shown(&cpu), [(7, 3.0), (8, 3.0)]);
        assert_eq!(shown(&cpu.history(History::InheritedWithTelemetry)).len(), 9);
    });
}

#[test]
fn circles_missing_parents_and_forks_without_a_step_end_well() {
    let dir = tempfile::tempdir().unwrap();
    let store = Options::new().background(false).open(dir.path().join("m")).unwrap();
    for (id, parent, step) in [
        ("a", "b", Some(5)),
        ("b", "a", Some(5)),
        ("self", "self", Some(5)),
        ("lost", "gone", Some(5)),
        ("c", "a", None),
    ] {
        let run = store.run(id).parent(parent, step).start().unwrap();
        run.log(i64::try_from(id.len()).unwrap(), &[(id, 1.0)]).unwrap();
    }
    let count = |id: &str| points(&store.select().run(id)).unwrap().len();
    assert_eq!(["a", "b", "self", "lost", "c"].map(count), [2, 2, 1, 1, 1]);
    let end = store.run("end").parent("a", Some(i64::MAX)).start().unwrap();
    end.log(i64::MAX, &[("end", 1.0)]).unwrap();
    assert_eq!(count("end"), 3, "all of a and, by way of it, of b, and its own");
}

#[test]
fn steps_of_a_fork_count_up_from_the_step_of_the_fork() {
    let dir = tempfile::tempdir().unwrap();
    let store = Options::new().background(false).open(dir.path().join("m")).unwrap();
    let root = store.run("root").start().unwrap();
    for step in 0..10 {
        root.log(step, &[("loss", 1.0), ("system/cpu", 1.0)]).unwrap();
    }
    let fork = store.run("fork").parent("root", Some(4)).start().unwrap();
    fork.log(None, &[("loss", 2.0)]).unwrap();
    assert_eq!(shown(&store.select().run("fork").history(History::Own)), [(5, 2.0)]);
}

#[test]
fn a_fork_of_long_series_is_read_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new().background(false).memory_bytes(16 << 20).tile_rows(1 << 12);
    let store = options.open(dir.path().join("m")).unwrap();
    let root = store.run("root").start().unwrap();
    let loss = root.metric("loss").unwrap();
    for step in 0..150_000 {
        loss.log(step, step as f64).unwrap();
    }
    store.flush().unwrap();
    let fork = store.run("fork").parent("root", Some(140_000)).start().unwrap();
    let loss = fork.metric("loss").unwrap();
    for step in 140_000..150_000 {
        loss.log(step, -1.0).unwrap();
    }
    let found = shown(&store.select().run("fork"));
    assert_eq!(found.len(), 150_000);
    assert!(found.iter().enumerate().all(|(i, &(step, value))| {
        step == i as i64 && value == if step < 140_000 { step as f64 } else { -1.0 }
    }));
}
