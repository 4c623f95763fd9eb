//! The store that is damaged: two runs, two parts with rollups, two versions of the manifest, a run table, and the unflushed
//! log of a dead writer whose end is not durable.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tidalite::{Options, Repeats};
use tidalite_testkit::{ExpectedPoints, Op, Oracle, Question, STORE, StoreMachine, check_state};
use tidalite_vfs::{SimVfs, Survive, Vfs};

pub(super) struct Golden {
    pub(super) disk: SimVfs,
    pub(super) oracle: Oracle,
    pub(super) answer: ExpectedPoints,
    pub(super) runs: Vec<tidalite_testkit::ExpectedRun>,
    pub(super) files: BTreeMap<PathBuf, Vec<u8>>,
}

pub(super) fn options() -> Options {
    Options::new().background(false).threads(1).segment_bytes(4096, 8192).tile_rows(64).rollups(4, 16)
}

pub(super) fn rows(run: usize, steps: std::ops::Range<i64>) -> impl Iterator<Item = Op> {
    let value = move |step: i64| step.cast_unsigned() + 1000 * u64::try_from(run).unwrap();
    steps.map(move |step| Op::Row {
        store: 0,
        run,
        metrics: (0, 3),
        labels: 0,
        step: Some(step),
        value: value(step),
    })
}

/// The store whose parts have series tables.
pub(super) fn golden() -> Golden {
    golden_with(&options().table_series_points(0), 2)
}

/// The same store, one of whose parts has a series table. That of the other is derived. Only the files of parts are
/// damaged, and the last segment.
pub(super) fn golden_without_table() -> Golden {
    let mut golden = golden_with(&options(), 1);
    let last =
        golden.files.keys().rfind(|path| path.extension().is_some_and(|e| e == "seg")).unwrap().clone();
    let is_of_part = |path: &Path| path.extension().is_some_and(|e| e == "parquet");
    golden.files.retain(|path, _| is_of_part(path) || *path == last);
    golden
}

fn golden_with(options: &Options, tables: usize) -> Golden {
    let mut ops: Vec<Op> =
        vec![Op::Start { store: 0, run: 0, about: 5 }, Op::Start { store: 0, run: 1, about: 6 }];
    ops.extend(rows(0, 0..50));
    ops.extend([Op::Flush { store: 0 }, Op::Hold { store: 0 }, Op::Batch { store: 0, rows: 60, seed: 4 }]);
    // The held snapshot keeps the previous version alive.
    ops.extend([Op::Change { store: 0, run: 1, about: 12 }, Op::Flush { store: 0 }, Op::Kill]);
    ops.extend(rows(1, 0..40));
    ops.push(Op::Sync { store: 0 });
    ops.extend(rows(0, 45..60));
    ops.push(Op::Sync { store: 0 });
    ops.extend(rows(1, 40..50));
    ops.push(Op::Kill);
    let mut machine = StoreMachine::new(7, 1, options.clone());
    machine.run(&ops).map_err(|(i, f)| (i, f.text())).unwrap();
    let disk = machine.disk().crash(Survive::All);
    let oracle = machine.oracle().clone();
    check_state(&disk, &oracle, options).unwrap();
    let mut files = BTreeMap::new();
    collect_files(&disk, Path::new(STORE), &mut files);
    // It holds nothing, and nothing reads it.
    files.retain(|path, _| !path.ends_with("reserve"));
    let count = |part: &str| files.keys().filter(|p| p.to_str().unwrap().contains(part)).count();
    assert_eq!(
        (count("/manifest/"), count("/parts/"), count("/series/")),
        (2, 2, tables),
        "{:?}",
        files.keys()
    );
    assert!(count("/rollups/") >= 1, "{:?}", files.keys());
    assert!(count(".seg") >= 2 && count("/runs/") >= 1, "{:?}", files.keys());
    Golden {
        answer: oracle.answer(&Question::all(Repeats::All)),
        runs: oracle.runs(|_| false),
        disk,
        oracle,
        files,
    }
}

pub(super) fn collect_files(disk: &SimVfs, dir: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for name in disk.read_dir(dir).unwrap() {
        let path = dir.join(name);
        if disk.stat(&path).unwrap().unwrap().is_dir {
            collect_files(disk, &path, files);
        } else {
            files.insert(path.clone(), read(disk, &path));
        }
    }
}

pub(super) fn read(disk: &SimVfs, path: &Path) -> Vec<u8> {
    let file = disk.open(path).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}
