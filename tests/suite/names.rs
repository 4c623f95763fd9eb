//! A text that something bears as its name selects that, and nothing that it matches as a glob. Irreversible changes take
//! exact ids, and look all of them up before the first change.

use tidalite::{ErrorKind, Labels, Options, Pattern, RowAt, RunTargets, Selection, Store, Thin};
use tidalite_testkit::{points, points_of};

/// Two metrics, two label values and two runs, one of each matching the other as a glob.
fn filled(dir: &tempfile::TempDir) -> Store {
    let store = Options::new().background(false).open(dir.path().join("m")).unwrap();
    for (id, host) in [("sweep[1]", "node[1]"), ("sweep1", "node1")] {
        let run = store.run(id).start().unwrap();
        let at = RowAt::step(0).labels(Labels::new([("host", host)]).unwrap());
        run.log_at(&at, &[("layers[0]/grad", 1.0), ("layers0/grad", 2.0)]).unwrap();
        run.finish().unwrap();
    }
    store
}

fn seen(select: &Selection) -> Vec<String> {
    points(select).unwrap().into_iter().map(|(k, _)| format!("{} {} {}", k.run, k.metric, k.labels)).collect()
}

/// Asks in the log, in a part, and in both.
fn in_log_and_parts(check: impl Fn(&Store)) {
    for flushes in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let store = filled(&dir);
        if flushes > 0 {
            store.flush().unwrap();
        }
        if flushes > 1 {
            store.run("other").start().unwrap().log(0, &[("other", 1.0)]).unwrap();
        }
        check(&store);
    }
}

#[test]
fn a_text_is_the_name_that_exists_and_otherwise_a_glob() {
    in_log_and_parts(|store| {
        let all = |select: Selection| seen(&select);
        assert_eq!(
            all(store.select().metrics("layers[0]/grad")),
            ["sweep1 layers[0]/grad host=node1", "sweep[1] layers[0]/grad host=node[1]"]
        );
        assert_eq!(
            all(store.select().runs("sweep[1]")),
            ["sweep[1] layers0/grad host=node[1]", "sweep[1] layers[0]/grad host=node[1]"]
        );
        assert_eq!(
            all(store.select().label("host", "node[1]")),
            ["sweep[1] layers0/grad host=node[1]", "sweep[1] layers[0]/grad host=node[1]"]
        );
        // The name exists in the store, so it is not a glob where other parts of the selection exclude it.
        let one = store.select().metrics("layers[0]/grad").steps(5..);
        assert_eq!(all(one), Vec::<String>::new());
        assert_eq!(all(store.select().runs("sweep1").label("host", "node[1]")), Vec::<String>::new());
        // The explicit forms do not depend on what exists.
        assert_eq!(
            all(store.select().metrics(Pattern::glob("layers[0]/grad")).run("sweep1")),
            ["sweep1 layers0/grad host=node1"]
        );
        assert_eq!(all(store.select().metrics(Pattern::exact("layers?/grad"))), Vec::<String>::new());
        assert_eq!(all(store.select().metrics("layers?/grad")).len(), 2);
        assert_eq!(all(store.select().metrics(Pattern::regex(r"\[0\]")).run("sweep1")).len(), 1);
        // Runs by a filter too.
        let filtered = store.select().runs("sweep[1]").where_runs("status = 'finished'".parse().unwrap());
        assert_eq!(all(filtered).len(), 2);
        let ids = |pattern: Pattern| {
            let found = store.snapshot().unwrap().runs_matching(pattern).unwrap();
            found.into_iter().map(|r| r.id).collect::<Vec<_>>()
        };
        assert_eq!(
            (ids("sweep[1]".into()), ids(Pattern::glob("sweep[1]"))),
            (vec!["sweep[1]".to_string()], vec!["sweep1".to_string()])
        );
    });
}

#[test]
fn values_of_one_label_are_alternatives_and_keys_are_not() {
    in_log_and_parts(|store| {
        let both = store.select().label("host", "node[1]").label("host", "node1");
        assert_eq!(seen(&both).len(), 4);
        assert_eq!(seen(&both.label("rank", "0")).len(), 0);
        let regex = store.select().label("host", Pattern::regex("^node\\d$"));
        assert_eq!(seen(&regex).len(), 2);
    });
}

#[test]
fn a_text_that_is_no_glob_is_a_name_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    let run = store.run("open[").start().unwrap();
    let mut follow = store.select().runs("open[").follow().unwrap();
    run.log(0, &[("loss{", 1.0)]).unwrap();
    assert_eq!(seen(&store.select().metrics("loss{")), ["open[ loss{ "]);
    assert_eq!(follow.poll().unwrap().iter().map(|b| b.num_rows()).sum::<usize>(), 1);
    for absent in
        [store.select().metrics("lost{"), store.select().runs("a["), store.select().label("host", "[")]
    {
        assert_eq!(absent.points().map(|_| ()).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(absent.follow().map(|_| ()).unwrap_err().kind(), ErrorKind::Invalid);
    }
    // The follower goes on once the name is gone.
    store.delete_run("open[").unwrap();
    assert!(follow.poll().unwrap().is_empty());
}

#[test]
fn names_of_deleted_points_do_not_exist_whether_compacted_or_not() {
    for flushed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let store = filled(&dir);
        if flushed {
            store.flush().unwrap();
        }
        let seen_twice = |select: &dyn Fn() -> Selection| {
            let before = seen(&select());
            store.compact().unwrap();
            assert_eq!(seen(&select()), before);
            before
        };
        store.delete_run("sweep[1]").unwrap();
        let hosts = || store.select().label("host", "node[1]");
        assert_eq!(seen_twice(&hosts).len(), 2, "nothing bears the name any more, so it is a glob");
        assert_eq!(seen_twice(&|| store.select().runs("sweep[1]")).len(), 2);
        // A later point with the name of a deleted one.
        let again = store.run("sweep[1]").start().unwrap();
        again.log(0, &[("layers[0]/grad", 3.0)]).unwrap();
        assert_eq!(seen_twice(&|| store.select().runs("sweep[1]")), ["sweep[1] layers[0]/grad "]);
        assert_eq!(seen_twice(&hosts).len(), 2);
        // What a rewind hides is kept, and its name too.
        again.rewind(-1).unwrap();
        store.delete_run("sweep1").unwrap();
        assert_eq!(seen_twice(&|| store.select().metrics("layers[0]/grad")), Vec::<String>::new());
        let hidden = || store.select().metrics("layers[0]/grad").include_rewound(true);
        assert_eq!(seen_twice(&hidden).len(), 1);
    }
}

#[test]
fn a_follower_takes_a_name_from_the_poll_that_finds_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Options::new().background(false).open(dir.path().join("m")).unwrap();
    let mut follow = store.select().metrics("x[0]").follow().unwrap();
    let mut poll = || {
        let batches = follow.poll().unwrap();
        batches.iter().flat_map(points_of).map(|(k, _)| k.metric.to_string()).collect::<Vec<_>>()
    };
    let run = store.run("a").start().unwrap();
    run.log(0, &[("x0", 1.0)]).unwrap();
    assert_eq!(poll(), ["x0"]);
    run.log(1, &[("x0", 1.0), ("x[0]", 1.0)]).unwrap();
    assert_eq!(poll(), ["x[0]"]);
    run.log(2, &[("x0", 1.0), ("x[0]", 1.0)]).unwrap();
    store.flush().unwrap();
    assert_eq!(poll(), ["x[0]"]);
}

fn ids(store: &Store) -> Vec<String> {
    store.runs().unwrap().into_iter().map(|r| r.id).collect()
}

#[test]
fn deleting_takes_exact_ids_and_looks_all_of_them_up_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    for id in ["*", "a", "b"] {
        store.run(id).start().unwrap().finish().unwrap();
    }
    let some = RunTargets::new().run("a").run("swep1");
    let text = store.delete_runs(&some).unwrap_err();
    assert_eq!(text.kind(), ErrorKind::NotFound);
    assert!(text.to_string().contains("no run \"swep1\"; similar: \"sweep1\""), "{text}");
    assert_eq!(store.thin(&Thin::new().targets(some)).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.delete_run("sweep?").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(ids(&store).len(), 5, "nothing was deleted");
    for nothing in [RunTargets::new(), RunTargets::new().matching(Pattern::glob("["))] {
        assert_eq!(store.delete_runs(&nothing).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(store.snapshot().unwrap().targets(&nothing).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(store.delete_runs(&RunTargets::new().run("*")).unwrap(), ["*"]);
    assert_eq!(store.delete_runs(&RunTargets::new().matching("sweep[1]")).unwrap(), ["sweep[1]"]);
    assert_eq!(
        store.delete_runs(&RunTargets::new().matching(Pattern::glob("sweep[1]")).run("a")).unwrap(),
        ["a", "sweep1"]
    );
    assert_eq!(store.delete_runs(&RunTargets::new().matching("sweep*")).unwrap(), Vec::<String>::new());
    assert_eq!(ids(&store), ["b"]);
    let reopened = Options::new().read_only(true).open(dir.path().join("m")).unwrap();
    assert_eq!(ids(&reopened), ["b"]);
}

#[test]
fn targets_are_narrowed_by_a_filter_and_by_their_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    let ended: Vec<i64> = store.runs().unwrap().into_iter().filter_map(|r| r.ended_us).collect();
    let live = store.run("live").tag("t").start().unwrap();
    live.log(0, &[("loss", 1.0)]).unwrap();
    let found = |what: RunTargets| {
        let runs = store.snapshot().unwrap().targets(&what).unwrap();
        runs.into_iter().map(|r| r.id).collect::<Vec<_>>()
    };
    let last = *ended.iter().max().unwrap();
    assert_eq!(found(RunTargets::new().ended_before_us(last + 1)), ["sweep1", "sweep[1]"]);
    assert_eq!(found(RunTargets::new().ended_before_us(ended[1])), Vec::<String>::new());
    assert_eq!(found(RunTargets::new().run("sweep1").run("live").ended_before_us(last + 1)), ["sweep1"]);
    let tagged = RunTargets::new().matching("*").where_runs("tags has 't'".parse().unwrap());
    assert_eq!(found(tagged.clone()), ["live"]);
    assert_eq!(store.thin(&Thin::new().targets(tagged)).unwrap().runs_running, 1);
    assert_eq!(store.thin(&Thin::new().run("live")).unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(store.thin(&Thin::new().run("l*")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.thin(&Thin::new().matching("l*").ended_before_us(last)).unwrap().runs_running, 0);
}
