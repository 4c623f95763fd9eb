//! Rounds of a flush, of logs whose files go meanwhile.

use super::flush_batch::LogReaders;
use crate::engine::options::Options;
use crate::engine::store::Store;
use crate::files::manifest;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tidalite_model::ErrorKind;
use tidalite_vfs::{SimVfs, Vfs};

/// What happens before the access with a number, once.
type DueMeanwhile = Arc<Mutex<Option<(u64, Box<dyn FnOnce() + Send>)>>>;

/// A disk on which something can happen between two accesses.
struct BusyDisk {
    disk: SimVfs,
    accesses: Arc<AtomicU64>,
    due: DueMeanwhile,
}

impl BusyDisk {
    fn new() -> Self {
        let (accesses, due) = (Arc::new(AtomicU64::new(0)), DueMeanwhile::default());
        let disk = SimVfs::scheduled(1, {
            let (accesses, due) = (accesses.clone(), due.clone());
            move || {
                let now = accesses.fetch_add(1, Ordering::Relaxed);
                let happens =
                    due.lock().unwrap_or_else(PoisonError::into_inner).take_if(|(at, _)| *at <= now);
                if let Some((_, happens)) = happens {
                    happens();
                }
            }
        });
        BusyDisk { disk, accesses, due }
    }

    fn open(&self) -> Store {
        let options = Options::new().background(false).threads(1).segment_bytes(4096, 4096);
        options.vfs(Arc::new(self.disk.clone())).open("/store").unwrap()
    }

    /// Before the access that comes `after` others.
    fn before(&self, after: u64, happens: impl FnOnce() + Send + 'static) {
        let at = self.accesses.load(Ordering::Relaxed) + after;
        *self.due.lock().unwrap() = Some((at, Box::new(happens)));
    }
}

fn log(store: &Store, id: &str, rows: i64) {
    let run = store.run(id).start().unwrap();
    for step in 0..rows {
        run.log(step, &[("x", 1.0)]).unwrap();
    }
}

/// Removes the folders of all writers but the last one, as a collection does.
fn remove_earlier(disk: &SimVfs) {
    let mut writers = tidalite_log::writers(disk, Path::new("/store/log")).unwrap();
    writers.pop();
    for dir in writers {
        for name in disk.read_dir(&dir.path).unwrap() {
            disk.remove(&dir.path.join(name)).unwrap();
        }
        disk.remove_dir(&dir.path).unwrap();
    }
}

/// A round with room for few rows, of the log of a dead writer and that of a living one. Returns in how many rounds the dead
/// one's was taken, and in how many it was gone before.
fn rounds(deletes: bool) -> (u32, u32) {
    let (mut taken, mut gone) = (0, 0);
    for after in 0..60 {
        let busy = BusyDisk::new();
        let dead = busy.open();
        log(&dead, "dead", 50);
        dead.close().unwrap();
        let store = busy.open();
        log(&store, "living", 150);
        if deletes {
            log(&store, "other", 1);
            store.delete_run("other").unwrap();
        }
        let state = store.state().unwrap();
        let living = state.log().unwrap().writer();
        let version = manifest::latest(&*state.vfs, &state.paths).unwrap().manifest;
        let mut logs = LogReaders::new(state, 6_000);
        let disk = busy.disk.clone();
        busy.before(after, move || remove_earlier(&disk));
        match logs.take(&version) {
            Ok(batch) => {
                let of_dead = batch.tails.iter().filter(|tail| tail.dir.writer != living).count();
                taken += u32::from(of_dead > 0);
                gone += u32::from(of_dead == 0);
                assert_eq!(batch.tails[0].dir.writer == living, deletes || of_dead == 0, "after {after}");
                let whole = batch.tails.iter().filter(|tail| tail.dir.writer != living);
                assert!(whole.clone().all(|tail| tail.data.point_count() == 50), "after {after}");
            }
            Err(e) => assert_eq!(e.kind(), ErrorKind::NotFound, "after {after}: {e}"),
        }
        // Nothing of the living writer is lost.
        let seen = store.select().run("living").points().unwrap().collect().unwrap();
        assert_eq!(seen.num_rows(), 150, "after {after}");
    }
    (taken, gone)
}

#[test]
fn a_log_that_goes_while_a_round_is_taken_ends_no_flush_and_harms_no_other_log() {
    let (taken, gone) = rounds(false);
    assert!(taken > 0 && gone > 0, "{taken} {gone}");
}

#[test]
fn the_same_holds_while_logs_are_searched_for_deletions() {
    // The log with the deletion comes first, and leaves no room.
    let (taken, gone) = rounds(true);
    assert!(taken == 0 && gone > 0, "{taken} {gone}");
}
