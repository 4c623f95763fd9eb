//! Segments put together frame by frame: valid frames in the wrong place, of the wrong length, or where none is expected.

use super::{content, disk, put, script};
use crate::format::{COMMITTED_AT, FIRST_FRAME_AT, Tag};
use crate::frame::Draft;
use crate::segment::{ORIGIN_BYTES, SegmentHeader};
use crate::testing::{LOG, LoggedUnit, RecordingSink, key, only_writer, read, small};
use crate::{Log, LogFinding, LogFindingKind, Progress, TailReader, WriterDir, replay_range, segments};
use std::path::Path;
use tidalite_model::Seq;
use tidalite_vfs::SimVfs;
use uuid::Uuid;

/// A segment being built, frame by frame.
struct ForgedSegment {
    bytes: Vec<u8>,
    seed: u32,
    /// The ordinal of the next frame.
    next: u32,
}

impl ForgedSegment {
    fn new(header: SegmentHeader) -> ForgedSegment {
        ForgedSegment { bytes: header.start_of_segment(), seed: header.id.seed(), next: 1 }
    }

    fn frame(mut self, tag: Tag, payload: &[u8]) -> ForgedSegment {
        let mut draft = Draft::new(tag, 0);
        draft.push(payload);
        draft.finish_fitting();
        let offset = self.bytes.len() as u64;
        self.bytes.extend_from_slice(draft.place(self.seed, offset, self.next));
        self.next += 1;
        self
    }

    /// A staged part, whose id is its ordinal.
    fn part(self) -> ForgedSegment {
        let payload = [&Uuid::from_u128(u128::from(self.next)).into_bytes()[..], &[0; 8]].concat();
        self.frame(Tag::Part, &payload)
    }

    /// The same, of which a byte is damaged.
    fn ruined(self, tag: Tag, payload: &[u8]) -> ForgedSegment {
        let mut forged = self.frame(tag, payload);
        *forged.bytes.last_mut().unwrap() ^= 1;
        forged
    }

    /// Bytes that begin no frame.
    fn junk(mut self, bytes: usize) -> ForgedSegment {
        self.bytes.resize(self.bytes.len() + bytes, 0xEE);
        self
    }

    fn numbered(mut self, next: u32) -> ForgedSegment {
        self.next = next;
        self
    }

    /// All of it, committed.
    fn done(mut self) -> Vec<u8> {
        let committed = self.bytes.len() as u64;
        self.bytes[COMMITTED_AT..COMMITTED_AT + 8].copy_from_slice(&committed.to_le_bytes());
        self.bytes
    }
}

/// The folder of a writer, whose only segment is to be forged.
fn forger() -> (SimVfs, WriterDir, ForgedSegment) {
    let (sim, dir, _) = script(81, 10, small(), true);
    assert_eq!(segments(&sim, &dir).unwrap().len(), 1);
    let header = SegmentHeader { id: dir.segment_id(1), base_position: 0, base_ordinal: 0 };
    (sim, dir, ForgedSegment::new(header))
}

/// The ordinals of the parts in a segment, and what was found.
fn read_as(sim: &SimVfs, dir: &WriterDir, bytes: &[u8], alive: bool) -> (Vec<u64>, Vec<LogFinding>) {
    put(sim, &dir.segment_path(1), bytes);
    let (seen, replayed) = read(sim, dir, 0, alive);
    for (seq, unit) in &seen.units {
        let LoggedUnit::Part(id, _) = unit else { panic!("{unit:?}") };
        assert_eq!(id.as_u128(), u128::from(seq.ordinal()));
    }
    (seen.units.iter().map(|(seq, _)| seq.ordinal()).collect(), replayed.findings)
}

#[test]
fn a_frame_with_the_number_of_another_is_damage_and_those_around_it_are_read() {
    let (sim, dir, forged) = forger();
    let forged = forged.part().numbered(7).part().numbered(3).part().done();
    let (seen, findings) = read_as(&sim, &dir, &forged, true);
    assert_eq!(seen, [1, 3]);
    let [f] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!((f.kind, f.frames), (LogFindingKind::Damage, Some(1)));
    assert!(f.lost.as_ref().is_some_and(|lost| lost.first == 2 && lost.end == Some(3)), "{f:?}");
}

#[test]
fn junk_between_two_frames_that_follow_each_other_costs_no_frame() {
    let (sim, dir, forged) = forger();
    let (seen, findings) = read_as(&sim, &dir, &forged.part().junk(32).part().done(), true);
    assert_eq!(seen, [1, 2]);
    let [f] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!((f.kind, f.bytes, f.frames, &f.lost), (LogFindingKind::Damage, 32, Some(0), &None));
}

#[test]
fn a_damaged_batch_without_points_names_no_series() {
    let (sim, dir, forged) = forger();
    let (seen, findings) =
        read_as(&sim, &dir, &forged.part().ruined(Tag::Points, &[0; 16]).part().done(), true);
    // The last byte of its clock is damaged, its count is zero.
    assert_eq!(seen, [1, 3]);
    let [f] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!((f.frames, f.steps, f.run.as_deref(), f.series.len()), (Some(1), None, None, 0));
}

#[test]
fn only_a_mark_of_the_right_length_says_that_frames_were_durable() {
    let far = u64::MAX.to_le_bytes();
    for (mark, kind, ordinals) in [
        (&far[..], LogFindingKind::TornTail, &[1][..]),
        (&[far, [0; 8]].concat(), LogFindingKind::Damage, &[1, 4][..]),
    ] {
        let (sim, dir, forged) = forger();
        let forged = forged.part().ruined(Tag::Part, &[0; 24]).frame(Tag::Sync, mark).part().done();
        let (seen, findings) = read_as(&sim, &dir, &forged, false);
        assert_eq!((&seen[..], findings[0].kind), (ordinals, kind), "{findings:?}");
    }
}

#[test]
fn a_short_frame_at_the_end_that_is_no_seal_leaves_a_segment_open() {
    for (tag, end) in [(Tag::Sync, None), (Tag::Seal, Some(3))] {
        let (sim, dir, forged) = forger();
        put(&sim, &dir.segment_path(1), &forged.part().frame(tag, &[]).done());
        let found = segments(&sim, &dir).unwrap();
        assert_eq!((found[0].sealed, found[0].end_ordinal), (end.is_some(), end));
    }
}

#[test]
fn a_header_that_is_damaged_under_a_living_writer_is_replaced_by_its_copy() {
    let (sim, dir, forged) = forger();
    let mut bytes = forged.part().part().done();
    bytes[30] ^= 1;
    let (seen, findings) = read_as(&sim, &dir, &bytes, true);
    let [f] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!((seen, f.kind, f.frames), (vec![1, 2], LogFindingKind::BadHeader, Some(0)));
    // Without a mark nothing of it was durable, and so nothing is damaged for certain.
    let (seen, findings) = read_as(&sim, &dir, &bytes, false);
    assert_eq!((seen, findings), (vec![1, 2], vec![]));
}

#[test]
fn a_living_writers_segment_without_its_end_goes_on_in_the_next_one() {
    let (sim, dir, witness) = script(31, 200, small(), false);
    let first = dir.segment_path(1);
    let mut bytes = content(&sim, &first);
    // Up to its SEAL, which is the frame before the zeros that were allocated.
    let end = bytes.iter().rposition(|&b| b != 0).unwrap() / 8 * 8 + 8 - 16;
    bytes.truncate(end);
    put(&sim, &first, &bytes);
    let (seen, replayed) = read(&sim, &dir, 0, true);
    assert!(seen.units == witness.accepted, "{}", seen.units.len());
    let [f] = &replayed.findings[..] else { panic!("{:?}", replayed.findings) };
    assert_eq!((f.kind, f.offset, f.frames, &f.lost), (LogFindingKind::Damage, end as u64, Some(1), &None));
}

#[test]
fn a_segment_that_says_it_begins_before_the_one_before_it_is_skipped() {
    let (sim, dir, witness) = script(41, 300, small(), true);
    let all = segments(&sim, &dir).unwrap();
    assert!(all.len() > 4, "{}", all.len());
    // It must not seem to hold the first frame, with which reading begins.
    let header = SegmentHeader { id: dir.segment_id(3), base_position: 0, base_ordinal: 1 };
    let mut bytes = content(&sim, &all[2].path);
    bytes[..FIRST_FRAME_AT + ORIGIN_BYTES].copy_from_slice(&header.start_of_segment());
    put(&sim, &all[2].path, &bytes);
    let gone = all[2].base_ordinal..all[3].base_ordinal;
    let rest = witness.accepted.iter().filter(|unit| !gone.contains(&unit.0.ordinal()));
    let rest: Vec<_> = rest.cloned().collect();
    for alive in [true, false] {
        let (seen, replayed) = read(&sim, &dir, 0, alive);
        assert!(seen.units == rest, "alive: {alive}, {} of {}", seen.units.len(), rest.len());
        assert!(replayed.findings.iter().any(|f| f.kind == LogFindingKind::BadHeader && f.lost.is_some()));
    }
}

#[test]
fn a_poll_with_a_limit_in_one_segment_reads_none_of_the_next() {
    let (sim, vfs) = disk(23);
    let log = Log::create(vfs, Path::new(LOG), 0, small()).unwrap();
    let layout = log.layout(&[log.series(&key("r", "m")).unwrap()]).unwrap();
    let dir = only_writer(&sim);
    log.append_row(layout, 0, 0, &[0.0]).unwrap();
    let (mut reader, mut seen) = (TailReader::new(dir.clone(), 0), RecordingSink::default());
    reader.poll(&sim, true, &mut seen).unwrap();
    for step in 1..300 {
        log.append_row(layout, step, 0, &[0.0]).unwrap();
    }
    let all = segments(&sim, &dir).unwrap();
    let in_first = |units: &[(Seq, LoggedUnit)]| units.iter().all(|u| u.0.ordinal() < all[1].base_ordinal);
    reader.poll_until(&sim, true, Progress::UpTo(all[0].bytes), &mut seen).unwrap();
    let read = seen.units.len();
    assert!(read > 1 && read < 300 && in_first(&seen.units), "{read}");
    reader.poll(&sim, true, &mut seen).unwrap();
    assert_eq!(seen.units.len(), 300);
    // A range that ends with a segment does not need the next one.
    let mut of_first = RecordingSink::default();
    let replayed = replay_range(&sim, &dir, 0..all[1].base_ordinal, true, &mut of_first).unwrap();
    assert_eq!((replayed.next_ordinal, of_first.units.len()), (all[1].base_ordinal, read));
    assert!(in_first(&of_first.units));
}
