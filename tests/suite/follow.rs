//! The order in which a follower returns points: of each series and writer that of writing, wherever the points lie.

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use std::sync::Arc;
use tidalite::{Follow, Options, Run, Store};
use tidalite_testkit::points_of;

fn options() -> Options {
    Options::new().background(false)
}

/// The values of series `x`, in the order in which the polls return them.
fn polled(follow: &mut Follow) -> Vec<f64> {
    let points = follow.poll().unwrap().iter().flat_map(points_of).collect::<Vec<_>>();
    assert!(points.iter().all(|(key, _)| &*key.metric == "x"));
    points.into_iter().map(|(_, p)| p.value).collect()
}

/// Points of run `run`, metric `x`, at these steps; values count up from `from`.
fn batch(run: &str, steps: &[i64], from: f64) -> RecordBatch {
    let n = steps.len();
    let columns: [(&str, ArrayRef); 4] = [
        ("run", Arc::new(StringArray::from(vec![run; n]))),
        ("metric", Arc::new(StringArray::from(vec!["x"; n]))),
        ("step", Arc::new(Int64Array::from(steps.to_vec()))),
        ("value", Arc::new(Float64Array::from_iter_values((0..n).map(|i| from + i as f64)))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Writes one round: rows of three layouts, with steps that fall and repeat, and a batch between them. Returns the next
/// value.
fn write_round(store: &Store, run: &Run, mut value: f64) -> f64 {
    for i in 0..9_i64 {
        let step = [50, 3, 3, 80, 1, 50, 7, 2, 60][i as usize];
        match i % 3 {
            0 => run.log(step, &[("x", value)]),
            1 => run.log(step, &[("y", 0.0), ("x", value)]),
            _ => run.log(step, &[("x", value), ("z", 0.0)]),
        }
        .unwrap();
        value += 1.0;
        if i == 4 {
            store.append(&batch(run.id(), &[10, 20, 20, 30], value)).unwrap();
            value += 4.0;
        }
    }
    value
}

#[test]
fn a_follower_returns_a_series_of_several_layouts_batches_and_parts_in_the_order_of_writing() {
    let dir = tempfile::tempdir().unwrap();
    let store = options().open(dir.path().join("s")).unwrap();
    let run = store.run("r").start().unwrap();
    let mut near = store.select().metric("x").follow().unwrap();
    let start = near.cursor().clone();
    let (mut next, mut seen) = (0.0, Vec::new());
    for round in 0..4 {
        next = write_round(&store, &run, next);
        match round {
            0 => {}
            1 => drop(store.flush().unwrap()),
            // A batch as large as this one becomes a staged part.
            2 => {
                let steps: Vec<i64> = (0..20_000).collect();
                store.append(&batch("r", &steps, next)).unwrap();
                next = write_round(&store, &run, next + 20_000.0);
                store.flush().unwrap();
                next = write_round(&store, &run, next);
            }
            _ => drop(store.compact().unwrap()),
        }
        let polled = polled(&mut near);
        assert!(polled.is_sorted(), "round {round}: {polled:?}");
        seen.extend(polled);
        // One that is far behind reads the same from parts, and a part of it from the log.
        let mut behind = store.select().metric("x").follow_from(start.clone()).unwrap();
        assert!(self::polled(&mut behind) == seen, "round {round}");
    }
    assert_eq!(seen, (0..next as i64).map(|v| v as f64).collect::<Vec<_>>());
}

#[test]
fn a_follower_returns_what_several_writers_wrote_in_the_order_of_each() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    // The engine treats a second store as another process.
    let stores = [options().open(&path).unwrap(), options().open(&path).unwrap()];
    let runs: Vec<Run> = stores.iter().map(|s| s.run("r").start().unwrap()).collect();
    let mut follow = stores[0].select().metric("x").follow().unwrap();
    let mut values = [0.0, 1e6];
    for round in 0..4 {
        for (at, run) in runs.iter().enumerate() {
            values[at] = write_round(&stores[at], run, values[at]);
        }
        match round {
            1 => drop(stores[0].flush().unwrap()),
            2 => drop(stores[1].compact().unwrap()),
            _ => {}
        }
        for (at, run) in runs.iter().enumerate().rev() {
            values[at] = write_round(&stores[at], run, values[at]);
        }
        let polled = polled(&mut follow);
        // Writer by writer, as the documentation says.
        assert_eq!(polled.len(), 4 * 13);
        assert!(polled.is_sorted(), "round {round}: {polled:?}");
    }
}

#[test]
fn the_points_of_one_batch_ascend_by_step_and_those_of_one_step_keep_their_order() {
    for flushed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let store = options().open(dir.path().join("s")).unwrap();
        store.append(&batch("r", &[9, 4, 9, 4, 1], 0.0)).unwrap();
        if flushed {
            store.flush().unwrap();
        }
        assert_eq!(polled(&mut store.select().follow().unwrap()), [4.0, 1.0, 3.0, 0.0, 2.0]);
    }
}
