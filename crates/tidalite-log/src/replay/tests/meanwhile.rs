//! What other processes do to a log between two accesses of a reader or a writer: no damage, and no wrong answer.

use super::failing::asked;
use super::{content, put};
use crate::dir::LOCK_NAME;
use crate::testing::{LOG, RecordingSink, key, make_log_dir, only_writer, read, small};
use crate::{Life, Log, Progress, TailReader, WriterDir, life, replay, segments};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidalite_model::{ErrorKind, Result};
use tidalite_vfs::{Lock, LockMode, SimVfs, Vfs};

/// A disk on which, before the access with a given number, something happens once.
struct DiskOfOthers {
    disk: SimVfs,
    accesses: Arc<AtomicU64>,
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

/// The number of an access, and what happens before it.
type Meanwhile = (u64, Box<dyn FnOnce() + Send>);

impl DiskOfOthers {
    fn new() -> Self {
        let accesses = Arc::new(AtomicU64::new(0));
        let meanwhile: Arc<Mutex<Option<Meanwhile>>> = Arc::default();
        let disk = SimVfs::scheduled(1, {
            let (accesses, meanwhile) = (accesses.clone(), meanwhile.clone());
            move || {
                let now = accesses.fetch_add(1, Ordering::Relaxed);
                let mut held = meanwhile.lock().unwrap_or_else(PoisonError::into_inner);
                let due = held.take_if(|(at, _)| *at <= now);
                drop(held);
                if let Some((_, happens)) = due {
                    happens();
                }
            }
        });
        DiskOfOthers { disk, accesses, meanwhile }
    }

    /// Before the access that comes `after` others.
    fn before(&self, after: u64, happens: impl FnOnce() + Send + 'static) {
        let at = self.accesses.load(Ordering::Relaxed) + after;
        *self.meanwhile.lock().unwrap() = Some((at, Box::new(happens)));
    }
}

#[test]
fn a_segment_that_is_removed_while_a_log_is_read_is_no_damage_and_no_panic() {
    // At most so many accesses does each question make.
    for after in 0..60 {
        let others = DiskOfOthers::new();
        make_log_dir(&others.disk);
        let vfs: Arc<dyn Vfs> = Arc::new(others.disk.clone());
        let log = Log::create(vfs, Path::new(LOG), 0, small()).unwrap();
        let layout = log.layout(&[log.series(&key("r", "m")).unwrap()]).unwrap();
        for step in 0..600 {
            log.append_row(layout, step, 0, &[0.0]).unwrap();
        }
        let dir = only_writer(&others.disk);
        let names: Vec<_> = segments(&others.disk, &dir).unwrap().into_iter().map(|s| s.path).collect();
        assert!(names.len() > 2, "{}", names.len());
        let disk = others.disk.clone();
        others.before(after, move || names.iter().for_each(|name| disk.remove(name).unwrap()));
        for answer in asked(&others.disk, &dir) {
            if let Err(e) = answer {
                assert_eq!(e.kind(), ErrorKind::NotFound, "after {after}: {e}");
            }
        }
    }
}

#[test]
fn a_writer_that_takes_an_ordinal_first_leaves_the_next_one_to_others() {
    for after in 0..6 {
        for taken in ["00000005.claim", "00000005-0123456789abcdef0123456789abcdef"] {
            let others = DiskOfOthers::new();
            make_log_dir(&others.disk);
            let disk = others.disk.clone();
            others.before(after, move || {
                disk.create_dir(&Path::new(LOG).join(taken)).unwrap();
            });
            let dir = crate::dir::claim_writer(&others.disk, Path::new(LOG), 5).unwrap();
            assert!([5, 6].contains(&dir.writer));
            let writers = crate::writers(&others.disk, Path::new(LOG)).unwrap();
            assert_eq!(writers.iter().filter(|other| other.path == dir.path).count(), 1);
        }
    }
}

/// A log of several segments, none of them synced, with a damaged frame in the second.
fn damaged(disk: &SimVfs) -> (Log, WriterDir) {
    make_log_dir(disk);
    let log = Log::create(Arc::new(disk.clone()), Path::new(LOG), 0, small()).unwrap();
    let layout = log.layout(&[log.series(&key("r", "m")).unwrap()]).unwrap();
    for step in 0..600 {
        log.append_row(layout, step, 0, &[0.0]).unwrap();
    }
    let dir = only_writer(disk);
    let second = dir.segment_path(2);
    let mut bytes = content(disk, &second);
    bytes[2000] ^= 1;
    put(disk, &second, &bytes);
    (log, dir)
}

/// A question to a log.
type LogQuestion = fn(&dyn Vfs, &WriterDir) -> Result<u64>;

#[test]
fn segments_that_go_while_damage_is_looked_into_are_not_found_or_not_counted() {
    let questions: [LogQuestion; 3] = [
        |vfs, dir| Ok(replay(vfs, dir, 0, false, &mut RecordingSink::default())?.next_ordinal),
        |vfs, dir| TailReader::new(dir.clone(), 0).bytes_ahead(vfs),
        |vfs, dir| Ok(segments(vfs, dir)?.len() as u64),
    ];
    for ask in questions {
        let mut answers = Vec::new();
        for after in 0..40 {
            let others = DiskOfOthers::new();
            let (_log, dir) = damaged(&others.disk);
            let (disk, names) = (others.disk.clone(), segments(&others.disk, &dir).unwrap());
            let later = names.into_iter().skip(2);
            others.before(after, move || later.for_each(|segment| disk.remove(&segment.path).unwrap()));
            match ask(&others.disk, &dir) {
                Ok(answer) => answers.push(answer),
                Err(e) => assert_eq!(e.kind(), ErrorKind::NotFound, "after {after}: {e}"),
            }
        }
        // At first all later segments are gone, at last the question is answered before.
        assert!(answers.first() <= answers.last(), "{answers:?}");
    }
}

#[test]
fn a_segment_that_is_closed_while_it_is_looked_at_is_open_or_ends_where_it_ends() {
    let (mut open, mut sealed) = (0, 0);
    for after in 0..12 {
        let others = DiskOfOthers::new();
        make_log_dir(&others.disk);
        let log = Log::create(Arc::new(others.disk.clone()), Path::new(LOG), 0, small()).unwrap();
        let layout = log.layout(&[log.series(&key("r", "m")).unwrap()]).unwrap();
        let last = log.append_row(layout, 0, 0, &[0.0]).unwrap();
        let dir = only_writer(&others.disk);
        others.before(after, move || log.close().unwrap());
        let found = segments(&others.disk, &dir).unwrap();
        match found[0].end_ordinal {
            None => open += 1,
            Some(end) => {
                sealed += 1;
                assert!(found[0].sealed && end > last.ordinal());
                assert_eq!(segments(&others.disk, &dir).unwrap()[0].end_ordinal, Some(end));
            }
        }
    }
    assert!(open > 0 && sealed > 0, "{open} {sealed}");
}

#[test]
fn a_writer_that_begins_while_it_is_looked_at_is_not_gone() {
    let mut seen = Vec::new();
    for after in 0..4 {
        let others = DiskOfOthers::new();
        make_log_dir(&others.disk);
        let dir = crate::dir::claim_writer(&others.disk, Path::new(LOG), 0).unwrap();
        let held: Arc<Mutex<Option<Box<dyn Lock>>>> = Arc::default();
        let (disk, begun, kept) = (others.disk.clone(), dir.clone(), held.clone());
        others.before(after, move || {
            *kept.lock().unwrap() = disk.lock(&begun.path.join(LOCK_NAME), LockMode::Exclusive).unwrap();
            drop(disk.create_segment(&begun.segment_path(1), 4096).unwrap());
        });
        let found = life(&others.disk, &dir).unwrap();
        assert!(found.may_append(), "after {after}: {found:?}");
        seen.push(found);
    }
    assert!(seen.contains(&Life::Living) && seen.contains(&Life::Beginning), "{seen:?}");
}

#[test]
fn a_new_writer_waits_for_a_reader_that_looks_at_its_lock() {
    for after in 0..12 {
        let others = DiskOfOthers::new();
        make_log_dir(&others.disk);
        let disk = others.disk.clone();
        others.before(after, move || {
            let Some(dir) = crate::writers(&disk, Path::new(LOG)).unwrap().pop() else { return };
            let held = disk.lock(&dir.path.join(LOCK_NAME), LockMode::Exclusive).unwrap();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(3));
                drop(held);
            });
        });
        let log = Log::create(Arc::new(others.disk.clone()), Path::new(LOG), 0, small()).unwrap();
        log.append_row(log.layout(&[log.series(&key("r", "m")).unwrap()]).unwrap(), 0, 0, &[0.0]).unwrap();
        let dir = only_writer(&others.disk);
        assert_eq!(life(&others.disk, &dir).unwrap(), Life::Living, "after {after}");
        assert_eq!(read(&others.disk, &dir, 0, true).0.units.len(), 1);
    }
}

#[test]
fn a_segment_made_ahead_of_need_counts_as_bytes_to_be_read() {
    let sim = SimVfs::new(1);
    make_log_dir(&sim);
    let log = Log::create(Arc::new(sim.clone()), Path::new(LOG), 0, small()).unwrap();
    log.append_row(log.layout(&[log.series(&key("r", "m")).unwrap()]).unwrap(), 0, 0, &[0.0]).unwrap();
    let dir = only_writer(&sim);
    let mut reader = TailReader::new(dir.clone(), 0);
    reader.poll(&sim, true, &mut RecordingSink::default()).unwrap();
    assert!(matches!(reader.progress(), Progress::UpTo(_)));
    assert_eq!(reader.bytes_ahead(&sim).unwrap(), 0);
    drop(sim.create_segment(&dir.segment_path(2), 8192).unwrap());
    assert_eq!(reader.bytes_ahead(&sim).unwrap(), 8192);
}
