//! A watch of the machine never harms the run it logs to: a full disk makes it wait, and a fork leaves parent and child
//! with a watch each.
//!
//! Tests wait for events, not for time to pass, and fail after a timeout that no machine needs.

use crate::process::{Player, say};
use crate::process::{fork, wait};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidalite::{ErrorKind, Options, Store, Summary};
use tidalite_vfs::{FailKind, SimFailure, SimVfs};

const INTERVAL: Duration = Duration::from_millis(50);
const LOAD: &str = "system/load/one_minute";

fn options() -> Options {
    Options::new().threads(1).background(false).segment_bytes(4096, 64 << 10)
}

fn until(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(60), "what was waited for does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The summary of one telemetry metric of the series with this label.
fn samples(store: &Store, who: &str) -> Summary {
    let found = store.select().run("r").metric(LOAD).label("who", who).summaries().unwrap();
    found.first().map(|(_, summary)| summary.clone()).unwrap_or_default()
}

#[test]
fn a_watch_waits_while_the_disk_is_full_and_goes_on_when_there_is_space() {
    let disk = SimVfs::new(1);
    let store = options().vfs(Arc::new(disk.clone())).open("store").unwrap();
    let run = store.run("r").label("who", "me").start().unwrap();
    let watch = run.watch_system(INTERVAL).unwrap();
    until(|| samples(&store, "me").count >= 2);
    disk.set_failure(SimFailure { at_step: disk.steps(), kind: FailKind::Enospc, persist: true });
    until(|| watch.error().is_some());
    assert_eq!(watch.error().unwrap().kind(), ErrorKind::Full);
    disk.clear_failure();
    until(|| watch.error().is_none());
    let before = samples(&store, "me").count;
    until(|| samples(&store, "me").count > before);
    watch.stop();
    assert!(watch.error().is_none());
    run.log(None, &[("loss", 0.5)]).unwrap();
    run.finish().unwrap();
}

/// A process that watches, forks, and whose child watches too.
pub(crate) fn watcher(path: &Path) {
    let store = options().open(path).unwrap();
    let run = store.run("r").label("who", "parent").start().unwrap();
    let mut watch = Some(run.watch_system(INTERVAL).unwrap());
    until(|| samples(&store, "parent").count >= 2);
    let child = fork(|| {
        let parents = watch.as_ref().unwrap();
        assert_eq!(parents.error().unwrap().kind(), ErrorKind::Invalid);
        parents.stop();
        drop(watch.take());
        let again = store.run("r").label("who", "child").start().unwrap();
        let own = again.watch_system(INTERVAL).unwrap();
        until(|| samples(&store, "child").count >= 2);
        own.stop();
        assert!(own.error().is_none());
        store.sync().unwrap();
    });
    wait(child);
    let before = samples(&store, "parent").count;
    until(|| samples(&store, "parent").count > before);
    let watch = watch.unwrap();
    watch.stop();
    assert!(watch.error().is_none());
    run.finish().unwrap();
    store.close().unwrap();
    say("done");
}

#[test]
fn after_a_fork_the_parent_goes_on_watching_and_the_child_may_watch_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    assert_eq!(Player::start("watcher", &path, "").end(), ["done"]);
    let store = options().open(&path).unwrap();
    let (parent, child) = (samples(&store, "parent"), samples(&store, "child"));
    assert!(parent.count >= 3 && child.count >= 2);
    assert_eq!(parent.first.map(|p| p.step), Some(0));
    assert!(child.first.unwrap().step >= 2, "a later watch counts on from the earlier one's samples");
}
