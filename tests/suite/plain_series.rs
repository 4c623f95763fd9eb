//! Runs whose points lie in one part, and runs whose do not: each answer from summaries is what the points say, in parts with a
//! series table and in parts without one.

use crate::rollups::batch;
use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int64Type};
use std::collections::BTreeMap;
use tempfile::TempDir;
use tidalite::{Aggregate, By, ErrorKind, OnDamage, Options, Store};
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
    summaries_are_those_of_points(Options::new());
}

#[test]
fn summaries_without_series_tables_are_those_of_their_points() {
    let (store, _dir) = summaries_are_those_of_points(Options::new().table_series_points(u32::MAX));
    // They are made from pages, and counted as such.
    let (_, how) = store.select().run("alone").explain(|s| s.summaries()).unwrap();
    assert_eq!((how.summaries, how.page_points), (0, 200));
    assert!(how.pages_read + how.pages_cached > 0);
}

#[test]
fn a_damaged_page_costs_its_own_series_where_there_is_no_series_table() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Options::new().background(false).open(dir.path().join("m")).unwrap();
    let store = open();
    let noise = |i: i64| {
        f64::from_bits(0x3ff0_0000_0000_0000 | (i.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 12))
    };
    for number in 0..10 {
        let run = store.run(format!("r{number}")).start().unwrap();
        for metric in 0..2_000 {
            run.log(0, &[(&format!("m{metric}"), noise(2_000 * number + metric))]).unwrap();
        }
    }
    store.compact().unwrap();
    drop(store);
    let parts = std::fs::read_dir(dir.path().join("m/parts")).unwrap();
    let part = parts.map(|entry| entry.unwrap().path()).next().unwrap();
    let mut bytes = std::fs::read(&part).unwrap();
    // In the pages of the last column, the values.
    let at = bytes.len() * 8 / 10;
    bytes[at] ^= 4;
    std::fs::remove_file(&part).unwrap();
    std::fs::write(&part, bytes).unwrap();
    let select = open().select();
    assert_eq!(select.summaries().unwrap_err().kind(), ErrorKind::Corrupt);
    let reported = select.on_damage(OnDamage::Report);
    let left = reported.summaries().unwrap().len();
    let lost: u64 = reported.damage().iter().filter_map(|place| place.rows).sum();
    assert!((1..20_000).contains(&left), "{left} series");
    assert_eq!(left as u64 + lost, 20_000);
}

/// Returns the store, in which the run `alone` lies in one part, and its folder.
fn summaries_are_those_of_points(options: Options) -> (Store, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = options.background(false).open(dir.path().join("m")).unwrap();
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
    (store, dir)
}
