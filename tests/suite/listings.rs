//! What listings say of runs and labels is what their points say, in logs, in parts, and after rewinds and deletions.

use std::collections::BTreeMap;
use tidalite::{History, Labels, Options, RowAt, Store};
use tidalite_testkit::points;

fn filled(dir: &tempfile::TempDir) -> Store {
    let store = Options::new().background(false).open(dir.path().join("m")).unwrap();
    for (id, rank, last) in [("a", "0", 9), ("a", "1", 7), ("b", "0", 3)] {
        let run = store.run(id).label("rank", rank).start().unwrap();
        for step in 0..=last {
            let at = RowAt::step(step).time_us(1_000 + step);
            run.log_at(&at, &[("loss", 1.0), ("acc", 0.5)]).unwrap();
        }
        run.log_at(&RowAt::step(2).labels(Labels::new([("gpu", "x,y=z")]).unwrap()), &[("power", 3.0)])
            .unwrap();
        run.finish().unwrap();
    }
    store.run("empty").start().unwrap().finish().unwrap();
    store
}

/// Totals and labels, counted point by point.
fn check(store: &Store) {
    let select = || store.select().history(History::Own);
    let mut series: BTreeMap<String, (u64, u64, i64, i64)> = BTreeMap::new();
    let mut labels: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let mut last = None;
    for (key, point) in points(&select()).unwrap() {
        let of_run = series.entry(key.run.to_string()).or_insert((0, 0, i64::MIN, i64::MIN));
        of_run.1 += 1;
        of_run.2 = of_run.2.max(point.step);
        of_run.3 = of_run.3.max(point.time_us);
        if last.as_ref() != Some(&key) {
            of_run.0 += 1;
            for (label, value) in key.labels.iter() {
                *labels.entry(label).or_default().entry(value).or_default() += 1;
            }
            last = Some(key);
        }
    }
    let totals = select().run_totals().unwrap();
    let found = totals
        .into_iter()
        .map(|(run, t)| (run, (t.series, t.points, t.last_step.unwrap(), t.last_time_us.unwrap())));
    assert_eq!(found.collect::<BTreeMap<_, _>>(), series);
    assert_eq!(select().label_values().unwrap(), labels);
}

#[test]
fn totals_and_labels_are_those_of_the_points() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    check(&store);
    assert_eq!(store.select().label_values().unwrap()["gpu"]["x,y=z"], 3);
    store.flush().unwrap();
    check(&store);
    let again = store.run("a").label("rank", "0").start().unwrap();
    again.rewind(4).unwrap();
    again.log(5, &[("loss", 0.5)]).unwrap();
    check(&store);
    store.delete_run("b").unwrap();
    check(&store);
    store.compact().unwrap();
    check(&store);
    assert!(!store.select().run_totals().unwrap().contains_key("b"));
    assert_eq!(store.select().metric("acc").label_values().unwrap().keys().collect::<Vec<_>>(), ["rank"]);
}
