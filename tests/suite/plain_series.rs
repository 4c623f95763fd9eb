//! Runs whose points lie in one part, and runs whose do not: each answer from summaries is what the points say. Series are long
//! enough for parts to have series tables.

use crate::rollups::batch;
use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int64Type};
use std::collections::BTreeMap;
use tidalite::{Aggregate, By, Options, Store};
use tidalite_testkit::points;

/// Counts, sums and last values by run and metric: from points, from groups, and from the summaries of series.
fn check(store: &Store, when: &str) {
    let mut expected: BTreeMap<(String, String), (i64, f64, f64)> = BTreeMap::new();
    for (key, point) in points(&store.select()).unwrap() {
        let of = expected.entry((key.run.to_string(), key.metric.to_string())).or_insert((0, 0.0, 0.0));
        *of = (of.0 + 1, of.1 + point.value, point.value);
    }
    let asked = [Aggregate::Count, Aggregate::Sum, Aggregate::Last];
    let table = store.select().aggregate(&asked, &[By::Run, By::Metric]).unwrap();
    let names = |name: &str, row: usize| table[name].as_string::<i32>().value(row).to_string();
    let numbers = |name: &str, row: usize| table[name].as_primitive::<Float64Type>().value(row);
    let found: BTreeMap<_, _> = (0..table.num_rows())
        .map(|row| {
            let count = table["count"].as_primitive::<Int64Type>().value(row);
            ((names("run", row), names("metric", row)), (count, numbers("sum", row), numbers("last", row)))
        })
        .collect();
    assert_eq!(found, expected, "groups {when}");
    let summaries = store.select().summaries().unwrap();
    let summed: BTreeMap<_, _> = summaries
        .iter()
        .map(|(key, s)| {
            let last = s.last.unwrap().value;
            ((key.run.to_string(), key.metric.to_string()), (s.count as i64, s.sum().unwrap(), last))
        })
        .collect();
    assert_eq!(summed, expected, "summaries {when}");
    assert!(summaries.windows(2).all(|w| w[0].0 < w[1].0), "series are in order {when}");
}

fn log(store: &Store, run: &str, steps: std::ops::Range<i64>, scale: f64) {
    let run = store.run(run).start().unwrap();
    for step in steps {
        run.log(step, &[("acc", scale), ("loss", scale * step as f64)]).unwrap();
    }
    run.finish().unwrap();
}

#[test]
fn summaries_of_runs_in_one_part_and_in_several_places_are_those_of_their_points() {
    let dir = tempfile::tempdir().unwrap();
    let store = Options::new().background(false).open(dir.path().join("m")).unwrap();
    for run in ["alone", "logged", "again", "rewound", "parent", "deleted"] {
        log(&store, run, 0..100, 1.0);
    }
    // A part of its own, in which each step stands twice.
    let twice: Vec<(i64, i64, f64)> = (0..200).map(|i| (i / 2, i, i as f64)).collect();
    store.append(&batch("bulk", "loss", &twice)).unwrap();
    store.flush().unwrap();
    check(&store, "in one part");
    // Repeats, of which the later ones count, in a second part.
    log(&store, "again", 50..150, 2.0);
    let rewound = store.run("rewound").start().unwrap();
    rewound.rewind(30).unwrap();
    for step in 31..60 {
        rewound.log(step, &[("loss", 3.0)]).unwrap();
    }
    rewound.finish().unwrap();
    store.flush().unwrap();
    check(&store, "in two parts");
    store.delete_run("deleted").unwrap();
    let child = store.run("child").parent("parent", Some(40)).start().unwrap();
    for step in 41..80 {
        child.log(step, &[("loss", 5.0)]).unwrap();
    }
    child.finish().unwrap();
    store.flush().unwrap();
    log(&store, "logged", 100..140, 4.0);
    check(&store, "in parts and in a log");
    store.compact().unwrap();
    check(&store, "after a compaction");
    log(&store, "logged", 120..160, 6.0);
    check(&store, "with repeats in a log");
}
