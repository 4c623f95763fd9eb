//! A writer whose sync failed says what to do, and `reopen` does it: what can still be read is saved, and the rest is told.

use std::path::Path;
use std::sync::Arc;
use tidalite::{ErrorKind, Options, Store};
use tidalite_vfs::{FailKind, SimFailure, SimVfs, Vfs};

fn open(disk: &SimVfs) -> Store {
    let options = Options::new().background(false).threads(1).segment_bytes(4096, 4096);
    options.vfs(Arc::new(disk.clone())).open("/store").unwrap()
}

fn steps(store: &Store) -> Vec<i64> {
    let found = tidalite_testkit::points(&store.select().run("a")).unwrap();
    found.into_iter().map(|(_, point)| point.step).collect()
}

/// A sync that fails at its first, second … call, after which the disk works again.
#[test]
fn a_failed_sync_says_to_reopen_and_that_saves_what_can_be_read_and_tells_the_rest() {
    let (mut tried, mut whole) = (0, 0);
    for at in 0..8 {
        let disk = SimVfs::new(3);
        let store = open(&disk);
        let run = store.run("a").start().unwrap();
        for step in 0..50 {
            run.log(step, &[("x", 1.0)]).unwrap();
        }
        store.sync().unwrap();
        let durable = store.watermark().unwrap().durable;
        let seqs: Vec<_> = (50..200).map(|step| run.log(step, &[("x", 1.0)]).unwrap()).collect();
        disk.set_failure(SimFailure { at_step: disk.steps() + at, kind: FailKind::Eio, persist: false });
        let synced = store.sync();
        disk.clear_failure();
        let Err(failed) = synced else { continue };
        assert_eq!(failed.kind(), ErrorKind::Io);
        if run.log(200, &[("x", 1.0)]).is_ok() {
            // The failure came before the sync began.
            continue;
        }
        tried += 1;
        let e = run.log(200, &[("x", 1.0)]).unwrap_err();
        assert!(
            e.kind() == ErrorKind::Poisoned && e.to_string().contains("call `reopen` of the store"),
            "{e}"
        );

        let reopened = store.reopen().unwrap();
        assert_eq!((reopened.accepted, reopened.durable), (seqs.last().copied(), durable));
        let kept = seqs.iter().filter(|seq| Some(**seq) <= reopened.kept).count() as i64;
        whole += i32::from(reopened.is_whole());
        assert_eq!(reopened.is_whole(), kept == 150);
        assert_eq!(steps(&reopened.store), (0..50 + kept).collect::<Vec<_>>());
        // The old handles say so, and the run goes on.
        let e = run.log(200, &[("x", 1.0)]).unwrap_err();
        assert!(e.to_string().contains("closed"), "{e}");
        reopened.store.run("a").start().unwrap().log(1000, &[("x", 1.0)]).unwrap();
        reopened.store.sync().unwrap();
        // What was kept is durable.
        let after = open(&disk.crash(tidalite_vfs::Survive::None));
        assert_eq!(steps(&after), (0..50 + kept).chain([1000]).collect::<Vec<_>>());
        // A second call does the same again.
        assert!(reopened.store.reopen().unwrap().is_whole());
    }
    crate::note(&format!("dead ends: {tried} failed syncs reopened, {whole} without any loss"));
    assert!(tried >= 2);
}

#[test]
fn a_store_that_did_not_fail_or_never_wrote_is_reopened_as_well() {
    let disk = SimVfs::new(4);
    let store = open(&disk);
    let reopened = store.reopen().unwrap();
    assert!(reopened.is_whole() && reopened.accepted.is_none());
    let run = reopened.store.run("a").start().unwrap();
    let seq = run.log(0, &[("x", 1.0)]).unwrap();
    let again = reopened.store.reopen().unwrap();
    assert_eq!((again.accepted, again.durable, again.kept), (Some(seq), Some(seq), Some(seq)));
    assert_eq!(steps(&again.store), [0]);
    assert!(reopened.store.runs().is_err() && store.runs().is_err(), "the old handles are closed");
}

#[test]
fn a_reopening_that_fails_at_any_call_closes_the_store_and_can_be_repeated() {
    let mut failed = 0;
    for at in 0..30 {
        let disk = SimVfs::new(5);
        let store = open(&disk);
        let run = store.run("a").start().unwrap();
        let seqs: Vec<_> = (0..150).map(|step| run.log(step, &[("x", 1.0)]).unwrap()).collect();
        disk.set_failure(SimFailure { at_step: disk.steps() + at, kind: FailKind::Eio, persist: false });
        let first = store.reopen();
        disk.clear_failure();
        let reopened = match first {
            Ok(reopened) => reopened,
            Err(e) => {
                failed += 1;
                assert_eq!(e.kind(), ErrorKind::Io, "at {at}: {e}");
                assert!(
                    store.runs().is_err() && run.log(150, &[("x", 1.0)]).is_err(),
                    "at {at}: it is closed"
                );
                store.reopen().unwrap()
            }
        };
        assert_eq!(reopened.accepted, seqs.last().copied());
        // The files of a disk that failed once still hold what was written.
        assert!(reopened.is_whole(), "at {at}: {:?}", reopened.kept);
        assert_eq!(steps(&reopened.store), (0..150).collect::<Vec<_>>());
        let after = open(&disk.crash(tidalite_vfs::Survive::None));
        assert_eq!(steps(&after), (0..150).collect::<Vec<_>>(), "at {at}: what was kept is durable");
    }
    assert!(failed >= 3, "{failed}");
}

/// A store of 20 rows that are durable and 20 that are not, whose sync has failed.
fn failed_sync() -> (SimVfs, Store) {
    for at in 0..8 {
        let disk = SimVfs::new(6);
        let store = open(&disk);
        let run = store.run("a").start().unwrap();
        for step in 0..40 {
            run.log(step, &[("x", 1.0)]).unwrap();
            if step == 19 {
                store.sync().unwrap();
            }
        }
        disk.set_failure(SimFailure { at_step: disk.steps() + at, kind: FailKind::Eio, persist: false });
        let synced = store.sync();
        disk.clear_failure();
        if synced.is_err() && run.log(40, &[("x", 1.0)]).is_err() {
            return (disk, store);
        }
    }
    panic!("no failure ended the writer");
}

#[test]
fn rows_that_are_gone_from_a_file_before_the_reopening_are_told_to_be_lost() {
    let (disk, store) = failed_sync();
    let before = store.watermark().unwrap();
    assert!(before.durable < before.accepted);
    // The last rows are gone, as after a kernel that drops pages which it could not write.
    let folder = Path::new("/store/log");
    let writer = disk.read_dir(folder).unwrap().into_iter().find(|name| name.contains('-')).unwrap();
    let path = folder.join(writer).join("00000001.seg");
    let file = disk.open(&path).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(0, &mut bytes).unwrap();
    let end = bytes.iter().rposition(|&b| b != 0).unwrap();
    bytes[end - 200..].fill(0);
    disk.remove(&path).unwrap();
    disk.create(&path).unwrap().write_all(&bytes).unwrap();
    let reopened = store.reopen().unwrap();
    assert_eq!((reopened.accepted, reopened.durable), (before.accepted, before.durable));
    assert!(!reopened.is_whole() && reopened.kept >= before.durable, "{:?}", reopened.kept);
    let kept = steps(&reopened.store);
    assert!(kept.len() >= 20 && kept.len() < 40, "{kept:?}");
    assert_eq!(kept, (0..kept.len() as i64).collect::<Vec<_>>(), "a prefix");
}

#[test]
fn a_log_that_is_gone_before_the_reopening_leaves_what_was_flushed() {
    let (disk, store) = failed_sync();
    let before = store.watermark().unwrap();
    // Another process flushed the log of this writer, whose lock is free once it is closed, and removed it.
    store.close().unwrap_err();
    let other = open(&disk);
    other.flush().unwrap();
    assert_eq!(steps(&other), (0..40).collect::<Vec<_>>());
    let reopened = store.reopen().unwrap();
    assert_eq!((reopened.accepted, reopened.kept), (before.accepted, before.accepted));
    assert!(reopened.is_whole() && steps(&reopened.store) == steps(&other));
}
