//! A failed call to the disk gives a typed error, loses nothing accepted, and leaves a store that opens (T5).
//!
//! Method: a short life of a store on a simulated disk, once for every call it makes, with that call failing: `EIO`, where a
//! failed sync drops the data, or `ENOSPC`; once or from then on. Everything accepted must be there after the processes
//! are killed, everything durable also after a power cut, and the store must be usable. A full disk is also tried for
//! real, on a file system of 8 MiB, where mounting is permitted.

use crate::{factor, note, threads};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tidalite::{ErrorKind, Options, Repeats};
use tidalite_testkit::{
    MachineFault, Op, Question, StoreMachine, check_state, everything, points, select, sound,
};
use tidalite_vfs::{FailKind, SimFailure, Survive};

fn options() -> Options {
    Options::new().background(false).threads(1).segment_bytes(4096, 4096).tile_rows(64).rollups(2, 4)
}

fn short_life() -> Vec<Op> {
    let row = |store, run, step: i64| Op::Row {
        store,
        run,
        metrics: (0, 4),
        labels: 0,
        step: Some(step),
        value: step.cast_unsigned(),
    };
    let mut ops = vec![Op::Start { store: 0, run: 0, about: 5 }];
    ops.extend((0..35).map(|s| row(0, 0, s)));
    ops.extend([
        Op::Sync { store: 0 },
        Op::Batch { store: 1, rows: 30, seed: 1 },
        row(1, 0, 3),
        Op::Flush { store: 0 },
    ]);
    ops.extend((35..40).map(|s| row(0, 1, s)));
    ops.extend([Op::Change { store: 0, run: 0, about: 4 }, Op::End { store: 0, run: 1, failed: true }]);
    ops.extend([Op::Flush { store: 1 }, row(1, 1, 4), Op::Compact { store: 0 }, Op::Reopen { store: 0 }]);
    // Row 3 was replaced, and the rewind hides others: both are moved to hidden parts.
    ops.extend([Op::Rewind { store: 1, run: 0, step: 20 }, Op::Compact { store: 1 }]);
    ops.extend((40..43).map(|s| row(0, 0, s)));
    ops.extend([Op::Sync { store: 0 }, Op::Flush { store: 0 }]);
    ops
}

/// One failure: what went wrong with it, and how many errors callers were given.
fn with_failure(failure: SimFailure) -> Result<usize, String> {
    let mut machine = StoreMachine::new(1, 2, options());
    machine.disk().set_failure(failure);
    let mut errors = 0;
    for op in short_life() {
        let Err(fault) = machine.apply(&op) else { continue };
        let e = match fault {
            MachineFault::Engine(e) => e,
            MachineFault::Wrong(what) => return Err(format!("{op:?}: {what}")),
        };
        errors += 1;
        let expected = match failure.kind {
            FailKind::Enospc => [ErrorKind::Full, ErrorKind::Full],
            _ => [ErrorKind::Io, ErrorKind::Poisoned],
        };
        if !expected.contains(&e.kind()) {
            return Err(format!("{op:?} gave an error of another kind: {e:?}"));
        }
        if e.to_string().len() < 20 || !e.to_string().contains(';') {
            return Err(format!("{op:?} gave an error without a remedy: {e:?}"));
        }
        if e.kind() == ErrorKind::Poisoned {
            // The message says to open the store again.
            for store in [0, 1] {
                let _ = machine.apply(&Op::Reopen { store });
            }
        }
    }
    machine.disk().clear_failure();
    let after_power_cut = machine.disk().crash(Survive::None);
    check_state(&after_power_cut, machine.oracle(), &options())
        .map_err(|e| format!("after a power cut: {e}"))?;
    machine.apply(&Op::Kill).map_err(|f| f.text())?;
    // Nothing unsynced is lost as long as the machine runs.
    let mut all_durable = machine.oracle().clone();
    all_durable.durable_all();
    check_state(&machine.disk().crash(Survive::All).kill(), machine.oracle(), &options())
        .map_err(|e| format!("all written: {e}"))?;
    living(&machine, &all_durable)?;
    Ok(errors)
}

/// Everything accepted is there, read through the page cache of the machine that goes on.
fn living(machine: &StoreMachine, oracle: &tidalite_testkit::Oracle) -> Result<(), String> {
    let disk = machine.disk().clone();
    let store = options()
        .vfs(std::sync::Arc::new(disk))
        .open(tidalite_testkit::STORE)
        .map_err(|e| format!("it does not open: {e}"))?;
    let snapshot = store.snapshot().map_err(|e| e.to_string())?;
    let found =
        points(&select(snapshot.select(), &Question::all(Repeats::All))).map_err(|e| e.to_string())?;
    let left = tidalite_testkit::survivors(oracle, &found, &snapshot.runs().map_err(|e| e.to_string())?)?;
    sound(&snapshot.recovery())?;
    drop(snapshot);
    store.flush().map_err(|e| format!("it does not flush: {e}"))?;
    store.compact().map_err(|e| format!("it does not compact: {e}"))?;
    everything(&store, &left, &|_| false).map_err(|e| format!("after a flush: {e}"))
}

fn each_call_fails(kind: FailKind, persist: bool) {
    let mut whole = StoreMachine::new(1, 2, options());
    whole.run(&short_life()).map_err(|(i, f)| (i, f.text())).unwrap();
    let steps = whole.disk().steps();
    let stride = if factor() > 1 { 1 } else { 2 };
    let jobs: Vec<u64> = (0..steps).step_by(stride).collect();
    let (next, errors) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let wrong = Mutex::new(Vec::new());
    let work = || {
        while let Some(&at_step) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            match with_failure(SimFailure { at_step, kind, persist }) {
                Ok(n) => drop(errors.fetch_add(n, Ordering::Relaxed)),
                Err(what) => wrong.lock().unwrap().push(format!("{kind:?} at call {at_step}: {what}")),
            }
            if wrong.lock().unwrap().len() > 8 {
                return;
            }
        }
    };
    std::thread::scope(|s| {
        (1..threads()).for_each(|_| drop(s.spawn(work)));
        work();
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let errors = errors.into_inner();
    let lasting = if persist { "from then on" } else { "once" };
    note(&format!(
        "failures: {kind:?} {lasting} at {} of {steps} calls, {errors} errors were given",
        jobs.len()
    ));
    assert!(errors > 0);
}

#[test]
fn a_call_that_fails_once_with_eio_loses_nothing_accepted() {
    each_call_fails(FailKind::Eio, false);
}

#[test]
fn a_disk_that_fails_from_any_call_on_loses_nothing_accepted() {
    each_call_fails(FailKind::Eio, true);
}

#[test]
fn a_disk_that_is_full_at_any_one_call_loses_nothing_accepted() {
    each_call_fails(FailKind::Enospc, false);
}

#[test]
fn a_disk_that_is_full_from_any_call_on_loses_nothing_accepted() {
    each_call_fails(FailKind::Enospc, true);
}

/// A file system that is mounted while this value lives.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    pub(crate) fn tmpfs(at: &Path, bytes: u64) -> Option<Mounted> {
        Mounted::new(&["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"], at)
    }

    /// Shows `folder` at `at`, where nothing can be written.
    pub(crate) fn read_only(folder: &Path, at: &Path) -> Option<Mounted> {
        let bound = Mounted::new(&["--bind", folder.to_str().unwrap()], at)?;
        mount(&["-o", "remount,ro,bind"], at).then_some(bound)
    }

    fn new(args: &[&str], at: &Path) -> Option<Mounted> {
        mount(args, at).then(|| Mounted(at.to_path_buf()))
    }
}

fn mount(args: &[&str], at: &Path) -> bool {
    Command::new("mount").args(args).arg(at).output().is_ok_and(|o| o.status.success())
}

impl Drop for Mounted {
    /// A process that another test forks holds what is open here for a while, so the file system
    /// is taken away when the last holder goes.
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_refuses_rows_keeps_what_it_accepted_and_takes_rows_again_once_there_is_space() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_mounted) = Mounted::tmpfs(dir.path(), 8 << 20) else {
        note("a real full disk was not tried: mounting a tmpfs is not permitted here");
        return;
    };
    let ballast = dir.path().join("ballast");
    std::fs::write(&ballast, vec![1; 3 << 20]).unwrap();
    let path = dir.path().join("store");
    for background in [false, true] {
        let store = Options::new()
            .background(background)
            .threads(1)
            .segment_bytes(64 << 10, 512 << 10)
            .open(&path)
            .unwrap();
        let run = store.run(format!("background {background}")).start().unwrap();
        let mut accepted = 0;
        let log_until_full = |accepted: &mut i64| {
            for _ in 0..10_000_000 {
                match run.log(*accepted, &[("a", *accepted as f64), ("b", 1.0)]) {
                    Ok(_) => *accepted += 1,
                    Err(e) => return e,
                }
            }
            panic!("8 MiB never get full");
        };
        let check = |accepted: i64| {
            let reader = Options::new().read_only(true).threads(1).open(&path).unwrap();
            let found = points(&reader.select().run(run.id()).metric("a")).unwrap();
            assert_eq!(found.len() as i64, accepted);
            assert!(found.iter().enumerate().all(|(i, (_, p))| p.step == i as i64 && p.value == i as f64));
            assert_eq!(points(&reader.select().run(run.id()).metric("b")).unwrap().len() as i64, accepted);
            sound(&reader.recovery().unwrap()).unwrap();
        };
        let e = log_until_full(&mut accepted);
        assert_eq!(e.kind(), ErrorKind::Full, "{e}");
        assert!(e.to_string().contains("free some space"), "{e}");
        assert!(accepted > 1000);
        check(accepted);
        if background {
            break;
        }
        // There is no space for a part either: the flush fails and changes nothing.
        let rest = dir.path().join("rest");
        let mut last_bytes = std::fs::File::create(&rest).unwrap();
        for bytes in [4096, 1] {
            while std::io::Write::write_all(&mut last_bytes, &vec![1; bytes]).is_ok() {}
        }
        let flushed = store.flush();
        assert!(flushed.as_ref().is_err_and(|e| e.kind() == ErrorKind::Full), "{flushed:?}");
        check(accepted);
        std::fs::remove_file(&rest).unwrap();
        std::fs::remove_file(&ballast).unwrap();
        let before = accepted;
        while accepted < before + 5000 {
            run.log(accepted, &[("a", accepted as f64), ("b", 1.0)]).unwrap();
            accepted += 1;
        }
        check(accepted);
        store.flush().unwrap();
        check(accepted);
        let kept: BTreeMap<String, u64> = BTreeMap::from([("points".into(), store.stats().unwrap().points)]);
        assert_eq!(kept["points"] as i64, 2 * accepted);
    }
}
