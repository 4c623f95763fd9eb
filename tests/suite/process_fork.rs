//! After a fork of the process, parent and child are two writers, and neither touches the log of the other.

use crate::note;
use crate::process::{Player, say};
use crate::process::{fork, wait};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidalite::{ErrorKind, Options};
use tidalite_log::{Log, LogOptions, Watermark, writers};
use tidalite_model::{Error, Labels, Result, RunChange, RunEdit, SeriesKey};
use tidalite_testkit::points;
use tidalite_vfs::{RealVfs, Vfs};
use uuid::Uuid;

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

/// Opens a log and forks. The child tries all that a log can do.
pub(crate) fn log_forker(path: &Path) {
    let vfs: Arc<dyn Vfs> = Arc::new(RealVfs::new());
    vfs.create_dir(path).unwrap();
    let mut options = LogOptions::default();
    options.background = false;
    let log = Log::create(vfs.clone(), path, 0, options).unwrap();
    let key = SeriesKey::new("r", "m", Labels::none());
    let series = log.series(&key).unwrap();
    let layout = log.layout(&[series]).unwrap();
    let seq = log.append_row(layout, 0, 0, &[1.0]).unwrap();
    let files = || std::fs::read(writers(&*vfs, path).unwrap()[0].path.join("00000001.seg")).unwrap();
    let before = files();
    let mut held = Some(log);
    fork_and_wait(|| {
        let log = held.take().unwrap();
        assert!(log.forked() && log.bytes() == 0 && log.watermark() == Watermark::default());
        let refused = |done: Result<()>| {
            let e = done.unwrap_err();
            assert!(e.kind() == ErrorKind::Poisoned && e.to_string().contains("before a fork"), "{e}");
        };
        refused(log.begin());
        refused(log.series(&key).map(drop));
        refused(log.layout(&[series]).map(drop));
        refused(log.append_row(layout, 1, 0, &[1.0]).map(drop));
        refused(log.append_points(&[series], &[1], &[0], &[1.0], false).map(drop));
        refused(log.append_change("r", &RunChange::Edit(RunEdit::default())).map(drop));
        refused(log.append_part(Uuid::nil(), &[]).map(drop));
        refused(log.sync());
        refused(log.wait_durable(seq, Some(Duration::ZERO)).map(drop));
        refused(log.seal());
        refused(log.close());
        // These have nothing to say, and leave the parent's log as it is.
        log.observe(1 << 60);
        log.check();
        log.end(&Error::invalid("test", "the child says so", ""));
        drop(log);
    });
    assert_eq!(files(), before, "the child touched a file of its parent's");
    let log = held.unwrap();
    assert!(!log.forked());
    log.append_row(layout, 1, 0, &[1.0]).unwrap();
    log.close().unwrap();
    say("done");
}

#[test]
fn a_forked_child_can_do_nothing_with_the_log_of_its_parent() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Player::start("log forker", &dir.path().join("log"), "").end(), ["done"]);
}
