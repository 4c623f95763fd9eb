//! A file that is as long as a disk image and holds nothing, or what it held before and then nothing: in the place of any file
//! of a store, it costs little memory and few bytes to read.

use super::strangers::{below, copy, large_batch, make, points};
use crate::counted::CountingVfs;
use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidalite::{Options, Store};
use tidalite_vfs::{RealVfs, Vfs};

const SPARSE_BYTES: u64 = 1 << 30;
/// The most that opening, reading and verifying a store with such a file may read.
const READ_BYTES_MAX: u64 = 64 << 20;
/// The kinds of file that a store has: those that lie in these folders, and those of these names.
const KINDS: [&str; 12] = [
    "TIDALITE",
    "lock",
    "manifest",
    "parts",
    "hidden",
    "series",
    "rollups",
    "runs",
    "writers",
    "log/lock",
    "log/seg",
    "log/parquet",
];

/// The kind of a file of a store.
fn kind(place: &Path) -> String {
    let first = place.components().next().unwrap().as_os_str().to_str().unwrap();
    match first {
        "log" => format!("log/{}", place.extension().map_or("lock", |e| e.to_str().unwrap())),
        other => other.to_string(),
    }
}

/// Opens, reads and verifies a store, as a reader and as a writer do.
fn used(vfs: Arc<dyn Vfs>, path: &Path) -> tidalite::Result<usize> {
    let reader = Options::new().background(false).read_only(true).vfs(vfs);
    let store: Store = reader.open(path)?;
    let rows = points(&store)?;
    let _ = (store.stats(), store.verify());
    Ok(rows)
}

/// Whether the file system says where a file has holes.
fn tells_holes(folder: &Path) -> bool {
    let file = fs::File::create(folder.join("probe")).unwrap();
    file.set_len(SPARSE_BYTES).unwrap();
    // SAFETY: the descriptor is open until the call returns.
    unsafe { libc::lseek(file.as_raw_fd(), 0, libc::SEEK_DATA) == -1 }
}

#[test]
fn a_sparse_file_in_any_place_costs_little_memory_and_few_bytes_to_read() {
    let dir = tempfile::tempdir().unwrap();
    let sound = dir.path().join("sound");
    make(&sound);
    {
        let store = Options::new().background(false).open(&sound).unwrap();
        store.append(&large_batch()).unwrap();
        store.run("x").start().unwrap();
        // As a process that is killed: its log is not closed.
        let killed = dir.path().join("killed");
        copy(&sound, &killed);
        drop(store);
        fs::rename(&killed, dir.path().join("base")).unwrap();
    }
    let sound = dir.path().join("base");
    let counting = Arc::new(CountingVfs::new(Arc::new(RealVfs::new())));
    let whole = used(counting.clone(), &sound).unwrap();
    let bytes_whole = counting.take_read();
    let tells = tells_holes(dir.path());
    let (mut slowest, mut most, mut kinds) = (Duration::ZERO, (0, String::new()), BTreeSet::new());
    let mut tried = 0;
    for place in below(&sound).into_iter().filter(|place| sound.join(place).is_file()) {
        for keeps in [false, true] {
            let here = tempfile::tempdir().unwrap();
            let store = here.path().join("store");
            copy(&sound, &store);
            let file = fs::File::options().write(true).open(store.join(&place)).unwrap();
            file.set_len(if keeps { file.metadata().unwrap().len() } else { 0 }).unwrap();
            file.set_len(SPARSE_BYTES).unwrap();
            let start = Instant::now();
            let given = used(counting.clone(), &store);
            slowest = slowest.max(start.elapsed());
            let read = counting.take_read();
            most = most.max((read, format!("{place:?}")));
            assert!(!tells || read <= READ_BYTES_MAX, "{place:?}, keeps: {keeps}: {read} bytes were read");
            // The last segments of a writer that is gone are zeros as after a crash.
            let is_end = !keeps && place.extension().is_some_and(|e| e == "seg");
            let complete = given.as_ref().is_ok_and(|rows| *rows == whole);
            assert!(given.is_err() || complete || is_end, "{place:?}, keeps: {keeps}");
            kinds.insert(kind(&place));
            tried += 1;
        }
    }
    let missing: Vec<&str> = KINDS.into_iter().filter(|kind| !kinds.contains(*kind)).collect();
    assert!(missing.is_empty(), "no file of these kinds was tried: {missing:?}, but {kinds:?}");
    let largest = crate::allocation::largest();
    assert!(largest <= super::ALLOCATION_MAX, "{largest} bytes were allocated at once");
    crate::note(&format!(
        "sparse files of 1 GiB: {tried} places of {} kinds, at most {most:?} bytes were read, of {bytes_whole} without, \
         the slowest took {slowest:?}; holes are told: {tells}",
        kinds.len()
    ));
}
