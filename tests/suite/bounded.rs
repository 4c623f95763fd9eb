//! Answers within a small memory option: only an answer that is itself too large is refused, and the message says what to do.

use crate::rollups::batch;
use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int64Type};
use tempfile::TempDir;
use tidalite::{Aggregate, AlignOn, By, ErrorKind, Fill, Options, Store, XAxis};

const SERIES: i64 = 30;
const POINTS: i64 = 20_000;

/// 600,000 points under 16 MiB.
fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new().background(false).threads(2).memory_bytes(16 << 20);
    let store = options.open(dir.path().join("m")).unwrap();
    for series in 0..SERIES {
        let points: Vec<(i64, i64, f64)> =
            (0..POINTS).map(|step| (step, 1_000_000 * step, (step * (series + 3) % 101) as f64)).collect();
        store.append(&batch("a", &format!("m{series:02}"), &points)).unwrap();
    }
    store.flush().unwrap();
    (dir, store)
}

#[test]
fn drawings_over_other_axes_need_memory_for_one_series_at_a_time() {
    let (_dir, store) = store();
    for x in [XAxis::Time, XAxis::Elapsed, XAxis::Metric("m07".into())] {
        let over = store.select().over(x);
        assert!(over.chart(50).unwrap().num_rows() >= 25 * SERIES as usize);
        assert!(over.m4(50).unwrap().num_rows() >= 4 * 25 * SERIES as usize);
        assert_eq!(over.lttb(50).unwrap().num_rows(), 50 * SERIES as usize);
        assert!(over.band(50, &[By::Metric]).unwrap().num_rows() >= 25 * SERIES as usize);
    }
    assert!(store.select().m4(50).unwrap().num_rows() > 3 * 50 * SERIES as usize);
    assert_eq!(store.select().lttb(50).unwrap().num_rows(), 50 * SERIES as usize);
}

#[test]
fn a_table_is_as_large_as_its_columns() {
    let (_dir, store) = store();
    let table = store.select().align(AlignOn::Step, Fill::None).unwrap();
    assert_eq!((table.num_rows(), table.num_columns()), (POINTS as usize, 1 + SERIES as usize));
}

#[test]
fn an_answer_that_is_too_large_says_how_to_ask_for_less_and_how_to_allow_more() {
    let (_dir, store) = store();
    let refused = store.select().over(XAxis::Time).points().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Full);
    let text = refused.to_string();
    for word in ["memory_bytes", "--memory", "fewer runs", "range of steps", "fewer points"] {
        assert!(text.contains(word), "{text}");
    }
    let some = store.select().metrics("m0[0-4]").over(XAxis::Time).points().unwrap();
    assert_eq!(some.num_rows(), 5 * POINTS as usize);
}

#[test]
fn a_long_series_whose_parts_overlap_in_one_place_is_counted_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new().background(false).threads(2).memory_bytes(16 << 20);
    let store = options.open(dir.path().join("m")).unwrap();
    let point = |step: i64| (step, 1_000_000 * step, step as f64);
    // Only the last pieces have repeats; the others are read as they are.
    for steps in [0..300_000, 299_990..300_010] {
        store.append(&batch("a", "m", &steps.map(point).collect::<Vec<_>>())).unwrap();
    }
    store.flush().unwrap();
    let counted = store.select().aggregate(&[Aggregate::Count, Aggregate::Sum], &[]).unwrap();
    assert_eq!(counted["count"].as_primitive::<Int64Type>().value(0), 300_010);
    let sum = (0..300_010).sum::<i64>() as f64;
    assert_eq!(counted["sum"].as_primitive::<Float64Type>().value(0), sum);
}
