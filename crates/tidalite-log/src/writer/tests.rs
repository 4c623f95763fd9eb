//! The writer's guarantees, on a simulated disk that crashes and fails, and on the real one with threads.

use super::{Durability, Log, LogOptions};
use crate::testing::{
    LOG, LogTestRandom, RecordingSink, Witness, key, make_log_dir, only_writer, read, small,
};
use crate::{LogFindingKind, SeriesId, TailReader, is_alive, replay, segments, writers};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidalite_model::{ErrorKind, RunChange, SeriesKey};
use tidalite_vfs::{FailKind, RealVfs, SimFailure, SimVfs, Survive, Tear, Vfs};
use uuid::Uuid;

fn disk(seed: u64) -> (SimVfs, Arc<dyn Vfs>) {
    let sim = SimVfs::new(seed);
    make_log_dir(&sim);
    let vfs: Arc<dyn Vfs> = Arc::new(sim.clone());
    (sim, vfs)
}

fn options(durability: Durability) -> LogOptions {
    LogOptions { durability, ..small() }
}

/// Runs a script on a disk with the given failure. Returns the disk and what the log reported.
fn run(
    seed: u64,
    durability: Durability,
    failure: Option<SimFailure>,
    prepare: fn(&SimVfs),
) -> (SimVfs, Option<Witness>) {
    let (sim, vfs) = disk(seed);
    prepare(&sim);
    if let Some(f) = failure {
        sim.set_failure(f);
    }
    let Ok(mut witness) = Witness::new(&vfs, options(durability)) else { return (sim, None) };
    let mut random = LogTestRandom(seed);
    for _ in 0..60 {
        let done = witness.step(&mut random);
        if matches!(durability, Durability::Row) && done.is_ok() {
            witness.durable = witness.accepted.len();
        }
        if sim.crashed() {
            break;
        }
    }
    (sim, Some(witness))
}

const TEARS: [Tear; 4] = [
    Tear { bytes: 4096, zeros: false },
    Tear { bytes: 512, zeros: true },
    Tear { bytes: 8, zeros: false },
    Tear { bytes: 1, zeros: true },
];

/// Checks everything that must hold on the disk after a power cut.
fn check_cut(disk: &SimVfs, witness: Option<&Witness>) -> Result<(), String> {
    let all = writers(disk, Path::new(LOG)).map_err(|e| e.to_string())?;
    let Some(witness) = witness else { return Ok(()) };
    let Some(dir) = all.first() else {
        return if witness.durable == 0 { Ok(()) } else { Err("the writer's folder is gone".to_string()) };
    };
    if is_alive(disk, dir).map_err(|e| e.to_string())? {
        return Err("a dead writer counts as alive".to_string());
    }
    let (seen, replayed) = read(disk, dir, 0, false);
    witness.check(&seen, false)?;
    let damage = |k: LogFindingKind| !matches!(k, LogFindingKind::TornTail | LogFindingKind::OrphanTail);
    if let Some(f) = replayed.findings.iter().find(|f| damage(f.kind)) {
        return Err(format!("a crash was taken for damage: {}", f.message));
    }
    let (again, second) = read(disk, dir, 0, false);
    if again.units != seen.units || second.findings != replayed.findings {
        return Err("the second recovery differs from the first".to_string());
    }
    Ok(())
}

fn cuts(seed: u64, durability: Durability, every: usize, prepare: fn(&SimVfs)) -> (u64, Vec<String>) {
    let (sim, whole) = run(seed, durability, None, prepare);
    let steps = sim.change_steps();
    drop(whole);
    let (mut states, mut faults) = (0, Vec::new());
    for &at_step in steps.iter().skip(usize::try_from(seed).unwrap() % every).step_by(every) {
        let failure = SimFailure { at_step, kind: FailKind::Crash, persist: true };
        let (sim, witness) = run(seed, durability, Some(failure), prepare);
        let survivals = [Survive::None, Survive::All, Survive::One(at_step), Survive::Random(at_step)];
        for (survive, tear) in survivals.into_iter().flat_map(|s| TEARS.map(|t| (s, t))) {
            states += 1;
            let left = sim.crash_torn(survive, tear);
            if let Err(e) = check_cut(&left, witness.as_ref()) {
                faults.push(format!("seed {seed}, step {at_step}, {survive:?}, {tear:?}: {e}"));
            }
        }
        // If only the process dies, everything accepted is still there.
        let left = sim.kill();
        if let Some(witness) = &witness
            && let Some(dir) = writers(&left, Path::new(LOG)).unwrap().first()
        {
            let (seen, replayed) = read(&left, dir, 0, false);
            if let Err(e) = witness.check(&seen, true) {
                faults.push(format!("seed {seed}, step {at_step}, killed: {e}"));
            }
            if replayed.findings.iter().any(|f| f.bytes > 0 && f.kind != LogFindingKind::TornTail) {
                faults.push(format!("seed {seed}, step {at_step}, killed: {:?}", replayed.findings));
            }
        }
    }
    (states, faults)
}

#[test]
fn after_any_power_cut_recovered_is_between_durable_and_accepted() {
    let mut states = 0;
    for seed in 0..16 {
        for durability in [Durability::Process, Durability::Row] {
            let (n, faults) = cuts(seed, durability, 3, |_| {});
            assert!(faults.is_empty(), "{} faults, the first: {}", faults.len(), faults[0]);
            states += n;
        }
    }
    assert!(states > 10_000, "only {states} states were tried");
}

#[test]
fn a_disk_that_ignores_syncs_is_detected() {
    let faults = |prepare| (0..8).flat_map(|seed| cuts(seed, Durability::Process, 5, prepare).1).count();
    assert!(faults(|sim| sim.ignore_sync(true)) > 0, "files");
    assert!(faults(|sim| sim.ignore_sync_dir(true)) > 0, "folders");
}

#[test]
fn a_call_that_fails_once_or_permanently_loses_nothing_accepted() {
    for seed in 0..6 {
        let (sim, _whole) = run(seed, Durability::Process, None, |_| {});
        let steps = sim.steps();
        for at_step in (seed..steps).step_by(3) {
            for kind in [FailKind::Eio, FailKind::Enospc] {
                for persist in [false, true] {
                    let failure = SimFailure { at_step, kind, persist };
                    let (sim, witness) = run(seed, Durability::Process, Some(failure), |_| {});
                    sim.clear_failure();
                    let what = format!("seed {seed}, {failure:?}");
                    let Some(witness) = witness else { continue };
                    let dir = only_writer(&sim);
                    let (seen, replayed) = read(&sim, &dir, 0, true);
                    assert_eq!(seen.units, witness.accepted, "{what}: alive");
                    assert_eq!(replayed.findings, [], "{what}");
                    let (seen, _) = read(&sim.kill(), &dir, 0, false);
                    witness.check(&seen, true).unwrap_or_else(|e| panic!("{what}: killed: {e}"));
                    for survive in [Survive::None, Survive::Random(at_step)] {
                        check_cut(&sim.crash(survive), Some(&witness))
                            .unwrap_or_else(|e| panic!("{what}: {e}"));
                    }
                }
            }
        }
    }
}

#[test]
fn after_a_failed_sync_the_writer_refuses_and_what_it_accepted_is_readable() {
    let (sim, vfs) = disk(1);
    let log = Log::create(vfs, Path::new(LOG), 0, small()).unwrap();
    let layout = log.layout(&[log.series(&key("r", "m")).unwrap()]).unwrap();
    let first = log.append_row(layout, 1, 1, &[1.0]).unwrap();
    log.sync().unwrap();
    log.append_row(layout, 2, 2, &[2.0]).unwrap();
    // The first step looks up the writer's folder.
    sim.set_failure(SimFailure { at_step: sim.steps() + 1, kind: FailKind::Eio, persist: false });
    assert_eq!(log.sync().unwrap_err().kind(), ErrorKind::Io);
    for e in [
        log.sync().unwrap_err(),
        log.append_row(layout, 3, 3, &[3.0]).unwrap_err(),
        log.append_part(Uuid::from_u128(1), b"").unwrap_err(),
        log.seal().unwrap_err(),
        log.wait_durable(log.watermark().accepted.unwrap(), None).unwrap_err(),
    ] {
        assert_eq!(e.kind(), ErrorKind::Poisoned);
        assert!(e.to_string().contains("simulated failure"), "the first cause is named: {e}");
    }
    assert_eq!(log.watermark().durable, Some(first));
    assert!(log.wait_durable(first, None).unwrap(), "what is durable stays durable");
    let dir = only_writer(&sim);
    assert_eq!(read(&sim, &dir, 0, true).0.units.len(), 2);
    assert!(log.close().is_err());
    assert!(!is_alive(&sim, &dir).unwrap());
    assert_eq!(read(&sim, &dir, 0, false).0.units.len(), 2);
}

#[test]
fn a_full_disk_refuses_what_needs_space_and_the_next_append_tries_again() {
    let (sim, vfs) = disk(2);
    let log = Log::create(vfs, Path::new(LOG), 0, small()).unwrap();
    let layout = log.layout(&[log.series(&key("r", "m")).unwrap()]).unwrap();
    sim.set_failure(SimFailure { at_step: 0, kind: FailKind::Enospc, persist: true });
    assert_eq!(log.append_row(layout, 0, 0, &[0.0]).unwrap_err().kind(), ErrorKind::Full);
    sim.clear_failure();
    log.append_row(layout, 0, 0, &[0.0]).unwrap();
    sim.set_failure(SimFailure { at_step: 0, kind: FailKind::Enospc, persist: true });
    let mut accepted = 1;
    let full = loop {
        match log.append_row(layout, accepted, 0, &[0.0]) {
            Ok(_) => accepted += 1,
            Err(e) => break e,
        }
    };
    assert_eq!(full.kind(), ErrorKind::Full);
    assert_eq!(log.append_row(layout, accepted, 0, &[0.0]).unwrap_err().kind(), ErrorKind::Full);
    log.sync().unwrap();
    sim.clear_failure();
    log.append_row(layout, accepted, 0, &[0.0]).unwrap();
    log.close().unwrap();
    let (seen, replayed) = read(&sim, &only_writer(&sim), 0, false);
    assert_eq!((seen.units.len() as i64, replayed.findings.len()), (accepted + 1, 0));
}

#[test]
fn segments_grow_are_cut_when_sealed_and_fit_a_large_frame() {
    let (sim, vfs) = disk(3);
    let log = Log::create(vfs, Path::new(LOG), 0, small()).unwrap();
    let s = log.series(&key("r", "m")).unwrap();
    let layout = log.layout(&[s]).unwrap();
    for i in 0..700 {
        log.append_row(layout, i, 0, &[0.0]).unwrap();
    }
    let n = 10_000;
    let columns: (Vec<i64>, Vec<f64>) = (0..n).map(|i| (i, i as f64)).unzip();
    log.append_points(&vec![s; n as usize], &columns.0, &columns.0, &columns.1, false).unwrap();
    log.append_row(layout, 0, 0, &[0.0]).unwrap();
    let dir = only_writer(&sim);
    let sizes: Vec<u64> = segments(&sim, &dir).unwrap().iter().map(|s| s.bytes).collect();
    assert_eq!(sizes[..3], [4096, 8192, 8192]);
    assert!(sizes.iter().any(|&b| b > 280_000 && b % 65_536 == 0), "{sizes:?}");
    log.close().unwrap();
    let after = segments(&sim, &dir).unwrap();
    assert!(after.iter().zip(&sizes).all(|(s, &b)| s.sealed && s.bytes <= b));
    assert!(after.windows(2).all(|w| w[0].end_ordinal == Some(w[1].base_ordinal)));
    assert_eq!(after[0].base_ordinal, 0);
    assert_eq!(read(&sim, &dir, 0, false).0.units.len(), 702);
}

#[test]
fn the_watermark_follows_syncs_and_can_be_waited_on() {
    let (_, vfs) = disk(4);
    let log = Log::create(vfs, Path::new(LOG), 7, small()).unwrap();
    assert_eq!((log.watermark().accepted, log.watermark().durable), (None, None));
    let seq = log.append_part(Uuid::from_u128(1), b"").unwrap();
    assert_eq!((seq.writer(), log.watermark().accepted), (7, Some(seq)));
    assert_eq!(log.watermark().durable, None);
    assert!(log.wait_durable(seq, Some(Duration::ZERO)).unwrap(), "without a thread it syncs itself");
    assert_eq!(log.watermark().durable, Some(seq));
    let other = tidalite_model::Seq::new(8, 0);
    assert_eq!(log.wait_durable(other, None).unwrap_err().kind(), ErrorKind::Invalid);
    let later = tidalite_model::Seq::new(7, seq.ordinal() + 1);
    assert_eq!(log.wait_durable(later, None).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn an_idle_log_is_not_synced_for_its_own_marks() {
    let (sim, vfs) = disk(5);
    let log = Log::create(vfs, Path::new(LOG), 0, small()).unwrap();
    log.append_part(Uuid::from_u128(1), b"").unwrap();
    log.sync().unwrap();
    let changes = sim.change_steps();
    (0..10).for_each(|_| log.sync().unwrap());
    assert_eq!(sim.change_steps(), changes);
}

#[test]
fn a_log_without_rows_leaves_no_folder_and_a_closed_log_refuses() {
    let (sim, vfs) = disk(6);
    drop(Log::create(vfs.clone(), Path::new(LOG), 0, small()).unwrap());
    assert!(writers(&sim, Path::new(LOG)).unwrap().is_empty());
    let log = Log::create(vfs, Path::new(LOG), 0, small()).unwrap();
    let layout = log.layout(&[log.series(&key("r", "m")).unwrap()]).unwrap();
    log.append_row(layout, 0, 0, &[0.0]).unwrap();
    let dir = only_writer(&sim);
    assert!(is_alive(&sim, &dir).unwrap());
    log.close().unwrap();
    log.close().unwrap();
    assert!(!is_alive(&sim, &dir).unwrap());
    let e = log.append_row(layout, 0, 0, &[0.0]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Poisoned);
    assert_eq!(
        log.append_change("r", &RunChange::Edit(Default::default())).unwrap_err().kind(),
        ErrorKind::Poisoned
    );
}

#[test]
fn wrong_input_changes_nothing() {
    let (_, vfs) = disk(7);
    let log = Log::create(vfs, Path::new(LOG), 0, small()).unwrap();
    let s = log.series(&key("r", "m")).unwrap();
    assert_eq!(log.series(&key("r", "m")).unwrap(), s);
    let layout = log.layout(&[s]).unwrap();
    assert_eq!(log.layout(&[s]).unwrap(), layout);
    let invalid = [
        log.series(&SeriesKey::new("", "m", Default::default())).unwrap_err(),
        log.series(&SeriesKey::new("r", "x".repeat(5000), Default::default())).unwrap_err(),
        log.layout(&[]).unwrap_err(),
        log.layout(&[SeriesId(9)]).unwrap_err(),
        log.append_row(layout, 0, 0, &[1.0, 2.0]).unwrap_err(),
        log.append_row(crate::LayoutId(5), 0, 0, &[1.0]).unwrap_err(),
        log.append_points(&[], &[], &[], &[], false).unwrap_err(),
        log.append_points(&[s], &[0, 1], &[0], &[0.0], false).unwrap_err(),
        log.append_points(&[SeriesId(9)], &[0], &[0], &[0.0], false).unwrap_err(),
        log.append_change("", &RunChange::Edit(Default::default())).unwrap_err(),
    ];
    for e in invalid {
        assert_eq!(e.kind(), ErrorKind::Invalid, "{e}");
    }
    assert_eq!(log.watermark().accepted, None);
}

/// A real disk, for tests with threads.
fn real() -> (tempfile::TempDir, Arc<dyn Vfs>) {
    let dir = tempfile::tempdir().unwrap();
    let vfs: Arc<dyn Vfs> = Arc::new(RealVfs::new());
    (dir, vfs)
}

#[test]
fn threads_append_at_once_and_a_live_reader_sees_each_row_once_whole_and_in_order() {
    threads_and_a_reader(Arc::new(RealVfs::new()));
}

#[test]
fn the_same_holds_for_segments_written_by_position() {
    threads_and_a_reader(Arc::new(RealVfs::positioned()));
}

fn threads_and_a_reader(vfs: Arc<dyn Vfs>) {
    let tmp = tempfile::tempdir().unwrap();
    let options =
        LogOptions { segment_bytes_min: 4096, segment_bytes_max: 64 << 10, ..LogOptions::default() };
    let log = Log::create(vfs.clone(), tmp.path(), 0, options).unwrap();
    let (threads, rows) = (4, 5000);
    let dir = writers(&*vfs, tmp.path()).unwrap().remove(0);
    let mut seen = RecordingSink::default();
    std::thread::scope(|s| {
        for t in 0..threads {
            let log = &log;
            s.spawn(move || {
                let keys = ["a", "b", "c"].map(|m| log.series(&key(&format!("run-{t}"), m)).unwrap());
                let layout = log.layout(&keys).unwrap();
                for i in 0..rows {
                    log.append_row(layout, i, t, &[i as f64; 3]).unwrap();
                    if i % 1000 == 999 {
                        log.sync().unwrap();
                    }
                }
            });
        }
        let mut reader = TailReader::new(dir.clone(), 0);
        while seen.units.len() < usize::try_from(threads * rows).unwrap() {
            let replayed = reader.poll(&*vfs, true, &mut seen).unwrap();
            assert_eq!(replayed.findings, []);
        }
    });
    let mut next = vec![0; usize::try_from(threads).unwrap()];
    for (_, unit) in &seen.units {
        let crate::testing::LoggedUnit::Row(step, t, values) = unit else { panic!("only rows") };
        let bits = (*step as f64).to_bits();
        assert!(values.iter().all(|v| v.1 == bits && *v.0.run == format!("run-{t}")));
        let expected = &mut next[usize::try_from(*t).unwrap()];
        assert_eq!(step, expected);
        *expected += 1;
    }
    assert!(seen.units.windows(2).all(|w| w[0].0 < w[1].0));
    log.close().unwrap();
    let mut closed = RecordingSink::default();
    let replayed = replay(&*vfs, &dir, 0, false, &mut closed).unwrap();
    assert_eq!((closed.units == seen.units, replayed.findings.len()), (true, 0));
}

#[test]
fn rows_synced_one_by_one_from_many_threads_are_all_durable() {
    let (tmp, vfs) = real();
    let options = LogOptions { durability: Durability::Row, ..LogOptions::default() };
    let log = Log::create(vfs, tmp.path(), 0, options).unwrap();
    std::thread::scope(|s| {
        for t in 0..4 {
            let log = &log;
            s.spawn(move || {
                let layout = log.layout(&[log.series(&key("r", &format!("m{t}"))).unwrap()]).unwrap();
                for i in 0..25 {
                    let seq = log.append_row(layout, i, 0, &[0.0]).unwrap();
                    assert!(log.watermark().durable >= Some(seq));
                }
            });
        }
    });
    let w = log.watermark();
    assert!(w.accepted.is_some() && w.accepted == w.durable);
}

#[test]
fn waiting_for_durable_and_closing_do_not_wait_for_the_interval() {
    let (tmp, vfs) = real();
    let hour = Duration::from_secs(3600);
    let options = LogOptions { sync_interval: hour, ..LogOptions::default() };
    let log = Log::create(vfs.clone(), tmp.path(), 0, options).unwrap();
    let layout = log.layout(&[log.series(&key("r", "m")).unwrap()]).unwrap();
    let seq = log.append_row(layout, 0, 0, &[0.0]).unwrap();
    assert!(log.wait_durable(seq, Some(hour)).unwrap());
    let seq = log.append_row(layout, 0, 0, &[0.0]).unwrap();
    assert!(log.wait_durable(seq, None).unwrap());
    // A spare is made once the first segment is half full.
    let dir = writers(&*vfs, tmp.path()).unwrap().remove(0);
    for i in 0..4000 {
        log.append_row(layout, i, 0, &[0.0]).unwrap();
    }
    while segments(&*vfs, &dir).unwrap().len() < 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(vfs.stat(&dir.segment_path(2)).unwrap().is_some());
    let (_, replayed) = read(&*vfs, &dir, 0, true);
    assert_eq!(replayed.findings, []);
    drop(log);
    assert!(vfs.stat(&dir.segment_path(2)).unwrap().is_none(), "closing removes an unused spare");
    let (seen, replayed) = read(&*vfs, &dir, 0, false);
    assert_eq!((seen.units.len(), replayed.findings.len()), (4002, 0));
}

#[test]
fn a_background_sync_makes_rows_durable_by_itself() {
    let (tmp, vfs) = real();
    let options =
        LogOptions { durability: Durability::Interval(Duration::from_millis(1)), ..LogOptions::default() };
    let log = Log::create(vfs, tmp.path(), 0, options).unwrap();
    let seq = log.append_part(Uuid::from_u128(1), b"").unwrap();
    while log.watermark().durable < Some(seq) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The error of a writer whose folder is gone: the same for each call.
fn check_gone(done: tidalite_model::Result<Option<tidalite_model::Seq>>) {
    let e = done.unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Poisoned, "{e}");
    assert!(e.to_string().contains("is gone"), "{e}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the folder is deleted behind the writer's back")]
fn a_writer_whose_folder_was_deleted_ends_at_the_next_sync_segment_or_interval() {
    for case in ["sync", "segment", "interval", "row"] {
        let (dir, vfs) = real();
        let log_dir = dir.path().join("log");
        vfs.create_dir(&log_dir).unwrap();
        let durability = match case {
            "interval" => Durability::Interval(Duration::from_millis(5)),
            "row" => Durability::Row,
            _ => Durability::Interval(Duration::from_secs(3600)),
        };
        let log_options = LogOptions { background: case == "interval", ..options(durability) };
        let log = Log::create(vfs, &log_dir, 0, log_options).unwrap();
        let id = log.series(&key("r", "loss")).unwrap();
        let layout = log.layout(&[id]).unwrap();
        let mut step = 0;
        let mut append = || {
            step += 1;
            log.append_row(layout, step, 0, &[1.0])
        };
        append().unwrap();
        std::fs::remove_dir_all(&log_dir).unwrap();
        // Another store's log, with a folder of its own.
        std::fs::create_dir(&log_dir).unwrap();
        match case {
            "sync" => check_gone(log.sync().map(|()| None)),
            "row" => check_gone(append().map(Some)),
            // Ends when the segment is full, or soon: a row takes microseconds.
            _ => while append().is_ok() {},
        }
        check_gone(append().map(Some));
        check_gone(log.sync().map(|()| None));
        check_gone(log.close().map(|()| None));
        assert!(std::fs::read_dir(&log_dir).unwrap().next().is_none(), "nothing is written into another log");
    }
}
