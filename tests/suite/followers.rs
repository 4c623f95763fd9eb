//! Followers of one process share one watcher and one snapshot: none misses a row, and none needs a thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};
use tidalite::{Follow, Options, Store};

fn store(path: &std::path::Path) -> Store {
    Options::new().background(false).open(path).unwrap()
}

fn rows(batches: &[arrow::array::RecordBatch]) -> usize {
    batches.iter().map(arrow::array::RecordBatch::num_rows).sum()
}

/// Waits until a condition holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn fifty_followers_that_wait_each_get_every_row() {
    let dir = tempfile::tempdir().unwrap();
    let reader = store(dir.path());
    let followed: Vec<Follow> = (0..50).map(|_| reader.select().metric("x").follow().unwrap()).collect();
    let began = AtomicUsize::new(0);
    std::thread::scope(|s| {
        for mut follow in followed {
            let began = &began;
            s.spawn(move || {
                let mut seen = 0;
                while seen < 30 {
                    let new = rows(&follow.wait(Duration::from_secs(60)).unwrap());
                    began.fetch_add(usize::from(seen == 0 && new > 0), Ordering::SeqCst);
                    seen += new;
                }
                assert_eq!(seen, 30);
                assert!(follow.wait(Duration::from_millis(1)).unwrap().is_empty());
            });
        }
        // Writers that come and go, rows of a writer that stays, a flush and a compaction.
        let stays = store(dir.path());
        let run = stays.run("r").start().unwrap();
        for step in 0..10 {
            run.log(step, &[("x", 1.0)]).unwrap();
            std::thread::sleep(Duration::from_millis(3));
            if step == 0 {
                until("each is woken by the first row", || began.load(Ordering::SeqCst) == 50);
            }
            let comes = store(dir.path());
            let other = comes.run(format!("other-{step}")).start().unwrap();
            other.log(0, &[("x", 1.0)]).unwrap();
            other.log(1, &[("x", 1.0)]).unwrap();
            match step {
                4 => drop(stays.flush().unwrap()),
                7 => drop(stays.compact().unwrap()),
                _ => {}
            }
        }
    });
}

#[test]
fn a_poll_returns_a_row_as_soon_as_it_is_logged() {
    let dir = tempfile::tempdir().unwrap();
    let (reader, writer) = (store(dir.path()), store(dir.path()));
    let mut follows: Vec<Follow> = (0..3).map(|_| reader.select().metric("x").follow().unwrap()).collect();
    for round in 0..40 {
        // The first row of a writer, rows of it, and its death, with and without a poll between.
        let run = writer.run(format!("r-{round}")).start().unwrap();
        run.log(0, &[("x", 1.0)]).unwrap();
        for (i, follow) in follows.iter_mut().enumerate() {
            assert_eq!(rows(&follow.poll().unwrap()), 1, "round {round}, follower {i}");
            assert!(follow.poll().unwrap().is_empty());
        }
        let short = store(dir.path());
        short.attach(run.id(), tidalite::Labels::none()).unwrap().log(1, &[("x", 2.0)]).unwrap();
        if round % 2 == 0 {
            assert_eq!(rows(&follows[0].poll().unwrap()), 1);
        }
        drop(short);
        if round % 7 == 0 {
            writer.flush().unwrap();
        }
        for follow in &mut follows[1..] {
            assert_eq!(rows(&follow.poll().unwrap()), 1);
        }
        assert_eq!(rows(&follows[0].poll().unwrap()), usize::from(round % 2 == 1));
    }
}

#[derive(Default)]
struct CountingBell(AtomicUsize);

impl Wake for CountingBell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl CountingBell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn a_waker_is_woken_once_for_a_change_after_the_last_poll() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let run = store.run("r").start().unwrap();
    let mut follow = store.select().follow().unwrap();
    let bell = Arc::new(CountingBell::default());
    let waker = Waker::from(bell.clone());
    follow.wake_on_change(&waker).unwrap();
    assert_eq!(bell.rung(), 1, "nothing was polled yet");
    follow.poll().unwrap();
    follow.wake_on_change(&waker).unwrap();
    follow.wake_on_change(&waker).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(bell.rung(), 1);
    run.log(0, &[("x", 1.0)]).unwrap();
    until("it is woken", || bell.rung() == 2);
    run.log(1, &[("x", 1.0)]).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(bell.rung(), 2, "once");
    // The change was before this call.
    follow.wake_on_change(&waker).unwrap();
    assert_eq!(bell.rung(), 3);
    assert_eq!(rows(&follow.poll().unwrap()), 2);
    follow.wake_on_change(&waker).unwrap();
    drop(follow);
    run.log(2, &[("x", 1.0)]).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(bell.rung(), 3, "a follower that is gone wakes nobody");
}

#[test]
fn a_follower_is_woken_by_a_change_that_another_saw_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let run = store.run("r").start().unwrap();
    let follow = || store.select().follow().unwrap();
    let (mut polls, mut wakes, mut waits) = (follow(), follow(), follow());
    let bell = Arc::new(CountingBell::default());
    let waker = Waker::from(bell.clone());
    let waited = AtomicUsize::new(0);
    std::thread::scope(|s| {
        s.spawn(|| {
            while waited.load(Ordering::SeqCst) < 100 {
                let new = rows(&waits.wait(Duration::from_secs(90)).unwrap());
                waited.fetch_add(new, Ordering::SeqCst);
            }
        });
        for step in 0..100 {
            let mut heard = bell.rung();
            wakes.poll().unwrap();
            wakes.wake_on_change(&waker).unwrap();
            run.log(step, &[("x", 1.0)]).unwrap();
            assert_eq!(rows(&polls.poll().unwrap()), 1);
            until("the one with a waker has the row", || {
                if bell.rung() == heard {
                    return false;
                }
                // It may have been woken for nothing. Then it asks again.
                heard = bell.rung();
                let new = rows(&wakes.poll().unwrap());
                wakes.wake_on_change(&waker).unwrap();
                new == 1
            });
            until("the one that waits has the row", || waited.load(Ordering::SeqCst) as i64 > step);
        }
    });
}

#[test]
fn a_follower_that_no_longer_polls_holds_no_version() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let run = store.run("r").start().unwrap();
    let mut follow = store.select().follow().unwrap();
    let files = || std::fs::read_dir(dir.path().join("parts")).unwrap().count();
    for step in 0..4 {
        run.log(step, &[("x", 1.0)]).unwrap();
        assert_eq!(rows(&follow.wait(Duration::from_secs(60)).unwrap()), 1);
        store.flush().unwrap();
    }
    follow.poll().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    store.compact().unwrap();
    assert_eq!(files(), 1);
}

/// The number of threads of this process.
#[cfg(target_os = "linux")]
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
#[cfg(target_os = "linux")]
fn many_stores_and_followers_share_few_threads() {
    let dir = tempfile::tempdir().unwrap();
    let before = threads();
    let stores: Vec<Store> =
        (0..40).map(|i| Options::new().open(dir.path().join(i.to_string())).unwrap()).collect();
    let runs: Vec<_> = stores.iter().map(|store| store.run("r").start().unwrap()).collect();
    let bell = Arc::new(CountingBell::default());
    let waker = Waker::from(bell.clone());
    let follows: Vec<Follow> = (0..400)
        .map(|i| {
            let mut follow = stores[i % 40].select().follow().unwrap();
            follow.poll().unwrap();
            follow.wake_on_change(&waker).unwrap();
            follow
        })
        .collect();
    std::thread::sleep(Duration::from_millis(200));
    // Each store has a thread for upkeep. Other tests run beside this one.
    assert!(threads() < before + 40 + 60, "{} threads, {before} before", threads());
    for run in &runs {
        run.log(0, &[("x", 1.0)]).unwrap();
    }
    // Each once; some perhaps before the row came, by what upkeep wrote.
    until("all are woken", || bell.rung() == 400);
    drop(follows);
}
