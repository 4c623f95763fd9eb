//! Lists and counts of a store with parts that cannot be read: an error that names the part, or the rest on request.

use std::path::{Path, PathBuf};
use tidalite::{ErrorKind, OnDamage, Options, Store};

/// A store of two parts, the metric `long` with rollups in the first and `short` in the second, and a row in the log.
fn store(dir: &Path) -> (Store, [PathBuf; 2]) {
    let options = Options::new().background(false).rollups(256, 16_384).table_series_points(0);
    let store = options.open(dir.join("s")).unwrap();
    let run = store.run("r").start().unwrap();
    for step in 0..20_000 {
        run.log(step, &[("long", step as f64)]).unwrap();
    }
    store.flush().unwrap();
    let long = store.snapshot().unwrap().parquet_files().unwrap();
    run.log(0, &[("short", 1.0)]).unwrap();
    store.flush().unwrap();
    let both = store.snapshot().unwrap().parquet_files().unwrap();
    let short = both.iter().find(|p| !long.contains(p)).unwrap().clone();
    run.log(1, &[("logged", 1.0)]).unwrap();
    (store, [long[0].clone(), short])
}

fn reopened(store: &Store) -> Store {
    Options::new().read_only(true).open(store.path()).unwrap()
}

fn damage(file: &Path) {
    let bytes = std::fs::read(file).unwrap();
    std::fs::write(file, &bytes[..bytes.len() - 9]).unwrap();
}

fn names(sizes: &[(String, u64)]) -> Vec<&str> {
    sizes.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_part_that_cannot_be_opened_fails_lists_and_sizes_by_name_and_is_named_by_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (store, [long, short]) = store(dir.path());
    let whole = store.snapshot().unwrap();
    assert!(whole.damage().is_empty() && whole.stats().unwrap().damage.is_empty());
    damage(&short);
    let snapshot = reopened(&store).snapshot().unwrap();
    let file = short.file_name().unwrap().to_str().unwrap();
    let errors = [
        snapshot.metrics().unwrap_err(),
        snapshot.bytes_by_run().unwrap_err(),
        snapshot.bytes_by_metric().unwrap_err(),
        snapshot.select().summaries().unwrap_err(),
        snapshot.stats().unwrap_err(),
    ];
    for e in errors {
        assert!(e.kind() == ErrorKind::Corrupt && e.to_string().contains(file), "{e}");
    }
    let rest = snapshot.on_damage(OnDamage::Report);
    let (stats, of_whole) = (rest.stats().unwrap(), whole.stats().unwrap());
    assert!(
        matches!(&stats.damage[..], [one] if one.path == short && one.rows == Some(1)),
        "{:?}",
        stats.damage
    );
    assert_eq!(snapshot.damage(), stats.damage);
    assert_eq!((stats.points, stats.log_points, stats.series), (of_whole.points, 1, of_whole.series - 1));
    assert_eq!(rest.metrics().unwrap(), ["logged", "long"]);
    assert_eq!(names(&rest.bytes_by_metric().unwrap()), ["long"]);
    let select = rest.select();
    assert_eq!(select.summaries().unwrap().len(), 2);
    assert_eq!(select.damage(), stats.damage);
    assert!(!rest.recovery().is_sound());
    // What the part cannot hold is answered.
    assert_eq!(snapshot.select().steps(5..9).summaries().unwrap().len(), 1);
    assert!(long != short && snapshot.parquet_files().is_err());
}

#[test]
fn rollups_that_cannot_be_read_fail_sizes_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (store, [long, _]) = store(dir.path());
    let file = long.file_name().unwrap().to_str().unwrap();
    let whole = store.snapshot().unwrap().bytes_by_metric().unwrap();
    let rollups = store.path().join("rollups").join(file);
    damage(&rollups);
    for gone in [false, true] {
        if gone {
            std::fs::remove_file(&rollups).unwrap();
        }
        let snapshot = reopened(&store).snapshot().unwrap();
        let e = snapshot.bytes_by_metric().unwrap_err();
        assert!(e.kind() == ErrorKind::Corrupt && e.path() == Some(&rollups), "{e}");
        assert!(matches!(&snapshot.damage()[..], [one] if one.path == rollups));
        assert_eq!(snapshot.metrics().unwrap(), ["logged", "long", "short"]);
        assert!(snapshot.stats().unwrap().damage.is_empty());
        let rest = snapshot.on_damage(OnDamage::Report).bytes_by_metric().unwrap();
        assert!(names(&rest) == ["long", "short"] && 0 < rest[0].1 && rest[0].1 < whole[0].1, "{rest:?}");
    }
}

#[test]
fn a_series_table_that_cannot_be_read_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, [_, short]) = store(dir.path());
    let whole = store.snapshot().unwrap();
    std::fs::remove_file(store.path().join("series").join(short.file_name().unwrap())).unwrap();
    let snapshot = reopened(&store).snapshot().unwrap();
    assert_eq!(snapshot.metrics().unwrap(), whole.metrics().unwrap());
    assert_eq!(snapshot.bytes_by_metric().unwrap(), whole.bytes_by_metric().unwrap());
    assert_eq!(snapshot.stats().unwrap().series, 3);
    assert!(snapshot.damage().is_empty() && !snapshot.recovery().is_sound());
}
