//! Many appends of moderate size, as one for each series, leave few files and keep their order.

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use std::path::Path;
use std::sync::Arc;
use tidalite::{Aggregate, By, Options};

const ROWS: i64 = 17_000;
const BATCHES: i64 = 100;

/// One series of run `r`; all values are `value`.
fn batch(metric: &str, value: f64) -> RecordBatch {
    let n = usize::try_from(ROWS).unwrap();
    let columns: [(&str, ArrayRef); 4] = [
        ("run", Arc::new(StringArray::from(vec!["r"; n]))),
        ("metric", Arc::new(StringArray::from(vec![metric; n]))),
        ("step", Arc::new(Int64Array::from_iter_values(0..ROWS))),
        ("value", Arc::new(Float64Array::from(vec![value; n]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn files(folder: &Path) -> usize {
    let count = |entry: std::fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => files(&entry.path()),
        false => 1,
    };
    std::fs::read_dir(folder).unwrap().map(|entry| count(entry.unwrap())).sum()
}

#[test]
fn an_append_for_each_of_many_series_leaves_few_files_and_the_last_write_of_a_step_wins() {
    let dir = tempfile::tempdir().unwrap();
    let store = Options::new().background(false).open(dir.path()).unwrap();
    for i in 0..BATCHES {
        // Each series twice; the first batches become parts, the second ones frames.
        store.append(&batch(&format!("m{:02}", i % 50), i as f64)).unwrap();
        assert!(files(dir.path()) <= 50, "{} files after {} appends", files(dir.path()), i + 1);
    }
    let count = || {
        store.select().aggregate(&[Aggregate::Count, Aggregate::Min, Aggregate::Max], &[By::Metric]).unwrap()
    };
    let logged = count();
    store.flush().unwrap();
    assert_eq!(count(), logged);
    store.compact().unwrap();
    assert_eq!(count(), logged);
    assert!(files(dir.path()) <= 12, "{}", files(dir.path()));
    let points = store.select().metric("m07").points().unwrap().collect().unwrap();
    assert_eq!(points.num_rows() as i64, ROWS);
    let (_, summary) = &store.select().metric("m07").summaries().unwrap()[0];
    assert_eq!((summary.min.map(|e| e.value), summary.count), (Some(57.0), ROWS as u64));
}
