//! Thinning makes a store smaller, or does nothing.

use crate::rollups::{batch, open};
use std::path::Path;
use tidalite::Thin;
use tidalite_testkit::{Random, points};

/// The bytes of all files below a folder.
fn bytes_below(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { bytes_below(&path) } else { path.metadata().unwrap().len() }).sum()
}

#[test]
fn nothing_is_thinned_where_the_files_would_not_get_smaller() {
    let (dir, store) = open((512, 32_768), 1 << 19);
    let fill = |run: &str, value: &dyn Fn(i64) -> f64| {
        let points: Vec<(i64, i64, f64)> = (0..60_000).map(|i| (i, i * 1000, value(i))).collect();
        for metric in ["a", "b", "c"] {
            store.append(&batch(run, metric, &points)).unwrap();
        }
    };
    // Points that take almost no room; the outline and the sums of their buckets take more.
    fill("old", &|step| f64::from(u8::from(step > 30_000)));
    store.compact().unwrap();
    let before = (bytes_below(dir.path()), points(&store.select()).unwrap());
    let done = store.thin(&Thin::new().run("old")).unwrap();
    assert_eq!((done.runs, done.series, done.series_small, done.points, done.kept), (0, 0, 3, 0, 0));
    assert_eq!((bytes_below(dir.path()), points(&store.select()).unwrap()), before);
    // Noise is worth thinning.
    let mut r = Random::new(5);
    let noise: Vec<f64> = (0..60_000).map(|_| r.normal()).collect();
    fill("noise", &|step| noise[usize::try_from(step).unwrap()]);
    store.compact().unwrap();
    let before = bytes_below(dir.path());
    let done = store.thin(&Thin::new().run("noise")).unwrap();
    assert_eq!((done.runs, done.series, done.series_small), (1, 3, 0));
    assert!(bytes_below(dir.path()) * 2 < before);
    assert!(store.verify().unwrap().findings.is_empty());
}
