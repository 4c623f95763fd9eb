//! Answers within a small memory option: only an answer that is itself too large is refused, and the message says what to do.

use crate::allocation::take_largest_here;
use crate::rollups::batch;
use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int64Type};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tidalite::{Aggregate, AlignOn, By, ErrorKind, Fill, Options, RowAt, Store, Thin, XAxis};

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
    for word in ["memory_bytes", "fewer runs", "range of steps", "fewer points"] {
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

/// One series of 400,000 points, which takes 32 MB while it is merged. Some steps were written twice, and times go back now and
/// then. Another series is the axis of a third.
fn long_series(path: &Path) {
    let store = Options::new().background(false).open(path).unwrap();
    let point = |step: i64| {
        let time = 1_000_000 * (step - 3_000 * i64::from(step % 50_000 == 7));
        (step, time, if step % 1_009 == 0 { f64::NAN } else { (step % 7_919) as f64 })
    };
    let all: Vec<(i64, i64, f64)> = (0..400_000).map(point).collect();
    store.append(&batch("a", "m", &all)).unwrap();
    let again: Vec<(i64, i64, f64)> = (0..400).map(|i| (1_000 * i, 1_000_000_000 * i + 5, -1.0)).collect();
    store.append(&batch("a", "m", &again)).unwrap();
    let tokens: Vec<(i64, i64, f64)> = (0..4_000).map(|i| (100 * i, 0, (i / 3) as f64)).collect();
    store.append(&batch("a", "tokens", &tokens)).unwrap();
    let run = store.run("a").start().unwrap();
    (399_000..401_000).for_each(|step| {
        run.log_at(&RowAt::step(step).time_us(1_000_000 * step), &[("m", 0.5)]).unwrap();
    });
    run.finish().unwrap();
}

#[test]
fn one_series_that_does_not_fit_into_memory_is_drawn_as_with_more_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    long_series(&path);
    let open =
        |mib: u64| Options::new().read_only(true).threads(2).memory_bytes(mib << 20).open(&path).unwrap();
    let (small, roomy) = (open(16), open(1024));
    for x in [XAxis::Step, XAxis::Time, XAxis::Elapsed, XAxis::Metric("tokens".into())] {
        let of = |store: &Store| store.select().metric("m").over(x.clone());
        assert_eq!(of(&small).chart(70).unwrap(), of(&roomy).chart(70).unwrap(), "{x}");
        assert_eq!(of(&small).m4(70).unwrap(), of(&roomy).m4(70).unwrap(), "{x}");
        let band = |store: &Store| of(store).band(70, &[By::Metric]).unwrap();
        assert_eq!(band(&small), band(&roomy), "{x}");
        let few = |store: &Store| store.select().metric("m").steps(150_000..350_000).over(x.clone()).points();
        assert_eq!(few(&small).unwrap(), few(&roomy).unwrap(), "{x}");
    }
    for times in [None, Some((100_000_000_000, 300_000_000_000))] {
        let of = |store: &Store| {
            let select = store.select().metric("m");
            times.map_or(select.clone(), |(from, to)| select.times_us(from..to))
        };
        assert_eq!(of(&small).lttb(70).unwrap(), of(&roomy).lttb(70).unwrap());
        assert_eq!(of(&small).lttb(70).unwrap().num_rows(), 70);
    }
    let ask = |store: &Store| store.select().metric("m").aggregate(&["p99~".parse().unwrap()], &[]).unwrap();
    assert_eq!(ask(&small), ask(&roomy));
}

#[test]
fn a_series_that_does_not_fit_into_memory_is_thinned_as_with_more_memory() {
    let outlines = [16, 1024].map(|mib| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m");
        long_series(&path);
        let options = Options::new().background(false).threads(2).memory_bytes(mib << 20);
        let store = options.open(&path).unwrap();
        let done = store.thin(&Thin::new().run("a").buckets(100)).unwrap();
        let points = store.select().metric("m").points().unwrap().collect().unwrap();
        (
            done.series,
            done.points,
            done.kept,
            done.dropped,
            points,
            store.select().metric("m").summaries().unwrap(),
        )
    });
    assert!(outlines[0].0 > 0);
    assert_eq!(outlines[0], outlines[1]);
}

#[test]
fn every_refusal_for_memory_names_the_option() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    long_series(&path);
    let store = Options::new().read_only(true).threads(2).memory_bytes(16 << 20).open(&path).unwrap();
    let select = store.select().metric("m");
    let refused = [
        select.lttb(1_000_000).map(drop),
        select.over(XAxis::Time).points().map(drop),
        select.align(AlignOn::Time, Fill::None).map(drop),
        select.aggregate(&[Aggregate::Mean], &[By::StepBucket(1)]).map(drop),
    ];
    for (i, refused) in refused.into_iter().enumerate() {
        let refused = refused.expect_err(&i.to_string());
        assert_eq!(refused.kind(), ErrorKind::Full, "{i}: {refused}");
        let text = refused.to_string();
        assert!(text.contains("memory_bytes") && !text.contains("--") && text.contains("16 MiB"), "{text}");
    }
}

#[test]
fn the_records_of_many_runs_are_read_and_copied_without_a_second_list_of_them() {
    const RUNS: usize = 50_000;
    let dir = tempfile::tempdir().unwrap();
    let open =
        || Options::new().background(false).threads(1).memory_bytes(16 << 20).open(dir.path().join("m"));
    let names = StringArray::from_iter_values((0..RUNS).map(|r| format!("run-{r:05}")));
    let metrics = StringArray::from(vec!["m"; RUNS]);
    let columns: [(&str, ArrayRef); 5] = [
        ("run", Arc::new(names)),
        ("metric", Arc::new(metrics)),
        ("step", Arc::new(Int64Array::from(vec![1; RUNS]))),
        ("time", Arc::new(Int64Array::from(vec![1; RUNS]))),
        ("value", Arc::new(Float64Array::from(vec![0.5; RUNS]))),
    ];
    let store = open().unwrap();
    store.append(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
    store.flush().unwrap();
    store.close().unwrap();
    let reader = open().unwrap();
    take_largest_here();
    assert!(reader.snapshot().unwrap().run("run-00007").is_ok());
    reader.backup(dir.path().join("copy")).unwrap();
    let largest = take_largest_here();
    // A second list took 15 MiB. The text of the table takes 4 while it is written.
    assert!(largest < 6 << 20, "{} KiB at once for {RUNS} runs", largest >> 10);
}
