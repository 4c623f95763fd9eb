//! A snapshot is a cut: it has no row without the rows that its writer had waited for.
//!
//! Method: a token goes round between threads with a store of their own each, and whoever has it logs the next number. So
//! the numbers in a snapshot have no gap. Meanwhile writers come and go, and the store is flushed and compacted.

use crate::factor;
use arrow::array::{Float64Array, Int64Array};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use tidalite::{Aggregate, ErrorKind, Options, Snapshot};

fn options() -> Options {
    Options::new().threads(1).background(false).segment_bytes(4096, 16 << 10)
}

/// Logs each number that comes, and passes on the next, until it is over. After `stint` numbers it opens the store anew.
fn writer(path: &Path, stint: usize, numbers: &Receiver<i64>, next: &Sender<i64>, over: &AtomicBool) {
    loop {
        let store = options().open(path).unwrap();
        let run = store.run("r").start().unwrap();
        for _ in 0..stint {
            let Ok(number) = numbers.recv() else { return };
            run.log(number, &[("x", number as f64)]).unwrap();
            // The others end with the channels of the one that ends first.
            if over.load(Ordering::Relaxed) || next.send(number + 1).is_err() {
                return;
            }
        }
    }
}

/// The numbers in a snapshot: how many, and the greatest.
fn count_and_max(snapshot: &Snapshot) -> Option<(i64, f64)> {
    let answer = snapshot.select().metric("x").aggregate(&[Aggregate::Count, Aggregate::Max], &[]).unwrap();
    let count = answer.column_by_name("count")?.as_any().downcast_ref::<Int64Array>()?.value(0);
    let max = answer.column_by_name("max")?.as_any().downcast_ref::<Float64Array>()?.value(0);
    (count > 0).then_some((count, max))
}

#[test]
fn a_row_is_never_seen_without_the_rows_that_were_logged_before_it() {
    const WRITERS: usize = 3;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let reader = options().open(&path).unwrap();
    let time = Duration::from_secs(3) * u32::try_from(factor()).unwrap();
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..WRITERS).map(|_| channel()).unzip();
    let first = senders[0].clone();
    let over = AtomicBool::new(false);
    std::thread::scope(|s| {
        let mut next = senders.into_iter().cycle().skip(1).take(WRITERS).collect::<Vec<_>>().into_iter();
        for (w, numbers) in receivers.into_iter().enumerate() {
            let (path, next) = (&path, next.next().unwrap());
            let over = &over;
            s.spawn(move || writer(path, 300 + 50 * w, &numbers, &next, over));
        }
        s.spawn(|| maintain(&path, &over));
        first.send(0).unwrap();
        drop(first);
        let (start, mut cuts, mut wrong) = (Instant::now(), 0, Vec::new());
        while start.elapsed() < time {
            let Ok(snapshot) = reader.snapshot() else { break };
            cuts += usize::from(snapshot.is_cut());
            let found = count_and_max(&snapshot).filter(|&(count, max)| max as i64 + 1 != count);
            wrong.extend(found.filter(|_| snapshot.is_cut()));
        }
        over.store(true, Ordering::Relaxed);
        crate::note(&format!("cut: {cuts} snapshots were cuts"));
        assert!(wrong.is_empty(), "numbers are missing before the greatest (count, greatest): {wrong:?}");
        assert!(start.elapsed() >= time && cuts > 20, "{cuts} snapshots were cuts");
    });
}

/// Flushes and compacts until it is over.
fn maintain(path: &Path, over: &AtomicBool) {
    let store = options().open(path).unwrap();
    while !over.load(Ordering::Relaxed) {
        for done in [store.flush().map(drop), store.compact().map(drop)] {
            assert!(done.is_ok() || done.is_err_and(|e| e.kind() == ErrorKind::Busy));
            std::thread::sleep(Duration::from_millis(30));
        }
    }
}
