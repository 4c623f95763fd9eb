//! Questions that are wrong, match nothing, or need much memory.

use super::refusal::{new_store, refused, still_works};
use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use std::sync::Arc;
use tidalite::{Aggregate, By, ErrorKind, Options, TIME_US_MIN};
use tidalite_testkit::points_of;

#[test]
fn exact_quantiles_need_memory_for_one_group_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let store = Options::new().background(false).memory_bytes(16 << 20).open(&path).unwrap();
    let n = 400_000i64;
    for metric in ["a", "b", "c", "d", "e", "f"] {
        let text = |t: &str| -> ArrayRef { Arc::new(StringArray::from_iter_values((0..n).map(|_| t))) };
        let values = (0..n).map(|i| (i * 7919 % 100_003) as f64 + f64::from(metric.as_bytes()[0]));
        let columns = [
            ("run", text("r")),
            ("metric", text(metric)),
            ("step", Arc::new(Int64Array::from_iter_values(0..n)) as ArrayRef),
            ("value", Arc::new(Float64Array::from_iter_values(values)) as ArrayRef),
        ];
        store.append(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
    }
    let roomy = Options::new().read_only(true).open(&path).unwrap();
    let words = Aggregate::parse_list(&["p50", "p99", "count"]).unwrap();
    for by in [vec![By::Metric], vec![By::Run, By::Metric], vec![By::Metric, By::StepBucket(100_000)]] {
        let (few, many) = (store.select().aggregate(&words, &by), roomy.select().aggregate(&words, &by));
        assert_eq!(few.unwrap(), many.unwrap());
    }
    assert_eq!(store.select().aggregate(&words, &[]).unwrap_err().kind(), ErrorKind::Full);
}

#[test]
fn a_selection_that_matches_nothing_is_empty_and_not_an_error() {
    let (_dir, _path, store) = new_store();
    for filled in [false, true] {
        if filled {
            store.run("r").start().unwrap().log(1, &[("x", 1.0)]).unwrap();
            store.flush().unwrap();
        }
        for select in [
            store.select().run("absent"),
            store.select().metrics("absent*"),
            store.select().label("no", "where"),
            store.select().steps(5..5),
            store.select().steps((std::ops::Bound::Included(9), std::ops::Bound::Excluded(2))),
            store.select().steps(i64::MAX..),
            store.select().times_us(..TIME_US_MIN),
            store.select().values(f64::NAN, None),
            store.select().values(3.0, 2.0),
        ] {
            assert_eq!(select.points().unwrap().collect().unwrap().num_rows(), 0);
            assert!(select.summaries().unwrap().is_empty() && select.chart(10).unwrap().is_empty());
            assert!(points_of(&select.latest().unwrap()).is_empty());
            assert!(select.follow().unwrap().poll().unwrap().is_empty());
            let by_run = select.aggregate(&[Aggregate::Count], &[By::Run]).unwrap();
            let total = select.aggregate(&[Aggregate::Count, Aggregate::Mean], &[]).unwrap();
            assert_eq!((by_run.num_rows(), total.num_rows()), (0, 1));
            assert!(total.column(1).is_null(0), "no points have no mean");
        }
    }
}

#[test]
fn wrong_questions_are_refused_with_what_would_be_right() {
    let (_dir, _path, store) = new_store();
    refused("average".parse::<Aggregate>(), ErrorKind::Invalid, &["average", "mean", "count", "std"]);
    refused("p101".parse::<Aggregate>(), ErrorKind::Invalid, &["p101"]);
    refused(store.select().aggregate(&[], &[]), ErrorKind::Invalid, &["no aggregate"]);
    refused(
        store.select().aggregate(&[Aggregate::Mean], &[By::StepBucket(0)]),
        ErrorKind::Invalid,
        &["width 0"],
    );
    refused(
        store.select().aggregate(&[Aggregate::Mean, Aggregate::Mean], &[]),
        ErrorKind::Invalid,
        &["mean", "twice"],
    );
    refused(store.select().chart(0), ErrorKind::Invalid, &["0 buckets"]);
    for pattern in ["[a", "{a,b", "a\\"] {
        refused(store.select().runs(pattern).points().map(|_| ()), ErrorKind::Invalid, &[pattern]);
        refused(store.select().metrics(pattern).follow().map(|_| ()), ErrorKind::Invalid, &[pattern]);
    }
    refused("1:x".parse::<tidalite::Cursor>(), ErrorKind::Invalid, &["1:x", "cursor"]);
    refused(store.snapshot().unwrap().run("absent"), ErrorKind::NotFound, &["absent"]);
    still_works(&store);
}
