//! Everything comes back bit for bit, during and after writing.

use super::{content, disk, put, script};
use crate::format::COMMITTED_AT;
use crate::testing::{LOG, LogTestRandom, LoggedUnit, RecordingSink, Witness, key, only_writer, read, small};
use crate::{Log, SegmentInfo, TailReader, replay, segments};
use std::collections::BTreeSet;
use std::path::Path;
use tidalite_model::{ErrorKind, Labels, RunChange, RunEdit, RunStart};
use tidalite_vfs::Vfs;
use uuid::Uuid;

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
    seqs.push(log.append_points(&ids[..3], &steps, &[1, 2, 3], &odd[..3], false).unwrap());
    let change = RunChange::Start(RunStart {
        time_us: 9,
        labels: Labels::parse("host=a").unwrap(),
        edit: RunEdit { add_tags: BTreeSet::from(["t".into()]), ..RunEdit::param("lr", 0.1) },
        ..RunStart::default()
    });
    seqs.push(log.append_change("other", &change).unwrap());
    let end = RunChange::Withdraw { start: 10 };
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
fn a_live_tail_sees_each_unit_immediately_across_seals_and_deletions() {
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
                // Delete what a flush deletes: segments that end below what was read, except the newest.
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
fn a_unit_that_the_sink_refuses_is_delivered_again() {
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
            order: tidalite_model::WriteOrder,
            run: &str,
            c: RunChange,
        ) -> tidalite_model::Result<()> {
            self.0.change(order, run, c)
        }
        fn part(
            &mut self,
            order: tidalite_model::WriteOrder,
            part: Uuid,
            meta: &[u8],
        ) -> tidalite_model::Result<()> {
            self.0.part(order, part, meta)
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
    assert_eq!(read(&dead, &dir, 0, false).0.units.len(), 2, "every intact frame of a dead writer counts");
}

#[test]
fn an_empty_spare_of_a_dead_writer_is_skipped() {
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
