//! What replay promises: everything comes back bit for bit, live and after; damage is told from a tear, costs its
//! frame and no more; nothing that stands in a file can make it panic or allocate without bound.

use super::{LogFindingKind, TailReader, replay};
use crate::format::{COMMITTED_AT, FIRST_FRAME_AT, FRAME_LEN_AT, HEADER_BYTES, Tag};
use crate::frame::Draft;
use crate::segment::SegmentHeader;
use crate::testing::{
    LOG, LogTestRandom, LoggedUnit, RecordingSink, Witness, key, make_log_dir, only_writer, read, small,
};
use crate::{Log, LogOptions, SegmentInfo, WriterDir, segments};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use tidalite_model::{ErrorKind, Labels, Params, RunChange, Status};
use tidalite_vfs::{SimVfs, Vfs};
use uuid::Uuid;

fn disk(seed: u64) -> (SimVfs, Arc<dyn Vfs>) {
    let sim = SimVfs::new(seed);
    make_log_dir(&sim);
    let vfs: Arc<dyn Vfs> = Arc::new(sim.clone());
    (sim, vfs)
}

fn content(vfs: &dyn Vfs, path: &Path) -> Vec<u8> {
    let file = vfs.open(path).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

fn put(vfs: &dyn Vfs, path: &Path, bytes: &[u8]) {
    vfs.remove(path).unwrap();
    vfs.create(path).unwrap().write_all(bytes).unwrap();
}

/// A log by a script, and what was accepted; closed or, with its writer killed, not.
fn script(seed: u64, steps: usize, options: LogOptions, close: bool) -> (SimVfs, WriterDir, Witness) {
    let (sim, vfs) = disk(seed);
    let mut witness = Witness::new(&vfs, options).unwrap();
    let mut random = LogTestRandom(seed);
    (0..steps).for_each(|_| witness.step(&mut random).unwrap());
    let dir = only_writer(&sim);
    if close {
        witness.log.close().unwrap();
        return (sim, dir, witness);
    }
    (sim.kill(), dir, witness)
}

#[test]
fn every_kind_of_frame_comes_back_bit_for_bit() {
    let (sim, vfs) = disk(1);
    let log = Log::create(vfs, Path::new(LOG), 0, small()).unwrap();
    let odd = [
        f64::from_bits(0x7FF8_0000_DEAD_BEEF),
        f64::from_bits(0xFFF0_0000_0000_0001),
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MIN_POSITIVE / 2.0,
    ];
    let keys: Vec<_> = (0..odd.len()).map(|i| key("r/ü\0", &format!("m{i}"))).collect();
    let ids: Vec<_> = keys.iter().map(|k| log.series(k).unwrap()).collect();
    let layout = log.layout(&ids).unwrap();
    let mut seqs = vec![log.append_row(layout, i64::MIN, i64::MAX, &odd).unwrap()];
    let steps = [5, i64::MAX, -1];
    seqs.push(log.append_points(&ids[..3], &steps, &[1, 2, 3], &odd[..3]).unwrap());
    let change = RunChange::Start {
        time_us: 9,
        params: Params::from([("lr".into(), 0.1.into())]),
        tags: BTreeSet::from(["t".into()]),
        labels: Labels::parse("host=a").unwrap(),
        parent: None,
    };
    seqs.push(log.append_change("other", &change).unwrap());
    let end = RunChange::End { time_us: 10, status: Status::Failed };
    seqs.push(log.append_change("other", &end).unwrap());
    seqs.push(log.append_part(Uuid::from_u128(77), b"meta").unwrap());
    let bits = |i: usize| odd[i].to_bits();
    let expected = vec![
        LoggedUnit::Row(i64::MIN, i64::MAX, keys.iter().cloned().zip((0..odd.len()).map(bits)).collect()),
        LoggedUnit::Points((0..3).map(|i| (keys[i].clone(), steps[i], i as i64 + 1, bits(i))).collect()),
        LoggedUnit::Change("other".into(), change),
        LoggedUnit::Change("other".into(), end),
        LoggedUnit::Part(Uuid::from_u128(77), b"meta".to_vec()),
    ];
    let expected: Vec<_> = seqs.into_iter().zip(expected).collect();
    let dir = only_writer(&sim);
    let (live, replayed) = read(&sim, &dir, 0, true);
    assert_eq!((&live.units, replayed.next_ordinal), (&expected, expected.last().unwrap().0.ordinal() + 1));
    log.close().unwrap();
    let (closed, replayed) = read(&sim, &dir, 0, false);
    assert_eq!(closed.units, expected);
    assert_eq!(replayed.findings, []);
    assert_eq!(Some(replayed.next_ordinal), segments(&sim, &dir).unwrap()[0].end_ordinal);
}

#[test]
fn a_script_over_many_segments_comes_back_whole_from_any_ordinal() {
    for seed in 0..8 {
        let (sim, dir, witness) = script(seed, 400, small(), seed % 2 == 0);
        assert!(segments(&sim, &dir).unwrap().len() > 5);
        let (seen, replayed) = read(&sim, &dir, 0, false);
        assert_eq!(seen.units, witness.accepted);
        assert_eq!(replayed.findings, []);
        for from in (0..replayed.next_ordinal + 3).step_by(13) {
            let (part, r) = read(&sim, &dir, from, false);
            let expected: Vec<_> =
                witness.accepted.iter().filter(|u| u.0.ordinal() >= from).cloned().collect();
            assert_eq!(part.units, expected, "from {from}");
            assert_eq!((r.next_ordinal, r.findings.len()), (replayed.next_ordinal.max(from), 0));
        }
    }
}

#[test]
fn a_live_tail_sees_each_unit_at_once_across_seals_and_deletions() {
    for seed in 0..8 {
        let (sim, vfs) = disk(seed);
        let mut witness = Witness::new(&vfs, small()).unwrap();
        let mut random = LogTestRandom(seed);
        let dir = only_writer(&sim);
        let mut reader = TailReader::new(dir.clone(), 0);
        let mut seen = RecordingSink::default();
        for i in 0..400 {
            witness.step(&mut random).unwrap();
            let replayed = reader.poll(&sim, true, &mut seen).unwrap();
            assert_eq!(replayed.findings, []);
            assert_eq!(seen.units, witness.accepted);
            if i % 20 == 0 {
                // What a flush deletes: segments that end below what was read, but not the newest.
                let all = segments(&sim, &dir).unwrap();
                let passed = |s: &SegmentInfo| s.end_ordinal.is_some_and(|e| e < replayed.next_ordinal);
                let last = all.last().map(|s| s.number);
                for s in all.iter().filter(|s| passed(s) && Some(s.number) != last) {
                    sim.remove(&s.path).unwrap();
                }
            }
        }
        witness.log.close().unwrap();
        let replayed = reader.poll(&sim, false, &mut seen).unwrap();
        assert_eq!((seen.units == witness.accepted, replayed.findings.len()), (true, 0));
        let mut fresh = RecordingSink::default();
        reader.declarations(&mut fresh).unwrap();
        assert_eq!((fresh.keys, fresh.layouts), (seen.keys, seen.layouts));
    }
}

#[test]
fn a_reader_whose_next_segment_was_deleted_is_told_to_start_again() {
    let (sim, vfs) = disk(3);
    let mut witness = Witness::new(&vfs, small()).unwrap();
    let dir = only_writer(&sim);
    let mut random = LogTestRandom(3);
    witness.step(&mut random).unwrap();
    let mut reader = TailReader::new(dir.clone(), 0);
    reader.poll(&sim, true, &mut RecordingSink::default()).unwrap();
    (0..400).for_each(|_| witness.step(&mut random).unwrap());
    let all = segments(&sim, &dir).unwrap();
    let flushed = all[3].base_ordinal;
    all[..3].iter().for_each(|s| sim.remove(&s.path).unwrap());
    let e = reader.poll(&sim, true, &mut RecordingSink::default()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
    let (seen, replayed) = read(&sim, &dir, flushed, true);
    assert_eq!(replayed.findings, []);
    let expected: Vec<_> = witness.accepted.iter().filter(|u| u.0.ordinal() >= flushed).cloned().collect();
    assert_eq!(seen.units, expected);
}

#[test]
fn a_unit_that_the_sink_refuses_comes_again() {
    struct Limited(RecordingSink, usize);
    impl crate::LogSink for Limited {
        fn series(
            &mut self,
            id: crate::SeriesId,
            key: &tidalite_model::SeriesKey,
        ) -> tidalite_model::Result<()> {
            self.0.series(id, key)
        }
        fn layout(&mut self, id: crate::LayoutId, series: &[crate::SeriesId]) -> tidalite_model::Result<()> {
            self.0.layout(id, series)
        }
        fn row(&mut self, row: crate::Row<'_>) -> tidalite_model::Result<()> {
            if self.0.units.len() == self.1 {
                return Err(tidalite_model::Error::invalid("take row", "enough for now", ""));
            }
            self.0.row(row)
        }
        fn points(&mut self, p: crate::BatchRef<'_>) -> tidalite_model::Result<()> {
            self.0.points(p)
        }
        fn change(
            &mut self,
            seq: tidalite_model::Seq,
            run: &str,
            c: RunChange,
        ) -> tidalite_model::Result<()> {
            self.0.change(seq, run, c)
        }
        fn part(&mut self, seq: tidalite_model::Seq, part: Uuid, meta: &[u8]) -> tidalite_model::Result<()> {
            self.0.part(seq, part, meta)
        }
    }
    let (sim, dir, witness) = script(5, 300, small(), true);
    let mut sink = Limited(RecordingSink::default(), 0);
    let mut reader = TailReader::new(dir, 0);
    while reader.poll(&sim, false, &mut sink).is_err() {
        sink.1 += 7;
    }
    assert_eq!(sink.0.units, witness.accepted);
}

/// Checks what is left of a closed log after bytes of one segment were changed. Gives how many units are lost.
fn check_damaged(
    sim: &SimVfs,
    dir: &WriterDir,
    witness: &Witness,
    at: &str,
) -> (usize, Vec<super::LogFinding>) {
    let (seen, replayed) = read(sim, dir, 0, false);
    let mut left = witness.accepted.iter();
    for unit in &seen.units {
        assert!(left.any(|u| u == unit), "{at}: a unit that was never accepted, or out of order");
    }
    let lost = witness.accepted.len() - seen.units.len();
    assert!(lost == 0 || !replayed.findings.is_empty(), "{at}: {lost} units are lost without a word");
    (lost, replayed.findings)
}

#[test]
fn any_flipped_bit_of_a_closed_log_is_harmless_or_damage_of_its_frame_alone() {
    let one = LogOptions { segment_bytes_min: 64 << 10, segment_bytes_max: 64 << 10, ..small() };
    let (sim, dir, witness) = script(12, 30, one, true);
    let path = dir.segment_path(1);
    let good = content(&sim, &path);
    let numbers: Vec<u32> = segments(&sim, &dir).unwrap().iter().map(|s| s.number).collect();
    assert!(witness.accepted.len() > 15 && numbers == [1], "small, and one segment: {numbers:?}");
    let mut damaged = 0;
    for bit in 0..good.len() * 8 {
        let byte = bit / 8;
        let mut bad = good.clone();
        bad[byte] ^= 1 << (bit % 8);
        put(&sim, &path, &bad);
        let (lost, findings) = check_damaged(&sim, &dir, &witness, &format!("bit {bit}"));
        assert!(lost <= 1, "bit {bit}: {lost} units are lost");
        let hit = |kind: LogFindingKind| {
            findings
                .iter()
                .find(|f| f.kind == kind && (f.offset..f.offset + f.bytes).contains(&(byte as u64)))
        };
        if byte < HEADER_BYTES {
            assert_eq!(lost, 0);
            assert_eq!(hit(LogFindingKind::BadHeader).is_some(), byte < 52, "byte {byte}: {findings:?}");
        } else if let Some(tail) = hit(LogFindingKind::TornTail) {
            // Behind the last unit stand copies, a mark and SEAL, of which no mark says that they were durable.
            assert!(lost == 0 && good.len() as u64 - tail.offset < 300, "byte {byte}: {findings:?}");
        } else {
            let finding = hit(LogFindingKind::Damage).unwrap_or_else(|| panic!("byte {byte}: {findings:?}"));
            assert_eq!((findings.len(), finding.frames), (1, Some(1)));
            assert!(finding.rows.is_none_or(|r| r == 1));
            damaged += lost;
        }
    }
    assert!(damaged > 1000);
}

#[test]
fn damage_to_a_row_names_its_series_and_step() {
    let (sim, vfs) = disk(12);
    let log = Log::create(vfs, Path::new(LOG), 0, small()).unwrap();
    let keys = [key("r", "a"), key("r", "b")];
    let layout = log.layout(&keys.clone().map(|k| log.series(&k).unwrap())).unwrap();
    let offsets: Vec<u64> = (0..5)
        .map(|i| {
            log.append_row(layout, i, 0, &[1.0, 2.0]).unwrap();
            read(&sim, &only_writer(&sim), 0, true).1.resume.offset
        })
        .collect();
    log.close().unwrap();
    let dir = only_writer(&sim);
    let mut bad = content(&sim, &dir.segment_path(1));
    bad[usize::try_from(offsets[2]).unwrap() - 1] ^= 1;
    put(&sim, &dir.segment_path(1), &bad);
    let (seen, replayed) = read(&sim, &dir, 0, false);
    assert_eq!(seen.units.len(), 4);
    let [f] = &replayed.findings[..] else { panic!("{:?}", replayed.findings) };
    assert_eq!((f.kind, f.offset, f.offset + f.bytes), (LogFindingKind::Damage, offsets[1], offsets[2]));
    assert_eq!((f.run.as_deref(), f.steps, f.rows, f.frames), (Some("r"), Some((2, 2)), Some(1), Some(1)));
    assert_eq!(f.series, keys);
    assert!(f.message.contains("00000001.seg at byte"), "{}", f.message);
}

#[test]
fn zeroed_swapped_and_foreign_blocks_never_pass() {
    for seed in 20..24 {
        let (sim, dir, witness) = script(seed, 200, small(), true);
        let (other, other_dir, _) = script(seed + 100, 200, small(), true);
        let all = segments(&sim, &dir).unwrap();
        let last = all.last().unwrap().number;
        for s in &all {
            let good = content(&sim, &s.path);
            let foreign = content(&other, &other_dir.segment_path(s.number.min(3)));
            let blocks = good.len() / 512;
            for block in 0..blocks {
                let range = block * 512..(block + 1) * 512;
                let from = (block + 1) % blocks * 512;
                let mut sources = vec![vec![0; 512], good[from..from + 512].to_vec()];
                sources.extend(foreign.get(range.clone()).map(<[u8]>::to_vec));
                for source in sources {
                    let mut bad = good.clone();
                    bad[range.clone()].copy_from_slice(&source);
                    put(&sim, &s.path, &bad);
                    let at = format!("seed {seed}, segment {}, block {block}", s.number);
                    let (lost, findings) = check_damaged(&sim, &dir, &witness, &at);
                    // At most what touches the block; frames here are larger than 24 bytes.
                    assert!(
                        lost <= 22 || (s.number == last && block + 2 > blocks),
                        "{at}: {lost} {findings:?}"
                    );
                }
            }
            put(&sim, &s.path, &good);
        }
    }
}

#[test]
fn a_file_that_is_cut_anywhere_or_has_junk_behind_it_yields_the_rest() {
    let (sim, dir, witness) = script(31, 60, small(), true);
    let all = segments(&sim, &dir).unwrap();
    for s in &all {
        let good = content(&sim, &s.path);
        for len in (0..good.len()).step_by(3) {
            put(&sim, &s.path, &good[..len]);
            let (_, findings) = check_damaged(&sim, &dir, &witness, &format!("{} cut to {len}", s.number));
            let (seen, _) = read(&sim, &dir, 0, false);
            if s.number < all.len() as u32 {
                let kept = witness
                    .accepted
                    .iter()
                    .filter(|u| !(s.base_ordinal..s.end_ordinal.unwrap()).contains(&u.0.ordinal()));
                assert!(kept.clone().all(|u| seen.units.contains(u)), "others are whole: {findings:?}");
            }
        }
        let mut random = LogTestRandom(1);
        for junk in [1, 7, 8, 64, 5000] {
            let mut long = good.clone();
            long.extend((0..junk).map(|_| (random.next() & 0xFF) as u8));
            put(&sim, &s.path, &long);
            assert_eq!(check_damaged(&sim, &dir, &witness, "junk").0, 0);
        }
        put(&sim, &s.path, &good);
    }
}

#[test]
fn a_missing_segment_is_named_and_the_others_are_read() {
    let (sim, dir, witness) = script(41, 300, small(), true);
    let all = segments(&sim, &dir).unwrap();
    for s in &all {
        let good = content(&sim, &s.path);
        sim.remove(&s.path).unwrap();
        let (seen, replayed) = read(&sim, &dir, 0, false);
        let is_there = |o: u64| !(s.base_ordinal..s.end_ordinal.unwrap()).contains(&o);
        let expected: Vec<_> = witness.accepted.iter().filter(|u| is_there(u.0.ordinal())).cloned().collect();
        assert_eq!(seen.units, expected);
        let is_last = s.number == all.last().unwrap().number;
        let missing: Vec<_> =
            replayed.findings.iter().filter(|f| f.kind == LogFindingKind::MissingSegment).collect();
        assert_eq!(missing.len(), usize::from(!is_last), "{:?}", replayed.findings);
        if let [f] = missing[..] {
            assert_eq!(f.frames, Some(s.end_ordinal.unwrap() - s.base_ordinal));
        }
        sim.create(&s.path).unwrap().write_all(&good).unwrap();
    }
    // From where the manifest says that all before is flushed, nothing is missing.
    sim.remove(&all[0].path).unwrap();
    assert_eq!(read(&sim, &dir, all[1].base_ordinal, false).1.findings, []);
}

#[test]
fn a_torn_tail_is_dropped_and_reported_and_later_segments_with_it() {
    // Never synced, so no mark speaks for anything.
    let (sim, vfs) = disk(51);
    let log = Log::create(vfs, Path::new(LOG), 0, small()).unwrap();
    let layout = log.layout(&[log.series(&key("r", "m")).unwrap()]).unwrap();
    for i in 0..300 {
        log.append_row(layout, i, 0, &[0.0]).unwrap();
    }
    let dead = sim.kill();
    let dir = only_writer(&dead);
    let all = segments(&dead, &dir).unwrap();
    assert!(all.len() > 2);
    let mut bad = content(&dead, &all[1].path);
    bad[2000] ^= 0x10;
    put(&dead, &all[1].path, &bad);
    let (seen, replayed) = read(&dead, &dir, 0, false);
    let kinds: Vec<LogFindingKind> = replayed.findings.iter().map(|f| f.kind).collect();
    assert_eq!((kinds[0], kinds.len()), (LogFindingKind::TornTail, all.len() - 1));
    assert!(kinds[1..].iter().all(|k| *k == LogFindingKind::OrphanTail));
    assert!(replayed.next_ordinal > all[1].base_ordinal && replayed.next_ordinal < all[2].base_ordinal);
    let steps: Vec<i64> =
        seen.units.iter().map(|u| if let LoggedUnit::Row(step, ..) = u.1 { step } else { -1 }).collect();
    assert_eq!(steps, (0..steps.len() as i64).collect::<Vec<_>>(), "a prefix");
    // Of a living writer the same bytes were published, so it is damage of one frame.
    let (seen, replayed) = read(&dead, &dir, 0, true);
    assert_eq!((seen.units.len(), replayed.findings.len()), (299, 1));
    assert_eq!(replayed.findings[0].kind, LogFindingKind::Damage);
}

#[test]
fn a_living_writer_is_read_up_to_its_committed_length_only() {
    let (sim, vfs) = disk(61);
    let log = Log::create(vfs, Path::new(LOG), 0, small()).unwrap();
    let layout = log.layout(&[log.series(&key("r", "m")).unwrap()]).unwrap();
    log.append_row(layout, 0, 0, &[0.0]).unwrap();
    let dir = only_writer(&sim);
    let before = read(&sim, &dir, 0, true).1.resume.offset;
    log.append_row(layout, 1, 0, &[0.0]).unwrap();
    let dead = sim.kill();
    let path = dir.segment_path(1);
    let mut bytes = content(&dead, &path);
    bytes[COMMITTED_AT..COMMITTED_AT + 8].copy_from_slice(&before.to_le_bytes());
    put(&dead, &path, &bytes);
    assert_eq!(read(&dead, &dir, 0, true).0.units.len(), 1);
    assert_eq!(read(&dead, &dir, 0, false).0.units.len(), 2, "of a dead one every whole frame counts");
}

#[test]
fn an_empty_spare_of_a_dead_writer_is_passed_over() {
    let (sim, dir, witness) = script(71, 40, small(), false);
    let next = segments(&sim, &dir).unwrap().last().unwrap().number + 1;
    drop(sim.create_segment(&dir.segment_path(next), 8192).unwrap());
    for alive in [true, false] {
        let (seen, replayed) = read(&sim, &dir, 0, alive);
        assert_eq!((seen.units == witness.accepted, replayed.findings.len()), (true, 0));
    }
    let infos = segments(&sim, &dir).unwrap();
    let spare = infos.last().unwrap();
    assert_eq!((spare.sealed, spare.end_ordinal), (false, Some(spare.base_ordinal)));
    infos[..infos.len() - 1].iter().for_each(|s| sim.remove(&s.path).unwrap());
    let mut seen = RecordingSink::default();
    let replayed = replay(&sim, &dir, 1000, false, &mut seen).unwrap();
    assert_eq!((seen.units.len(), replayed.findings.len(), replayed.next_ordinal), (0, 0, 1000));
}

#[test]
fn no_length_or_ordinal_in_a_file_can_overflow_or_hang() {
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
fn random_bytes_behind_a_header_are_read_without_harm() {
    let (sim, dir, _) = script(91, 10, small(), true);
    let path = dir.segment_path(1);
    let start = SegmentHeader { id: dir.segment_id(1), base_position: 0, base_ordinal: 0 }.start_of_segment();
    let mut random = LogTestRandom(91);
    for round in 0..2000 {
        let mut bytes = if round % 3 == 0 { Vec::new() } else { start.clone() };
        let len = random.below(400);
        // Small numbers make plausible heads more often.
        bytes.extend((0..len).map(|_| if random.below(2) == 0 { 0 } else { (random.below(12)) as u8 }));
        put(&sim, &path, &bytes);
        for alive in [true, false] {
            assert!(read(&sim, &dir, 0, alive).0.units.is_empty());
        }
    }
}

#[test]
fn whole_frames_with_contents_of_any_kind_are_refused_or_read_without_harm() {
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
            ];
            let tag = tags[usize::try_from(random.below(8)).unwrap()];
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
        assert_eq!(replayed.bytes, bytes.len() as u64 - FIRST_FRAME_AT as u64, "each frame was whole");
    }
}
