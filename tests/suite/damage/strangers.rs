//! Things in a store that a store does not make: links, pipes, sockets, folders. None is followed, waited for, or deleted
//! together with what it leads to; an answer that lacks their rows says so or is an error.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tidalite::{ErrorKind, Options, Result, Store};

const ROWS: i64 = 50;
/// No operation takes longer, whatever lies in the store.
const PATIENCE: Duration = Duration::from_secs(20);

/// A store with files of every kind: two parts, one with rollups and hidden points, a writer that is gone, and rows in a log.
pub(super) fn make(path: &Path) {
    let gone = Options::new().background(false).open(path).unwrap();
    gone.run("gone").start().unwrap().finish().unwrap();
    gone.flush().unwrap();
    gone.close().unwrap();
    let store = Options::new().background(false).rollups(8, 16).open(path).unwrap();
    for id in ["a", "b"] {
        let run = store.run(id).start().unwrap();
        for step in 0..ROWS {
            run.log(step, &[("loss", step as f64)]).unwrap();
            run.log(step, &[("loss", 0.5)]).unwrap();
        }
        store.flush().unwrap();
        store.compact().unwrap();
        run.log(ROWS, &[("loss", 1.0)]).unwrap();
    }
    store.flush().unwrap();
    let run = store.run("a").start().unwrap();
    run.log(ROWS + 1, &[("loss", 1.0)]).unwrap();
}

/// All files and folders below a folder, by their path from it.
pub(super) fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            found.push(path.strip_prefix(folder).unwrap().to_path_buf());
        }
    }
    found.sort();
    found
}

/// What is outside of the store, to be compared before and after.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = below(folder).into_iter().filter(|path| folder.join(path).is_file());
    files.map(|path| (path.clone(), fs::read(folder.join(path)).unwrap())).collect()
}

pub(super) fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
}

pub(super) fn points(store: &Store) -> Result<usize> {
    let mut rows = 0;
    for batch in store.select().points()? {
        rows += batch?.num_rows();
    }
    Ok(rows)
}

/// Does everything with a store. Returns the visible points that it gave, and whether anything failed as damage or was
/// reported.
fn use_in_every_way(path: &Path, copy: &Path) -> (Vec<usize>, bool) {
    let (mut given, mut damage, mut reported) = (Vec::new(), false, false);
    let mut note = |done: Result<()>| match done {
        Ok(()) => {}
        Err(e) => {
            let expected = [ErrorKind::Corrupt, ErrorKind::NotFound, ErrorKind::Invalid, ErrorKind::Io];
            assert!(expected.contains(&e.kind()), "{e}");
            damage = true;
        }
    };
    for read_only in [true, false] {
        let store = match Options::new().background(false).read_only(read_only).open(path) {
            Ok(store) => store,
            Err(e) => {
                note(Err(e));
                continue;
            }
        };
        note(points(&store).map(|rows| given.push(rows)));
        note(store.stats().map(drop));
        note(store.snapshot().and_then(|snapshot| snapshot.bytes_by_metric()).map(drop));
        match store.verify() {
            Ok(report) => reported |= !report.is_sound(),
            Err(e) => note(Err(e)),
        }
        if read_only {
            continue;
        }
        note(store.run("c").start().and_then(|run| run.log(0, &[("loss", 1.0)]).map(drop)));
        note(store.flush().map(drop));
        note(store.compact().map(drop));
        note(points(&store).map(|rows| given.push(rows - 1)));
        note(store.backup(copy).map(drop));
        note(store.close());
    }
    (given, damage || reported)
}

#[test]
fn nothing_outside_of_a_store_is_read_changed_or_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let sound = dir.path().join("sound");
    make(&sound);
    let whole = points(&Options::new().read_only(true).open(&sound).unwrap()).unwrap();
    assert_eq!(whole as i64, 2 * ROWS + 3);
    let mut tried = BTreeMap::new();
    for place in below(&sound) {
        let kinds: &[&str] = match sound.join(&place).is_dir() {
            true => &["link to a folder", "link to nothing", "pipe", "socket", "device", "file"],
            false => &["link to its copy", "link to nothing", "pipe", "socket", "device", "folder"],
        };
        for kind in kinds {
            let here = tempfile::tempdir().unwrap();
            let (store, outside) = (here.path().join("store"), here.path().join("outside"));
            copy(&sound, &store);
            let there = store.join(&place);
            fs::create_dir(&outside).unwrap();
            fs::rename(&there, outside.join("moved")).unwrap();
            match *kind {
                "link to its copy" | "link to a folder" => symlink(outside.join("moved"), &there).unwrap(),
                "link to nothing" => symlink(outside.join("nothing"), &there).unwrap(),
                "pipe" => assert!(Command::new("mkfifo").arg(&there).status().unwrap().success()),
                "socket" => drop(UnixListener::bind(&there).unwrap()),
                // It gives zeros for ever. Not everybody may make one.
                "device" => {
                    let made = Command::new("mknod").arg(&there).args(["c", "1", "5"]).output().unwrap();
                    if !made.status.success() {
                        *tried.entry("device that cannot be made").or_insert(0) += 1;
                        continue;
                    }
                }
                "file" => fs::write(&there, "nonsense").unwrap(),
                _ => fs::create_dir(&there).unwrap(),
            }
            let before = contents(&outside);
            let start = Instant::now();
            let (given, damage) = use_in_every_way(&store, &here.path().join("copy"));
            assert!(start.elapsed() < PATIENCE, "{kind} at {place:?}: {:?}", start.elapsed());
            assert!(contents(&outside) == before, "{kind} at {place:?} changed what is outside");
            let complete = given.iter().all(|&rows| rows == whole);
            assert!(complete || damage, "{kind} at {place:?}: {given:?} of {whole} points, and nothing said");
            *tried.entry(*kind).or_insert(0) += 1;
        }
    }
    crate::note(&format!("strangers in a store: {tried:?}"));
}

/// Names of the right form whose number no file of a store can have.
#[test]
fn impossible_numbers_lose_no_row_and_stop_no_writer() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    make(&store);
    let open = || Options::new().background(false).grace(Duration::ZERO).open(&store).unwrap();
    let whole = points(&open()).unwrap();
    let uuid = "0".repeat(31) + "1";
    let folders = ["log/99999999.claim".to_string(), format!("log/99999999-{uuid}")];
    for folder in &folders {
        fs::create_dir(store.join(folder)).unwrap();
    }
    let newest =
        fs::read_dir(store.join("manifest")).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let files = [
        ("manifest/9999999999999999.json".to_string(), fs::read(newest).unwrap()),
        ("manifest/+000000000000009.json".to_string(), b"nonsense".to_vec()),
        (format!("log/99999999-{uuid}/00000001.seg"), vec![7; 4096]),
    ];
    for (name, bytes) in &files {
        fs::write(store.join(name), bytes).unwrap();
    }
    for round in 1..=3 {
        let store = open();
        let run = store.run("c").start().unwrap();
        run.log(round, &[("loss", 1.0)]).unwrap();
        run.finish().unwrap();
        store.flush().unwrap();
        store.compact().unwrap();
        assert_eq!(points(&store).unwrap(), whole + round as usize);
        store.close().unwrap();
    }
    for (name, bytes) in &files {
        assert!(fs::read(store.join(name)).unwrap() == *bytes, "{name} was changed");
    }
}

/// The files of a store in the place of those of another one.
#[test]
fn a_file_of_another_store_is_damage_and_gives_no_point_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let (sound, other) = (dir.path().join("sound"), dir.path().join("other"));
    make(&sound);
    make(&other);
    let whole = points(&Options::new().read_only(true).open(&sound).unwrap()).unwrap();
    let files = |store: &Path, folder: &str| {
        let all =
            below(store).into_iter().filter(|path| path.starts_with(folder) && store.join(path).is_file());
        all.collect::<Vec<_>>()
    };
    for folder in ["TIDALITE", "manifest", "runs", "writers", "parts", "hidden", "series", "rollups"] {
        let (to, from) = (files(&sound, folder), files(&other, folder));
        assert!(!to.is_empty(), "{folder}");
        for (to, from) in to.iter().zip(&from) {
            let here = tempfile::tempdir().unwrap();
            let store = here.path().join("store");
            copy(&sound, &store);
            fs::copy(other.join(from), store.join(to)).unwrap();
            let (given, damage) = use_in_every_way(&store, &here.path().join("copy"));
            // A series table is rebuilt, and rollups are not needed.
            assert!(damage, "{to:?}: nothing is said");
            assert!(given.iter().all(|&rows| rows <= whole), "{to:?}: {given:?} of {whole} points");
        }
    }
}

/// The tables of runs and writers of an earlier version in the place of those of a later one.
#[test]
fn another_table_of_the_same_store_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let sound = dir.path().join("sound");
    let store = Options::new().background(false).open(&sound).unwrap();
    let run = store.run("a").start().unwrap();
    run.log(0, &[("loss", 1.0)]).unwrap();
    store.flush().unwrap();
    let table = |store: &Path| {
        let all =
            below(store).into_iter().filter(|path| path.starts_with("runs") && store.join(path).is_file());
        all.collect::<Vec<_>>()
    };
    let [earlier] = &table(&sound)[..] else { panic!("one table") };
    let bytes = fs::read(sound.join(earlier)).unwrap();
    let pinned = store.snapshot().unwrap();
    run.set_tags(["late"], [""; 0]).unwrap();
    store.flush().unwrap();
    drop(pinned);
    store.close().unwrap();
    let later = table(&sound).into_iter().find(|path| path != earlier).unwrap();
    fs::write(sound.join(&later), bytes).unwrap();
    let reader = Options::new().read_only(true).open(&sound).unwrap();
    let e = reader.runs().unwrap_err();
    assert!(e.kind() == ErrorKind::Corrupt && e.path() == Some(&sound.join(&later)), "{e}");
    assert!(e.to_string().contains("another one of its kind"), "{e}");
}

/// A manifest that says of the log of a process that lives that more frames are flushed than it has: what it logs next would
/// be in no answer.
#[test]
fn a_living_log_that_ends_before_what_is_flushed_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = Options::new().background(false).open(&path).unwrap();
    let run = store.run("a").start().unwrap();
    for step in 0..ROWS {
        run.log(step, &[("loss", 1.0)]).unwrap();
    }
    store.flush().unwrap();
    let reader = || Options::new().background(false).read_only(true).open(&path).unwrap();
    run.log(ROWS, &[("loss", 1.0)]).unwrap();
    assert!(reader().verify().unwrap().is_sound() && points(&reader()).unwrap() as i64 == ROWS + 1);
    let newest =
        below(&path).into_iter().rfind(|file| file.starts_with("manifest") && path.join(file).is_file());
    let newest = path.join(newest.unwrap());
    let (kind, text) = tidalite_testkit::sealed_text(&fs::read(&newest).unwrap()).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let flushed = manifest["writers"][0]["flushed"].as_u64().unwrap();
    manifest["writers"][0]["flushed"] = (flushed + 10).into();
    fs::write(&newest, tidalite_testkit::seal(&kind, manifest.to_string().as_bytes())).unwrap();
    let segment =
        below(&path).into_iter().rfind(|file| file.extension().is_some_and(|e| e == "seg")).unwrap();
    let segment = path.join(segment);
    for store in [&reader(), &store] {
        let e = points(store).unwrap_err();
        assert!(e.kind() == ErrorKind::Corrupt && e.path() == Some(&segment), "{e}");
        let report = store.verify().unwrap();
        assert!(report.findings.iter().any(|f| f.kind.is_damage() && f.path == segment), "{report:?}");
        let found = store.snapshot().unwrap().damage();
        assert!(found.iter().any(|f| f.path == segment), "{found:?}");
    }
}

/// All manifests are gone. A new one would name nothing, and what it does not name is deleted.
#[test]
fn a_store_without_any_manifest_is_damage_and_keeps_its_files() {
    for whole_folder in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        make(&path);
        fs::remove_dir_all(path.join("manifest")).unwrap();
        if !whole_folder {
            fs::create_dir(path.join("manifest")).unwrap();
        }
        let before = contents(&path);
        for read_only in [false, true] {
            let e = Options::new().background(false).read_only(read_only).open(&path).unwrap_err();
            assert!(e.to_string().contains("manifest"), "{e}");
            assert!(read_only || e.kind() == ErrorKind::Corrupt, "{e}");
        }
        assert!(contents(&path) == before, "nothing is deleted");
    }
}
