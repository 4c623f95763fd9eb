//! Cursors: short whatever came before, and exact: a follower that goes on from one returns each point once.

use std::path::Path;
use std::sync::Arc;
use tidalite::{Cursor, Labels, Options, Store, Vfs};
use tidalite_testkit::points_of;
use tidalite_vfs::{RealVfs, SimVfs};

fn options(vfs: &Arc<dyn Vfs>) -> Options {
    Options::new().background(false).vfs(vfs.clone()).segment_bytes(4096, 4096)
}

/// The values that a new follower from this text returns, sorted, and the text of its cursor afterwards.
fn go_on(store: &Store, cursor: &str) -> (Vec<f64>, String) {
    let cursor: Cursor = cursor.parse().unwrap();
    let mut follow = store.select().metric("x").follow_from(cursor).unwrap();
    let polled = follow.poll().unwrap();
    let mut values: Vec<f64> = polled.iter().flat_map(points_of).map(|(_, point)| point.value).collect();
    values.sort_by(f64::total_cmp);
    assert!(follow.poll().unwrap().is_empty());
    (values, follow.cursor().to_string())
}

fn log(store: &Store, value: f64) {
    store.attach("r", Labels::none()).unwrap().log(value as i64, &[("x", value)]).unwrap();
}

/// The numbers from `from` up to `to`.
fn values(from: usize, to: usize) -> Vec<f64> {
    (from..to).map(|v| v as f64).collect()
}

#[test]
fn a_cursor_stays_short_and_exact_after_two_thousand_writers() {
    let vfs: Arc<dyn Vfs> = Arc::new(SimVfs::new(1));
    let path = Path::new("/s");
    let open = || options(&vfs).open(path).unwrap();
    let reader = open();
    reader.run("r").start().unwrap();
    let (mut cursor, mut from) = (String::new(), 0);
    for writer in 0..2000 {
        log(&open(), writer as f64);
        if writer % 100 == 99 {
            let (found, next) = go_on(&reader, &cursor);
            assert_eq!(found, values(from, writer + 1));
            assert!(next.len() <= 40, "{next}");
            (cursor, from) = (next, writer + 1);
            match writer / 100 % 5 {
                2 | 4 => {}
                3 => drop(reader.compact().unwrap()),
                _ => drop(reader.flush().unwrap()),
            }
        }
    }
    let old = cursor.clone();
    let (found, next) = go_on(&reader, &cursor);
    assert_eq!(found, values(from, 2000));
    // The same from a cursor that is used late, when all logs are flushed, merged and gone.
    reader.compact().unwrap();
    assert_eq!(go_on(&reader, &old).0, values(from, 2000));
    assert_eq!(go_on(&reader, "").0, values(0, 2000));
    assert_eq!(go_on(&reader, &next).0, values(0, 0));
    let other = open();
    log(&other, 2000.0);
    assert_eq!(go_on(&reader, &next).0, values(2000, 2001));
}

#[test]
fn rows_of_a_writer_that_died_after_the_cursor_was_made_are_new() {
    let vfs: Arc<dyn Vfs> = Arc::new(SimVfs::new(2));
    let path = Path::new("/s");
    let reader = options(&vfs).open(path).unwrap();
    reader.run("r").start().unwrap();
    let early = options(&vfs).open(path).unwrap();
    let late = options(&vfs).open(path).unwrap();
    log(&early, 0.0);
    log(&late, 1.0);
    let (found, cursor) = go_on(&reader, "");
    assert_eq!(found, values(0, 2));
    log(&late, 2.0);
    log(&early, 3.0);
    drop((early, late));
    // From the logs, and from a part after the logs are gone.
    let (found, both) = go_on(&reader, &cursor);
    assert_eq!(found, values(2, 4));
    reader.flush().unwrap();
    assert_eq!(go_on(&reader, &cursor).0, values(2, 4));
    reader.compact().unwrap();
    assert_eq!(go_on(&reader, &cursor).0, values(2, 4));
    assert!(go_on(&reader, &both).0.is_empty());
}

#[test]
fn a_follower_returns_what_merges_bring_from_writers_that_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let vfs: Arc<dyn Vfs> = Arc::new(RealVfs::new());
    let (here, there) = (dir.path().join("here"), dir.path().join("there"));
    let store = options(&vfs).open(&here).unwrap();
    store.run("a").start().unwrap();
    let other = options(&vfs).open(&there).unwrap();
    let run = other.run("r").start().unwrap();
    for value in 0..3 {
        run.log(value, &[("x", value as f64)]).unwrap();
    }
    store.attach("a", Labels::none()).unwrap().log(0, &[("x", 100.0)]).unwrap();
    let (found, start) = go_on(&store, "");
    assert_eq!(found, [100.0]);
    store.merge(&there).unwrap();
    let (found, once) = go_on(&store, &start);
    assert_eq!(found, values(0, 3));
    // The same writer goes on there, and a second merge brings the rest of it.
    for value in 3..5 {
        run.log(value, &[("x", value as f64)]).unwrap();
    }
    store.merge(&there).unwrap();
    let (found, twice) = go_on(&store, &once);
    assert_eq!(found, values(3, 5));
    store.compact().unwrap();
    assert_eq!(go_on(&store, &once).0, values(3, 5));
    assert_eq!(go_on(&store, &start).0, values(0, 5));
    assert!(go_on(&store, &twice).0.is_empty());
}
