//! Damage is told apart from a torn tail, is reported, and costs only its frame.

use super::{content, disk, put, script};
use crate::format::HEADER_BYTES;
use crate::testing::{LOG, LogTestRandom, LoggedUnit, Witness, key, only_writer, read, small};
use crate::{Log, LogFinding, LogFindingKind, LogOptions, WriterDir, segments};
use std::path::Path;
use tidalite_vfs::{SimVfs, Vfs};

/// Checks a closed log after bytes of one segment were changed. Returns how many units are lost.
fn check_damaged(sim: &SimVfs, dir: &WriterDir, witness: &Witness, at: &str) -> (usize, Vec<LogFinding>) {
    let (seen, replayed) = read(sim, dir, 0, false);
    let mut left = witness.accepted.iter();
    for unit in &seen.units {
        assert!(left.any(|u| u == unit), "{at}: a unit that was never accepted, or out of order");
    }
    let lost = witness.accepted.len() - seen.units.len();
    assert!(lost == 0 || !replayed.findings.is_empty(), "{at}: {lost} units are lost and not reported");
    for (seq, unit) in witness.accepted.iter().filter(|unit| !seen.units.contains(unit)) {
        let covers = |f: &&LogFinding| {
            let lost = f
                .lost
                .as_ref()
                .filter(|lost| lost.first <= seq.ordinal() && lost.end.is_none_or(|end| seq.ordinal() < end));
            lost.is_some_and(|lost| match run_of(unit) {
                Some(run) => lost.runs.as_ref().is_none_or(|runs| runs.iter().any(|r| **r == *run)),
                None => lost.part,
            })
        };
        let torn = |f: &LogFinding| matches!(f.kind, LogFindingKind::TornTail | LogFindingKind::OrphanTail);
        assert!(
            replayed.findings.iter().any(torn) || replayed.findings.iter().any(|f| covers(&f)),
            "{at}: no finding says that unit {seq:?} may be lost: {unit:?} {:?}",
            replayed.findings
        );
    }
    (lost, replayed.findings)
}

/// The run of a unit; `None` for a staged part.
fn run_of(unit: &LoggedUnit) -> Option<&str> {
    match unit {
        LoggedUnit::Row(_, _, values) => Some(&values[0].0.run),
        LoggedUnit::Points(points) => Some(&points[0].0.run),
        LoggedUnit::Change(run, _) => Some(run),
        LoggedUnit::Part(..) => None,
    }
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
            // After the last unit come copies, a mark and SEAL. No mark says that these were durable.
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
                    // At most the frames that touch the block are lost. Frames here are larger than 24 bytes.
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
fn a_file_that_is_cut_or_followed_by_junk_yields_the_rest() {
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
                assert!(
                    kept.clone().all(|u| seen.units.contains(u)),
                    "the other frames are intact: {findings:?}"
                );
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
    // Nothing is missing from the ordinal on below which the manifest says that all is flushed.
    sim.remove(&all[0].path).unwrap();
    assert_eq!(read(&sim, &dir, all[1].base_ordinal, false).1.findings, []);
}

#[test]
fn a_torn_tail_is_dropped_and_reported_and_later_segments_with_it() {
    // The log was never synced, so there is no mark.
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
    // A living writer published these bytes, so here they are damage of one frame.
    let (seen, replayed) = read(&dead, &dir, 0, true);
    assert_eq!((seen.units.len(), replayed.findings.len()), (299, 1));
    assert_eq!(replayed.findings[0].kind, LogFindingKind::Damage);
}
