//! After a fork of the process, parent and child are two writers, and neither touches the log of the other.

use crate::note;
use crate::process::{Player, say};
use crate::process::{fork, wait};
use std::collections::BTreeMap;
use std::path::Path;
use tidalite::Options;
use tidalite_testkit::points;

fn options() -> Options {
    Options::new().threads(1).background(false).segment_bytes(4096, 64 << 10)
}

/// Forks in the middle of a run. Parent and child log to it in turn. The child forks again.
pub(crate) fn forker(path: &Path) {
    let store = options().open(path).unwrap();
    let run = store.run("r").start().unwrap();
    let columns = run.columns(&["a"]).unwrap();
    let log = |who: &str, steps: std::ops::Range<i64>| {
        for step in steps {
            run.log(step, &[(who, step as f64)]).unwrap();
            columns.log(step, &[step as f64]).unwrap();
        }
    };
    log("parent", 0..50);
    let before = log_files(path);
    let child = fork(|| {
        log("child", 100..150);
        fork_and_wait(|| {
            let again = store.run("r").start().unwrap();
            for step in 200..250 {
                again.log(step, &[("grandchild", step as f64)]).unwrap();
            }
        });
        log("child", 150..160);
        store.sync().unwrap();
    });
    wait(child);
    let after = log_files(path);
    assert!(
        before.iter().all(|(file, bytes)| after.get(file) == Some(bytes)),
        "the children touched a file of their parent's"
    );
    assert!(after.len() > before.len(), "the children have logs of their own");
    log("parent", 50..80);
    store.sync().unwrap();
    run.finish().unwrap();
    store.close().unwrap();
    say("done");
}

fn log_files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for writer in std::fs::read_dir(path.join("log")).unwrap() {
        for file in std::fs::read_dir(writer.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            files.insert(path.to_str().unwrap().to_string(), std::fs::read(&path).unwrap());
        }
    }
    files
}

fn fork_and_wait(child: impl FnOnce()) {
    let child = fork(child);
    wait(child);
}

#[test]
fn after_a_fork_child_and_parent_log_to_one_run_and_neither_touches_the_others_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    assert_eq!(Player::start("forker", &path, "").end(), ["done"]);
    let store = options().open(&path).unwrap();
    let check = || {
        let count = |metric: &str| {
            points(&store.select()).unwrap().iter().filter(|(k, _)| &*k.metric == metric).count()
        };
        assert_eq!((count("parent"), count("child"), count("grandchild"), count("a")), (80, 60, 50, 140));
        let info = store.snapshot().unwrap().run("r").unwrap();
        note(&format!(
            "after two forks the run has {} participants and is {}",
            info.participants.len(),
            info.status.as_str()
        ));
    };
    check();
    store.compact().unwrap();
    check();
}
