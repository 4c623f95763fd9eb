//! A power cut of a real file system loses nothing durable and leaves whole prefixes (T2).
//!
//! Method: a process writes a store on ext4 or XFS, on a loop device, on a disk that records each write and each flush
//! (`disk.rs`). Then the power is cut before each of many requests: what was flushed is there, of the rest a part (`tape.rs`).
//! Each state is mounted, so that the file system replays its journal, and the store is read, verified, and written again. A row
//! counts as durable once the process has said so. A disk that ignores flushes has to lose some: else this test could not fail.

mod disk;
mod tape;

use crate::kill::steps_by_rank;
use crate::process::{Player, say};
use crate::{factor, note};
use disk::RecordingDisk;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tape::{Cuts, Survivors, Tape};
use tempfile::TempDir;
use tidalite::{Durability, Options, Store};
use tidalite_testkit::{Random, sound};

const DISK_BYTES: usize = 24 << 20;
const ROWS: i64 = 240;
/// Every so many rows the writer flushes, or compacts, or syncs where rows are not durable by themselves.
const FLUSH_ROWS: i64 = 40;
const COMPACT_ROWS: i64 = 120;
const SYNC_ROWS: i64 = 16;
/// States of one recording in the short run; a long run has more.
const STATES: usize = 64;
/// Recordings of each level in a long run.
const LONG_RECORDINGS: usize = 8;
/// Every so many states are written to as well.
const WRITTEN_NTH: usize = 5;

fn options(level: &str) -> Options {
    let durability =
        if level == "row" { Durability::Row } else { Durability::Interval(Duration::from_millis(20)) };
    Options::new().threads(1).segment_bytes(4096, 64 << 10).durability(durability)
}

/// Logs rows and says which are durable. The argument is the level.
pub(crate) fn writer(path: &Path, level: &str) {
    let store = options(level).open(path).unwrap();
    let run = store.run("r").label("rank", "0").start().unwrap();
    for step in 0..ROWS {
        run.log(step, &[("up", step as f64), ("down", -step as f64)]).unwrap();
        if level == "row" {
            say(step);
        } else if step % SYNC_ROWS == SYNC_ROWS - 1 {
            store.sync().unwrap();
            say(step);
        }
        if step % COMPACT_ROWS == COMPACT_ROWS - 1 {
            store.compact().unwrap();
        } else if step % FLUSH_ROWS == FLUSH_ROWS - 1 {
            store.flush().unwrap();
        }
    }
    run.finish().unwrap();
    store.close().unwrap();
}

/// The kind of a file system.
#[derive(Debug, Clone, Copy)]
enum CutFileSystem {
    Ext4,
    Xfs,
}

impl CutFileSystem {
    fn name(self) -> &'static str {
        match self {
            CutFileSystem::Ext4 => "ext4",
            CutFileSystem::Xfs => "xfs",
        }
    }

    fn mount_options(self) -> &'static str {
        match self {
            CutFileSystem::Ext4 => "loop",
            // The states of one disk have one UUID, which else only one mounted XFS may have.
            CutFileSystem::Xfs => "loop,nouuid",
        }
    }

    /// The content of a disk with an empty file system.
    fn formatted(self) -> Result<Vec<u8>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(DISK_BYTES as u64).unwrap();
        let mut command = Command::new(format!("mkfs.{}", self.name()));
        match self {
            CutFileSystem::Ext4 => {
                let lazy = "nodiscard,lazy_itable_init=0,lazy_journal_init=0";
                command.args(["-q", "-F", "-m", "0", "-J", "size=4", "-E", lazy])
            }
            // A disk of less than 300 MiB is not supported, which is fit for tests.
            CutFileSystem::Xfs => command.args(["--unsupported", "-q", "-f", "-K", "-d", "agcount=1"]),
        };
        run(command.arg(file.path()))?;
        Ok(std::fs::read(file.path()).unwrap())
    }
}

/// A file system that is mounted while this value lives.
struct MountedDisk(TempDir);

impl MountedDisk {
    /// Mounts the file system of a file by a loop device.
    fn new(file: &Path, kind: CutFileSystem) -> Result<MountedDisk, String> {
        let at = tempfile::tempdir().unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", kind.name(), "-o", kind.mount_options()]);
        run(command.arg(file).arg(at.path()))?;
        Ok(MountedDisk(at))
    }

    fn store(&self) -> PathBuf {
        self.0.path().join("store")
    }
}

impl Drop for MountedDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let out = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    let said = || String::from_utf8_lossy(&out.stderr).into_owned();
    if out.status.success() { Ok(()) } else { Err(format!("{command:?}: {}", said())) }
}

/// What a writer wrote to its disk, and what it said.
struct Recording {
    file_system: CutFileSystem,
    tape: Tape,
    /// For each line: how many requests the disk had had when it was heard, and how many rows were durable then.
    durable: Vec<(usize, usize)>,
}

impl Recording {
    fn new(file_system: CutFileSystem, level: &str) -> Result<Recording, String> {
        let disk = RecordingDisk::new(file_system.formatted()?)?;
        let mounted = MountedDisk::new(&disk.file(), file_system)?;
        let writer = Player::start("power cut writer", &mounted.store(), level);
        let mut durable = Vec::new();
        while let Some(line) = writer.line() {
            durable.push((disk.requests(), line.parse::<usize>().unwrap() + 1));
        }
        writer.end();
        drop(mounted);
        let tape = disk.take_tape();
        Ok(Recording { file_system, tape, durable })
    }

    /// The rows that were durable before the request at `cut`.
    fn durable_before(&self, cut: usize) -> usize {
        self.durable.iter().take_while(|(requests, _)| *requests <= cut).last().map_or(0, |(_, rows)| *rows)
    }

    /// Cuts the power in this many states and checks each. Returns how many went wrong and the first of them; and how often rows
    /// were lost that were accepted only.
    fn cut(&self, states: usize, flushes: bool, random: &mut Random) -> CutOutcome {
        let mut outcome = CutOutcome::default();
        let mut cuts = Cuts::new(&self.tape, flushes);
        let all = self.tape.requests.len();
        // Memory where there is a file system of it, since each state is a file.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let folder = folder.unwrap();
        let file = folder.path().join("state");
        for i in 0..states {
            let cut = (i * all + random.below(all as u64) as usize) / states;
            let survivors = Survivors::ALL[random.below(3) as usize];
            std::fs::write(&file, cuts.state(cut.min(all), survivors, random)).unwrap();
            let durable = self.durable_before(cut);
            let checked = MountedDisk::new(&file, self.file_system)
                .and_then(|m| check(&m.store(), durable, i % WRITTEN_NTH == 0));
            match checked {
                Ok(rows) => outcome.rows += rows,
                Err(e) => {
                    outcome.wrong += 1;
                    outcome.first.get_or_insert_with(|| {
                        format!("cut before request {cut} of {all}, {survivors:?} of the rest: {e}")
                    });
                }
            }
        }
        outcome
    }
}

#[derive(Default)]
struct CutOutcome {
    wrong: usize,
    first: Option<String>,
    /// Rows found in all states together.
    rows: usize,
}

/// Reads a store after a power cut, and writes to it if wanted. Returns its rows.
fn check(path: &Path, durable: usize, written: bool) -> Result<usize, String> {
    if !path.join("TIDALITE").exists() {
        return if durable == 0 { Ok(0) } else { Err(format!("{durable} durable rows and no store")) };
    }
    let reader = Options::new().read_only(true).open(path);
    let found = match reader {
        Ok(store) => {
            let found = rows(&store)?;
            sound(&store.verify().map_err(|e| e.to_string())?).map_err(|e| format!("{e:?}"))?;
            found
        }
        // The store was not made yet; whoever opens it for writing completes it.
        Err(_) if durable == 0 => 0,
        Err(e) => return Err(e.to_string()),
    };
    if found < durable {
        return Err(format!("{found} rows, and {durable} were durable"));
    }
    if written {
        let store = options("row").open(path).map_err(|e| e.to_string())?;
        let run = store.run("r").label("rank", "0").start().map_err(|e| e.to_string())?;
        let step = found as i64;
        run.log(step, &[("up", step as f64), ("down", -step as f64)]).map_err(|e| e.to_string())?;
        store.compact().map_err(|e| e.to_string())?;
        let now = rows(&store)?;
        store.close().map_err(|e| e.to_string())?;
        if now != found + 1 {
            return Err(format!("{found} rows, and {now} after one more was logged"));
        }
    }
    Ok(found)
}

/// The rows of the run: all from 0 on, whole, each once.
fn rows(store: &Store) -> Result<usize, String> {
    Ok(steps_by_rank(store, "r")?.get("0").copied().unwrap_or(0))
}

/// Cuts the power of disks with this file system. It is left out where there is no such file system.
fn cut_power(file_system: CutFileSystem) {
    let (name, long) = (file_system.name(), factor() > 1);
    let (recordings, states) = if long { (LONG_RECORDINGS, STATES * factor()) } else { (1, STATES) };
    let mut random = Random::new(20_261_128);
    for level in ["row", "interval"] {
        let (mut tried, mut requests, mut found) = (0, 0, 0);
        for recording in 0..recordings {
            let recording = match Recording::new(file_system, level) {
                Ok(recording) => recording,
                Err(e) if recording == 0 => {
                    note(&format!("power cuts of {name} were not tried: {e}"));
                    return;
                }
                Err(e) => panic!("{e}"),
            };
            assert!(recording.durable_before(usize::MAX) > 200, "{} lines", recording.durable.len());
            let outcome = recording.cut(states, true, &mut random);
            assert_eq!(outcome.wrong, 0, "{level}: {:?}", outcome.first);
            (tried, found) = (tried + states, found + outcome.rows);
            requests += recording.tape.requests.len();
            let lying = recording.cut(STATES / 2, false, &mut random);
            assert!(lying.wrong > 0, "{level}: a disk that ignores flushes is not noticed");
        }
        assert!(found > tried, "{level}: rows are found");
        note(&format!(
            "power cuts of {name} at {level}: {tried} states of {requests} requests, {found} rows found, none durable lost"
        ));
    }
}

#[test]
fn a_power_cut_of_ext4_loses_nothing_durable_and_leaves_whole_prefixes() {
    cut_power(CutFileSystem::Ext4);
}

#[test]
fn a_power_cut_of_xfs_loses_nothing_durable_and_leaves_whole_prefixes() {
    cut_power(CutFileSystem::Xfs);
}
