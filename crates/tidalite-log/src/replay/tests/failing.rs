//! Calls to the disk that fail while a log is read: an error, never a shorter log.

use super::{content, put, script};
use crate::dir::end_position;
use crate::format::{COMMITTED_AT, FIRST_FRAME_AT};
use crate::testing::{LOG, RecordingSink, key, make_log_dir, only_writer, small};
use crate::{Log, Progress, TailReader, WriterDir, life, replay, replay_range, segments, segments_gone};
use std::path::Path;
use std::sync::Arc;
use tidalite_model::{ErrorKind, Result};
use tidalite_vfs::{FailKind, SimFailure, SimVfs, Vfs};

/// Everything that can be asked of a log without writing, in words.
pub(super) fn asked(vfs: &dyn Vfs, dir: &WriterDir) -> Vec<Result<String>> {
    let units = |alive: bool| {
        let mut seen = RecordingSink::default();
        let replayed = replay(vfs, dir, 0, alive, &mut seen)?;
        Ok(format!("{:?} {:?}", seen.units, replayed.findings))
    };
    let reader = TailReader::new(dir.clone(), 0);
    vec![
        units(true),
        units(false),
        life(vfs, dir).map(|life| format!("{life:?}")),
        segments(vfs, dir).map(|all| format!("{all:?}")),
        end_position(vfs, dir).map(|end| end.to_string()),
        reader.look(vfs, Progress::Nothing).map(|progress| format!("{progress:?}")),
        reader.bytes_ahead(vfs).map(|bytes| bytes.to_string()),
        segments_gone(vfs, dir, |name| name == "lock").map(|gone| format!("{gone:?}")),
    ]
}

/// A log of several segments whose writer was killed, with a torn tail and a segment behind it.
fn torn() -> (SimVfs, WriterDir) {
    let (sim, dir, _) = script(17, 60, small(), false);
    let last = segments(&sim, &dir).unwrap().last().unwrap().number;
    assert!(last > 2);
    let path = dir.segment_path(last - 1);
    let mut bytes = content(&sim, &path);
    let cut = bytes.len() / 2;
    bytes[cut..].fill(7);
    put(&sim, &path, &bytes);
    (sim, dir)
}

#[test]
fn a_read_that_fails_is_an_error_and_never_a_shorter_log() {
    let (sim, dir) = torn();
    let whole = sim.kill();
    let sound: Vec<String> = asked(&whole, &dir).into_iter().map(Result::unwrap).collect();
    let mut failed = 0;
    for at in 0..whole.steps() {
        let disk = sim.kill();
        disk.set_failure(SimFailure { at_step: at, kind: FailKind::Eio, persist: false });
        let answers = asked(&disk, &dir);
        let errors = answers.iter().filter(|answer| answer.is_err()).count();
        for (answer, sound) in answers.into_iter().zip(&sound) {
            match answer {
                Ok(answer) => assert!(answer == *sound, "at {at}: another answer"),
                Err(e) => assert_eq!(e.kind(), ErrorKind::Io, "at {at}: {e}"),
            }
        }
        failed += errors;
    }
    assert!(failed > 50, "{failed}");
}

#[test]
fn a_look_says_how_far_a_log_has_come_wherever_its_reader_is() {
    let sim = SimVfs::new(1);
    make_log_dir(&sim);
    let vfs: Arc<dyn Vfs> = Arc::new(sim.clone());
    let log = Log::create(vfs, Path::new(LOG), 0, small()).unwrap();
    let layout = log.layout(&[log.series(&key("r", "m")).unwrap()]).unwrap();
    let dir = only_writer(&sim);
    let mut reader = TailReader::new(dir.clone(), 0);
    let mut seen = RecordingSink::default();
    let looks = |reader: &TailReader, last| reader.look(&sim, last).unwrap();
    assert_eq!(looks(&reader, Progress::Nothing), Progress::Nothing, "no segment");
    drop(sim.create_segment(&dir.segment_path(1), 4096).unwrap());
    assert_eq!(looks(&reader, Progress::Nothing), Progress::Nothing, "a segment without a frame");
    let mut step = 0;
    let mut append = || {
        step += 1;
        log.append_row(layout, step, 0, &[0.0]).unwrap();
    };
    append();
    assert_eq!(looks(&reader, Progress::Nothing), Progress::Further);
    reader.poll(&sim, true, &mut seen).unwrap();
    let here = reader.progress();
    assert!(matches!(here, Progress::UpTo(_)) && looks(&reader, here) == here);
    append();
    append();
    let further = looks(&reader, here);
    assert!(further != here && matches!(further, Progress::UpTo(_)), "{further:?}");
    // A row that comes after the look is not read by a poll up to it.
    append();
    reader.poll_until(&sim, true, further, &mut seen).unwrap();
    assert_eq!(seen.units.len(), 3);
    reader.poll_until(&sim, true, Progress::Nothing, &mut seen).unwrap();
    assert_eq!(seen.units.len(), 3);
    assert!(reader.bytes_ahead(&sim).unwrap() == 0);
    log.seal().unwrap();
    assert_eq!(looks(&reader, further), Progress::Further, "the segment is closed");
    reader.poll(&sim, true, &mut seen).unwrap();
    assert_eq!((seen.units.len(), looks(&reader, Progress::Nothing)), (4, Progress::Nothing));
    log.close().unwrap();
    reader.poll(&sim, false, &mut seen).unwrap();
    assert!(reader.is_finished() && looks(&reader, Progress::Nothing) == Progress::Nothing);
    assert_eq!(reader.poll(&sim, false, &mut seen).unwrap().frames, 0);
    assert_eq!(reader.bytes_ahead(&sim).unwrap(), 0);
}

#[test]
fn a_range_of_frames_is_read_alone() {
    let (sim, dir, witness) = script(23, 80, small(), true);
    let at = |i: usize| witness.accepted[i].0.ordinal();
    for (from, to) in [(0, 1), (10, 30), (5, 70), (40, 40)] {
        let mut seen = RecordingSink::default();
        replay_range(&sim, &dir, at(from)..at(to), false, &mut seen).unwrap();
        assert_eq!(seen.units, witness.accepted[from..to]);
    }
}

#[test]
fn a_log_that_ends_too_early_for_its_manifest_or_for_its_own_process_is_damage() {
    let (sim, dir, _) = script(29, 10, small(), true);
    let mut reader = TailReader::new(dir.clone(), 0);
    let start = reader.poll_until(&sim, false, Progress::Nothing, &mut RecordingSink::default()).unwrap();
    assert!(start.resume.short_of(&dir, 9).is_none(), "nothing is known without a segment");
    let end = reader.poll(&sim, false, &mut RecordingSink::default()).unwrap().resume;
    assert!(end.short_of(&dir, end.ordinal).is_none() && end.lacks(&dir, end.ordinal).is_none());
    let short = end.short_of(&dir, end.ordinal + 1).unwrap();
    assert!(short.message.contains("are flushed"), "{}", short.message);
    let lacks = end.lacks(&dir, end.ordinal + 2).unwrap();
    assert!(lacks.message.contains("2 frames from frame"), "{}", lacks.message);
    let gone = |is_later: &str| segments_gone(&sim, &dir, |name| name == is_later).unwrap();
    sim.create(&dir.path.join("later")).unwrap();
    assert!(gone("later").is_none(), "there is a segment");
    for segment in segments(&sim, &dir).unwrap() {
        sim.remove(&segment.path).unwrap();
    }
    assert!(gone("earlier").is_none() && gone("later").is_some());
}

#[test]
fn what_a_segment_says_of_itself_is_only_taken_where_it_is_sound() {
    let (sim, dir, _) = script(31, 60, small(), true);
    let sound = segments(&sim, &dir).unwrap();
    let path = &sound[1].path;
    let good = content(&sim, path);
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        put(&sim, path, &bytes);
        segments(&sim, &dir).unwrap()[1].clone()
    };
    // Without its SEAL it ends where the next one begins.
    let open = changed(&|bytes| bytes.truncate(good.len() - 16));
    assert_eq!((open.sealed, open.end_ordinal), (false, Some(sound[2].base_ordinal)));
    let odd = changed(&|bytes| bytes.extend([0; 3]));
    assert_eq!(odd.sealed, sound[1].sealed, "the committed length leads to the SEAL");
    // The end of another frame is no SEAL, and a length beyond the file is none of this file.
    for committed in [FIRST_FRAME_AT as u64 + 16, 12_345, u64::MAX] {
        let cut = changed(&|bytes| {
            bytes.truncate(good.len() - 16);
            bytes[COMMITTED_AT..COMMITTED_AT + 8].copy_from_slice(&committed.to_le_bytes());
        });
        assert!(!cut.sealed, "{committed}");
    }
    for junk in [vec![9; 200], [&[0; COMMITTED_AT][..], &[1; 200]].concat()] {
        let unreadable = changed(&|bytes| *bytes = junk.clone());
        assert_eq!((unreadable.end_ordinal, unreadable.base_ordinal), (None, sound[0].end_ordinal.unwrap()));
    }
    // The one before an absent number is not followed by the next.
    sim.remove(path).unwrap();
    let first = &sound[0].path;
    let mut bytes = content(&sim, first);
    bytes.truncate(bytes.len() - 16);
    put(&sim, first, &bytes);
    assert_eq!(segments(&sim, &dir).unwrap()[0].end_ordinal, None);
}
