//! A writer whose sync failed says what to do, and `reopen` does it: what can still be read is saved, and the rest is told.

use std::sync::Arc;
use tidalite::{ErrorKind, Options, Store};
use tidalite_vfs::{FailKind, SimFailure, SimVfs};

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
