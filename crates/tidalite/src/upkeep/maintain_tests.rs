//! When background work is due, and what it does: the worker's turns, called one by one on a simulated disk.

use super::collect::{Grace, collect};
use super::compact::compact_all;
use super::maintain::Turns;
use super::pending::Round;
use super::policy::Policy;
use crate::engine::options::Options;
use crate::engine::room::JobRoom;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::engine::store_lock;
use crate::files::manifest;
use crate::{Run, Thin};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidalite_model::ErrorKind;
use tidalite_query::Repeats;
use tidalite_vfs::{LockMode, SimVfs};

const SECOND_US: i64 = 1_000_000;

struct Process {
    store: Store,
    run: Option<Run>,
    turns: Turns,
}

impl Process {
    fn open(options: &Options) -> Process {
        Process { store: options.clone().open("/store").unwrap(), run: None, turns: Turns::default() }
    }

    fn state(&self) -> &Arc<StoreState> {
        self.store.state().unwrap()
    }

    /// Logs rows of two values at steps from 0 on.
    fn log(&mut self, rows: i64) {
        let run = self.run.get_or_insert_with(|| self.store.run("r").start().unwrap());
        for step in 0..rows {
            run.log(step, &[("a", 1.0), ("b", 2.0)]).unwrap();
        }
    }

    fn turn(&mut self) -> Round {
        let state = self.store.state().unwrap().clone();
        self.turns.look_and_work(&state).unwrap()
    }

    fn version(&self) -> u64 {
        let state = self.state();
        manifest::latest(&*state.vfs, &state.paths).unwrap().manifest.version
    }

    fn folders(&self) -> usize {
        self.state().vfs.read_dir(&self.state().paths.log()).unwrap().len()
    }

    fn points(&self) -> usize {
        self.store.select().repeats(Repeats::All).points().unwrap().collect().unwrap().num_rows()
    }
}

fn disk() -> (SimVfs, Options) {
    let disk = SimVfs::new(1);
    let options = Options::new().background(false).threads(1).segment_bytes(4096, 64 << 10);
    (disk.clone(), options.flush_bytes(64 << 10).vfs(Arc::new(disk)))
}

#[test]
fn thirty_writers_publish_about_one_version_a_minute() {
    let (disk, options) = disk();
    let mut writers: Vec<Process> = (0..30).map(|_| Process::open(&options)).collect();
    let before = writers[0].version();
    for _ in 0..36 {
        disk.advance(5 * SECOND_US);
        for writer in &mut writers {
            writer.log(1);
            writer.turn();
        }
    }
    let published = writers[0].version() - before;
    assert!((2..=4).contains(&published), "{published} versions in three minutes");
    assert_eq!(writers[0].points(), 30 * 36 * 2);
}

#[test]
fn a_flush_that_has_much_to_do_gives_compaction_a_turn() {
    let (_, options) = disk();
    let options = options.memory_bytes(16 << 20).flush_bytes(32 << 20).segment_bytes(1 << 20, 4 << 20);
    let mut process = Process::open(&options);
    let run = process.store.run("wide").start().unwrap();
    let names: Vec<String> = (0..200).map(|i| format!("m{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let columns = run.columns(&names).unwrap();
    // 32 rounds of about 1.4 MB, and 98 MB of rows.
    for step in 0..60_000 {
        columns.log(step, &[0.5; 200]).unwrap();
    }
    assert_eq!(process.turn(), Round::Flush);
    let stats = process.store.stats().unwrap();
    assert!(stats.log_points > 0, "all rounds were done at once");
    assert!(stats.parts < 16, "{} parts are left", stats.parts);
    // What the first turn left is still due.
    while process.turn() == Round::Flush {}
    let stats = process.store.stats().unwrap();
    assert_eq!((stats.log_points, stats.points), (0, 60_000 * 200));
}

#[test]
fn what_all_writers_logged_counts_and_not_what_one_did() {
    let (_, options) = disk();
    let mut writers: Vec<Process> = (0..4).map(|_| Process::open(&options)).collect();
    for (i, writer) in writers.iter_mut().enumerate() {
        assert_eq!(writer.turn(), Round::Nothing, "before writer {i} logs");
        writer.log(400);
    }
    assert_eq!(writers[3].turn(), Round::Flush, "four times 20 KB are more than 64");
    assert_eq!(writers[0].turn(), Round::Nothing, "another process has just flushed them");
}

#[test]
fn the_log_of_a_dead_writer_is_flushed_by_a_process_that_only_opens_the_store() {
    let (disk, options) = disk();
    let mut dead = Process::open(&options);
    dead.log(2000);
    drop(dead);
    let disk = disk.kill();
    let mut other = Process::open(&options.vfs(Arc::new(disk)));
    assert_eq!(other.turn(), Round::Flush);
    assert_eq!((other.folders(), other.points()), (0, 4000), "its folder goes with its last frame");
    assert_eq!(other.turn(), Round::Nothing);
}

#[test]
fn a_dead_writer_that_logged_little_is_flushed_by_the_age_of_the_newest_version() {
    let (disk, options) = disk();
    let mut dead = Process::open(&options);
    dead.log(1);
    drop(dead);
    let mut other = Process::open(&options);
    assert_eq!(other.turn(), Round::Nothing);
    disk.advance(59 * SECOND_US);
    assert_eq!(other.turn(), Round::Nothing);
    disk.advance(SECOND_US);
    assert_eq!(other.turn(), Round::Flush);
    assert_eq!(other.folders(), 0);
}

#[test]
fn sixteen_dead_writers_are_worth_a_flush_whatever_they_logged() {
    let (_, options) = disk();
    let mut other = Process::open(&options);
    for i in 0..16 {
        assert_eq!(other.turn(), Round::Nothing, "{i} dead writers");
        Process::open(&options).log(1);
    }
    assert_eq!(other.turn(), Round::Flush);
    assert_eq!(other.folders(), 0);
}

#[test]
fn marks_of_a_living_writer_are_not_worth_a_version() {
    let (disk, options) = disk();
    let (mut writer, mut other) = (Process::open(&options), Process::open(&options));
    writer.log(3);
    disk.advance(61 * SECOND_US);
    assert_eq!(other.turn(), Round::Flush);
    writer.store.sync().unwrap();
    let version = other.version();
    for _ in 0..3 {
        disk.advance(61 * SECOND_US);
        other.turn();
    }
    assert_eq!(other.version(), version);
    assert_eq!(other.turn(), Round::Nothing, "what was left is not looked at for ever");
    writer.log(1);
    disk.advance(61 * SECOND_US);
    assert_eq!(other.turn(), Round::Flush, "a row is");
    assert!(other.version() > version);
}

#[test]
fn a_torn_tail_does_not_make_work_for_ever() {
    let (disk, options) = disk();
    let mut dead = Process::open(&options);
    dead.log(2000);
    // No sync: the ends of the segments may be as written, and the rows lost.
    let torn = disk.crash(tidalite_vfs::Survive::Random(7));
    let mut other = Process::open(&options.vfs(Arc::new(torn.clone())));
    for _ in 0..3 {
        torn.advance(61 * SECOND_US);
        other.turn();
    }
    let version = other.version();
    torn.advance(61 * SECOND_US);
    assert_eq!((other.turn(), other.version()), (Round::Nothing, version));
}

#[test]
fn flushed_logs_go_within_the_grace_time_unless_a_snapshot_needs_them() {
    let (disk, options) = disk();
    let mut dead = Process::open(&options);
    dead.log(2000);
    drop(dead);
    let disk = disk.kill();
    let options = options.grace(Duration::from_secs(3600)).vfs(Arc::new(disk));
    let reader = Process::open(&options);
    let snapshot = reader.store.snapshot().unwrap();
    let mut other = Process::open(&options);
    assert_eq!(other.turn(), Round::Flush);
    assert_eq!(other.folders(), 1, "the snapshot reads it");
    let rows = snapshot.select().points().unwrap().collect().unwrap().num_rows();
    assert_eq!(rows, 4000);
    drop(snapshot);
    drop(reader);
    other.store.flush().unwrap();
    assert_eq!(other.folders(), 0);
}

/// A store of one part that was made of three in the background just now, and a way to count the files of parts.
fn compacted(options: &Options) -> (Process, impl Fn() -> usize) {
    let mut process = Process::open(options);
    for _ in 0..3 {
        process.log(100);
        process.store.flush().unwrap();
    }
    let state = process.state().clone();
    {
        let _lock = store_lock::lock(&state, "test").unwrap();
        let go = |_, _| ControlFlow::Continue(());
        compact_all(&state, Policy::All, &JobRoom::by_hand(&state).unwrap(), &go).unwrap();
        collect(&state, Grace::All).unwrap();
    }
    (process, move || state.vfs.read_dir(&state.paths.parts()).unwrap().len())
}

#[test]
fn a_flush_keeps_the_files_of_replaced_parts_for_the_grace_time() {
    let (disk, options) = disk();
    let (mut process, files) = compacted(&options);
    assert_eq!(files(), 4);
    process.log(5);
    process.store.flush().unwrap();
    assert_eq!(files(), 5, "another program may still read the three that were merged");
    let stats = process.store.stats().unwrap();
    assert!(stats.replaced_bytes > stats.parts_bytes && stats.bytes() == process.store.bytes().unwrap());
    disk.advance(61 * SECOND_US);
    process.store.flush().unwrap();
    assert_eq!((files(), process.store.stats().unwrap().replaced_bytes), (2, 0));
}

#[test]
fn a_thinning_keeps_what_others_replaced_and_a_compaction_by_hand_nothing() {
    let (_, options) = disk();
    let (mut process, files) = compacted(&options);
    process.run.take().unwrap().finish().unwrap();
    let thinned = process.store.thin(&Thin::new().matching("*").buckets(2)).unwrap();
    assert!(thinned.series > 0);
    assert_eq!(files(), 4, "the part that was thinned is gone, the three merged before are not");
    process.store.compact().unwrap();
    assert_eq!(files(), 1);
}

#[test]
fn versions_whose_parts_all_stay_do_not_wait_for_the_grace_time() {
    let (_, options) = disk();
    let mut process = Process::open(&options);
    for _ in 0..20 {
        process.log(1);
        process.store.flush().unwrap();
    }
    let state = process.state();
    assert_eq!(manifest::versions(&*state.vfs, &state.paths).unwrap().len(), 1);
}

#[test]
fn one_flushes_at_a_time_and_is_named_to_others() {
    let (_, options) = disk();
    let mut writer = Process::open(&options);
    writer.log(2000);
    let other = Process::open(&options);
    let mut turns = Turns::default();
    let told = std::cell::RefCell::new(Vec::new());
    writer
        .store
        .flush_with(&|_| {
            told.borrow_mut().push(turns_busy(&other));
            ControlFlow::Continue(())
        })
        .unwrap();
    let told = told.into_inner();
    let host = other.state().vfs.host();
    let pid = other.state().vfs.pid();
    assert!(!told.is_empty());
    for text in told {
        assert!(text.contains(&format!("process {pid} on host {host} has held the store's lock")), "{text}");
        assert!(text.contains("to flush"), "{text}");
    }
    assert_eq!(turns.look_and_work(other.state()).unwrap(), Round::Nothing);
    let text = other.state().vfs.open(&other.state().paths.lock()).unwrap().len().unwrap();
    assert_eq!(text, 0, "nobody holds it now");
}

fn turns_busy(process: &Process) -> String {
    let error = Turns::default().look_and_work(process.state()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    error.to_string()
}

#[test]
fn waiting_for_the_lock_ends_when_its_caller_says_so_or_the_holder_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new().background(false);
    let store = options.open(dir.path().join("s")).unwrap();
    let state = store.state().unwrap();
    let lock = state.vfs.lock(&state.paths.lock(), LockMode::Exclusive).unwrap().unwrap();
    let ended = store_lock::lock_waiting(state, "flush", &|| ControlFlow::Break(())).unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::Cancelled);
    if !Path::new("/proc/self/stat").exists() {
        return;
    }
    let mut stopped = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    let pid = stopped.id();
    let kill = |signal: &str| {
        std::process::Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    };
    kill("-STOP");
    let (host, machine) = (state.vfs.host(), state.vfs.machine());
    let text =
        format!(r#"{{"pid":{pid},"host":"{host}","machine":"{machine}","since_us":0,"doing":"compact"}}"#);
    lock.write(text.as_bytes()).unwrap();
    let busy = store_lock::lock_waiting(state, "flush", &|| ControlFlow::Continue(())).unwrap_err();
    kill("-CONT");
    stopped.kill().unwrap();
    stopped.wait().unwrap();
    assert_eq!(busy.kind(), ErrorKind::Busy);
    let told = busy.to_string();
    assert!(told.contains(&format!("process {pid} on host {host}")) && told.contains("is stopped"), "{told}");
    assert!(told.contains(&format!("kill -CONT {pid}")), "{told}");
}
