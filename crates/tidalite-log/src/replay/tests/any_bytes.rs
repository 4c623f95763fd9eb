//! No file content makes replay panic or allocate without bound.

use super::{put, script};
use crate::format::{COMMITTED_AT, FIRST_FRAME_AT, FRAME_LEN_AT, Tag};
use crate::frame::Draft;
use crate::segment::SegmentHeader;
use crate::segments;
use crate::testing::{LogTestRandom, read, small};

#[test]
fn no_length_or_ordinal_in_a_file_causes_an_overflow_or_a_hang() {
    let (sim, dir, _) = script(81, 10, small(), true);
    let id = dir.segment_id(1);
    let path = dir.segment_path(1);
    for (position, ordinal) in [(0, 0), (u64::MAX / 2, (1 << 40) - (1 << 26) - 1)] {
        let mut start =
            SegmentHeader { id, base_position: position, base_ordinal: ordinal }.start_of_segment();
        for committed in [0, 64, u64::MAX, u64::MAX - 7] {
            start[COMMITTED_AT..COMMITTED_AT + 8].copy_from_slice(&committed.to_le_bytes());
            for len in [0, 1, 16, u32::MAX, u32::MAX - 7, 32 << 20] {
                for frame_ordinal in [0, 1, u32::MAX] {
                    let mut bytes = start.clone();
                    let mut mark = Draft::new(Tag::Sync, 0);
                    mark.push(&u64::MAX.to_le_bytes());
                    mark.push(&[0; 8]);
                    mark.finish_fitting();
                    let at = bytes.len() as u64 + 24;
                    bytes.extend_from_slice(&[0; 24]);
                    let head = bytes.len() - 24 + FRAME_LEN_AT;
                    bytes[head..head + 4].copy_from_slice(&u32::to_le_bytes(len));
                    bytes[head + 4..head + 8].copy_from_slice(&u32::to_le_bytes(frame_ordinal));
                    bytes[head + 8] = Tag::Row as u8;
                    bytes.extend_from_slice(mark.place(id.seed(), at, 2));
                    put(&sim, &path, &bytes);
                    for alive in [true, false] {
                        for from in [0, u64::MAX] {
                            let (seen, _) = read(&sim, &dir, from, alive);
                            assert!(seen.units.is_empty());
                        }
                    }
                    segments(&sim, &dir).unwrap();
                }
            }
        }
    }
}

#[test]
fn random_bytes_after_a_header_are_read_safely() {
    let (sim, dir, _) = script(91, 10, small(), true);
    let path = dir.segment_path(1);
    let start = SegmentHeader { id: dir.segment_id(1), base_position: 0, base_ordinal: 0 }.start_of_segment();
    let mut random = LogTestRandom(91);
    for round in 0..2000 {
        let mut bytes = if round % 3 == 0 { Vec::new() } else { start.clone() };
        let len = random.below(400);
        // Small numbers make plausible heads more likely.
        bytes.extend((0..len).map(|_| if random.below(2) == 0 { 0 } else { (random.below(12)) as u8 }));
        put(&sim, &path, &bytes);
        for alive in [true, false] {
            assert!(read(&sim, &dir, 0, alive).0.units.is_empty());
        }
    }
}

#[test]
fn valid_frames_with_random_contents_are_refused_or_read_safely() {
    let (sim, dir, _) = script(95, 10, small(), true);
    let (id, path) = (dir.segment_id(1), dir.segment_path(1));
    let mut random = LogTestRandom(95);
    for _ in 0..3000 {
        let mut bytes = SegmentHeader { id, base_position: 0, base_ordinal: 0 }.start_of_segment();
        for ordinal in 1..1 + u32::try_from(random.below(8)).unwrap() {
            let tags = [
                Tag::Run,
                Tag::Series,
                Tag::Layout,
                Tag::Row,
                Tag::Points,
                Tag::Change,
                Tag::Part,
                Tag::Sync,
                Tag::StampedRow,
            ];
            let tag = tags[usize::try_from(random.below(9)).unwrap()];
            let mut draft = Draft::new(tag, u32::try_from(random.below(3)).unwrap());
            let words = random.below(12);
            (0..words).for_each(|_| draft.push(&u32::try_from(random.below(4)).unwrap().to_le_bytes()));
            draft.push(&b"abc"[..usize::try_from(random.below(4)).unwrap()]);
            draft.finish_fitting();
            let at = bytes.len() as u64;
            bytes.extend_from_slice(draft.place(id.seed(), at, ordinal));
        }
        put(&sim, &path, &bytes);
        let (_, replayed) = read(&sim, &dir, 0, false);
        assert_eq!(replayed.bytes, bytes.len() as u64 - FIRST_FRAME_AT as u64, "each frame was valid");
    }
}

#[test]
fn valid_frames_that_contradict_earlier_ones_are_refused_and_the_others_are_read() {
    let (sim, dir, _) = script(97, 10, small(), true);
    let (id, path) = (dir.segment_id(1), dir.segment_path(1));
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let series = |run: u32, metric: &str| [&words(&[0, run, 1, 0])[..], metric.as_bytes()].concat();
    let row = |values: usize| vec![0; 16 + 8 * values];
    let frames = [
        (Tag::Run, [&words(&[0])[..], b"r"].concat(), true),
        (Tag::Run, [&words(&[1])[..], b"s"].concat(), true),
        (Tag::Series, series(0, "m"), true),
        (Tag::Layout, words(&[0]), true),
        (Tag::Row, row(1), true),
        // Another width, another name, another run, another list, another id.
        (Tag::Row, row(2), false),
        (Tag::Series, series(0, "n"), false),
        (Tag::Series, series(1, "m"), false),
        (Tag::Layout, words(&[0, 0]), false),
        (Tag::Run, [&words(&[0])[..], b"s"].concat(), false),
        // Copies.
        (Tag::Series, series(0, "m"), true),
        (Tag::Layout, words(&[0]), true),
        (Tag::Row, row(1), true),
    ];
    let mut bytes = SegmentHeader { id, base_position: 0, base_ordinal: 0 }.start_of_segment();
    for (ordinal, (tag, payload, _)) in (1..).zip(&frames) {
        let mut draft = Draft::new(*tag, 0);
        draft.push(payload);
        draft.finish_fitting();
        let at = bytes.len() as u64;
        bytes.extend_from_slice(draft.place(id.seed(), at, ordinal));
    }
    put(&sim, &path, &bytes);
    let (seen, replayed) = read(&sim, &dir, 0, false);
    assert_eq!(seen.units.len(), 2);
    let refused: u64 = replayed.findings.iter().filter_map(|finding| finding.frames).sum();
    assert_eq!(refused, frames.iter().filter(|(.., sound)| !sound).count() as u64, "{:?}", replayed.findings);
}
