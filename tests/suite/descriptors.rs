//! The number of open files is bounded, whatever the number of parts and writers.
#![cfg(target_os = "linux")]

use std::path::Path;
use tidalite::{Aggregate, Options, Run, Store};

const FILES: usize = 16;

fn options() -> Options {
    Options::new().background(false)
}

/// How many files below a folder this process has open.
fn open_below(folder: &Path) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = links.filter_map(|link| std::fs::read_link(link.ok()?.path()).ok());
    targets.filter(|target| target.starts_with(folder) && target.is_file()).count()
}

fn count(store: &Store) -> f64 {
    use arrow::array::AsArray;
    let table = store.select().aggregate(&[Aggregate::Sum], &[]).unwrap();
    table.column(0).as_primitive::<arrow::datatypes::Float64Type>().value(0)
}

#[test]
fn many_parts_and_writers_are_read_with_few_open_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    let writer = options().open(&path).unwrap();
    let run = writer.run("parts").start().unwrap();
    for step in 0..40 {
        run.log(step, &[("x", 1.0)]).unwrap();
        writer.flush().unwrap();
    }
    // The engine treats each further store as a process of its own.
    let living: Vec<(Store, Run)> = (0..60)
        .map(|i| {
            let store = options().open(&path).unwrap();
            let run = store.run(format!("w-{i}")).start().unwrap();
            run.log(0, &[("x", 1.0)]).unwrap();
            (store, run)
        })
        .collect();
    let own = open_below(&path);
    let reader = options().read_only(true).open_files(FILES).open(&path).unwrap();
    let mut follow = reader.select().follow().unwrap();
    let snapshot = reader.snapshot().unwrap();
    for round in 0..3 {
        assert_eq!(count(&reader), 100.0 + f64::from(round) * 60.0);
        follow.poll().unwrap();
        // The marker, the folder and a pinned version are open besides.
        let open = open_below(&path) - own;
        assert!(open <= FILES + 8, "{open} files in round {round}");
        for (_, run) in &living {
            run.log(i64::from(round) + 1, &[("x", 1.0)]).unwrap();
        }
    }
    writer.compact().unwrap();
    // The snapshot goes on reading the files of its version, which it has to open again.
    let points = snapshot.select().points().unwrap().collect().unwrap();
    assert_eq!(points.num_rows(), 100);
    assert_eq!(count(&reader), 280.0);
}
