//! A writer that is looked at while it begins: it has a folder, and no lock or no segment yet. Whoever looked then must
//! not take it for one that is gone, of which nothing more is read.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tidalite::{Follow, Options, Status, Store};
use tidalite_testkit::STORE;
use tidalite_vfs::{SimVfs, Vfs};

/// More than a writer that begins and logs a row takes.
const STEPS_MAX: i64 = 400;
const NEVER: i64 = -1;

fn rows(store: &Store) -> usize {
    store.select().points().unwrap().collect().unwrap().num_rows()
}

/// A reader that takes a snapshot, and polls a follower, when the disk is used for the `at`th time.
#[derive(Default)]
struct Looker {
    reader: OnceLock<Store>,
    follower: Mutex<Option<Follow>>,
    /// The rows that the follower has got.
    followed: AtomicI64,
    left: AtomicI64,
}

impl Looker {
    fn before(&self) {
        // What it does itself does not count.
        if self.left.load(Ordering::Relaxed) == NEVER || self.left.fetch_sub(1, Ordering::Relaxed) > 0 {
            return;
        }
        self.left.store(NEVER, Ordering::Relaxed);
        if let Some(reader) = self.reader.get() {
            reader.snapshot().unwrap();
            self.poll();
        }
    }

    fn poll(&self) {
        let batches = self.follower.lock().unwrap().as_mut().unwrap().poll().unwrap();
        let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        self.followed.fetch_add(rows as i64, Ordering::Relaxed);
    }
}

/// Whether there was a step at which the reader looked.
fn looked_at(step: i64) -> bool {
    let looker = Arc::new(Looker { left: AtomicI64::new(NEVER), ..Looker::default() });
    let hook = looker.clone();
    let disk = SimVfs::scheduled(1, move || hook.before());
    disk.create_dir(std::path::Path::new(STORE).parent().unwrap()).unwrap();
    let open = |read_only: bool| {
        let options = Options::new().background(false).threads(1).read_only(read_only);
        options.vfs(Arc::new(disk.clone())).open(STORE).unwrap()
    };
    open(false).close().unwrap();
    looker.reader.set(open(true)).unwrap();
    let follower = looker.reader.get().unwrap().select().follow().unwrap();
    *looker.follower.lock().unwrap() = Some(follower);
    looker.left.store(step, Ordering::Relaxed);
    let writer = open(false);
    let run = writer.run("a").start().unwrap();
    run.log(0, &[("loss", 1.0)]).unwrap();
    let looked = looker.left.swap(NEVER, Ordering::Relaxed) == NEVER;
    run.log(1, &[("loss", 1.0)]).unwrap();
    let reader = looker.reader.get().unwrap();
    assert_eq!(rows(reader), 2, "looked at before step {step}");
    looker.poll();
    let followed = looker.followed.load(Ordering::Relaxed);
    assert_eq!(
        followed, 2,
        "a follower that looked before step {step} has passed a row by, or got one twice"
    );
    looked
}

#[test]
fn a_writer_that_is_looked_at_while_it_begins_is_read_once_it_writes() {
    let steps = (0..STEPS_MAX).take_while(|&step| looked_at(step)).count();
    assert!((10..STEPS_MAX as usize).contains(&steps), "{steps}");
    crate::note(&format!("a writer was looked at before each of its first {steps} steps"));
}

/// A reader knows by the writer's lock that more rows may follow, and that its run goes on.
#[test]
fn a_writer_that_lives_is_read_on_after_each_look_and_its_run_is_running() {
    let disk = SimVfs::new(1);
    disk.create_dir(std::path::Path::new(STORE).parent().unwrap()).unwrap();
    let open = |disk: &SimVfs| {
        let options = Options::new().background(false).threads(1);
        options.vfs(Arc::new(disk.clone())).open(STORE).unwrap()
    };
    let (writer, other) = (open(&disk), open(&disk));
    let run = writer.run("a").start().unwrap();
    for step in 0..5 {
        run.log(step, &[("loss", 1.0)]).unwrap();
        assert_eq!(rows(&other) as i64, step + 1, "rows that follow a look are not read");
        assert_eq!(other.runs().unwrap()[0].status, Status::Running);
        if step == 2 {
            other.flush().unwrap();
        }
    }
    drop(run);
    drop(writer);
    assert_eq!(open(&disk).runs().unwrap()[0].status, Status::Finished, "its last handle is gone");
}
