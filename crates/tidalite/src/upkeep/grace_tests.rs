//! How long replaced files stay, job by job: the rows of the table in `docs/durability.md`, on a simulated disk.

use super::collect::{Grace, collect};
use super::compact::compact_all;
use super::full_disk::flush_full_disk;
use super::maintain::Turns;
use super::pending::Round;
use super::policy::Policy;
use crate::engine::options::Options;
use crate::engine::room::JobRoom;
use crate::engine::store::Store;
use crate::engine::store_lock;
use crate::{Run, Thin};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use tidalite_vfs::{SimVfs, Vfs};

const SECOND_US: i64 = 1_000_000;
const PARTS: &str = "/store/parts";

/// A store of one part, which a compaction in the background has just made of three.
struct ReplacedParts {
    disk: SimVfs,
    store: Store,
    run: Run,
    /// The files that were replaced.
    old: BTreeSet<String>,
    /// The file that is live.
    live: String,
}

fn options(disk: &SimVfs) -> Options {
    let options = Options::new().background(false).threads(1).segment_bytes(4096, 64 << 10);
    options.flush_bytes(64 << 10).vfs(Arc::new(disk.clone()))
}

impl ReplacedParts {
    fn new() -> Self {
        let disk = SimVfs::new(1);
        let store = options(&disk).open("/store").unwrap();
        let run = store.run("r").start().unwrap();
        log(&run, 0);
        store.flush().unwrap();
        log(&run, 1);
        store.flush().unwrap();
        log(&run, 2);
        store.flush().unwrap();
        let old = files(&disk);
        assert_eq!(old.len(), 3);
        compact_as_in_the_background(&store);
        let live: Vec<String> = files(&disk).difference(&old).cloned().collect();
        assert_eq!(live.len(), 1);
        ReplacedParts { disk, store, run, old, live: live[0].clone() }
    }

    /// How many of the replaced files are there.
    fn old_there(&self) -> usize {
        files(&self.disk).intersection(&self.old).count()
    }

    fn live_there(&self) -> bool {
        files(&self.disk).contains(&self.live)
    }
}

fn log(run: &Run, from: i64) {
    for step in 0..100 {
        let x = (from * 100 + step) as f64;
        run.log(from * 100 + step, &[("a", x.sin()), ("b", x.cos())]).unwrap();
    }
}

fn files(disk: &SimVfs) -> BTreeSet<String> {
    disk.read_dir(Path::new(PARTS)).unwrap().into_iter().collect()
}

fn compact_as_in_the_background(store: &Store) {
    let state = store.state().unwrap();
    let _lock = store_lock::lock(state, "test").unwrap();
    let go = |_, _| ControlFlow::Continue(());
    compact_all(state, Policy::All, &JobRoom::by_hand(state).unwrap(), &go).unwrap();
    collect(state, Grace::All).unwrap();
}

type GraceJob = (&'static str, fn(&ReplacedParts));

/// The jobs that keep everything for the grace time.
const KEEPING: [GraceJob; 5] = [
    ("reopen", |of| {
        drop(of.store.reopen().unwrap());
    }),
    ("flush", |of| {
        of.store.flush().unwrap();
    }),
    ("merge", |of| {
        let other = options(&of.disk).open("/other").unwrap();
        log(&other.run("o").start().unwrap(), 0);
        other.close().unwrap();
        assert_eq!(of.store.merge("/other").unwrap().points, 200);
    }),
    ("close", |of| {
        (0..20).for_each(|round| log(&of.run, 3 + round));
        of.store.close().unwrap();
    }),
    ("the background", |of| {
        (0..20).for_each(|round| log(&of.run, 3 + round));
        assert_eq!(Turns::default().look_and_work(of.store.state().unwrap()).unwrap(), Round::Flush);
    }),
];

#[test]
fn flush_merge_close_and_the_background_keep_replaced_files_for_the_grace_time() {
    for (name, job) in KEEPING {
        let of = ReplacedParts::new();
        log(&of.run, 3);
        job(&of);
        assert!(of.old_there() == 3 && of.live_there(), "{name}");
        of.disk.advance(59 * SECOND_US);
        let later = options(&of.disk).open("/store").unwrap();
        later.flush().unwrap();
        assert_eq!(of.old_there(), 3, "{name}, within the grace time");
        // What the process itself still reads stays as well.
        let ReplacedParts { disk, store, run, old, .. } = of;
        drop((store, run));
        disk.advance(2 * SECOND_US);
        later.flush().unwrap();
        assert_eq!(files(&disk).intersection(&old).count(), 0, "{name}, after the grace time");
    }
}

#[test]
fn deletion_backup_verification_and_queries_remove_no_file() {
    let of = ReplacedParts::new();
    let before = files(&of.disk);
    of.disk.advance(3600 * SECOND_US);
    of.store.verify().unwrap();
    of.store.backup("/copy").unwrap();
    options(&of.disk).salvage("/store", "/sound", &|_, _| ControlFlow::Continue(())).unwrap();
    of.store.select().points().unwrap().collect().unwrap();
    of.store.delete_run("r").unwrap();
    assert_eq!(files(&of.disk), before);
}

#[test]
fn a_compaction_by_hand_removes_all_replaced_files_at_once() {
    let of = ReplacedParts::new();
    log(&of.run, 3);
    of.store.compact().unwrap();
    assert!(of.old_there() == 0 && !of.live_there());
    assert_eq!(files(&of.disk).len(), 1);
}

#[test]
fn a_list_of_exact_files_removes_replaced_ones_only_if_it_has_to_compact() {
    let of = ReplacedParts::new();
    drop(of.store.parquet_files().unwrap());
    assert!(of.old_there() == 3 && of.live_there(), "the live part holds exactly the visible points");
    log(&of.run, 3);
    drop(of.store.parquet_files().unwrap());
    assert!(of.old_there() == 0 && !of.live_there());
}

#[test]
fn a_store_that_is_opened_again_keeps_replaced_files() {
    let of = ReplacedParts::new();
    log(&of.run, 3);
    of.store.reopen().unwrap();
    assert!(of.old_there() == 3 && of.live_there());
}

#[test]
fn on_a_full_disk_all_replaced_files_go_at_once() {
    let of = ReplacedParts::new();
    log(&of.run, 3);
    let state = of.store.state().unwrap();
    let _lock = store_lock::lock(state, "test").unwrap();
    flush_full_disk(state, &JobRoom::by_hand(state).unwrap(), &|_| ControlFlow::Continue(())).unwrap();
    assert!(of.old_there() == 0 && of.live_there());
}

#[test]
fn what_a_snapshot_or_a_list_of_files_holds_stays_through_all_jobs() {
    let by_hand: [GraceJob; 2] = [
        ("compact", |of| {
            of.store.compact().unwrap();
        }),
        ("thin", |of| {
            of.run.clone().finish().unwrap();
            of.store.thin(&Thin::new().matching("*").buckets(2)).unwrap();
        }),
    ];
    for (name, job) in by_hand.into_iter().chain(KEEPING) {
        let of = ReplacedParts::new();
        let reader = options(&of.disk).read_only(true).open("/store").unwrap();
        let (snapshot, list) = (reader.snapshot().unwrap(), reader.parquet_files().unwrap());
        assert_eq!(list.len(), 1);
        log(&of.run, 3);
        job(&of);
        of.disk.advance(3600 * SECOND_US);
        let later = options(&of.disk).open("/store").unwrap();
        later.compact().unwrap();
        assert!(of.live_there(), "{name}");
        drop(snapshot);
        later.compact().unwrap();
        assert!(of.live_there(), "{name}: the list holds it still");
        let seen = list.snapshot().select().points().unwrap().collect().unwrap();
        assert_eq!(seen.num_rows(), 600, "{name}");
        drop((list, reader));
        later.compact().unwrap();
        assert!(!of.live_there(), "{name}: nothing holds it");
    }
}

#[test]
fn nothing_is_removed_while_the_newest_version_cannot_be_read() {
    let of = ReplacedParts::new();
    let disk = of.disk.kill();
    let folder = Path::new("/store/manifest");
    let newest = folder.join(disk.read_dir(folder).unwrap().into_iter().max().unwrap());
    disk.remove(&newest).unwrap();
    disk.create(&newest).unwrap().write_all(&[0; 100]).unwrap();
    let damaged = options(&disk).open("/store").unwrap();
    disk.advance(3600 * SECOND_US);
    // The version before lists all that was flushed, so there is nothing to do but to collect.
    damaged.flush().unwrap();
    assert!(files(&disk).contains(&of.live) && files(&disk).is_superset(&of.old));
}

#[test]
fn replaced_files_go_after_their_grace_time_however_often_others_publish() {
    let of = ReplacedParts::new();
    for round in 0..13 {
        assert_eq!(of.old_there(), if round < 12 { 3 } else { 0 }, "after {} s", 5 * round);
        of.disk.advance(5 * SECOND_US);
        log(&of.run, 3 + round);
        of.store.flush().unwrap();
    }
}
