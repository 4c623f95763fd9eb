//! What a writer refuses, and what becomes of segments that are made ahead of need.

use super::state::Spare;
use super::{Durability, Log, LogOptions};
use crate::dir::claim_writer;
use crate::format::{FRAME_BYTES_MAX, SEGMENT_BYTES_LIMIT};
use crate::testing::{LOG, key, make_log_dir, only_writer, read, small};
use crate::{LayoutId, SeriesId};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidalite_model::{Error, ErrorKind, RunChange, RunEdit, Seq, WRITER_MAX};
use tidalite_vfs::{FailKind, RealVfs, SimFailure, SimVfs, Vfs};
use uuid::Uuid;

fn open(options: LogOptions) -> (SimVfs, Log, SeriesId, LayoutId) {
    let sim = SimVfs::new(7);
    make_log_dir(&sim);
    let log = Log::create(Arc::new(sim.clone()), Path::new(LOG), 0, options).unwrap();
    let series = log.series(&key("r", "m")).unwrap();
    let layout = log.layout(&[series]).unwrap();
    (sim, log, series, layout)
}

fn kind<T: std::fmt::Debug>(done: tidalite_model::Result<T>) -> ErrorKind {
    done.unwrap_err().kind()
}

/// Fills more than half of the first segment, so that a spare is wanted. Returns the number of rows.
fn half_fill(log: &Log, layout: LayoutId) -> usize {
    let asked = || log.shared.state().current.as_ref().is_some_and(|current| current.spare_asked);
    let mut rows = 0;
    while !asked() {
        log.append_row(layout, rows, 0, &[0.0]).unwrap();
        rows += 1;
    }
    usize::try_from(rows).unwrap()
}

#[test]
fn what_is_larger_than_the_format_allows_is_refused_and_changes_nothing() {
    let (sim, log, series, layout) = open(small());
    let points = FRAME_BYTES_MAX / 28 + 1;
    let (ids, times) = (vec![series; points], vec![0i64; points]);
    assert_eq!(kind(log.append_points(&ids, &times, &times, &vec![0.0; points], false)), ErrorKind::Invalid);
    assert_eq!(kind(log.append_part(Uuid::nil(), &vec![0; FRAME_BYTES_MAX])), ErrorKind::Invalid);
    let long = RunChange::Edit(RunEdit::param("text", "x".repeat(5 << 20)));
    assert_eq!(kind(log.append_change("r", &long)), ErrorKind::Invalid);
    assert_eq!(kind(log.layout(&vec![series; FRAME_BYTES_MAX / 8])), ErrorKind::Invalid);
    assert!(!format!("{log:?}").is_empty());
    let seq = log.append_row(layout, 0, 0, &[0.0]).unwrap();
    assert_eq!(log.watermark().accepted, Some(seq));
    assert_eq!(read(&sim, &only_writer(&sim), 0, true).0.units.len(), 1);
}

#[test]
fn a_row_whose_names_no_segment_can_hold_is_refused() {
    assert!(super::rotate::check_limits(SEGMENT_BYTES_LIMIT, 1, 0).is_ok());
    assert_eq!(kind(super::rotate::check_limits(SEGMENT_BYTES_LIMIT + 1, 1, 0)), ErrorKind::Invalid);
    assert_eq!(kind(super::rotate::check_limits(4096, 100_000_000, 0)), ErrorKind::Full);
    assert_eq!(kind(super::rotate::check_limits(4096, 1, u64::MAX)), ErrorKind::Full);
}

#[test]
fn a_store_that_had_all_its_writers_is_full() {
    let sim = SimVfs::new(1);
    make_log_dir(&sim);
    assert_eq!(claim_writer(&sim, Path::new(LOG), WRITER_MAX).unwrap().writer, WRITER_MAX);
    let e = claim_writer(&sim, Path::new(LOG), 0).unwrap_err();
    assert!(e.kind() == ErrorKind::Full && e.to_string().contains("maximum"), "{e}");
}

#[test]
fn a_segment_that_a_failed_attempt_left_is_made_anew() {
    let (sim, log, _, layout) = open(small());
    let dir = only_writer(&sim);
    drop(sim.create_segment(&dir.segment_path(1), 64).unwrap());
    for step in 0..500 {
        log.append_row(layout, step, 0, &[0.0]).unwrap();
    }
    assert_eq!(read(&sim, &dir, 0, true).0.units.len(), 500);
}

#[test]
fn a_spare_is_used_where_it_is_large_enough_and_removed_where_not() {
    let (sim, log, series, layout) = open(small());
    let dir = only_writer(&sim);
    let spare = |log: &Log| matches!(log.shared.state().spare, Spare::Ready(_));
    // Nobody has asked for one.
    log.shared.make_spare();
    assert!(!spare(&log));
    let rows = half_fill(&log, layout);
    log.shared.make_spare();
    assert!(spare(&log));
    let number = |log: &Log| log.shared.state().number;
    // There is one already.
    log.shared.make_spare();
    let n = 1000;
    log.append_points(&vec![series; n], &vec![0; n], &vec![0; n], &vec![0.0; n], false).unwrap();
    assert!(!spare(&log) && number(&log) == 2);
    let large = log.shared.state().current.as_ref().map(|current| current.capacity()).unwrap();
    assert!(large > 28_000, "{large}");
    assert_eq!(read(&sim, &dir, 0, true).0.units.len(), rows + 1);
    // The next one is as large as the largest that the options allow, and small rows use it.
    log.seal().unwrap();
    half_fill(&log, layout);
    log.shared.make_spare();
    let before = number(&log);
    while number(&log) == before {
        log.append_row(layout, 0, 0, &[0.0]).unwrap();
    }
    assert!(!spare(&log));
    log.close().unwrap();
    assert_eq!(read(&sim, &dir, 0, false).1.findings, []);
}

#[test]
fn a_spare_that_cannot_be_made_is_made_later_and_one_whose_name_is_not_durable_ends_the_writer() {
    // The first step of making one creates the file, the second one syncs the folder.
    for (after, ends) in [(0, false), (1, true)] {
        let (sim, log, _, layout) = open(small());
        half_fill(&log, layout);
        sim.set_failure(SimFailure { at_step: sim.steps() + after, kind: FailKind::Eio, persist: false });
        log.shared.make_spare();
        sim.clear_failure();
        let appended = || (0..500).try_for_each(|step| log.append_row(layout, step, 0, &[0.0]).map(drop));
        match ends {
            true => {
                assert_eq!(kind(appended()), ErrorKind::Poisoned);
                assert_eq!(kind(log.sync()), ErrorKind::Poisoned);
                // Nothing is made for a writer that has ended.
                log.shared.make_spare();
                assert!(matches!(log.shared.state().spare, Spare::None));
            }
            false => appended().unwrap(),
        }
    }
}

#[test]
fn whoever_waits_for_a_sync_that_does_not_come_is_told_so() {
    let hour = Duration::from_secs(3600);
    let options = LogOptions { durability: Durability::Interval(hour), background: true, ..small() };
    let (_, log, _, layout) = open(options);
    let seq = log.append_row(layout, 0, 0, &[0.0]).unwrap();
    assert!(!log.wait_durable(seq, Some(Duration::ZERO)).unwrap(), "in no time");
    assert_eq!(kind(log.wait_durable(Seq::new(9, 0), None)), ErrorKind::Invalid);
    let why = Error::new(ErrorKind::Io, "write to log", "the disk is gone", "");
    log.end(&why);
    let next = log.wait_durable(seq, Some(hour));
    assert!(next.is_err() || next.is_ok_and(|durable| durable), "an end, or a sync that was faster");
    assert_eq!(kind(log.append_row(layout, 1, 0, &[0.0])), ErrorKind::Poisoned);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "another program cuts the file")]
fn a_writer_whose_segment_was_cut_by_another_program_ends_at_the_next_look() {
    let dir = tempfile::tempdir().unwrap();
    let vfs: Arc<dyn Vfs> = Arc::new(RealVfs::new());
    let log = Log::create(vfs, dir.path(), 0, small()).unwrap();
    let layout = log.layout(&[log.series(&key("r", "m")).unwrap()]).unwrap();
    log.append_row(layout, 0, 0, &[0.0]).unwrap();
    log.check();
    log.sync().unwrap();
    let segment = std::fs::File::options().write(true).open(log.shared.dir.segment_path(1)).unwrap();
    segment.set_len(512).unwrap();
    log.check();
    let e = log.append_row(layout, 1, 0, &[0.0]).unwrap_err();
    assert!(e.kind() == ErrorKind::Poisoned && e.to_string().contains("made shorter"), "{e}");
}

#[test]
fn a_row_of_the_wrong_width_is_refused_between_two_that_are_right() {
    let (sim, log, _, layout) = open(small());
    log.append_row(layout, 0, 0, &[0.0]).unwrap();
    log.append_row(layout, 1, 0, &[1.0]).unwrap();
    for values in [&[][..], &[1.0, 2.0]] {
        assert_eq!(kind(log.append_row(layout, 2, 0, values)), ErrorKind::Invalid);
    }
    log.append_row(layout, 2, 0, &[2.0]).unwrap();
    assert_eq!(read(&sim, &only_writer(&sim), 0, true).0.units.len(), 3);
}

#[test]
fn on_a_disk_that_is_almost_full_a_segment_is_as_small_as_what_it_must_hold() {
    let large = LogOptions { segment_bytes_min: 1 << 20, segment_bytes_max: 1 << 20, ..small() };
    let (sim, log, _, layout) = open(large);
    // The first steps look up the folder; one of the next ones makes the segment.
    let made = (0..6).find(|after| {
        sim.set_failure(SimFailure { at_step: sim.steps() + after, kind: FailKind::Enospc, persist: false });
        let before = log.watermark().accepted;
        let appended = log.append_row(layout, 0, 0, &[0.0]);
        sim.clear_failure();
        assert!(appended.is_ok() || log.watermark().accepted == before);
        let capacity = log.shared.state().current.as_ref().map(|current| current.capacity());
        let small = capacity == Some(64 << 10);
        if !small {
            log.seal().unwrap();
        }
        small
    });
    assert!(made.is_some(), "no failure led to a small segment");
    let rows = log.watermark().accepted.unwrap();
    assert_eq!(read(&sim, &only_writer(&sim), 0, true).0.units.last().unwrap().0, rows);
}

#[test]
fn names_that_exceed_one_declaration_are_in_several_and_each_is_read_back() {
    let (sim, log, _, _) = open(LogOptions { segment_bytes_max: 1 << 20, ..small() });
    let names: Vec<String> = (0..40).map(|i| format!("{i}{}", "x".repeat(4000))).collect();
    let ids: Vec<SeriesId> = names.iter().map(|name| log.series(&key("r", name)).unwrap()).collect();
    log.append_row(log.layout(&ids).unwrap(), 0, 0, &[1.0; 40]).unwrap();
    let (seen, replayed) = read(&sim, &only_writer(&sim), 0, true);
    assert_eq!((seen.keys.len(), seen.units.len(), replayed.findings.len()), (40, 1, 0));
    assert!(ids.iter().zip(&names).all(|(id, name)| *seen.keys[id].metric == **name));
    // Origin, the run, at least three frames of names, the layout, the row.
    assert!(replayed.frames >= 7, "{}", replayed.frames);
}

#[test]
fn after_a_failure_no_mark_is_written_and_waiters_learn_the_failure() {
    let (sim, log, _, layout) = open(small());
    log.append_row(layout, 0, 0, &[0.0]).unwrap();
    let dir = only_writer(&sim);
    let frames = || read(&sim, &dir, 0, true).1.frames;
    let before = frames();
    log.shared.state().mark(0, 0);
    assert_eq!(frames(), before + 4, "copies of the run, the series and the layout, and the mark");
    let why = Error::new(ErrorKind::Io, "sync", "the disk is gone", "");
    log.end(&why);
    log.shared.state().mark(0, 0);
    assert_eq!(frames(), before + 4);
    // As a thread sees it that had appended before the failure.
    let e = log.shared.make_durable(u64::MAX).unwrap_err();
    assert!(e.kind() == ErrorKind::Poisoned && e.to_string().contains("the disk is gone"), "{e}");
}

#[test]
fn a_segment_that_somebody_still_looks_at_is_not_cut_and_reads_the_same() {
    let (sim, log, _, layout) = open(small());
    log.append_row(layout, 0, 0, &[0.0]).unwrap();
    let path = only_writer(&sim).segment_path(1);
    let bytes = || sim.open(&path).unwrap().len().unwrap();
    let held = log.shared.state().current.as_ref().map(|current| current.file.clone());
    log.seal().unwrap();
    assert_eq!(bytes(), 4096, "its capacity");
    drop(held);
    log.append_row(layout, 1, 0, &[0.0]).unwrap();
    log.close().unwrap();
    let (seen, replayed) = read(&sim, &only_writer(&sim), 0, false);
    assert_eq!((seen.units.len(), replayed.findings), (2, vec![]));
}
