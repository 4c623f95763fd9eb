//! A file that is as long as a disk image and holds nothing, or what it held before and then nothing: in the place of any file
//! of a store, it costs little memory and few bytes to read.

use super::strangers::{below, copy, make, points};
use crate::process::{Player, say};
use crate::rollups::batch;
use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};
use tidalite::{Options, Store};

const SPARSE_BYTES: u64 = 1 << 30;
/// The most that a process may read, and by which its memory may grow, that opens, reads and verifies a store with such a file.
const COST_BYTES_MAX: u64 = 64 << 20;
/// So many rows that a batch becomes a staged part.
const BATCH_ROWS: i64 = 17_000;
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

/// Opens, reads and verifies a store, and says what that cost: the bytes that were read, those by which the memory grew, and how
/// many rows there were, or that it was refused.
pub(crate) fn reader(path: &Path) {
    let (read, memory) = (of_process("io", "rchar:"), of_process("status", "VmRSS:"));
    let used = || -> tidalite::Result<usize> {
        let store: Store = Options::new().background(false).read_only(true).open(path)?;
        let rows = points(&store)?;
        let _ = (store.stats(), store.verify());
        Ok(rows)
    };
    let rows = used().map_or_else(|_| "refused".to_string(), |rows| rows.to_string());
    let read = of_process("io", "rchar:") - read;
    let memory = of_process("status", "VmHWM:").saturating_sub(memory) << 10;
    say(format!("{read} {memory} {rows}"));
}

/// A number that the kernel tells about this process.
fn of_process(file: &str, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/self/{file}")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What a process that uses a store reads, how much memory it takes, and how many rows it finds; `None` if it is refused.
fn used(path: &Path) -> (u64, u64, Option<usize>) {
    let player = Player::start("sparse reader", path, "");
    let said = player.line().expect("the process says what it found");
    player.end();
    let words: Vec<&str> = said.split(' ').collect();
    (words[0].parse().unwrap(), words[1].parse().unwrap(), words[2].parse().ok())
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
        let rows: Vec<(i64, i64, f64)> = (0..BATCH_ROWS).map(|step| (step, step, step as f64)).collect();
        store.append(&batch("batch", "loss", &rows)).unwrap();
        store.run("x").start().unwrap();
        // As a process that is killed: its log is not closed.
        let killed = dir.path().join("killed");
        copy(&sound, &killed);
        drop(store);
        fs::rename(&killed, dir.path().join("base")).unwrap();
    }
    let sound = dir.path().join("base");
    let (bytes_whole, _, whole) = used(&sound);
    assert!(whole.is_some_and(|rows| rows > BATCH_ROWS as usize), "{whole:?}");
    let tells = tells_holes(dir.path());
    let (mut slowest, mut most, mut kinds) = (Duration::ZERO, (0, 0, String::new()), BTreeSet::new());
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
            let (read, memory, rows) = used(&store);
            slowest = slowest.max(start.elapsed());
            most = most.max((read, memory, format!("{place:?}")));
            assert!(!tells || read <= COST_BYTES_MAX, "{place:?}, keeps: {keeps}: {read} bytes were read");
            assert!(memory <= COST_BYTES_MAX, "{place:?}, keeps: {keeps}: {memory} bytes of memory");
            // The last segments of a writer that is gone are zeros as after a crash.
            let is_end = !keeps && place.extension().is_some_and(|e| e == "seg");
            assert!(
                rows.is_none() || rows == whole || is_end,
                "{place:?}, keeps: {keeps}: {rows:?} of {whole:?}"
            );
            kinds.insert(kind(&place));
            tried += 1;
        }
    }
    let missing: Vec<&str> = KINDS.into_iter().filter(|kind| !kinds.contains(*kind)).collect();
    assert!(missing.is_empty(), "no file of these kinds was tried: {missing:?}, but {kinds:?}");
    crate::note(&format!(
        "sparse files of 1 GiB: {tried} places of {} kinds, at most {most:?} bytes were read and taken, {bytes_whole} read \
         without, the slowest process took {slowest:?}; holes are told: {tells}",
        kinds.len()
    ));
}
