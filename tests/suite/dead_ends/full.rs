//! A disk without any free space can be emptied by deleting runs, compacting and thinning.

use crate::failures::Mounted;
use std::fs;
use std::io::Write;
use std::path::Path;
use tidalite::{ErrorKind, Options, Store, Thin};
use tidalite_testkit::Random;

const ROWS: i64 = 60_000;

fn open(path: &Path) -> Store {
    let options =
        Options::new().background(false).threads(1).segment_bytes(256 << 10, 8 << 20).reserve_bytes(1 << 20);
    options.open(path).unwrap()
}

/// Values that do not compress.
fn log(store: &Store, id: &str, rows: i64, seed: u64) {
    let mut random = Random::new(seed);
    let run = store.run(id).start().unwrap();
    for step in 0..rows {
        run.log(step, &[("x", f64::from_bits(random.next_u64() >> 2))]).unwrap();
    }
    run.finish().unwrap();
}

fn points(store: &Store, id: &str) -> i64 {
    store.select().run(id).points().unwrap().map(|batch| batch.unwrap().num_rows() as i64).sum()
}

/// Fills the disk to the last byte.
fn fill(path: &Path) {
    let mut ballast = fs::File::options().append(true).create(true).open(path).unwrap();
    for bytes in [64 << 10, 4096, 1] {
        while ballast.write_all(&vec![1; bytes]).is_ok() {}
    }
}

fn free(path: &Path) -> u64 {
    let out = std::process::Command::new("stat").args(["-f", "-c", "%a %S"]).arg(path).output().unwrap();
    let out = String::from_utf8(out.stdout).unwrap();
    let (blocks, size) = out.trim().split_once(' ').unwrap();
    blocks.parse::<u64>().unwrap() * size.parse::<u64>().unwrap()
}

/// A store with runs in one part and rows in a log, on a disk that is full.
fn on_a_full_disk(then: impl Fn(&Path, &Path)) {
    let dir = tempfile::tempdir().unwrap();
    let Some(_mounted) = Mounted::tmpfs(dir.path(), 32 << 20) else {
        crate::note("a full disk was not emptied: mounting a tmpfs is not permitted here");
        return;
    };
    let path = dir.path().join("store");
    let store = open(&path);
    for (i, id) in ["a", "b", "c"].into_iter().enumerate() {
        log(&store, id, ROWS, i as u64);
    }
    store.compact().unwrap();
    log(&store, "d", ROWS, 9);
    store.close().unwrap();
    fill(&dir.path().join("ballast"));
    assert_eq!(free(dir.path()), 0);
    then(&path, dir.path());
}

#[test]
fn runs_are_deleted_and_their_space_is_freed_where_no_byte_is_free() {
    on_a_full_disk(|path, disk| {
        let store = open(path);
        assert_eq!(store.flush().unwrap_err().kind(), ErrorKind::Full);
        store.delete_run("a").unwrap();
        store.delete_run("b").unwrap();
        let stats = store.compact().unwrap();
        assert_eq!(stats.dropped, 2 * ROWS as u64);
        assert!(free(disk) >= 1 << 20, "{} bytes are free", free(disk));
        assert_eq!((points(&store, "c"), points(&store, "d")), (ROWS, ROWS));
        assert!(store.verify().unwrap().is_sound());
        // The reserve is there again, and rows are accepted.
        assert!(path.join("reserve").metadata().unwrap().len() >= 1 << 20);
        log(&store, "e", 100, 5);
    });
}

#[test]
fn a_writer_that_a_full_disk_stopped_deletes_and_goes_on() {
    on_a_full_disk(|path, disk| {
        fs::remove_file(disk.join("ballast")).unwrap();
        let store = open(path);
        let run = store.run("living").start().unwrap();
        run.log(0, &[("x", 1.0)]).unwrap();
        fill(&disk.join("ballast"));
        let mut logged = 1;
        let e = loop {
            match run.log(logged, &[("x", 1.0)]) {
                Ok(_) => logged += 1,
                Err(e) => break e,
            }
        };
        assert_eq!(e.kind(), ErrorKind::Full, "{e}");
        store.delete_run("d").unwrap();
        store.delete_run("a").unwrap();
        store.compact().unwrap();
        assert!(free(disk) > 0);
        run.log(logged, &[("x", 1.0)]).unwrap();
        assert_eq!((points(&store, "living"), points(&store, "b")), (logged + 1, ROWS));
    });
}

#[test]
fn a_thinning_frees_space_where_no_byte_is_free() {
    on_a_full_disk(|path, disk| {
        let store = open(path);
        let thinned = store.thin(&Thin::new().run("a").run("b").run("c").run("d").buckets(100)).unwrap();
        assert!(thinned.series == 4 && free(disk) >= 1 << 20, "{thinned:?}, {} bytes are free", free(disk));
        assert_eq!(store.select().run("a").summaries().unwrap()[0].1.count, ROWS as u64);
    });
}
