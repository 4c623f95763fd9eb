//! Merging stores where something goes wrong or goes on: power cuts, failing disks, damage, newer formats, and processes
//! that write meanwhile.

use crate::merge::{all, batch, log, open};
use crate::note;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tidalite::{ErrorKind, Merge, OnDamage, Options, Store};
use tidalite_vfs::{FailKind, SimFailure, SimVfs, Survive, Vfs};

/// Two stores on a simulated disk: parts and logs on both sides, and a copied past.
fn two_on_a_disk() -> SimVfs {
    let disk = SimVfs::new(7);
    Vfs::create_dir(&disk, Path::new("/data")).unwrap();
    Vfs::sync_dir(&disk, Path::new("/")).unwrap();
    let a = on(&disk, "/data/a");
    log(&a.run("old").start().unwrap(), 0..10, 1.0);
    a.backup("/data/b").unwrap();
    let b = on(&disk, "/data/b");
    log(&b.run("b1").start().unwrap(), 0..5, 2.0);
    b.flush().unwrap();
    b.append(&batch("b2", 0..5, 3.0)).unwrap();
    b.edit("old").name("there").apply().unwrap();
    log(&a.run("a1").start().unwrap(), 0..5, 4.0);
    a.sync().unwrap();
    b.sync().unwrap();
    disk.kill()
}

fn on(disk: &SimVfs, path: &str) -> Store {
    let options = Options::new().background(false).threads(1).tile_rows(64);
    options.vfs(Arc::new(disk.clone())).open(path).unwrap()
}

/// What a store answers. The status depends on who lives, which a killed machine changes.
fn state(store: &Store) -> (Vec<(String, i64, f64)>, Vec<String>) {
    let runs = store.runs().unwrap();
    (all(store), runs.iter().map(|r| format!("{} {:?} {}", r.id, r.name, r.participants.len())).collect())
}

#[test]
fn a_power_cut_or_a_failure_at_any_step_leaves_the_state_before_or_after_and_a_second_merge_completes_it() {
    let filled = two_on_a_disk();
    let (before, after, steps) = {
        let disk = filled.kill();
        let store = on(&disk, "/data/a");
        let before = state(&store);
        let from = disk.change_steps().len();
        store.merge("/data/b").unwrap();
        (before, state(&store), disk.change_steps()[from..].to_vec())
    };
    assert!(before != after && steps.len() > 20, "{steps:?}");
    let mut met = [0, 0];
    let mut check = |disk: &SimVfs, done: bool, place: &str| {
        let store = on(disk, "/data/a");
        let found = state(&store);
        assert!(found == before || found == after, "{place}: {found:?}");
        assert!(!done || found == after, "{place}: what was reported is durable");
        met[usize::from(found == after)] += 1;
        store.merge("/data/b").unwrap();
        assert_eq!(state(&store), after, "{place}");
        assert!(store.verify().unwrap().findings.is_empty(), "{place}");
    };
    for (i, &at_step) in steps.iter().enumerate() {
        for kind in [FailKind::Crash, FailKind::Eio, FailKind::Enospc] {
            let disk = filled.kill();
            let store = on(&disk, "/data/a");
            disk.set_failure(SimFailure { at_step, kind, persist: kind != FailKind::Eio });
            let done = store.merge("/data/b");
            let place =
                format!("{kind:?} at step {at_step}: {:?}", done.as_ref().err().map(ToString::to_string));
            if kind == FailKind::Crash {
                for survive in [Survive::None, Survive::All, Survive::Random(i as u64)] {
                    check(&disk.crash(survive), done.is_ok(), &place);
                }
            }
            let survivor = disk.kill();
            drop(store);
            check(&survivor, done.is_ok(), &place);
        }
    }
    note(&format!("merge: of the cuts {} left it as before, {} as after", met[0], met[1]));
    assert!(met[0] > 4 && met[1] > 0, "{met:?}");
}

#[test]
fn a_newer_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (open(&dir.path().join("a")), dir.path().join("b"));
    open(&b).close().unwrap();
    let marker = b.join("TIDALITE");
    let text = fs::read_to_string(&marker).unwrap();
    let id = text.lines().nth(1).unwrap();
    let crc = crc32c::crc32c(format!("store 2 {id}").as_bytes());
    let copy = format!("tidalite store 2 {crc:08x} {:016}\n{id}\n", id.len());
    fs::write(&marker, format!("{copy}{copy}")).unwrap();
    let error = a.merge(&b).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[test]
fn a_merge_says_what_is_wrong_with_the_other_store() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (open(&dir.path().join("a")), open(&dir.path().join("b")));
    log(&a.run("x").start().unwrap(), 0..3, 1.0);
    log(&b.run("y").start().unwrap(), 0..3, 1.0);
    b.flush().unwrap();
    log(&b.run("z").start().unwrap(), 0..3, 1.0);
    let text = |from: &Path| a.merge(from).unwrap_err().to_string();
    assert!(text(a.path()).contains("same store"));
    std::os::unix::fs::symlink(a.path(), dir.path().join("link")).unwrap();
    assert!(text(&dir.path().join("link")).contains("same store"));
    assert!(text(&dir.path().join("none")).contains("no such folder"));
    assert!(text(dir.path()).contains("not a tidalite store"));
    let part = fs::read_dir(b.path().join("parts")).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&part).unwrap();
    fs::write(&part, &bytes[..bytes.len() - 9]).unwrap();
    drop(b);
    let error = text(&dir.path().join("b"));
    assert!(error.contains(part.file_name().unwrap().to_str().unwrap()), "{error}");
    assert_eq!(all(&a).len(), 3);
    let skip = Merge::new().on_damage(OnDamage::Report);
    let stats =
        a.merge_with(dir.path().join("b"), &skip, &|_, _| std::ops::ControlFlow::Continue(())).unwrap();
    assert_eq!((stats.damage.len(), stats.points), (1, 3));
    let select = a.select().on_damage(OnDamage::Report);
    assert_eq!((select.points().unwrap().collect().unwrap().num_rows(), select.damage().len()), (6, 1));
    assert!(Options::new().read_only(true).open(a.path()).unwrap().merge(dir.path().join("b")).is_err());
}

#[test]
fn writers_open_and_log_while_stores_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    let into = open(&a);
    let rounds = 12;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..rounds {
                let store = open(&a);
                log(&store.run(format!("a{i}")).start().unwrap(), 0..20, 1.0);
                store.close().unwrap();
            }
        });
        scope.spawn(|| {
            for i in 0..rounds {
                let store = open(&b);
                log(&store.run(format!("b{i}")).start().unwrap(), 0..20, 2.0);
                store.close().unwrap();
            }
        });
        while !b.join("manifest").join("0000000000000001.json").exists() {
            std::thread::yield_now();
        }
        for _ in 0..rounds {
            into.merge(&b).unwrap();
        }
    });
    into.merge(&b).unwrap();
    assert_eq!(all(&into).len(), 2 * 20 * rounds);
    assert_eq!(into.runs().unwrap().len(), 2 * rounds);
    into.compact().unwrap();
    assert_eq!(all(&into).len(), 2 * 20 * rounds);
}
