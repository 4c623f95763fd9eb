//! Logs whose segments are gone: a process misses what it has logged itself, and a staged part shows that its writer had a
//! segment. A writer that has only begun has a folder without a segment as well, and is never called damaged.

use super::sample::read;
use crate::rollups;
use arrow::array::RecordBatch;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use tidalite::{ErrorKind, OnDamage, Options, Store};
use tidalite_testkit::STORE;
use tidalite_vfs::{FailKind, SimFailure, SimVfs, Survive, Vfs};

/// So many that a batch becomes a staged part.
const BATCH_ROWS: i64 = 17_000;
/// Every how many steps of the disk a reader looks.
const STRIDE: i64 = 7;

fn options(disk: &SimVfs) -> Options {
    Options::new().background(false).threads(1).segment_bytes(4096, 8192).vfs(Arc::new(disk.clone()))
}

fn new_disk() -> SimVfs {
    let disk = SimVfs::new(5);
    disk.create_dir(Path::new(STORE).parent().unwrap()).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    options(&disk).open(STORE).unwrap().close().unwrap();
    disk.sync_dir(Path::new(STORE).parent().unwrap()).unwrap();
    disk
}

fn batch() -> RecordBatch {
    let rows: Vec<(i64, i64, f64)> = (0..BATCH_ROWS).map(|step| (step, step, step as f64)).collect();
    rollups::batch("a", "loss", &rows)
}

/// The only folder of a writer.
fn folder(disk: &SimVfs) -> PathBuf {
    let log = Path::new(STORE).join("log");
    let names = disk.read_dir(&log).unwrap();
    let [name] = &names[..] else { panic!("{names:?}") };
    log.join(name)
}

fn segments(disk: &SimVfs) -> Vec<PathBuf> {
    let folder = folder(disk);
    let names = disk.read_dir(&folder).unwrap().into_iter().filter(|name| name.ends_with(".seg"));
    names.map(|name| folder.join(name)).collect()
}

fn points(store: &Store) -> tidalite::Result<usize> {
    Ok(store.select().points()?.collect()?.num_rows())
}

/// An answer fails and names the folder, and a report says so.
fn is_told(store: &Store, folder: &Path) {
    let e = points(store).unwrap_err();
    assert!(e.kind() == ErrorKind::Corrupt && e.path() == Some(folder), "{e:?}");
    let rest = store.select().on_damage(OnDamage::Report);
    rest.points().unwrap().collect().unwrap();
    assert!(rest.damage().iter().any(|f| f.path == folder), "{:?}", rest.damage());
}

/// No answer fails, and nothing is reported as damage.
fn is_sound(store: &Store) -> usize {
    let report = store.verify().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert!(store.snapshot().unwrap().damage().is_empty());
    points(store).unwrap()
}

#[test]
fn a_staged_part_without_any_segment_is_damage_before_and_after_a_flush() {
    let disk = new_disk();
    let store = options(&disk).open(STORE).unwrap();
    store.append(&batch()).unwrap();
    let dead = disk.kill();
    let there = folder(&dead);
    segments(&dead).iter().for_each(|segment| dead.remove(segment).unwrap());
    let reader = options(&dead).read_only(true).open(STORE).unwrap();
    is_told(&reader, &there);
    assert!(reader.verify().unwrap().findings.iter().any(|f| f.kind.is_damage() && f.path == there));
    // Another writer gets a greater number, so that the folder no longer looks like one that begins.
    let store = options(&dead).open(STORE).unwrap();
    store.run("b").start().unwrap().log(0, &[("loss", 1.0)]).unwrap();
    for _ in 0..2 {
        store.flush().unwrap();
        is_told(&store, &there);
        assert!(
            dead.read_dir(&there).unwrap().iter().any(|name| name.ends_with(".parquet")),
            "evidence stays"
        );
    }
    assert!(store.verify().unwrap().findings.iter().any(|f| f.kind.is_damage() && f.path == there));
}

#[test]
fn a_process_misses_what_it_has_logged_itself() {
    for whole_folder in [false, true] {
        let disk = new_disk();
        let store = options(&disk).open(STORE).unwrap();
        let run = store.run("a").start().unwrap();
        run.log(0, &[("loss", 1.0)]).unwrap();
        store.flush().unwrap();
        assert_eq!(is_sound(&store), 1, "a segment that was flushed and collected is not missing");
        // It is not read yet: who holds a segment open reads it even after it was removed.
        run.log(1, &[("loss", 1.0)]).unwrap();
        let there = folder(&disk);
        let other = options(&disk).read_only(true).open(STORE).unwrap();
        segments(&disk).iter().for_each(|segment| disk.remove(segment).unwrap());
        if whole_folder {
            disk.remove(&there.join("lock")).unwrap();
            disk.remove_dir(&there).unwrap();
        }
        is_told(&store, &there);
        // Nothing tells others that there was more than the row that is flushed.
        assert_eq!(points(&other).unwrap(), 1);
    }
}

#[test]
fn the_first_segments_of_a_log_are_missed_by_everybody() {
    let disk = new_disk();
    let store = options(&disk).open(STORE).unwrap();
    let run = store.run("a").start().unwrap();
    for step in 0..800 {
        run.log(step, &[("loss", 1.0)]).unwrap();
    }
    store.sync().unwrap();
    let dead = disk.kill();
    let all = segments(&dead);
    assert!(all.len() > 4, "{all:?}");
    for gone in 1..all.len() {
        let disk = dead.kill();
        all[..gone].iter().for_each(|segment| disk.remove(segment).unwrap());
        let reader = options(&disk).read_only(true).open(STORE).unwrap();
        is_told(&reader, &folder(&disk));
        assert!(!reader.verify().unwrap().is_sound());
    }
}

/// Looks at a store from another process before a step of the disk, and kills what uses it in a copy.
#[derive(Default)]
struct BeginningLooker {
    disk: OnceLock<SimVfs>,
    left: AtomicI64,
}

impl BeginningLooker {
    fn before(&self) {
        let Some(disk) = self.disk.get() else { return };
        if self.left.fetch_sub(1, Ordering::Relaxed) != 0 {
            return;
        }
        is_sound(&options(disk).read_only(true).open(STORE).unwrap());
    }
}

/// Whether there was such a step.
fn begins_looked_at(step: i64) -> bool {
    let looker = Arc::new(BeginningLooker::default());
    let hook = looker.clone();
    let disk = SimVfs::scheduled(1, move || hook.before());
    disk.create_dir(Path::new(STORE).parent().unwrap()).unwrap();
    options(&disk).open(STORE).unwrap().close().unwrap();
    looker.left.store(step, Ordering::Relaxed);
    looker.disk.set(disk.clone()).unwrap();
    let store = options(&disk).open(STORE).unwrap();
    store.append(&batch()).unwrap();
    let looked = looker.left.swap(i64::MAX, Ordering::Relaxed) < 0;
    assert_eq!(is_sound(&store), BATCH_ROWS as usize);
    looked
}

#[test]
fn a_writer_that_begins_with_a_large_batch_is_never_called_damaged() {
    let steps = (0..).step_by(STRIDE as usize).take_while(|&step| begins_looked_at(step)).count();
    assert!(steps > 5, "{steps}");
    crate::note(&format!("a writer that begins with a batch was looked at before {steps} of its steps"));
}

#[test]
fn a_writer_that_was_killed_or_lost_power_while_it_began_is_not_damaged() {
    let disk = new_disk();
    let before = disk.steps();
    options(&disk).open(STORE).unwrap().append(&batch()).unwrap();
    let changes: Vec<u64> = disk.change_steps().into_iter().filter(|&step| step >= before).collect();
    assert!(changes.len() > 10, "{changes:?}");
    for &step in &changes {
        let disk = new_disk();
        disk.set_failure(SimFailure { at_step: step, kind: FailKind::Crash, persist: true });
        // The power may also go after the batch was accepted, while the store is closed.
        let _ = options(&disk).open(STORE).and_then(|store| store.append(&batch()));
        let left = [disk.kill(), disk.crash(Survive::None), disk.crash(Survive::Random(step))];
        for after in left {
            let rows = is_sound(&options(&after).read_only(true).open(STORE).unwrap());
            assert!(rows == 0 || rows == BATCH_ROWS as usize, "step {step}: {rows}");
        }
    }
}

/// What a removed folder of a writer that is gone held is not known to anybody: `docs/durability.md` says so.
#[test]
fn the_only_segment_of_a_writer_that_is_gone_leaves_no_trace() {
    let disk = new_disk();
    let store = options(&disk).open(STORE).unwrap();
    store.run("a").start().unwrap().log(0, &[("loss", 1.0)]).unwrap();
    store.sync().unwrap();
    let dead = disk.kill();
    let [only] = &segments(&dead)[..] else { panic!("one segment") };
    assert!(!read(&dead, only).is_empty());
    dead.remove(only).unwrap();
    assert_eq!(is_sound(&options(&dead).read_only(true).open(STORE).unwrap()), 0);
}
