//! Batches whose columns, types or rows are wrong.

use super::refusal::{column, new_store, of_columns, one_row, refused, still_works};
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray, UInt64Array,
};
use tidalite::{ErrorKind, TIME_US_MAX};

/// Two good rows, with one column replaced or added.
fn with(name: &str, array: ArrayRef) -> RecordBatch {
    let mut columns = vec![
        ("run", column(StringArray::from(vec!["r", "r"]))),
        ("metric", column(StringArray::from(vec!["m", "m"]))),
        ("step", column(Int64Array::from(vec![1, 2]))),
        ("value", column(Float64Array::from(vec![1.0, 2.0]))),
        ("time", column(Int64Array::from(vec![1, 2]))),
    ];
    match columns.iter_mut().find(|(n, _)| *n == name) {
        Some(good) => good.1 = array,
        None => columns.push((name, array)),
    }
    of_columns(&columns)
}

#[test]
fn a_batch_with_a_wrong_column_is_refused_whole_with_column_and_row() {
    let (_dir, _path, store) = new_store();
    store.append(&with("labels", column(StringArray::from(vec!["", "a=b"])))).unwrap();
    let wrong = |batch: &RecordBatch, parts: &[&str]| refused(store.append(batch), ErrorKind::Invalid, parts);
    let good = with("time", column(Int64Array::from(vec![1, 2])));
    for missing in ["run", "metric", "value"] {
        let index: Vec<usize> = (0..5).filter(|&i| good.schema().field(i).name() != missing).collect();
        wrong(&good.project(&index).unwrap(), &["no column", missing]);
    }
    wrong(&with("epoch", column(Int64Array::from(vec![1, 2]))), &["unknown column", "\"epoch\""]);
    wrong(&good.project(&[0, 1, 2, 3, 3]).unwrap(), &["\"value\"", "twice"]);
    for (name, array) in [
        ("run", column(Int64Array::from(vec![1, 2]))),
        ("metric", column(BinaryArray::from_vec(vec![b"a", b"b"]))),
        ("labels", column(BooleanArray::from(vec![true, false]))),
        ("step", column(Float64Array::from(vec![1.0, 2.0]))),
        ("step", column(StringArray::from(vec!["1", "2"]))),
        ("value", column(StringArray::from(vec!["1", "2"]))),
        ("value", column(BinaryArray::from_vec(vec![b"1", b"2"]))),
        ("time", column(Float64Array::from(vec![1.0, 2.0]))),
        ("time", column(StringArray::from(vec!["2024-01-01", "2024-01-02"]))),
    ] {
        wrong(&with(name, array), &[&format!("column {name:?}"), "type"]);
    }
    for (name, array) in [
        ("run", column(StringArray::from(vec![Some("r"), None]))),
        ("metric", column(StringArray::from(vec![Some("m"), None]))),
        ("labels", column(StringArray::from(vec![Some(""), None]))),
        ("step", column(Int64Array::from(vec![Some(1), None]))),
        ("value", column(Float64Array::from(vec![Some(1.0), None]))),
        ("time", column(Int64Array::from(vec![Some(1), None]))),
    ] {
        wrong(&with(name, array), &[&format!("column {name:?}"), "null", "row 1"]);
    }
    let some = column(Int64Array::from(vec![Some(1), None]));
    wrong(&with("step", some), &["leave the column out", "count"]);
    wrong(&with("step", column(UInt64Array::from(vec![1, u64::MAX]))), &["\"step\"", "row 1"]);
    wrong(&with("time", column(Int64Array::from(vec![1, TIME_US_MAX + 1]))), &["row 1", "9999"]);
    wrong(
        &with("labels", column(StringArray::from(vec!["a=b", "no pair"]))),
        &["labels", "row 1", "key=value"],
    );
    let nanos = column(TimestampNanosecondArray::from(vec![1_999, -1]));
    store.append(&with("time", nanos)).unwrap();
    let stats = store.stats().unwrap();
    assert_eq!((stats.points, stats.runs), (4, 1), "only the right batches were appended");
    still_works(&store);
}

#[test]
fn a_batch_without_rows_is_accepted_as_nothing() {
    let (_dir, _path, store) = new_store();
    assert_eq!(store.append(&one_row().slice(0, 0)).unwrap(), None);
    assert_eq!(store.runs().unwrap().len(), 0);
}
