//! Tests of records: changes commute, the later write wins, and the status follows from the participants.

use super::*;
use crate::{Labels, Moment, Param, Params, Seq, WriteOrder};
use std::collections::BTreeSet;

/// A write of a writer: its ordinal is its clock, so that clocks ascend within a writer.
fn at(clock_us: i64, writer: u32) -> WriteOrder {
    WriteOrder::new(clock_us, Seq::new(writer, clock_us.cast_unsigned()))
}

/// A start that saw these participants over: of each writer, those below the clock.
fn start(labels: &str, gone: &[(u32, u64)]) -> RunChange {
    RunChange::Start(RunStart {
        time_us: 5,
        labels: Labels::parse(labels).unwrap(),
        gone: Moment::new(0, gone.iter().copied()),
        ..RunStart::default()
    })
}

fn end(start: u64, time_us: i64, status: Status) -> RunChange {
    RunChange::End(RunEnd { start, time_us, status, reason: None, logged: true, last_step: None })
}

fn record(changes: &[(WriteOrder, RunChange)]) -> RunRecord {
    let mut run = RunRecord::default();
    changes.iter().for_each(|(order, change)| run.apply(*order, change));
    run
}

fn lr(value: f64) -> RunChange {
    RunChange::Edit(RunEdit::param("lr", value))
}

fn tags(add: &[&str], remove: &[&str]) -> RunChange {
    let set = |tags: &[&str]| tags.iter().map(|s| s.to_string()).collect::<BTreeSet<_>>();
    RunChange::Edit(RunEdit { add_tags: set(add), remove_tags: set(remove), ..RunEdit::default() })
}

#[test]
fn the_run_is_running_while_a_participant_is_and_ends_with_the_last() {
    let mut run = record(&[(at(1, 1), start("host=a,rank=0", &[])), (at(2, 2), start("host=a,rank=1", &[]))]);
    assert_eq!(run.info("r", |_| true).labels.as_str(), "host=a");
    assert_eq!(run.status(|_| true), Status::Running);
    assert_eq!(run.status(|_| false), Status::Lost);
    run.apply(at(3, 1), &end(1, 9, Status::Finished));
    assert_eq!(run.status(|w| w == 2), Status::Running);
    assert_eq!(run.info("r", |_| false).ended_us, None);
    run.apply(at(4, 2), &end(2, 8, Status::Finished));
    let info = run.info("r", |_| false);
    assert_eq!((info.status, info.ended_us, info.started_us), (Status::Finished, Some(9), Some(5)));
}

#[test]
fn who_takes_over_from_a_dead_participant_decides() {
    let first = [(at(1, 1), start("rank=0", &[])), (at(2, 2), start("rank=1", &[]))];
    // Both die, and both are started again. The first of them sees nobody left, the second sees the first.
    let again =
        [(at(5, 3), start("rank=0", &[(1, 9), (2, 9)])), (at(6, 4), start("rank=1", &[(1, 9), (2, 9)]))];
    let ends = [(at(7, 3), end(5, 20, Status::Finished)), (at(8, 4), end(6, 21, Status::Finished))];
    let run = record(&[&first[..], &again, &ends].concat());
    let info = run.info("r", |_| false);
    assert_eq!((info.status, info.ended_us), (Status::Finished, Some(21)));
    assert_eq!(info.participants.iter().map(|p| p.current).collect::<Vec<_>>(), [false, false, true, true]);

    // Only rank 1 died and is started again, while rank 0 goes on.
    let again = [(at(5, 3), start("rank=1", &[(2, 9)]))];
    let run = record(&[&first[..], &again, &[(at(6, 3), end(5, 7, Status::Finished))]].concat());
    assert_eq!(run.status(|w| w == 1), Status::Running);
    assert_eq!(run.status(|_| false), Status::Lost, "rank 0 is gone without an end");

    // Rank 1 died and nobody took over.
    let run = record(&[&first[..], &[(at(6, 1), end(1, 7, Status::Finished))]].concat());
    let info = run.info("r", |_| false);
    let lost: Vec<_> = info.participants.iter().filter(|p| p.status == Status::Lost).collect();
    assert_eq!((info.status, lost.len(), lost[0].labels.as_str()), (Status::Lost, 1, "rank=1"));

    // A job of another shape takes over from all, since nobody was left.
    let wider = [(at(5, 3), start("rank=7", &[(1, 9), (2, 9)])), (at(6, 3), end(5, 7, Status::Finished))];
    assert_eq!(record(&[&first[..], &wider].concat()).status(|_| false), Status::Finished);
}

#[test]
fn participants_that_started_together_do_not_take_over() {
    let ranks = [(at(1, 1), start("", &[])), (at(2, 2), start("", &[])), (at(3, 3), start("", &[]))];
    let ends = [(at(4, 1), end(1, 7, Status::Failed)), (at(5, 2), end(2, 8, Status::Finished))];
    let run = record(&[&ranks[..], &ends].concat());
    assert_eq!(run.status(|w| w == 3), Status::Running);
    assert_eq!(run.status(|_| false), Status::Failed, "a failure counts more than a loss");
}

#[test]
fn who_only_edits_moves_neither_status_nor_end_nor_labels() {
    let quiet = |start, status| {
        RunChange::End(RunEnd { start, time_us: 50, status, reason: None, logged: false, last_step: None })
    };
    let job = [(at(1, 1), start("rank=0", &[])), (at(2, 1), end(1, 9, Status::Finished))];
    let editor = [(at(3, 2), start("", &[(1, 9)])), (at(4, 2), quiet(3, Status::Finished))];
    let info = record(&[&job[..], &editor].concat()).info("r", |_| false);
    assert_eq!((info.ended_us, info.labels.as_str(), info.status), (Some(9), "rank=0", Status::Finished));

    // But it finishes a run that was lost, and a failure always counts.
    let info = record(&[&job[..1], &editor].concat()).info("r", |_| false);
    assert_eq!((info.ended_us, info.status), (Some(50), Status::Finished));
    let failed = [(at(3, 2), start("", &[(1, 9)])), (at(4, 2), quiet(3, Status::Failed))];
    assert_eq!(record(&[&job[..], &failed].concat()).status(|_| false), Status::Failed);
    // While it is there, the run is running.
    assert_eq!(record(&[&job[..], &editor[..1]].concat()).status(|w| w == 2), Status::Running);
}

#[test]
fn where_nobody_logged_the_first_participant_counts() {
    let quiet = |start, time_us| {
        let status = Status::Finished;
        RunChange::End(RunEnd { start, time_us, status, reason: None, logged: false, last_step: None })
    };
    let run = record(&[
        (at(1, 1), start("rank=0", &[])),
        (at(2, 1), quiet(1, 20)),
        (at(3, 2), start("", &[(1, 9)])),
        (at(4, 2), quiet(3, 40)),
    ]);
    let info = run.info("r", |_| true);
    assert_eq!((info.status, info.ended_us, info.labels.as_str()), (Status::Finished, Some(20), "rank=0"));
}

#[test]
fn an_edited_status_holds_until_a_participant_starts() {
    let edit = RunChange::Edit(RunEdit {
        status: Assign::Set(Status::Finished),
        started_us: Assign::Set(1),
        ended_us: Assign::Set(77),
        ..RunEdit::default()
    });
    let mut run = record(&[(at(1, 1), start("", &[])), (at(2, 2), edit.clone())]);
    let info = run.info("r", |_| false);
    assert_eq!((info.status, info.started_us, info.ended_us), (Status::Finished, Some(1), Some(77)));
    run.apply(at(3, 3), &start("", &[(1, 9), (2, 9)]));
    assert_eq!((run.status(|_| false), run.status(|_| true)), (Status::Lost, Status::Running));
    assert_eq!(run.info("r", |_| true).ended_us, None);
    // A run without participants has what it was given.
    assert_eq!(record(&[(at(1, 1), edit)]).info("r", |_| false).ended_us, Some(77));
}

#[test]
fn the_later_write_wins_and_the_order_of_logs_does_not_matter() {
    let clear = RunChange::Edit(RunEdit {
        remove_params: BTreeSet::from(["lr".to_string()]),
        notes: Assign::Clear,
        ..RunEdit::default()
    });
    let notes =
        |text: &str| RunChange::Edit(RunEdit { notes: Assign::Set(text.into()), ..RunEdit::default() });
    // Writer 2 opened later than writer 1, and writes in between.
    let changes = [
        (at(1, 1), start("", &[])),
        (at(2, 2), start("", &[])),
        (at(3, 2), lr(0.2)),
        (at(4, 1), lr(0.1)),
        (at(5, 1), tags(&["a", "b"], &[])),
        (at(6, 2), tags(&["c"], &["a"])),
        (at(7, 2), notes("two")),
        (at(8, 1), notes("one")),
    ];
    let forth = record(&changes);
    let mut back = changes.clone();
    back.reverse();
    assert_eq!(forth, record(&back));
    assert_eq!(forth, record(&[&changes[..], &changes].concat()), "applying again changes nothing");
    let info = forth.info("r", |_| true);
    assert_eq!((&info.params["lr"], info.notes.as_deref()), (&Param::from(0.1), Some("one")));
    assert_eq!(info.tags, BTreeSet::from(["b".to_string(), "c".to_string()]));
    let info = record(&[&changes[..], &[(at(9, 2), clear)]].concat()).info("r", |_| true);
    assert_eq!((info.params, info.notes), (Params::new(), None));
}

#[test]
fn deleted_writes_are_gone_in_any_order_of_logs() {
    let rewind = RunChange::Rewind {
        step: 3,
        before: Moment::new(1, [(1, 2)]),
        labels: Labels::none(),
        metrics: Vec::new(),
    };
    let delete = |moment| RunChange::Delete { before: moment };
    let changes = [
        (at(0, 1), start("host=a", &[])),
        (at(1, 1), lr(0.1)),
        (at(2, 1), rewind.clone()),
        (at(5, 1), start("host=b", &[])),
        (at(6, 1), start("host=c", &[])),
        (at(0, 2), end(0, 7, Status::Failed)),
        (at(1, 2), delete(Moment::new(1, [(1, 5)]))),
        (at(2, 2), start("host=c", &[])),
    ];
    let forth = record(&changes);
    let back: Vec<_> = changes[5..].iter().chain(&changes[..5]).chain(&changes).cloned().collect();
    assert_eq!(forth, record(&back));
    let info = forth.info("r", |_| true);
    assert_eq!((info.params.len(), info.labels.as_str(), info.participants.len()), (0, "", 3));
    assert!(forth.deletes(Seq::new(1, 4)) && !forth.deletes(Seq::new(1, 5)) && forth.rewinds.is_empty());
    let mut gone = forth;
    gone.apply(at(0, 3), &delete(Moment::new(3, [])));
    assert!(gone.is_only_deleted());
    gone.apply(at(2, 1), &rewind);
    assert!(gone.is_only_deleted(), "writes before the deletion do not come back");
}

#[test]
fn a_withdrawn_start_is_as_if_it_had_not_been_made() {
    let before = record(&[(at(1, 1), start("", &[]))]);
    let after = record(&[
        (at(1, 1), start("", &[])),
        (at(2, 2), start("", &[])),
        (at(3, 2), RunChange::Withdraw { start: 2 }),
    ]);
    assert_eq!(before, after);
}

/// One edit for each field.
fn an_edit_of_each_field() -> [RunEdit; 10] {
    let text = || Assign::Set("text".to_string());
    let edit = RunEdit::default;
    // A new field does not compile here, so that nobody forgets its edit below.
    let RunEdit {
        params: _,
        remove_params: _,
        add_tags: _,
        remove_tags: _,
        name: _,
        notes: _,
        group: _,
        environment: _,
        parent: _,
        status: _,
        started_us: _,
        ended_us: _,
    } = edit();
    [
        RunEdit::param("lr", 0.1),
        RunEdit { add_tags: BTreeSet::from(["a".to_string()]), ..edit() },
        RunEdit { name: text(), ..edit() },
        RunEdit { notes: text(), ..edit() },
        RunEdit { group: text(), ..edit() },
        RunEdit { environment: Assign::Set(Params::from([("os".into(), "linux".into())])), ..edit() },
        RunEdit { parent: Assign::Set(Parent { run: "p".into(), step: Some(3) }), ..edit() },
        RunEdit { status: Assign::Set(Status::Failed), ..edit() },
        RunEdit { started_us: Assign::Set(7), ..edit() },
        RunEdit { ended_us: Assign::Set(8), ..edit() },
    ]
}

#[test]
fn every_field_is_deleted_joined_and_told_with_its_place_and_time() {
    for edit in an_edit_of_each_field() {
        let set = record(&[(at(5, 1), RunChange::Edit(edit.clone()))]);
        assert_eq!(set.seqs().collect::<Vec<_>>(), [Seq::new(1, 5)], "{edit:?}");
        assert_eq!(set.clock_us(), 5, "{edit:?}");

        let mut joined = RunRecord::default();
        joined.join(&set, |_| false, |_| false);
        assert_eq!(joined, set, "{edit:?}");
        // The later one counts, whichever side has it.
        let later = record(&[(at(6, 2), RunChange::Edit(edit.clone()))]);
        joined.join(&later, |_| false, |_| false);
        assert_eq!(joined, later, "{edit:?}");
        joined.join(&set, |_| false, |_| false);
        assert_eq!(joined, later, "{edit:?}");

        let mut gone = set;
        gone.apply(at(9, 3), &RunChange::Delete { before: Moment::new(3, [(1, 6)]) });
        assert!(gone.is_only_deleted(), "{edit:?}");
    }
}
