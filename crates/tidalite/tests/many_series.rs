//! Selections with more series than one plan holds: computing the answer in spans does not change it.

// Helpers of an integration test may unwrap too.
#![allow(clippy::unwrap_used)]

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int64Type};
use std::sync::Arc;
use tidalite::{Aggregate, By, Compare, Options, Repeats, Store};

const RUNS: usize = 700;
const METRICS: usize = 100;

/// Each series has a point at step 0, and one at step 1 if its metric is even. `offset` identifies the batch.
fn batch(runs: std::ops::Range<usize>, offset: f64) -> RecordBatch {
    let mut rows: Vec<(String, String, i64, f64)> = Vec::new();
    for run in runs {
        for metric in 0..METRICS {
            for step in 0..if metric % 2 == 0 { 2 } else { 1 } {
                let value = (run * METRICS + metric) as f64 + offset;
                rows.push((format!("run-{run:03}"), format!("m-{metric:02}"), step, value));
            }
        }
    }
    RecordBatch::try_from_iter([
        ("run", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.0))) as ArrayRef),
        ("metric", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.1)))),
        ("step", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.2)))),
        ("value", Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.3)))),
    ])
    .unwrap()
}

/// 70,000 series in two parts and a log. Some are in more than one of them.
fn store(dir: &tempfile::TempDir) -> Store {
    let store = Options::new().background(false).open(dir.path().join("store")).unwrap();
    store.append(&batch(0..400, 0.25)).unwrap();
    store.flush().unwrap();
    store.append(&batch(390..RUNS, 0.5)).unwrap();
    store.flush().unwrap();
    let run = store.run("run-699").start().unwrap();
    run.log(0, &[("m-00", -1.0), ("late", 7.0)]).unwrap();
    store
}

fn expected(run: usize, metric: usize) -> f64 {
    match (run, metric) {
        (699, 0) => -1.0,
        _ => (run * METRICS + metric) as f64 + if run < 390 { 0.25 } else { 0.5 },
    }
}

#[test]
fn points_are_in_order_and_each_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let (mut run, mut metric, mut step, mut late) = (0, 0, 0, 0);
    for batch in store.select().points().unwrap() {
        let batch = batch.unwrap();
        let names =
            |column: usize| arrow::compute::cast(batch.column(column), &arrow::datatypes::DataType::Utf8);
        let (runs, metrics) = (names(0).unwrap(), names(1).unwrap());
        let steps = batch.column_by_name("step").unwrap().as_primitive::<Int64Type>();
        let values = batch.column_by_name("value").unwrap().as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            if metrics.as_string::<i32>().value(row) == "late" {
                late += 1;
                continue;
            }
            assert_eq!(runs.as_string::<i32>().value(row), format!("run-{run:03}"));
            assert_eq!(metrics.as_string::<i32>().value(row), format!("m-{metric:02}"));
            let value = if step == 0 { expected(run, metric) } else { expected(run, metric).abs() };
            let value = if (run, metric, step) == (699, 0, 1) { 69_900.5 } else { value };
            assert_eq!((steps.value(row), values.value(row)), (step, value), "run {run}, metric {metric}");
            step += 1;
            if step == if metric % 2 == 0 { 2 } else { 1 } {
                (step, metric) = (0, metric + 1);
            }
            if metric == METRICS {
                (metric, run) = (0, run + 1);
            }
        }
    }
    assert_eq!((run, metric, step, late), (RUNS, 0, 0, 1));
}

#[test]
fn aggregates_latest_and_conditions_see_all_spans() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let by = [By::Run, By::Metric];
    let (each, told) =
        store.select().explain(|s| s.aggregate(&[Aggregate::Count, Aggregate::Min], &by)).unwrap();
    assert_eq!((each.num_rows(), told.series), (RUNS * METRICS + 1, (RUNS * METRICS + 1) as u64));
    let least = each.column(3).as_primitive::<Float64Type>();
    let metrics = each.column(1).as_string::<i32>();
    let rows = (0..each.num_rows()).filter(|&row| metrics.value(row) != "late");
    for (i, row) in rows.enumerate() {
        assert_eq!(least.value(row), expected(i / METRICS, i % METRICS), "row {row}");
    }
    let all = store.select().aggregate(&[Aggregate::Count], &[]).unwrap();
    assert_eq!(all.column(0).as_primitive::<Int64Type>().value(0), (RUNS * METRICS / 2 * 3 + 1) as i64);
    // `Repeats::All` counts repeats in two parts.
    let with = store.select().repeats(Repeats::All).aggregate(&[Aggregate::Count], &[]).unwrap();
    let repeats = 10 * METRICS / 2 * 3 + 1;
    let count = with.column(0).as_primitive::<Int64Type>().value(0);
    assert_eq!(count, (RUNS * METRICS / 2 * 3 + 1 + repeats) as i64);
    assert_eq!(store.select().latest().unwrap().num_rows(), RUNS * METRICS + 1);
    assert_eq!(store.select().summaries().unwrap().len(), RUNS * METRICS + 1);
    let high = store.select().having(Aggregate::Min, Compare::GreaterOrEqual, 69_000.0, ..);
    // All series of the last ten runs except one below the limit.
    assert_eq!(high.summaries().unwrap().len(), 10 * METRICS - 1);
    let pieces: usize = high.points().unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(pieces, 10 * METRICS / 2 * 3 - 2);
}

#[test]
fn one_wide_run_is_planned_in_spans_of_its_metrics() {
    const WIDE: usize = 6_000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wide");
    let store = Options::new().background(false).open(&path).unwrap();
    for (first, offset) in [(0, 0.25), (2, 0.5)] {
        for rank in ["0", "1"] {
            let run = store.run("wide").label("rank", rank).start().unwrap();
            let names: Vec<String> = (0..WIDE).map(|m| format!("m-{m}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let columns = run.columns(&names).unwrap();
            let values: Vec<f64> = (0..WIDE).map(|m| m as f64 + offset).collect();
            (first..first + 3).for_each(|step| {
                columns.log(step, &values).unwrap();
            });
            run.finish().unwrap();
        }
        store.flush().unwrap();
    }
    let fork = store.run("fork").parent("wide", Some(1)).start().unwrap();
    fork.log(7, &[("m-1", 7.0), ("m-own", 8.0)]).unwrap();
    fork.finish().unwrap();
    drop(store);
    let open = |mib: u64| Options::new().read_only(true).memory_bytes(mib << 20).open(&path).unwrap();
    let (small, roomy) = (open(16), open(4096));
    for select in
        [|s: &Store| s.select(), |s: &Store| s.select().run("fork"), |s: &Store| s.select().metrics("m-1*")]
    {
        assert_eq!(select(&small).summaries().unwrap(), select(&roomy).summaries().unwrap());
        assert_eq!(select(&small).latest().unwrap(), select(&roomy).latest().unwrap());
        let by = [By::Run, By::Metric];
        let mean =
            |store: &Store| select(store).aggregate(&[Aggregate::Mean, Aggregate::Count], &by).unwrap();
        assert_eq!(mean(&small), mean(&roomy));
        let points = |store: &Store| select(store).points().unwrap().collect().unwrap();
        assert_eq!(points(&small), points(&roomy));
    }
    assert_eq!(small.select().summaries().unwrap().len(), 4 * WIDE + 2);
}
