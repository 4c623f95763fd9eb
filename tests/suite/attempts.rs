//! Runs with several participants: who takes over from whom, how runs begin and are edited, and what a rewind hides.
//!
//! Each store is the role of a process: it has a writer of its own. Killing the simulated disk kills all of them.

use std::path::Path;
use std::sync::Arc;
use tidalite::{Error, ErrorKind, Exist, Options, Run, RunInfo, Status, Store};
use tidalite_vfs::{SimVfs, Vfs};

fn disk() -> SimVfs {
    let disk = SimVfs::new(1);
    disk.create_dir(Path::new("/data")).unwrap();
    disk
}

fn open(disk: &SimVfs) -> Store {
    Options::default().background(false).vfs(Arc::new(disk.clone())).open("/data/store").unwrap()
}

fn rank(store: &Store, rank: &str) -> Run {
    store.run("a").label("rank", rank).start().unwrap()
}

fn info(store: &Store) -> RunInfo {
    store.snapshot().unwrap().run("a").unwrap()
}

/// The facts about the run must not depend on whether they are in logs or in the run table.
fn facts(disk: &SimVfs) -> (Status, Option<i64>, Vec<(String, Status, bool)>) {
    let store = open(disk);
    let facts = |r: RunInfo| {
        let part = |p: &tidalite::Participant| (p.labels.to_string(), p.status, p.current);
        (r.status, r.ended_us, r.participants.iter().map(part).collect())
    };
    let before = facts(info(&store));
    store.flush().unwrap();
    assert_eq!(facts(info(&store)), before);
    store.compact().unwrap();
    assert_eq!(facts(info(&store)), before);
    before
}

fn log(run: &Run, step: i64, value: f64) {
    run.log(step, &[("loss", value)]).unwrap();
}

#[test]
fn a_run_that_was_killed_and_resumed_and_finished_is_finished() {
    let first = disk();
    let store = open(&first);
    log(&store.run("a").start().unwrap(), 0, 1.0);
    let run = store.run("a").start().unwrap();
    log(&run, 1, 1.0);
    let second = first.kill();
    assert_eq!(facts(&second).0, Status::Lost);
    let store = open(&second);
    let run = store.run("a").start().unwrap();
    assert_eq!(info(&store).status, Status::Running);
    run.rewind(0).unwrap();
    log(&run, 1, 2.0);
    run.finish().unwrap();
    let (status, ended, participants) = facts(&second);
    assert_eq!((status, ended.is_some(), participants.len()), (Status::Finished, true, 3));
    // The last step that a participant logged is known from its end.
    assert_eq!(info(&store).participants[2].last_step, Some(1));
}

#[test]
fn a_failure_keeps_its_reason_until_the_run_is_resumed() {
    let disk = disk();
    let store = open(&disk);
    let run = rank(&store, "0");
    log(&run, 0, 1.0);
    run.fail_because("ValueError: loss is NaN").unwrap();
    assert_eq!(info(&store).reason.as_deref(), Some("ValueError: loss is NaN"));
    assert_eq!(facts(&disk).0, Status::Failed);
    let run = rank(&open(&disk), "0");
    log(&run, 1, 1.0);
    run.finish().unwrap();
    assert_eq!((info(&store).status, info(&store).reason), (Status::Finished, None));
}

#[test]
fn the_participants_say_which_rank_died() {
    let first = disk();
    let dead = open(&first);
    log(&rank(&dead, "5"), 0, 1.0);
    let dying = rank(&dead, "5");
    log(&dying, 1, 1.0);
    let second = first.kill();
    // The others started at the same time: they saw rank 5 alive. Here they start after it and have other labels.
    let stores: Vec<Store> = (0..3).map(|_| open(&second)).collect();
    let ranks: Vec<Run> = stores.iter().zip(["0", "1", "2"]).map(|(s, r)| rank(s, r)).collect();
    ranks.iter().for_each(|r| log(r, 2, 1.0));
    ranks.iter().for_each(|r| r.finish().unwrap());
    // The first of them found nobody left, so it took over the whole run.
    assert_eq!(facts(&second).0, Status::Finished);

    let third = disk();
    let stores: Vec<Store> = (0..3).map(|_| open(&third)).collect();
    let ranks: Vec<Run> = stores.iter().zip(["0", "1", "2"]).map(|(s, r)| rank(s, r)).collect();
    ranks.iter().for_each(|r| log(r, 2, 1.0));
    ranks[0].finish().unwrap();
    ranks[2].finish().unwrap();
    let (status, ended, participants) = facts(&third.kill());
    let lost: Vec<_> = participants.iter().filter(|p| p.1 == Status::Lost).map(|p| p.0.as_str()).collect();
    assert_eq!((status, ended, lost), (Status::Lost, None, vec!["rank=1"]));
}

#[test]
fn a_later_edit_wins_whoever_opened_the_store_first() {
    let disk = disk();
    let server = open(&disk);
    let run = server.run("a").param("notes", "1").label("rank", "0").start().unwrap();
    log(&run, 0, 1.0);
    run.finish().unwrap();
    let before = info(&server);
    let job = open(&disk);
    job.edit("a").param("notes", "2").tag("star").name("first").apply().unwrap();
    server.edit("a").param("notes", "3").remove_tag("star").apply().unwrap();
    let look = |store: &Store| {
        let now = info(store);
        assert_eq!((&now.params["notes"], now.tags.len()), (&"3".into(), 0));
        assert_eq!(
            (now.ended_us, now.labels, now.status),
            (before.ended_us, before.labels.clone(), Status::Finished)
        );
        assert_eq!((now.name.as_deref(), now.participants.len()), (Some("first"), 1));
    };
    look(&job);
    job.flush().unwrap();
    look(&server);
    server.edit("a").remove_param("notes").name(None).notes("n").group("g").apply().unwrap();
    let now = info(&job);
    assert!(now.params.is_empty() && now.name.is_none());
    assert_eq!((now.notes.as_deref(), now.group.as_deref()), (Some("n"), Some("g")));
    let e = job.edit("b").tag("x").apply().unwrap_err();
    assert_eq!(
        (e.kind(), job.runs().unwrap().len()),
        (ErrorKind::NotFound, 1),
        "an edit never creates a run"
    );
}

#[test]
fn a_clock_that_steps_back_undoes_no_edit() {
    let disk = disk();
    let (one, two) = (open(&disk), open(&disk));
    one.run("a").start().unwrap().finish().unwrap();
    one.edit("a").notes("one").apply().unwrap();
    disk.advance(-3_600_000_000);
    two.edit("a").notes("two").apply().unwrap();
    assert_eq!(info(&one).notes.as_deref(), Some("two"));
    two.flush().unwrap();
    disk.advance(-3_600_000_000);
    open(&disk).edit("a").notes("three").apply().unwrap();
    one.flush().unwrap();
    assert_eq!(info(&two).notes.as_deref(), Some("three"));
}

#[test]
fn an_edit_gives_a_run_of_bulk_data_its_status_and_times() {
    let disk = disk();
    let store = open(&disk);
    let run = store.run("a").started_us(7_000_000).start().unwrap();
    log(&run, 0, 1.0);
    run.finish().unwrap();
    assert_eq!(info(&store).started_us, Some(7_000_000));
    store.edit("a").status(Status::Failed).started_us(1_000_000).ended_us(2_000_000).apply().unwrap();
    store.flush().unwrap();
    let now = info(&store);
    assert_eq!(
        (now.status, now.started_us, now.ended_us),
        (Status::Failed, Some(1_000_000), Some(2_000_000))
    );
}

#[test]
fn starting_says_whether_the_run_must_be_new() {
    let disk = disk();
    let (one, two) = (open(&disk), open(&disk));
    let kind = |e: Result<Run, Error>| e.unwrap_err().kind();
    assert_eq!(kind(one.run("a").exist(Exist::Must).start()), ErrorKind::NotFound);
    let run = one.run("a").exist(Exist::New).param("lr", 0.5).start().unwrap();
    assert_eq!(info(&two).params["lr"], 0.5.into());
    let e = two.run("a").exist(Exist::New).param("lr", 0.1).start().unwrap_err();
    assert!(e.kind() == ErrorKind::Invalid && e.to_string().contains("\"a\""), "{e}");
    assert_eq!((&info(&two).params["lr"], info(&two).participants.len()), (&0.5.into(), 1));
    drop(two.run("a").exist(Exist::Must).start().unwrap());
    run.finish().unwrap();
    one.delete_run("a").unwrap();
    one.run("a").exist(Exist::New).start().unwrap();
}

#[test]
fn a_rewind_of_each_rank_at_its_own_moment_hides_nothing_written_after_the_restart() {
    for labelled in [true, false] {
        let first = disk();
        let begin =
            |store: &Store, r: &str| if labelled { rank(store, r) } else { store.run("a").start().unwrap() };
        let stores: Vec<Store> = (0..3).map(|_| open(&first)).collect();
        let ranks: Vec<Run> = stores.iter().zip(["0", "1", "2"]).map(|(s, r)| begin(s, r)).collect();
        for (i, run) in ranks.iter().enumerate() {
            let metric = format!("m{i}");
            for step in 0..300 {
                run.log(step, &[(&metric, 1.0)]).unwrap();
            }
        }
        let second = first.kill();
        let stores: Vec<Store> = (0..3).map(|_| open(&second)).collect();
        let ranks: Vec<Run> = stores.iter().zip(["0", "1", "2"]).map(|(s, r)| begin(s, r)).collect();
        for (i, run) in ranks.iter().enumerate() {
            run.rewind(200).unwrap();
            if i == 1 {
                run.rewind(200).unwrap();
            }
            let metric = format!("m{i}");
            for step in 201..210 {
                run.log(step, &[(&metric, 2.0)]).unwrap();
            }
        }
        let look = |store: &Store| {
            let found = store.select().summaries().unwrap();
            assert_eq!(found.len(), 3);
            for (key, summary) in found {
                let last = summary.last.map(|p| (p.step, p.value));
                assert_eq!((summary.count, last), (210, Some((209, 2.0))), "{key:?} labelled: {labelled}");
            }
            let hidden = store.select().include_rewound(true).summaries().unwrap();
            assert!(hidden.iter().all(|(_, s)| s.count == 300), "rewound points are kept");
        };
        look(&stores[0]);
        stores[1].flush().unwrap();
        look(&stores[2]);
        stores[2].compact().unwrap();
        look(&stores[0]);
    }
}

#[test]
fn a_rewind_leaves_telemetry_and_metrics_that_it_does_not_name() {
    let disk = disk();
    let store = open(&disk);
    let run = store.run("a").start().unwrap();
    for step in 0..10 {
        run.log(step, &[("train/loss", 1.0), ("val/loss", 1.0), ("system/cpu", 1.0)]).unwrap();
    }
    let count = |metric: &str| store.select().metric(metric).summaries().unwrap()[0].1.count;
    run.rewind_metrics(4, &["train/*"]).unwrap();
    assert_eq!((count("train/loss"), count("val/loss"), count("system/cpu")), (5, 10, 10));
    run.rewind(2).unwrap();
    assert_eq!((count("train/loss"), count("val/loss"), count("system/cpu")), (3, 3, 10));
    store.flush().unwrap();
    assert_eq!((count("train/loss"), count("val/loss"), count("system/cpu")), (3, 3, 10));
    assert_eq!(run.rewind_metrics(1, &["train/["]).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn an_attached_handle_takes_no_part_and_rewinds_what_it_and_the_dead_wrote() {
    let first = disk();
    let store = open(&first);
    log(&store.run("a").start().unwrap(), 9, 1.0);
    let disk = first.kill();
    let (store, worker) = (open(&disk), open(&disk));
    let run = rank(&store, "0");
    log(&run, 9, 2.0);
    let attached = worker.attach("a", tidalite::Labels::default()).unwrap();
    log(&attached, 8, 3.0);
    attached.rewind(5).unwrap();
    log(&attached, 7, 4.0);
    // The rank is still there, so what it wrote is its own to rewind.
    let left: Vec<Option<(i64, f64)>> = store
        .select()
        .summaries()
        .unwrap()
        .iter()
        .map(|(_, summary)| summary.last.map(|p| (p.step, p.value)))
        .collect();
    assert_eq!(left, [Some((7, 4.0)), Some((9, 2.0))]);
    attached.fail_because("of no account").unwrap();
    assert!(attached.log(8, &[("loss", 1.0)]).is_err());
    drop(worker.attach("a", tidalite::Labels::default()).unwrap());
    assert_eq!((info(&store).status, info(&store).participants.len()), (Status::Running, 2));
    assert_eq!(worker.attach("b", tidalite::Labels::default()).unwrap_err().kind(), ErrorKind::NotFound);
    run.finish().unwrap();
    assert_eq!(info(&store).status, Status::Finished);
}

#[test]
fn how_far_a_killed_process_came_is_known_wherever_its_rows_are() {
    let disk = disk();
    let stores: Vec<Store> = (0..3).map(|_| open(&disk)).collect();
    let ranks: Vec<Run> = stores.iter().enumerate().map(|(r, s)| rank(s, &r.to_string())).collect();
    let last = |store: &Store| -> Vec<Option<i64>> {
        info(store).participants.iter().map(|p| p.last_step).collect()
    };
    for step in 0..10 {
        ranks.iter().for_each(|run| log(run, step, 1.0));
    }
    assert_eq!(last(&stores[0]), [Some(9); 3], "of those that run as well");
    // The first rank logs nothing after this flush; the second goes on; the third has rows of other kinds.
    stores[1].flush().unwrap();
    assert_eq!(last(&stores[0]), [Some(9); 3]);
    log(&ranks[1], 20, 1.0);
    log(&ranks[1], 12, 1.0);
    ranks[2].log(99, &[("system/cpu", 1.0)]).unwrap();
    ranks[2]
        .log_at(
            &tidalite::RowAt::step(11).labels(tidalite::Labels::new([("layer", "1")]).unwrap()),
            &[("g", 1.0)],
        )
        .unwrap();
    let expected = [Some(9), Some(20), Some(11)];
    assert_eq!(last(&stores[0]), expected);
    let killed = disk.kill();
    let reader = open(&killed);
    assert_eq!(last(&reader), expected);
    // Its logs are flushed and collected, the run table is written and not written, and copied.
    for _ in 0..3 {
        reader.flush().unwrap();
        assert_eq!(last(&reader), expected);
    }
    reader.backup("/data/copy").unwrap();
    let options = Options::default().background(false).vfs(Arc::new(killed.clone()));
    assert_eq!(last(&options.open("/data/copy").unwrap()), expected);
    reader.run("other").start().unwrap().finish().unwrap();
    reader.compact().unwrap();
    assert_eq!(last(&reader), expected);
    assert_eq!(last(&open(&killed)), expected);
}
