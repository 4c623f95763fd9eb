//! The files are the truth: after a compaction, the rows in `parts/` are exactly the points that a query gives.
//!
//! Method: proptest draws sequences of operations with rewinds, deletions, repeats, automatic steps, forks and two
//! writers. After each compaction the Parquet files are read with another reader, without tidalite, and compared with the
//! oracle bit for bit. What a query gives by every rule, rewound points included, is the oracle's answer as well, before
//! and after.

use crate::{factor, note};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tidalite::arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use tidalite::arrow::compute::cast;
use tidalite::arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use tidalite::{ErrorKind, History, Labels, Options, Point, Repeats, SeriesKey, Store, Thin, Vfs};
use tidalite_testkit::{Mix, Op, Question, Random, StoreMachine, ops};
use tidalite_testkit::{bits, points, select};

/// Cases per test in the short run.
const CASES: u32 = 150;

/// A point by its bits.
type Bits = (SeriesKey, i64, i64, u64);

/// The rows of Parquet files, in order.
fn rows(disk: &dyn Vfs, files: &[PathBuf]) -> Vec<Bits> {
    let mut found = Vec::new();
    for file in files {
        let open = disk.open(file).unwrap();
        let mut data = vec![0; usize::try_from(open.len().unwrap()).unwrap()];
        assert_eq!(open.read_at(0, &mut data).unwrap(), data.len());
        let mut copy = tempfile::tempfile().unwrap();
        copy.write_all(&data).unwrap();
        let reader = ParquetRecordBatchReader::try_new(copy, 1024).unwrap();
        for batch in reader {
            found.extend(rows_of(&batch.unwrap()));
        }
    }
    found.sort();
    found
}

fn rows_of(batch: &RecordBatch) -> Vec<Bits> {
    let column = |name: &str| batch.column_by_name(name).unwrap().clone();
    let text = |name: &str| cast(&column(name), &DataType::Utf8).unwrap();
    let texts = ["run", "metric", "labels"].map(text);
    let text = |i: usize, row: usize| texts[i].as_string::<i32>().value(row).to_string();
    let (step, time, value) = (column("step"), column("time"), column("value"));
    (0..batch.num_rows())
        .map(|i| {
            let key = SeriesKey::new(text(0, i), text(1, i), Labels::parse(&text(2, i)).unwrap());
            let point = Point {
                step: step.as_primitive::<Int64Type>().value(i),
                time_us: time.as_primitive::<TimestampMicrosecondType>().value(i),
                value: value.as_primitive::<Float64Type>().value(i),
            };
            bits(&key, &point)
        })
        .collect()
}

/// The default question, without inherited points.
fn own() -> Question {
    Question { history: History::Own, hidden: false, ..Question::all(Repeats::Last) }
}

fn answer(store: &Store, ask: &Question) -> Vec<Bits> {
    let mut found: Vec<Bits> =
        points(&select(store.select(), ask)).unwrap().iter().map(|(key, p)| bits(key, p)).collect();
    found.sort();
    found
}

/// The Parquet files in a folder of the store.
fn listed(disk: &dyn Vfs, folder: &Path) -> Vec<PathBuf> {
    disk.read_dir(folder).unwrap().iter().map(|name| folder.join(name)).collect()
}

/// Compares the files of a compacted store with what it gives; returns how many points are hidden.
fn compare(machine: &mut StoreMachine, at: usize) -> Result<u64, TestCaseError> {
    let disk = machine.disk().clone();
    let expected: Vec<Bits> = {
        let answer = machine.oracle().answer(&own());
        let mut all: Vec<Bits> =
            answer.iter().flat_map(|(key, points)| points.iter().map(|p| bits(key, p))).collect();
        all.sort();
        all
    };
    let store = machine.store(at).unwrap().clone();
    let fail = |what: &str| TestCaseError::fail(format!("{what} differ from the visible points"));
    if rows(&disk, &listed(&disk, &store.path().join("parts"))) != expected {
        return Err(fail("the rows in parts/"));
    }
    let snapshot = store.snapshot().unwrap();
    let files = snapshot.parquet_files().map_err(|e| TestCaseError::fail(e.to_string()))?;
    if rows(&disk, &files) != expected || answer(&store, &own()) != expected {
        return Err(fail("the files of a snapshot, or its answer,"));
    }
    Ok(store.stats().unwrap().hidden_points)
}

fn check(ops: &[Op], options: Options) -> Result<u64, TestCaseError> {
    let mut machine = StoreMachine::new(1, 2, options);
    let mut hidden = 0;
    for op in ops {
        machine.apply(op).map_err(|fault| TestCaseError::fail(fault.text()))?;
        if let Op::Compact { store } = op {
            hidden += compare(&mut machine, *store)?;
        }
    }
    machine.finish().map_err(TestCaseError::fail)?;
    machine.apply(&Op::Compact { store: 0 }).map_err(|fault| TestCaseError::fail(fault.text()))?;
    hidden += compare(&mut machine, 0)?;
    // By every rule, through both stores.
    machine.finish().map_err(TestCaseError::fail)?;
    Ok(hidden)
}

#[test]
fn after_a_compaction_the_rows_in_the_files_are_the_visible_points() {
    let mix = Mix {
        runs: 6,
        retractions: 10,
        flushes: 6,
        compactions: 5,
        thinnings: 0,
        reads: 0,
        ..Mix::everything()
    };
    let cases = CASES * u32::try_from(factor()).unwrap();
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let hidden = AtomicU64::new(0);
    let strategy = (ops(60, 2, mix), any::<u64>());
    let ran = runner.run(&strategy, |(ops, seed)| {
        let mut random = Random::new(seed);
        let options = Options::new()
            .threads(1)
            .tile_rows([1, 20, 1000][usize::try_from(random.below(3)).unwrap()])
            .part_rows([10, 60, 1 << 20][usize::try_from(random.below(3)).unwrap()]);
        hidden.fetch_add(check(&ops, options)?, Ordering::Relaxed);
        Ok(())
    });
    if let Err(e) = ran {
        panic!("{e}");
    }
    let hidden = hidden.into_inner();
    note(&format!("truth: {cases} sequences; {hidden} hidden points met"));
    assert!(hidden > u64::from(cases), "only {hidden} hidden points were met");
}

fn open(dir: &Path) -> Store {
    Options::new().background(false).threads(1).open(dir.join("s")).unwrap()
}

fn on_disk(files: &[PathBuf]) -> Vec<(i64, f64)> {
    let disk = tidalite_vfs::RealVfs::new();
    let mut found: Vec<(i64, f64)> =
        rows(&disk, files).into_iter().map(|(_, step, _, value)| (step, f64::from_bits(value))).collect();
    found.sort_by(|a, b| a.partial_cmp(b).unwrap());
    found
}

/// A batch that writes step 5 of the series `tie` of run `a` twice.
fn ties() -> RecordBatch {
    let columns: [(&str, ArrayRef); 4] = [
        ("run", Arc::new(StringArray::from(vec!["a"; 2]))),
        ("metric", Arc::new(StringArray::from(vec!["tie"; 2]))),
        ("step", Arc::new(Int64Array::from(vec![5; 2]))),
        ("value", Arc::new(Float64Array::from(vec![1.0, 2.0]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn files_in(store: &Store, folder: &str) -> Vec<(i64, f64)> {
    on_disk(&listed(&tidalite_vfs::RealVfs::new(), &store.path().join(folder)))
}

fn seen(select: &tidalite::Selection) -> Vec<(i64, f64)> {
    points(select).unwrap().iter().map(|(_, p)| (p.step, p.value)).collect()
}

#[test]
fn a_point_returns_when_a_rewind_hides_what_replaced_it_and_not_the_point() {
    let dir = tempfile::tempdir().unwrap();
    let (store, other) = (open(dir.path()), open(dir.path()));
    let run = store.run("r").start().unwrap();
    run.log(5, &[("m", 1.0)]).unwrap();
    // A second participant, whose own rewind covers what it wrote itself.
    let second = other.run("r").start().unwrap();
    second.log(5, &[("m", 2.0)]).unwrap();
    store.compact().unwrap();
    assert_eq!((files_in(&store, "parts"), files_in(&store, "hidden")), (vec![(5, 2.0)], vec![(5, 1.0)]));
    second.rewind(4).unwrap();
    let reader = Options::new().read_only(true).open(store.path()).unwrap();
    for state in ["in the log", "flushed", "compacted", "compacted again"] {
        assert_eq!(seen(&store.select()), [(5, 1.0)], "{state}");
        assert_eq!(seen(&reader.select()), [(5, 1.0)], "{state}");
        assert_eq!(seen(&store.select().include_rewound(true)), [(5, 2.0)], "{state}");
        let all = store.select().include_rewound(true).repeats(Repeats::All);
        assert_eq!(seen(&all), [(5, 1.0), (5, 2.0)], "{state}");
        match state {
            "in the log" => drop(store.flush().unwrap()),
            _ => drop(store.compact().unwrap()),
        }
    }
    assert_eq!((files_in(&store, "parts"), files_in(&store, "hidden")), (vec![(5, 1.0)], vec![(5, 2.0)]));
    assert_eq!(store.snapshot().unwrap().metrics().unwrap(), ["m"]);
    second.rewind(4).unwrap();
    run.rewind(4).unwrap();
    assert!(store.snapshot().unwrap().metrics().unwrap().is_empty() && seen(&store.select()).is_empty());
}

#[test]
fn deleted_points_go_nowhere_and_a_fork_has_its_own_points_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let run = store.run("a").start().unwrap();
    for step in 0..10 {
        run.log(step, &[("m", 1.0)]).unwrap();
        run.log(step, &[("m", 2.0)]).unwrap();
    }
    store.compact().unwrap();
    let fork = store.run("b").parent("a", Some(4)).start().unwrap();
    fork.log(5, &[("m", 3.0)]).unwrap();
    let files = store.parquet_files().unwrap();
    let mut own = seen(&store.select().history(History::Own));
    own.sort_by(|a, b| a.partial_cmp(b).unwrap());
    assert_eq!(on_disk(&files), own);
    assert_eq!(seen(&store.select().run("b")).len(), 6, "with what it inherits");
    store.delete_run("a").unwrap();
    drop(files);
    store.compact().unwrap();
    assert_eq!(files_in(&store, "parts"), [(5, 3.0)]);
    assert!(files_in(&store, "hidden").is_empty(), "nothing of it is kept");
}

#[test]
fn the_files_stay_while_the_list_lives_and_a_reader_is_told_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let run = store.run("a").start().unwrap();
    run.log(1, &[("m", 1.0)]).unwrap();
    let reader = Options::new().read_only(true).open(store.path()).unwrap();
    let refused = reader.parquet_files().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(
        refused.to_string().contains("1 points are not flushed")
            && refused.to_string().contains("tidalite compact")
    );
    let files = store.parquet_files().unwrap();
    assert_eq!(on_disk(&reader.parquet_files().unwrap()), [(1, 1.0)]);
    run.log(1, &[("m", 2.0)]).unwrap();
    store.flush().unwrap();
    let refused = reader.parquet_files().unwrap_err().to_string();
    assert!(refused.contains("replaced by later writes"), "{refused}");
    let later = store.parquet_files().unwrap();
    assert_eq!((on_disk(&files), on_disk(&later)), (vec![(1, 1.0)], vec![(1, 2.0)]));
    drop((files, later));
    store.compact().unwrap();
    assert_eq!(files_in(&store, "parts"), [(1, 2.0)], "replaced files are gone");
    run.rewind(0).unwrap();
    store.flush().unwrap();
    let refused = reader.parquet_files().unwrap_err().to_string();
    assert!(refused.contains("rewound"), "{refused}");
}

#[test]
fn thinning_removes_the_hidden_points_of_a_series_and_a_cut_outline_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let run = store.run("a").start().unwrap();
    for step in 0..4000 {
        run.log(step % 3500, &[("m", f64::from(i32::try_from(step).unwrap())), ("short", 1.0)]).unwrap();
    }
    store.compact().unwrap();
    assert_eq!(files_in(&store, "hidden").len(), 1000);
    run.finish().unwrap();
    let all = store.select().metric("m").repeats(Repeats::All).include_rewound(true);
    let short = store.select().metric("short").repeats(Repeats::All);
    let before = seen(&short);
    let done = store.thin(&Thin::new().run("a").buckets(16)).unwrap();
    assert!(done.series == 2 && done.dropped == 1000, "{done:?}");
    assert!(files_in(&store, "hidden").is_empty() && seen(&short).len() < before.len());
    let files = store.parquet_files().unwrap();
    assert_eq!(on_disk(&files).len(), seen(&all).len() + seen(&short).len());
    let again = store.run("a").start().unwrap();
    again.rewind(1000).unwrap();
    store.compact().unwrap();
    let refused = store.parquet_files().unwrap_err();
    assert!(refused.to_string().contains("was thinned, and then rewound"), "{refused}");
}

#[test]
fn merges_in_the_background_keep_what_a_query_gives() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new().flush_bytes(1);
    let store = options.threads(1).open(dir.path().join("s")).unwrap();
    // Of two rows of one batch and step, only the order of the batch tells which is the last.
    store.append(&ties()).unwrap();
    store.compact().unwrap();
    let run = store.run("a").start().unwrap();
    run.rewind(100).unwrap();
    let start = Instant::now();
    let mut round = 0;
    while store.stats().unwrap().hidden_points < 2 {
        for step in 0..20 {
            run.log(step, &[("m", f64::from(round))]).unwrap();
        }
        round += 1;
        assert!(start.elapsed() < Duration::from_secs(60), "the background merges eight parts");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(seen(&store.select().metric("tie")), [(5, 2.0)]);
    let last = f64::from(round - 1);
    let m = store.select().metric("m");
    assert!(seen(&m).iter().all(|(_, value)| *value == last));
    let all = m.repeats(Repeats::All);
    assert_eq!(seen(&all).len(), usize::try_from(round).unwrap() * 20);
    store.compact().unwrap();
    assert_eq!(seen(&store.select().metric("tie").repeats(Repeats::All)), [(5, 1.0), (5, 2.0)]);
    let mut visible = seen(&store.select());
    visible.sort_by(|a, b| a.partial_cmp(b).unwrap());
    assert_eq!(files_in(&store, "parts"), visible);
    assert_eq!(seen(&all).len(), usize::try_from(round).unwrap() * 20);
}
